/* The guard chain: each step by itself, orders, and properties over a million random ticks. */
#include "suite.h"

#include <maestro/guard.h>
#include <maestro/outcome.h>
#include <maestro/rng.h>

#include <math.h>
#include <string.h>

static const struct target TARGET = {.min_replicas = 2, .max_replicas = 20};

static struct sample healthy(double time_s, int replicas)
{
    struct sample s = {.time_s = time_s};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.signals[i] = (struct reading){1, 15, VALIDITY_VALID};
    s.signals[SIGNAL_REPLICAS].value = replicas;
    return s;
}

/* A decision, carried out. */
static void decide(const struct guard_config *config, struct guard_state *state, const struct guard_input *in,
                   struct guard_trace *out)
{
    guard_run(config, state, in, out);
    guard_executed(state, in->sample->time_s, out);
}

static struct guard_trace run(const struct guard_config *config, struct guard_state *state, const struct sample *sample,
                              int wanted)
{
    struct guard_input in = {
        .target = &TARGET, .sample = sample, .proposal = {.replicas = wanted, .kind = POLICY_STEP}};
    struct guard_trace out;
    decide(config, state, &in, &out);
    return out;
}

static void expect(struct guard_trace t, int replicas, enum guard_reason reason)
{
    ck_assert_int_eq(t.replicas, replicas);
    ck_assert_msg(t.reason == reason, "reason %s, not %s", guard_reason_name(t.reason), guard_reason_name(reason));
}

START_TEST(passes_a_sound_proposal)
{
    const struct guard_config config = {.enabled = true};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    guard_reset(&state, 0, 5);
    expect(run(&config, &state, &s, 6), 6, GUARD_REASON_POLICY);
    expect(run(&config, &state, &s, 4), 4, GUARD_REASON_POLICY);
    expect(run(&config, &state, &s, 5), 5, GUARD_REASON_STEADY);
    expect(run(&config, &state, &s, 1), 2, GUARD_REASON_MIN);
    expect(run(&config, &state, &s, 30), 20, GUARD_REASON_MAX);
}
END_TEST

START_TEST(partial_failure_never_scales_down)
{
    static const enum validity BAD[] = {VALIDITY_NO_DATA, VALIDITY_FAILED, VALIDITY_STALE};
    const struct guard_config config = {.enabled = true};
    struct guard_state state;
    guard_reset(&state, 0, 5);
    for (int signal = 0; signal < SIGNAL_COUNT; signal++)
        for (int v = 0; v < 3 && signal != SIGNAL_REPLICAS; v++) {
            struct sample s = healthy(0, 5);
            s.signals[signal].validity = BAD[v];
            expect(run(&config, &state, &s, 4), 5, GUARD_REASON_PARTIAL);
            expect(run(&config, &state, &s, 6), 6, GUARD_REASON_POLICY);
        }
    struct sample idle = healthy(0, 5);
    idle.signals[SIGNAL_P95].validity = VALIDITY_ABSENT;
    expect(run(&config, &state, &idle, 4), 4, GUARD_REASON_POLICY);
    struct sample nonsense = healthy(0, 5);
    nonsense.signals[SIGNAL_CPU].value = (double)NAN;
    expect(run(&config, &state, &nonsense, 4), 5, GUARD_REASON_PARTIAL);
}
END_TEST

START_TEST(blindness_and_failure_fall_back)
{
    struct guard_config config = {.enabled = true, .fallback_replicas = 9};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    guard_reset(&state, 0, 5);
    s.signals[SIGNAL_CPU].validity = s.signals[SIGNAL_P95].validity = s.signals[SIGNAL_RPS].validity = VALIDITY_FAILED;
    expect(run(&config, &state, &s, 8), 5, GUARD_REASON_BLIND);
    config.fallback = GUARD_FALLBACK_IF_HIGHER;
    expect(run(&config, &state, &s, 6), 9, GUARD_REASON_BLIND);
    struct sample high = healthy(0, 12);
    struct guard_input in = {.target = &TARGET, .sample = &high, .proposal = {.replicas = 3, .failed = true}};
    struct guard_trace t;
    decide(&config, &state, &in, &t);
    expect(t, 12, GUARD_REASON_POLICY_FAILED);
}
END_TEST

