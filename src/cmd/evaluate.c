/* evaluate: the verb that judges policies on recorded loads. In: policies, traces, a service profile, the protocol of
 * section "evaluate". Out: on standard output a table for people, or the same as CSV or JSON; the files of an evaluation
 * where a folder is named. Progress goes to standard error. */
#include "cmd.h"
#include "command_line.h"
#include "live_site.h"
#include "settings.h"
#include "stop.h"

#include <maestro/clock.h>
#include <maestro/data.h>
#include <maestro/evaluate.h>
#include <maestro/evaluate_live.h>
#include <maestro/file.h>
#include <maestro/policyfile.h>
#include <maestro/registry.h>
#include <maestro/term.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICIES 24
#define NOTES (2 * (CLI_FILES + 1))

static struct {
    struct cli_texts policies, traces, tune_on;
    const char *profile, *tune, *objective, *baseline, *folder, *print, *cluster;
    bool faults;
} given;

static const struct cli_option options[] = {
    {"policy", 'p', CLI_TEXTS, "[NAME=]POLICY",
     "Judge hpa, hpa:target=60,window=300, fixed:N, random or ppo:FILE; several files under one NAME are one policy, "
     "trained with several seeds",
     &given.policies},
    {"trace", 't', CLI_TEXTS, "FILE", "Judge on this load; FILE#0.7..1 takes a part of it", &given.traces},
    {"profile", 0, CLI_TEXT, "NAME", "Service profile: a name of envs/NAME.yaml or a path; default web-api",
     &given.profile},
    {"cluster", 0, CLI_TEXT, "simulated|live",
     "Judge in the simulation, or on one Deployment in real time by what is measured there", &given.cluster},
    {"faults", 0, CLI_FLAG, NULL, "Repeat everything under each fault of the list", &given.faults},
    {"tune", 0, CLI_TEXT, "hpa",
     "Search the HPA's target (30 to 90 %) and window (0, 60, 120, 300 s), and judge the best setting as hpa-tuned",
     &given.tune},
    {"tune-on", 0, CLI_TEXTS, "FILE",
     "Search on these loads; without it on each judged one for itself, which nobody can have (hpa*)", &given.tune_on},
    {"objective", 0, CLI_TEXT, "reward|slo", "What is best: most reward, or the cheapest that holds the SLO (default)",
     &given.objective},
    {"baseline", 'b', CLI_TEXT, "NAME", "Compare with this policy, paired; default the first HPA", &given.baseline},
    {"out", 'o', CLI_TEXT, "DIR", "Write summary.csv, windows.csv, timeline.csv, decision_map.csv and evaluation.json",
     &given.folder},
    {"print", 0, CLI_TEXT, "table|csv|json",
     "What goes to standard output: a table for people (default), summary.csv's or evaluation.json's text",
     &given.print},
};

