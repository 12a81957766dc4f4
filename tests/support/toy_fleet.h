/* toy_fleet: a made-up fleet on a virtual clock: targets whose load is a plain formula, and every way in which a cluster
 * and a Prometheus can fail, switched by hand. Pods appear at once, unless start_s says otherwise. */
#ifndef TESTS_TOY_FLEET_H
#define TESTS_TOY_FLEET_H

#include <maestro/autoscaler.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOY_REQUEST_PERCENT 50.0 /* CPU request of a pod, percent of one core */
#define TOY_EVENTS 64

struct toy_target {
    struct fleet_view view;
    char values[FLEET_ANNOTATIONS][64];
    char keys[FLEET_ANNOTATIONS][64];
    int replicas;  /* spec.replicas, as the API holds it */
    int version;   /* of the object */
    double cpu;    /* percent of one core, all pods together */
    double p95_ms; /* measured */
    double rps;
    enum validity validity[SIGNAL_COUNT];
    int n_writes, n_dry_runs;
    int lowest; /* count ever written */
    struct pod_record pods[PODS_LIMIT];
    bool pods_fail;
};

struct toy_event {
    int target;
    bool warning;
    char reason[32];
    char message[256];
};

struct toy_fleet {
    struct fleet fleet;
    double monotonic_s, wall_s;
    double deadline_s;                  /* the lease's */
    double write_takes_s, read_takes_s; /* the latter: pods that fail */
    double asks_patience_s;
    struct toy_target *targets; /* [n_targets], owned */
    int n_targets;
    bool refresh_fails;
    bool list_fails;                   /* of Deployments alone: signals come, what the API said is old */
    enum fleet_outcome next_write;     /* what writes meet; FLEET_DONE: all is well */
    bool write_lands;                  /* an unanswered write is stored all the same */
    int n_refreshes, n_writes, n_late; /* late: begun at or after the deadline */
    int n_reads_failed;                /* of pods */
    int order[64];                     /* targets in the order of their writes */
    struct toy_event events[TOY_EVENTS];
    int n_events;
};

static inline double toy_monotonic(void *context)
{
    return ((struct toy_fleet *)context)->monotonic_s;
}

static inline double toy_wall(void *context)
{
    return ((struct toy_fleet *)context)->wall_s;
}

static inline void toy_look(struct toy_fleet *f, struct toy_target *t)
{
    const double values[SIGNAL_COUNT] = {t->cpu, 0.3, t->replicas, t->p95_ms, t->rps};
    struct sample *s = &t->view.sample;
    *s = (struct sample){.time_s = f->wall_s, .ready = t->replicas - s->starting, .starting = s->starting};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s->signals[i] = (struct reading){values[i], 10, t->validity[i]};
    s->error_ratio = (struct reading){0, 10, VALIDITY_VALID};
    t->pods[0].cpu_request_percent = TOY_REQUEST_PERCENT;
    s->pods = t->pods;
    s->n_pods = 1;
    t->view.api_age_s = 0;
    snprintf(t->view.resource_version, sizeof t->view.resource_version, "%d", t->version);
}

/* Signals anew beside what the API said before. */
static inline void toy_look_blind(struct toy_fleet *f, struct toy_target *t)
{
    struct fleet_view before = t->view;
    toy_look(f, t);
    t->view.sample.signals[SIGNAL_REPLICAS] = before.sample.signals[SIGNAL_REPLICAS];
    t->view.api_age_s = before.api_age_s + 5;
    memcpy(t->view.resource_version, before.resource_version, sizeof before.resource_version);
}

static inline bool toy_refresh(struct fleet *fleet, double monotonic_s, struct err *e)
{
    struct toy_fleet *f = (struct toy_fleet *)fleet;
    (void)monotonic_s;
    f->n_refreshes++;
    for (int i = 0; i < f->n_targets; i++)
        if (f->refresh_fails)
            f->targets[i].view.api_age_s += 5;
        else if (!f->targets[i].view.gone)
            (f->list_fails ? toy_look_blind : toy_look)(f, &f->targets[i]);
    return !f->refresh_fails || err_set(e, ERR_IO, "api: connection refused");
}

static inline int toy_count(const struct fleet *fleet)
{
    return ((const struct toy_fleet *)fleet)->n_targets;
}

static inline const struct fleet_view *toy_view(const struct fleet *fleet, int i)
{
    return &((const struct toy_fleet *)fleet)->targets[i].view;
}

