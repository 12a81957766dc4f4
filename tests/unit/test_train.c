/* train: the run folder is what its readers expect, and bad days end in a sentence, never in a lost checkpoint: folders that
 * exist or do not, foreign and cut checkpoints, other settings, numbers that are not finite, a disk that is full, signals. */
#include "../learn/cartpole_run.h"
#include "../learn/run_compare.h"

#include <maestro/checkpoint.h>
#include <maestro/safetensors.h>

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "suite.h"

enum { STEPS = 4096 };

static char folder[512];

static void begin(struct cartpole_run *run)
{
    cartpole_folder(folder, "train");
    cartpole_run_defaults(run, folder);
    run->setup.ppo.n_envs = 4;
    run->setup.ppo.n_steps = 128;
    run->setup.ppo.n_epochs = 2;
    run->setup.config.total_timesteps = STEPS;
    run->setup.config.normalize_obs = true;
    run->setup.config.eval_episodes = 8;
    run->setup.config.eval_freq = 1024;
    run->setup.config.checkpoint_interval_s = 0;
}

static bool run_all(struct cartpole_run *run, struct err *e)
{
    struct train *t = NULL;
    bool done = train_open(&run->setup, &t, e) && train_run(t, e);
    train_close(t);
    return done;
}

static void must_say(const struct err *e, enum err_code code, const char *part)
{
    ck_assert_int_eq(e->code, code);
    ck_assert_msg(strstr(e->message, part) != NULL, "\"%s\" does not say \"%s\"", e->message, part);
}

/* The rules of stable_baselines3.common.monitor.load_results, read in its source: first byte '#', JSON with t_start behind
 * it, then a table with r, l and t. */
START_TEST(monitor_is_what_load_results_reads)
{
    struct cartpole_run run;
    struct err e = {0};
    struct csv monitor = {0};
    char path[600];
    begin(&run);
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    snprintf(path, sizeof path, "%s/monitor.csv", folder);
    ck_assert_msg(csv_read(path, CSV_NUMERIC, &monitor, &e), "%s", e.message);
    ck_assert_str_eq(monitor.comment, "{\"t_start\": 0.0, \"env_id\": \"CartPole-v1\"}");
    static const char *const names[] = {"r",          "l", "t", "slo_violation", "replicas_mean", "scale_actions",
                                        "reward_true"};
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(csv_column(&monitor, names[i]), i);
    double steps = 0;
    for (size_t i = 0; i < monitor.n_rows; i++) {
        ck_assert(csv_value(&monitor, i, 0) == csv_value(&monitor, i, 1)); // a point a step
        ck_assert(i == 0 || csv_value(&monitor, i, 2) >= csv_value(&monitor, i - 1, 2));
        steps += csv_value(&monitor, i, 1);
    }
    ck_assert(steps > STEPS - 4 * 500 && steps <= STEPS);
    csv_finish(&monitor);
    cartpole_remove(folder);
}
END_TEST

START_TEST(progress_has_the_published_columns)
{
    static const char *const names[] = {"time/iterations",          "rollout/ep_rew_mean",
                                        "rollout/ep_len_mean",      "time/fps",
                                        "time/env_share",           "time/time_elapsed",
                                        "time/total_timesteps",     "train/learning_rate",
                                        "train/entropy_loss",       "train/policy_gradient_loss",
                                        "train/value_loss",         "train/approx_kl",
                                        "train/clip_fraction",      "train/loss",
                                        "train/explained_variance", "train/n_updates",
                                        "train/clip_range",         "eval/mean_reward",
                                        "eval/mean_ep_length",      "train/lagrange_multiplier",
                                        "train/cost_mean"};
    struct cartpole_run run;
    struct err e = {0};
    struct csv progress = {0};
    char path[600];
    begin(&run);
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    snprintf(path, sizeof path, "%s/progress.csv", folder);
    ck_assert_msg(csv_read(path, CSV_NUMERIC, &progress, &e), "%s", e.message);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(csv_column(&progress, names[i]) >= 0, "no column %s", names[i]);
    ck_assert_uint_eq(progress.n_rows, STEPS / 512 + 1); // a row a rollout and the last one
    int loss = csv_column(&progress, "train/loss");
    int total = csv_column(&progress, "time/total_timesteps");
    ck_assert(isnan(csv_value(&progress, 0, loss)) && !isnan(csv_value(&progress, 1, loss)));
    ck_assert(csv_value(&progress, 0, total) == 512.0 && csv_value(&progress, progress.n_rows - 1, total) == STEPS);
    csv_finish(&progress);
    cartpole_remove(folder);
}
END_TEST

