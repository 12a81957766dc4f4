/* env: the gym-like seam between learning and what is learnt on. An environment is an immutable model, shared by all
 * copies and threads, and a flat state block without pointers, one per copy: a checkpoint is a copy of the blocks. reset
 * and step write straight into slices of the batch. Nothing resets itself: the caller does, so the final observation of
 * a truncated episode is never lost. */
#ifndef MAESTRO_ENV_H
#define MAESTRO_ENV_H

#include <maestro/err.h>
#include <stddef.h>
#include <stdint.h>

struct env_spec {
    char id[48];   /* e.g. CartPole-v1, microservice */
    int obs_dim;   /* D */
    int n_actions; /* A */
    int max_steps; /* truncation after so many steps */
    size_t state_bytes;
};

struct env_result {
    float reward;
    float cost;      /* constraint signal for the SLO budget: 1 when this step broke the soft limit, else 0 */
    bool terminated; /* ended by itself: no bootstrap */
    bool truncated;  /* cut off: bootstrap with V(final observation) */
};

/* What an ended episode adds to monitor.csv beyond r, l, t. */
struct env_episode {
    double slo_violation; /* share of steps over the soft limit */
    double replicas_mean;
    double scale_actions; /* steps that changed the count */
    double reward_true;   /* mean per step, from the true requests; NaN where unknown */
};

struct env;

struct env_ops {
    /* state: zeroed block. Stream i makes copy i independent of all others. */
    void (*init)(const struct env *env, void *state, uint64_t seed, uint64_t stream);
    bool (*reset)(const struct env *env, void *state, float *obs, unsigned char *mask, struct err *e);
    bool (*step)(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                 struct env_result *out, struct err *e);
    void (*episode)(const struct env *env, const void *state, struct env_episode *out); /* after the last step */
    void (*close)(struct env *env);
};

/* obs is [D]; mask is [A], 1 = allowed, at least one allowed. */
struct env {
    const struct env_ops *ops;
    struct env_spec spec;
    const void *model; /* owned by the implementation */
};

#endif
