/* evaluate_live: on a made-up cluster with virtual time every policy gets its windows, each in turn; what was measured comes
 * out as it was; periods that were not seen are left out; what nobody measured is no number. */
#include <maestro/evaluate_live.h>

#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct toy {
    struct cluster cluster;
    double time_s;
    int replicas;
    double blind_every_s; /* each so many seconds p95 is unknown for one look; 0: never */
    bool always_blind;
    int stops_after; /* advances; 0: never */
    int n_advances;
    double look_s, looked_s; /* what the first look at pods takes; what this step took so far */
    int n_pod_looks;
};

static bool toy_sample(struct cluster *c, bool with_pods, struct sample *out, struct err *e)
{
    struct toy *t = (struct toy *)c;
    static struct pod_record pods[32];
    (void)e;
    t->n_pod_looks += with_pods;
    t->looked_s = t->n_pod_looks == 1 ? t->look_s : 0;
    *out = (struct sample){.time_s = t->time_s, .ready = t->replicas};
    const double values[SIGNAL_COUNT] = {60.0 * 10, 0.3, t->replicas, 600.0 / t->replicas, 100};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        out->signals[i] = (struct reading){values[i], 5, VALIDITY_VALID};
    bool blind = t->always_blind || (t->blind_every_s > 0 && fmod(t->time_s, t->blind_every_s) < 1);
    if (blind)
        out->signals[SIGNAL_P95].validity = VALIDITY_FAILED;
    for (int i = 0; with_pods && i < t->replicas; i++)
        pods[i] = (struct pod_record){.cpu_percent = 600.0 / t->replicas,
                                      .cpu_sample_time_s = t->time_s,
                                      .cpu_window_s = 15,
                                      .cpu_request_percent = 100,
                                      .start_time_s = t->time_s - 4000,
                                      .ready_changed_s = t->time_s - 3900,
                                      .phase = POD_RUNNING,
                                      .has_cpu = true,
                                      .has_start_time = true,
                                      .has_ready_condition = true,
                                      .ready = true};
    out->pods = with_pods ? pods : NULL;
    out->n_pods = with_pods ? t->replicas : 0;
    return true;
}

static bool toy_scale(struct cluster *c, int replicas, struct err *e)
{
    (void)e;
    ((struct toy *)c)->replicas = replicas;
    return true;
}

static bool toy_advance(struct cluster *c, double seconds, struct err *e)
{
    struct toy *t = (struct toy *)c;
    t->time_s += seconds;
    t->looked_s = seconds > 0 ? 0 : t->looked_s;
    t->n_advances++;
    if (t->stops_after && t->n_advances > t->stops_after)
        return err_set(e, ERR_INTERRUPTED, "stopped");
    return true;
}

static double toy_now(const struct cluster *c)
{
    return ((const struct toy *)c)->time_s + ((const struct toy *)c)->looked_s;
}

static const struct cluster_ops TOY_OPS = {toy_sample, toy_scale, toy_advance, toy_now, NULL};
static const struct reward_config reward = {.weight_replicas = 0.3, .weight_latency = 0.7};

static struct toy toy;
static struct service_profile profile;
static struct evaluate_policy policies[4];
static struct evaluate_config config;
static struct evaluate_live_plan plan;

static void prepare(void)
{
    int n = 0;
    memset(policies, 0, sizeof policies);
    toy = (struct toy){.cluster = {&TOY_OPS}, .time_s = 7, .replicas = 3};
    config = (struct evaluate_config){.windows = 2,
                                      .seeds = 1,
                                      .window_s = 300,
                                      .warm_up_s = 60,
                                      .period_s = 15,
                                      .min_replicas = 1,
                                      .max_replicas = 20,
                                      .slo_budget = 0.01,
                                      .hard_s = 60};
    snprintf(profile.name, sizeof profile.name, "shop/web");
    ck_assert(evaluate_add_policy(policies, &n, 4, "five=fixed:5", NULL));
    ck_assert(evaluate_add_policy(policies, &n, 4, "hpa=hpa:target=60", NULL));
    plan = (struct evaluate_live_plan){.plan = {.config = &config,
                                                .profile = &profile,
                                                .reward = &reward,
                                                .policies = policies,
                                                .n_policies = n,
                                                .timeline = true},
                                       .target = {"shop/web", 1, 20, 100, 200},
                                       .cluster = &toy.cluster,
                                       .window_s = 60};
}