/* Every pod takes its share of the load. */
static inline bool toy_read_pods(struct fleet *fleet, int i, struct sample *out, struct err *e)
{
    struct toy_fleet *f = (struct toy_fleet *)fleet;
    struct toy_target *t = &f->targets[i];
    if (t->pods_fail) {
        f->monotonic_s += f->read_takes_s;
        f->wall_s += f->read_takes_s;
        f->n_reads_failed++;
        return err_set(e, ERR_IO, "metrics-server: 503");
    }
    *out = t->view.sample;
    int n = t->replicas < PODS_LIMIT ? t->replicas : PODS_LIMIT;
    for (int k = 0; k < n; k++)
        t->pods[k] = (struct pod_record){.cpu_percent = t->cpu / n,
                                         .cpu_sample_time_s = f->wall_s - 5,
                                         .cpu_window_s = 15,
                                         .cpu_request_percent = TOY_REQUEST_PERCENT,
                                         .start_time_s = f->wall_s - 3600,
                                         .ready_changed_s = f->wall_s - 3500,
                                         .phase = POD_RUNNING,
                                         .has_cpu = true,
                                         .has_start_time = true,
                                         .has_ready_condition = true,
                                         .ready = true};
    out->pods = t->pods;
    out->n_pods = n;
    return true;
}

static inline enum fleet_outcome toy_write(struct fleet *fleet, int i, int replicas, bool dry_run, struct err *e)
{
    struct toy_fleet *f = (struct toy_fleet *)fleet;
    struct toy_target *t = &f->targets[i];
    bool late = !(f->monotonic_s < f->deadline_s);
    f->n_late += late;
    f->monotonic_s += f->write_takes_s;
    f->wall_s += f->write_takes_s;
    f->order[f->n_writes % 64] = i;
    f->n_writes++;
    if (dry_run)
        t->n_dry_runs++;
    else
        t->n_writes++;
    if (f->next_write != FLEET_DONE)
        err_set(e, ERR_IO, "the API server said no (%d)", (int)f->next_write);
    bool stored = f->next_write == FLEET_DONE || (f->next_write == FLEET_FAILED && f->write_lands);
    if (stored && !dry_run) {
        t->replicas = replicas;
        t->version++;
    }
    return f->next_write;
}

static inline void toy_event(struct fleet *fleet, int i, bool warning, const char *reason, const char *message)
{
    struct toy_fleet *f = (struct toy_fleet *)fleet;
    struct toy_event *e = &f->events[f->n_events++ % TOY_EVENTS];
    *e = (struct toy_event){.target = i, .warning = warning};
    snprintf(e->reason, sizeof e->reason, "%s", reason);
    snprintf(e->message, sizeof e->message, "%.255s", message);
}

static inline double toy_deadline(const struct fleet *fleet)
{
    return ((const struct toy_fleet *)fleet)->deadline_s;
}

static inline double toy_patience(const struct fleet *fleet)
{
    return ((const struct toy_fleet *)fleet)->asks_patience_s;
}

static const struct fleet_ops TOY_FLEET = {toy_refresh, toy_count,    toy_view, toy_read_pods, toy_write,
                                           toy_event,   toy_deadline, NULL,     toy_patience};

/* n targets shop/web-0 ..., three replicas each, half busy. */
static inline void toy_fleet_open(struct toy_fleet *f, int n)
{
    *f = (struct toy_fleet){
        .fleet = {&TOY_FLEET}, .monotonic_s = 1000, .wall_s = 1.7e9, .deadline_s = 1e12, .n_targets = n};
    f->targets = calloc((size_t)n, sizeof *f->targets);
    ck_assert_ptr_nonnull(f->targets);
    for (int i = 0; i < n; i++) {
        struct toy_target *t = &f->targets[i];
        snprintf(t->view.space, sizeof t->view.space, "shop");
        snprintf(t->view.name, sizeof t->view.name, "web-%d", i);
        snprintf(t->view.uid, sizeof t->view.uid, "uid-%d", i);
        t->replicas = 3;
        t->lowest = 3;
        t->cpu = 90;
        t->p95_ms = 50;
        t->rps = 100;
        for (int k = 0; k < SIGNAL_COUNT; k++)
            t->validity[k] = VALIDITY_VALID;
    }
}

static inline void toy_fleet_close(struct toy_fleet *f)
{
    free(f->targets);
}