START_TEST(policy_file_holds_weights_and_moments)
{
    struct cartpole_run run;
    struct err e = {0};
    CLEANUP_BUF struct buf bytes = {0};
    struct safetensors s = {0};
    char path[600];
    float weight[64 * 4];
    double var[4];
    begin(&run);
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    snprintf(path, sizeof path, "%s/final.safetensors", folder);
    ck_assert(file_read(path, 1 << 24, &bytes, &e));
    ck_assert_msg(safetensors_parse(&s, path, bytes.bytes, bytes.len, &e), "%s", e.message);
    ck_assert(safetensors_f32(&s, "actor.0.weight", 2, (size_t[]){64, 4}, weight, &e));
    ck_assert(safetensors_f32(&s, "critic.2.weight", 2, (size_t[]){1, 64}, weight, &e));
    ck_assert(safetensors_f64(&s, "obs_var", 1, (size_t[]){4}, var, &e));
    ck_assert(var[0] > 0.0 && var[0] != 1.0);
    ck_assert_str_eq(safetensors_metadata(&s, "steps"), "4096");
    safetensors_finish(&s);
    cartpole_remove(folder);
}
END_TEST

START_TEST(folder_that_exists_is_refused)
{
    struct cartpole_run run;
    struct err e = {0};
    begin(&run);
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_USAGE, "exists already");
    e = (struct err){0};
    run.setup.resume = true;
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_USAGE, "before its first checkpoint");
    cartpole_remove(folder);
}
END_TEST

START_TEST(folder_that_cannot_be_made_is_named)
{
    struct cartpole_run run;
    struct err e = {0};
    begin(&run);
    snprintf(run.setup.config.out, sizeof run.setup.config.out, "/dev/null/run");
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_IO, "/dev/null");
    e = (struct err){0};
    run.setup.config.out[0] = '\0';
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_USAGE, "train.out");
    e = (struct err){0};
    run.setup.resume = true;
    snprintf(run.setup.config.out, sizeof run.setup.config.out, "/nowhere/run");
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_USAGE, "no such run");
    cartpole_remove(folder);
}
END_TEST

/* Stops after two updates by a flag that was up from the beginning of the third. */
static volatile sig_atomic_t stop;

static void stop_at_1024(void *arg, const struct train_progress *row)
{
    (void)arg;
    stop = row->steps >= 1024;
}

/* An environment in real time, whose waiting is ended by the flag. */
static int steps_left;

static bool step_or_stop(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                         struct env_result *out, struct err *e)
{
    struct env cartpole;
    cartpole_env(&cartpole);
    if (--steps_left < 0)
        return err_set(e, ERR_INTERRUPTED, "stopped while waiting");
    return cartpole.ops->step(env, state, action, obs, mask, out, e);
}

START_TEST(stopped_within_a_rollout_it_says_what_is_kept)
{
    struct cartpole_run run;
    struct err e = {0};
    begin(&run);
    struct env_ops ops = *run.env.ops;
    ops.step = step_or_stop;
    run.env.ops = &ops;
    run.setup.config.eval_episodes = 0;
    steps_left = 600; // a rollout has 512
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_INTERRUPTED, "go on with --resume");
    cartpole_remove(folder);
}
END_TEST

static void interrupt_run(struct cartpole_run *run)
{
    struct err e = {0};
    begin(run);
    stop = 0;
    run->setup.stop = &stop;
    run->setup.on_rollout = stop_at_1024;
    ck_assert(!run_all(run, &e));
    must_say(&e, ERR_INTERRUPTED, "stopped at step 1024 of 4096; go on with --resume");
    run->setup.stop = NULL;
    run->setup.on_rollout = NULL;
    run->setup.resume = true;
}

START_TEST(interrupted_run_goes_on_to_the_same_end)
{
    struct cartpole_run run;
    struct err e = {0};
    char whole[512];
    begin(&run);
    ck_assert(run_all(&run, &e));
    memcpy(whole, folder, sizeof whole);
    interrupt_run(&run);
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    ck_assert_int_eq(run_differences(whole, folder), 0);
    ck_assert_msg(run_all(&run, &e), "%s", e.message); // a finished run has nothing left to do
    ck_assert_int_eq(run_differences(whole, folder), 0);
    cartpole_remove(folder);
    cartpole_remove(whole);
}
END_TEST