START_TEST(what_was_measured_comes_out)
{
    struct evaluate_result r;
    struct err e = {0};
    prepare();
    ck_assert_msg(evaluate_live(&plan, &r, &e), "%s", e.message);
    ck_assert_double_eq_tol(toy.time_s, 7 + 2 * 2 * 360, 1e-6); // policies x windows x (warm-up + window)
    const struct evaluate_run *five = evaluate_run_at(&r, 0, 0, 0, 0, 0);
    ck_assert_double_eq_tol(five->metric[METRIC_MEAN_REPLICAS], 5, 1e-9);
    ck_assert_double_eq_tol(five->metric[METRIC_VIOLATION_TIME], 100, 1e-9); // 120 ms of 100
    ck_assert(!five->slo_holds);
    const struct evaluate_run *hpa = evaluate_run_at(&r, 1, 0, 0, 0, 1);
    ck_assert_double_eq_tol(hpa->metric[METRIC_MEAN_REPLICAS], 10, 0.5); // 600 % of CPU at 60 % each
    ck_assert(hpa->slo_holds);
    ck_assert(isnan(hpa->metric[METRIC_P50_MS]));
    ck_assert(isnan(hpa->metric[METRIC_REGRET_COST]));
    ck_assert_double_eq_tol(r.timeline[0].p95_ms, 120, 1e-9);
    ck_assert(isnan(r.windows[0].demand[0]));
    ck_assert(isnan(five->metric[METRIC_REGRET_REWARD]));
    CLEANUP_BUF struct buf table = {0};
    ck_assert_msg(evaluate_table(&r, 1, &table, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(table.bytes, "shop/web, live, 1 to 20 replicas; soft 100 ms"));
    CLEANUP_BUF struct buf csv = {0}, json = {0};
    ck_assert_msg(evaluate_csv(&r, &csv, &e), "%s", e.message);
    ck_assert_msg(evaluate_json(&r, 1, NULL, 0, &json, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(json.bytes, "\"cluster\":"));
    ck_assert_ptr_nonnull(strstr(json.bytes, "live"));
    evaluate_finish(&r);
}
END_TEST

/* The first look takes longer than the others: every later step comes a little before its moment. */
START_TEST(a_step_a_little_early_is_no_step_missed)
{
    struct evaluate_result r;
    struct err e = {0};
    prepare();
    toy.look_s = 0.4;
    config.windows = 1;
    plan.plan.policies = policies + 1; // the HPA, which reads pods to decide
    plan.plan.n_policies = 1;
    for (int every = 1; every <= 3; every += 2) { // steps of 15 s, and of 5
        config.period_s = 15.0 / every;
        toy.n_pod_looks = 0;
        ck_assert_msg(evaluate_live(&plan, &r, &e), "%s", e.message);
        ck_assert_int_eq(toy.n_pod_looks, 1 + 360 / 15);
        evaluate_finish(&r);
    }
}
END_TEST

START_TEST(unseen_periods_are_left_out)
{
    struct evaluate_result r;
    struct err e = {0};
    prepare();
    toy.time_s = 0;
    toy.blind_every_s = 45; // every third look
    ck_assert_msg(evaluate_live(&plan, &r, &e), "%s", e.message);
    ck_assert_double_gt(toy.time_s, 2 * 2 * 360 + 4 * 100);
    ck_assert_double_eq_tol(evaluate_run_at(&r, 0, 0, 0, 0, 1)->metric[METRIC_MEAN_REPLICAS], 5, 1e-9);
    evaluate_finish(&r);
    prepare();
    toy.always_blind = true;
    ck_assert(!evaluate_live(&plan, &r, &e));
    ck_assert_msg(strstr(e.message, "shop/web: signals were unknown"), "%s", e.message);
}
END_TEST

START_TEST(limits_in_the_wrong_order_are_refused)
{
    struct evaluate_result r;
    struct err e = {0};
    prepare();
    plan.target.latency_soft_ms = 201;
    ck_assert(!evaluate_live(&plan, &r, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.message, "shop/web: its soft latency limit, 201 ms, is above the hard one"), "%s",
                  e.message);
    ck_assert_int_eq(toy.n_advances, 0);
}
END_TEST

START_TEST(it_ends_when_told)
{
    struct evaluate_result r;
    struct err e = {0};
    prepare();
    toy.stops_after = 30;
    ck_assert(!evaluate_live(&plan, &r, &e));
    ck_assert_int_eq(e.code, ERR_INTERRUPTED);
    plan.plan.faults = true;
    ck_assert(!evaluate_live(&plan, &r, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
}
END_TEST

SUITE("evaluate_live", what_was_measured_comes_out, a_step_a_little_early_is_no_step_missed,
      unseen_periods_are_left_out, limits_in_the_wrong_order_are_refused, it_ends_when_told)