const struct cli_verb cmd_evaluate_verb = {
    .name = "evaluate",
    .summary = "judge policies on recorded loads, against the HPA and the clairvoyant bound",
    .words = "",
    .seed_key = "evaluate.seed",
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

#define LIVE_SECTIONS 5
#define SECTIONS (2 + PROFILE_SECTIONS + LIVE_SECTIONS)

struct loads {
    struct trace traces[CLI_FILES];
    int n;
};

/* Everything of one call. */
struct work {
    struct evaluate_config protocol;
    struct reward_config reward;
    struct service_profile profile;
    struct settings_live live;
    struct live_prometheus prometheus;
    struct live_kubernetes kubernetes;
    struct disturb_load load;
    struct disturb_chaos chaos;
    struct config_section sections[SECTIONS];
    struct config config;
    struct loads judged;
    struct loads tuned_on;
    struct evaluate_policy policies[POLICIES];
    int n_policies;
    struct evaluate_tuned_note notes[NOTES];
    int n_notes;
    struct buf command;        /* as it could be typed again */
    char folder[PATH_MAX];     /* --out by its bare name */
    const char *doing;         /* named by the progress lines */
    double started_s, shown_s; /* monotonic; shown: the last progress line */
    bool unsettled;            /* the live target was not left as it was found */
    struct err left;           /* why */
};

static bool is_live(void)
{
    return given.cluster && strcmp(given.cluster, "live") == 0;
}

/* Behind the first n sections; how many there are then. */
static int add_live_sections(struct work *w, int n)
{
    const struct config_section sections[LIVE_SECTIONS] = {
        {"live", "The target that is judged on.", settings_live_keys, n_settings_live_keys, &w->live},
        {"prometheus", "Where signals come from.", live_prometheus_keys, n_live_prometheus_keys, &w->prometheus},
        {"kubernetes", "Where replicas are read and set.", live_kubernetes_keys, n_live_kubernetes_keys,
         &w->kubernetes},
        {"load", "Load while judging.", disturb_load_keys, n_disturb_load_keys, &w->load},
        {"chaos", "Faults while judging.", disturb_chaos_keys, n_disturb_chaos_keys, &w->chaos},
    };
    for (int i = 0; i < LIVE_SECTIONS; i++)
        w->sections[n + i] = sections[i];
    return n + LIVE_SECTIONS;
}

/* Real time is dear: one window of half an hour a policy, unless more is asked for. */
static void shorten(struct evaluate_config *protocol)
{
    protocol->windows = 1;
    protocol->window_s = 1800;
}

static bool configure(struct work *w, const struct cli *cli, struct err *e)
{
    const char *name = given.profile ? given.profile : "web-api";
    w->sections[0] = (struct config_section){"evaluate", "The judging protocol.", evaluate_config_keys,
                                             n_evaluate_config_keys, &w->protocol};
    w->sections[1] =
        (struct config_section){"reward", "What is good.", reward_config_keys, n_reward_config_keys, &w->reward};
    int n = 2 + profile_sections(&w->profile, w->sections + 2);
    if (is_live())
        n = add_live_sections(w, n);
    CLEANUP_BUF struct buf path = {0};
    char file[CONFIG_TEXT + 16];
    bool is_path = strchr(name, '/') || strstr(name, ".yaml");
    snprintf(file, sizeof file, is_path ? "%.250s" : "envs/%.250s.yaml", name);
    if (!config_init(&w->config, w->sections, n, e))
        return false;
    if (is_live())
        shorten(&w->protocol);
    if (!data_path(file, &path, e) || !config_file(&w->config, path.bytes, e) ||
        !cli_configure(cli, &cmd_evaluate_verb, &w->config, e))
        return false;
    const char *slash = strrchr(name, '/');
    snprintf(w->profile.name, sizeof w->profile.name, "%.63s", slash ? slash + 1 : name);
    char *dot = strstr(w->profile.name, ".yaml");
    if (dot)
        *dot = '\0';
    return profile_check(&w->profile, e);
}

static bool read_loads(const struct cli_texts *names, struct loads *out, struct err *e)
{
    for (; out->n < names->n; out->n++)
        if (!settings_trace(names->v[out->n], &out->traces[out->n], e))
            return false;
    evaluate_name_traces(out->traces, names->v, out->n);
    return true;
}

static void finish_loads(struct loads *loads)
{
    for (int i = 0; i < loads->n; i++)
        trace_finish(&loads->traces[i]);
}

static bool prints_table(void)
{
    return !given.print || strcmp(given.print, "table") == 0;
}

static bool check_words(struct err *e)
{
    if (given.policies.n == 0 && !given.tune)
        return err_set(e, ERR_USAGE, "name at least one --policy:\n%s", registry_help());
    if (given.cluster && !is_live() && strcmp(given.cluster, "simulated") != 0)
        return err_set(e, ERR_USAGE, "--cluster %s: is simulated or live", given.cluster);
    if (is_live() && (given.traces.n > 0 || given.tune || given.faults || given.profile))
        return err_set(e, ERR_USAGE, "--trace, --tune, --faults and --profile need the simulation, not --cluster live");
    if (!is_live() && given.traces.n == 0)
        return err_set(e, ERR_USAGE, "name at least one --trace FILE to judge on");
    if (given.tune && strcmp(given.tune, "hpa") != 0)
        return err_set(e, ERR_USAGE, "--tune %s: only hpa can be tuned", given.tune);
    if (given.objective && strcmp(given.objective, "slo") != 0 && strcmp(given.objective, "reward") != 0)
        return err_set(e, ERR_USAGE, "--objective %s: is reward or slo", given.objective);
    if (given.print && !prints_table() && strcmp(given.print, "csv") != 0 && strcmp(given.print, "json") != 0)
        return err_set(e, ERR_USAGE, "--print %s: is table, csv or json", given.print);
    if ((given.objective || given.tune_on.n > 0) && !given.tune)
        return err_set(e, ERR_USAGE, "--objective and --tune-on belong to --tune hpa");
    return true;
}

/* A live target has no bounds, no simulator and one course. */
static bool check_keys(const struct work *w, struct err *e)
{
    static const char *const idle[] = {"evaluate.seeds",   "evaluate.peak", "evaluate.cluster",
                                       "evaluate.threads", "service",       "pods",
                                       "measurement",      "faults",        "random"};
    return !is_live() || settings_refuse_idle(&w->config, idle, (int)(sizeof idle / sizeof *idle),
                                              "a live target is judged by what Prometheus measures", e);
}

static const double BAR_EVERY_S = 0.2;
static const double LINE_EVERY_S = 5;

static void show_progress(void *arg, int done, int total)
{
    struct work *w = arg;
    double now_s = clock_monotonic_s();
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (done == 1)
        w->started_s = w->shown_s = now_s;
    if ((done < total || !terminal) && now_s < w->shown_s + (terminal ? BAR_EVERY_S : LINE_EVERY_S))
        return;
    w->shown_s = now_s;
    if (terminal && done == total)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, terminal ? "\r\033[K%s: %d of %d runs, %s left" : "%s: %d of %d runs, %s left\n", w->doing,
                done, total, term_duration((char[TERM_NUMBER]){0}, (now_s - w->started_s) / done * (total - done)));
}

