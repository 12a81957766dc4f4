/* readiness_twin: the recorded load once more, on the simulated cluster. In: the load of a journal and a profile; out: what
 * the policy and the HPA rule made of it, judged by what truly happened. Fits nothing: the profile is taken as it is. */
#include <maestro/readiness.h>

#include <maestro/evaluate.h>
#include <maestro/registry.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WARM_UP_S 300.0

static double cpu_per_request_ms(const struct readiness_log *log)
{
    return log->requests > 0.0 ? 10.0 * log->cpu_s / log->requests : (double)NAN; // percent of a core per 1/s
}

/* A limit that the target has not is the profile's, moved to where it fits the other one. */
static void lay_limits(const struct target *t, const struct service_profile *profile, struct evaluate_config *out)
{
    double soft_ms = fmax(0.0, t->latency_soft_ms), hard_ms = fmax(0.0, t->latency_hard_ms);
    out->latency_soft_ms = soft_ms > 0.0 || hard_ms <= 0.0 ? soft_ms : fmin(profile->service.latency_soft_ms, hard_ms);
    out->latency_hard_ms = hard_ms > 0.0 || soft_ms <= 0.0 ? hard_ms : fmax(profile->service.latency_hard_ms, soft_ms);
}

/* As evaluate opens its own model, so that a height over this capacity comes out there as the height again. */
static bool capacity_of(const struct service_profile *profile, const struct evaluate_config *c, double *out,
                        struct err *e)
{
    const struct sim_config config = {.profile = profile,
                                      .n_variants = 1,
                                      .n_threads = 1,
                                      .max_replicas = 1,
                                      .latency_soft_ms = c->latency_soft_ms,
                                      .seed = (uint64_t)c->seed};
    struct sim_model *model;
    if (!sim_model_open(&config, &model, e))
        return false;
    *out = sim_capacity_rps(model, 0);
    sim_model_close(model);
    return true;
}

/* How often it decides, where given_s is what a policy that asks for nothing gets. */
static bool period_of(const char *policy, double given_s, double *out, struct err *e)
{
    struct control control = {.actions = {3, {-1, 0, 1}}, .period_s = given_s, .masks = true};
    struct policy *opened;
    if (!registry_open(policy, &control, &opened, e))
        return false;
    *out = opened->sync_s > 0.0 ? opened->sync_s : control.period_s;
    policy_close(opened);
    return true;
}

static long common_divisor(long a, long b)
{
    while (b != 0) {
        long rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The longest grid on which both decide; where one of them decides at parts of a second, evaluate refuses it. */
static bool grid_of(const struct readiness_plan *plan, double *out, struct err *e)
{
    double own_s, rule_s;
    if (!period_of(plan->policy, plan->period_s, &own_s, e) || !period_of(plan->hpa, plan->period_s, &rule_s, e))
        return false;
    *out = (double)common_divisor(lround(plan->period_s), common_divisor(lround(own_s), lround(rule_s)));
    return true;
}

/* One window as long as the record, in whole periods: so its height is the recorded one, and nothing is mirrored. */
static bool lay_out(const struct readiness_plan *plan, const struct readiness_log *log, struct evaluate_config *out,
                    struct err *e)
{
    struct evaluate_config c = {.windows = 1,
                                .seeds = 1,
                                .warm_up_s = WARM_UP_S,
                                .min_replicas = log->target.min_replicas,
                                .max_replicas = log->target.max_replicas,
                                .slo_budget = plan->config->slo_budget,
                                .hard_s = 60.0,
                                .seed = plan->config->seed};
    double capacity_rps;
    lay_limits(&log->target, plan->profile, &c);
    if (!grid_of(plan, &c.period_s, e) || !capacity_of(plan->profile, &c, &capacity_rps, e))
        return false;
    c.window_s = floor(readiness_log_span_s(log) / c.period_s) * c.period_s;
    c.peak = log->peak_rps / (capacity_rps * c.max_replicas);
    *out = c;
    return true;
}

static bool read_run(const struct evaluate_result *r, int policy, struct readiness_run *out, struct err *e)
{
    struct evaluate_verdict v;
    if (!evaluate_verdict(r, policy, 0, 0, &v, e))
        return false;
    *out = (struct readiness_run){.replica_hours = v.metric[METRIC_REPLICA_HOURS].mean,
                                  .over_soft_percent = v.metric[METRIC_VIOLATION_TIME].mean,
                                  .longest_hard_s = v.metric[METRIC_LONGEST_HARD_S].mean,
                                  .slo_holds = v.slo_holds};
    return true;
}

/* Why this load cannot be run again; "": it can. */
static void say_missing(const struct readiness_plan *plan, const struct readiness_log *log, struct readiness_twin *out)
{
    if (readiness_log_span_s(log) < 10 * plan->period_s)
        snprintf(out->missing, sizeof out->missing, "too little load was recorded to run it again: %d valid points",
                 log->n);
    else if (!(log->peak_rps > 0.0))
        snprintf(out->missing, sizeof out->missing, "no request was recorded, so there is nothing to run again");
    else if (log->target.max_replicas > REPLICAS_LIMIT)
        snprintf(out->missing, sizeof out->missing, "the twin holds at most %d replicas, max is %d", REPLICAS_LIMIT,
                 log->target.max_replicas);
}

static bool run_again(const struct readiness_plan *plan, const struct readiness_log *log, struct readiness_twin *twin,
                      struct err *e)
{
    static const struct reward_config reward = {.weight_replicas = 0.3, .weight_latency = 0.7};
    struct evaluate_config config;
    struct evaluate_policy policies[2] = {0};
    struct evaluate_result r = {0};
    int n_policies = 0;
    char own[CONFIG_TEXT], rule[CONFIG_TEXT];
    if (!lay_out(plan, log, &config, e))
        return false;
    snprintf(own, sizeof own, "policy=%s", plan->policy);
    snprintf(rule, sizeof rule, "hpa=%s", plan->hpa);
    if (!evaluate_add_policy(policies, &n_policies, 2, own, e) ||
        !evaluate_add_policy(policies, &n_policies, 2, rule, e))
        return false;
    const struct trace load = {
        .name = "recorded", .n = log->n, .time_s = log->time_s, .value = log->rate_rps, .max = log->peak_rps};
    const struct evaluate_plan how = {.config = &config,
                                      .profile = plan->profile,
                                      .reward = &reward,
                                      .traces = &load,
                                      .n_traces = 1,
                                      .policies = policies,
                                      .n_policies = n_policies,
                                      .no_bounds = true};
    bool done = evaluate_all(&how, &r, e) && read_run(&r, 0, &twin->policy, e) && read_run(&r, 1, &twin->hpa, e);
    evaluate_finish(&r);
    return done;
}

bool readiness_twin_run(const struct readiness_plan *plan, const struct readiness_log *log, struct readiness_twin *out,
                        struct err *e)
{
    struct readiness_twin twin = {.cpu_ms = plan->profile->service.model.cpu_ms,
                                  .recorded_cpu_ms = cpu_per_request_ms(log)};
    say_missing(plan, log, &twin);
    if (!*twin.missing && !run_again(plan, log, &twin, e))
        return false;
    *out = twin;
    return true;
}
