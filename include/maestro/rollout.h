/* rollout: what T steps of N environments leave behind, step-major, so that environments write straight into slices of
 * it: row t is obs + t * N * D and so on. Nothing here computes. */
#ifndef MAESTRO_ROLLOUT_H
#define MAESTRO_ROLLOUT_H

#include <maestro/arena.h>
#include <stddef.h>
#include <stdint.h>

struct rollout {
    int n_steps;   /* T */
    int n_envs;    /* N */
    int obs_dim;   /* D */
    int n_actions; /* A */

    /* filled while collecting */
    float *obs;                /* [T+1][N][D], as the networks see them; row T follows the last step */
    unsigned char *masks;      /* [T+1][N][A], 1 = allowed */
    int32_t *actions;          /* [T][N] */
    float *log_probs;          /* [T][N], of the actions, when they were chosen */
    float *rewards;            /* [T][N], without any bootstrap */
    float *costs;              /* [T][N] */
    unsigned char *terminated; /* [T][N] */
    unsigned char *truncated;  /* [T][N] */
    float *final_obs;          /* [T][N][D], meaningful where truncated and not terminated */

    /* filled by ppo_values and ppo_advantages */
    float *values;       /* [T][N] */
    float *last_values;  /* [N], of obs row T */
    float *final_values; /* [T][N], of final_obs; 0 where there is none */
    float *advantages;   /* [T][N], before normalisation */
    float *returns;      /* [T][N] */
};

/* Sizes must be set; takes all arrays from the arena, or counts them (arena.h). Masks start as all allowed. */
void rollout_carve(struct rollout *r, struct arena *arena);

size_t rollout_row(const struct rollout *r, int step, int env); /* step * N + env */

#endif
