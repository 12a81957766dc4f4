/* Both simulators against Erlang C. A replica with c cores and c places, no quota, no wait and exponential demands is M/M/c:
 * one queue, c servers. Mean and 95th percentile of the sojourn time must lie within 5 % of theory at c = 1, 4, 16 and loads
 * 0.3 to 0.9: for the event simulator in every run, for the fast one with every seed of its tables, and for the tables of
 * randomised variants, which are measured on half as many requests, read as they are. Prints the errors. */
#include <maestro/exact.h>
#include <maestro/latency.h>
#include <maestro/sim.h>

#include "simulate.h"
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CPU_S 0.01
#define TOLERANCE 0.05
#define SEEDS 4

/* Share of requests that must wait, M/M/c with offered load a = lambda / mu: from Erlang B by its recursion. */
static double erlang_c(int c, double a)
{
    double b = 1.0;
    for (int k = 1; k <= c; k++)
        b = a * b / (k + a * b);
    return b / (1.0 - a / c * (1.0 - b));
}

/* P(sojourn > t): an exponential service after a wait that is 0 or, with P(wait), exponential at rate c mu - lambda. */
static double longer_than(int c, double mu, double lambda, double t)
{
    double p = erlang_c(c, lambda / mu), drain = c * mu - lambda;
    double alone = exp(-mu * t);
    double after =
        fabs(mu - drain) < 1e-9 * mu ? (1.0 + mu * t) * alone : (mu * exp(-drain * t) - drain * alone) / (mu - drain);
    return (1.0 - p) * alone + p * after;
}

static double theory_mean_ms(int c, double lambda)
{
    return 1000.0 * (CPU_S + erlang_c(c, lambda * CPU_S) / (c / CPU_S - lambda));
}

