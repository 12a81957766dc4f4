/* evaluate_verdict: runs summed up. In: the runs of evaluate. Out: means with intervals over windows and trained files, whether the
 * SLO holds, paired differences. Reads the result of an evaluation, changes nothing. */
#include <maestro/evaluate.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95

static const char *const fault_names[FAULT_KINDS] = {
    [FAULT_POD_KILL] = "pod-kill",           [FAULT_POD_FAILURE] = "pod-failure",
    [FAULT_CPU_STRESS] = "cpu-stress",       [FAULT_MEMORY_STRESS] = "memory-stress",
    [FAULT_NETWORK_DELAY] = "network-delay", [FAULT_NETWORK_LOSS] = "network-loss",
    [FAULT_HTTP_ABORT] = "http-abort",       [FAULT_PROMETHEUS_DOWN] = "prometheus-down",
    [FAULT_API_SLOW] = "api-slow",           [FAULT_METRIC_GAP] = "metric-gap",
};

const char *const evaluate_bounds[EVALUATE_BOUNDS] = {"bound", "bound-slo"};

const char *evaluate_fault_name(int fault)
{
    return fault == 0 ? "none" : fault_names[fault - 1];
}

const char *evaluate_policy_name(const struct evaluate_result *r, int policy)
{
    return policy < r->plan.n_policies ? r->plan.policies[policy].name : evaluate_bounds[policy - r->plan.n_policies];
}

const char *evaluate_policy_kind(const struct evaluate_result *r, int policy)
{
    static const char *const kinds[] = {"hpa", "fixed", "random", "ppo"};
    if (policy >= r->plan.n_policies)
        return "bound";
    const char *text = r->plan.policies[policy].text[0];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
            return kinds[i];
    return "other";
}

int evaluate_policy_files(const struct evaluate_result *r, int policy)
{
    return policy < r->plan.n_policies ? r->plan.policies[policy].n_files : 1;
}

static int first_entrant(const struct evaluate_result *r, int policy)
{
    int entrant = 0;
    for (int p = 0; p < policy; p++)
        entrant += evaluate_policy_files(r, p);
    return entrant;
}

const struct evaluate_run *evaluate_run_at(const struct evaluate_result *r, int policy, int file, int trace, int fault,
                                           int window)
{
    int entrant = first_entrant(r, policy) + file;
    return &r->runs[((entrant * r->plan.n_traces + trace) * r->n_faults + fault) * r->n_windows + window];
}

/* Which part of the runs a question is about. */
struct part {
    int policy, first_trace, n_traces, fault, n_files;
};

static struct part part_of(const struct evaluate_result *r, int policy, int trace, int fault)
{
    struct part p = {policy, trace, 1, fault, evaluate_policy_files(r, policy)};
    if (trace < 0) {
        p.first_trace = 0;
        p.n_traces = r->plan.n_traces;
    }
    return p;
}

/* One metric as x[n_files][n_traces][n_windows]. */
static void gather(const struct evaluate_result *r, const struct part *p, enum evaluate_metric metric, double *x)
{
    for (int f = 0; f < p->n_files; f++)
        for (int t = 0; t < p->n_traces; t++)
            for (int w = 0; w < r->n_windows; w++)
                *x++ = evaluate_run_at(r, p->policy, f, p->first_trace + t, p->fault, w)->metric[metric];
}

static size_t part_size(const struct evaluate_result *r, const struct part *p)
{
    return (size_t)p->n_files * (size_t)p->n_traces * (size_t)r->n_windows;
}

/* The seeds of a window share its load, so only windows are independent: x becomes the means over their seeds. */
static void join_seeds(const struct evaluate_result *r, const struct part *p, double *x)
{
    int n_windows = r->plan.config->windows;
    int seeds = r->n_windows / n_windows;
    for (int i = 0; i < p->n_files * p->n_traces * n_windows; i++) {
        double sum = x[i * seeds];
        for (int s = 1; s < seeds; s++)
            sum += x[i * seeds + s];
        x[i] = sum / seeds;
    }
}

static double largest(const double *x, size_t n)
{
    double most = -(double)INFINITY;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, x[i]);
    return most;
}

/* The SLO on one trace: the budget over all windows and files together, the longest time over hard in each. */
static bool holds(const struct evaluate_result *r, int policy, int trace, int fault, double *x)
{
    struct part p = part_of(r, policy, trace, fault);
    size_t n = part_size(r, &p);
    gather(r, &p, METRIC_VIOLATION_TIME, x);
    double over = stats_mean(x, (int)n);
    gather(r, &p, METRIC_LONGEST_HARD_S, x);
    double longest_s = largest(x, n); // not a number for the bounds: not asked for
    return over <= 100.0 * r->plan.config->slo_budget + 1e-9 && !(longest_s > r->plan.config->hard_s);
}

