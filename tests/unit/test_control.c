/* The control loop over a made-up cluster: order of things, one journal line per tick, failures, replay to the bit. */
#include "suite.h"

#include <maestro/control.h>

#include <stdio.h>
#include <string.h>

/* A cluster of plain numbers: load waves, CPU and p95 follow load per replica. */
struct toy {
    struct cluster cluster;
    double time_s;
    int replicas;
    int n_scales;
    bool refuses; /* to scale */
    enum validity rps_validity;
    struct pod_record pod;
};

static double toy_load(const struct toy *t)
{
    long phase = (long)(t->time_s / 15) % 40;
    return 50 + 10.0 * (double)(phase < 20 ? phase : 40 - phase);
}

static bool toy_sample(struct cluster *c, bool with_pods, struct sample *out, struct err *e)
{
    struct toy *t = (struct toy *)c;
    double load = toy_load(t), each = load / t->replicas;
    (void)e;
    *out = (struct sample){.time_s = t->time_s, .ready = t->replicas};
    const double values[SIGNAL_COUNT] = {load, 0.3, t->replicas, 20 + each * each / 5, load};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        out->signals[i] = (struct reading){values[i], 10, VALIDITY_VALID};
    out->signals[SIGNAL_RPS].validity = t->rps_validity;
    if (with_pods) {
        t->pod.cpu_request_percent = 50;
        out->pods = &t->pod;
        out->n_pods = 1;
    }
    return true;
}

static bool toy_scale(struct cluster *c, int replicas, struct err *e)
{
    struct toy *t = (struct toy *)c;
    if (t->refuses)
        return err_set(e, ERR_IO, "conflict");
    t->replicas = replicas;
    t->n_scales++;
    return true;
}

static bool toy_advance(struct cluster *c, double seconds, struct err *e)
{
    (void)e;
    ((struct toy *)c)->time_s += seconds;
    return true;
}

static double toy_now(const struct cluster *c)
{
    return ((const struct toy *)c)->time_s;
}

static const struct cluster_ops TOY = {toy_sample, toy_scale, toy_advance, toy_now, NULL};

/* Keeps load per replica between two bounds, told through the features. */
static bool rule_act(struct policy *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)p;
    (void)e;
    int replicas = (int)in->sample->signals[SIGNAL_REPLICAS].value;
    int action = in->features[0] > 0.9f && in->mask[2] ? 2 : in->features[0] < 0.5f && in->mask[0] ? 0 : 1;
    out->action = action;
    out->replicas = replicas + in->actions->delta[action];
    out->logits[action] = in->features[0];
    snprintf(out->reason, sizeof out->reason, "demand %.3f", (double)in->features[0]);
    return true;
}

static bool broken_act(struct policy *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)p;
    (void)in;
    out->replicas = 1;
    return err_set(e, ERR_NUMERIC, "the network gave NaN");
}

static const struct policy_ops RULE = {.name = "rule", .kind = POLICY_STEP, .act = rule_act};
static const struct policy_ops BROKEN = {.name = "broken", .kind = POLICY_STEP, .act = broken_act};

static struct control control_of(void)
{
    struct control c = {.actions = {.n = 3, .delta = {-1, 0, 1}},
                        .guard = {.enabled = true, .stabilise_down_s = 45},
                        .target = {.name = "toy", .min_replicas = 1, .max_replicas = 12, .latency_soft_ms = 100},
                        .period_s = 15,
                        .masks = true};
    ck_assert(observation_spec_parse(&c.observation, "demand,default", 15, 45, NULL));
    return c;
}

static void begin(const struct control *c, struct control_state *s, struct toy *toy)
{
    struct sample first;
    *toy = (struct toy){.cluster = {&TOY}, .replicas = 3, .rps_validity = VALIDITY_VALID};
    ck_assert(cluster_sample(&toy->cluster, true, &first, NULL));
    control_begin(c, s, NULL, &first);
}

