/* evaluate: policies x traces x faults x windows x seeds on the simulated cluster, judged by what truly happened.
 *
 * Every policy meets the same windows with the same seeds (paired). It is asked at its own period and judged on one common
 * grid of period_s seconds: replicas and the requests that arrived in that very period, never the measured signals.
 *
 *     reward_true  0.3 (max - pods)/max + 0.7 r2(true p95); pods = spec replicas + terminating ones, time means
 *     over soft    a period whose true p95 is above the soft limit
 *     SLO holds    at most slo_budget of the periods over soft, and never over hard for more than 60 s on end
 *
 * Output files, written into one folder (numbers with a point, empty field = not defined, "." never appears):
 *
 *   summary.csv    one row per policy, trace and fault, then per policy with trace = ALL (mean over the traces):
 *                  policy,kind,trace,fault,files,windows,slo_holds,cost_score, then for every METRIC three columns
 *                  METRIC,METRIC_low,METRIC_high (mean, and its 95 % interval over windows and files)
 *   windows.csv    one row per run: policy,file,trace,fault,window,offset_s,seed,slo_holds, then every METRIC
 *   timeline.csv   the first window of each trace, one row per period and policy (first file of each):
 *                  t_s,policy,trace,fault,window,rps,replicas,ready,starting,terminating,p95_ms,soft_ms,hard_ms,
 *                  over_soft,reward_true,bound_replicas   (bound_replicas: fewest that could have kept p95 within soft)
 *   evaluation.json {"protocol": {...}, "policies": [{"name","kind","files":[...]}], "summary": [{the same as a row of
 *                  summary.csv, each METRIC as [mean, low, high]}], "paired": [{"policy","baseline","trace","metric",
 *                  "mean","low","high","n"}], "tuned": [...]}
 *
 * METRICs in this order, the names as in evaluate_metrics[] (evaluate.c):
 *   reward_true violation_time violation_requests longest_hard_s replica_hours mean_replicas ups downs
 *   direction_changes_per_hour theta_u theta_o tau_u tau_o instability jitter regret_reward regret_cost
 *   p50_ms p95_ms p99_ms failed_ratio
 * violation_*, theta, tau, instability and regret_cost are percent; jitter is per minute; replica_hours count spec +
 * terminating pods; regret_reward = bound's reward - own; regret_cost = replica-hours over the bound's, percent.
 * cost_score = the budget bound's replica-hours / own, only where the SLO holds, else empty. The two bounds appear as
 * policies "bound" (kind bound: most reward) and "bound-slo" (fewest replica-hours with the budget kept). */
#ifndef MAESTRO_EVALUATE_H
#define MAESTRO_EVALUATE_H

#include <stdbool.h>

enum evaluate_metric {
    METRIC_REWARD_TRUE,
    METRIC_VIOLATION_TIME,
    METRIC_VIOLATION_REQUESTS,
    METRIC_LONGEST_HARD_S,
    METRIC_REPLICA_HOURS,
    METRIC_MEAN_REPLICAS,
    METRIC_UPS,
    METRIC_DOWNS,
    METRIC_DIRECTION_CHANGES,
    METRIC_THETA_U,
    METRIC_THETA_O,
    METRIC_TAU_U,
    METRIC_TAU_O,
    METRIC_INSTABILITY,
    METRIC_JITTER,
    METRIC_REGRET_REWARD,
    METRIC_REGRET_COST,
    METRIC_P50_MS,
    METRIC_P95_MS,
    METRIC_P99_MS,
    METRIC_FAILED_RATIO,
    METRIC_COUNT
};

#endif
