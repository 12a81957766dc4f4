/* oracle: the clairvoyant bound. For each judging period of an episode it knows the arrivals that came, and asks what n
 * pods could have done with them at best: warm, evenly loaded, without backlog, there at once (sim_bound_p95). With the
 * periods taken one by one, start-up, step size and backlog relaxed, the best choices of all periods together are a bound
 * that no causal policy can pass, and no clairvoyant one either:
 *
 *   reward  per period the largest reward_true over all n. The reward of a pod count between two grid points is at most
 *           that of the lower one's cost with the upper one's latency, so the grid costs tightness, never truth.
 *   budget  fewest pod-seconds with at most budget of the periods over the soft limit: every period needs its fewest
 *           pods within soft or is given up at min_replicas; the ones that save most are given up (sorting is optimal:
 *           the periods do not depend on each other). Time over the hard limit is not asked for.
 *
 * Answers are kept and shared by all windows, so a period is known by its arrivals' sum, rounded down by up to 0.5 %,
 * and their largest second, rounded up. They are taken to come as late in it as these two allow, where fewest of them
 * can be late before it ends. All three only make it easier, which keeps the bound one.
 *
 * Counts of pods are real numbers: a policy also pays for terminating pods, and these may serve for part of a period. */
#ifndef MAESTRO_ORACLE_H
#define MAESTRO_ORACLE_H

#include <maestro/reward.h>
#include <maestro/sim.h>

#define ORACLE_PERIOD_LEAST 2 /* s */

/* What is asked of, and in which terms. Copied; model and reward are borrowed. */
struct oracle_config {
    const struct sim_model *model;
    int variant;
    int period_s;         /* ORACLE_PERIOD_LEAST to 3600 */
    struct target target; /* soft limit set; limits and counts as judged */
    const struct reward_config *reward;
    double budget; /* share of periods that may be over soft */
};

struct oracle; /* remembers what it worked out; may be used by several threads at once */

MUST_CHECK bool oracle_open(const struct oracle_config *config, struct oracle **out, struct err *e);
void oracle_close(struct oracle *o); /* accepts NULL */

/* One way through the episode. */
struct oracle_plan {
    double reward_mean; /* reward_true; for reward an upper bound, for budget of the plan itself */
    double pods_mean;   /* what it pays */
    double over_soft;   /* share of periods */
    bool possible;      /* the budget could be kept */
};

struct oracle_answer {
    struct oracle_plan reward;
    struct oracle_plan budget;
};

/* arrivals: [n_periods * period_s] requests in each second. demand: [n_periods] the fewest evenly loaded warm pods in
 * [min, max] that keep p95 within soft at the period's mean rate, as SPEC's demand curve; may be NULL. */
MUST_CHECK bool oracle_solve(struct oracle *o, const float *arrivals, int n_periods, struct oracle_answer *out,
                             double *demand, struct err *e);

#endif
