/* train: the verb that learns. In: settings, or a run folder to go on with. Out: a run folder; on standard error a bar on a
 * terminal, else Stable-Baselines3's table; on standard output what came of it. */
#include "cmd.h"
#include "command_line.h"
#include "settings.h"
#include "stop.h"

#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/json_write.h>
#include <maestro/policyfile.h>
#include <maestro/term.h>
#include <maestro/yaml.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    const char *preset;
    const char *resume;
    const char *out;
    const char *init, *cluster;
    const char *threads;
    const char *steps;
} given;

static const struct cli_option options[] = {
    {"preset", 'p', CLI_TEXT, "NAME", "Settings to start from: default, mission, seed, live-sim, live, or a YAML file",
     &given.preset},
    {"resume", 0, CLI_TEXT, "RUN", "Go on with a run that was stopped; its settings cannot be changed", &given.resume},
    {"out", 'o', CLI_TEXT, "RUN", "The run folder, same as --train.out; default runs/PRESET-SEED", &given.out},
    {"init", 0, CLI_TEXT, "FILE", "Same as --train.init: learn on from this policy", &given.init},
    {"cluster", 0, CLI_TEXT, "simulated|live", "Same as --task.cluster: where the service runs", &given.cluster},
    {"threads", 't', CLI_TEXT, "N", "Same as --train.threads; the result does not depend on it", &given.threads},
    {"steps", 'n', CLI_TEXT, "N", "Same as --train.total_timesteps", &given.steps},
};

