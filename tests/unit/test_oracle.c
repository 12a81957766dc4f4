/* The clairvoyant bound is one: over random services and loads no policy of the tree ever beats it, neither in reward nor,
 * where it keeps the SLO budget, in replica-hours. And it says something: on a constant load the best fixed count comes
 * near it. */
#include <maestro/evaluate.h>

#include <maestro/policyfile.h>
#include <maestro/rng.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "simulate.h"
#include "suite.h"

#define TRACES 3
#define POINTS 64
#define POLICIES 32

/* Loads of the kinds that hurt: noise, steps and spikes on a slow wave. */
static void make_trace(struct trace *t, int kind, struct rng *rng, double times[POINTS], double values[POINTS])
{
    double step_s = rng_uniform(rng, 15.0, 90.0);
    double level = 0.5;
    *t = (struct trace){.n = POINTS, .time_s = times, .value = values};
    snprintf(t->name, sizeof t->name, "random%d_%u", kind, rng_u32(rng));
    for (int i = 0; i < POINTS; i++) {
        if (kind == 0)
            level = fmax(0.02, fmin(1.0, level + 0.15 * rng_normal(rng)));
        else if (kind == 1)
            level = rng_bounded(rng, 6) == 0 ? rng_uniform(rng, 0.02, 1.0) : level;
        else
            level = rng_bounded(rng, 12) == 0 ? 1.0 : 0.3 + 0.2 * sin(0.2 * i);
        times[i] = step_s * i;
        values[i] = level;
        t->max = fmax(t->max, level);
    }
}

/* A policy file with random weights: a trained policy as far as the code goes. */
static void make_policy_file(const char *path, uint64_t seed)
{
    struct policy_file f = {.obs_clip = 10.0f, .scrape_s = 15.0, .window_s = 60.0, .quantile = 0.95};
    f.control = (struct control){.actions = {5, {-2, -1, 0, 1, 3}},
                                 .guard = {.enabled = true},
                                 .target = {"t", 1, 20, 100.0, 500.0},
                                 .period_s = 15.0,
                                 .masks = true};
    ck_assert(observation_spec_parse(&f.control.observation, "default", 15.0, 60.0, NULL));
    int n = f.control.observation.n;
    f.actor = (struct mlp_shape){.n_in = n, .n_hidden = 1, .hidden = {16}, .n_out = 5};
    f.critic = (struct mlp_shape){.n_in = n, .n_hidden = 1, .hidden = {16}, .n_out = 1};
    struct rng rng;
    rng_init(&rng, seed, 3);
    size_t n_actor = mlp_parameter_count(&f.actor);
    size_t n_critic = mlp_parameter_count(&f.critic);
    f.actor_parameters = calloc(n_actor, sizeof(float));
    f.critic_parameters = calloc(n_critic, sizeof(float));
    for (size_t i = 0; i < n_actor; i++)
        f.actor_parameters[i] = (float)(0.5 * rng_normal(&rng));
    for (int i = 0; i < n; i++) {
        f.obs_var[i] = 1.0f;
        f.obs_low[i] = -10.0f;
        f.obs_high[i] = 10.0f;
    }
    struct err e = {0};
    ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
    policyfile_finish(&f);
}

static int gather_policies(struct evaluate_policy *policies, const char *file)
{
    static const char *const texts[] = {"hpa",
                                        "hpa:target=30",
                                        "hpa:target=90,window=0",
                                        "hpa:target=75,window=60",
                                        "random",
                                        "fixed:1",
                                        "fixed:2",
                                        "fixed:3",
                                        "fixed:4",
                                        "fixed:5",
                                        "fixed:6",
                                        "fixed:8",
                                        "fixed:10",
                                        "fixed:15",
                                        "fixed:20"};
    int n = 0;
    char ppo[128];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert(evaluate_add_policy(policies, &n, POLICIES, texts[i], NULL));
    snprintf(ppo, sizeof ppo, "ppo:%s", file);
    ck_assert(evaluate_add_policy(policies, &n, POLICIES, ppo, NULL));
    return n;
}

