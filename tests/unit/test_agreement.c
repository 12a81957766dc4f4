/* The fast simulator against the event simulator, in full mode: quota, places, backlog, time-outs, unequal pods, the profiles
 * that ship. Prints all errors.
 *
 * Steady loads: p95 within 15 %. Hardest is target-app alone: its quota makes p95 jump, from nine tenths of the rate that it
 * can bear on, from unthrottled requests (6 ms) to throttled ones (50 ms), and near there the event simulator itself needs
 * millions of requests.
 *
 * A crowd for a minute at 1.4 times what the pods can do, then half of it: two times, within 10 %. Until nine tenths of the
 * excess requests in flight are gone; and until p95 of a second's requests is under the soft limit again. Both simulators are
 * looked at once a second; between two looks, times are interpolated. */
#include <maestro/exact.h>
#include <maestro/sim.h>

#include "simulate.h"
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define P95_TOLERANCE 0.15
#define RECOVERY_TOLERANCE 0.10

static const char *const PROFILES[] = {"web-api", "jvm-slow-start", "llm-slow", "target-app"};
#define N_PROFILES 4
static const int PODS[] = {1, 4, 12};
/* Of the rate at which p95 in the busiest pod may reach the soft limit. Twice that is an overload of all pods. Between, one
 * pod of several is close to critical: there the event simulator itself needs hours to settle. */
static const double LOADS[] = {0.15, 0.4, 0.7, 0.9, 1.0, 2.0};
#define N_LOADS 6

static struct sim_model *open_model(const char *name, double drift)
{
    struct service_profile profile;
    struct sim_model *m;
    struct err e;
    ck_assert_msg(profile_load(name, &profile, &e), "%s", e.message);
    profile.service.drift = drift;
    struct sim_config config = {.profile = &profile, .n_variants = 1, .max_replicas = 20, .seed = 1};
    ck_assert_msg(sim_model_open(&config, &m, &e), "%s", e.message);
    return m;
}

/* The fast one, bound to a state of its own. */
struct fast {
    struct sim sim;
    struct sim_state *state;
};

static void fast_open(struct fast *f, const struct sim_model *m)
{
    f->state = aligned_alloc(64, sim_state_bytes());
    ck_assert_ptr_nonnull(f->state);
    sim_bind(&f->sim, m, f->state);
}

/* Requests of the event simulator. Near saturation a queue remembers about 1 / (1 - rho)^2 of them, a thousand; of several
 * pods only the busiest is near. */
static double requests_at(int pods, double load)
{
    if (load < 0.9 || load > 1.0)
        return 100e3;
    return pods > 1 ? 400e3 : 4e6;
}

static double compare_steady(const struct sim_model *m, const char *name, int pods, double load)
{
    double busiest = sim_profile(m, 0)->service.model.balance_busiest;
    double rate_rps = load * pods * sim_capacity_rps(m, 0) / (pods > 1 ? busiest : 1.0);
    struct sim_scenario scenario = {.replicas = pods,
                                    .load = {.shape = LOAD_CONSTANT, .base_rps = rate_rps, .peak_rps = rate_rps}};
    struct fast fast;
    struct exact *x;
    fast_open(&fast, m);
    sim_begin(m, fast.state, &scenario, 5, 0);
    struct sim_truth of_fast = simulated_observe(&fast.sim, 300.0, 300.0);
    ck_assert(exact_open(m, &x, NULL));
    exact_begin(x, &scenario, 5, 0);
    struct sim_truth of_exact = simulated_observe(exact_sim(x), 300.0, ceil(requests_at(pods, load) / rate_rps));
    exact_close(x);
    free(fast.state);
    double error = of_fast.p95_ms / of_exact.p95_ms - 1.0;
    printf("%-15s pods %2d  load %.2f  p95 %8.1f ms  event %8.1f ms  %+5.1f %%   mean %+5.1f %%\n", name, pods, load,
           of_fast.p95_ms, of_exact.p95_ms, 100.0 * error, 100.0 * (of_fast.mean_ms / of_exact.mean_ms - 1.0));
    ck_assert_double_eq_tol(of_fast.cpu_core_s / of_fast.seconds, of_exact.cpu_core_s / of_exact.seconds,
                            0.03 * of_fast.cpu_core_s / of_fast.seconds);
    return fabs(error);
}

