/* reward: DESIGN's r1 and r2 and the cost for the SLO budget, from plain numbers.
 *
 *     r1 = (max - replicas) / max
 *     r2 = 1                                up to the soft limit
 *          (hard - p95) / (hard - soft)     between them
 *          -1                               above the hard limit
 *     reward = weight_replicas r1 + weight_latency r2 - change_penalty |delta| / max
 *
 * Both limits unset: r2 = 0. One unset: the other stands for both (no linear part). An absent p95 (idle) is within the
 * limit. A p95 that is no_data, failed or stale counts as the last one that was valid or absent; before any, as within. */
#ifndef MAESTRO_REWARD_H
#define MAESTRO_REWARD_H

#include <maestro/config.h>
#include <maestro/types.h>
#include <stdbool.h>

/* Section "reward". */
struct reward_config {
    double weight_replicas;
    double weight_latency;
    double change_penalty; /* per replica changed, as a share of max */
};
extern const struct config_key reward_config_keys[];
extern const int n_reward_config_keys;

struct reward_terms {
    double r1;
    double r2;
    double reward;
    double cost; /* 1: p95 over the soft limit, else 0 */
    bool hard;   /* p95 over the hard limit */
};

/* Remembers the last p95 that was valid or absent and the last readable spec.replicas; zeroed: none. */
struct reward_state {
    double p95_ms;   /* 0 for absent, and before any */
    double replicas; /* 0 before any */
};

bool reward_constrained(const struct target *target); /* false: both limits unset, worth a warning */

struct reward_terms reward_measured(const struct reward_config *config, struct reward_state *state,
                                    const struct target *target, const struct sample *sample, int delta);

/* The reward's last term for delta replicas added or removed; not negative. reward_measured takes it off. */
double reward_penalty(const struct reward_config *config, const struct target *target, int delta);

/* cost_replicas: mean over the period of spec replicas plus terminating pods; p95_ms of that period's own requests,
 * n_requests of them (0: idle, within the limit). Without the penalty, as verdicts have it: training takes that off. */
struct reward_terms reward_true(const struct reward_config *config, const struct target *target, double cost_replicas,
                                double p95_ms, double n_requests);

#endif
