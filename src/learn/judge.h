/* judge: what one run was worth, period by period, from what truly happened. In: the simulator's true figures of each
 * judging period and the replica changes. Out: the metrics of evaluate.h. Used by evaluate only. */
#ifndef LEARN_JUDGE_H
#define LEARN_JUDGE_H

#include <maestro/evaluate.h>
#include <maestro/sim.h>

#define JUDGE_BINS 512

struct judge_rules {
    struct target target;
    const struct reward_config *reward;
    double period_s;
    double slo_budget;
    double hard_s;
};

struct judge {
    const struct judge_rules *rules;
    double *supply; /* [n_periods] ready pods; the caller's */
    int n;
    double reward, pod_s, requests, failed, over_soft_requests;
    int n_over_soft, n_hard, longest_hard;
    int ups, downs, turns, last_way;
    double latency[JUDGE_BINS]; /* requests by latency, log-spaced */
};

void judge_begin(struct judge *j, const struct judge_rules *rules, double *supply);
void judge_change(struct judge *j, int from, int to);
/* row: filled for the timeline; NULL: not wanted */
void judge_period(struct judge *j, const struct sim_truth *truth, struct evaluate_period *row);
void judge_end(const struct judge *j, const struct evaluate_window *window, struct evaluate_run *out);

#endif
