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

// clang-format off
static const struct column verdict_columns[] = {
    {"reward", METRIC_REWARD_TRUE, 6, 4, true},    {"over soft %", METRIC_VIOLATION_TIME, 5, 2, true},
    {"req %", METRIC_VIOLATION_REQUESTS, 5, 2, false}, {"hard s", METRIC_LONGEST_HARD_S, 6, 0, false},
    {"pod-hours", METRIC_REPLICA_HOURS, 6, 2, true}, {"cost+%", METRIC_REGRET_COST, 6, 1, false},
    {"regret", METRIC_REGRET_REWARD, 7, 4, false},  {"p95 ms", METRIC_P95_MS, 6, 0, false},
};
static const struct column motion_columns[] = {
    {"ups", METRIC_UPS, 6, 1, false},               {"downs", METRIC_DOWNS, 6, 1, false},
    {"turns/h", METRIC_DIRECTION_CHANGES, 7, 1, false}, {"theta_u %", METRIC_THETA_U, 9, 2, false},
    {"theta_o %", METRIC_THETA_O, 9, 1, false},     {"tau_u %", METRIC_TAU_U, 7, 2, false},
    {"tau_o %", METRIC_TAU_O, 7, 1, false},         {"instab. %", METRIC_INSTABILITY, 9, 1, false},
    {"jitter/min", METRIC_JITTER, 10, 2, false},
};
// clang-format on

/* A block of the table: which columns, and whether the verdict on the SLO ends the row. */
struct view {
    const struct column *columns;
    size_t n;
    bool verdict;
};

static const struct view views[] = {
    {verdict_columns, sizeof verdict_columns / sizeof *verdict_columns, true},
    {motion_columns, sizeof motion_columns / sizeof *motion_columns, false},
};

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

static void put_head(const struct evaluate_result *r, const struct view *view, struct buf *out)
{
    put_name(out, "policy", name_width(r));
    for (size_t c = 0; c < view->n; c++) {
        buf_text(out, " ");
        put_padded(out, view->columns[c].head, full_width(&view->columns[c]));
    }
    buf_text(out, view->verdict ? " SLO  score\n" : "\n");
}

static void put_cell(const struct evaluate_verdict *v, const struct column *c, struct buf *out)
{
    const struct stats_interval *i = &v->metric[c->metric];
    double half = 0.5 * (i->high - i->low);
    char text[64];
    if (!isfinite(i->mean))
        snprintf(text, sizeof text, "-");
    else if (c->interval && isfinite(half))
        snprintf(text, sizeof text, "%.*f ±%-6.*f", c->decimals, i->mean, c->decimals, half);
    else
        snprintf(text, sizeof text, "%.*f", c->decimals, i->mean);
    buf_text(out, " ");
    put_padded(out, text, full_width(c));
}

/* What a row is about. */
struct subject {
    int policy, trace, fault;
};

static bool put_row(const struct evaluate_result *r, const struct view *view, const struct subject *s, struct buf *out,
                    struct err *e)
{
    struct evaluate_verdict v;
    if (!evaluate_verdict(r, s->policy, s->trace, s->fault, &v, e))
        return false;
    put_name(out, evaluate_policy_name(r, s->policy), name_width(r));
    for (size_t c = 0; c < view->n; c++)
        put_cell(&v, &view->columns[c], out);
    if (!view->verdict)
        buf_text(out, "\n");
    else if (s->policy == r->plan.n_policies) // the reward's bound keeps no budget
        buf_text(out, "   -      -\n");
    else if (v.slo_holds)
        buf_printf(out, " yes %6.3f\n", v.cost_score);
    else
        buf_text(out, "  no      -\n");
    return true;
}

/* Bounds do not move: they have no rows among the motions. */
static bool put_block(const struct evaluate_result *r, const struct view *view, int trace, int fault, struct buf *out,
                      struct err *e)
{
    if (trace < 0)
        buf_printf(out, "\nall %d traces, each with the same weight", r->plan.n_traces);
    else
        buf_printf(out, "\n%s", r->plan.traces[trace].name);
    if (fault > 0)
        buf_printf(out, ", fault %s", evaluate_fault_name(fault));
    buf_text(out, view->verdict ? "\n" : ": scaling and elasticity\n");
    put_head(r, view, out);
    for (int p = 0; p < r->plan.n_policies + (view->verdict ? EVALUATE_BOUNDS : 0); p++)
        if (!put_row(r, view, &(struct subject){p, trace, fault}, out, e))
            return false;
    return true;
}

static bool put_blocks(const struct evaluate_result *r, const struct view *view, struct buf *out, struct err *e)
{
    for (int f = 0; f < r->n_faults; f++)
        for (int t = 0; t < r->plan.n_traces; t++)
            if (!put_block(r, view, t, f, out, e))
                return false;
    for (int f = 0; f < r->n_faults && r->plan.n_traces > 1; f++)
        if (!put_block(r, view, -1, f, out, e))
            return false;
    return true;
}

