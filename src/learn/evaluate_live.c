/* evaluate_live: the judging of evaluate.c where time is real. In: policies, a cluster and limits. Out: the same result. Each
 * period's sample stands in for the simulator's true figures; nothing is made up for what it does not say. */
#include <maestro/evaluate_live.h>

#include <maestro/control.h>
#include <maestro/registry.h>

#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "live" stands where a trace's name stands. */
static const struct trace LIVE = {.name = "live"};

struct work {
    const struct evaluate_live_plan *plan;
    struct evaluate_result *r;
    struct judge_rules rules;
    double *supply; /* [n_periods] */
    int done, total;
};

/* One policy on the target. */
struct run {
    struct policy *policy;
    struct control control;
    struct control_state state;
    struct journal_record record;
    double due_s; /* on the cluster's clock: of the next decision */
};

static bool known(const struct reading *r)
{
    return r->validity == VALIDITY_VALID || r->validity == VALIDITY_ABSENT;
}

/* What was measured at the end of a period, as the judge wants it; false: not all of it is known. */
static bool read_truth(const struct sample *s, double period_s, struct sim_truth *out)
{
    const struct reading *p95 = &s->signals[SIGNAL_P95], *rps = &s->signals[SIGNAL_RPS];
    const struct reading *replicas = &s->signals[SIGNAL_REPLICAS];
    if (!known(p95) || rps->validity != VALIDITY_VALID || replicas->validity != VALIDITY_VALID)
        return false;
    double requests = p95->validity == VALIDITY_ABSENT ? 0.0 : rps->value * period_s;
    bool errors_known = s->error_ratio.validity == VALIDITY_VALID;
    *out = (struct sim_truth){.seconds = period_s,
                              .arrivals = rps->value * period_s,
                              .requests = requests,
                              .failed = errors_known ? s->error_ratio.value * requests : 0.0,
                              .over_soft = (double)NAN,
                              .p50_ms = (double)NAN,
                              .p95_ms = p95->value,
                              .p99_ms = (double)NAN,
                              .mean_ms = (double)NAN,
                              .spec_replica_s = replicas->value * period_s,
                              .terminating_s = s->terminating * period_s,
                              .starting_s = s->starting * period_s,
                              .ready_s = s->ready * period_s};
    return true;
}

static bool run_open(const struct work *w, const char *text, struct run *out, struct err *e)
{
    const struct evaluate_config *c = w->plan->plan.config;
    struct run run = {.control = {.actions = {3, {-1, 0, 1}},
                                  .guard = {.enabled = true},
                                  .target = w->plan->target,
                                  .period_s = c->period_s,
                                  .masks = true}};
    if (!observation_spec_parse(&run.control.observation, "raw5", c->period_s, w->plan->window_s, e) ||
        !registry_open(text, &run.control, &run.policy, e))
        return false;
    run.control.guard.flap_budget = c->flap_budget; // not what a policy file may bring
    *out = run;
    return true;
}

static double asks_every_s(const struct run *run)
{
    return run->policy->sync_s > 0.0 ? run->policy->sync_s : run->control.period_s;
}

static bool begin(const struct work *w, struct run *run, struct err *e)
{
    struct sample first;
    if (!cluster_sample(w->plan->cluster, true, &first, e) || !cluster_advance(w->plan->cluster, 0, e))
        return false;
    control_begin(&run->control, &run->state, NULL, &first);
    policy_reset(run->policy, (uint64_t)w->plan->plan.config->seed, &first);
    run->due_s = cluster_now(w->plan->cluster);
    return true;
}

/* The step nearest to the moment: looks take their time, so that steps come a little before or after it. What was missed is
 * not made up for. */
static bool is_due(const struct work *w, struct run *run)
{
    double every_s = asks_every_s(run);
    double late_s = cluster_now(w->plan->cluster) + 0.5 * w->plan->plan.config->period_s - run->due_s;
    if (late_s < 0)
        return false;
    run->due_s += every_s * (1 + floor(late_s / every_s));
    return true;
}

