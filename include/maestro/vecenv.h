/* vecenv: N copies of an environment stepped together, straight into slices of a rollout. Copy i draws from stream
 * first_stream + i and touches only its own block, so any number of threads gives the same bytes. An ended episode is
 * reset at once; the observation it ended with is kept in final_obs. */
#ifndef MAESTRO_VECENV_H
#define MAESTRO_VECENV_H

#include <maestro/arena.h>
#include <maestro/env.h>
#include <maestro/err.h>
#include <maestro/team.h>
#include <stdint.h>

/* What each copy has to say about its running episode, and about one that has just ended. */
struct vecenv_episode {
    double sum;       /* of rewards, running */
    long long length; /* steps, running */
    bool ended;       /* in the last step; then the fields below are its record */
    long long ended_length;
    double ended_sum;
    struct env_episode extra;
};

struct vecenv {
    const struct env *env; /* borrowed */
    struct team *team;     /* borrowed; NULL: this thread alone */
    int n_envs;
    size_t stride;                   /* bytes from one block to the next */
    unsigned char *states;           /* [N] blocks, arena's */
    struct vecenv_episode *episodes; /* [N], arena's */
    struct err *errors;              /* [N], arena's */
    double spent_s;                  /* wall time inside vecenv_step since the process began; no part of the state */
};

/* Where a step puts its results: row t of a rollout, and row t + 1 of its observations and masks. */
struct vecenv_slices {
    const int32_t *actions;    /* [N] */
    float *rewards;            /* [N] */
    float *costs;              /* [N] */
    unsigned char *terminated; /* [N] */
    unsigned char *truncated;  /* [N] */
    float *final_obs;          /* [N][D], written where an episode ended */
    float *next_obs;           /* [N][D] */
    unsigned char *next_masks; /* [N][A] */
};

void vecenv_carve(struct vecenv *v, const struct env *env, int n_envs, struct arena *arena);

/* Seeds all copies and resets them: first observations [N][D] and masks [N][A]. */
MUST_CHECK bool vecenv_init(struct vecenv *v, uint64_t seed, uint64_t first_stream, float *obs, unsigned char *masks,
                            struct err *e);

/* One step of all copies. ERR_NUMERIC where an environment made a number that is not finite; the error of the lowest copy
 * is the one reported. */
MUST_CHECK bool vecenv_step(struct vecenv *v, const struct vecenv_slices *s, struct err *e);

/* What a checkpoint needs: all blocks and running episodes. */
size_t vecenv_state_bytes(const struct vecenv *v);
void vecenv_state_get(const struct vecenv *v, void *out);
void vecenv_state_set(struct vecenv *v, const void *bytes); /* exactly vecenv_state_bytes */

#endif
