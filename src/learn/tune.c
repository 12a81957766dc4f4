/* tune: the HPA's target and downscale window searched over a grid, as a careful operator would with a recording of the
 * load. In: a plan. Out: the best setting of each trace and of all together. */
#include <maestro/evaluate.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS (EVALUATE_TUNE_TARGETS * EVALUATE_TUNE_WINDOWS)

static const int windows_s[EVALUATE_TUNE_WINDOWS] = {0, 60, 120, 300};

static struct evaluate_tuned setting(int i)
{
    return (struct evaluate_tuned){.target_percent = 30 + 5 * (i / EVALUATE_TUNE_WINDOWS),
                                   .window_s = windows_s[i % EVALUATE_TUNE_WINDOWS]};
}

static void fill_grid(struct evaluate_policy grid[SETTINGS])
{
    for (int i = 0; i < SETTINGS; i++) {
        struct evaluate_tuned s = setting(i);
        grid[i] = (struct evaluate_policy){.n_files = 1};
        snprintf(grid[i].name, sizeof grid[i].name, "hpa %d %% %g s", s.target_percent, s.window_s);
        snprintf(grid[i].text[0], sizeof grid[i].text[0], "hpa:target=%d,window=%g", s.target_percent, s.window_s);
    }
}

/* a is better than b. Reward alone, or: holding the SLO first, then cost; without it, time over soft. */
static bool better(const struct evaluate_tuned *a, const struct evaluate_tuned *b, enum evaluate_objective objective)
{
    if (objective == OBJECTIVE_REWARD)
        return a->reward_true > b->reward_true;
    if (a->slo_holds != b->slo_holds)
        return a->slo_holds;
    return a->slo_holds ? a->replica_hours < b->replica_hours : a->violation_time < b->violation_time;
}

static bool pick(const struct evaluate_result *r, int trace, enum evaluate_objective objective,
                 struct evaluate_tuned *out, struct err *e)
{
    for (int i = 0; i < SETTINGS; i++) {
        struct evaluate_verdict v;
        if (!evaluate_verdict(r, i, trace, 0, &v, e))
            return false;
        struct evaluate_tuned s = setting(i);
        s.slo_holds = v.slo_holds;
        s.reward_true = v.metric[METRIC_REWARD_TRUE].mean;
        s.violation_time = v.metric[METRIC_VIOLATION_TIME].mean;
        s.replica_hours = v.metric[METRIC_REPLICA_HOURS].mean;
        if (i == 0 || better(&s, out, objective))
            *out = s;
    }
    return true;
}

bool evaluate_tune_hpa(const struct evaluate_plan *plan, enum evaluate_objective objective,
                       struct evaluate_tuned *per_trace, struct evaluate_tuned *overall, struct err *e)
{
    struct evaluate_policy *grid = malloc(SETTINGS * sizeof *grid);
    if (!grid)
        return err_set(e, ERR_IO, "evaluate: out of memory");
    fill_grid(grid);
    struct evaluate_plan search = *plan;
    struct evaluate_result r = {0};
    search.policies = grid;
    search.n_policies = SETTINGS;
    search.faults = false;
    search.timeline = false;
    search.no_bounds = true;
    bool done = evaluate_all(&search, &r, e);
    for (int t = 0; done && per_trace && t < plan->n_traces; t++)
        done = pick(&r, t, objective, &per_trace[t], e);
    done = done && pick(&r, -1, objective, overall, e);
    evaluate_finish(&r);
    free(grid);
    return done;
}