/* Sets, changes or (value NULL) removes an annotation; keys without a slash are bare. */
static inline void toy_annotate(struct toy_fleet *f, int i, const char *name, const char *value)
{
    struct toy_target *t = &f->targets[i];
    struct fleet_view *v = &t->view;
    char key[64];
    bool bare = strncmp(name, "latency", 7) == 0 && strchr(name, '-') == NULL;
    snprintf(key, sizeof key, "%s%s", bare ? "" : "maestro.dev/", name);
    int at = 0;
    while (at < v->n_annotations && strcmp(t->keys[at], key) != 0)
        at++;
    t->version++;
    if (!value && at < v->n_annotations) {
        int last = --v->n_annotations;
        memmove(t->keys[at], t->keys[last], sizeof t->keys[at]);
        memmove(t->values[at], t->values[last], sizeof t->values[at]);
    } else if (value) {
        snprintf(t->keys[at], sizeof t->keys[at], "%s", key);
        snprintf(t->values[at], sizeof t->values[at], "%s", value);
        v->n_annotations += at == v->n_annotations;
    }
    for (int k = 0; k < v->n_annotations; k++)
        v->annotations[k] = (struct fleet_annotation){t->keys[k], t->values[k]};
}

static inline void toy_pass(struct toy_fleet *f, double seconds)
{
    f->monotonic_s += seconds;
    f->wall_s += seconds;
}

/* How often an Event with this reason was sent, and its last message. */
static inline int toy_events(const struct toy_fleet *f, const char *reason, const char **message)
{
    int n = 0;
    for (int i = 0; i < f->n_events && i < TOY_EVENTS; i++)
        if (strcmp(f->events[i].reason, reason) == 0) {
            n++;
            if (message)
                *message = f->events[i].message;
        }
    return n;
}

/* A whole autoscaler over a toy fleet. */
struct toy_scaler {
    struct toy_fleet toy;
    struct autoscaler_config config;
    struct journal *journal;
    struct board *board;
    struct autoscaler *autoscaler;
};

static inline void toy_scaler_defaults(struct autoscaler_config *config)
{
    struct config_section section = {"autoscaler", "", autoscaler_config_keys, n_autoscaler_config_keys, config};
    struct config c = {0};
    struct err e = {0};
    ck_assert_msg(config_init(&c, &section, 1, &e), "%s", e.message);
    config_finish(&c);
    config->mode = MODE_ACTIVE;
    config->interval_s = 15;
}

static inline void toy_scaler_start(struct toy_scaler *s)
{
    struct err e = {0};
    const struct autoscaler_parts parts = {.config = &s->config,
                                           .fleet = &s->toy.fleet,
                                           .journal = s->journal,
                                           .board = s->board,
                                           .prefix = "maestro.dev/",
                                           .scrape_s = 15,
                                           .window_s = 60,
                                           .quantile = 0.95,
                                           .clock = {toy_monotonic, toy_wall, &s->toy}};
    ck_assert_msg(autoscaler_open(&parts, &s->autoscaler, &e), "%s", e.message);
}

/* As a process that was killed and started again: the fleet lives on. */
static inline void toy_scaler_restart(struct toy_scaler *s)
{
    autoscaler_close(s->autoscaler);
    toy_scaler_start(s);
}

static inline void toy_scaler_open(struct toy_scaler *s, int n, const char *policy)
{
    memset(s, 0, sizeof *s);
    toy_fleet_open(&s->toy, n);
    toy_scaler_defaults(&s->config);
    snprintf(s->config.policy, sizeof s->config.policy, "%s", policy);
    ck_assert(board_open(&s->board, NULL));
}

static inline void toy_scaler_close(struct toy_scaler *s)
{
    autoscaler_close(s->autoscaler);
    board_close(s->board);
    journal_close(s->journal);
    toy_fleet_close(&s->toy);
}

/* Ticks every 5 s for so long. */
static inline void toy_scaler_run(struct toy_scaler *s, double seconds)
{
    for (double t = 0; t < seconds; t += 5) {
        toy_pass(&s->toy, 5);
        autoscaler_tick(s->autoscaler);
    }
}

/* Ticks that ended with this final reason so far. */
static inline long long toy_finals(const struct toy_scaler *s, const char *name)
{
    for (int i = 0; i < FINAL_REASONS; i++)
        if (strcmp(final_reason_name(i), name) == 0)
            return board_finals(s->board, i);
    ck_abort_msg("no final reason is called %s", name);
}

#endif
