/* evaluate_table: the verdicts as text for people. In: an evaluation. Out: one block a trace, one over all of them, and what
 * is won or lost against a baseline. Prints nothing itself. */
#include <maestro/evaluate.h>

#include <maestro/term.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct column {
    const char *head;
    enum evaluate_metric metric;
    int width, decimals;
    bool interval; /* followed by +- half of the 95 % interval */
};

static const struct column columns[] = {
    {"reward", METRIC_REWARD_TRUE, 7, 4, true},
    {"over soft %", METRIC_VIOLATION_TIME, 6, 2, true},
    {"req %", METRIC_VIOLATION_REQUESTS, 6, 2, false},
    {"hard s", METRIC_LONGEST_HARD_S, 6, 0, false},
    {"pod-h", METRIC_REPLICA_HOURS, 7, 2, true},
    {"ups", METRIC_UPS, 5, 1, false},
    {"downs", METRIC_DOWNS, 5, 1, false},
    {"turns/h", METRIC_DIRECTION_CHANGES, 7, 1, false},
    {"thU", METRIC_THETA_U, 5, 1, false},
    {"thO", METRIC_THETA_O, 5, 1, false},
    {"tU", METRIC_TAU_U, 5, 1, false},
    {"tO", METRIC_TAU_O, 5, 1, false},
    {"inst", METRIC_INSTABILITY, 5, 1, false},
    {"jit/m", METRIC_JITTER, 6, 2, false},
    {"regret", METRIC_REGRET_REWARD, 7, 4, false},
    {"cost+%", METRIC_REGRET_COST, 6, 1, false},
    {"p95 ms", METRIC_P95_MS, 7, 0, false},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static void put_padded(struct buf *out, const char *text, int width)
{
    int pad = width - term_columns(text);
    for (int i = 0; i < pad; i++)
        buf_text(out, " ");
    buf_text(out, text);
}

static int name_width(const struct evaluate_result *r)
{
    int width = 9;
    for (int p = 0; p < r->plan.n_policies; p++) {
        int own = term_columns(r->plan.policies[p].name);
        width = own > width ? own : width;
    }
    return width;
}

static void put_name(struct buf *out, const char *name, int width)
{
    buf_text(out, name);
    for (int i = term_columns(name); i < width; i++)
        buf_text(out, " ");
}

static int full_width(const struct column *c)
{
    int width = c->width + (c->interval ? 8 : 0);
    int head = (int)strlen(c->head);
    return head > width ? head : width;
}

static void put_head(const struct evaluate_result *r, struct buf *out)
{
    put_name(out, "policy", name_width(r));
    for (size_t c = 0; c < N_COLUMNS; c++) {
        buf_text(out, " ");
        put_padded(out, columns[c].head, full_width(&columns[c]));
    }
    buf_text(out, " SLO   score\n");
}

static void put_cell(const struct evaluate_verdict *v, const struct column *c, struct buf *out)
{
    const struct stats_interval *i = &v->metric[c->metric];
    double half = 0.5 * (i->high - i->low);
    char text[64];
    if (!isfinite(i->mean))
        snprintf(text, sizeof text, "-");
    else if (c->interval && isfinite(half))
        snprintf(text, sizeof text, "%.*f±%-7.*f", c->decimals, i->mean, c->decimals, half);
    else
        snprintf(text, sizeof text, "%.*f", c->decimals, i->mean);
    buf_text(out, " ");
    put_padded(out, text, full_width(c));
}

static bool put_row(const struct evaluate_result *r, int policy, int trace, int fault, struct buf *out, struct err *e)
{
    struct evaluate_verdict v;
    if (!evaluate_verdict(r, policy, trace, fault, &v, e))
        return false;
    put_name(out, evaluate_policy_name(r, policy), name_width(r));
    for (size_t c = 0; c < N_COLUMNS; c++)
        put_cell(&v, &columns[c], out);
    if (policy == r->plan.n_policies)
        buf_text(out, "  -      -\n");
    else if (v.slo_holds)
        buf_printf(out, " yes %7.3f\n", v.cost_score);
    else
        buf_text(out, " no      -\n");
    return true;
}

static bool put_block(const struct evaluate_result *r, int trace, int fault, struct buf *out, struct err *e)
{
    if (trace < 0)
        buf_printf(out, "\nall %d traces, each with the same weight", r->plan.n_traces);
    else
        buf_printf(out, "\n%s", r->plan.traces[trace].name);
    if (fault > 0)
        buf_printf(out, ", fault %s", evaluate_fault_name(fault));
    buf_text(out, "\n");
    put_head(r, out);
    for (int p = 0; p < r->plan.n_policies + EVALUATE_BOUNDS; p++)
        if (!put_row(r, p, trace, fault, out, e))
            return false;
    return true;
}

static bool put_paired(const struct evaluate_result *r, int baseline, struct buf *out, struct err *e)
{
    static const enum evaluate_metric shown[] = {METRIC_REWARD_TRUE, METRIC_REPLICA_HOURS, METRIC_VIOLATION_TIME};
    buf_printf(out, "\nless %s, paired, mean and 95 %% interval\n", evaluate_policy_name(r, baseline));
    for (int p = 0; p < r->plan.n_policies; p++) {
        if (p == baseline)
            continue;
        for (int t = r->plan.n_traces > 1 ? -1 : 0; t < r->plan.n_traces; t++) {
            put_name(out, evaluate_policy_name(r, p), name_width(r));
            buf_printf(out, "  %-46s", t < 0 ? "all traces" : r->plan.traces[t].name);
            for (size_t m = 0; m < sizeof shown / sizeof *shown; m++) {
                struct stats_interval i;
                if (!evaluate_paired(r, p, baseline, shown[m], t, &i, e))
                    return false;
                buf_printf(out, "  %s %+.4f [%+.4f, %+.4f]", evaluate_metrics[shown[m]], i.mean, i.low, i.high);
            }
            buf_text(out, "\n");
        }
    }
    return true;
}

bool evaluate_table(const struct evaluate_result *r, int baseline, struct buf *out, struct err *e)
{
    const struct evaluate_config *c = r->plan.config;
    buf_printf(out,
               "%s, %d to %d replicas; each window's own peak at %g %% of %d x %.4g rps; soft %g ms, hard %g ms\n"
               "%d windows of %g s a trace x %d seeds, warm-up %g s, judged every %g s, seed %lld\n",
               r->plan.profile->name, c->min_replicas, c->max_replicas, 100.0 * c->peak, c->max_replicas,
               r->capacity_rps, r->soft_ms, r->hard_ms, c->windows, c->window_s, c->seeds, c->warm_up_s, c->period_s,
               c->seed);
    for (int f = 0; f < r->n_faults; f++)
        for (int t = 0; t < r->plan.n_traces; t++)
            if (!put_block(r, t, f, out, e))
                return false;
    for (int f = 0; f < r->n_faults && r->plan.n_traces > 1; f++)
        if (!put_block(r, -1, f, out, e))
            return false;
    return (baseline < 0 || put_paired(r, baseline, out, e)) && buf_ok(out, e);
}
