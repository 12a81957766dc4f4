/* comparison: the sections that set policies side by side. In: an evaluation's summary. Out: a table over all traces, one a
 * trace, one of faults where there are any, and the plane of cost against violation. */
#include <maestro/chart.h>

#include "sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct metric_column {
    const char *column;
    int digits;
    struct page_column shown;
};

static const struct metric_column METRIC_COLUMNS[] = {
    {"reward_true", 4, {"reward", "Mean of reward_true, over the judged periods"}},
    {"violation_time", 2, {"time over soft, %", "Share of periods whose p95 is over the soft limit"}},
    {"violation_requests", 2, {"requests over soft, %", "Share of requests over the soft limit, time-outs included"}},
    {"longest_hard_s", 0, {"longest over hard, s", "Longest time on end over the hard limit"}},
    {"replica_hours", 1, {"replica-hours", "Asked for and terminating pods, over time"}},
    {"mean_replicas", 2, {"replicas", "Mean of replicas"}},
    {"ups", 1, {"ups", "Scale-ups in a window"}},
    {"downs", 1, {"downs", "Scale-downs in a window"}},
    {"direction_changes_per_hour", 2, {"turns per hour", "Changes from up to down or back"}},
    {"theta_u", 2, {"under, %", "SPEC accuracy: replicas missing, share of what was needed"}},
    {"theta_o", 2, {"over, %", "SPEC accuracy: replicas too many, share of what was needed"}},
    {"tau_u", 2, {"time under, %", "SPEC timeshare with too few replicas"}},
    {"tau_o", 2, {"time over, %", "SPEC timeshare with too many replicas"}},
    {"instability", 2, {"instability, %", "SPEC: share of time in which supply and demand move apart"}},
    {"jitter", 3, {"jitter, 1/min", "SPEC: changes of supply beyond those of demand"}},
    {"regret_reward", 4, {"regret, reward", "The clairvoyant bound's reward less this one's"}},
    {"regret_cost", 1, {"regret, cost %", "Replica-hours over those of the bound that keeps the budget"}},
    {"p50_ms", 0, {"p50, ms", "Median latency"}},
    {"p95_ms", 0, {"p95, ms", "95th percentile of latency"}},
    {"p99_ms", 0, {"p99, ms", "99th percentile of latency"}},
};
#define N_METRICS ((int)(sizeof METRIC_COLUMNS / sizeof *METRIC_COLUMNS))

int section_colour(const struct evaluation *v, int policy)
{
    if (policy == v->subject)
        return 0;
    int n_before = 0;
    for (int i = 0; i < policy; i++)
        n_before += i != v->subject && evaluation_is_bound(v, i) == evaluation_is_bound(v, policy);
    if (evaluation_is_bound(v, policy))
        return n_before == 0 ? CHART_MUTED : CHART_BOUND;
    return 1 + n_before % (CHART_POLICY_COLOURS - 1);
}

bool section_hides(const struct evaluation *v, int policy)
{
    return strcmp(v->kinds[policy], "random") == 0 || strcmp(v->kinds[policy], "fixed") == 0;
}

static void number_text(char out[32], double value, int digits)
{
    char plain[32];
    if (!isfinite(value)) {
        snprintf(out, 32, "–");
        return;
    }
    snprintf(plain, sizeof plain, "%.*f", digits, fabs(value));
    bool negative = value < 0 && strtod(plain, NULL) > 0;
    snprintf(out, 32, "%s%.28s", negative ? "−" : "", plain);
}

static void metric_cell(struct page *p, const struct evaluation *v, long row, const struct metric_column *metric)
{
    char name[64];
    char text[32];
    char low_text[32];
    char high_text[32];
    char range[80];
    number_text(text, evaluation_value(v, row, metric->column), metric->digits);
    snprintf(name, sizeof name, "%s_low", metric->column);
    double low = evaluation_value(v, row, name);
    snprintf(name, sizeof name, "%s_high", metric->column);
    double high = evaluation_value(v, row, name);
    if (!isfinite(low) || !isfinite(high) || high <= low) {
        page_cell(p, text);
        return;
    }
    number_text(low_text, low, metric->digits);
    number_text(high_text, high, metric->digits);
    snprintf(range, sizeof range, "%s – %s", low_text, high_text);
    page_cell_range(p, text, range);
}

static void policies_table(struct page *p, const struct evaluation *v, const char *trace, const char *caption)
{
    struct page_column columns[N_METRICS + 2] = {{"policy", NULL},
                                                 {"SLO holds", "At most the budget's share of periods "
                                                               "over soft, never over hard for more "
                                                               "than 60 s"}};
    for (int i = 0; i < N_METRICS; i++)
        columns[i + 2] = METRIC_COLUMNS[i].shown;
    page_table(p, caption, columns, N_METRICS + 2);
    for (int i = 0; i < v->n_policies; i++) {
        long row = evaluation_row(v, v->policies[i], trace, NULL);
        if (row < 0)
            continue;
        page_row(p, v->policies[i], section_colour(v, i));
        bool aims_at_reward = strcmp(v->policies[i], "bound") == 0 && evaluation_is_bound(v, i);
        page_cell(p, aims_at_reward ? "–" : evaluation_slo_holds(v, row) ? "yes" : "no");
        for (int m = 0; m < N_METRICS; m++)
            metric_cell(p, v, row, &METRIC_COLUMNS[m]);
    }
    page_table_end(p);
}