static struct evaluate_plan plan_of(struct work *w, const struct loads *loads)
{
    return (struct evaluate_plan){.config = &w->protocol,
                                  .profile = &w->profile,
                                  .reward = &w->reward,
                                  .traces = loads->traces,
                                  .n_traces = loads->n,
                                  .policies = w->policies,
                                  .n_policies = w->n_policies,
                                  .faults = given.faults,
                                  .timeline = given.folder != NULL,
                                  .decisions = given.folder != NULL,
                                  .command = w->command.bytes,
                                  .progress = show_progress,
                                  .progress_arg = w};
}

static void note(struct work *w, const char *trace, const struct evaluate_tuned *tuned, const char *objective)
{
    struct evaluate_tuned_note *n = &w->notes[w->n_notes++];
    snprintf(n->trace, sizeof n->trace, "%s", trace);
    snprintf(n->objective, sizeof n->objective, "%s", objective);
    n->tuned = *tuned;
    fprintf(prints_table() ? stdout : stderr,
            "hpa tuned for %s on %s: target %d %%, window %g s (reward %.4f, over soft %.2f %%, %.2f pod-h%s)\n",
            objective, trace, tuned->target_percent, tuned->window_s, tuned->reward_true, tuned->violation_time,
            tuned->replica_hours, tuned->slo_holds ? "" : "; the SLO does not hold");
}

static void tuned_text(char *out, const struct evaluate_tuned *tuned)
{
    snprintf(out, CONFIG_TEXT, "hpa:target=%d,window=%g", tuned->target_percent, tuned->window_s);
}

static const char *tuned_name(void)
{
    return given.tune_on.n > 0 ? "hpa-tuned" : "hpa*";
}

