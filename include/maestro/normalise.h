/* normalise: running normalisation of observations and rewards with Stable-Baselines3's VecNormalize rules: moments in
 * double, merged batch by batch (Chan, Golub, LeVeque 1979) from a count of 1e-4, mean 0 and variance 1; an observation is
 * clip((x - mean) / sqrt(var + 1e-8), +-clip) with moments that already know its own batch; a reward is divided by the
 * running deviation of the discounted return, without removing a mean. */
#ifndef MAESTRO_NORMALISE_H
#define MAESTRO_NORMALISE_H

#include <maestro/arena.h>
#include <stdbool.h>
#include <stddef.h>

#define NORMALISE_EPSILON 1e-8
#define NORMALISE_CLIP 10.0

struct normaliser {
    bool on;       /* off: update only notes the range, apply changes nothing */
    int dim;       /* D */
    double clip;   /* symmetric bound after scaling */
    double *count; /* [1], arena's */
    double *mean;  /* [D], arena's */
    double *var;   /* [D], arena's */
    double *low;   /* [D] smallest value seen, arena's */
    double *high;  /* [D] largest, arena's */
};

void normaliser_carve(struct normaliser *n, int dim, struct arena *arena);
void normaliser_init(struct normaliser *n, bool on, double clip);
void normaliser_update(struct normaliser *n, const float *x /* [rows][D] */, int rows);
void normaliser_apply(const struct normaliser *n, float *x /* [rows][D] */, int rows);

/* State of a checkpoint: count, mean, var, low, high. */
size_t normaliser_state_bytes(const struct normaliser *n);
void normaliser_state_get(const struct normaliser *n, void *out);
void normaliser_state_set(struct normaliser *n, const void *bytes);

struct reward_normaliser {
    bool on;
    double gamma;
    double clip;
    int n_envs;
    double *moments; /* count, mean, var; arena's */
    double *returns; /* [N] discounted, running; arena's */
};

void reward_normaliser_carve(struct reward_normaliser *n, int n_envs, struct arena *arena);
void reward_normaliser_init(struct reward_normaliser *n, bool on, double gamma, double clip);

/* One step of all copies, in place; returns restart where an episode ended. */
void reward_normaliser_step(struct reward_normaliser *n, float *rewards /* [N] */, const unsigned char *terminated,
                            const unsigned char *truncated);
size_t reward_normaliser_state_bytes(const struct reward_normaliser *n);
void reward_normaliser_state_get(const struct reward_normaliser *n, void *out);
void reward_normaliser_state_set(struct reward_normaliser *n, const void *bytes);

#endif
