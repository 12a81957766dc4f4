/* Tests of the simulated cluster as a whole: conservation, determinism, validities, the life of pods, closed users, the
 * arrivals that no action changes, the required replicas. */
#include <math.h>
#include <string.h>

#include "../../envs/sim/state.h"
#include "simulate.h"
#include "suite.h"

static struct sim_scenario constant(const struct simulated *s, double pods_of_load, int replicas)
{
    struct sim_scenario c = {.replicas = replicas};
    c.load = (struct load){.shape = LOAD_CONSTANT, .base_rps = pods_of_load * sim_capacity_rps(s->model, 0)};
    return c;
}

START_TEST(arrivals_are_completions_failures_and_in_flight)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 8);
    for (uint64_t seed = 0; seed < 12; seed++) {
        sim_begin(s.model, s.state, NULL, seed, 3);
        double before = simulated_truth(&s).in_flight, arrivals = 0, ended = 0, after = 0;
        struct rng rng;
        rng_init(&rng, seed, 9);
        for (int step = 0; step < 60; step++) {
            simulated_scale(&s, (int)rng_bounded(&rng, 20));
            simulated_advance(&s, 30);
            struct sim_truth t = simulated_truth(&s);
            ck_assert(t.failed <= t.requests + 1e-6 && t.over_soft <= t.requests * (1 + 1e-5) + 1e-6);
            arrivals += t.arrivals;
            ended += t.requests;
            after = t.in_flight;
        }
        /* Cells are floats: each of some thousand sums is exact to 6e-8. */
        ck_assert_double_eq_tol(before + arrivals, ended + after, 2e-4 * arrivals + 1e-3);
    }
    simulated_close(&s);
}
END_TEST

START_TEST(a_copied_state_has_the_same_future)
{
    struct simulated s;
    simulated_profile(&s, "jvm-slow-start");
    s.profile.service.drift = 0.1;
    s.profile.measurement.gap_probability = 0.02;
    simulated_open(&s, 3);
    struct sim_state *copy = aligned_alloc(64, sim_state_bytes());
    sim_begin(s.model, s.state, NULL, 5, 1);
    simulated_advance(&s, 333);
    memcpy(copy, s.state, sim_state_bytes());
    struct sim other;
    sim_bind(&other, s.model, copy);
    for (int step = 0; step < 40; step++) {
        simulated_scale(&s, 3 + step % 5);
        ck_assert(cluster_scale(&other.cluster, 3 + step % 5, NULL));
        simulated_advance(&s, 15);
        ck_assert(cluster_advance(&other.cluster, 15, NULL));
        simulated_sample(&s, true); // looking changes nothing
    }
    ck_assert_int_eq(memcmp(copy, s.state, sizeof *copy), 0);
    sim_begin(s.model, copy, NULL, 5, 2);
    ck_assert_int_ne(memcmp(copy, s.state, sizeof *copy), 0);
    free(copy);
    simulated_close(&s);
}
END_TEST

START_TEST(steps_may_be_cut_anywhere)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 2);
    sim_begin(s.model, s.state, NULL, 8, 1);
    simulated_advance(&s, 600);
    struct sim_truth whole = simulated_truth(&s);
    sim_begin(s.model, s.state, NULL, 8, 1);
    for (int i = 0; i < 600; i++)
        simulated_advance(&s, 1);
    struct sim_truth cut = simulated_truth(&s);
    ck_assert_double_eq_tol(whole.requests, cut.requests, 1e-4 * whole.requests); // order of float sums
    ck_assert_double_eq_tol(whole.p95_ms, cut.p95_ms, 1e-3 * whole.p95_ms);
    simulated_close(&s);
}
END_TEST

START_TEST(idle_is_absent_and_nothing_is_a_fake_zero)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    struct sim_scenario idle = constant(&s, 0, 2);
    sim_begin(s.model, s.state, &idle, 1, 0);
    struct sample sample = simulated_sample(&s, false);
    ck_assert_int_eq(sample.signals[SIGNAL_RPS].validity, VALIDITY_VALID);
    ck_assert_double_eq(sample.signals[SIGNAL_RPS].value, 0);
    ck_assert_int_eq(sample.signals[SIGNAL_P95].validity, VALIDITY_ABSENT);
    ck_assert_int_eq(sample.error_ratio.validity, VALIDITY_ABSENT);
    ck_assert_int_eq(sample.signals[SIGNAL_MEMORY].validity, VALIDITY_VALID);
    ck_assert(isnan(simulated_truth(&s).p95_ms));
    struct sim_scenario busy = constant(&s, 1.5, 2);
    sim_begin(s.model, s.state, &busy, 1, 0);
    sample = simulated_sample(&s, false);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        ck_assert_int_eq(sample.signals[i].validity, VALIDITY_VALID);
    ck_assert(sample.signals[SIGNAL_RPS].age_s < 15);
    /* Poisson counts over about 60 s: 5 standard deviations. */
    double rate = busy.load.base_rps;
    ck_assert_double_eq_tol(sample.signals[SIGNAL_RPS].value, rate, 5 * sqrt(rate / 45));
    simulated_close(&s);
}
END_TEST

