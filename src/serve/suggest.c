/* suggest: the table of watched targets and the sampler that looks at them by the clock (suggest_look.c does the looking). In:
 * questions (names) and a fleet. Out: the last decision about each. Askers only read the table and note that they asked; the fleet, the policies and the
 * histories are the sampler's alone, so nothing that is asked can change what is answered. Writes nothing to any cluster. */
#include "suggest_entry.h"

#include <maestro/clock.h>
#include <maestro/exposition.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY(field) offsetof(struct suggest_config, field)
const struct config_key suggest_config_keys[] = {
    {"address", CONFIG_STRING, KEY(address), "0.0.0.0", 0, 0, NULL, NULL, "Address to listen on."},
    {"port", CONFIG_INT, KEY(port), "8081", 0, 65535, NULL, NULL, "Port to listen on; 0: any free one."},
    {"threads", CONFIG_INT, KEY(threads), "4", 1, 64, NULL, NULL, "Threads that answer."},
    {"policy", CONFIG_STRING, KEY(policy), "ppo:policy", 0, 0, NULL, NULL,
     "Policy of targets without the annotation: as in maestro evaluate, ppo:NAME of the folder, or a policy file's "
     "path."},
    {"policies", CONFIG_STRING, KEY(policies), "/policy", 0, 0, NULL, NULL,
     "Folder of policy files, NAME.safetensors."},
    {"allowed", CONFIG_TEXTS, KEY(allowed), "ppo,hpa", 0, 0, NULL, NULL,
     "Policies that annotations may ask for: kinds, and whole texts of those that reach out."},
    {"period_s", CONFIG_DOUBLE, KEY(period_s), "15s", 1, 3600, "s", NULL,
     "Time between looks for policies that have no period of their own."},
    {"min_replicas", CONFIG_INT, KEY(min_replicas), "1", 1, 100000, NULL, NULL, "Fewest replicas."},
    {"max_replicas", CONFIG_INT, KEY(max_replicas), "10", 1, 100000, NULL, NULL, "Most replicas."},
    {"latency_soft_ms", CONFIG_DOUBLE, KEY(latency_soft_ms), "0ms", 0, 1e6, "ms", NULL,
     "Soft latency limit; 0: unset."},
    {"latency_hard_ms", CONFIG_DOUBLE, KEY(latency_hard_ms), "0ms", 0, 1e6, "ms", NULL,
     "Hard latency limit; 0: unset."},
    {"targets", CONFIG_INT, KEY(targets), "64", 1, 4096, NULL, NULL, "Most targets watched at once."},
    {"idle_s", CONFIG_DOUBLE, KEY(idle_s), "15min", 10, 86400, "s", NULL,
     "A target that nobody asked for this long is no longer watched."},
    {"wait_s", CONFIG_DOUBLE, KEY(wait_s), "2s", 0, 60, "s", NULL,
     "Longest that the first question about a target waits for the first look at it."},
};
const int n_suggest_config_keys = sizeof suggest_config_keys / sizeof suggest_config_keys[0];

static const double RELOAD_S = 10;   /* between two looks at policy files */
static const double MISSING_S = 30;  /* what does not exist, or is no name of anything, keeps its place for so long */
static const double SLEEP_MAX_S = 5; /* of the sampler with nothing to do */

struct suggest_counts {
    long long answers[6]; /* by hundreds of the status */
    long long looks, looks_failed, decisions;
};

struct suggest {
    struct suggest_config config;
    struct suggest_source source;
    pthread_mutex_t lock;          /* over entries' shared part, queries, counts, flags */
    pthread_cond_t changed;        /* monotonic: a look is over, or somebody asked for something new */
    struct suggest_entry *entries; /* [config.targets] */
    struct suggest_queries queries;
    struct suggest_counts counts;
    bool reload, stop, started;
    pthread_t thread;
    /* the sampler's own */
    struct pool *pool;
    double reloaded_s;
    double began_s;              /* of the first look; 0: none yet */
    struct suggest_shown *fresh; /* what a look is put together in */
    int *due;                    /* [n_due] of [config.targets]: entries of this tick */
    int n_due;
};

static void free_tables(struct suggest *s)
{
    free(s->entries);
    free(s->fresh);
    free(s->due);
    free(s);
}

static bool open_threads(struct suggest *s, struct err *e)
{
    pthread_condattr_t attributes;
    bool done = pthread_mutex_init(&s->lock, NULL) == 0 && pthread_condattr_init(&attributes) == 0 &&
                pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&s->changed, &attributes) == 0;
    return done || err_set(e, ERR_IO, "suggest: no lock can be made");
}

