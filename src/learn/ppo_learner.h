/* ppo_learner: one of the two networks of PPO with its optimiser and the rows of the tile at work. ppo.c owns two; during
 * an update each is touched by one thread only. */
#ifndef LEARN_PPO_LEARNER_H
#define LEARN_PPO_LEARNER_H

#include <maestro/net.h>
#include <maestro/ppo.h>

struct ppo_learner {
    struct net net;
    long long steps; /* of Adam */

    /* the tile at work, gathered from the rollout, [NET_TILE] each */
    float *actions, *old_log_probs; /* actor */
    float *allowed;                 /* [A][NET_TILE], actor */
    float *old_values, *returns;    /* critic */
    float *advantages;              /* [batch_size rounded up], whole minibatch, normalised; actor */
    int32_t *order;                 /* [T*N] rows of the rollout as this epoch visits them */
};

/* What both learners work from during one update. */
struct ppo_pass {
    const struct ppo_config *config;
    const struct rollout *rollout;
    double clip_range, clip_range_vf; /* clip_range_vf NaN: off */
    bool masked;                      /* some action of the rollout is masked */
};

void ppo_learner_carve(struct ppo_learner *l, const struct mlp_shape *shape, const struct ppo_config *config,
                       struct arena *arena);

/* Gradient of the minibatch whose rows are rows[0..n) into l->net.gradient. */
struct mat_policy_sums ppo_learner_actor(struct ppo_learner *l, const struct ppo_pass *pass, const int32_t *rows,
                                         int n);
double ppo_learner_critic(struct ppo_learner *l, const struct ppo_pass *pass, const int32_t *rows, int n);

/* Adam on the gradient at hand, scaled first. */
void ppo_learner_step(struct ppo_learner *l, const struct ppo_config *config, double learning_rate, double scale);

void ppo_config_shapes(const struct ppo_config *config, int obs_dim, int n_actions, struct mlp_shape *actor,
                       struct mlp_shape *critic);

#endif
