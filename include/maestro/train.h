/* train: a whole training run as steps: collect, price, advantages, log, update, evaluate, checkpoint. In: an environment
 * and settings. Out: a run folder:
 *
 *   config.yaml          effective settings, as given
 *   progress.csv         Stable-Baselines3's columns and ours, a row a rollout (a row's train/ values belong to the update
 *                        before it, as there); one more row at the end holds the last update and evaluation
 *   monitor.csv          an episode a row: r,l,t and slo_violation, replicas_mean, scale_actions, reward_true
 *   events.out.tfevents* the same as progress.csv for TensorBoard
 *   steps.csv            with train.steps_csv, a step a row: steps.h
 *   checkpoint           everything needed to go on; replaced as a whole
 *   best.safetensors     policy of the best evaluation so far; final.safetensors: of the end
 *
 * Same seed, same kernel: same files for any number of threads, resumed or not (times aside; none with
 * deterministic_times). Between open and the end of the run nothing is allocated but what save allocates. */
#ifndef MAESTRO_TRAIN_H
#define MAESTRO_TRAIN_H

#include <maestro/config.h>
#include <maestro/csv.h>
#include <maestro/env.h>
#include <maestro/lagrange.h>
#include <maestro/normalise.h>
#include <maestro/ppo.h>
#include <maestro/steps.h>
#include <signal.h>

/* Section "train". */
struct train_config {
    long long total_timesteps; /* of all copies together; the last rollout is finished */
    long long seed;
    int threads;
    char out[CONFIG_TEXT];        /* the run folder */
    char init[CONFIG_TEXT];       /* policy file to start from, read by who opens the run; "": fresh weights */
    int log_interval;             /* rollouts per row of progress.csv */
    long long eval_freq;          /* steps between evaluations; 0: only at the end */
    int eval_episodes;            /* 0: never */
    double checkpoint_interval_s; /* 0: after every update */
    bool normalize_obs;
    double clip_obs;
    bool normalize_reward;
    double clip_reward;
    bool steps_csv; /* read by who opens the environment, whose on_step feeds setup's steps */
    bool deterministic_times;
};
extern const struct config_key train_config_keys[];
extern const int train_config_keys_count;
/* Keys that may differ between a run and its resumption, for config_difference. */
#define TRAIN_FREE_KEYS "train.out,train.threads,train.checkpoint_interval_s"

#define TRAIN_EXTRAS 4 /* columns of monitor.csv behind r,l,t */
extern const char *const train_extras[TRAIN_EXTRAS];

/* Greedy, on copies and streams of its own, the same episodes every time. */
struct train_evaluation {
    double mean_reward; /* per episode; NaN: not evaluated */
    double mean_length;
    double mean_cost;            /* per step */
    double extras[TRAIN_EXTRAS]; /* means over episodes */
};

/* A policy to be saved; everything is borrowed for the call. */
struct train_policy {
    const struct ppo *ppo; /* shapes, settings */
    const float *actor;    /* mlp.h layout */
    const float *critic;
    const struct normaliser *normaliser;
    const char *training_text; /* setup's policy_text */
    long long seed;
    long long steps;
    struct train_evaluation evaluation;
};

/* A row of progress.csv as it was written. */
struct train_progress {
    long long steps, total;
    double steps_per_s; /* since the last row */
    double reward_mean; /* last 100 episodes; NaN: none yet */
    int n;              /* columns */
    const char *const *names;
    const struct csv_cell *cells;
};

/* Where learning goes on from, instead of fresh weights. Other shapes than the setup's are refused (ERR_USAGE). */
struct train_initial {
    const struct mlp_shape *actor_shape, *critic_shape;
    const float *actor, *critic;                          /* mlp.h layout */
    const float *obs_mean, *obs_var, *obs_low, *obs_high; /* [D] */
    double obs_count; /* observations behind the moments: how slowly new ones move them */
};

struct train_setup {
    const struct env *env;     /* borrowed for the run */
    const struct steps *steps; /* fed by env, borrowed; NULL: no steps.csv */
    struct train_config config;
    struct ppo_config ppo;
    struct lagrange_config slo;
    const char *config_text;             /* borrowed; becomes config.yaml and stands in the checkpoint */
    const char *policy_text;             /* borrowed; settings for the policy file: without folder and threads */
    bool resume;                         /* go on from config.out's checkpoint; its folder's lock is the caller's */
    const struct train_initial *initial; /* read while opening a fresh run; NULL: none */
    const volatile sig_atomic_t *stop;   /* not NULL and not 0: finish the update, write everything, ERR_INTERRUPTED */
    bool (*save)(void *arg, const char *path, const struct train_policy *policy, struct err *e); /* NULL: train_save */
    void (*on_row)(void *arg, const struct train_progress *row);                                 /* NULL: none */
    void (*on_rollout)(void *arg, const struct train_progress *row); /* after each rollout; n = 0; NULL: none */
    void *arg;                                                       /* of the three */
};

struct train; /* opaque: owns memory, threads */

/* Creates and locks the run folder (one that exists is ERR_USAGE) or resumes; allocates everything; writes the first checkpoint. */
MUST_CHECK bool train_open(const struct train_setup *setup, struct train **out, struct err *e);

/* One rollout and update with all that belongs to it. done: total_timesteps are reached. */
MUST_CHECK bool train_step(struct train *t, bool *done, struct err *e);

/* Evaluates, writes the last row, final.safetensors and the last checkpoint. */
MUST_CHECK bool train_finish(struct train *t, struct err *e);

/* train_step until done, then train_finish. ERR_INTERRUPTED: stopped, everything saved; ERR_NUMERIC names step, term and
 * the last good checkpoint. */
MUST_CHECK bool train_run(struct train *t, struct err *e);
void train_close(struct train *t); /* accepts NULL */

long long train_steps(const struct train *t);
const struct train_evaluation *train_best(const struct train *t); /* NaN where there was none */

/* The settings with which the run in folder was started, from its checkpoint; appended to out. */
MUST_CHECK bool train_resume_text(const char *folder, struct buf *out, struct err *e);

/* The default save: weights under actor.I and critic.I, obs_mean, obs_var, obs_low, obs_high, metadata. */
MUST_CHECK bool train_save(void *arg, const char *path, const struct train_policy *policy, struct err *e);

#endif
