/* train: the loop. In: a setup. Out: a trained policy and its run folder. Collects, prices costs, normalises, computes
 * advantages, logs, updates, evaluates, checkpoints; the arithmetic of each is elsewhere, and nothing here prints. */
#include "train_run.h"

#include <maestro/clock.h>
#include <maestro/file.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(name, type, fallback, low, high, unit, text)                                                               \
    {                                                                                                                  \
#name, type, offsetof(struct train_config, name), fallback, low, high, unit, NULL, text                        \
    }

const struct config_key train_config_keys[] = {
    ROW(total_timesteps, CONFIG_LONG, "1000000", 1, 1e12, NULL,
        "Environment steps of all copies together; the last rollout is finished."),
    ROW(seed, CONFIG_LONG, "0", 0, 1e15, NULL, "Every random stream of the run derives from it."),
    ROW(threads, CONFIG_INT, "2", 1, TEAM_LIMIT, NULL, "Threads; the result does not depend on it."),
    ROW(out, CONFIG_STRING, "", 0, 0, NULL, "Folder of the run, created; one that exists is refused."),
    ROW(init, CONFIG_STRING, "", 0, 0, NULL,
        "Policy file whose networks and normalisation are learnt on from; empty: fresh weights."),
    ROW(log_interval, CONFIG_INT, "1", 1, 1e6, NULL, "Rollouts per row of progress.csv."),
    ROW(eval_freq, CONFIG_LONG, "50000", 0, 1e12, NULL, "Steps between evaluations; 0: only at the end."),
    ROW(eval_episodes, CONFIG_INT, "16", 0, 100000, NULL, "Episodes of an evaluation; 0: never evaluate."),
    ROW(checkpoint_interval_s, CONFIG_DOUBLE, "10", 0, 1e9, "s", "Time between checkpoints; 0: after every update."),
    ROW(normalize_obs, CONFIG_BOOL, "true", 0, 0, NULL, "Normalise observations by running moments."),
    ROW(clip_obs, CONFIG_DOUBLE, "10", 1e-3, 1e6, NULL, "Bound of normalised observations."),
    ROW(normalize_reward, CONFIG_BOOL, "false", 0, 0, NULL, "Divide rewards by the deviation of the return."),
    ROW(clip_reward, CONFIG_DOUBLE, "10", 1e-3, 1e6, NULL, "Bound of normalised rewards."),
    ROW(steps_csv, CONFIG_BOOL, "false", 0, 0, NULL,
        "Write steps.csv: signals, action, replicas and reward of every step, some 200 bytes each."),
    ROW(deterministic_times, CONFIG_BOOL, "false", 0, 0, NULL,
        "A step takes a millisecond in all files, so that equal runs give equal bytes."),
};
const int train_config_keys_count = (int)(sizeof train_config_keys / sizeof *train_config_keys);

static void carve(struct train *t, struct arena *arena)
{
    const struct ppo_config *c = &t->setup.ppo;
    const struct env_spec *spec = &t->setup.env->spec;
    t->rollout.n_steps = c->n_steps;
    t->rollout.n_envs = c->n_envs;
    t->rollout.obs_dim = spec->obs_dim;
    t->rollout.n_actions = spec->n_actions;
    ppo_carve(&t->ppo, c, spec->obs_dim, spec->n_actions, arena);
    rollout_carve(&t->rollout, arena);
    vecenv_carve(&t->envs, t->setup.env, c->n_envs, arena);
    normaliser_carve(&t->normaliser, spec->obs_dim, arena);
    reward_normaliser_carve(&t->rewards, c->n_envs, arena);
    t->action_streams = arena_take(arena, (size_t)c->n_envs, sizeof *t->action_streams);
    train_evaluate_carve(t, arena);
}

static bool allocate(struct train *t, struct err *e)
{
    struct arena plan = {0};
    carve(t, &plan);
    if (!arena_init(&t->arena, plan.used, e) || !team_open(t->setup.config.threads, &t->team, e))
        return false;
    carve(t, &t->arena);
    t->ppo.team = t->team;
    t->envs.team = t->team;
    t->eval_envs.team = t->team;
    return run_files_init(&t->files, t->setup.config.out, t->setup.steps != NULL, e);
}

