/* settings: the sections of all layers gathered into one configuration, read in the right order, and made into the
 * environment that they describe. Knows no verb. */
#include "settings.h"
#include "settings_live.h"

#include <maestro/cartpole.h>
#include <maestro/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(field) offsetof(struct settings_task, field)

static const struct config_key task_keys[] = {
    {"env", CONFIG_CHOICE, KEY(env), "microservice", 0, 0, NULL, "microservice|cartpole",
     "The environment: the simulated service, or CartPole-v1 to check the trainer with."},
    {"cluster", CONFIG_CHOICE, KEY(cluster), "simulated", 0, 0, NULL, "simulated|live",
     "Where the service runs: in the built-in simulation, or on a Kubernetes cluster in real time."},
    {"profile", CONFIG_STRING, KEY(profile), "web-api", 0, 0, NULL, NULL,
     "The service that is simulated: a name of envs/NAME.yaml or a path."},
    {"traces", CONFIG_TEXTS, KEY(traces), "", 0, 0, NULL, NULL,
     "Recorded loads to train on besides generated ones; FILE#0..0.7 takes the first 70 % of a file."},
    {"variants", CONFIG_INT, KEY(variants), "32", 1, 256, NULL, NULL,
     "Randomised variants of the service to train on; 1 keeps to the profile as it is."},
    {"faults", CONFIG_BOOL, KEY(faults), "off", 0, 0, NULL, NULL,
     "Random faults at the profile's rates while training."},
};

/* How many sections there are: those of a live session stand last. */
static int gather(struct settings *s, bool live)
{
    const struct config_section own[SETTINGS_OWN_SECTIONS] = {
        {"task", "What is learnt on.", task_keys, (int)(sizeof task_keys / sizeof *task_keys), &s->task},
        {"env", "The environment's episodes, limits and actions.", microservice_config_keys, n_microservice_config_keys,
         &s->env},
        {"observation", "What the policy sees.", observation_config_keys, n_observation_config_keys, &s->observation},
        {"guard", "What stands between proposal and cluster.", guard_config_keys, n_guard_config_keys, &s->guard},
        {"reward", "What is good.", reward_config_keys, n_reward_config_keys, &s->reward},
        {"slo", "The budget of time over the soft limit.", lagrange_config_keys, lagrange_config_keys_count, &s->slo},
        {"ppo", "The learner; names as in Stable-Baselines3.", ppo_config_keys, ppo_config_keys_count, &s->ppo},
        {"train", "The training run.", train_config_keys, train_config_keys_count, &s->train},
    };
    memcpy(s->sections, own, sizeof own);
    int n = SETTINGS_OWN_SECTIONS + profile_sections(&s->profile, s->sections + SETTINGS_OWN_SECTIONS);
    const struct config_section of_live[SETTINGS_LIVE_SECTIONS] = {
        {"live", "The target of a live session.", settings_live_keys, n_settings_live_keys, &s->live},
        {"session", "How a live session's episodes begin.", session_config_keys, n_session_config_keys, &s->session},
        {"prometheus", "Where signals come from.", live_prometheus_keys, n_live_prometheus_keys, &s->prometheus},
        {"kubernetes", "Where replicas are read and set.", live_kubernetes_keys, n_live_kubernetes_keys,
         &s->kubernetes},
        {"load", "Load during a live session.", disturb_load_keys, n_disturb_load_keys, &s->load},
        {"chaos", "Faults during a live session.", disturb_chaos_keys, n_disturb_chaos_keys, &s->chaos},
    };
    if (live)
        memcpy(s->sections + n, of_live, sizeof of_live);
    return n + (live ? SETTINGS_LIVE_SECTIONS : 0);
}

static bool start(struct settings *s, bool live, struct err *e)
{
    settings_finish(s);
    memset(s, 0, sizeof *s);
    profile_default(&s->profile);
    return config_init(&s->config, s->sections, gather(s, live), e);
}

static bool read_named(struct settings *s, const char *folder, const char *name, struct err *e)
{
    char file[CONFIG_TEXT + 32];
    bool path = strchr(name, '/') || strstr(name, ".yaml");
    snprintf(file, sizeof file, path ? "%s%s" : "%s%s.yaml", path ? "" : folder, name);
    CLEANUP_BUF struct buf found = {0};
    return data_path(file, &found, e) && config_file(&s->config, found.bytes, e);
}

/* A live session asks Prometheus for what the simulated one shows, unless it is told otherwise: so profile and preset say it
 * once for both. */
