/* Features: lists and hash, values that can be worked out by hand, what bad signals do, bounds under random input, and
 * that asking changes nothing. */
#include "suite.h"

#include <maestro/observation.h>
#include <maestro/rng.h>

#include <math.h>
#include <string.h>

static const struct target TARGET = {
    .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400};

static struct observation_spec spec_of(const char *list)
{
    struct observation_spec spec;
    struct err e = {0};
    ck_assert_msg(observation_spec_parse(&spec, list, 15, 45, &e), "%s", e.message);
    return spec;
}

static struct sample sample_of(double time_s, double cpu, int replicas, double p95_ms, double rps)
{
    struct sample s = {.time_s = time_s, .ready = replicas};
    const double values[SIGNAL_COUNT] = {cpu, 0.5, replicas, p95_ms, rps};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.signals[i] = (struct reading){values[i], 15, VALIDITY_VALID};
    return s;
}

static double feature(const struct observation_spec *spec, const struct observation_state *state, const char *name)
{
    float f[OBSERVATION_LIMIT];
    observation_features(spec, state, f);
    int i = observation_find(spec, name);
    ck_assert_msg(i >= 0, "no feature %s", name);
    return (double)f[i];
}

/* 1e-5: float rounding of numbers of order 1 to 10. */
#define EXPECT(name, wanted) ck_assert_double_eq_tol(feature(&spec, &state, name), wanted, 1e-5)

START_TEST(lists_read_back_and_hash)
{
    static const char *const LISTS[] = {"raw5", "basic5", "default", "all", "demand, p95_soft@1,frames"};
    char seen[5][OBSERVATION_HASH_BYTES];
    for (int i = 0; i < 5; i++) {
        struct observation_spec spec = spec_of(LISTS[i]);
        CLEANUP_BUF struct buf text = {0};
        char again[OBSERVATION_HASH_BYTES];
        observation_spec_text(&spec, &text);
        struct observation_spec back = spec_of(text.bytes);
        ck_assert_int_eq(back.n, spec.n);
        ck_assert_mem_eq(back.id, spec.id, (size_t)spec.n);
        observation_hash(&spec, seen[i]);
        observation_hash(&back, again);
        ck_assert_str_eq(seen[i], again);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(seen[k], seen[i]);
    }
    struct observation_spec ab = spec_of("cpu,rps"), ba = spec_of("rps,cpu");
    observation_hash(&ab, seen[0]);
    observation_hash(&ba, seen[1]);
    ck_assert_str_ne(seen[0], seen[1]); // order is the network's input order
    ck_assert_int_eq(spec_of("cpu,basic5,cpu").n, 5);
}
END_TEST

START_TEST(unknown_names_and_versions_are_refused)
{
    static const char *const BAD[] = {"", "cpu,", "cpux", "cpu@2", "cpu@", "raw5@1", ",cpu"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct observation_spec spec;
        struct err e = {0};
        ck_assert_msg(!observation_spec_parse(&spec, BAD[i], 15, 45, &e), "'%s' was taken", BAD[i]);
        ck_assert_int_eq(e.code, ERR_USAGE);
    }
}
END_TEST

START_TEST(logarithm_is_close_and_monotone)
{
    float last = -200;
    for (double x = 1e-6; x < 1e6; x *= 1.0003) {
        float f = observation_log2(x);
        if (fabs((double)f - log2(x)) > 2e-6 || f < last) // float rounding of values up to 20
            ck_abort_msg("log2(%g) = %.9g, not %.9g", x, (double)f, log2(x));
        last = f;
    }
    ck_assert_double_eq((double)observation_log2(1), 0);
    ck_assert_double_eq((double)observation_log2(8), 3);
    ck_assert_double_eq((double)observation_log2(0), -126);
    ck_assert_double_eq((double)observation_log2((double)NAN), -126);
}
END_TEST