/* A write that the cluster refuses is a decision that was not carried out, no end of the evaluation. */
static bool decide(const struct work *w, struct run *run, struct judge *judge, struct err *e)
{
    struct control_loop loop = {
        .control = &run->control, .state = &run->state, .cluster = w->plan->cluster, .policy = run->policy};
    struct err why = {0};
    if (!is_due(w, run))
        return true;
    if (!control_tick(&loop, &run->record, &why))
        return why.code != ERR_INTERRUPTED || err_set(e, why.code, "%s", why.message);
    if (judge && run->record.written)
        judge_change(judge, run->record.guard.from, run->record.guard.replicas);
    return true;
}

/* One period: decide, wait, look. *seen: truth is filled. */
static bool live_period(const struct work *w, struct run *run, struct judge *judge, struct sim_truth *truth, bool *seen,
                        struct err *e)
{
    double period_s = w->plan->plan.config->period_s;
    struct sample sample;
    struct err why = {0};
    if (!decide(w, run, judge, e) || (w->plan->on_period && !w->plan->on_period(w->plan->arg, e)) ||
        !cluster_advance(w->plan->cluster, period_s, e))
        return false;
    *seen = cluster_sample(w->plan->cluster, false, &sample, &why) && read_truth(&sample, period_s, truth);
    return true;
}

static bool judge_window(const struct work *w, struct run *run, struct evaluate_run *out, struct evaluate_period *rows,
                         struct err *e)
{
    const struct evaluate_config *c = w->plan->plan.config;
    struct judge judge;
    struct sim_truth truth;
    bool seen;
    if (!begin(w, run, e))
        return false;
    for (int i = 0; i < (int)lround(c->warm_up_s / c->period_s); i++)
        if (!live_period(w, run, NULL, &truth, &seen, e))
            return false;
    judge_begin(&judge, &w->rules, w->supply);
    for (int unseen = 0; judge.n < w->r->n_periods;) {
        if (!live_period(w, run, &judge, &truth, &seen, e))
            return false;
        if (seen)
            judge_period(&judge, &truth, rows ? &rows[judge.n] : NULL);
        else if (++unseen > w->r->n_periods)
            return err_set(e, ERR_IO, "%s: signals were unknown in %d periods; a window has %d", w->plan->target.name,
                           unseen, w->r->n_periods);
    }
    judge_end(&judge, &w->r->windows[0], out);
    return true;
}

/* What stands on a simulator's knowledge. */
static void forget_unknown(struct evaluate_run *run)
{
    static const enum evaluate_metric unknown[] = {METRIC_VIOLATION_REQUESTS,
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
                                                   METRIC_P99_MS};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        run->metric[unknown[i]] = (double)NAN;
}

static int first_entrant(const struct evaluate_plan *plan, int policy)
{
    int entrant = 0;
    for (int p = 0; p < policy; p++)
        entrant += plan->policies[p].n_files;
    return entrant;
}

static bool run_policy(struct work *w, int policy, int file, int window, struct err *e)
{
    const struct evaluate_plan *plan = &w->plan->plan;
    struct run run = {0};
    int slot = (first_entrant(plan, policy) + file) * w->r->n_windows + window;
    bool shown = w->r->timeline && file == 0 && window == 0;
    bool done = run_open(w, plan->policies[policy].text[file], &run, e) &&
                judge_window(w, &run, &w->r->runs[slot],
                             shown ? w->r->timeline + (size_t)policy * (size_t)w->r->n_periods : NULL, e);
    if (run.policy)
        policy_close(run.policy);
    if (!done)
        return err_wrap(e, "%s", plan->policies[policy].text[file]);
    forget_unknown(&w->r->runs[slot]);
    if (plan->progress)
        plan->progress(plan->progress_arg, ++w->done, w->total);
    return true;
}

static bool run_window(struct work *w, int window, struct err *e)
{
    const struct evaluate_plan *plan = &w->plan->plan;
    for (int i = 0; i < plan->n_policies; i++) {
        int policy = window % 2 ? plan->n_policies - 1 - i : i;
        for (int file = 0; file < plan->policies[policy].n_files; file++)
            if (!run_policy(w, policy, file, window, e))
                return false;
    }
    return true;
}