/* Writes n bytes of the checkpoint back, one of them flipped if flip is not negative. */
static void damage(size_t keep, long flip)
{
    CLEANUP_BUF struct buf bytes = {0};
    char path[600];
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    ck_assert(file_read(path, 1 << 28, &bytes, NULL));
    if (flip >= 0)
        bytes.bytes[flip] = (char)(bytes.bytes[flip] ^ 4);
    ck_assert(file_write_atomic(path, bytes.bytes, keep < bytes.len ? keep : bytes.len, NULL));
}

START_TEST(damaged_checkpoints_are_refused)
{
    struct cartpole_run run;
    struct err e = {0};
    interrupt_run(&run);
    damage(SIZE_MAX, 5000);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_FORMAT, "checksum does not match");
    damage(1000, -1);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_FORMAT, "truncated?");
    damage(1000, 0);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_FORMAT, "not a checkpoint of maestro");
    cartpole_remove(folder);
}
END_TEST

START_TEST(other_settings_are_refused)
{
    struct cartpole_run run;
    struct err e = {0};
    CLEANUP_BUF struct buf text = {0};
    interrupt_run(&run);
    ck_assert(train_resume_text(folder, &text, &e));
    ck_assert_str_eq(text.bytes, "test: cartpole\n");
    run.setup.config_text = "test: something else\n";
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_USAGE, "belongs to other settings");
    run.setup.config_text = "test: cartpole\n";
    run.setup.ppo.net_arch_pi.v[0] = 32;
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_FORMAT, "part \"ppo\"");
    cartpole_remove(folder);
}
END_TEST

/* A torn or short CSV under a checkpoint that knows more: somebody meddled. */
START_TEST(shortened_csv_is_seen)
{
    struct cartpole_run run;
    struct err e = {0};
    char path[600];
    interrupt_run(&run);
    snprintf(path, sizeof path, "%s/monitor.csv", folder);
    ck_assert_int_eq(truncate(path, 40), 0);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_FORMAT, "monitor.csv: 40 bytes long");
    cartpole_remove(folder);
}
END_TEST

/* CartPole whose reward goes wrong after some steps of a copy. */
static float wrong_reward;
static long long good_steps;
static const struct env_ops *cartpole_ops;

static bool wrong_step(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                       struct env_result *out, struct err *e)
{
    if (!cartpole_ops->step(env, state, action, obs, mask, out, e))
        return false;
    if (good_steps-- <= 0)
        out->reward = wrong_reward;
    return true;
}

static void run_with_reward(float reward, const char *says)
{
    struct cartpole_run run;
    struct err e = {0};
    begin(&run);
    cartpole_ops = run.env.ops;
    struct env_ops ops = *cartpole_ops;
    ops.step = wrong_step;
    run.env.ops = &ops;
    run.setup.config.eval_episodes = 0;
    wrong_reward = reward;
    good_steps = 1500;
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_NUMERIC, says);
    must_say(&e, ERR_NUMERIC, "the last good checkpoint is that of step 1024");
    run.env.ops = cartpole_ops;
    run.setup.resume = true;
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    cartpole_remove(folder);
}

START_TEST(numbers_that_are_not_finite_stop_the_run)
{
    run_with_reward((float)NAN, "a reward, cost or observation is not finite");
    run_with_reward(3e38f, "update after step 1536");
}
END_TEST

/* A file that may not grow stands for a disk that is full: the write fails, the checkpoint before stays whole. */
START_TEST(full_disk_loses_nothing)
{
    struct cartpole_run run;
    struct err e = {0};
    struct rlimit limit;
    char whole[512];
    begin(&run);
    ck_assert(run_all(&run, &e));
    memcpy(whole, folder, sizeof whole);
    interrupt_run(&run);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = 20000; // less than a checkpoint or a policy file
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(!run_all(&run, &e));
    must_say(&e, ERR_IO, "cannot write");
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_msg(run_all(&run, &e), "%s", e.message);
    ck_assert_int_eq(run_differences(whole, folder), 0);
    cartpole_remove(folder);
    cartpole_remove(whole);
}
END_TEST

SUITE("train", monitor_is_what_load_results_reads, progress_has_the_published_columns,
      policy_file_holds_weights_and_moments, folder_that_exists_is_refused, folder_that_cannot_be_made_is_named,
      stopped_within_a_rollout_it_says_what_is_kept, interrupted_run_goes_on_to_the_same_end,
      damaged_checkpoints_are_refused, other_settings_are_refused, shortened_csv_is_seen,
      numbers_that_are_not_finite_stop_the_run, full_disk_loses_nothing)
