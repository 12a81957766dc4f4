/* lagrange: the multiplier of the SLO budget, learnt beside the policy. The problem is: most reward, subject to a mean cost
 * per step of at most the budget. Its Lagrangian, max over policies, min over lambda >= 0, of
 *     E[reward] - lambda (E[cost] - budget)
 * is climbed by PPO on the reward r - lambda c (the constant lambda * budget changes no policy) and descended by one step a
 * rollout: integral += learning_rate (mean cost - budget), lambda = max(0, integral + proportional (mean cost - budget)).
 * The proportional term damps the oscillation of the plain integral (Stooke, Achiam, Abbeel, "Responsive safety in
 * reinforcement learning by PID Lagrangian methods", 2020); 0 leaves plain dual ascent. */
#ifndef MAESTRO_LAGRANGE_H
#define MAESTRO_LAGRANGE_H

#include <maestro/config.h>
#include <stdbool.h>
#include <stddef.h>

/* Section "slo". */
struct lagrange_config {
    double slo_budget; /* share of steps over the soft limit; NaN: off, the bare reward */
    double reserve;    /* share of the budget kept back for unseen loads: the multiplier aims at (1 - reserve) budget */
    double learning_rate;  /* of the multiplier, per rollout and unit of cost share */
    double proportional;   /* damping */
    double initial;        /* multiplier before the first rollout */
    double max_multiplier; /* lambda never grows above it */
};
extern const struct config_key lagrange_config_keys[];
extern const int lagrange_config_keys_count;

/* Plain: a checkpoint copies it. */
struct lagrange {
    double integral;
    double lambda;
    double mean_cost; /* of the last rollout */
};

bool lagrange_on(const struct lagrange_config *config);
double lagrange_aim(const struct lagrange_config *config); /* mean cost that is aimed at; NaN where the budget is off */
void lagrange_init(struct lagrange *l, const struct lagrange_config *config);

/* rewards -= lambda * costs, n numbers each; nothing where the budget is off. */
void lagrange_shape(const struct lagrange *l, const struct lagrange_config *config, float *rewards, const float *costs,
                    size_t n);

/* One step of the multiplier after a rollout with this mean cost. Off: only notes the cost. */
void lagrange_update(struct lagrange *l, const struct lagrange_config *config, double mean_cost);

#endif