static bool allocate(struct work *w, struct err *e)
{
    struct evaluate_result *r = w->r;
    size_t n_periods = (size_t)r->n_periods;
    r->windows = calloc((size_t)r->n_windows, sizeof *r->windows);
    r->runs = calloc((size_t)r->n_entrants * (size_t)r->n_windows, sizeof *r->runs);
    r->timeline = r->plan.timeline ? calloc((size_t)r->plan.n_policies * n_periods, sizeof *r->timeline) : NULL;
    w->supply = calloc(n_periods, sizeof *w->supply);
    bool done = r->windows && r->runs && w->supply && (r->timeline || !r->plan.timeline);
    for (int i = 0; done && i < r->n_windows; i++) {
        r->windows[i].demand = calloc(n_periods, sizeof(double));
        done = r->windows[i].demand != NULL;
        for (size_t t = 0; done && t < n_periods; t++)
            r->windows[i].demand[t] = (double)NAN; // the fewest that could do: nobody knows on a real cluster
    }
    return done || err_set(e, ERR_IO, "evaluate: out of memory");
}

/* The bounds' places hold no number. */
static void blank_bounds(struct evaluate_result *r)
{
    int first = (r->n_entrants - EVALUATE_BOUNDS) * r->n_windows;
    for (int i = first; i < r->n_entrants * r->n_windows; i++)
        for (int m = 0; m < METRIC_COUNT; m++)
            r->runs[i].metric[m] = (double)NAN;
}

static bool check(const struct evaluate_live_plan *plan, struct err *e)
{
    const struct evaluate_config *c = plan->plan.config;
    const struct target *t = &plan->target;
    if (plan->plan.n_policies < 1)
        return err_set(e, ERR_USAGE, "evaluate: needs at least one policy");
    if (plan->plan.faults)
        return err_set(e, ERR_USAGE, "evaluate: simulated faults cannot strike a live target; use chaos.files");
    for (int p = 0; p < plan->plan.n_policies; p++)
        if (plan->plan.policies[p].by_trace)
            return err_set(e, ERR_USAGE, "evaluate: no rule can be tuned on a live target");
    if (!(c->window_s >= c->period_s))
        return err_set(e, ERR_USAGE, "evaluate.window_s: %g s is less than period_s, %g s", c->window_s, c->period_s);
    if (t->latency_hard_ms > 0 && t->latency_soft_ms > t->latency_hard_ms)
        return err_set(e, ERR_USAGE, "%s: its soft latency limit, %g ms, is above the hard one, %g ms", t->name,
                       t->latency_soft_ms, t->latency_hard_ms);
    return true;
}

bool evaluate_live(const struct evaluate_live_plan *plan, struct evaluate_result *out, struct err *e)
{
    const struct evaluate_config *c = plan->plan.config;
    if (!check(plan, e))
        return false;
    struct evaluate_result r = {.plan = plan->plan,
                                .n_entrants = EVALUATE_BOUNDS + first_entrant(&plan->plan, plan->plan.n_policies),
                                .n_faults = 1,
                                .n_windows = c->windows,
                                .n_periods = (int)lround(c->window_s / c->period_s),
                                .soft_ms = plan->target.latency_soft_ms,
                                .hard_ms = plan->target.latency_hard_ms};
    r.plan.live = true;
    r.plan.no_bounds = true;
    r.plan.traces = &LIVE;
    r.plan.n_traces = 1;
    r.plan.decisions = false;
    struct work w = {.plan = plan,
                     .r = &r,
                     .rules = {.target = plan->target,
                               .reward = plan->plan.reward,
                               .period_s = c->period_s,
                               .slo_budget = c->slo_budget,
                               .hard_s = c->hard_s},
                     .total = (r.n_entrants - EVALUATE_BOUNDS) * r.n_windows};
    bool done = allocate(&w, e);
    for (int i = 0; done && i < r.n_windows; i++)
        done = run_window(&w, i, e);
    free(w.supply);
    if (!done) {
        evaluate_finish(&r);
        return false;
    }
    blank_bounds(&r);
    *out = r;
    return true;
}