/* The observations that the next rollout begins with stand in row 0, normalised with moments that know them. */
static bool first_look(struct train *t, struct err *e)
{
    if (!vecenv_init(&t->envs, (uint64_t)t->setup.config.seed, 0, t->rollout.obs, t->rollout.masks, e))
        return false;
    normaliser_update(&t->normaliser, t->rollout.obs, t->rollout.n_envs);
    normaliser_apply(&t->normaliser, t->rollout.obs, t->rollout.n_envs);
    return true;
}

static bool begin_afresh(struct train *t, struct err *e)
{
    uint64_t seed = (uint64_t)t->setup.config.seed;
    char path[RUN_PATH];
    for (int i = 0; i < t->rollout.n_envs; i++)
        rng_init(&t->action_streams[i], seed, STREAM_ACTIONS + (uint64_t)i);
    lagrange_init(&t->now.lagrange, &t->setup.slo);
    t->now.best.mean_reward = (double)NAN;
    t->now.last.mean_reward = (double)NAN;
    t->started_s = clock_monotonic_s();
    if (!first_look(t, e) || !run_files_create(&t->files, t->setup.config.deterministic_times, e))
        return false;
    run_path(path, t->setup.config.out, "config.yaml");
    train_rows_begin(t);
    return file_write_atomic(path, t->setup.config_text, strlen(t->setup.config_text), e) &&
           train_checkpoint_write(t, e);
}

/* The kernel of the checkpoint is used again: the same bytes are promised per kernel. */
static bool adopt_kernel(struct train *t, const struct checkpoint *c, struct err *e)
{
    const struct checkpoint_part *kernel = checkpoint_find(c, "kernel");
    if (!kernel || kernel->n == 0 || kernel->n > sizeof t->setup.ppo.kernel || kernel->bytes[kernel->n - 1] != '\0')
        return err_set(e, ERR_FORMAT, "%s: checkpoint has no part \"kernel\"", c->title);
    memcpy(t->setup.ppo.kernel, kernel->bytes, kernel->n);
    return true;
}

static bool check_config(const struct train *t, const struct checkpoint *c, struct err *e)
{
    const struct checkpoint_part *text = checkpoint_find(c, "config");
    size_t n = strlen(t->setup.config_text) + 1;
    if (text && text->n == n && memcmp(text->bytes, t->setup.config_text, n) == 0)
        return true;
    return err_set(e, ERR_USAGE, "%s: belongs to other settings than these", c->title);
}

static bool prepare(struct train *t, struct err *e)
{
    const struct env_spec *spec = &t->setup.env->spec;
    if (!ppo_config_check(&t->setup.ppo, spec->obs_dim, spec->n_actions, e) || !allocate(t, e) ||
        !ppo_init(&t->ppo, (uint64_t)t->setup.config.seed, e))
        return false;
    normaliser_init(&t->normaliser, t->setup.config.normalize_obs, t->setup.config.clip_obs);
    reward_normaliser_init(&t->rewards, t->setup.config.normalize_reward, t->setup.ppo.gamma,
                           t->setup.config.clip_reward);
    return true;
}

static bool same_shape(const struct mlp_shape *a, const struct mlp_shape *b)
{
    bool same =
        a->n_in == b->n_in && a->n_out == b->n_out && a->n_hidden == b->n_hidden && a->activation == b->activation;
    for (int i = 0; same && i < a->n_hidden; i++)
        same = a->hidden[i] == b->hidden[i];
    return same;
}

static bool adopt_initial(struct train *t, const struct train_initial *from, struct err *e)
{
    struct normaliser *n = &t->normaliser;
    if (!same_shape(from->actor_shape, &t->ppo.actor_shape) || !same_shape(from->critic_shape, &t->ppo.critic_shape))
        return err_set(e, ERR_USAGE,
                       "%.200s: its layers are not those of ppo.net_arch_pi, ppo.net_arch_vf and ppo.activation_fn",
                       t->setup.config.init);
    ppo_parameters_set(&t->ppo, from->actor, from->critic);
    *n->count = from->obs_count;
    for (int k = 0; k < n->dim; k++) {
        n->mean[k] = (double)from->obs_mean[k];
        n->var[k] = (double)from->obs_var[k];
        n->low[k] = (double)from->obs_low[k];
        n->high[k] = (double)from->obs_high[k];
    }
    return true;
}