const struct cli_verb cmd_train_verb = {
    .name = "train",
    .summary = "learn a policy on a simulated service and write a run folder",
    .words = "",
    .seed_key = "train.seed",
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

/* What the callbacks of the run share. */
struct show {
    const struct settings *settings;
    const struct env *env;
    bool terminal;
    int width;
    double shown_s; /* monotonic time of the last bar or table */
    struct buf text;
};

static const double BAR_EVERY_S = 0.1;
static const double TABLE_EVERY_S = 1.0;

static bool too_soon(struct show *show, double every_s)
{
    double now_s = clock_monotonic_s();
    if (show->shown_s > 0 && now_s - show->shown_s < every_s)
        return true;
    show->shown_s = now_s;
    return false;
}

static void draw_bar(void *arg, const struct train_progress *row)
{
    struct show *show = arg;
    if (!show->terminal || (row->steps < row->total && too_soon(show, BAR_EVERY_S)))
        return;
    const struct term_progress progress = {row->steps, row->total, row->steps_per_s, row->reward_mean};
    buf_clear(&show->text);
    buf_text(&show->text, "\r\033[K");
    term_bar(&show->text, &progress, show->width - 1);
    fputs(show->text.bytes, stderr);
}

enum { TABLE_ROWS = 64 };

/* Cells of one section together, as term_table wants them. */
static size_t table_rows(const struct train_progress *row, struct term_row *rows, char numbers[][TERM_NUMBER])
{
    static const char *const sections[] = {"eval/", "rollout/", "time/", "train/"};
    size_t n = 0;
    for (size_t s = 0; s < sizeof sections / sizeof *sections; s++) {
        for (int i = 0; i < row->n && n < TABLE_ROWS; i++) {
            if (row->cells[i].kind == CSV_EMPTY || strncmp(row->names[i], sections[s], strlen(sections[s])) != 0)
                continue;
            rows[n] = (struct term_row){row->names[i], term_number(numbers[n], row->cells[i].value)};
            n++;
        }
    }
    return n;
}

static void print_table(void *arg, const struct train_progress *row)
{
    struct show *show = arg;
    struct term_row rows[TABLE_ROWS];
    char numbers[TABLE_ROWS][TERM_NUMBER];
    if (show->terminal || (row->steps < row->total && too_soon(show, TABLE_EVERY_S)))
        return;
    buf_clear(&show->text);
    term_table(&show->text, rows, table_rows(row, rows, numbers));
    fputs(show->text.bytes ? show->text.bytes : "", stderr);
}

/* null where nothing was evaluated, as on a live target: its zeros would be read as a score. */
static void write_scores(const struct train_evaluation *evaluation, struct buf *out)
{
    struct json_writer w = {.out = out};
    if (isnan(evaluation->mean_reward)) {
        json_put_null(&w);
        return;
    }
    json_begin_object(&w);
    json_put_key(&w, "mean_reward");
    json_put_double(&w, evaluation->mean_reward);
    json_put_key(&w, "mean_length");
    json_put_double(&w, evaluation->mean_length);
    json_put_key(&w, "mean_cost");
    json_put_double(&w, evaluation->mean_cost);
    for (int i = 0; i < TRAIN_EXTRAS; i++) {
        json_put_key(&w, train_extras[i]);
        json_put_double_or_null(&w, evaluation->extras[i]);
    }
    json_end_object(&w);
}

/* How the signals come about: from the simulated Prometheus, or from the one that is asked. */
struct timing {
    double scrape_s, window_s, quantile;
};

static struct timing timing_of(const struct settings *s)
{
    const struct profile_measurement *simulated = &s->profile.measurement;
    const struct live_prometheus *live = &s->prometheus;
    if (s->task.cluster == SETTINGS_LIVE)
        return (struct timing){live->scrape_s, live->window_s, live->quantile};
    return (struct timing){simulated->scrape_s, simulated->window_s, simulated->quantile};
}

/* The policy file of the simulated service: everything that serving needs. */
static bool save_policy(void *arg, const char *path, const struct train_policy *p, struct err *e)
{
    const struct show *show = arg;
    const struct settings *settings = show->settings;
    const struct timing timing = timing_of(settings);
    CLEANUP_BUF struct buf scores = {0};
    __attribute__((cleanup(policyfile_finish))) struct policy_file file = {
        .actor = p->ppo->actor_shape,
        .critic = p->ppo->critic_shape,
        .obs_clip = p->normaliser->on ? (float)p->normaliser->clip : POLICYFILE_UNCLIPPED,
        .control = *settings_control(settings, show->env),
        .scrape_s = timing.scrape_s,
        .window_s = timing.window_s,
        .quantile = timing.quantile,
        .seed = (uint64_t)p->seed,
        .steps = p->steps};
    size_t n_actor = mlp_parameter_count(&file.actor);
    size_t n_critic = mlp_parameter_count(&file.critic);
    write_scores(&p->evaluation, &scores);
    file.actor_parameters = malloc(n_actor * sizeof(float));
    file.critic_parameters = malloc(n_critic * sizeof(float));
    file.training = strdup(p->training_text);
    file.scores = strdup(scores.bytes ? scores.bytes : "null");
    if (!file.actor_parameters || !file.critic_parameters || !file.training || !file.scores)
        return err_set(e, ERR_IO, "%s: out of memory", path);
    memcpy(file.actor_parameters, p->actor, n_actor * sizeof(float));
    memcpy(file.critic_parameters, p->critic, n_critic * sizeof(float));
    for (int i = 0; i < p->normaliser->dim && i < OBSERVATION_LIMIT; i++) {
        file.obs_mean[i] = (float)p->normaliser->mean[i];
        file.obs_var[i] = (float)p->normaliser->var[i];
        file.obs_low[i] = (float)p->normaliser->low[i];
        file.obs_high[i] = (float)p->normaliser->high[i];
    }
    snprintf(file.version, sizeof file.version, "%s", MAESTRO_VERSION);
    return policyfile_save(&file, path, e);
}

/* Options that stand for keys join the command line's own. */
static bool add_set(struct cli *cli, const char *key, const char *value, char *room, struct err *e)
{
    if (!value)
        return true;
    if (cli->n_sets == CLI_SETS)
        return err_set(e, ERR_USAGE, "more than %d settings on the command line", CLI_SETS);
    snprintf(room, CONFIG_TEXT, "%s=%s", key, value);
    cli->sets[cli->n_sets++] = room;
    return true;
}

static bool add_sets(struct cli *cli, struct err *e)
{
    static char rooms[5][CONFIG_TEXT];
    return add_set(cli, "train.out", given.out, rooms[0], e) && add_set(cli, "train.init", given.init, rooms[3], e) &&
           add_set(cli, "task.cluster", given.cluster, rooms[4], e) &&
           add_set(cli, "train.threads", given.threads, rooms[1], e) &&
           add_set(cli, "train.total_timesteps", given.steps, rooms[2], e);
}

/* Bare: what lies beside the folder is named after it. */
static void name_folder(struct settings *s)
{
    const char *preset = given.preset ? given.preset : "default";
    const char *slash = strrchr(preset, '/');
    char bare[sizeof s->train.out];
    file_bare_name(s->train.out, bare, sizeof bare);
    memcpy(s->train.out, bare, sizeof bare);
    if (!s->train.out[0])
        snprintf(s->train.out, sizeof s->train.out, "runs/%.200s-%lld", slash ? slash + 1 : preset, s->train.seed);
}

/* A checkpoint that came from elsewhere would go on under another run's rows: the folder's own settings tell. */
static bool check_folder(const char *folder, const struct settings *checkpointed, struct err *e)
{
    static struct settings written;
    CLEANUP_BUF struct buf text = {0}, difference = {0};
    char path[CONFIG_TEXT + 16];
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    if (!file_read(path, YAML_BYTES_LIMIT, &text, e) || !settings_parse(&written, path, text.bytes, text.len, e))
        return false;
    config_difference(&written.config, &checkpointed->config, "", &difference);
    settings_finish(&written);
    if (difference.len)
        return err_set(e, ERR_FORMAT, "%s: the checkpoint beside it was made with another %s", path, difference.bytes);
    return true;
}

/* A run goes on in its folder, whatever that was called when it began. */
static bool check_place(const struct settings *s, struct err *e)
{
    const char *origin = config_origin(&s->config, "train.out");
    bool asked = origin && (strncmp(origin, "--", 2) == 0 || strncmp(origin, "MAESTRO_", 8) == 0);
    char here[CONFIG_TEXT], there[CONFIG_TEXT];
    file_bare_name(given.resume, here, sizeof here);
    file_bare_name(s->train.out, there, sizeof there);
    return !asked || strcmp(here, there) == 0 ||
           err_set(e, ERR_USAGE,
                   "train.out: --resume %.200s goes on in its own folder, not in %.200s; copy it there first", here,
                   there);
}

/* The run's own settings; what the command line says may only repeat them. */
static bool read_resumed(struct settings *s, const struct cli *cli, struct buf *text, struct err *e)
{
    static struct settings before;
    CLEANUP_BUF struct buf difference = {0};
    if (given.preset)
        return err_set(e, ERR_USAGE, "--resume: the run has its settings; --preset cannot be given with it");
    if (!train_resume_text(given.resume, text, e) ||
        !settings_parse(&before, given.resume, text->bytes, text->len, e) || !check_folder(given.resume, &before, e) ||
        !settings_parse(s, given.resume, text->bytes, text->len, e) ||
        !cli_configure(cli, &cmd_train_verb, &s->config, e) || !check_place(s, e))
        return false;
    config_difference(&before.config, &s->config, TRAIN_FREE_KEYS, &difference);
    settings_finish(&before);
    if (difference.len)
        return err_set(e, ERR_USAGE, "%s: differs from the run in %.200s; a run goes on with the settings it has",
                       difference.bytes, given.resume);
    file_bare_name(given.resume, s->train.out, sizeof s->train.out);
    return true;
}

static bool read_settings(struct settings *s, struct cli *cli, struct buf *text, struct err *e)
{
    if (!add_sets(cli, e))
        return false;
    if (given.resume)
        return read_resumed(s, cli, text, e);
    if (!settings_read(s, cli, &cmd_train_verb, given.preset, e))
        return false;
    name_folder(s);
    config_print(&s->config, false, text);
    return buf_ok(text, e);
}

/* Settings as the policy file keeps them: without what does not shape the result, so that equal policies are equal bytes. */
static bool print_policy_text(struct settings *s, struct buf *out, struct err *e)
{
    struct train_config kept = s->train;
    s->train.out[0] = '\0';
    s->train.threads = 1;
    s->train.checkpoint_interval_s = 0;
    s->train.steps_csv = false;
    config_print(&s->config, false, out);
    s->train = kept;
    return buf_ok(out, e);
}

static void print_outcome(const struct train *t, const struct settings *s, double seconds)
{
    char took[TERM_NUMBER];
    const struct train_evaluation *best = train_best(t);
    printf("%s\n", s->train.out);
    printf("%lld steps in %s\n", train_steps(t), term_duration(took, seconds));
    if (!isnan(best->mean_reward))
        printf("best evaluation: reward %.4g an episode, %.2f %% of the steps over the soft limit\n", best->mean_reward,
               100.0 * best->mean_cost);
}

/* Rates and latency over another window are other signals under the same names. */
static bool check_measured(const struct settings *s, const struct policy_file *file, struct err *e)
{
    const struct timing own = timing_of(s);
    const char *section = s->task.cluster == SETTINGS_LIVE ? "prometheus" : "measurement";
    if (file->window_s != own.window_s)
        return err_set(e, ERR_USAGE, "%.200s: was trained with rates over %g s, %s.window_s is %g s", s->train.init,
                       file->window_s, section, own.window_s);
    if (file->scrape_s != own.scrape_s)
        return err_set(e, ERR_USAGE, "%.200s: was trained with a scrape every %g s, %s.scrape_s is %g s", s->train.init,
                       file->scrape_s, section, own.scrape_s);
    if (file->quantile != own.quantile)
        return err_set(e, ERR_USAGE, "%.200s: was trained with the quantile %g, %s.quantile is %g", s->train.init,
                       file->quantile, section, own.quantile);
    return true;
}

/* A policy can be learnt on only where inputs and outputs are those of the run; its layers are checked where the
 * networks are. */
static bool check_initial(const struct settings *s, const struct env *env, const struct policy_file *file,
                          struct err *e)
{
    const struct control *own = settings_control(s, env);
    char of_file[OBSERVATION_HASH_BYTES], of_run[OBSERVATION_HASH_BYTES];
    observation_hash(&file->control.observation, of_file);
    observation_hash(&own->observation, of_run);
    if (strcmp(of_file, of_run) != 0)
        return err_set(e, ERR_USAGE, "%.200s: its features (%s) are not those of observation.features (%s)",
                       s->train.init, of_file, of_run);
    if (file->control.period_s != own->period_s)
        return err_set(e, ERR_USAGE, "%.200s: decides every %g s, env.period_s is %g s", s->train.init,
                       file->control.period_s, own->period_s);
    if (!check_measured(s, file, e))
        return false;
    if (memcmp(&file->control.actions, &own->actions, sizeof own->actions) != 0)
        return err_set(e, ERR_USAGE, "%.200s: its actions are not those of env.actions", s->train.init);
    if (s->train.normalize_obs != (file->obs_clip < POLICYFILE_UNCLIPPED))
        return err_set(e, ERR_USAGE, "%.200s: was trained with train.normalize_obs %s", s->train.init,
                       s->train.normalize_obs ? "off" : "on");
    return true;
}

/* initial: borrows from file. */
static bool read_initial(const struct settings *s, const struct env *env, struct policy_file *file,
                         struct train_initial *initial, struct err *e)
{
    if (s->task.env == SETTINGS_CARTPOLE)
        return err_set(e, ERR_USAGE, "train.init: policy files are of the simulated or live service, not of cartpole");
    if (!policyfile_load(s->train.init, file, e) || !check_initial(s, env, file, e))
        return false;
    *initial = (struct train_initial){.actor_shape = &file->actor,
                                      .critic_shape = &file->critic,
                                      .actor = file->actor_parameters,
                                      .critic = file->critic_parameters,
                                      .obs_mean = file->obs_mean,
                                      .obs_var = file->obs_var,
                                      .obs_low = file->obs_low,
                                      .obs_high = file->obs_high,
                                      .obs_count = file->steps > 0 ? (double)file->steps : 1.0};
    return true;
}

static bool train_on(struct settings *s, const struct settings_world *world, const char *config_text, struct err *e)
{
    CLEANUP_BUF struct buf policy_text = {0};
    const struct env *env = &world->env;
    struct show show = {.settings = s, .env = env, .terminal = isatty(STDERR_FILENO) == 1, .width = 80};
    struct winsize size;
    __attribute__((cleanup(policyfile_finish))) struct policy_file file = {0};
    struct train_initial initial;
    bool starts_from_file = s->train.init[0] != '\0' && !given.resume;
    if (starts_from_file && !read_initial(s, env, &file, &initial, e))
        return false;
    if (show.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        show.width = size.ws_col;
    if (!print_policy_text(s, &policy_text, e))
        return false;
    if (s->task.env != SETTINGS_CARTPOLE && !reward_constrained(&settings_control(s, env)->target))
        fprintf(stderr,
                "maestro train: warning: neither latency constraint is set, so latency earns and costs nothing\n");
    const struct train_setup setup = {.env = env,
                                      .steps = world->steps,
                                      .config = s->train,
                                      .ppo = s->ppo,
                                      .slo = s->slo,
                                      .config_text = config_text,
                                      .policy_text = policy_text.bytes,
                                      .resume = given.resume != NULL,
                                      .initial = starts_from_file ? &initial : NULL,
                                      .stop = stop_wish(),
                                      .save = s->task.env == SETTINGS_CARTPOLE ? NULL : save_policy,
                                      .on_row = print_table,
                                      .on_rollout = draw_bar,
                                      .arg = &show};
    struct train *t = NULL;
    double started_s = clock_monotonic_s();
    bool done = train_open(&setup, &t, e) && train_run(t, e);
    if (show.terminal)
        fputs("\n", stderr);
    if (done)
        print_outcome(t, s, clock_monotonic_s() - started_s);
    train_close(t);
    buf_finish(&show.text);
    return done;
}

static void print_settings(const struct settings *s)
{
    CLEANUP_BUF struct buf text = {0};
    config_print(&s->config, true, &text);
    fputs(text.bytes ? text.bytes : "", stdout);
}

/* However a session ended, its target is left as it was found; what went wrong first is what is said last. */
static bool settle(struct settings_world *world, bool done, struct err *e)
{
    struct err why = {0};
    if (settings_world_settle(world, &why))
        return done;
    if (done)
        return err_set(e, why.code, "the target was not left as it was found: %.400s", why.message);
    fprintf(stderr, "maestro train: the target was not left as it was found: %s\n", why.message);
    return false;
}

static bool run(struct cli *cli, struct err *e)
{
    static struct settings s;
    CLEANUP_BUF struct buf text = {0};
    struct settings_world world = {0};
    int lock = -1;
    if (!read_settings(&s, cli, &text, e))
        return false;
    if (cli->decision == CLI_PRINT_CONFIG)
        print_settings(&s);
    if (cli->decision != CLI_RUN)
        return true;
    if (!given.resume && file_exists(s.train.out))
        return err_set(e, ERR_USAGE, "%.200s: exists already; choose another --out, or go on with --resume %.200s",
                       s.train.out, s.train.out);
    if (given.resume && !file_lock_folder(s.train.out, &lock, e))
        return false;
    stop_watch();
    bool done = settings_world_open(&s, stop_wish(), &world, e) && train_on(&s, &world, text.bytes, e);
    done = settle(&world, done, e);
    settings_world_close(&world);
    settings_finish(&s);
    if (lock >= 0)
        close(lock);
    return done;
}

static void show_help(void)
{
    static struct settings s;
    CLEANUP_BUF struct buf help = {0};
    bool has_keys = settings_all(&s, NULL);
    cli_help("maestro", &cmd_train_verb, has_keys ? &s.config : NULL, &help);
    fputs(help.bytes ? help.bytes : "", stdout);
    settings_finish(&s);
}

int cmd_train(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    if (!command_line_read(&cli, &cmd_train_verb, argc, argv, &e)) {
        fprintf(stderr, "maestro train: %s\n", e.message);
        return cli_exit_status(&e);
    }
    if (cli.decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (cli.decision == CLI_SHOW_HELP) {
        show_help();
        return CLI_EXIT_DONE;
    }
    if (run(&cli, &e))
        return CLI_EXIT_DONE;
    fprintf(stderr, "maestro train: %s\n", e.message);
    return cli_exit_status(&e);
}