static bool carry_timing(struct settings *s, struct err *e)
{
    static const char *const carried[] = {"scrape_s", "window_s", "quantile"};
    char from[32], to[32];
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
        CLEANUP_BUF struct buf value = {0}, unused = {0};
        snprintf(from, sizeof from, "measurement.%s", carried[i]);
        snprintf(to, sizeof to, "prometheus.%s", carried[i]);
        if (config_get(&s->config, to, &unused) && config_get(&s->config, from, &value) &&
            !config_set(&s->config, to, value.bytes, config_origin(&s->config, from), e))
            return false;
    }
    return true;
}

static bool over_profile(struct settings *s, const struct cli *cli, const struct cli_verb *verb, const char *preset,
                         struct err *e)
{
    return read_named(s, "policies/", preset ? preset : "default", e) && carry_timing(s, e) &&
           cli_configure(cli, verb, &s->config, e);
}

static void name_profile(struct settings *s)
{
    const char *slash = strrchr(s->task.profile, '/');
    snprintf(s->profile.name, sizeof s->profile.name, "%.63s", slash ? slash + 1 : s->task.profile);
    char *dot = strrchr(s->profile.name, '.');
    if (dot && strcmp(dot, ".yaml") == 0)
        *dot = '\0';
}

/* Twice: the first pass only tells which profile the others are to be laid over, and whether the cluster is live. */
bool settings_read(struct settings *s, const struct cli *cli, const struct cli_verb *verb, const char *preset,
                   struct err *e)
{
    if (!start(s, true, e) || !over_profile(s, cli, verb, preset, e))
        return false;
    char profile[CONFIG_TEXT];
    memcpy(profile, s->task.profile, sizeof profile);
    bool live = s->task.cluster == SETTINGS_LIVE;
    if (!start(s, live, e) || !read_named(s, "envs/", profile, e) || !over_profile(s, cli, verb, preset, e))
        return false;
    name_profile(s);
    return profile_check(&s->profile, e);
}

bool settings_parse(struct settings *s, const char *name, const char *text, size_t n, struct err *e)
{
    if (!start(s, true, e) || !config_text(&s->config, name, text, n, e))
        return false;
    bool live = s->task.cluster == SETTINGS_LIVE;
    if (!live && (!start(s, false, e) || !config_text(&s->config, name, text, n, e)))
        return false;
    name_profile(s);
    return profile_check(&s->profile, e);
}

bool settings_all(struct settings *s, struct err *e)
{
    return start(s, true, e);
}

static bool is_named(const char *const *names, int n, const char *section, const char *dotted)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], section) == 0 || strcmp(names[i], dotted) == 0)
            return true;
    return false;
}

bool settings_refuse_idle(const struct config *c, const char *const *names, int n, const char *why, struct err *e)
{
    char dotted[128];
    for (int i = 0; i < c->n_sections; i++)
        for (int k = 0; k < c->sections[i].n_keys; k++) {
            snprintf(dotted, sizeof dotted, "%.60s.%.60s", c->sections[i].name, c->sections[i].keys[k].name);
            const char *origin = config_origin(c, dotted);
            if (is_named(names, n, c->sections[i].name, dotted) && origin && strncmp(origin, "--", 2) == 0)
                return err_set(e, ERR_USAGE, "--%s: counts for nothing here: %s", dotted, why);
        }
    return true;
}

void settings_finish(struct settings *s)
{
    if (s)
        config_finish(&s->config);
}

/* The samples of t whose times lie within the shares, times counted from the first of them. */
static bool keep_part(struct trace *t, double from, double to, const char *text, struct err *e)
{
    double low = from * trace_span_s(t), high = to * trace_span_s(t), origin = t->time_s[0];
    int n = 0;
    double first = 0, max = 0;
    for (int i = 0; i < t->n; i++) {
        double since_s = t->time_s[i] - origin;
        if (since_s < low || since_s > high)
            continue;
        if (n == 0)
            first = since_s;
        t->time_s[n] = since_s - first;
        t->value[n] = t->value[i];
        max = t->value[n] > max ? t->value[n] : max;
        n++;
    }
    if (n < 2)
        return err_set(e, ERR_USAGE, "%s: that part holds %d samples, at least 2 are needed", text, n);
    t->n = n;
    t->max = max;
    return true;
}