START_TEST(first_look_by_hand)
{
    struct observation_spec spec = spec_of("raw5,all");
    struct observation_state state;
    struct pod_record pod = {.cpu_request_percent = 50};
    struct sample s = sample_of(0, 100, 4, 100, 80);
    s.pods = &pod;
    s.n_pods = 1;
    s.starting = 1;
    s.error_ratio = (struct reading){0.02, 0, VALIDITY_VALID};
    observation_reset(&spec, &state, &TARGET, &s);
    EXPECT("raw_cpu", 100);
    EXPECT("raw_replicas", 4);
    EXPECT("raw_p95", 100);
    EXPECT("raw_rps", 80);
    EXPECT("cpu", 0.25);
    EXPECT("memory", 0.5);
    EXPECT("replicas", 0.2);
    EXPECT("p95", 0.5);
    EXPECT("rps", log2(81) / 8);
    EXPECT("to_min", 0.15);
    EXPECT("to_max", 0.8);
    EXPECT("one_share", 0.25);
    EXPECT("starting", 0.25);
    EXPECT("p95_soft", -1);
    EXPECT("p95_hard", 0.25);
    EXPECT("over_soft", 0);
    EXPECT("cpu_ready", 0.25);
    EXPECT("cpu_request", 0.5); // 25 % of a core each, half the request
    EXPECT("request_known", 1);
    EXPECT("demand", 0.5);
    EXPECT("demand_log", -1);
    EXPECT("hpa_gap", log2(100.1 / (0.6 * 50 * 4)));
    EXPECT("trend_5", 0);
    EXPECT("burst_5", 0);
    EXPECT("peak_40_demand", -1);
    EXPECT("proven", 0);
    EXPECT("broken", -3);
    EXPECT("errors", 0.2);
    EXPECT("p95_valid", 1);
    EXPECT("rps_age", 0.25);
    EXPECT("period", 0.25);
    EXPECT("executed_1", 0);
    EXPECT("p95_soft.3", -1);
}
END_TEST

/* No errors and no knowledge of errors are different things. */
START_TEST(an_unknown_error_ratio_is_no_zero)
{
    static const enum validity UNKNOWN[] = {VALIDITY_NO_DATA, VALIDITY_ABSENT, VALIDITY_FAILED, VALIDITY_STALE};
    struct observation_spec spec = spec_of("errors");
    struct observation_state state;
    struct sample s = sample_of(0, 100, 4, 100, 80);
    s.error_ratio = (struct reading){0, 0, VALIDITY_VALID};
    observation_reset(&spec, &state, &TARGET, &s);
    EXPECT("errors", 0);
    for (size_t i = 0; i < sizeof UNKNOWN / sizeof UNKNOWN[0]; i++) {
        s.error_ratio.validity = UNKNOWN[i];
        observation_reset(&spec, &state, &TARGET, &s);
        EXPECT("errors", -1);
    }
}
END_TEST

START_TEST(history_moves_with_updates_only)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state state, before;
    struct sample s = sample_of(0, 100, 4, 100, 80);
    observation_reset(&spec, &state, &TARGET, &s);
    s = sample_of(15, 200, 6, 300, 80);
    observation_update(&spec, &state, &TARGET, &s);
    EXPECT("executed_1", 0.5);
    EXPECT("since_up", 1);
    EXPECT("over_soft", 1);
    EXPECT("p95_soft.1", -1);
    EXPECT("p95_soft", log2(1.5));
    EXPECT("p95_trend", log2(3));
    EXPECT("replicas.1", 0.2);
    before = state;
    observation_update(&spec, &state, &TARGET, &s); // the same look again
    ck_assert_mem_eq(&before, &state, sizeof state);
    EXPECT("executed_1", 0.5);
    s.time_s = 30;
    observation_update(&spec, &state, &TARGET, &s);
    EXPECT("executed_1", 0);
    EXPECT("executed_2", 0.5);
    EXPECT("since_up", 0.8);
    EXPECT("replicas.1", 0.3);
    EXPECT("replicas.2", 0.2);
    EXPECT("replicas.3", 0.2);
}
END_TEST