static bool check(const struct suggest_config *c, struct err *e)
{
    if (c->min_replicas > c->max_replicas)
        return err_set(e, ERR_USAGE, "suggest.min_replicas: %d is more than max_replicas %d", c->min_replicas,
                       c->max_replicas);
    if (c->latency_soft_ms > 0 && c->latency_hard_ms > 0 && c->latency_soft_ms > c->latency_hard_ms)
        return err_set(e, ERR_USAGE, "suggest.latency_soft_ms: %g ms is above latency_hard_ms %g ms",
                       c->latency_soft_ms, c->latency_hard_ms);
    return true;
}

/* A path by itself is that of a policy file. */
static bool settle_policy(struct suggest *s, struct err *e)
{
    const char *text = s->config.policy;
    size_t n = strlen(text);
    const char *end = strstr(text, ".safetensors");
    if (strchr(text, ':') || !strchr(text, '/') || !end || strcmp(end, ".safetensors") != 0)
        return true;
    if (n + 5 > sizeof s->config.policy)
        return err_set(e, ERR_USAGE, "suggest.policy: the path is too long");
    memmove(s->config.policy + 4, text, n + 1);
    memcpy(s->config.policy, "ppo:", 4);
    return true;
}

static bool open_pool(struct suggest *s, struct err *e)
{
    const struct pooled *unused;
    struct pool_config config = {.section = "suggest",
                                 .folder = s->config.policies,
                                 .allowed = s->config.allowed,
                                 .policy = s->config.policy,
                                 .period_s = s->config.period_s,
                                 .window_s = s->source.window_s};
    return settle_policy(s, e) && pool_open(&config, &s->pool, e) &&
           (pool_find(s->pool, s->config.policy, &unused, e) || err_wrap(e, "suggest.policy"));
}

bool suggest_open(const struct suggest_config *config, const struct suggest_source *source, struct suggest **out,
                  struct err *e)
{
    struct suggest *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_IO, "suggest: out of memory");
    s->config = *config;
    s->source = *source;
    s->entries = calloc((size_t)config->targets, sizeof *s->entries);
    s->fresh = calloc(1, sizeof *s->fresh);
    s->due = calloc((size_t)config->targets, sizeof *s->due);
    if (!s->entries || !s->fresh || !s->due || !open_threads(s, e)) {
        free_tables(s);
        return err_set(e, ERR_IO, "suggest: out of memory");
    }
    if (!check(config, e) || !open_pool(s, e)) {
        suggest_close(s);
        return false;
    }
    *out = s;
    return true;
}

static void stop_thread(struct suggest *s)
{
    if (!s->started)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->started = false;
}

