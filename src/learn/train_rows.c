/* train_rows: what a run tells about itself: rows of progress.csv and the same as TensorBoard scalars, an episode a row
 * of monitor.csv, and a step a row of steps.csv. In: the counters and the last step's ended episodes. Out: text in the run's buffers. */
#include "train_run.h"

#include <maestro/clock.h>
#include <maestro/tfevents.h>

#include <math.h>

const char *const train_extras[TRAIN_EXTRAS] = {"slo_violation", "replicas_mean", "scale_actions", "reward_true"};

enum column {
    ITERATIONS,
    EP_REW_MEAN,
    EP_LEN_MEAN,
    SLO_VIOLATION,
    REPLICAS_MEAN,
    SCALE_ACTIONS,
    REWARD_TRUE,
    FPS,
    FPS_WINDOW,
    ENV_SHARE,
    TIME_ELAPSED,
    TOTAL_TIMESTEPS,
    LEARNING_RATE,
    ENTROPY_LOSS,
    POLICY_GRADIENT_LOSS,
    VALUE_LOSS,
    APPROX_KL,
    CLIP_FRACTION,
    LOSS,
    EXPLAINED_VARIANCE,
    N_UPDATES,
    CLIP_RANGE,
    CLIP_RANGE_VF,
    GRAD_NORM,
    LAGRANGE_MULTIPLIER,
    COST_MEAN,
    EVAL_REWARD,
    EVAL_LENGTH,
    EVAL_COST,
    EVAL_REWARD_TRUE,
    COLUMN_COUNT
};

static const char *const NAMES[COLUMN_COUNT] = {
    [ITERATIONS] = "time/iterations",
    [EP_REW_MEAN] = "rollout/ep_rew_mean",
    [EP_LEN_MEAN] = "rollout/ep_len_mean",
    [SLO_VIOLATION] = "rollout/slo_violation",
    [REPLICAS_MEAN] = "rollout/replicas_mean",
    [SCALE_ACTIONS] = "rollout/scale_actions",
    [REWARD_TRUE] = "rollout/reward_true",
    [FPS] = "time/fps",
    [FPS_WINDOW] = "time/fps_window",
    [ENV_SHARE] = "time/env_share",
    [TIME_ELAPSED] = "time/time_elapsed",
    [TOTAL_TIMESTEPS] = "time/total_timesteps",
    [LEARNING_RATE] = "train/learning_rate",
    [ENTROPY_LOSS] = "train/entropy_loss",
    [POLICY_GRADIENT_LOSS] = "train/policy_gradient_loss",
    [VALUE_LOSS] = "train/value_loss",
    [APPROX_KL] = "train/approx_kl",
    [CLIP_FRACTION] = "train/clip_fraction",
    [LOSS] = "train/loss",
    [EXPLAINED_VARIANCE] = "train/explained_variance",
    [N_UPDATES] = "train/n_updates",
    [CLIP_RANGE] = "train/clip_range",
    [CLIP_RANGE_VF] = "train/clip_range_vf",
    [GRAD_NORM] = "train/grad_norm",
    [LAGRANGE_MULTIPLIER] = "train/lagrange_multiplier",
    [COST_MEAN] = "train/cost_mean",
    [EVAL_REWARD] = "eval/mean_reward",
    [EVAL_LENGTH] = "eval/mean_ep_length",
    [EVAL_COST] = "eval/mean_cost",
    [EVAL_REWARD_TRUE] = "eval/reward_true",
};

/* Stable-Baselines3 keeps these out of TensorBoard: they are its axes. */
static bool is_axis(int column)
{
    return column == ITERATIONS || column == TIME_ELAPSED || column == TOTAL_TIMESTEPS || column == N_UPDATES;
}

/* The clock of a run goes on where the killed one's checkpoint stopped; without real times a step takes a millisecond. */
double train_elapsed_s(const struct train *t)
{
    if (t->setup.config.deterministic_times)
        return (double)t->now.steps * 1e-3;
    return clock_monotonic_s() - t->started_s;
}

