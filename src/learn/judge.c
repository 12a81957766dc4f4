/* judge: the metrics of one run. In: true figures per period. Out: one number per metric. Simulates nothing and knows no
 * policy. */
#include "judge.h"

#include <maestro/elasticity.h>

#include <math.h>
#include <string.h>

#define LATENCY_LOW_MS 0.01
#define LATENCY_HIGH_MS 1e6

const char *const evaluate_metrics[METRIC_COUNT] = {
    "reward_true",
    "violation_time",
    "violation_requests",
    "longest_hard_s",
    "replica_hours",
    "mean_replicas",
    "ups",
    "downs",
    "direction_changes_per_hour",
    "theta_u",
    "theta_o",
    "tau_u",
    "tau_o",
    "instability",
    "jitter",
    "regret_reward",
    "regret_cost",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "failed_ratio",
};

void judge_begin(struct judge *j, const struct judge_rules *rules, double *supply)
{
    memset(j, 0, sizeof *j);
    j->rules = rules;
    j->supply = supply;
}

void judge_change(struct judge *j, int from, int to)
{
    int way = (to > from) - (to < from);
    j->ups += way > 0;
    j->downs += way < 0;
    j->turns += way != 0 && j->last_way != 0 && way != j->last_way;
    if (way != 0)
        j->last_way = way;
}

static int bin_of(double ms)
{
    double at = log(ms / LATENCY_LOW_MS) / log(LATENCY_HIGH_MS / LATENCY_LOW_MS);
    return (int)fmax(0.0, fmin(JUDGE_BINS - 1.0, floor(at * JUDGE_BINS)));
}

static double bin_ms(double position)
{
    return LATENCY_LOW_MS * pow(LATENCY_HIGH_MS / LATENCY_LOW_MS, position / JUDGE_BINS);
}

/* requests evenly in log latency between two bounds. */
static void spread(struct judge *j, double low_ms, double high_ms, double requests)
{
    int first = bin_of(low_ms);
    int last = bin_of(fmax(high_ms, low_ms));
    for (int b = first; b <= last; b++)
        j->latency[b] += requests / (last - first + 1);
}

static void add_latencies(struct judge *j, const struct sim_truth *t)
{
    if (!(t->requests > 0.0) || !isfinite(t->p50_ms) || !isfinite(t->p95_ms) || !isfinite(t->p99_ms))
        return;
    spread(j, 0.25 * t->p50_ms, t->p50_ms, 0.50 * t->requests);
    spread(j, t->p50_ms, t->p95_ms, 0.45 * t->requests);
    spread(j, t->p95_ms, t->p99_ms, 0.04 * t->requests);
    spread(j, t->p99_ms, 1.5 * t->p99_ms, 0.01 * t->requests);
}

static double latency_quantile_ms(const struct judge *j, double q)
{
    double total = 0.0;
    for (int b = 0; b < JUDGE_BINS; b++)
        total += j->latency[b];
    double left = q * total;
    for (int b = 0; b < JUDGE_BINS && total > 0.0; b++) {
        if (j->latency[b] >= left && j->latency[b] > 0.0)
            return bin_ms(b + left / j->latency[b]);
        left -= j->latency[b];
    }
    return (double)NAN;
}

void judge_period(struct judge *j, const struct sim_truth *t, struct evaluate_period *row)
{
    const struct judge_rules *rules = j->rules;
    double pods = (t->spec_replica_s + t->terminating_s) / t->seconds;
    struct reward_terms terms = reward_true(rules->reward, &rules->target, pods, t->p95_ms, t->requests);
    bool over = terms.cost > 0.0;
    j->supply[j->n] = floor(t->ready_s / t->seconds + 0.5);
    j->n++;
    j->reward += terms.reward;
    j->pod_s += t->spec_replica_s + t->terminating_s;
    j->requests += t->requests;
    j->failed += t->failed;
    j->over_soft_requests += t->over_soft;
    j->n_over_soft += over;
    j->n_hard = terms.hard ? j->n_hard + 1 : 0;
    j->longest_hard = j->n_hard > j->longest_hard ? j->n_hard : j->longest_hard;
    add_latencies(j, t);
    if (row)
        *row = (struct evaluate_period){.t_s = j->n * rules->period_s,
                                        .rps = t->arrivals / t->seconds,
                                        .replicas = t->spec_replica_s / t->seconds,
                                        .ready = t->ready_s / t->seconds,
                                        .starting = t->starting_s / t->seconds,
                                        .terminating = t->terminating_s / t->seconds,
                                        .p95_ms = t->requests > 0.0 ? t->p95_ms : (double)NAN,
                                        .reward_true = terms.reward,
                                        .over_soft = over};
}

static void put_elasticity(const struct judge *j, const double *demand, double *metric)
{
    struct elasticity x = elasticity_of(j->supply, demand, j->n, j->rules->period_s);
    metric[METRIC_THETA_U] = x.theta_u;
    metric[METRIC_THETA_O] = x.theta_o;
    metric[METRIC_TAU_U] = x.tau_u;
    metric[METRIC_TAU_O] = x.tau_o;
    metric[METRIC_INSTABILITY] = x.instability;
    metric[METRIC_JITTER] = x.jitter;
}

void judge_end(const struct judge *j, const struct evaluate_window *window, struct evaluate_run *out)
{
    const struct judge_rules *rules = j->rules;
    double hours = j->n * rules->period_s / 3600.0;
    double per_request = j->requests > 0.0 ? 1.0 / j->requests : 0.0;
    double *m = out->metric;
    m[METRIC_REWARD_TRUE] = j->reward / j->n;
    m[METRIC_VIOLATION_TIME] = 100.0 * j->n_over_soft / j->n;
    m[METRIC_VIOLATION_REQUESTS] = 100.0 * j->over_soft_requests * per_request;
    m[METRIC_LONGEST_HARD_S] = j->longest_hard * rules->period_s;
    m[METRIC_REPLICA_HOURS] = j->pod_s / 3600.0;
    m[METRIC_MEAN_REPLICAS] = j->pod_s / 3600.0 / hours;
    m[METRIC_UPS] = j->ups;
    m[METRIC_DOWNS] = j->downs;
    m[METRIC_DIRECTION_CHANGES] = j->turns / hours;
    put_elasticity(j, window->demand, m);
    m[METRIC_REGRET_REWARD] = window->bound.reward.reward_mean - m[METRIC_REWARD_TRUE];
    m[METRIC_REGRET_COST] = 100.0 * (m[METRIC_MEAN_REPLICAS] / window->bound.budget.pods_mean - 1.0);
    m[METRIC_P50_MS] = latency_quantile_ms(j, 0.50);
    m[METRIC_P95_MS] = latency_quantile_ms(j, 0.95);
    m[METRIC_P99_MS] = latency_quantile_ms(j, 0.99);
    m[METRIC_FAILED_RATIO] = j->failed * per_request;
    out->slo_holds = j->n_over_soft <= rules->slo_budget * j->n + 1e-9 && m[METRIC_LONGEST_HARD_S] <= rules->hard_s;
}
