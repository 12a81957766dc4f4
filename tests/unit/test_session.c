/* session: steps last one period, only reset waits, what is not known pauses instead of teaching, the old replica count
 * is remembered, and a checkpoint taken elsewhere goes on with a new episode. The cluster is made up, its time virtual. */
#include <maestro/session.h>

#include "suite.h"

#include <stdio.h>
#include <string.h>

struct toy {
    struct cluster cluster;
    double time_s, start_delay_s, changed_s;
    double anchored_s; /* the last time that an advance of 0 s set the schedule to now */
    int replicas, before, n_scales;
    double blind_from_s, blind_to_s; /* p95 is no_data */
    bool refuses;
    volatile sig_atomic_t stop;
    double stop_at_s;
};

static bool toy_sample(struct cluster *c, bool with_pods, struct sample *out, struct err *e)
{
    struct toy *t = (struct toy *)c;
    (void)with_pods;
    (void)e;
    bool settled = t->time_s >= t->changed_s + t->start_delay_s || t->replicas < t->before;
    *out = (struct sample){.time_s = t->time_s, .ready = settled ? t->replicas : t->before};
    const double values[SIGNAL_COUNT] = {300, 0.3, t->replicas, 400.0 / t->replicas, 100};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        out->signals[i] = (struct reading){values[i], 5, VALIDITY_VALID};
    if (t->time_s >= t->blind_from_s && t->time_s < t->blind_to_s)
        out->signals[SIGNAL_P95].validity = VALIDITY_NO_DATA;
    return true;
}

static bool toy_scale(struct cluster *c, int replicas, struct err *e)
{
    struct toy *t = (struct toy *)c;
    if (t->refuses)
        return err_set(e, ERR_IO, "the API is away");
    t->before = t->replicas;
    t->replicas = replicas;
    t->changed_s = t->time_s;
    t->n_scales++;
    return true;
}

static bool toy_advance(struct cluster *c, double seconds, struct err *e)
{
    struct toy *t = (struct toy *)c;
    (void)e;
    t->time_s += seconds;
    if (seconds == 0)
        t->anchored_s = t->time_s;
    if (t->stop_at_s > 0 && t->time_s >= t->stop_at_s)
        t->stop = 1;
    return true;
}

static double toy_now(const struct cluster *c)
{
    return ((const struct toy *)c)->time_s;
}

static const struct cluster_ops TOY_OPS = {toy_sample, toy_scale, toy_advance, toy_now, NULL};

static int pauses;
static char last_pause[128];

static void on_pause(void *arg, const char *why)
{
    (void)arg;
    pauses++;
    snprintf(last_pause, sizeof last_pause, "%.100s", why);
}

static int founds, last_found;
static bool disk_full;

static bool on_found(void *arg, int replicas, struct err *e)
{
    (void)arg;
    founds++;
    last_found = replicas;
    return !disk_full || err_set(e, ERR_IO, "no space left");
}

static int periods;

static bool on_period(void *arg, int episode, int step, struct err *e)
{
    (void)arg;
    (void)episode;
    (void)step;
    (void)e;
    periods++;
    return true;
}

static int waits;

static bool on_wait(void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    waits++;
    return true;
}

/* One session over one toy. */
struct bench {
    struct toy toy;
    struct env env;
    unsigned char *state;
    float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct env_result result;
};

/* owed: what an earlier session found. */
static void begin_owing(struct bench *b, int start, int owed)
{
    memset(b, 0, sizeof *b);
    pauses = periods = founds = waits = 0;
    b->toy = (struct toy){.cluster = {&TOY_OPS}, .time_s = 1000, .replicas = 4, .before = 4, .start_delay_s = 40};
    struct session_parts parts = {.cluster = &b->toy.cluster,
                                  .stop = &b->toy.stop,
                                  .target = {"shop/web", 1, 10, 150, 500},
                                  .session = {start, 7, 120, 5},
                                  .reward = {.weight_replicas = 0.3, .weight_latency = 0.7},
                                  .guard = {.enabled = true},
                                  .found_replicas = owed,
                                  .on_found = on_found,
                                  .on_wait = on_wait,
                                  .on_pause = on_pause,
                                  .on_period = on_period};
    parts.config = (struct microservice_config){.max_steps = 5,
                                                .period_s = 15,
                                                .actions = {3, {-1, 0, 1}},
                                                .min_replicas = 1,
                                                .max_replicas = 10,
                                                .masks = true};
    ck_assert(observation_spec_parse(&parts.observation, "basic5", 15, 60, NULL));
    struct err e;
    ck_assert_msg(session_open(&parts, &b->env, &e), "%s", e.message);
    b->state = calloc(1, b->env.spec.state_bytes);
    b->env.ops->init(&b->env, b->state, 1, 0);
}

static void begin(struct bench *b, int start)
{
    begin_owing(b, start, 0);
}

static bool reset(struct bench *b)
{
    return b->env.ops->reset(&b->env, b->state, b->obs, b->mask, NULL);
}