START_TEST(unreadable_replicas_write_nothing)
{
    const struct guard_config config = {.enabled = true};
    const struct guard_orders orders = {.has_pause = true, .pause_replicas = 7};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    s.signals[SIGNAL_REPLICAS].validity = VALIDITY_FAILED;
    guard_reset(&state, 0, 5);
    struct guard_trace t = run(&config, &state, &s, 0);
    ck_assert_int_eq(t.from, t.replicas);
    ck_assert_int_eq(t.reason, GUARD_REASON_REPLICAS_UNKNOWN);
    struct guard_input in = {.target = &TARGET, .sample = &s, .orders = &orders};
    decide(&config, &state, &in, &t);
    expect(t, 7, GUARD_REASON_HUMAN_PAUSE);
}
END_TEST

START_TEST(stabilisation_waits_for_the_window)
{
    const struct guard_config config = {.enabled = true, .stabilise_down_s = 60, .stabilise_up_s = 30};
    struct guard_state state;
    guard_reset(&state, 0, 5);
    for (int t = 15; t < 60; t += 15) {
        struct sample s = healthy(t, 5);
        expect(run(&config, &state, &s, 4), 5, GUARD_REASON_STABILISED_DOWN);
    }
    struct sample s = healthy(60, 5);
    expect(run(&config, &state, &s, 4), 4, GUARD_REASON_POLICY);
    s = healthy(75, 4);
    expect(run(&config, &state, &s, 6), 4, GUARD_REASON_STABILISED_UP);
    s = healthy(90, 4);
    expect(run(&config, &state, &s, 6), 6, GUARD_REASON_POLICY);
}
END_TEST