/* What is left of the fluid when the last request is done is none: whoever sees a request sees a latency. */
START_TEST(a_load_that_ends_leaves_no_requests_without_latency)
{
    static const char *const names[] = {"web-api", "llm-slow"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct simulated s;
        int n_idle = 0;
        simulated_profile(&s, names[i]);
        simulated_open(&s, 1);
        struct sim_scenario c = constant(&s, 1, 2);
        c.load.shape = LOAD_SPIKE;
        c.load.peak_rps = c.load.base_rps;
        c.load.base_rps = 0;
        c.load.start_s = 0;
        c.load.length_s = 120;
        sim_begin(s.model, s.state, &c, 1, 0);
        for (int t = 0; t < 900; t += 5) {
            simulated_advance(&s, 5);
            struct sim_truth truth = simulated_truth(&s);
            ck_assert_msg(!(truth.requests > 0) || isfinite(truth.p95_ms), "%s at %d s: %g requests", names[i], t,
                          truth.requests);
            n_idle += truth.requests <= 0;
        }
        ck_assert_int_gt(n_idle, 10);
        simulated_close(&s);
    }
}
END_TEST

START_TEST(memory_without_a_limit_is_absent)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.pods.memory_limit_mib = 0;
    simulated_open(&s, 1);
    struct sim_scenario c = constant(&s, 1, 2);
    sim_begin(s.model, s.state, &c, 1, 0);
    ck_assert_int_eq(simulated_sample(&s, false).signals[SIGNAL_MEMORY].validity, VALIDITY_ABSENT);
    simulated_close(&s);
}
END_TEST

START_TEST(pods_start_serve_and_drain)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.pods.start_cv = 0;
    s.profile.pods.start_s = 20;
    simulated_open(&s, 1);
    struct sim_scenario c = constant(&s, 2, 3);
    sim_begin(s.model, s.state, &c, 1, 0);
    simulated_scale(&s, 5);
    struct sample sample = simulated_sample(&s, true);
    ck_assert_double_eq(sample.signals[SIGNAL_REPLICAS].value, 5);
    ck_assert_int_eq(sample.ready, 3);
    ck_assert_int_eq(sample.starting, 2);
    ck_assert_int_eq(sample.n_pods, 5);
    simulated_advance(&s, 19);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 3);
    simulated_advance(&s, 1);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 5);
    simulated_advance(&s, 100);
    (void)simulated_truth(&s);
    simulated_scale(&s, 2);
    ck_assert_int_eq(simulated_sample(&s, false).terminating, 3);
    simulated_advance(&s, 60);
    sample = simulated_sample(&s, true);
    ck_assert_int_eq(sample.terminating, 0);
    ck_assert_int_eq(sample.n_pods, 2);
    struct sim_truth truth = simulated_truth(&s);
    ck_assert(truth.terminating_s >= 3 * 2 && truth.terminating_s <= 3 * 31);
    ck_assert_double_eq(truth.spec_replica_s, 2 * 60);
    ck_assert_double_eq_tol(truth.failed, 0, 1e-3 * truth.requests); // drained, not cut off
    simulated_close(&s);
}
END_TEST

START_TEST(quota_keeps_pods_pending)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.pods.quota_replicas = 4;
    simulated_open(&s, 1);
    struct sim_scenario c = constant(&s, 1, 3);
    sim_begin(s.model, s.state, &c, 1, 0);
    simulated_scale(&s, 7);
    simulated_advance(&s, 120);
    struct sample sample = simulated_sample(&s, true);
    ck_assert_int_eq(sample.ready, 4);
    ck_assert_int_eq(sample.starting, 3);
    int pending = 0;
    for (int i = 0; i < sample.n_pods; i++)
        pending += sample.pods[i].phase == POD_PENDING;
    ck_assert_int_eq(pending, 3);
    simulated_close(&s);
}
END_TEST

START_TEST(a_leak_ends_in_a_restart)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.pods.memory_leak_mib_h = 500; // 384 MiB of room, an hour old at the start: beyond it at once
    simulated_open(&s, 1);
    struct sim_scenario c = constant(&s, 1, 3);
    sim_begin(s.model, s.state, &c, 1, 0);
    int restarts = 0;
    for (int i = 0; i < FLUID_PODS; i++)
        restarts += s.state->slots[i].restarts;
    ck_assert_int_eq(restarts, 3);
    simulated_advance(&s, 120);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 3);
    simulated_close(&s);
}
END_TEST