START_TEST(a_tick_looks_decides_guards_and_scales)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    int lowest = 100, highest = 0, n_changed = 0;
    begin(&c, &s, &toy);
    struct control_loop loop = {&c, &s, &toy.cluster, &policy, NULL, 0};
    for (int i = 0; i < 200; i++) {
        int before = toy.replicas;
        ck_assert(control_tick(&loop, &r, NULL));
        ck_assert_int_eq(r.guard.from, before);
        ck_assert_int_eq(r.guard.replicas, toy.replicas);
        ck_assert_int_eq(r.written, toy.replicas != before);
        n_changed += r.written;
        lowest = toy.replicas < lowest ? toy.replicas : lowest;
        highest = toy.replicas > highest ? toy.replicas : highest;
        ck_assert(cluster_advance(&toy.cluster, 15, NULL));
    }
    ck_assert_int_eq(n_changed, toy.n_scales);
    ck_assert_int_le(lowest, 3); // demand runs from 1 to 5 replicas and the rule keeps it between 0.5 and 0.9 of R
    ck_assert_int_ge(highest, 5);
    ck_assert_int_le(highest, 12);
}
END_TEST

START_TEST(a_failing_policy_is_a_record_not_an_error)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &BROKEN};
    begin(&c, &s, &toy);
    struct control_loop loop = {&c, &s, &toy.cluster, &policy, NULL, 0};
    ck_assert(control_tick(&loop, &r, NULL));
    ck_assert_int_eq(toy.replicas, 3);
    ck_assert_int_eq(r.guard.reason, GUARD_REASON_POLICY_FAILED);
    ck_assert_ptr_nonnull(strstr(r.output.reason, "NaN"));
}
END_TEST

START_TEST(a_failed_signal_holds_what_would_go_down)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    begin(&c, &s, &toy);
    c.guard.stabilise_down_s = 0;
    struct control_loop loop = {&c, &s, &toy.cluster, &policy, NULL, 0};
    toy.replicas = 12;
    toy.time_s = 15;
    toy.rps_validity = VALIDITY_FAILED;
    ck_assert(control_tick(&loop, &r, NULL));
    ck_assert_int_eq(r.output.replicas, 11);
    ck_assert_int_eq(toy.replicas, 12);
    ck_assert_int_eq(r.guard.reason, GUARD_REASON_PARTIAL);
    toy.rps_validity = VALIDITY_VALID;
    toy.time_s = 30;
    ck_assert(control_tick(&loop, &r, NULL));
    ck_assert_int_eq(toy.replicas, 11);
}
END_TEST

/* One replica a minute may go: a refused attempt must not use it up. */
START_TEST(a_refused_change_counts_for_no_limit)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    struct err e = {0};
    begin(&c, &s, &toy);
    c.guard = (struct guard_config){.enabled = true, .rate_down = 1, .rate_period_s = 60};
    struct control_loop loop = {&c, &s, &toy.cluster, &policy, NULL, 0};
    toy.replicas = 12;
    toy.time_s = 15;
    toy.refuses = true;
    ck_assert(!control_tick(&loop, &r, &e));
    ck_assert_int_eq(r.guard.replicas, 11);
    ck_assert(!r.written);
    toy.time_s = 30;
    toy.refuses = false;
    ck_assert(control_tick(&loop, &r, &e));
    ck_assert_int_eq(toy.replicas, 11);
    toy.time_s = 45;
    ck_assert(control_tick(&loop, &r, &e));
    ck_assert_int_eq(toy.replicas, 11);
    ck_assert_int_eq(r.guard.reason, GUARD_REASON_RATE_DOWN);
}
END_TEST