static void check_steady(int first, int end)
{
    double worst = 0.0;
    for (int k = 0; k < N_PROFILES; k++) {
        struct sim_model *m = open_model(PROFILES[k], 0.0);
        for (int i = first; i < end; i++)
            for (int j = 0; j < N_LOADS; j++)
                worst = fmax(worst, compare_steady(m, PROFILES[k], PODS[i], LOADS[j]));
        sim_model_close(m);
    }
    printf("steady p95: worst %.1f %%, tolerance %.0f %%\n", 100.0 * worst, 100.0 * P95_TOLERANCE);
    fflush(stdout);
    ck_assert_double_le(worst, P95_TOLERANCE);
}

START_TEST(steady_p95_of_one_pod_agrees)
{
    check_steady(0, 1);
}
END_TEST

START_TEST(steady_p95_of_several_pods_agrees)
{
    check_steady(1, 3);
}
END_TEST

#define CROWD_AT_S 120.0
#define CROWD_S 60.0
#define WATCH_S 120
#define SEEN_RPS 8000.0

static struct sim_scenario crowd(const struct sim_model *m, int pods)
{
    double most_rps = pods * sim_capacity_rps(m, 0);
    return (struct sim_scenario){.replicas = pods,
                                 .load = {.shape = LOAD_SPIKE,
                                          .base_rps = 0.5 * most_rps,
                                          .peak_rps = 1.4 * most_rps,
                                          .start_s = CROWD_AT_S,
                                          .length_s = CROWD_S}};
}

/* Sums over seeds, by second after the end of the crowd. */
struct course {
    double requests[WATCH_S], over_soft[WATCH_S], in_flight[WATCH_S];
    double usual_in_flight; /* before the crowd */
};

static void watch(struct sim *sim, struct course *sum)
{
    struct sim_truth truth;
    for (int t = 1; t <= CROWD_AT_S; t++) {
        ck_assert(cluster_advance(&sim->cluster, 1.0, NULL));
        sim_truth_take(sim, &truth);
        sum->usual_in_flight += truth.in_flight / CROWD_AT_S;
    }
    for (int t = 1; t < CROWD_S; t++) {
        ck_assert(cluster_advance(&sim->cluster, 1.0, NULL));
        sim_truth_take(sim, &truth);
    }
    for (int t = 0; t < WATCH_S; t++) {
        ck_assert(cluster_advance(&sim->cluster, 1.0, NULL)); // t = 0: the last second of the crowd
        sim_truth_take(sim, &truth);
        sum->requests[t] += truth.requests;
        sum->over_soft[t] += truth.over_soft;
        sum->in_flight[t] += truth.in_flight;
    }
}

/* When nine tenths of the excess are gone, linear between seconds. */
static double drained_at(const struct course *c)
{
    double limit = c->usual_in_flight + 0.1 * (c->in_flight[0] - c->usual_in_flight);
    for (int t = 1; t < WATCH_S; t++)
        if (c->in_flight[t] <= limit)
            return t - (limit - c->in_flight[t]) / (c->in_flight[t - 1] - c->in_flight[t]);
    return WATCH_S;
}

/* The last time at which p95 of a second came down to the soft limit: a twentieth of its requests, those of all seeds together,
 * were over it. Linear between seconds. */
static double recovered_at(const struct course *c)
{
    for (int t = WATCH_S - 1; t > 0; t--) {
        double excess = c->over_soft[t] - 0.05 * c->requests[t];
        if (excess <= 0.0)
            continue;
        double next = t + 1 < WATCH_S ? c->over_soft[t + 1] - 0.05 * c->requests[t + 1] : excess;
        return t + (next < 0.0 ? excess / (excess - next) : 0.0);
    }
    return 0.0;
}

/* So many that each second sees some thousand requests end, at the lower load; of slow services fewer. */
static int crowd_seeds(const struct sim_model *m, int pods)
{
    return (int)fmin(600.0, fmax(4.0, ceil(SEEN_RPS / (0.5 * pods * sim_capacity_rps(m, 0)))));
}

static void run_courses(const struct sim_model *m, int pods, struct course *of_fast, struct course *of_exact)
{
    struct sim_scenario scenario = crowd(m, pods);
    struct fast fast;
    struct exact *x;
    fast_open(&fast, m);
    ck_assert(exact_open(m, &x, NULL));
    for (int seed = 0; seed < crowd_seeds(m, pods); seed++) {
        sim_begin(m, fast.state, &scenario, (uint64_t)seed, 0);
        watch(&fast.sim, of_fast);
        exact_begin(x, &scenario, (uint64_t)seed, 0);
        watch(exact_sim(x), of_exact);
    }
    exact_close(x);
    free(fast.state);
}