START_TEST(overload_is_slow_and_fails_at_the_time_out)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.measurement.buckets_ms.n--; // 5000 ms is the highest then, the time-out 10000 ms lies above
    simulated_open(&s, 1);
    struct sim_scenario c = constant(&s, 6, 2);
    sim_begin(s.model, s.state, &c, 1, 0);
    simulated_advance(&s, 300);
    struct sim_truth t = simulated_truth(&s);
    ck_assert(t.failed > 0.3 * t.requests);
    ck_assert_double_eq_tol(t.p95_ms, s.profile.service.model.timeout_ms, 1);
    ck_assert_double_ge(t.over_soft, 0.95 * t.requests);
    struct sample sample = simulated_sample(&s, false);
    ck_assert_double_eq(sample.signals[SIGNAL_P95].value, 5000); // saturated at the highest finite bound
    simulated_close(&s);
}
END_TEST

START_TEST(closed_users_slow_down_with_the_service)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    double capacity = (double)s.model->services[0].latency.capacity_rps;
    struct sim_scenario c = {.replicas = 2};
    c.load = (struct load){.shape = LOAD_CONSTANT, .users = 1, .think_s = 1, .base_rps = capacity};
    sim_begin(s.model, s.state, &c, 1, 0);
    simulated_advance(&s, 300);
    struct sim_truth light = simulated_truth(&s);
    /* rate = users / (think + latency) */
    ck_assert_double_eq_tol(light.requests / 300, capacity / (1 + light.mean_ms / 1000), 0.03 * capacity);
    c.load.base_rps = 10 * capacity;
    sim_begin(s.model, s.state, &c, 1, 0);
    simulated_advance(&s, 300);
    struct sim_truth heavy = simulated_truth(&s);
    ck_assert(heavy.arrivals / 300 < 0.95 * 10 * capacity);
    float out[4];
    ck_assert(!sim_arrivals(s.model, s.state, 4, out, NULL));
    simulated_close(&s);
}
END_TEST

START_TEST(arrivals_do_not_depend_on_actions)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 4);
    for (uint64_t seed = 0; seed < 6; seed++) {
        float told[900];
        sim_begin(s.model, s.state, NULL, seed, 4);
        ck_assert(sim_arrivals(s.model, s.state, 900, told, NULL));
        for (int step = 0; step < 60; step++) {
            double sum = 0;
            for (int i = 0; i < 15; i++)
                sum += (double)told[15 * step + i];
            simulated_scale(&s, 1 + (step * 7 + (int)seed) % 12);
            simulated_advance(&s, 15);
            ck_assert_double_eq_tol(simulated_truth(&s).arrivals, sum, 1e-6 * sum + 1e-9);
        }
    }
    simulated_close(&s);
}
END_TEST

START_TEST(capacity_is_where_p95_meets_the_soft_limit)
{
    const char *const names[] = {"web-api", "jvm-slow-start", "llm-slow", "target-app", "target-app-small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct simulated s;
        simulated_profile(&s, names[i]);
        s.profile.service.model.balancing = BALANCE_REQUEST;
        simulated_open(&s, 1);
        ck_assert_int_eq(sim_required_replicas(s.model, 0, 0), 1);
        ck_assert_int_eq(sim_required_replicas(s.model, 0, 3.5 * sim_capacity_rps(s.model, 0)), 4);
        double p95[2];
        for (int k = 0; k < 2; k++) {
            struct sim_scenario c = constant(&s, k ? 4.2 : 3.8, 4);
            sim_begin(s.model, s.state, &c, 1, 0);
            simulated_advance(&s, 3600);
            (void)simulated_truth(&s);
            simulated_advance(&s, 600);
            p95[k] = simulated_truth(&s).p95_ms;
        }
        double soft = s.profile.service.latency_soft_ms;
        ck_assert_msg(p95[0] < soft && p95[1] > soft, "%s: %g, %g around %g", names[i], p95[0], p95[1], soft);
        simulated_close(&s);
    }
}
END_TEST

SUITE("sim", arrivals_are_completions_failures_and_in_flight, a_copied_state_has_the_same_future,
      steps_may_be_cut_anywhere, idle_is_absent_and_nothing_is_a_fake_zero,
      a_load_that_ends_leaves_no_requests_without_latency, memory_without_a_limit_is_absent, pods_start_serve_and_drain,
      quota_keeps_pods_pending, a_leak_ends_in_a_restart, overload_is_slow_and_fails_at_the_time_out,
      closed_users_slow_down_with_the_service, arrivals_do_not_depend_on_actions,
      capacity_is_where_p95_meets_the_soft_limit)
