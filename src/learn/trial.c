/* trial: one policy runs one window of load through the one control loop, and is judged on the common grid. In: a policy's
 * text, a scenario, rules. Out: metrics, rows for the timeline, tiles of the decision map. Owns the simulator state of the
 * run. */
#include "trial.h"

#include <maestro/exact.h>
#include <maestro/registry.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a run's cluster lives, whichever simulator it is. */
struct world {
    struct sim *sim; /* fast or the exact one's */
    struct sim fast;
    struct sim_state *state; /* of the fast one */
    struct exact *exact;
    struct policy *policy;
    struct control control;
    struct control_state loop_state;
    struct journal_record record;
    double *supply; /* [n_periods] */
};

static bool fast_open(struct world *w, const struct trial *t, struct err *e)
{
    size_t bytes = (sim_state_bytes() + 63) / 64 * 64;
    w->state = aligned_alloc(64, bytes);
    if (!w->state)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    memset(w->state, 0, bytes);
    sim_begin(t->model, w->state, t->scenario, t->window->seed, 0);
    sim_bind(&w->fast, t->model, w->state);
    w->sim = &w->fast;
    return true;
}

static bool slow_open(struct world *w, const struct trial *t, struct err *e)
{
    if (!exact_open(t->model, &w->exact, e))
        return false;
    exact_begin(w->exact, t->scenario, t->window->seed, 0);
    w->sim = exact_sim(w->exact);
    return true;
}

static bool world_open(struct world *w, const struct trial *t, struct err *e)
{
    w->control = *t->control;
    w->supply = calloc((size_t)t->n_periods, sizeof *w->supply);
    if (!w->supply)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    if (!registry_open(t->policy, &w->control, &w->policy, e))
        return false;
    w->control.guard.flap_budget = t->flap_budget; // not what a policy file may bring: training had none
    return t->exact ? slow_open(w, t, e) : fast_open(w, t, e);
}

static void world_close(struct world *w)
{
    if (w->policy)
        policy_close(w->policy);
    exact_close(w->exact);
    free(w->state);
    free(w->supply);
    free(w);
}

/* Grid steps between two decisions. */
static bool ticks_of(const struct world *w, const struct trial *t, int *out, struct err *e)
{
    double period_s = w->policy->sync_s > 0.0 ? w->policy->sync_s : w->control.period_s;
    double steps = period_s / t->rules->period_s;
    if (steps < 1.0 || fabs(steps - round(steps)) > 1e-9)
        return err_set(e, ERR_USAGE,
                       "evaluate.period_s: the judging grid of %g s does not divide the %g s at which %s decides",
                       t->rules->period_s, period_s, t->policy);
    *out = (int)round(steps);
    return true;
}

/* Tile of a value along one side of the map; the last takes all beyond. */
static int tile_at(double value, double step, int n)
{
    double at = floor(value / step);
    return at >= n ? n - 1 : at > 0 ? (int)at : 0;
}

/* Adds a decision to the map, where the policy knew load and latency and pods were ready. */
static void map_decision(const struct trial *t, const struct journal_record *r)
{
    const struct reading *rps = &r->sample.signals[SIGNAL_RPS];
    const struct reading *p95 = &r->sample.signals[SIGNAL_P95];
    double soft_ms = t->rules->target.latency_soft_ms;
    bool latency_known = p95->validity == VALIDITY_VALID || p95->validity == VALIDITY_ABSENT;
    if (rps->validity != VALIDITY_VALID || !latency_known || r->sample.ready < 1 || soft_ms <= 0.0)
        return;
    double load = rps->value / (r->sample.ready * sim_capacity_rps(t->model, 0));
    double latency = p95->validity == VALIDITY_VALID ? p95->value / soft_ms : 0.0;
    int row = tile_at(latency, EVALUATE_MAP_LATENCY_STEP, EVALUATE_MAP_LATENCIES);
    int column = tile_at(load, EVALUATE_MAP_LOAD_STEP, EVALUATE_MAP_LOADS);
    struct evaluate_tile *tile = &t->tiles[row * EVALUATE_MAP_LOADS + column];
    atomic_fetch_add(&tile->n_decisions, 1);
    atomic_fetch_add(&tile->delta, r->written ? r->guard.replicas - r->guard.from : 0);
}

static bool tick(struct world *w, const struct trial *t, struct judge *judge, bool judged, struct err *e)
{
    struct control_loop loop = {&w->control, &w->loop_state, &w->sim->cluster, w->policy, NULL, 0};
    if (!control_tick(&loop, &w->record, e))
        return false;
    if (judged && w->record.written)
        judge_change(judge, w->record.guard.from, w->record.guard.replicas);
    if (judged && t->tiles)
        map_decision(t, &w->record);
    return true;
}

static bool run(struct world *w, const struct trial *t, struct judge *judge, struct evaluate_period *rows,
                struct err *e)
{
    struct cluster *cluster = &w->sim->cluster;
    struct sample first;
    struct sim_truth truth;
    int n_warm = (int)lround(t->warm_up_s / t->rules->period_s);
    int every = 1;
    if (!ticks_of(w, t, &every, e) || !cluster_sample(cluster, true, &first, e))
        return false;
    control_begin(&w->control, &w->loop_state, NULL, &first);
    policy_reset(w->policy, t->window->seed, &first);
    for (int i = 0; i < n_warm + t->n_periods; i++) {
        bool judged = i >= n_warm;
        if (i % every == 0 && !tick(w, t, judge, judged, e))
            return false;
        if (!cluster_advance(cluster, t->rules->period_s, e))
            return false;
        sim_truth_take(w->sim, &truth);
        if (judged)
            judge_period(judge, &truth, rows ? &rows[i - n_warm] : NULL);
    }
    return true;
}

bool trial_run(const struct trial *t, struct evaluate_run *out, struct evaluate_period *rows, struct err *e)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    struct judge judge;
    bool done = world_open(w, t, e);
    if (done) {
        judge_begin(&judge, t->rules, w->supply);
        done = run(w, t, &judge, rows, e);
    }
    if (done)
        judge_end(&judge, t->window, out);
    world_close(w);
    return done;
}