static void compare_recovery(const struct sim_model *m, const char *name, int pods, double *drain, double *recovery)
{
    struct course fast = {0}, exact = {0};
    run_courses(m, pods, &fast, &exact);
    double a = drained_at(&fast), b = drained_at(&exact), c = recovered_at(&fast), d = recovered_at(&exact);
    printf("%-15s pods %2d  drained %5.1f s  event %5.1f s  %+5.1f %%   p95 good %5.1f s  event %5.1f s  %+5.1f %%\n",
           name, pods, a, b, 100.0 * (a / b - 1.0), c, d, 100.0 * (c / d - 1.0));
    *drain = fmax(*drain, fabs(a / b - 1.0));
    *recovery = fmax(*recovery, fabs(c / d - 1.0));
}

START_TEST(recovery_after_overload_agrees)
{
    double drain = 0.0, recovery = 0.0;
    for (int k = 0; k < N_PROFILES; k++) {
        struct sim_model *m = open_model(PROFILES[k], 0.0);
        for (int i = 0; i < 3; i++)
            compare_recovery(m, PROFILES[k], PODS[i], &drain, &recovery);
        sim_model_close(m);
    }
    printf("recovery: worst drained %.1f %%, p95 %.1f %%, tolerance %.0f %%\n", 100.0 * drain, 100.0 * recovery,
           100.0 * RECOVERY_TOLERANCE);
    fflush(stdout);
    ck_assert_double_le(drain, RECOVERY_TOLERANCE);
    ck_assert_double_le(recovery, RECOVERY_TOLERANCE);
}
END_TEST

/* What a policy with a period of 5 s sees: signals over windows of 10 s, read every 5 s; p95 by its median, since a window of so
 * few requests jumps from bucket to bucket; the others by their mean. */
#define SHORT_PERIOD_S 5.0
#define SHORT_LOOKS 120

struct seen {
    double p95_ms, rps, cpu_percent;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct seen look(struct cluster *cluster)
{
    double p95_ms[SHORT_LOOKS];
    struct seen seen = {0};
    struct sample sample;
    ck_assert(cluster_advance(cluster, 60.0, NULL));
    for (int i = 0; i < SHORT_LOOKS; i++) {
        ck_assert(cluster_advance(cluster, SHORT_PERIOD_S, NULL) && cluster_sample(cluster, false, &sample, NULL));
        ck_assert_int_eq(sample.signals[SIGNAL_P95].validity, VALIDITY_VALID);
        p95_ms[i] = sample.signals[SIGNAL_P95].value;
        seen.rps += sample.signals[SIGNAL_RPS].value / SHORT_LOOKS;
        seen.cpu_percent += sample.signals[SIGNAL_CPU].value / SHORT_LOOKS;
    }
    qsort(p95_ms, SHORT_LOOKS, sizeof *p95_ms, by_value);
    seen.p95_ms = p95_ms[SHORT_LOOKS / 2];
    return seen;
}

START_TEST(short_windows_agree)
{
    struct sim_model *m = open_model("target-app-small", 0.0);
    const struct profile_measurement *measured = &sim_profile(m, 0)->measurement;
    ck_assert(measured->scrape_s == 1.0 && measured->window_s == 10.0);
    for (int i = 0; i < 4; i++) {
        double load = 0.3 + 0.2 * i, rate_rps = load * 5 * sim_capacity_rps(m, 0);
        struct sim_scenario scenario = {.replicas = 5,
                                        .load = {.shape = LOAD_CONSTANT, .base_rps = rate_rps, .peak_rps = rate_rps}};
        struct fast fast;
        struct exact *x;
        fast_open(&fast, m);
        sim_begin(m, fast.state, &scenario, 5, 0);
        struct seen a = look(&fast.sim.cluster);
        ck_assert(exact_open(m, &x, NULL));
        exact_begin(x, &scenario, 5, 0);
        struct seen b = look(&exact_sim(x)->cluster);
        printf("windows of 10 s, load %.1f: p95 %.0f ms, event %.0f ms; cpu %.1f %%, event %.1f %%\n", load, a.p95_ms,
               b.p95_ms, a.cpu_percent, b.cpu_percent);
        ck_assert_double_eq_tol(a.p95_ms, b.p95_ms, P95_TOLERANCE * b.p95_ms);
        ck_assert_double_eq_tol(a.rps, rate_rps, 0.03 * rate_rps);
        ck_assert_double_eq_tol(b.rps, rate_rps, 0.03 * rate_rps);
        ck_assert_double_eq_tol(a.cpu_percent, b.cpu_percent, 0.05 * b.cpu_percent);
        exact_close(x);
        free(fast.state);
    }
    sim_model_close(m);
}
END_TEST

SUITE("agreement", steady_p95_of_one_pod_agrees, steady_p95_of_several_pods_agrees, recovery_after_overload_agrees,
      short_windows_agree)