static void step(struct bench *b, int action)
{
    struct err e = {0};
    ck_assert_msg(b->env.ops->step(&b->env, b->state, action, b->obs, b->mask, &b->result, &e), "%s", e.message);
}

static void end(struct bench *b)
{
    free(b->state);
    b->env.ops->close(&b->env);
}

START_TEST(a_step_lasts_one_period)
{
    struct bench b;
    begin(&b, SESSION_KEEP);
    ck_assert(reset(&b));
    ck_assert_double_eq(b.toy.time_s, 1000); // ready and known: nothing to wait for
    for (int i = 1; i <= 5; i++) {
        step(&b, 2);
        ck_assert_double_eq(b.toy.time_s, 1000 + 15 * i); // starting pods do not delay it
        ck_assert(b.result.truncated == (i == 5));
        ck_assert(!b.result.terminated);
    }
    ck_assert_int_eq(b.toy.replicas, 9);
    ck_assert_int_eq(periods, 5);
    struct env_episode account;
    b.env.ops->episode(&b.env, b.state, &account);
    ck_assert_double_eq(account.scale_actions, 5);
    ck_assert_double_eq(account.replicas_mean, 7); // 5 6 7 8 9
    ck_assert(account.reward_true != account.reward_true);
    end(&b);
}
END_TEST

START_TEST(reset_waits_for_pods)
{
    struct bench b;
    begin(&b, SESSION_INITIAL);
    ck_assert(reset(&b));
    ck_assert_int_eq(b.toy.replicas, 7);
    ck_assert_double_ge(b.toy.time_s, 1040);
    ck_assert_double_le(b.toy.time_s, 1045);
    ck_assert_int_ge(waits, 8); // one for each look of 5 s
    ck_assert_int_eq(periods, 0);
    ck_assert_double_eq(b.toy.anchored_s, b.toy.time_s); // what the wait took is not taken from the first step
    b.toy.start_delay_s = 1e9;                           // pods that never come
    step(&b, 2);
    double began_s = b.toy.time_s;
    ck_assert(reset(&b));
    ck_assert_int_eq(b.toy.replicas, 7);
    ck_assert_double_le(b.toy.time_s - began_s, 250); // twice the time-out of 120 s, and the looks
    end(&b);
}
END_TEST

START_TEST(what_is_not_known_pauses)
{
    struct bench b;
    begin(&b, SESSION_KEEP);
    ck_assert(reset(&b));
    step(&b, 1);
    float known[OBSERVATION_LIMIT];
    memcpy(known, b.obs, sizeof known);
    float reward = b.result.reward;
    b.toy.blind_from_s = b.toy.time_s + 1;
    b.toy.blind_to_s = b.toy.time_s + 400;
    step(&b, 0);
    ck_assert(b.result.truncated && !b.result.terminated);
    ck_assert_int_eq(pauses, 1);
    ck_assert_str_eq(last_pause, "p95 latency is not known");
    ck_assert(b.result.reward == reward);
    ck_assert(memcmp(known, b.obs, (size_t)b.env.spec.obs_dim * sizeof(float)) == 0);
    ck_assert(reset(&b));
    ck_assert_double_ge(b.toy.time_s, b.toy.blind_to_s); // it waited
    step(&b, 1);
    ck_assert(!b.result.truncated);
    end(&b);
}
END_TEST

START_TEST(a_cluster_that_refuses_pauses)
{
    struct bench b;
    begin(&b, SESSION_KEEP);
    ck_assert(reset(&b));
    b.toy.refuses = true;
    step(&b, 2);
    ck_assert(b.result.truncated);
    ck_assert_str_eq(last_pause, "the API is away");
    ck_assert_int_eq(b.toy.replicas, 4);
    b.toy.refuses = false;
    ck_assert(reset(&b));
    step(&b, 2);
    ck_assert_int_eq(b.toy.replicas, 5);
    end(&b);
}
END_TEST

START_TEST(the_old_count_is_remembered)
{
    struct bench b;
    begin(&b, SESSION_RANDOM);
    ck_assert_int_eq(session_found(&b.env), 0); // nothing was read yet
    for (int i = 0; i < 6; i++) {
        ck_assert(reset(&b));
        ck_assert_int_ge(b.toy.replicas, 1);
        ck_assert_int_le(b.toy.replicas, 10);
        step(&b, 2);
    }
    ck_assert_int_gt(b.toy.n_scales, 6);
    ck_assert_int_eq(session_found(&b.env), 4);
    end(&b);
}
END_TEST