/* A number that is the whole text. */
static bool read_share(const char *text, double *out)
{
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

/* "#FROM..TO" with 0 <= FROM < TO <= 1. FROM is cut out first: left to itself strtod reads the first point of "0..1" as the
 * number's own. */
static bool read_part(const char *hash, double *from, double *to)
{
    char first[32];
    const char *dots = strstr(hash, "..");
    if (!dots || dots - hash > (long)sizeof first)
        return false;
    snprintf(first, sizeof first, "%.*s", (int)(dots - hash - 1), hash + 1);
    return read_share(first, from) && read_share(dots + 2, to) && *from >= 0 && *from < *to && *to <= 1;
}

bool settings_trace(const char *text, struct trace *out, struct err *e)
{
    double from = 0, to = 1;
    const char *hash = strrchr(text, '#');
    if (hash && !read_part(hash, &from, &to))
        return err_set(e, ERR_USAGE, "%s: a part is FILE#FROM..TO with 0 <= FROM < TO <= 1", text);
    char file[CONFIG_TEXT];
    snprintf(file, sizeof file, "%.*s", hash ? (int)(hash - text) : (int)strlen(text), text);
    CLEANUP_BUF struct buf path = {0};
    struct trace t;
    if (!data_path(file, &path, e) || !trace_read(path.bytes, &t, e))
        return false;
    if (hash && !keep_part(&t, from, to, text, e)) {
        trace_finish(&t);
        return false;
    }
    *out = t;
    return true;
}

static bool read_traces(const struct settings *s, struct settings_world *w, struct err *e)
{
    char list[CONFIG_TEXT];
    memcpy(list, s->task.traces, sizeof list);
    char *rest = list;
    while (*rest) {
        char *item = rest;
        size_t length = strcspn(rest, ",");
        rest += length + (rest[length] == ',');
        item[length] = '\0';
        if (w->n_traces == SETTINGS_TRACES)
            return err_set(e, ERR_USAGE, "task.traces: more than %d files", SETTINGS_TRACES);
        if (!settings_trace(item, &w->traces[w->n_traces], e))
            return err_wrap(e, "task.traces");
        w->n_traces++;
    }
    return true;
}

static bool open_microservice(const struct settings *s, struct settings_world *w, struct err *e)
{
    if (!read_traces(s, w, e))
        return false;
    const struct sim_config sim = {
        .profile = &s->profile,
        .traces = w->traces,
        .n_traces = w->n_traces,
        .n_variants = s->task.variants,
        .n_threads = s->train.threads,
        .max_replicas = s->env.max_replicas,
        .latency_soft_ms = s->env.latency_soft_ms > 0 ? s->env.latency_soft_ms : 0,
        .episode_s = s->env.max_steps * s->env.period_s + s->env.warm_up_s,
        .faults = s->task.faults,
        .seed = (uint64_t)s->train.seed,
    };
    if (!sim_model_open(&sim, &w->model, e))
        return false;
    if (s->train.steps_csv && !steps_open(s->ppo.n_envs, &w->steps, e))
        return false;
    struct microservice_parts parts = {.config = s->env,
                                       .guard = s->guard,
                                       .reward = s->reward,
                                       .model = w->model,
                                       .on_step = w->steps ? steps_note : NULL,
                                       .on_step_arg = w->steps};
    return observation_spec_parse(&parts.observation, s->observation.features, s->env.period_s,
                                  s->profile.measurement.window_s, e) &&
           microservice_open(&parts, &w->env, e);
}

bool settings_world_open(const struct settings *s, const volatile sig_atomic_t *stop, struct settings_world *out,
                         struct err *e)
{
    memset(out, 0, sizeof *out);
    if (s->task.env == SETTINGS_CARTPOLE && s->train.steps_csv)
        return err_set(e, ERR_USAGE, "train.steps_csv: tells of replicas, which cartpole has not");
    if (s->task.env == SETTINGS_CARTPOLE && s->task.cluster == SETTINGS_LIVE)
        return err_set(e, ERR_USAGE, "task.cluster: cartpole runs on no cluster, also not on a live one");
    if (s->task.env == SETTINGS_CARTPOLE)
        cartpole_env(&out->env);
    else if (!(s->task.cluster == SETTINGS_LIVE ? settings_live_open(s, stop, out, e) : open_microservice(s, out, e))) {
        settings_world_close(out);
        return false;
    }
    out->opened = true;
    return true;
}

void settings_world_close(struct settings_world *w)
{
    if (!w)
        return;
    if (w->opened && w->env.ops->close)
        w->env.ops->close(&w->env);
    live_site_close(&w->site);
    sim_model_close(w->model);
    steps_close(w->steps);
    for (int i = 0; i < w->n_traces; i++)
        trace_finish(&w->traces[i]);
    memset(w, 0, sizeof *w);
}

bool settings_world_settle(struct settings_world *w, struct err *e)
{
    int found = w->opened && w->site.cluster ? session_found(&w->env) : 0;
    bool restored = found == 0 || live_site_give_back(&w->site, found, e);
    bool quiet = live_site_quiet(&w->site, restored ? e : NULL); // last: faults may take a minute to heal
    return quiet && restored;
}

const struct control *settings_control(const struct settings *s, const struct env *env)
{
    return s->task.cluster == SETTINGS_LIVE ? session_control(env) : microservice_control(env);
}