static double theory_p95_ms(int c, double lambda)
{
    double low = 0.0, high = 1000.0;
    for (int i = 0; i < 100; i++) {
        double middle = 0.5 * (low + high);
        if (longer_than(c, 1.0 / CPU_S, lambda, middle) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return 1000.0 * low;
}

static struct service_model queue_of(int c)
{
    return (struct service_model){.cpu_ms = 1000.0 * CPU_S,
                                  .cpu_cv = 1.0,
                                  .exponential = true,
                                  .concurrency = c,
                                  .backlog = 4000,
                                  .timeout_ms = 60000.0,
                                  .node_cores = c,
                                  .balance_busiest = 1.0};
}

static struct sim_model *open_model(int c, uint64_t seed)
{
    struct service_profile profile;
    profile_default(&profile);
    profile.service.model = queue_of(c);
    profile.service.drift = 0.0;
    struct sim_config config = {.profile = &profile, .n_variants = 1, .max_replicas = 1, .seed = seed};
    struct sim_model *m;
    struct err e;
    ck_assert_msg(sim_model_open(&config, &m, &e), "%s", e.message);
    return m;
}

static struct sim_scenario steady(double rate_rps)
{
    return (struct sim_scenario){.replicas = 1,
                                 .load = {.shape = LOAD_CONSTANT, .base_rps = rate_rps, .peak_rps = rate_rps}};
}

static struct sim_truth run_fast(const struct sim_model *m, double rate_rps)
{
    struct sim_state *state = aligned_alloc(64, sim_state_bytes());
    struct sim sim;
    struct sim_scenario scenario = steady(rate_rps);
    sim_bind(&sim, m, state);
    sim_begin(m, state, &scenario, 1, 0);
    struct sim_truth truth = simulated_observe(&sim, 120.0, 240.0);
    free(state);
    return truth;
}

/* Relative standard error of the mean of n sojourn times of M/M/1: about sqrt(3.6 / n) / (1 - rho). With these numbers it is
 * below 1.2 % everywhere. */
static struct sim_truth run_exact(const struct sim_model *m, double rate_rps, double rho, uint64_t seed)
{
    struct exact *x;
    struct sim_scenario scenario = steady(rate_rps);
    double requests = fmin(2.5e6, 3e4 / ((1.0 - rho) * (1.0 - rho)));
    ck_assert(exact_open(m, &x, NULL));
    exact_begin(x, &scenario, seed, 0);
    struct sim_truth truth = simulated_observe(exact_sim(x), 30.0, ceil(requests / rate_rps));
    exact_close(x);
    return truth;
}

struct worst {
    double mean, p95;
    double sum_mean[3][5], sum_p95[3][5]; /* [c][rho] over seeds */
};

static const int SERVERS[] = {1, 4, 16};
static const double LOADS[] = {0.3, 0.5, 0.7, 0.8, 0.9};

static void compare(const char *who, int k, int i, const struct sim_truth *truth, struct worst *worst)
{
    double lambda = LOADS[i] * SERVERS[k] / CPU_S;
    double mean = truth->mean_ms / theory_mean_ms(SERVERS[k], lambda) - 1.0;
    double p95 = truth->p95_ms / theory_p95_ms(SERVERS[k], lambda) - 1.0;
    printf("%-5s c %2d  rho %.1f  mean %+5.1f %%  p95 %+5.1f %%\n", who, SERVERS[k], LOADS[i], 100.0 * mean,
           100.0 * p95);
    worst->mean = fmax(worst->mean, fabs(mean));
    worst->p95 = fmax(worst->p95, fabs(p95));
    worst->sum_mean[k][i] += mean;
    worst->sum_p95[k][i] += p95;
    ck_assert_double_le(truth->failed, 0.0);
}

static void check_worst(const char *who, const struct worst *worst, int n_seeds)
{
    double mean = 0.0, p95 = 0.0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 5; i++) {
            mean = fmax(mean, fabs(worst->sum_mean[k][i]) / n_seeds);
            p95 = fmax(p95, fabs(worst->sum_p95[k][i]) / n_seeds);
        }
    printf("%s: worst of one seed: mean %.1f %%, p95 %.1f %%; worst of the average: mean %.1f %%, p95 %.1f %%\n", who,
           100.0 * worst->mean, 100.0 * worst->p95, 100.0 * mean, 100.0 * p95);
    fflush(stdout);
    ck_assert_double_le(worst->mean, TOLERANCE);
    ck_assert_double_le(worst->p95, TOLERANCE);
}

START_TEST(fast_simulator_meets_erlang_c)
{
    struct worst worst = {0};
    for (int k = 0; k < 3; k++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct sim_model *m = open_model(SERVERS[k], seed);
            for (int i = 0; i < 5; i++) {
                struct sim_truth truth = run_fast(m, LOADS[i] * SERVERS[k] / CPU_S);
                compare("fast", k, i, &truth, &worst);
            }
            sim_model_close(m);
        }
    check_worst("fast", &worst, SEEDS);
}
END_TEST

/* What a table says of a steady rate. */
static struct sim_truth read_table(const struct latency_table *t, double rate_rps)
{
    double counts[LATENCY_ROWS] = {0};
    float p = latency_position(latency_steady_l(t, (float)rate_rps));
    int row = (int)p;
    double part = (double)p - row;
    counts[row] = 1.0 - part;
    counts[row + 1] = part;
    return (struct sim_truth){
        .mean_ms = counts[row] * (double)t->mean_ms[row] + counts[row + 1] * (double)t->mean_ms[row + 1],
        .p95_ms = latency_quantile(t, counts, 0.95),
    };
}

START_TEST(quick_tables_meet_erlang_c)
{
    static struct latency_table t;
    struct worst worst = {0};
    for (int k = 0; k < 3; k++)
        for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
            struct service_model service = queue_of(SERVERS[k]);
            ck_assert(latency_table_measure(&service, seed, &t, NULL));
            for (int i = 0; i < 5; i++) {
                struct sim_truth truth = read_table(&t, LOADS[i] * SERVERS[k] / CPU_S);
                compare("table", k, i, &truth, &worst);
            }
        }
    check_worst("table", &worst, 2 * SEEDS);
}
END_TEST

START_TEST(event_simulator_meets_erlang_c)
{
    struct worst worst = {0};
    for (int k = 0; k < 3; k++) {
        struct sim_model *m = open_model(SERVERS[k], 1);
        for (uint64_t seed = 1; seed <= 2; seed++)
            for (int i = 0; i < 5; i++) {
                struct sim_truth truth = run_exact(m, LOADS[i] * SERVERS[k] / CPU_S, LOADS[i], seed);
                compare("event", k, i, &truth, &worst);
            }
        sim_model_close(m);
    }
    check_worst("event", &worst, 2);
}
END_TEST

/* Erlang C itself, from a table: c = 1 is rho; a = 2, c = 3 is 4/9. */
START_TEST(the_formula_is_right)
{
    ck_assert_double_eq_tol(erlang_c(1, 0.7), 0.7, 1e-12);
    ck_assert_double_eq_tol(erlang_c(3, 2.0), 4.0 / 9.0, 1e-12);
    ck_assert_double_eq_tol(theory_p95_ms(1, 50.0), 1000.0 * log(20.0) / 50.0, 1e-6);
}
END_TEST

SUITE("theory", the_formula_is_right, fast_simulator_meets_erlang_c, quick_tables_meet_erlang_c,
      event_simulator_meets_erlang_c)
