/* The event simulator as a cluster: repeatable, conserving, through scaling and faults. What it computes is held to theory in
 * test_theory.c and to the fast simulator in test_agreement.c. */
#include <maestro/exact.h>

#include "suite.h"
#include <math.h>

static struct sim_model *open_model(void)
{
    struct service_profile profile;
    struct sim_model *m;
    struct err e;
    profile_default(&profile);
    struct sim_config config = {.profile = &profile, .n_variants = 1, .max_replicas = 10, .seed = 3};
    ck_assert_msg(sim_model_open(&config, &m, &e), "%s", e.message);
    return m;
}

/* Ten minutes with two pods killed, one scale-up and one scale-down; requests that ended, in *ended. */
static struct sim_truth live(struct exact *x, uint64_t seed)
{
    double rate_rps = 3.0 * sim_capacity_rps(exact_sim(x)->model, 0);
    struct sim_scenario scenario = {
        .replicas = 4,
        .load = {.shape = LOAD_CONSTANT, .base_rps = rate_rps, .peak_rps = rate_rps},
        .n_faults = 2,
        .faults = {{.kind = FAULT_POD_KILL, .start_s = 60}, {.kind = FAULT_POD_KILL, .start_s = 90}},
    };
    struct cluster *c = &exact_sim(x)->cluster;
    struct sim_truth truth;
    exact_begin(x, &scenario, seed, 0);
    ck_assert(cluster_advance(c, 200, NULL));
    ck_assert(cluster_scale(c, 7, NULL));
    ck_assert(cluster_advance(c, 200, NULL));
    ck_assert(cluster_scale(c, 3, NULL));
    ck_assert(cluster_advance(c, 200, NULL));
    sim_truth_take(exact_sim(x), &truth);
    return truth;
}

START_TEST(same_seed_same_requests)
{
    struct sim_model *m = open_model();
    struct exact *x;
    ck_assert(exact_open(m, &x, NULL));
    struct sim_truth a = live(x, 1), b = live(x, 1), c = live(x, 2);
    ck_assert_mem_eq(&a, &b, sizeof a);
    ck_assert_double_ne(a.mean_ms, c.mean_ms);
    exact_close(x);
    sim_model_close(m);
}
END_TEST

/* What ended and what is still inside is what came, to the Poisson noise of the arrivals: 4 standard deviations. */
START_TEST(what_came_has_ended_or_is_inside)
{
    struct sim_model *m = open_model();
    struct exact *x;
    ck_assert(exact_open(m, &x, NULL));
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct sim_truth t = live(x, seed);
        ck_assert_double_eq_tol(t.requests + t.in_flight, t.arrivals, 4.0 * sqrt(t.arrivals));
        ck_assert_double_gt(t.failed, 0.0); // the killed pods' requests
        ck_assert_double_lt(t.failed, 0.05 * t.requests);
        ck_assert_double_gt(t.p99_ms, t.p50_ms);
    }
    ck_assert_double_gt(exact_requests(x), 1e5);
    exact_close(x);
    sim_model_close(m);
}
END_TEST

START_TEST(measures_what_prometheus_would)
{
    struct sim_model *m = open_model();
    struct exact *x;
    struct sample sample;
    ck_assert(exact_open(m, &x, NULL));
    struct sim_truth t = live(x, 5);
    ck_assert(cluster_sample(&exact_sim(x)->cluster, true, &sample, NULL));
    double rate_rps = t.arrivals / t.seconds;
    ck_assert_int_eq(sample.signals[SIGNAL_RPS].validity, VALIDITY_VALID);
    ck_assert_double_eq_tol(sample.signals[SIGNAL_RPS].value, rate_rps, 0.15 * rate_rps);
    ck_assert_double_eq(sample.signals[SIGNAL_REPLICAS].value, 3.0);
    exact_close(x);
    sim_model_close(m);
}
END_TEST

SUITE("exact", same_seed_same_requests, what_came_has_ended_or_is_inside, measures_what_prometheus_would)