START_TEST(bad_signals_keep_the_last_value)
{
    static const enum validity BAD[] = {VALIDITY_NO_DATA, VALIDITY_FAILED, VALIDITY_STALE};
    struct observation_spec spec = spec_of("raw5,all");
    for (int v = 0; v < 3; v++) {
        struct observation_state state;
        struct sample s = sample_of(0, 100, 4, 100, 80);
        observation_reset(&spec, &state, &TARGET, &s);
        struct sample bad = sample_of(15, 0, 0, 0, 0);
        for (int i = 0; i < SIGNAL_COUNT; i++)
            bad.signals[i] = (struct reading){(double)NAN, 0, BAD[v]};
        observation_update(&spec, &state, &TARGET, &bad);
        EXPECT("raw_cpu", 100);
        EXPECT("raw_replicas", 4);
        EXPECT("raw_p95", 100);
        EXPECT("raw_rps", 80);
        EXPECT("p95_valid", 0);
        EXPECT("rps_valid", 0);
        EXPECT("rps_age", 0.5);
        EXPECT("executed_1", 0);
        EXPECT("trend_1", 0);
    }
}
END_TEST

START_TEST(idle_is_not_fast)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state state;
    struct sample s = sample_of(0, 1, 4, (double)NAN, 0);
    s.signals[SIGNAL_P95].validity = VALIDITY_ABSENT;
    observation_reset(&spec, &state, &TARGET, &s);
    EXPECT("p95_absent", 1);
    EXPECT("p95_valid", 0);
    EXPECT("over_soft", 0);
    EXPECT("p95_soft", -4);
}
END_TEST

START_TEST(trends_and_peaks_follow_the_load)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state state;
    for (int t = 0; t < 60; t++) {
        struct sample s = sample_of(15 * t, 100, 4, 100, t < 50 ? 100 : 200);
        (t ? observation_update : observation_reset)(&spec, &state, &TARGET, &s);
        if (t == 50) { // one value of weight 15 / (60 + 15) in the mean over a minute
            EXPECT("trend_1", log2(200 / 120.0));
            EXPECT("load.1", -1);
            EXPECT("burst_30", log2(1 + 10 * (1.0 / 51) * 100 / (100 + 100 * 15 / 315.0)));
        }
    }
    ck_assert_double_lt(feature(&spec, &state, "trend_1"), feature(&spec, &state, "trend_10"));
    EXPECT("peak_10", 0);
    struct sample s = sample_of(15 * 60, 100, 4, 100, 50);
    observation_update(&spec, &state, &TARGET, &s);
    EXPECT("peak_10", log2((200 - 150 * 15 / 615.0) / 50));
}
END_TEST

START_TEST(bursts_tell_noisy_loads_from_calm_ones)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state calm, noisy;
    struct rng rng;
    rng_init(&rng, 3, 1);
    for (int t = 0; t < 200; t++) {
        struct sample c = sample_of(15 * t, 100, 4, 100, 100),
                      n = sample_of(15 * t, 100, 4, 100, 60 + 80 * rng_double(&rng));
        (t ? observation_update : observation_reset)(&spec, &calm, &TARGET, &c);
        (t ? observation_update : observation_reset)(&spec, &noisy, &TARGET, &n);
    }
    ck_assert_double_lt(feature(&spec, &calm, "burst_30"), 0.01);
    ck_assert_double_gt(feature(&spec, &noisy, "burst_30"), 1.5);
    ck_assert_double_gt(feature(&spec, &noisy, "peak_40_demand"), feature(&spec, &calm, "peak_40_demand") + 0.3);
}
END_TEST

START_TEST(budget_spent_grows_and_fades)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state state;
    struct sample s = sample_of(0, 100, 4, 100, 80);
    observation_reset(&spec, &state, &TARGET, &s);
    for (int t = 1; t <= 40; t++) {
        s = sample_of(15 * t, 100, 4, t > 20 && t <= 30 ? 300 : 100, 80);
        observation_update(&spec, &state, &TARGET, &s);
    }
    double just_after = feature(&spec, &state, "over_60");
    ck_assert_double_gt(just_after, 1.0); // a quarter of the time so far
    for (int t = 41; t <= 400; t++) {
        s = sample_of(15 * t, 100, 4, 100, 80);
        observation_update(&spec, &state, &TARGET, &s);
    }
    ck_assert_double_lt(feature(&spec, &state, "over_60"), just_after);
    ck_assert_double_lt(feature(&spec, &state, "over_10"), feature(&spec, &state, "over_60"));
}
END_TEST