/* Adds the tuned HPA to the policies: one setting, or one a judged trace. */
static bool tune(struct work *w, struct err *e)
{
    bool elsewhere = given.tune_on.n > 0;
    const struct loads *loads = elsewhere ? &w->tuned_on : &w->judged;
    const char *name = given.objective ? given.objective : "slo";
    enum evaluate_objective objective = strcmp(name, "slo") == 0 ? OBJECTIVE_SLO : OBJECTIVE_REWARD;
    struct evaluate_plan plan = plan_of(w, loads);
    struct evaluate_tuned each[CLI_FILES];
    struct evaluate_tuned overall;
    if (w->n_policies == POLICIES)
        return err_set(e, ERR_USAGE, "evaluate: at most %d policies", POLICIES);
    w->doing = "tuning";
    if (!evaluate_tune_hpa(&plan, objective, each, &overall, e))
        return false;
    struct evaluate_policy *p = &w->policies[w->n_policies++];
    *p = (struct evaluate_policy){.n_files = 1, .by_trace = !elsewhere};
    snprintf(p->name, sizeof p->name, "%s", tuned_name());
    tuned_text(p->text[0], &overall);
    for (int t = 0; t < loads->n; t++) {
        note(w, loads->traces[t].name, &each[t], name);
        if (!elsewhere)
            tuned_text(p->text[t], &each[t]);
    }
    note(w, "ALL", &overall, name);
    return true;
}

/* -1: there is none. */
static int find_baseline(const struct work *w)
{
    if (given.baseline)
        return evaluate_find_policy(w->policies, w->n_policies, given.baseline);
    for (int p = 0; p < w->n_policies; p++)
        if (strncmp(w->policies[p].text[0], "hpa", 3) == 0)
            return p;
    return -1;
}

static bool print(const struct work *w, const struct evaluate_result *result, int baseline, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    bool done;
    if (prints_table())
        done = evaluate_table(result, baseline, &text, e);
    else if (strcmp(given.print, "csv") == 0)
        done = evaluate_csv(result, &text, e);
    else
        done = evaluate_json(result, baseline, w->notes, w->n_notes, &text, e);
    if (done)
        fputs(text.bytes, stdout);
    return done;
}

static bool tend(void *arg, struct err *e)
{
    return live_site_tend(arg, e);
}

/* Bare: what lies beside the folder is named after it. That it can be written is known before the long work. */
static bool name_folder(struct work *w, struct err *e)
{
    if (!given.folder)
        return true;
    if (!given.folder[0])
        return err_set(e, ERR_USAGE, "--out: names no folder");
    file_bare_name(given.folder, w->folder, sizeof w->folder);
    given.folder = w->folder;
    return file_check_folder(given.folder, e);
}

static const char *folder_of_results(void)
{
    return given.folder ? given.folder : "runs/evaluate";
}

static bool open_site(struct work *w, struct live_site *out, struct err *e)
{
    char log[CONFIG_TEXT + 16];
    snprintf(log, sizeof log, "%.*s-load.log", CONFIG_TEXT, folder_of_results());
    const struct live_wish wish = {.live = &w->live,
                                   .prometheus = &w->prometheus,
                                   .kubernetes = &w->kubernetes,
                                   .load = &w->load,
                                   .chaos = &w->chaos,
                                   .limits = {.min_replicas = w->protocol.min_replicas,
                                              .max_replicas = w->protocol.max_replicas,
                                              .latency_soft_ms = w->protocol.latency_soft_ms,
                                              .latency_hard_ms = w->protocol.latency_hard_ms},
                                   .must_run = true,
                                   .user_agent = "maestro-evaluate",
                                   .log = log,
                                   .seed = (uint64_t)w->protocol.seed,
                                   .stop = stop_wish()};
    return live_site_open(&wish, out, e);
}

/* The count that the target gets back, on disk before it is changed. */
static bool note_found(struct live_site *site, int *replicas, struct err *e)
{
    struct sample found;
    const struct reading *now = &found.signals[SIGNAL_REPLICAS];
    if (!live_site_owed(site, folder_of_results(), replicas, e) || !cluster_sample(site->cluster, false, &found, e))
        return false;
    if (*replicas == 0 && now->validity != VALIDITY_VALID)
        return err_set(e, ERR_IO, "%s: its replicas cannot be read", site->target.name);
    if (*replicas == 0)
        *replicas = (int)now->value;
    return live_record_write(&site->record, *replicas, e);
}