static bool begin_again(struct train *t, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    char title[RUN_PATH];
    struct checkpoint c;
    if (!train_checkpoint_read(t->setup.config.out, title, &bytes, &c, e) || !check_config(t, &c, e) ||
        !adopt_kernel(t, &c, e) || !prepare(t, e) || !train_checkpoint_apply(t, &c, e) ||
        !file_sweep(t->setup.config.out, e))
        return false;
    t->started_s = clock_monotonic_s() - t->now.elapsed_s;
    t->checkpoint_at_s = clock_monotonic_s();
    return train_checkpoint_write(t, e); // grows the block to its size before the loop
}

bool train_open(const struct train_setup *setup, struct train **out, struct err *e)
{
    struct train *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_IO, "out of memory");
    t->setup = *setup;
    if (!t->setup.save)
        t->setup.save = train_save;
    bool done = setup->resume
                    ? begin_again(t, e)
                    : prepare(t, e) && (!setup->initial || adopt_initial(t, setup->initial, e)) && begin_afresh(t, e);
    if (!done) {
        train_close(t);
        return false;
    }
    *out = t;
    return true;
}

void train_close(struct train *t)
{
    if (!t)
        return;
    team_close(t->team);
    run_files_finish(&t->files);
    buf_finish(&t->block);
    arena_finish(&t->arena);
    free(t);
}

static struct vecenv_slices slices_of(struct rollout *r, int step)
{
    size_t row = (size_t)step * (size_t)r->n_envs;
    size_t next = row + (size_t)r->n_envs;
    size_t d = (size_t)r->obs_dim;
    return (struct vecenv_slices){.actions = r->actions + row,
                                  .rewards = r->rewards + row,
                                  .costs = r->costs + row,
                                  .terminated = r->terminated + row,
                                  .truncated = r->truncated + row,
                                  .final_obs = r->final_obs + row * d,
                                  .next_obs = r->obs + next * d,
                                  .next_masks = r->masks + next * (size_t)r->n_actions};
}

/* As VecNormalize: moments learn the new observations first, then scale them and the final ones of ended episodes. */
static void normalise_step(struct train *t, const struct vecenv_slices *s)
{
    int n = t->rollout.n_envs;
    normaliser_update(&t->normaliser, s->next_obs, n);
    normaliser_apply(&t->normaliser, s->next_obs, n);
    for (int i = 0; i < n; i++) {
        if (s->terminated[i] || s->truncated[i])
            normaliser_apply(&t->normaliser, s->final_obs + (size_t)i * (size_t)t->rollout.obs_dim, 1);
    }
}

static bool collect(struct train *t, struct err *e)
{
    struct rollout *r = &t->rollout;
    int n = r->n_envs;
    for (int step = 0; step < r->n_steps; step++) {
        size_t row = (size_t)step * (size_t)n;
        struct vecenv_slices s = slices_of(r, step);
        ppo_act(&t->ppo, r->obs + row * (size_t)r->obs_dim, r->masks + row * (size_t)r->n_actions, n, t->action_streams,
                r->actions + row, r->log_probs + row);
        if (!vecenv_step(&t->envs, &s, e))
            return err_wrap(e, "step %lld", t->now.steps);
        t->now.steps += n;
        normalise_step(t, &s);
        if (!train_note_steps(t, e) || !train_note_episodes(t, e))
            return false;
    }
    t->now.rollouts++;
    return true;
}

/* Rewards as the update sees them: the multiplier's price taken off, then scaled. Notes the mean cost. */
static void price(struct train *t)
{
    struct rollout *r = &t->rollout;
    size_t n = (size_t)r->n_envs;
    size_t total = n * (size_t)r->n_steps;
    double cost = 0;
    for (size_t i = 0; i < total; i++)
        cost += (double)r->costs[i];
    t->now.update_cost = cost / (double)total;
    t->now.update_lambda = t->now.lagrange.lambda;
    lagrange_shape(&t->now.lagrange, &t->setup.slo, r->rewards, r->costs, total);
    for (size_t row = 0; row < total; row += n)
        reward_normaliser_step(&t->rewards, r->rewards + row, r->terminated + row, r->truncated + row);
}