START_TEST(what_was_found_is_told_before_it_is_changed)
{
    struct bench b;
    struct err e = {0};
    begin(&b, SESSION_INITIAL);
    disk_full = true;
    ck_assert(!b.env.ops->reset(&b.env, b.state, b.obs, b.mask, &e));
    ck_assert_str_eq(e.message, "no space left");
    ck_assert_int_eq(b.toy.n_scales, 0);
    ck_assert_int_eq(session_found(&b.env), 0);
    disk_full = false;
    ck_assert(reset(&b));
    ck_assert_int_eq(founds, 2);
    ck_assert_int_eq(last_found, 4);
    ck_assert(reset(&b));
    ck_assert_int_eq(founds, 2); // once
    end(&b);
}
END_TEST

START_TEST(what_a_killed_session_found_is_still_owed)
{
    struct bench b;
    begin_owing(&b, SESSION_KEEP, 2);
    ck_assert_int_eq(session_found(&b.env), 2); // also where nothing is ever seen
    ck_assert(reset(&b));
    ck_assert_int_eq(b.toy.replicas, 4);
    ck_assert_int_eq(last_found, 2);
    ck_assert_int_eq(session_found(&b.env), 2);
    end(&b);
}
END_TEST

START_TEST(waiting_can_be_stopped)
{
    struct bench b;
    struct err e = {0};
    begin(&b, SESSION_KEEP);
    b.toy.blind_to_s = 1e9;
    b.toy.stop_at_s = 1100;
    ck_assert(!b.env.ops->reset(&b.env, b.state, b.obs, b.mask, &e));
    ck_assert_int_eq(e.code, ERR_INTERRUPTED);
    ck_assert_double_le(b.toy.time_s, 1105);
    end(&b);
}
END_TEST

START_TEST(a_checkpoint_from_elsewhere_begins_anew)
{
    struct bench before, after;
    begin(&before, SESSION_KEEP);
    ck_assert(reset(&before));
    step(&before, 2);
    begin_owing(&after, SESSION_KEEP, 4);
    after.toy.replicas = after.toy.before = 9; // in the meantime
    memcpy(after.state, before.state, before.env.spec.state_bytes);
    step(&after, 0);
    ck_assert(after.result.truncated);
    ck_assert_int_eq(after.toy.n_scales, 0);
    ck_assert_double_eq(after.toy.time_s, 1000);
    ck_assert(reset(&after));
    step(&after, 0);
    ck_assert_int_eq(after.toy.replicas, 8);
    ck_assert_int_eq(session_found(&after.env), 4); // what the first process found
    end(&before);
    end(&after);
}
END_TEST

START_TEST(a_checkpoint_tells_of_no_debt)
{
    struct bench before, after;
    begin(&before, SESSION_KEEP);
    ck_assert(reset(&before));
    step(&before, 2);
    ck_assert_int_eq(session_found(&before.env), 4); // which it gives back
    begin(&after, SESSION_KEEP);
    after.toy.replicas = after.toy.before = 10; // then the owner's wish
    memcpy(after.state, before.state, before.env.spec.state_bytes);
    step(&after, 1);
    ck_assert_int_eq(session_found(&after.env), 0); // nothing was read yet
    ck_assert(reset(&after));
    ck_assert_int_eq(last_found, 10);
    step(&after, 0);
    ck_assert_int_eq(after.toy.replicas, 9);
    ck_assert_int_eq(session_found(&after.env), 10);
    end(&before);
    end(&after);
}
END_TEST

START_TEST(senseless_parts_are_refused)
{
    struct bench b;
    struct env env;
    struct err e;
    begin(&b, SESSION_KEEP);
    struct session_parts parts = {.cluster = &b.toy.cluster, .target = {"shop/web", 5, 3, 0, 0}};
    parts.config = (struct microservice_config){.max_steps = 5, .period_s = 15, .actions = {3, {-1, 0, 1}}};
    ck_assert(observation_spec_parse(&parts.observation, "basic5", 15, 60, NULL));
    ck_assert(!session_open(&parts, &env, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "shop/web: min replicas 5 and max 3"));
    parts.target = (struct target){"shop/web", 1, 5, 200, 100};
    ck_assert(!session_open(&parts, &env, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "shop/web: its soft latency limit, 200 ms, is above"));
    parts.config.latency_soft_ms = 200, parts.config.latency_hard_ms = 100;
    ck_assert(!session_open(&parts, &env, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "env.latency_soft_ms"));
    parts.config.latency_soft_ms = parts.config.latency_hard_ms = 0;
    parts.config.judge = JUDGE_TRUE;
    ck_assert(!session_open(&parts, &env, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "env.judge"));
    parts.guard.stabilise_down_s = 961;
    ck_assert(!session_open(&parts, &env, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "guard.stabilise_down_s: 961 s is longer"));
    end(&b);
}
END_TEST

SUITE("session", a_step_lasts_one_period, reset_waits_for_pods, what_is_not_known_pauses, a_cluster_that_refuses_pauses,
      the_old_count_is_remembered, what_was_found_is_told_before_it_is_changed,
      what_a_killed_session_found_is_still_owed, waiting_can_be_stopped, a_checkpoint_from_elsewhere_begins_anew,
      a_checkpoint_tells_of_no_debt, senseless_parts_are_refused)