static void fault_cell(struct page *p, const struct evaluation *v, int policy, const char *fault)
{
    char text[32];
    char below[64];
    long row = evaluation_row(v, v->policies[policy], "ALL", fault);
    number_text(text, evaluation_value(v, row, "reward_true"), 4);
    snprintf(below, sizeof below, "%.2f %% over soft", evaluation_value(v, row, "violation_time"));
    if (row < 0)
        page_cell(p, text);
    else
        page_cell_range(p, text, below);
}

static void faults_table(struct page *p, const struct evaluation *v)
{
    struct page_column columns[EVALUATION_LIMIT + 2] = {{"policy", NULL}, {"no fault", NULL}};
    for (int i = 0; i < v->n_faults; i++)
        columns[i + 2].heading = v->faults[i];
    page_heading(p, "Under faults");
    page_table(p, "Reward, and time over the soft limit, mean over the traces", columns, v->n_faults + 2);
    for (int i = 0; i < v->n_policies; i++) {
        if (evaluation_is_bound(v, i))
            continue;
        page_row(p, v->policies[i], section_colour(v, i));
        fault_cell(p, v, i, NULL);
        for (int f = 0; f < v->n_faults; f++)
            fault_cell(p, v, i, v->faults[f]);
    }
    page_table_end(p);
}

void comparison_section(struct page *p, const struct evaluation *v)
{
    page_section(p, "evaluation", "Evaluation");
    page_paragraph(p, "%s Small figures: 95 %% intervals.",
                   evaluation_is_live(v)
                       ? "The policies ran one after another on a live target, each under the load of its own time. "
                         "Judged by what was measured."
                       : "Every policy met the same load with the same seeds. Judged by what truly happened to the "
                         "requests, not by what was measured.");
    policies_table(p, v, "ALL", "All traces");
    for (int i = 0; i < v->n_traces; i++) {
        char caption[160];
        snprintf(caption, sizeof caption, "Trace %s", v->traces[i]);
        page_details_open(p, caption);
        policies_table(p, v, v->traces[i], caption);
        page_details_close(p);
    }
    if (v->n_faults > 0)
        faults_table(p, v);
}

/* The budget in percent of time; the evaluation's own, else the project's default. */
static double budget_percent(const struct evaluation *v)
{
    double ratio = 0.01;
    const struct json *protocol = v->detail.root ? json_find(v->detail.root, "protocol") : NULL;
    double stated;
    if (protocol && json_as_number(json_find(protocol, "slo_budget"), &stated))
        ratio = stated;
    return 100 * ratio;
}

/* What lies far off would squeeze the others together: policies for scale, and the reward's bound, which keeps no budget. */
static bool plane_hides(const struct evaluation *v, int policy)
{
    return section_hides(v, policy) || strcmp(v->policies[policy], "bound") == 0;
}

static bool plane_figure(struct page *p, const struct evaluation *v, const char *trace, struct err *e)
{
    double x[EVALUATION_LIMIT];
    double y[EVALUATION_LIMIT];
    struct chart_series series[EVALUATION_LIMIT + 1] = {0};
    double ends[2] = {(double)INFINITY, 0};
    int n = 0;
    for (int i = 0; i < v->n_policies; i++) {
        long row = evaluation_row(v, v->policies[i], trace, NULL);
        x[i] = evaluation_value(v, row, "replica_hours");
        y[i] = evaluation_value(v, row, "violation_time");
        if (!isfinite(x[i]) || !isfinite(y[i]))
            continue;
        ends[0] = fmin(ends[0], x[i]);
        ends[1] = fmax(ends[1], x[i]);
        series[n] = (struct chart_series){.name = v->policies[i],
                                          .colour = section_colour(v, i),
                                          .x = &x[i],
                                          .y = &y[i],
                                          .n = 1,
                                          .hidden = plane_hides(v, i)};
        n++;
    }
    if (n == 0)
        return true;
    double budget[2] = {budget_percent(v), budget_percent(v)};
    series[n] = (struct chart_series){
        .name = "SLO budget", .colour = CHART_SOFT, .x = ends, .y = budget, .n = 2, .dashed = true};
    n++;
    struct chart chart = {.kind = CHART_SCATTER,
                          .title = strcmp(trace, "ALL") == 0 ? "Cost against violation, all traces" : trace,
                          .x_title = "replica-hours",
                          .y_title = "time over soft limit, %",
                          .y_from_zero = true,
                          .series = series,
                          .n_series = n};
    return chart_write(p, &chart, e);
}

bool plane_section(struct page *p, const struct evaluation *v, struct err *e)
{
    page_section(p, "plane", "Cost against violation");
    page_paragraph(
        p,
        "Left is cheaper, down is safer. A policy above the dashed line has broken the SLO budget, and its low "
        "cost counts for nothing. Click a name to show or hide it; bound-slo is what nobody can beat, bound chases the "
        "reward alone.");
    page_grid_open(p);
    bool done = plane_figure(p, v, "ALL", e);
    for (int i = 0; done && i < v->n_traces && v->n_traces > 1; i++)
        done = plane_figure(p, v, v->traces[i], e);
    page_grid_close(p);
    return done;
}