static double cost_score(const struct evaluate_result *r, int policy, int trace, int fault, double *x)
{
    struct part own = part_of(r, policy, trace, fault);
    struct part bound = part_of(r, r->plan.n_policies + 1, trace, fault);
    gather(r, &own, METRIC_REPLICA_HOURS, x);
    double own_h = stats_mean(x, (int)part_size(r, &own));
    gather(r, &bound, METRIC_REPLICA_HOURS, x);
    return stats_mean(x, (int)part_size(r, &bound)) / own_h;
}

bool evaluate_verdict(const struct evaluate_result *r, int policy, int trace, int fault, struct evaluate_verdict *out,
                      struct err *e)
{
    struct part p = part_of(r, policy, trace, fault);
    double *x = malloc(part_size(r, &p) * sizeof *x);
    if (!x)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    out->n_windows = p.n_traces * r->plan.config->windows;
    for (int m = 0; m < METRIC_COUNT; m++) {
        gather(r, &p, (enum evaluate_metric)m, x);
        join_seeds(r, &p, x);
        out->metric[m] = stats_crossed(x, p.n_files, p.n_traces, r->plan.config->windows, CONFIDENCE);
    }
    out->slo_holds = true;
    double score = 0.0;
    for (int t = 0; t < p.n_traces; t++) {
        out->slo_holds = out->slo_holds && holds(r, policy, p.first_trace + t, fault, x);
        score += cost_score(r, policy, p.first_trace + t, fault, x) / p.n_traces;
    }
    out->cost_score = out->slo_holds ? score : (double)NAN;
    free(x);
    return true;
}

/* Leaves only the traces on which the baseline holds: the interval passes over what is not a number. */
static void keep_held(const struct evaluate_result *r, const struct evaluate_pair *pair, const struct part *own,
                      double *x, double *scratch)
{
    for (int t = 0; t < own->n_traces; t++) {
        if (holds(r, pair->baseline, own->first_trace + t, 0, scratch))
            continue;
        for (int f = 0; f < own->n_files; f++)
            for (int w = 0; w < r->n_windows; w++)
                x[(f * own->n_traces + t) * r->n_windows + w] = (double)NAN;
    }
}

bool evaluate_held(const struct evaluate_result *r, int policy, int baseline, struct evaluate_held *out, struct err *e)
{
    struct part own = part_of(r, policy, 0, 0), base = part_of(r, baseline, 0, 0);
    size_t n_own = part_size(r, &own), n_base = part_size(r, &base);
    double *x = malloc((n_own > n_base ? n_own : n_base) * sizeof *x);
    if (!x)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    *out = (struct evaluate_held){0};
    for (int t = 0; t < r->plan.n_traces; t++) {
        if (!holds(r, baseline, t, 0, x))
            continue;
        out->n_traces++;
        out->n_held += holds(r, policy, t, 0, x);
    }
    free(x);
    return true;
}

/* x becomes the differences from the mean over the baseline's files, b[base->n_files][n]. */
static void take_off(const struct part *own, double *x, const struct part *base, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = b[i];
        for (int f = 1; f < base->n_files; f++)
            sum += b[(size_t)f * n + i];
        for (int f = 0; f < own->n_files; f++)
            x[(size_t)f * n + i] -= sum / base->n_files;
    }
}

static struct stats_interval differences(const struct evaluate_result *r, const struct part *own, double *x,
                                         const struct part *base, double *b)
{
    take_off(own, x, base, b, part_size(r, own) / (size_t)own->n_files);
    join_seeds(r, own, x);
    join_seeds(r, base, b);
    const struct stats_differences d = {.x = x,
                                        .base = b,
                                        .n_files = own->n_files,
                                        .n_base = base->n_files,
                                        .n_strata = own->n_traces,
                                        .n_windows = r->plan.config->windows};
    return stats_crossed_differences(&d, CONFIDENCE);
}

bool evaluate_paired(const struct evaluate_result *r, const struct evaluate_pair *pair, struct stats_interval *out,
                     struct err *e)
{
    struct part own = part_of(r, pair->policy, pair->trace, 0);
    struct part base = part_of(r, pair->baseline, pair->trace, 0);
    double *x = malloc(part_size(r, &own) * sizeof *x);
    double *b = malloc(part_size(r, &base) * sizeof *b);
    bool done = x && b;
    if (done) {
        gather(r, &own, pair->metric, x);
        if (pair->where_held)
            keep_held(r, pair, &own, x, b);
        gather(r, &base, pair->metric, b);
        *out = differences(r, &own, x, &base, b);
    }
    free(x);
    free(b);
    return done || err_set(e, ERR_IO, "evaluate: out of memory");
}