/* The longest window that is taken is kept whole: 64 decisions. */
START_TEST(windows_are_as_long_as_the_history)
{
    const struct guard_config whole = {.enabled = true, .stabilise_down_s = 960, .rate_period_s = 960};
    const struct guard_config up = {.stabilise_up_s = 961}, down = {.stabilise_down_s = 961},
                              rate = {.rate_period_s = 961};
    struct guard_state state;
    struct err e = {0};
    ck_assert(guard_check(&whole, 15, "guard.", &e));
    guard_reset(&state, 0, 5);
    for (int t = 15; t < 960; t += 15) {
        struct sample s = healthy(t, 5);
        expect(run(&whole, &state, &s, 4), 5, GUARD_REASON_STABILISED_DOWN);
    }
    struct sample s = healthy(960, 5);
    expect(run(&whole, &state, &s, 4), 4, GUARD_REASON_POLICY);
    ck_assert(!guard_check(&up, 15, "guard.", &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_str_eq(e.message, "guard.stabilise_up_s: 961 s is longer than 64 control periods of 15 s: at most 960 s");
    ck_assert(!guard_check(&down, 15, "guard_", &e) && strstr(e.message, "guard_stabilise_down_s"));
    ck_assert(!guard_check(&rate, 15, "guard_", &e) && strstr(e.message, "guard_rate_period_s"));
}
END_TEST

START_TEST(rate_counts_what_was_done)
{
    const struct guard_config config = {.enabled = true, .rate_up = 3, .rate_down = 1, .rate_period_s = 60};
    struct guard_state state;
    guard_reset(&state, 0, 5);
    struct sample s = healthy(0, 5);
    expect(run(&config, &state, &s, 7), 7, GUARD_REASON_POLICY);
    s = healthy(15, 7);
    expect(run(&config, &state, &s, 9), 8, GUARD_REASON_RATE_UP);
    s = healthy(30, 8);
    expect(run(&config, &state, &s, 9), 8, GUARD_REASON_RATE_UP);
    s = healthy(60, 8);
    expect(run(&config, &state, &s, 12), 10, GUARD_REASON_RATE_UP); // the first +2 has left the period
    expect(run(&config, &state, &s, 5), 7, GUARD_REASON_RATE_DOWN);
}
END_TEST

START_TEST(flap_budget_leaves_only_up)
{
    const struct guard_config config = {.enabled = true, .flap_budget = 3};
    struct guard_state state;
    guard_reset(&state, 0, 5);
    for (int i = 0; i < 4; i++) { // up down up down: three changes of direction
        struct sample s = healthy(60 * i, i % 2 ? 6 : 5);
        expect(run(&config, &state, &s, i % 2 ? 5 : 6), i % 2 ? 5 : 6, GUARD_REASON_POLICY);
    }
    struct sample s = healthy(300, 5);
    expect(run(&config, &state, &s, 4), 5, GUARD_REASON_FLAP);
    expect(run(&config, &state, &s, 6), 6, GUARD_REASON_POLICY);
    s = healthy(4100, 6);
    expect(run(&config, &state, &s, 5), 5, GUARD_REASON_POLICY);
}
END_TEST

START_TEST(absolute_policies_bring_their_own_windows)
{
    const struct guard_config config = {
        .enabled = true, .stabilise_down_s = 300, .rate_down = 1, .rate_period_s = 60, .tolerance = 0.1};
    struct guard_state state;
    struct sample s = healthy(0, 20);
    struct guard_input in = {.target = &TARGET, .sample = &s, .proposal = {.replicas = 10, .kind = POLICY_ABSOLUTE}};
    struct guard_trace t;
    guard_reset(&state, 0, 20);
    decide(&config, &state, &in, &t);
    expect(t, 10, GUARD_REASON_POLICY);
    ck_assert(!t.ran[GUARD_STABILISATION] && !t.ran[GUARD_RATE] && t.ran[GUARD_TOLERANCE] && t.ran[GUARD_LIMITS]);
    in.proposal.replicas = 18;
    decide(&config, &state, &in, &t);
    expect(t, 20, GUARD_REASON_TOLERANCE);
}
END_TEST

START_TEST(humans_have_the_last_word)
{
    const struct guard_config config = {.enabled = true};
    struct guard_orders orders = {.has_max = true, .max_replicas = 4};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    s.signals[SIGNAL_RPS].validity = VALIDITY_FAILED;
    struct guard_input in = {.target = &TARGET, .sample = &s, .orders = &orders, .proposal = {.replicas = 6}};
    struct guard_trace t;
    guard_reset(&state, 0, 5);
    decide(&config, &state, &in, &t);
    expect(t, 4, GUARD_REASON_HUMAN_MAX); // down although a signal failed: a human said so
    orders = (struct guard_orders){.has_pause = true, .pause_replicas = 5};
    decide(&config, &state, &in, &t);
    expect(t, 5, GUARD_REASON_HUMAN_PAUSE);
    orders.has_restore = true;
    orders.restore_replicas = 1;
    decide(&config, &state, &in, &t);
    expect(t, 1, GUARD_REASON_HUMAN_RESTORE);
}
END_TEST

static struct reading random_reading(struct rng *rng)
{
    static const double ODD[] = {(double)NAN, (double)INFINITY, -1, 1e300, 0};
    struct reading r = {rng_uniform(rng, 0, 500), rng_uniform(rng, 0, 100), VALIDITY_VALID};
    if (rng_bounded(rng, 4) == 0)
        r.validity = (enum validity)rng_bounded(rng, 5);
    if (rng_bounded(rng, 20) == 0)
        r.value = ODD[rng_bounded(rng, 5)];
    return r;
}

static bool sound(const struct reading *r)
{
    return r->validity == VALIDITY_ABSENT || (r->validity == VALIDITY_VALID && r->value >= 0 && r->value <= 1e15);
}

static struct guard_config random_config(struct rng *rng)
{
    static const double WINDOWS_S[] = {0, 30, 300};
    return (struct guard_config){.enabled = true,
                                 .tolerance = rng_bounded(rng, 2) * 0.1,
                                 .stabilise_up_s = WINDOWS_S[rng_bounded(rng, 3)],
                                 .stabilise_down_s = WINDOWS_S[rng_bounded(rng, 3)],
                                 .rate_up = (int)rng_bounded(rng, 4),
                                 .rate_down = (int)rng_bounded(rng, 4),
                                 .rate_period_s = WINDOWS_S[rng_bounded(rng, 3)],
                                 .flap_budget = (int)rng_bounded(rng, 5),
                                 .fallback = (int)rng_bounded(rng, 2),
                                 .fallback_replicas = (int)rng_bounded(rng, 25),
                                 .ood_limit = rng_bounded(rng, 2),
                                 .start_hold_s = WINDOWS_S[rng_bounded(rng, 3)],
                                 .rollout_up = (int)rng_bounded(rng, 3),
                                 .starting_counts = rng_bounded(rng, 2),
                                 .strict = rng_bounded(rng, 2)};
}

/* What is wrong with a tick, or NULL. (ck_assert a million times over takes seconds: Check writes a note for each.) */
static const char *wrong(const struct guard_trace *t, const struct sample *s, enum policy_kind kind, bool strict)
{
    bool all_sound = true;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        all_sound = all_sound && sound(&s->signals[i]);
    if (t->reason < 0 || t->reason >= GUARD_REASONS)
        return "no reason";
    if (t->from < 0)
        return t->replicas == t->from && t->reason == GUARD_REASON_REPLICAS_UNKNOWN ? NULL : "written blindly";
    if (t->replicas < TARGET.min_replicas || t->replicas > TARGET.max_replicas)
        return "outside min and max";
    if ((kind == POLICY_STEP || strict) && !all_sound && t->from <= TARGET.max_replicas && t->replicas < t->from)
        return "down on a bad signal";
    if (s->rolling_out && t->from <= TARGET.max_replicas && t->replicas < t->from)
        return "down during a rollout";
    if (t->ran[GUARD_OOD] && t->from <= TARGET.max_replicas && t->replicas < t->from)
        return "down outside the training range";
    if (t->after[GUARD_STEPS - 1] != t->replicas)
        return "the trace does not end at the result";
    for (int i = 1; i < GUARD_STEPS; i++)
        if (t->before[i] != t->after[i - 1])
            return "the trace has a gap";
    if (t->replicas != t->from && (t->reason == GUARD_REASON_STEADY || t->reason == GUARD_REASON_PARTIAL))
        return "a change without its reason";
    return NULL;
}

/* Every 500 ticks another configuration; the count follows the guard, time runs on. */
START_TEST(a_million_random_ticks)
{
    struct rng rng;
    struct guard_config config = {0};
    struct guard_state state;
    int replicas = 5, n_down = 0, n_reasons[GUARD_REASONS] = {0};
    rng_init(&rng, 7, 1);
    for (int tick = 0; tick < 1000000; tick++) {
        struct sample s = {.time_s = 15.0 * tick};
        if (tick % 500 == 0) {
            config = random_config(&rng);
            replicas = (int)rng_bounded(&rng, 25);
            guard_reset(&state, s.time_s, replicas);
        }
        for (int i = 0; i < SIGNAL_COUNT; i++)
            s.signals[i] = random_reading(&rng);
        s.signals[SIGNAL_REPLICAS].value = replicas;
        s.rolling_out = rng_bounded(&rng, 10) == 0;
        s.starting = (int)rng_bounded(&rng, 3);
        enum policy_kind kind = rng_bounded(&rng, 4) ? POLICY_STEP : POLICY_ABSOLUTE;
        struct guard_input in = {.target = &TARGET, .sample = &s};
        in.proposal = (struct guard_proposal){.replicas = replicas + (int)rng_bounded(&rng, 9) - 4,
                                              .kind = kind,
                                              .hold = rng_bounded(&rng, 20) == 0,
                                              .failed = rng_bounded(&rng, 50) == 0,
                                              .ood = rng_bounded(&rng, 10) == 0 ? 3 : 0,
                                              .rule_replicas = (int)rng_bounded(&rng, 25) - 1,
                                              .own_signals = kind == POLICY_ABSOLUTE};
        struct guard_trace t;
        decide(&config, &state, &in, &t);
        const char *problem = wrong(&t, &s, kind, config.strict);
        if (problem)
            ck_abort_msg("tick %d: %s (%d -> %d, %s)", tick, problem, t.from, t.replicas, guard_reason_name(t.reason));
        n_reasons[t.reason]++;
        n_down += t.replicas < t.from;
        replicas = t.replicas >= 0 ? t.replicas : replicas;
    }
    ck_assert_int_gt(n_down, 1000); // the property must not hold for want of decreases
    for (int i = 0; i < GUARD_REASON_HUMAN_MAX; i++)
        ck_assert_msg(n_reasons[i] > 0, "reason %s never came up", guard_reason_name((enum guard_reason)i));
}
END_TEST

START_TEST(reasons_have_distinct_names)
{
    for (int i = 0; i < GUARD_REASONS; i++) {
        enum guard_reason back;
        ck_assert(guard_reason_parse(guard_reason_name((enum guard_reason)i), &back));
        ck_assert_int_eq((int)back, i);
    }
    enum guard_reason unused;
    ck_assert(!guard_reason_parse("whim", &unused));
    for (int i = 0; i < FINAL_REASONS; i++)
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(final_reason_name(i), final_reason_name(k));
    for (int i = 0; i < OUTCOMES; i++) {
        enum outcome back;
        ck_assert(outcome_parse(outcome_name((enum outcome)i), &back));
        ck_assert_int_eq((int)back, i);
    }
    ck_assert_str_eq(final_reason_name(final_reason(GUARD_REASON_POLICY, OUTCOME_WRITTEN)), "policy");
    ck_assert_str_eq(final_reason_name(final_reason(GUARD_REASON_POLICY, OUTCOME_CONFLICT)), "conflict");
}
END_TEST

START_TEST(outside_the_training_range_the_rule_decides_and_never_down)
{
    const struct guard_config config = {.enabled = true, .ood_limit = 1};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    struct guard_input in = {.target = &TARGET,
                             .sample = &s,
                             .proposal = {.replicas = 4, .kind = POLICY_STEP, .ood = 1.5F, .rule_replicas = 8}};
    struct guard_trace t;
    guard_reset(&state, 0, 5);
    decide(&config, &state, &in, &t);
    expect(t, 8, GUARD_REASON_OOD);
    in.proposal.rule_replicas = 3;
    decide(&config, &state, &in, &t);
    expect(t, 5, GUARD_REASON_OOD);
    in.proposal.rule_replicas = -1; // the rule knows nothing
    decide(&config, &state, &in, &t);
    expect(t, 5, GUARD_REASON_OOD);
    in.proposal.ood = 0.9F;
    decide(&config, &state, &in, &t);
    expect(t, 4, GUARD_REASON_POLICY);
    ck_assert(!t.ran[GUARD_OOD]);
}
END_TEST

START_TEST(a_young_history_does_not_go_down)
{
    const struct guard_config config = {.enabled = true, .start_hold_s = 60};
    struct guard_state state;
    guard_reset(&state, 1000, 5);
    struct sample s = healthy(1059, 5);
    expect(run(&config, &state, &s, 4), 5, GUARD_REASON_START);
    expect(run(&config, &state, &s, 6), 6, GUARD_REASON_POLICY);
    s = healthy(1060, 5);
    expect(run(&config, &state, &s, 4), 4, GUARD_REASON_POLICY);
}
END_TEST

/* G 8: the HPA's own surge case goes from 2 to 1 and, where surge pods burn CPU, from 383 to 664: here neither. */
START_TEST(a_rollout_is_not_read_as_load)
{
    const struct target large = {.min_replicas = 1, .max_replicas = 1000};
    const struct guard_config config = {.enabled = true, .strict = true, .rollout_up = 1};
    struct guard_state state;
    struct sample s = healthy(0, 2);
    struct guard_input in = {
        .target = &large, .sample = &s, .proposal = {.replicas = 1, .kind = POLICY_ABSOLUTE, .own_signals = true}};
    struct guard_trace t;
    guard_reset(&state, 0, 2);
    s.rolling_out = true;
    decide(&config, &state, &in, &t);
    expect(t, 2, GUARD_REASON_ROLLOUT_DOWN);
    s.signals[SIGNAL_REPLICAS].value = 383;
    in.proposal.replicas = 664;
    decide(&config, &state, &in, &t);
    expect(t, 384, GUARD_REASON_ROLLOUT_UP);
    s.rolling_out = false;
    decide(&config, &state, &in, &t);
    expect(t, 664, GUARD_REASON_POLICY);
}
END_TEST

/* G 7: two pods are on their way; a policy that sees only what is ready asks for them again. */
START_TEST(starting_pods_count_on_the_way_up)
{
    const struct guard_config config = {.enabled = true, .starting_counts = true};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    guard_reset(&state, 0, 5);
    s.starting = 2;
    expect(run(&config, &state, &s, 7), 5, GUARD_REASON_STARTING);
    expect(run(&config, &state, &s, 8), 6, GUARD_REASON_STARTING);
    expect(run(&config, &state, &s, 4), 4, GUARD_REASON_POLICY);
    s.starting = 0;
    expect(run(&config, &state, &s, 7), 7, GUARD_REASON_POLICY);
}
END_TEST

START_TEST(paused_scale_in_and_lowered_max)
{
    const struct guard_config config = {.enabled = true};
    struct guard_orders orders = {.no_down = true};
    struct guard_state state;
    struct sample s = healthy(0, 8);
    struct guard_input in = {.target = &TARGET, .sample = &s, .orders = &orders, .proposal = {.replicas = 7}};
    struct guard_trace t;
    guard_reset(&state, 0, 8);
    decide(&config, &state, &in, &t);
    expect(t, 8, GUARD_REASON_HUMAN_NO_DOWN);
    in.proposal.replicas = 9;
    decide(&config, &state, &in, &t);
    expect(t, 9, GUARD_REASON_POLICY);
    orders.has_max = true;
    orders.max_replicas = 6;
    in.proposal.replicas = 8;
    decide(&config, &state, &in, &t);
    expect(t, 6, GUARD_REASON_HUMAN_MAX);
    s = healthy(0, 25); // over the target's own max, and scaling down paused
    in.proposal.replicas = 25;
    orders.max_replicas = 20;
    decide(&config, &state, &in, &t);
    expect(t, 20, GUARD_REASON_HUMAN_MAX);
    orders.has_max = false;
    in.proposal.replicas = 10;
    decide(&config, &state, &in, &t);
    expect(t, 20, GUARD_REASON_HUMAN_NO_DOWN);
}
END_TEST

/* While metrics-server answers, a policy that reads pods may go up without Prometheus; strict, never down. */
START_TEST(strict_holds_policies_with_windows_of_their_own)
{
    struct guard_config config = {.enabled = true, .strict = true};
    struct guard_state state;
    struct sample s = healthy(0, 5);
    struct guard_input in = {
        .target = &TARGET, .sample = &s, .proposal = {.replicas = 3, .kind = POLICY_ABSOLUTE, .own_signals = true}};
    struct guard_trace t;
    guard_reset(&state, 0, 5);
    s.signals[SIGNAL_CPU].validity = s.signals[SIGNAL_P95].validity = s.signals[SIGNAL_RPS].validity = VALIDITY_FAILED;
    decide(&config, &state, &in, &t);
    expect(t, 5, GUARD_REASON_PARTIAL);
    in.proposal.replicas = 9;
    decide(&config, &state, &in, &t);
    expect(t, 9, GUARD_REASON_POLICY);
    config.strict = false;
    in.proposal.replicas = 3;
    decide(&config, &state, &in, &t);
    expect(t, 3, GUARD_REASON_POLICY);
}
END_TEST

SUITE("guard", outside_the_training_range_the_rule_decides_and_never_down, a_young_history_does_not_go_down,
      a_rollout_is_not_read_as_load, starting_pods_count_on_the_way_up, paused_scale_in_and_lowered_max,
      strict_holds_policies_with_windows_of_their_own, passes_a_sound_proposal, partial_failure_never_scales_down,
      blindness_and_failure_fall_back, unreadable_replicas_write_nothing, stabilisation_waits_for_the_window,
      windows_are_as_long_as_the_history, rate_counts_what_was_done, flap_budget_leaves_only_up,
      absolute_policies_bring_their_own_windows, humans_have_the_last_word, a_million_random_ticks,
      reasons_have_distinct_names)