static bool leave_as_found(struct live_site *site, int replicas, struct err *e)
{
    bool restored = live_site_give_back(site, replicas, e);
    bool quiet = live_site_quiet(site, restored ? e : NULL);
    return restored && quiet;
}

/* How the signals of the evaluation come about. */
struct timing {
    const char *section;
    double scrape_s, window_s, quantile;
};

static struct timing timing_of(const struct work *w)
{
    const struct profile_measurement *simulated = &w->profile.measurement;
    if (is_live())
        return (struct timing){"prometheus", w->prometheus.scrape_s, w->prometheus.window_s, w->prometheus.quantile};
    return (struct timing){"measurement", simulated->scrape_s, simulated->window_s, simulated->quantile};
}

/* Whether a policy file sees what it was trained on; e says what differs, and what would be right. */
static bool fits(const struct timing *here, const char *path, struct err *e)
{
    struct policy_file file = {0};
    if (!policyfile_load(path, &file, e))
        return false;
    const struct {
        const char *key;
        double trained, asked;
    } rows[] = {{"scrape_s", file.scrape_s, here->scrape_s},
                {"window_s", file.window_s, here->window_s},
                {"quantile", file.quantile, here->quantile}};
    policyfile_finish(&file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].trained > 0 && rows[i].trained != rows[i].asked)
            return err_set(e, ERR_USAGE, "%.200s: was trained with %s.%s %g, here it is %g; give --%s.%s=%g", path,
                           here->section, rows[i].key, rows[i].trained, rows[i].asked, here->section, rows[i].key,
                           rows[i].trained);
    return true;
}

/* A live target's time is dear: a policy judged by other signals than it was trained on would be judged for nothing, and is
 * refused, as training and active mode do. In the simulation it may be meant, and is told. */
static bool all_fit(const struct work *w, struct err *e)
{
    const struct timing here = timing_of(w);
    for (int p = 0; p < w->n_policies; p++)
        for (int f = 0; f < w->policies[p].n_files; f++) {
            struct err why = {0};
            const char *text = w->policies[p].text[f];
            if (strncmp(text, "ppo:", 4) != 0 || fits(&here, text + 4, &why))
                continue;
            if (is_live() || why.code != ERR_USAGE)
                return err_set(e, why.code, "%s", why.message);
            fprintf(stderr, "maestro evaluate: warning: %s\n", why.message);
        }
    return true;
}

/* All policies on the one target, which afterwards has its old replica count again, however it went, also interrupted. */
static bool judge_live(struct work *w, const struct evaluate_plan *plan, struct evaluate_result *result, struct err *e)
{
    struct live_site site = {0};
    int found = 0;
    stop_watch();
    if (!open_site(w, &site, e))
        return false;
    snprintf(w->profile.name, sizeof w->profile.name, "%.63s", site.target.name);
    struct evaluate_live_plan live = {.plan = *plan,
                                      .target = site.target,
                                      .cluster = site.cluster,
                                      .window_s = w->prometheus.window_s,
                                      .on_period = tend,
                                      .arg = &site};
    bool noted = note_found(&site, &found, e), done = noted && evaluate_live(&live, result, e);
    w->unsettled = noted && !leave_as_found(&site, found, &w->left);
    live_site_close(&site);
    return done;
}

/* A target that was not left as it was found is a failure, but only once the results are out; what went wrong first is
 * what is said last. */
static bool settle(const struct work *w, bool done, struct err *e)
{
    if (!w->unsettled)
        return done;
    if (done)
        return err_set(e, w->left.code, "the target was not left as it was found: %.400s", w->left.message);
    fprintf(stderr, "maestro evaluate: the target was not left as it was found: %s\n", w->left.message);
    return false;
}