static double wall_s(const struct train *t)
{
    return t->setup.config.deterministic_times ? train_elapsed_s(t) : clock_wall_s();
}

void train_rows_begin(struct train *t)
{
    csv_header(&t->files.pending[RUN_PROGRESS], NAMES, COLUMN_COUNT, CSV_LF);
    csv_monitor_head(&t->files.pending[RUN_MONITOR], t->files.marks.t_start_s, t->setup.env->spec.id, train_extras,
                     TRAIN_EXTRAS);
    tfevents_head(&t->files.pending[RUN_EVENTS], wall_s(t));
    if (t->setup.steps)
        steps_head(&t->files.pending[RUN_STEPS]);
}

bool train_note_steps(struct train *t, struct err *e)
{
    for (int i = 0; t->setup.steps && i < t->envs.n_envs; i++) {
        steps_row(t->setup.steps, i, &t->files.pending[RUN_STEPS]);
        if (!run_files_relieve(&t->files, RUN_STEPS, e))
            return false;
    }
    return true;
}

bool train_note_episodes(struct train *t, struct err *e)
{
    double elapsed_s = train_elapsed_s(t);
    for (int i = 0; i < t->envs.n_envs; i++) {
        const struct vecenv_episode *p = &t->envs.episodes[i];
        if (!p->ended)
            continue;
        struct train_episode *slot = &t->now.window[t->now.episodes++ % TRAIN_WINDOW];
        *slot = (struct train_episode){
            .reward = p->ended_sum,
            .length = (double)p->ended_length,
            .extras = {p->extra.slo_violation, p->extra.replicas_mean, p->extra.scale_actions, p->extra.reward_true}};
        csv_monitor_row(&t->files.pending[RUN_MONITOR], p->ended_sum, p->ended_length, elapsed_s, slot->extras,
                        TRAIN_EXTRAS);
        if (!run_files_relieve(&t->files, RUN_MONITOR, e))
            return false;
    }
    return true;
}

static struct csv_cell whole(double value)
{
    return (struct csv_cell){CSV_WHOLE, floor(value)};
}

/* NaN leaves the cell empty. */
static struct csv_cell real(double value)
{
    return (struct csv_cell){isnan(value) ? CSV_EMPTY : CSV_REAL, value};
}

static int window_size(const struct train *t)
{
    return t->now.episodes < TRAIN_WINDOW ? (int)t->now.episodes : TRAIN_WINDOW;
}

static void fill_rollout(const struct train *t, struct csv_cell *cells)
{
    int n = window_size(t);
    double reward = 0;
    double length = 0;
    double extras[TRAIN_EXTRAS] = {0};
    for (int i = 0; i < n; i++) {
        reward += t->now.window[i].reward;
        length += t->now.window[i].length;
        for (int k = 0; k < TRAIN_EXTRAS; k++)
            extras[k] += t->now.window[i].extras[k];
    }
    cells[EP_REW_MEAN] = real(reward / n); // no episode yet: 0 / 0
    cells[EP_LEN_MEAN] = real(length / n);
    for (int k = 0; k < TRAIN_EXTRAS; k++)
        cells[SLO_VIOLATION + k] = real(extras[k] / n);
}

/* Wall time of the environments, those of evaluations too. */
static double env_s(const struct train *t)
{
    return t->envs.spent_s + t->eval_envs.spent_s;
}

static void fill_time(const struct train *t, double elapsed_s, struct csv_cell *cells)
{
    double window_s = elapsed_s - t->now.row_elapsed_s;
    cells[ITERATIONS] = whole((double)t->now.rollouts);
    cells[FPS] = whole((double)t->now.steps / fmax(elapsed_s, 1e-9));
    cells[FPS_WINDOW] = window_s > 0.0 && t->now.steps > t->now.row_steps
                            ? whole((double)(t->now.steps - t->now.row_steps) / window_s)
                            : (struct csv_cell){CSV_EMPTY, 0};
    if (window_s > 0.0 && !t->setup.config.deterministic_times)
        cells[ENV_SHARE] = real((env_s(t) - t->row_env_s) / window_s);
    cells[TIME_ELAPSED] = whole(elapsed_s);
    cells[TOTAL_TIMESTEPS] = whole((double)t->now.steps);
}