static bool update(struct train *t, struct err *e)
{
    double remaining = 1.0 - (double)t->now.steps / (double)t->setup.config.total_timesteps;
    if (!ppo_update(&t->ppo, &t->rollout, remaining > 0.0 ? remaining : 0.0, NULL, &t->now.stats, e))
        return false;
    t->now.has_update = true;
    lagrange_update(&t->now.lagrange, &t->setup.slo, t->now.update_cost);
    struct rollout *r = &t->rollout;
    size_t rows = (size_t)r->n_steps * (size_t)r->n_envs;
    size_t d = (size_t)r->obs_dim;
    memcpy(r->obs, r->obs + rows * d, (size_t)r->n_envs * d * sizeof *r->obs);
    memcpy(r->masks, r->masks + rows * (size_t)r->n_actions, (size_t)r->n_envs * (size_t)r->n_actions);
    return true;
}

static bool evaluation_is_due(const struct train *t)
{
    long long every = t->setup.config.eval_freq;
    return every > 0 && t->now.steps / every > t->now.evaluated_at / every;
}

static bool checkpoint_is_due(const struct train *t)
{
    return clock_monotonic_s() - t->checkpoint_at_s >= t->setup.config.checkpoint_interval_s;
}

/* Everything between two checkpoints. */
static bool advance(struct train *t, struct err *e)
{
    struct train_progress now;
    if (!collect(t, e))
        return false;
    price(t);
    ppo_values(&t->ppo, &t->rollout);
    ppo_advantages(&t->ppo, &t->rollout);
    if (t->setup.on_rollout) {
        train_progress_now(t, &now);
        t->setup.on_rollout(t->setup.arg, &now);
    }
    if (t->now.rollouts % t->setup.config.log_interval == 0 && !train_row(t, e))
        return false;
    if (!update(t, e))
        return err_wrap(e, "update after step %lld", t->now.steps);
    return !evaluation_is_due(t) || train_evaluate(t, e);
}

/* What a run that ends in the middle leaves behind. */
static void tell_what_is_kept(const struct train *t, struct err *e)
{
    const char *run = t->setup.config.out;
    struct err why = *e;
    if (e->code == ERR_NUMERIC)
        err_set(e, ERR_NUMERIC, "%.300s; the last good checkpoint is that of step %lld in %.120s", why.message,
                t->checkpoint_steps, run);
    else if (e->code == ERR_INTERRUPTED)
        err_set(e, ERR_INTERRUPTED, "stopped while waiting, the update at work is lost; go on with --resume %.200s",
                run);
}

bool train_step(struct train *t, bool *done, struct err *e)
{
    if (!advance(t, e)) {
        if (e)
            tell_what_is_kept(t, e);
        return false;
    }
    *done = t->now.steps >= t->setup.config.total_timesteps;
    return !checkpoint_is_due(t) || train_checkpoint_write(t, e);
}

bool train_finish(struct train *t, struct err *e)
{
    if (t->now.evaluated_at != t->now.steps && !train_evaluate(t, e))
        return false;
    if (!train_row(t, e) || !train_save_as(t, "final.safetensors", &t->now.last, e))
        return false;
    t->now.finished = true;
    return train_checkpoint_write(t, e);
}

static bool interrupted(struct train *t, struct err *e)
{
    if (!train_checkpoint_write(t, e))
        return false;
    return err_set(e, ERR_INTERRUPTED, "stopped at step %lld of %lld; go on with --resume %.200s", t->now.steps,
                   t->setup.config.total_timesteps, t->setup.config.out);
}

bool train_run(struct train *t, struct err *e)
{
    bool done = t->now.steps >= t->setup.config.total_timesteps;
    if (t->now.finished)
        return true;
    while (!done) {
        if (t->setup.stop && *t->setup.stop)
            return interrupted(t, e);
        if (!train_step(t, &done, e))
            return false;
    }
    return train_finish(t, e);
}

long long train_steps(const struct train *t)
{
    return t->now.steps;
}

const struct train_evaluation *train_best(const struct train *t)
{
    return &t->now.best;
}