static bool judge(struct work *w, struct err *e)
{
    struct evaluate_result result = {0};
    if (!all_fit(w, e) || (given.tune && !tune(w, e)))
        return false;
    int baseline = find_baseline(w);
    struct evaluate_plan plan = plan_of(w, &w->judged);
    w->doing = "judging";
    bool done = (is_live() ? judge_live(w, &plan, &result, e) : evaluate_all(&plan, &result, e)) &&
                print(w, &result, baseline, e);
    if (done && given.folder)
        done = evaluate_write(&result, baseline, w->notes, w->n_notes, given.folder, e);
    if (done && given.folder)
        fprintf(prints_table() ? stdout : stderr, "\nwritten to %s\n", given.folder);
    evaluate_finish(&result);
    return settle(w, done, e);
}

static bool read_policies(struct work *w, struct err *e)
{
    for (int i = 0; i < given.policies.n; i++)
        if (!evaluate_add_policy(w->policies, &w->n_policies, POLICIES, given.policies.v[i], e))
            return false;
    if (given.tune && evaluate_find_policy(w->policies, w->n_policies, tuned_name()) >= 0)
        return err_set(e, ERR_USAGE, "--policy %s: so --tune calls the HPA that it finds; name it otherwise",
                       tuned_name());
    bool to_be_tuned = given.tune && given.baseline && strcmp(given.baseline, tuned_name()) == 0;
    if (given.baseline && !to_be_tuned && find_baseline(w) < 0)
        return err_set(e, ERR_USAGE, "--baseline %s: no policy has this name", given.baseline);
    return true;
}

static bool run_evaluate(struct work *w, const struct cli *cli, struct err *e)
{
    if (!configure(w, cli, e))
        return false;
    if (cli->decision == CLI_PRINT_CONFIG) {
        CLEANUP_BUF struct buf text = {0};
        config_print(&w->config, true, &text);
        fputs(text.bytes, stdout);
    }
    if (cli->decision != CLI_RUN)
        return true;
    return check_words(e) && check_keys(w, e) && name_folder(w, e) && read_policies(w, e) &&
           read_loads(&given.traces, &w->judged, e) && read_loads(&given.tune_on, &w->tuned_on, e) && judge(w, e);
}

/* Words with anything but plain characters are quoted for the shell. */
static void spell_command(struct buf *out, int argc, char **argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+";
    buf_text(out, "maestro evaluate");
    for (int i = 0; i < argc; i++) {
        bool quoted = argv[i][0] == '\0' || strspn(argv[i], plain) < strlen(argv[i]);
        buf_text(out, quoted ? " '" : " ");
        for (const char *c = argv[i]; *c; c++)
            if (*c == '\'')
                buf_text(out, "'\\''");
            else
                buf_append(out, c, 1);
        buf_text(out, quoted ? "'" : "");
    }
}

static void show_help(struct work *w)
{
    CLEANUP_BUF struct buf help = {0};
    struct err ignored = {0};
    struct cli none = {0};
    bool known = configure(w, &none, &ignored);
    cli_help("maestro", &cmd_evaluate_verb, known ? &w->config : NULL, &help);
    buf_printf(&help, "\npolicies:\n%s", registry_help());
    fputs(help.bytes ? help.bytes : "", stdout);
}

int cmd_evaluate(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    struct work *w = calloc(1, sizeof *w);
    if (w)
        spell_command(&w->command, argc, argv);
    bool done = w ? command_line_read(&cli, &cmd_evaluate_verb, argc, argv, &e) : err_set(&e, ERR_IO, "out of memory");
    bool help = done && cli.decision == CLI_SHOW_HELP;
    if (help)
        show_help(w);
    else if (done && cli.decision == CLI_SHOW_VERSION)
        cmd_show_version();
    else if (done)
        done = run_evaluate(w, &cli, &e);
    if (w) {
        finish_loads(&w->judged);
        finish_loads(&w->tuned_on);
        config_finish(&w->config);
        buf_finish(&w->command);
    }
    free(w);
    if (done)
        return CLI_EXIT_DONE;
    fprintf(stderr, "maestro evaluate: %s\n", e.message);
    return cli_exit_status(&e);
}
