/* readiness_twin: the recorded load once more, on the simulated cluster. In: the load of a journal and a profile; out: what
 * the policy and the HPA rule made of it, judged by what truly happened. Fits nothing: the profile is taken as it is. */
#include <maestro/readiness.h>

#include <maestro/evaluate.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WARM_UP_S 300.0

static double cpu_per_request_ms(const struct readiness_log *log)
{
    return log->requests > 0.0 ? 10.0 * log->cpu_s / log->requests : (double)NAN; // percent of a core per 1/s
}

/* One window as long as the record, in whole periods: so its height is the recorded one. */
static void lay_out(const struct readiness_plan *plan, const struct readiness_log *log, double capacity_rps,
                    struct evaluate_config *out)
{
    double span_s = log->time_s[log->n - 1];
    *out = (struct evaluate_config){.windows = 1,
                                    .seeds = 1,
                                    .window_s = floor(span_s / plan->period_s) * plan->period_s,
                                    .warm_up_s = WARM_UP_S,
                                    .period_s = plan->period_s,
                                    .peak = log->peak_rps / (capacity_rps * log->target.max_replicas),
                                    .min_replicas = log->target.min_replicas,
                                    .max_replicas = log->target.max_replicas,
                                    .latency_soft_ms = fmax(0.0, log->target.latency_soft_ms),
                                    .latency_hard_ms = fmax(0.0, log->target.latency_hard_ms),
                                    .slo_budget = plan->config->slo_budget,
                                    .hard_s = 60.0,
                                    .seed = plan->config->seed};
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

static bool capacity_of(const struct service_profile *profile, double *out, struct err *e)
{
    const struct sim_config config = {.profile = profile, .n_variants = 1, .n_threads = 1, .max_replicas = 1};
    struct sim_model *model;
    if (!sim_model_open(&config, &model, e))
        return false;
    *out = sim_capacity_rps(model, 0);
    sim_model_close(model);
    return true;
}

static bool check(const struct readiness_plan *plan, const struct readiness_log *log, struct err *e)
{
    if (log->n < 2 || log->time_s[log->n - 1] < 10 * plan->period_s)
        return err_set(e, ERR_USAGE, "%s: too little load was recorded to run it again: %d valid points",
                       log->target.name, log->n);
    if (!(log->peak_rps > 0.0))
        return err_set(e, ERR_USAGE, "%s: no request was recorded, so there is nothing to run again", log->target.name);
    if (log->target.max_replicas > REPLICAS_LIMIT)
        return err_set(e, ERR_USAGE, "%s: the twin holds at most %d replicas, max is %d", log->target.name,
                       REPLICAS_LIMIT, log->target.max_replicas);
    return true;
}

bool readiness_twin_run(const struct readiness_plan *plan, const struct readiness_log *log, struct readiness_twin *out,
                        struct err *e)
{
    static const struct reward_config reward = {.weight_replicas = 0.3, .weight_latency = 0.7};
    struct evaluate_config config;
    struct evaluate_policy policies[2] = {0};
    struct evaluate_result r = {0};
    struct readiness_twin twin = {.cpu_ms = plan->profile->service.model.cpu_ms,
                                  .recorded_cpu_ms = cpu_per_request_ms(log)};
    double capacity_rps;
    int n_policies = 0;
    char own[CONFIG_TEXT], rule[CONFIG_TEXT];
    if (!check(plan, log, e) || !capacity_of(plan->profile, &capacity_rps, e))
        return false;
    lay_out(plan, log, capacity_rps, &config);
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
    bool done = evaluate_all(&how, &r, e) && read_run(&r, 0, &twin.policy, e) && read_run(&r, 1, &twin.hpa, e);
    evaluate_finish(&r);
    if (done)
        *out = twin;
    return done;
}
