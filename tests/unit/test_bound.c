/* Tests of the bound on the true p95: no behaviour of pods in random episodes beats it, it rises with load and falls with
 * pods, and it is not so low as to be empty. */
#include <math.h>

#include "simulate.h"
#include "suite.h"

/* Every span of random episodes under random scaling, kills and starts: true p95 >= bound at the pod-seconds that served. */
static void check_profile(const char *name, int period_s)
{
    struct simulated s;
    struct err e = {0};
    ck_assert_msg(profile_load(name, &s.profile, &e), "%s", e.message);
    simulated_open(&s, 4);
    float arrivals[3600];
    for (uint64_t seed = 0; seed < 12; seed++) {
        sim_begin(s.model, s.state, NULL, seed, 2);
        ck_assert(sim_arrivals(s.model, s.state, 3600, arrivals, NULL));
        struct rng rng;
        rng_init(&rng, seed, 5);
        int n = 5;
        for (int at = 0; at + period_s <= 3600; at += period_s) {
            n += (int)rng_bounded(&rng, 5) - 2;
            n = n < 1 ? 1 : n > 20 ? 20 : n;
            simulated_scale(&s, n);
            simulated_advance(&s, period_s);
            struct sim_truth t = simulated_truth(&s);
            double pods = (t.spec_replica_s + t.terminating_s) / period_s;
            double bound = sim_bound_p95(s.model, sim_variant(&s.sim), arrivals + at, period_s, pods);
            /* 0.1 %: float sums. */
            ck_assert_msg(!(t.p95_ms < bound * 0.999), "%s seed %d at %d s, %.2f pods: p95 %.3f under the bound %.3f",
                          name, (int)seed, at, pods, t.p95_ms, bound);
        }
    }
    simulated_close(&s);
}

START_TEST(nobody_beats_it)
{
    check_profile("web-api", 15);
    check_profile("web-api", 30);
    check_profile("jvm-slow-start", 30);
    check_profile("llm-slow", 15);
    check_profile("target-app", 60);
}
END_TEST

/* No step of more pods raises it. pods: from, to, step. */
static void check_falls(const struct sim_model *m, const float *arrivals, int n_seconds, const double pods[3])
{
    double before = HUGE_VAL;
    for (double n = pods[0]; n <= pods[1]; n += pods[2]) {
        double bound = sim_bound_p95(m, 0, arrivals, n_seconds, n);
        ck_assert_msg(bound <= before * (1 + 1e-6), "%g pods: %g ms, with %g fewer: %g", n, bound, pods[2], before);
        before = bound;
    }
}

START_TEST(it_is_monotone_and_says_something)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    double capacity = sim_capacity_rps(s.model, 0);
    float arrivals[30];
    for (int i = 0; i < 30; i++)
        arrivals[i] = (float)(5 * capacity);
    check_falls(s.model, arrivals, 30, (const double[]){1, 20, 0.25});
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 20) > 0.3 * s.profile.service.model.wait_ms);
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 2) > s.profile.service.latency_soft_ms); // far too few pods
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 5) < s.profile.service.latency_soft_ms * 1.01);
    for (int i = 0; i < 30; i++)
        arrivals[i] = 0;
    ck_assert_double_eq(sim_bound_p95(s.model, 0, arrivals, 30, 1), 0);
    simulated_close(&s);
}
END_TEST

/* Finely, and with a second that is three times the others: where the best that is sent to each pod is just enough, too. */
START_TEST(a_burst_keeps_it_monotone)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    double capacity = sim_capacity_rps(s.model, 0);
    float arrivals[15];
    for (int i = 0; i < 15; i++)
        arrivals[i] = (float)(5 * capacity * (i == 7 ? 3 : 1));
    check_falls(s.model, arrivals, 15, (const double[]){4, 12, 0.01});
    simulated_close(&s);
}
END_TEST

SUITE("bound", nobody_beats_it, it_is_monotone_and_says_something, a_burst_keeps_it_monotone)
