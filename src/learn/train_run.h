/* train_run: the inside of struct train, shared by the files that make up the training loop. */
#ifndef LEARN_TRAIN_RUN_H
#define LEARN_TRAIN_RUN_H

#include "run_files.h"

#include <maestro/checkpoint.h>
#include <maestro/infer.h>
#include <maestro/train.h>
#include <maestro/vecenv.h>

#define TRAIN_WINDOW 100      /* episodes behind rollout/ep_rew_mean, as Stable-Baselines3 */
#define TRAIN_EVAL_COPIES 16  /* at most */
#define TRAIN_VERSION "0.1.0" /* refuses checkpoints of another */

/* Streams of the run's seed: copy i draws from i, its actions from 2^32 + i, its evaluation from 2^33 + i. */
#define STREAM_ACTIONS ((uint64_t)1 << 32)
#define STREAM_EVALUATION ((uint64_t)1 << 33)

/* One ended episode in the window. */
struct train_episode {
    double reward;
    double length;
    double extras[TRAIN_EXTRAS];
};

/* Everything small that a resumed run needs; plain, copied whole into the checkpoint. */
struct train_counters {
    long long steps;
    long long rollouts;
    long long episodes; /* ended, in all */
    long long evaluated_at;
    double elapsed_s;
    double row_elapsed_s; /* at the last row of progress.csv */
    long long row_steps;
    struct train_episode window[TRAIN_WINDOW]; /* ring, next at episodes % TRAIN_WINDOW */
    struct lagrange lagrange;
    struct ppo_stats stats; /* of the last update */
    double update_lambda;   /* multiplier that the last update used */
    double update_cost;     /* mean cost of its rollout */
    struct train_evaluation last;
    struct train_evaluation best;
    bool has_update;
    bool last_is_new; /* last waits for the next row */
    bool finished;
    struct run_marks marks;
};

struct train {
    struct train_setup setup;
    struct arena arena;
    struct team *team;
    struct ppo ppo;
    struct rollout rollout;
    struct vecenv envs;
    struct vecenv eval_envs;
    struct normaliser normaliser;
    struct reward_normaliser rewards;
    struct infer greedy;
    struct rng *action_streams; /* [N] */
    float *actor;               /* parameters for saving and evaluation */
    float *critic;
    float *eval_obs; /* [E][D] */
    float *eval_next;
    float *eval_final;
    float *eval_logits;
    float *eval_numbers; /* [2][E] rewards, costs */
    unsigned char *eval_masks;
    unsigned char *eval_ends; /* [2][E] */
    int32_t *eval_actions;
    int *eval_left; /* [E] episodes still wanted of a copy */
    int eval_copies;
    struct train_counters now;
    struct run_files files;
    struct buf block;       /* checkpoint under construction */
    double started_s;       /* monotonic, minus what earlier processes spent */
    double checkpoint_at_s; /* monotonic time of the last checkpoint */
    long long checkpoint_steps;
    double row_env_s; /* wall time that the environments had had at the last row */
};

/* train_state.c */
MUST_CHECK bool train_checkpoint_write(struct train *t, struct err *e);
MUST_CHECK bool train_checkpoint_apply(struct train *t, const struct checkpoint *c, struct err *e);
/* Reads and parses folder/checkpoint; bytes owns the block. title holds the path, RUN_PATH bytes. */
MUST_CHECK bool train_checkpoint_read(const char *folder, char *title, struct buf *bytes, struct checkpoint *c,
                                      struct err *e);

/* train_rows.c */
double train_elapsed_s(const struct train *t);
void train_rows_begin(struct train *t); /* heads of the files */
MUST_CHECK bool train_note_steps(struct train *t, struct err *e);
MUST_CHECK bool train_note_episodes(struct train *t, struct err *e);
MUST_CHECK bool train_row(struct train *t, struct err *e);
void train_progress_now(const struct train *t, struct train_progress *out);

/* train_evaluate.c */
void train_evaluate_carve(struct train *t, struct arena *arena);
MUST_CHECK bool train_evaluate(struct train *t, struct err *e); /* fills now.last, updates now.best */
MUST_CHECK bool train_save_as(struct train *t, const char *name, const struct train_evaluation *evaluation,
                              struct err *e);

#endif