/* As in the reward: where one limit is unset, the other stands for both. */
START_TEST(a_hard_limit_alone_is_a_budget_too)
{
    struct observation_spec spec = spec_of("all");
    struct observation_state state;
    struct target target = TARGET;
    target.latency_soft_ms = 0;
    struct sample s = sample_of(0, 100, 4, 100, 80);
    observation_reset(&spec, &state, &target, &s);
    for (int t = 1; t <= 20; t++) {
        s = sample_of(15 * t, 100, 4, TARGET.latency_hard_ms * 2, 80);
        observation_update(&spec, &state, &target, &s);
    }
    ck_assert_double_gt(feature(&spec, &state, "over_10"), 1.0);
    target.latency_hard_ms = 0;
    observation_reset(&spec, &state, &target, &s);
    observation_update(&spec, &state, &target, &s);
    ck_assert_double_lt(feature(&spec, &state, "over_10"), 0.1);
}
END_TEST

START_TEST(every_feature_is_finite_and_bounded)
{
    static const double ODD[] = {(double)NAN, (double)INFINITY, -5, 0, 1e15, 1e-300, 1e300};
    struct observation_spec spec = spec_of("all"), raw = spec_of("raw5");
    struct rng rng;
    rng_init(&rng, 11, 1);
    for (int episode = 0; episode < 200; episode++) {
        struct observation_state state;
        struct target target = {.min_replicas = (int)rng_bounded(&rng, 3), .max_replicas = (int)rng_bounded(&rng, 60)};
        target.latency_soft_ms = rng_bounded(&rng, 3) ? rng_uniform(&rng, -10, 1000) : (double)NAN;
        target.latency_hard_ms = rng_bounded(&rng, 3) ? rng_uniform(&rng, -10, 1000) : 0;
        for (int t = 0; t < 100; t++) {
            struct sample s = sample_of(15 * t, rng_uniform(&rng, 0, 2000), (int)rng_bounded(&rng, 60),
                                        rng_log_uniform(&rng, 0.1, 1e5), rng_log_uniform(&rng, 1e-3, 1e5));
            for (int i = 0; i < SIGNAL_COUNT; i++) {
                if (rng_bounded(&rng, 8) == 0)
                    s.signals[i].validity = (enum validity)rng_bounded(&rng, 5);
                if (rng_bounded(&rng, 8) == 0)
                    s.signals[i].value = ODD[rng_bounded(&rng, 7)];
                if (rng_bounded(&rng, 30) == 0)
                    s.signals[i].age_s = ODD[rng_bounded(&rng, 7)];
            }
            (t ? observation_update : observation_reset)(&spec, &state, &target, &s);
            float f[OBSERVATION_LIMIT];
            observation_features(&spec, &state, f);
            for (int i = 0; i < spec.n; i++)
                if (!(fabsf(f[i]) <= OBSERVATION_CLIP))
                    ck_abort_msg("%s = %g", observation_feature(&spec, i)->name, (double)f[i]);
            observation_features(&raw, &state, f);
            for (int i = 0; i < raw.n; i++)
                if (!(fabsf(f[i]) <= OBSERVATION_RAW_CLIP))
                    ck_abort_msg("%s = %g", observation_feature(&raw, i)->name, (double)f[i]);
        }
    }
}
END_TEST

START_TEST(asking_changes_nothing)
{
    struct observation_spec spec = spec_of("default");
    struct observation_state state, before;
    float first[OBSERVATION_LIMIT], second[OBSERVATION_LIMIT];
    struct sample s = sample_of(0, 100, 4, 100, 80);
    observation_reset(&spec, &state, &TARGET, &s);
    before = state;
    observation_features(&spec, &state, first);
    observation_features(&spec, &state, second);
    ck_assert_mem_eq(&before, &state, sizeof state);
    ck_assert_mem_eq(first, second, (size_t)spec.n * sizeof(float));
}
END_TEST

SUITE("observation", lists_read_back_and_hash, unknown_names_and_versions_are_refused, logarithm_is_close_and_monotone,
      first_look_by_hand, an_unknown_error_ratio_is_no_zero, history_moves_with_updates_only,
      bad_signals_keep_the_last_value, idle_is_not_fast, trends_and_peaks_follow_the_load,
      bursts_tell_noisy_loads_from_calm_ones, budget_spent_grows_and_fades, a_hard_limit_alone_is_a_budget_too,
      every_feature_is_finite_and_bounded, asking_changes_nothing)
