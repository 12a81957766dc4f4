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

START_TEST(it_is_monotone_and_says_something)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    double capacity = sim_capacity_rps(s.model, 0), before = HUGE_VAL;
    float arrivals[30];
    for (int i = 0; i < 30; i++)
        arrivals[i] = (float)(5 * capacity);
    for (double n = 1; n <= 20; n += 0.25) {
        double bound = sim_bound_p95(s.model, 0, arrivals, 30, n);
        ck_assert(bound <= before * (1 + 1e-6));
        before = bound;
    }
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 20) > 0.3 * s.profile.service.model.wait_ms);
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 2) > s.profile.service.latency_soft_ms); // far too few pods
    ck_assert(sim_bound_p95(s.model, 0, arrivals, 30, 5) < s.profile.service.latency_soft_ms * 1.01);
    for (int i = 0; i < 30; i++)
        arrivals[i] = 0;
    ck_assert_double_eq(sim_bound_p95(s.model, 0, arrivals, 30, 1), 0);
    simulated_close(&s);
}
END_TEST

SUITE("bound", nobody_beats_it, it_is_monotone_and_says_something)