static struct evaluate_config protocol(uint64_t seed)
{
    return (struct evaluate_config){.windows = 2,
                                    .seeds = 1,
                                    .window_s = 1500.0,
                                    .warm_up_s = 120.0,
                                    .period_s = 15.0,
                                    .peak = 0.75,
                                    .min_replicas = 1,
                                    .max_replicas = 20,
                                    .slo_budget = 0.01,
                                    .hard_s = 60.0,
                                    .threads = 1,
                                    .seed = (long long)seed};
}

static const struct reward_config reward = {.weight_replicas = 0.3, .weight_latency = 0.7};

struct tally {
    int runs, kept_budget;
    double least_regret, least_cost;
};

static void check_runs(const struct evaluate_result *r, struct tally *tally)
{
    for (int p = 0; p < r->plan.n_policies; p++)
        for (int t = 0; t < r->plan.n_traces; t++)
            for (int f = 0; f < r->n_faults; f++)
                for (int w = 0; w < r->n_windows; w++) {
                    const struct evaluate_run *run = evaluate_run_at(r, p, 0, t, f, w);
                    const double *m = run->metric;
                    bool kept = m[METRIC_VIOLATION_TIME] <= 100.0 * r->plan.config->slo_budget + 1e-9;
                    ck_assert_msg(m[METRIC_REGRET_REWARD] >= -1e-9, "%s beats the reward bound by %g on %s (%s)",
                                  evaluate_policy_name(r, p), -m[METRIC_REGRET_REWARD], r->plan.traces[t].name,
                                  evaluate_fault_name(f));
                    ck_assert_msg(!kept || m[METRIC_REGRET_COST] >= -1e-9,
                                  "%s beats the cost bound by %g %% on %s (%s)", evaluate_policy_name(r, p),
                                  -m[METRIC_REGRET_COST], r->plan.traces[t].name, evaluate_fault_name(f));
                    tally->runs++;
                    tally->kept_budget += kept;
                    tally->least_regret = fmin(tally->least_regret, m[METRIC_REGRET_REWARD]);
                    if (kept)
                        tally->least_cost = fmin(tally->least_cost, m[METRIC_REGRET_COST]);
                }
}

START_TEST(no_policy_beats_the_bound)
{
    static const char *const profiles[] = {"web-api", "jvm-slow-start", "llm-slow", "target-app", "web-api"};
    struct evaluate_policy *policies = calloc(POLICIES, sizeof *policies);
    struct tally tally = {0, 0, (double)INFINITY, (double)INFINITY};
    char file[64];
    snprintf(file, sizeof file, "/tmp/test_oracle_%d.safetensors", (int)getpid());
    make_policy_file(file, 5);
    int n_policies = gather_policies(policies, file);
    struct rng rng;
    rng_init(&rng, 20, 1);
    for (int round = 0; round < 10; round++) {
        double times[TRACES][POINTS], values[TRACES][POINTS];
        struct trace traces[TRACES];
        struct service_profile base, profile;
        struct err e = {0};
        ck_assert_msg(profile_load(profiles[round % 5], &base, &e), "%s", e.message);
        profile_randomise(&base, &rng, &profile);
        for (int t = 0; t < TRACES; t++)
            make_trace(&traces[t], t, &rng, times[t], values[t]);
        struct evaluate_config config = protocol((uint64_t)round);
        config.peak = round % 4 == 3 ? 1.3 : rng_uniform(&rng, 0.1, 0.8); // also loads that nobody can serve
        struct evaluate_plan plan = {.config = &config,
                                     .profile = &profile,
                                     .reward = &reward,
                                     .traces = traces,
                                     .n_traces = TRACES,
                                     .policies = policies,
                                     .n_policies = n_policies,
                                     .faults = round == 0};
        struct evaluate_result r;
        ck_assert_msg(evaluate_all(&plan, &r, &e), "%s", e.message);
        check_runs(&r, &tally);
        evaluate_finish(&r);
    }
    unlink(file);
    free(policies);
    printf("bound: %d runs, %d kept the budget; least regret %.4f, least extra cost %.1f %%\n", tally.runs,
           tally.kept_budget, tally.least_regret, tally.least_cost);
    ck_assert_int_gt(tally.kept_budget, 50); // else the second half would be empty
}
END_TEST

/* A constant load at 60 % of 20 pods: the best fixed count differs from the bound by whole pods against parts of one (up to
 * 1/20 of r1's 0.3), by uneven balancing and by the latency the bound allows itself between the limits. */