/* 100 journalled ticks; then each recorded sample again, from the state at the head of the file. */
START_TEST(the_journal_replays_bit_for_bit)
{
    char path[] = "/tmp/maestro-control-XXXXXX";
    ck_assert_int_ge(mkstemp(path), 0);
    struct control c = control_of();
    static struct control_state s, replayed;
    static struct journal_record r, again;
    static struct journal_line line;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    struct journal *journal;
    struct journal_reader *reader;
    struct err e = {0};
    bool end = false;
    int n = 0;
    begin(&c, &s, &toy);
    int intended = -1;
    ck_assert(journal_open(path, 0, 0, &journal, &e));
    struct control_loop loop = {&c, &s, &toy.cluster, &policy, journal, 0};
    for (int i = 0; i < 100; i++) {
        ck_assert(cluster_advance(&toy.cluster, 15, NULL));
        ck_assert_msg(control_tick(&loop, &r, &e), "%s", e.message);
    }
    journal_close(journal);
    ck_assert(journal_read(path, &reader, &e));
    while (journal_next(reader, &line, &end, &e)) {
        if (line.kind == JOURNAL_STATE) {
            ck_assert_uint_eq(line.n_state, sizeof replayed);
            memcpy(&replayed, line.state, sizeof replayed);
            ck_assert_str_eq(line.target, "toy");
            ck_assert_uint_eq(line.n_control, sizeof c);
            ck_assert_mem_eq(line.control, &c, sizeof c);
            continue;
        }
        if (line.kind == JOURNAL_INTENT) {
            intended = line.record.guard.replicas;
            continue;
        }
        ck_assert_int_eq(intended, line.record.written ? line.record.guard.replicas : -1);
        intended = -1;
        struct control_deciders who = {.policy = &policy};
        ck_assert_msg(control_plan(&c, &replayed, &line.record.sample, &who, &again, &e), "%s", e.message);
        control_commit(&replayed, line.record.outcome, &again);
        ck_assert_int_eq(again.written, line.record.written);
        ck_assert_mem_eq(again.features, line.record.features, sizeof again.features);
        ck_assert_mem_eq(again.output.logits, line.record.output.logits, sizeof again.output.logits);
        ck_assert_mem_eq(&again.guard, &line.record.guard, sizeof again.guard);
        ck_assert_str_eq(again.output.reason, line.record.output.reason);
        n++;
    }
    ck_assert_msg(end, "%s", e.message);
    ck_assert_int_eq(n, 100);
    ck_assert_mem_eq(&replayed, &s, sizeof s);
    journal_reader_close(reader);
    remove(path);
}
END_TEST

START_TEST(samples_older_than_the_last_are_refused)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    struct sample old;
    struct err e = {0};
    begin(&c, &s, &toy);
    ck_assert(cluster_sample(&toy.cluster, false, &old, NULL));
    old.time_s = -1;
    struct control_deciders who = {.policy = &policy};
    ck_assert(!control_plan(&c, &s, &old, &who, &r, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
}
END_TEST

/* A plan that is not carried out counts for no limit; the same plan carried out does. */
START_TEST(only_what_was_written_counts)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy policy = {.ops = &RULE};
    struct sample sample;
    begin(&c, &s, &toy);
    c.guard = (struct guard_config){.enabled = true, .rate_down = 1, .rate_period_s = 60};
    toy.replicas = 12;
    static const enum outcome OUTCOMES_IN_ORDER[] = {OUTCOME_SHADOW, OUTCOME_CONFLICT, OUTCOME_WRITTEN, OUTCOME_KEPT};
    for (int i = 0; i < 4; i++) {
        struct control_deciders who = {.policy = &policy};
        toy.time_s = 15 * (i + 1);
        ck_assert(cluster_sample(&toy.cluster, false, &sample, NULL));
        ck_assert(control_plan(&c, &s, &sample, &who, &r, NULL));
        ck_assert(who.worked);
        ck_assert_int_eq(r.guard.reason, i < 3 ? GUARD_REASON_POLICY : GUARD_REASON_RATE_DOWN);
        control_commit(&s, OUTCOMES_IN_ORDER[i], &r);
        ck_assert_int_eq(r.written, i == 2);
    }
}
END_TEST

/* The stand-in's count is taken, the policy is asked all the same. */
START_TEST(a_stand_in_decides_while_the_policy_is_tried)
{
    struct control c = control_of();
    static struct control_state s;
    static struct journal_record r;
    struct toy toy;
    struct policy broken = {.ops = &BROKEN}, rule = {.ops = &RULE};
    struct sample sample;
    begin(&c, &s, &toy);
    c.guard.stabilise_down_s = 0;
    toy.replicas = 12;
    toy.time_s = 15;
    ck_assert(cluster_sample(&toy.cluster, false, &sample, NULL));
    struct control_deciders who = {.policy = &broken, .stand_in = &rule};
    ck_assert(control_plan(&c, &s, &sample, &who, &r, NULL));
    ck_assert(!who.worked && r.stood_in && !r.failed);
    ck_assert_str_eq(r.policy, "rule");
    ck_assert_int_eq(r.guard.replicas, 11);
    ck_assert_int_eq(r.guard.reason, GUARD_REASON_STAND_IN);
}
END_TEST

SUITE("control", only_what_was_written_counts, a_stand_in_decides_while_the_policy_is_tried,
      a_tick_looks_decides_guards_and_scales, a_failing_policy_is_a_record_not_an_error,
      a_failed_signal_holds_what_would_go_down, a_refused_change_counts_for_no_limit, the_journal_replays_bit_for_bit,
      samples_older_than_the_last_are_refused)