static void fill_update(const struct train *t, struct csv_cell *cells)
{
    const struct ppo_stats *s = &t->now.stats;
    if (!t->now.has_update)
        return;
    cells[LEARNING_RATE] = real(s->learning_rate);
    cells[ENTROPY_LOSS] = real(s->entropy_loss);
    cells[POLICY_GRADIENT_LOSS] = real(s->policy_gradient_loss);
    cells[VALUE_LOSS] = real(s->value_loss);
    cells[APPROX_KL] = real(s->approx_kl);
    cells[CLIP_FRACTION] = real(s->clip_fraction);
    cells[LOSS] = real(s->loss);
    cells[EXPLAINED_VARIANCE] = real(s->explained_variance);
    cells[N_UPDATES] = whole((double)s->n_updates);
    cells[CLIP_RANGE] = real(s->clip_range);
    cells[CLIP_RANGE_VF] = real(s->clip_range_vf);
    cells[GRAD_NORM] = real(s->grad_norm_mean);
    cells[LAGRANGE_MULTIPLIER] = real(t->now.update_lambda);
    cells[COST_MEAN] = real(t->now.update_cost);
}

static void fill_evaluation(const struct train *t, struct csv_cell *cells)
{
    if (!t->now.last_is_new)
        return;
    cells[EVAL_REWARD] = real(t->now.last.mean_reward);
    cells[EVAL_LENGTH] = real(t->now.last.mean_length);
    cells[EVAL_COST] = real(t->now.last.mean_cost);
    cells[EVAL_REWARD_TRUE] = real(t->now.last.extras[TRAIN_EXTRAS - 1]);
}

static void write_scalars(struct train *t, const struct csv_cell *cells)
{
    struct tfevents_scalar scalars[COLUMN_COUNT];
    int n = 0;
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (cells[i].kind != CSV_EMPTY && !is_axis(i))
            scalars[n++] = (struct tfevents_scalar){NAMES[i], (float)cells[i].value};
    }
    tfevents_scalars(&t->files.pending[RUN_EVENTS], wall_s(t), t->now.steps, scalars, n);
}

void train_progress_now(const struct train *t, struct train_progress *out)
{
    struct csv_cell cells[COLUMN_COUNT] = {0};
    double window_s = train_elapsed_s(t) - t->now.row_elapsed_s;
    fill_rollout(t, cells);
    *out = (struct train_progress){
        .steps = t->now.steps,
        .total = t->setup.config.total_timesteps,
        .steps_per_s = window_s > 0.0 ? (double)(t->now.steps - t->now.row_steps) / window_s : 0.0,
        .reward_mean = cells[EP_REW_MEAN].kind == CSV_REAL ? cells[EP_REW_MEAN].value : (double)NAN};
}

bool train_row(struct train *t, struct err *e)
{
    struct csv_cell cells[COLUMN_COUNT] = {0};
    struct train_progress row;
    double elapsed_s = train_elapsed_s(t);
    fill_rollout(t, cells);
    fill_time(t, elapsed_s, cells);
    fill_update(t, cells);
    fill_evaluation(t, cells);
    csv_row(&t->files.pending[RUN_PROGRESS], cells, COLUMN_COUNT, CSV_LF);
    write_scalars(t, cells);
    train_progress_now(t, &row);
    row.n = COLUMN_COUNT;
    row.names = NAMES;
    row.cells = cells;
    t->now.last_is_new = false;
    t->now.row_elapsed_s = elapsed_s;
    t->row_env_s = env_s(t);
    t->now.row_steps = t->now.steps;
    if (t->setup.on_row)
        t->setup.on_row(t->setup.arg, &row);
    return run_files_flush(&t->files, false, e);
}
