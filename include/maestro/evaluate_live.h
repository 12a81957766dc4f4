/* evaluate_live: policies judged on a live target, in real time, one after another, by what was measured. The result has
 * the shape and the files of evaluate.h's; what a live cluster cannot tell is not a number there: the bounds, regret,
 * elasticity, the share of requests over the soft limit, p50 and p99. */
#ifndef MAESTRO_EVALUATE_LIVE_H
#define MAESTRO_EVALUATE_LIVE_H

#include <maestro/cluster.h>
#include <maestro/evaluate.h>

struct evaluate_live_plan {
    struct evaluate_plan
        plan; /* config (windows, window_s, warm_up_s, period_s, slo_budget, hard_s), reward, policies, profile
                                  (its name is the target's), command, progress; traces are ignored */
    struct target target; /* limits in force */
    struct cluster *cluster;
    double window_s;                             /* rate window behind the signals, for features */
    bool (*on_period)(void *arg, struct err *e); /* NULL: none */
    void *arg;
};

/* Every window, every policy, the order of the policies turned round from window to window. A period in which a signal was
 * not known is left out and one more is run; more such periods than known ones are ERR_IO. ERR_INTERRUPTED from the cluster
 * ends it. */
MUST_CHECK bool evaluate_live(const struct evaluate_live_plan *plan, struct evaluate_result *out, struct err *e);

#endif
