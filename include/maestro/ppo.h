/* ppo: proximal policy optimisation (Schulman et al. 2017) for discrete actions with masks, separate actor and critic,
 * every detail as Stable-Baselines3 has it. One update is: rollout in, weights changed, statistics out. The actor and
 * the critic are updated by two threads where the team has them; per minibatch they exchange only the gradient norm, so
 * any number of threads gives the same bytes. Nothing allocates after ppo_carve. Loops over environments are not here.
 */
#ifndef MAESTRO_PPO_H
#define MAESTRO_PPO_H

#include <maestro/arena.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/mlp.h>
#include <maestro/rng.h>
#include <maestro/rollout.h>
#include <maestro/team.h>
#include <stddef.h>
#include <stdint.h>

enum ppo_schedule { PPO_CONSTANT, PPO_LINEAR };

/* Names and defaults are Stable-Baselines3's. */
struct ppo_config {
    double learning_rate;
    int learning_rate_schedule; /* enum ppo_schedule; linear: times progress remaining */
    int n_steps;                /* per environment and rollout */
    int n_envs;
    int batch_size;
    int n_epochs;
    double gamma;
    double gae_lambda;
    double clip_range;
    int clip_range_schedule; /* enum ppo_schedule */
    double clip_range_vf;    /* NaN: off */
    bool normalize_advantage;
    double ent_coef;
    double vf_coef;
    double max_grad_norm;
    double target_kl; /* NaN: off; stops before the step whose KL exceeds 1.5 times it */
    double adam_eps;
    struct config_list net_arch_pi; /* hidden widths */
    struct config_list net_arch_vf;
    int activation_fn;        /* enum mlp_activation */
    int critic_only_updates;  /* so many first updates leave the actor alone */
    char kernel[CONFIG_TEXT]; /* auto, avx512, avx2, portable, scalar, blas */
};

extern const struct config_key ppo_config_keys[]; /* table of struct ppo_config, section "ppo" */
extern const int ppo_config_keys_count;

/* Logged quantities with Stable-Baselines3's meaning: means over all minibatches of the update, except approx_kl (mean
 * of the last epoch) and loss (last minibatch). */
struct ppo_stats {
    double learning_rate;
    double entropy_loss; /* minus the entropy */
    double policy_gradient_loss;
    double value_loss;
    double approx_kl;
    double clip_fraction;
    double loss;
    double explained_variance;
    double clip_range;
    double clip_range_vf;   /* NaN: off */
    double grad_norm_first; /* before clipping, of the first minibatch */
    double grad_norm_mean;
    long long n_updates; /* epochs so far, over all updates */
    int epochs;          /* started in this update */
    int minibatches;     /* looked at in this update */
    int optimiser_steps; /* taken in this update */
    bool stopped_early;  /* by target_kl */
};

struct ppo_learner; /* one network with its optimiser, ppo_learner.h */

struct ppo {
    struct ppo_config config;
    int obs_dim, n_actions;
    struct mlp_shape actor_shape, critic_shape;
    struct ppo_learner *actor, *critic; /* arena's */
    struct team *team;                  /* the caller's; NULL: one thread. May be set between calls */
    struct rng shuffle;                 /* of the minibatches */
    double *work;                       /* for drawing weights, arena's */
    float *parameters;                  /* room for one network in mlp.h layout, arena's */
    float *grad_norms;                  /* [grad_norms_capacity] of the last update, arena's; for tests and logs */
    size_t grad_norms_capacity;
    long long n_updates; /* epochs so far */
    long long n_calls;   /* ppo_update calls so far */
};

MUST_CHECK bool ppo_config_check(const struct ppo_config *config, int obs_dim, int n_actions, struct err *e);
void ppo_config_defaults(struct ppo_config *config); /* the table's fallbacks, for code without configuration files */

/* Takes all memory from the arena, or counts it (arena.h): call twice. */
void ppo_carve(struct ppo *ppo, const struct ppo_config *config, int obs_dim, int n_actions, struct arena *arena);

/* Chooses the kernel (an unknown or unusable name is ERR_USAGE), draws the weights from streams of the seed, zeroes the
 * optimiser. */
MUST_CHECK bool ppo_init(struct ppo *ppo, uint64_t seed, struct err *e);
const char *ppo_kernel(const struct ppo *ppo); /* name of the kernel in use */

/* obs [n][D], masks [n][A] or NULL -> an action of each row, drawn from streams[i], and its log-probability. n <=
 * n_envs. */
void ppo_act(struct ppo *ppo, const float *obs, const unsigned char *masks, int n, struct rng *streams,
             int32_t *actions, float *log_probs);

/* Fills values, last_values and final_values: the critic on everything at once. */
void ppo_values(struct ppo *ppo, struct rollout *r);

/* ppo_values must have run. Advantages and returns by gae.h. */
void ppo_advantages(const struct ppo *ppo, struct rollout *r);

/* All epochs on one rollout with advantages. progress_remaining = 1 - steps done / steps in all, after this rollout.
 * permutation: NULL (own shuffle) or [n_epochs][N*T], indices env * T + step, as Stable-Baselines3 flattens.
 * ERR_NUMERIC if a loss or gradient is not finite: the message names the term; weights are as before that minibatch. */
MUST_CHECK bool ppo_update(struct ppo *ppo, const struct rollout *r, double progress_remaining,
                           const int32_t *permutation, struct ppo_stats *stats, struct err *e);

/* Parameters in mlp.h layout (PyTorch's); counts from mlp_parameter_count of the two shapes. */
void ppo_parameters_get(const struct ppo *ppo, float *actor, float *critic);
void ppo_parameters_set(struct ppo *ppo, const float *actor, const float *critic); /* moments stay */

/* The loss gradient of the last minibatch before clipping, in the same layout; for tests and inspection. */
void ppo_gradients_get(const struct ppo *ppo, float *actor, float *critic);

/* Everything that the next update depends on, as bytes: weights, moments, counters, shuffle stream. The bytes depend on
 * the network shapes only, not on the kernel. state_set refuses another size (ERR_FORMAT). */
size_t ppo_state_bytes(const struct ppo *ppo);
void ppo_state_get(const struct ppo *ppo, void *out);
MUST_CHECK bool ppo_state_set(struct ppo *ppo, const void *bytes, size_t n, struct err *e);

/* For tests and inspection: logits [n][A] (raw) and values [n] of any rows, through the training kernels. */
void ppo_logits(struct ppo *ppo, const float *obs, int n, float *logits);
void ppo_critic(struct ppo *ppo, const float *obs, int n, float *values);

#endif