void suggest_close(struct suggest *s)
{
    if (!s)
        return;
    stop_thread(s);
    for (int i = 0; i < s->config.targets; i++)
        policy_close(s->entries[i].own);
    pool_close(s->pool);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        buf_finish(&s->queries.text[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free_tables(s);
}

/* No name of anything: it will not become one. */
static bool is_nameless(const struct suggest_entry *entry)
{
    return entry->shown.status == 400;
}

static bool is_idle(const struct suggest *s, const struct suggest_entry *entry, double now_s)
{
    bool missing = entry->shown.status == 404 || is_nameless(entry);
    return now_s - entry->asked_s > (missing ? fmin(MISSING_S, s->config.idle_s) : s->config.idle_s);
}

static void give_up(struct suggest *s, struct suggest_entry *entry)
{
    if (entry->index >= 0)
        s->source.drop(s->source.fleet, entry->index);
    policy_close(entry->own);
    *entry = (struct suggest_entry){.index = -1};
}

static void add_to_fleet(struct suggest *s, struct suggest_entry *entry, double now_s)
{
    struct err *why = &entry->shown.why;
    entry->due_s = now_s;
    if (s->source.add(s->source.fleet, entry->space, entry->name, &entry->index, why))
        return;
    entry->index = -1;
    entry->shown.status = why->code == ERR_USAGE ? 400 : 500;
    entry->shown.retry_s = SLEEP_MAX_S;
}

static void add_asked(struct suggest *s, double now_s)
{
    for (int i = 0; i < s->config.targets; i++) {
        struct suggest_entry *entry = &s->entries[i];
        if (entry->used && is_idle(s, entry, now_s))
            give_up(s, entry);
        else if (entry->used && entry->index < 0 && !is_nameless(entry))
            add_to_fleet(s, entry, now_s);
    }
}

static void find_due(struct suggest *s, double now_s)
{
    s->n_due = 0;
    for (int i = 0; i < s->config.targets; i++) {
        const struct suggest_entry *entry = &s->entries[i];
        if (entry->used && entry->index >= 0 && entry->due_s <= now_s)
            s->due[s->n_due++] = i;
    }
}

static void tell(const struct suggest *s, const char *event, const char *about, const struct err *why)
{
    if (s->source.tell)
        s->source.tell(event, about, why);
}

static void tell_reload(void *context, const char *text, const struct err *why)
{
    tell(context, why->code == ERR_NONE ? "policy_reloaded" : "policy_kept", text, why);
}

static void reload(struct suggest *s, double now_s)
{
    if (!s->reload && now_s - s->reloaded_s < RELOAD_S)
        return;
    s->reload = false;
    s->reloaded_s = now_s;
    pool_reload(s->pool, tell_reload, s);
}

/* Targets of one period are looked at together, whenever each was first asked for: a look reads all that are watched. So
 * moments lie on a grid from the first look on, and the step behind a first or a late look is from half a period to one and a
 * half. A missed moment is not made up for. */
static void schedule(const struct suggest *s, struct suggest_entry *entry, double period_s, double now_s)
{
    double n = floor((now_s + period_s / 2 - s->began_s) / period_s);
    entry->due_s = s->began_s + (n + 1) * period_s;
}

static double next_due(const struct suggest *s, double now_s)
{
    double next_s = now_s + SLEEP_MAX_S;
    for (int i = 0; i < s->config.targets; i++)
        if (s->entries[i].used && s->entries[i].index >= 0)
            next_s = fmin(next_s, s->entries[i].due_s);
    return next_s;
}

static void keep_queries(struct suggest *s)
{
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        buf_clear(&s->queries.text[i]);
        buf_text(&s->queries.text[i], s->source.query(s->source.fleet, (enum signal_id)i));
    }
}

/* Looks at what is due, unlocked but for the hand-over. */
static void look_at_due(struct suggest *s, double now_s)
{
    struct err e = {0};
    const struct suggest_looker looker = {&s->config, &s->source, s->pool};
    s->began_s = s->began_s > 0 ? s->began_s : now_s;
    pool_begin_round(s->pool);
    bool read = fleet_refresh(s->source.fleet, now_s, &e);
    if (!read)
        tell(s, "look_failed", "fleet", &e);
    for (int k = 0; k < s->n_due; k++) {
        struct suggest_entry *entry = &s->entries[s->due[k]];
        suggest_look_at(&looker, entry, now_s, s->fresh);
        schedule(s, entry, s->fresh->period_s, now_s);
        pthread_mutex_lock(&s->lock);
        entry->shown = *s->fresh;
        s->counts.decisions += s->fresh->status == 200;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_lock(&s->lock);
    s->counts.looks++;
    s->counts.looks_failed += !read;
    keep_queries(s);
    pthread_mutex_unlock(&s->lock);
}

double suggest_tick(struct suggest *s, double now_s)
{
    pthread_mutex_lock(&s->lock);
    add_asked(s, now_s);
    reload(s, now_s);
    find_due(s, now_s);
    pthread_mutex_unlock(&s->lock);
    if (s->n_due > 0)
        look_at_due(s, now_s);
    pthread_mutex_lock(&s->lock);
    double next_s = next_due(s, now_s);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return next_s;
}

static struct timespec moment(double monotonic_s)
{
    double whole = floor(monotonic_s);
    return (struct timespec){.tv_sec = (time_t)whole, .tv_nsec = (long)((monotonic_s - whole) * 1e9)};
}

/* With the lock: something was asked that the sampler does not know. */
static bool has_news(const struct suggest *s)
{
    for (int i = 0; i < s->config.targets; i++)
        if (s->entries[i].used && s->entries[i].index < 0 && s->entries[i].shown.status == 0)
            return true;
    return s->reload;
}

static void *run(void *context)
{
    struct suggest *s = context;
    for (;;) {
        double next_s = suggest_tick(s, clock_monotonic_s());
        struct timespec until = moment(next_s);
        pthread_mutex_lock(&s->lock);
        while (!s->stop && !has_news(s) && clock_monotonic_s() < next_s)
            pthread_cond_timedwait(&s->changed, &s->lock, &until);
        bool stop = s->stop;
        pthread_mutex_unlock(&s->lock);
        if (stop)
            return NULL;
    }
}

bool suggest_start(struct suggest *s, struct err *e)
{
    if (pthread_create(&s->thread, NULL, run, s) != 0)
        return err_set(e, ERR_IO, "suggest: no thread can be started");
    s->started = true;
    return true;
}

void suggest_reload(struct suggest *s)
{
    pthread_mutex_lock(&s->lock);
    s->reload = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* With the lock. NULL: there is none, and room for none where add is set. What is no name makes room for any other. */
static struct suggest_entry *find(struct suggest *s, const char *space, const char *name, bool add)
{
    struct suggest_entry *room = NULL;
    for (int i = 0; i < s->config.targets; i++) {
        struct suggest_entry *entry = &s->entries[i];
        if (entry->used && strcmp(entry->space, space) == 0 && strcmp(entry->name, name) == 0)
            return entry;
        if (!room || (room->used && !entry->used))
            room = !entry->used || is_nameless(entry) ? entry : NULL;
    }
    if (!add || !room)
        return NULL;
    *room = (struct suggest_entry){.used = true, .index = -1};
    snprintf(room->space, sizeof room->space, "%s", space);
    snprintf(room->name, sizeof room->name, "%s", name);
    pthread_cond_broadcast(&s->changed);
    return room;
}

/* With the lock: until the first look is over, or it takes too long. The entry may be another's by then. */
static struct suggest_entry *await(struct suggest *s, const char *space, const char *name)
{
    double until_s = clock_monotonic_s() + s->config.wait_s;
    struct timespec until = moment(until_s);
    struct suggest_entry *entry = find(s, space, name, true);
    while (entry && entry->shown.status == 0 && !s->stop && clock_monotonic_s() < until_s) {
        entry->asked_s = clock_monotonic_s();
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        entry = find(s, space, name, false);
    }
    return entry;
}

static void answer_locked(struct suggest *s, const char *space, const char *name, struct httpd_reply *reply)
{
    struct suggest_entry *entry = await(s, space, name);
    double now_s = clock_monotonic_s();
    if (!entry) {
        reply->retry_after_s = s->config.idle_s;
        httpd_refuse(reply, 503, "%d targets are watched already, no more can be (suggest.targets)", s->config.targets);
        return;
    }
    entry->asked_s = now_s;
    suggest_print(entry, &s->queries, now_s, reply);
}

void suggest_answer(struct suggest *s, const char *space, const char *name, struct httpd_reply *reply)
{
    space = space ? space : s->source.space;
    if (!name || !*name)
        httpd_refuse(reply, 400, "the parameter deployment is missing: /suggest?deployment=NAME&namespace=NAMESPACE");
    else if (strlen(space) >= sizeof s->entries[0].space)
        httpd_refuse(reply, 400, "'%.80s...' is no name of a namespace", space);
    else if (strlen(name) >= sizeof s->entries[0].name)
        httpd_refuse(reply, 400, "'%.80s...' is longer than a name that can be watched", name);
    else {
        pthread_mutex_lock(&s->lock);
        answer_locked(s, space, name, reply);
        pthread_mutex_unlock(&s->lock);
    }
    int hundreds = (reply->status ? reply->status : 200) / 100;
    pthread_mutex_lock(&s->lock);
    s->counts.answers[hundreds < 6 ? hundreds : 5]++;
    pthread_mutex_unlock(&s->lock);
}

bool suggest_look(struct suggest *s, const char *space, const char *name, struct journal_record *out)
{
    pthread_mutex_lock(&s->lock);
    const struct suggest_entry *entry = find(s, space, name, false);
    bool known = entry && entry->shown.status == 200;
    if (known)
        *out = entry->shown.record;
    pthread_mutex_unlock(&s->lock);
    return known;
}

static void put_answers(const struct suggest_counts *counts, struct buf *out)
{
    exposition_family(out, "maestro_suggest_answers_total", "counter", "Answers to /suggest by status.");
    for (int i = 2; i < 6; i++) {
        CLEANUP_BUF struct buf labels = {0};
        char status[8];
        snprintf(status, sizeof status, "%dxx", i);
        exposition_label(&labels, "status", status);
        exposition_value(out, "maestro_suggest_answers_total", labels.bytes, (double)counts->answers[i]);
    }
}

void suggest_metrics(struct suggest *s, struct buf *out)
{
    int n_watched = 0;
    pthread_mutex_lock(&s->lock);
    struct suggest_counts counts = s->counts;
    for (int i = 0; i < s->config.targets; i++)
        n_watched += s->entries[i].used;
    pthread_mutex_unlock(&s->lock);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"maestro_suggest_targets", "gauge", "Targets that are watched.", n_watched},
        {"maestro_suggest_looks_total", "counter", "Looks at all that was due.", (double)counts.looks},
        {"maestro_suggest_looks_failed_total", "counter", "Looks that could read nothing.",
         (double)counts.looks_failed},
        {"maestro_suggest_decisions_total", "counter", "Decisions that can be told.", (double)counts.decisions},
    };
    put_answers(&counts, out);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        exposition_family(out, rows[i].name, rows[i].type, rows[i].help);
        exposition_value(out, rows[i].name, NULL, rows[i].value);
    }
}