/* The differences in reward, pod-hours and time over soft, each with its interval. */
static bool put_differences(const struct evaluate_result *r, struct evaluate_pair pair, struct buf *out, struct err *e)
{
    static const enum evaluate_metric shown[] = {METRIC_REWARD_TRUE, METRIC_REPLICA_HOURS, METRIC_VIOLATION_TIME};
    put_name(out, evaluate_policy_name(r, pair.policy), name_width(r));
    for (size_t m = 0; m < sizeof shown / sizeof *shown; m++) {
        struct stats_interval i;
        pair.metric = shown[m];
        if (!evaluate_paired(r, &pair, &i, e))
            return false;
        int decimals = shown[m] == METRIC_REWARD_TRUE ? 4 : 2;
        char text[80];
        snprintf(text, sizeof text, "%+.*f [%+.*f, %+.*f]", decimals, i.mean, decimals, i.low, decimals, i.high);
        buf_text(out, " ");
        put_padded(out, isnan(i.mean) ? "-" : text, 25);
    }
    return true;
}

/* Only there may costs be compared: what breaks the SLO costs less for the wrong reason. */
static bool put_held(const struct evaluate_result *r, int policy, int baseline, struct buf *out, struct err *e)
{
    struct evaluate_held held;
    if (!evaluate_held(r, policy, baseline, &held, e) ||
        !put_differences(r, (struct evaluate_pair){policy, baseline, -1, METRIC_REWARD_TRUE, true}, out, e))
        return false;
    buf_printf(out, "  where %s holds: %d of %d traces, and %s on %d of them\n", evaluate_policy_name(r, baseline),
               held.n_traces, r->plan.n_traces, evaluate_policy_name(r, policy), held.n_held);
    return true;
}

/* One line a trace. */
static bool put_paired(const struct evaluate_result *r, int policy, int baseline, struct buf *out, struct err *e)
{
    for (int t = r->plan.n_traces > 1 ? -1 : 0; t < r->plan.n_traces; t++) {
        if (!put_differences(r, (struct evaluate_pair){policy, baseline, t, METRIC_REWARD_TRUE, false}, out, e))
            return false;
        buf_printf(out, "  %s\n", t < 0 ? "all" : r->plan.traces[t].name);
        if (t < 0 && !put_held(r, policy, baseline, out, e))
            return false;
    }
    return true;
}

static bool put_all_paired(const struct evaluate_result *r, int baseline, struct buf *out, struct err *e)
{
    buf_printf(out, "\nless %s, paired, mean and 95 %% interval\n", evaluate_policy_name(r, baseline));
    put_name(out, "policy", name_width(r));
    put_padded(out, "reward", 26);
    put_padded(out, "pod-hours", 26);
    put_padded(out, "over soft, points", 26);
    buf_text(out, "  trace\n");
    for (int p = 0; p < r->plan.n_policies; p++)
        if (p != baseline && !put_paired(r, p, baseline, out, e))
            return false;
    return true;
}

static void put_protocol(const struct evaluate_result *r, struct buf *out)
{
    const struct evaluate_config *c = r->plan.config;
    if (r->plan.live) {
        buf_printf(out,
                   "%s, live, %d to %d replicas; soft %g ms, hard %g ms; by what was measured\n"
                   "%d windows of %g s, warm-up %g s, judged every %g s\n",
                   r->plan.profile->name, c->min_replicas, c->max_replicas, r->soft_ms, r->hard_ms, c->windows,
                   c->window_s, c->warm_up_s, c->period_s);
        return;
    }
    buf_printf(out,
               "%s, %d to %d replicas; each window's own peak at %g %% of %d x %.4g rps; soft %g ms, hard %g ms\n"
               "%d windows of %g s a trace x %d seeds, warm-up %g s, judged every %g s, seed %lld\n",
               r->plan.profile->name, c->min_replicas, c->max_replicas, 100.0 * c->peak, c->max_replicas,
               r->capacity_rps, r->soft_ms, r->hard_ms, c->windows, c->window_s, c->seeds, c->warm_up_s, c->period_s,
               c->seed);
    if (c->flap_budget > 0)
        buf_printf(out, "policies that go in steps only go up after %d turns an hour\n", c->flap_budget);
}

bool evaluate_table(const struct evaluate_result *r, int baseline, struct buf *out, struct err *e)
{
    put_protocol(r, out);
    for (size_t v = sizeof views / sizeof *views; v-- > 0;)
        if (!put_blocks(r, &views[v], out, e))
            return false;
    return (baseline < 0 || r->plan.n_policies < 2 || put_all_paired(r, baseline, out, e)) && buf_ok(out, e);
}