START_TEST(the_bound_is_near_on_a_constant_load)
{
    double times[2] = {0.0, 36000.0}, values[2] = {1.0, 1.0};
    struct trace trace = {.name = "constant", .n = 2, .time_s = times, .value = values, .max = 1.0};
    struct evaluate_policy *policies = calloc(POLICIES, sizeof *policies);
    struct service_profile profile;
    int n = 0;
    for (int replicas = 8; replicas <= 20; replicas++) {
        char text[16];
        snprintf(text, sizeof text, "fixed:%d", replicas);
        ck_assert(evaluate_add_policy(policies, &n, POLICIES, text, NULL));
    }
    ck_assert(profile_load("web-api", &profile, NULL));
    struct evaluate_config config = protocol(1);
    config.peak = 0.6;
    const struct evaluate_plan plan = {.config = &config,
                                       .profile = &profile,
                                       .reward = &reward,
                                       .traces = &trace,
                                       .n_traces = 1,
                                       .policies = policies,
                                       .n_policies = n};
    struct evaluate_result r;
    ck_assert(evaluate_all(&plan, &r, NULL));
    double regret = (double)INFINITY, cost = (double)INFINITY;
    for (int p = 0; p < n; p++) {
        const struct evaluate_run *run = evaluate_run_at(&r, p, 0, 0, 0, 0);
        regret = fmin(regret, run->metric[METRIC_REGRET_REWARD]);
        if (run->slo_holds)
            cost = fmin(cost, run->metric[METRIC_REGRET_COST]);
    }
    printf("bound on a constant load: best fixed is %.4f of reward and %.1f %% of pods away\n", regret, cost);
    ck_assert_double_lt(regret, 0.06);
    ck_assert_double_lt(cost, 40.0); // seen: 30; the busiest pod alone gets 1.3 times the mean
    evaluate_finish(&r);
    free(policies);
}
END_TEST

/* A period of fifteen seconds whose last one is the busiest. */
static void late_burst(float arrivals[15], double base, double peak)
{
    for (int i = 0; i < 15; i++)
        arrivals[i] = (float)(i < 14 ? base : peak);
}

/* In steps of a quarter; INFINITY: more than the oracle looks at. */
static double fewest_for(const struct sim_model *m, const float *arrivals, double soft_ms)
{
    for (double pods = 1; pods <= 40; pods += 0.25)
        if (sim_bound_p95(m, 0, arrivals, 15, pods) <= soft_ms)
            return pods;
    return (double)INFINITY;
}

/* What comes shortly before a period ends is in time, so a burst is easiest there: the kept answer must not ask for more. */
static int ask_for_bursts(const struct sim_model *m, double soft_ms)
{
    const struct oracle_config q = {
        .model = m, .period_s = 15, .target = {"t", 1, 20, soft_ms, 2 * soft_ms}, .reward = &reward};
    struct oracle *oracle;
    int n_above_floor = 0;
    ck_assert(oracle_open(&q, &oracle, NULL));
    for (double base = 100; base < 5000; base *= 1.5)
        for (double times = 1; times < 10; times *= 1.2) {
            float arrivals[15];
            struct oracle_answer a;
            late_burst(arrivals, base, base * times);
            ck_assert(oracle_solve(oracle, arrivals, 1, &a, NULL, NULL));
            double fewest = fewest_for(m, arrivals, soft_ms);
            ck_assert_msg(!a.budget.possible || a.budget.pods_mean <= fewest,
                          "%g/s, then %g times that: %.2f, not %.2f", base, times, a.budget.pods_mean, fewest);
            n_above_floor += a.budget.possible && a.budget.pods_mean > 1;
        }
    oracle_close(oracle);
    return n_above_floor;
}

START_TEST(a_late_burst_needs_what_is_kept_for_it)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.service.model.balancing = BALANCE_REQUEST; // else a burst on the busiest pod excuses any count
    simulated_open(&s, 1);
    ck_assert_int_gt(ask_for_bursts(s.model, 100), 0);
    ck_assert_int_gt(ask_for_bursts(s.model, 1000), 0);
    simulated_close(&s);
}
END_TEST

SUITE("oracle", no_policy_beats_the_bound, the_bound_is_near_on_a_constant_load, a_late_burst_needs_what_is_kept_for_it)
