/* The reward's terms at their corners, and the published sum of the system this one grows out of. */
#include "suite.h"

#include <maestro/reward.h>

#include <math.h>

static const struct reward_config DEFAULTS = {.weight_replicas = 0.3, .weight_latency = 0.7};
static const struct target TARGET = {.max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400};

static struct sample sample_of(double replicas, double p95_ms, enum validity validity)
{
    struct sample s = {0};
    s.signals[SIGNAL_REPLICAS] = (struct reading){replicas, 0, VALIDITY_VALID};
    s.signals[SIGNAL_P95] = (struct reading){p95_ms, 0, validity};
    return s;
}

/* Sums of 200 doubles of size 0.28: 1e-9 is a thousand roundings. */
START_TEST(one_replica_of_15_unconstrained_gives_56)
{
    const struct target target = {.max_replicas = 15, .latency_soft_ms = -1, .latency_hard_ms = -1};
    struct reward_state state = {0};
    struct sample s = sample_of(1, 0, VALIDITY_ABSENT);
    double sum = 0;
    for (int i = 0; i < 200; i++)
        sum += reward_measured(&DEFAULTS, &state, &target, &s, 0).reward;
    ck_assert_double_eq_tol(sum, 56.0, 1e-9);
    ck_assert(!reward_constrained(&target));
    ck_assert(reward_constrained(&TARGET));
}
END_TEST

START_TEST(latency_term_is_piecewise_linear)
{
    static const struct {
        double p95_ms, r2;
        int cost, hard;
    } ROWS[] = {{0, 1, 0, 0}, {200, 1, 0, 0}, {250, 0.75, 1, 0}, {400, 0, 1, 0}, {400.001, -1, 1, 1}, {1e6, -1, 1, 1}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct reward_state state = {0};
        struct sample s = sample_of(5, ROWS[i].p95_ms, VALIDITY_VALID);
        struct reward_terms t = reward_measured(&DEFAULTS, &state, &TARGET, &s, 0);
        ck_assert_double_eq_tol(t.r1, 0.75, 1e-12);
        ck_assert_double_eq_tol(t.r2, ROWS[i].r2, 1e-12);
        ck_assert_double_eq_tol(t.reward, 0.3 * 0.75 + 0.7 * ROWS[i].r2, 1e-12);
        ck_assert_double_eq(t.cost, ROWS[i].cost);
        ck_assert_int_eq(t.hard, ROWS[i].hard);
    }
}
END_TEST

START_TEST(unknown_latency_counts_as_the_last_known)
{
    static const enum validity UNKNOWN[] = {VALIDITY_NO_DATA, VALIDITY_FAILED, VALIDITY_STALE};
    for (int i = 0; i < 3; i++) {
        struct reward_state state = {0};
        struct sample unknown = sample_of(5, 0, UNKNOWN[i]), slow = sample_of(5, 500, VALIDITY_VALID);
        struct sample idle = sample_of(5, 777, VALIDITY_ABSENT);
        ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &unknown, 0).r2, 1);
        ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &slow, 0).r2, -1);
        ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &unknown, 0).r2, -1);
        ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &idle, 0).r2, 1);
        ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &unknown, 0).r2, 1);
    }
}
END_TEST

START_TEST(unreadable_replicas_count_as_the_last_known)
{
    struct reward_state state = {0};
    struct sample s = sample_of(10, 100, VALIDITY_VALID);
    ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &s, 0).r1, 0.5);
    s.signals[SIGNAL_REPLICAS] = (struct reading){(double)NAN, 0, VALIDITY_FAILED};
    ck_assert_double_eq(reward_measured(&DEFAULTS, &state, &TARGET, &s, 0).r1, 0.5);
}
END_TEST

START_TEST(one_limit_stands_for_both)
{
    const struct target hard_only = {.max_replicas = 10, .latency_hard_ms = 400};
    ck_assert_double_eq(reward_true(&DEFAULTS, &hard_only, 5, 400, 10).r2, 1);
    ck_assert_double_eq(reward_true(&DEFAULTS, &hard_only, 5, 401, 10).r2, -1);
}
END_TEST

START_TEST(true_reward_counts_terminating_pods_and_idle_periods)
{
    struct reward_terms t = reward_true(&DEFAULTS, &TARGET, 6.5, (double)NAN, 0);
    ck_assert_double_eq_tol(t.reward, 0.3 * 13.5 / 20 + 0.7, 1e-12);
    ck_assert_double_eq(t.cost, 0);
}
END_TEST

START_TEST(changes_cost_what_is_configured)
{
    struct reward_config config = DEFAULTS;
    struct reward_state state = {0};
    struct sample s = sample_of(5, 100, VALIDITY_VALID);
    config.change_penalty = 0.5;
    double still = reward_measured(&config, &state, &TARGET, &s, 0).reward;
    ck_assert_double_eq_tol(still - reward_measured(&config, &state, &TARGET, &s, -2).reward, 0.05, 1e-12);
    ck_assert_double_eq_tol(reward_penalty(&config, &TARGET, -2), 0.05, 1e-12);
    ck_assert_double_eq(reward_penalty(&DEFAULTS, &TARGET, 3), 0);
}
END_TEST

SUITE("reward", one_replica_of_15_unconstrained_gives_56, latency_term_is_piecewise_linear,
      unknown_latency_counts_as_the_last_known, unreadable_replicas_count_as_the_last_known, one_limit_stands_for_both,
      true_reward_counts_terminating_pods_and_idle_periods, changes_cost_what_is_configured)
