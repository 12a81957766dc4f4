/* scripted_fleet: a fleet of one or a few targets that a test sets by hand, and the source of suggestions over it. */
#ifndef TESTS_SCRIPTED_FLEET_H
#define TESTS_SCRIPTED_FLEET_H

#include <maestro/suggest.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#define SCRIPTED_TARGETS 8

struct scripted_fleet {
    struct fleet fleet; /* first: the seam */
    struct fleet_view views[SCRIPTED_TARGETS];
    bool missing[SCRIPTED_TARGETS]; /* the API knows no such Deployment */
    int n;
    bool fails;      /* nothing can be read */
    bool fails_pods; /* pods cannot */
    int n_refreshes, n_writes, n_dropped;
    const char *api, *prometheus; /* troubles; NULL: none */
};

static inline bool scripted_refresh(struct fleet *f, double monotonic_s, struct err *e)
{
    struct scripted_fleet *s = (struct scripted_fleet *)f;
    (void)monotonic_s;
    s->n_refreshes++;
    for (int i = 0; i < s->n; i++) {
        s->views[i].gone = s->missing[i];
        if (!s->missing[i] && !s->fails)
            snprintf(s->views[i].uid, sizeof s->views[i].uid, "uid-%d", i);
    }
    return !s->fails || err_set(e, ERR_IO, "nobody answers");
}

static inline int scripted_count(const struct fleet *f)
{
    return ((const struct scripted_fleet *)f)->n;
}

static inline const struct fleet_view *scripted_view(const struct fleet *f, int i)
{
    return &((const struct scripted_fleet *)f)->views[i];
}

static inline bool scripted_read_pods(struct fleet *f, int i, struct sample *out, struct err *e)
{
    *out = scripted_view(f, i)->sample;
    return !((const struct scripted_fleet *)f)->fails_pods || err_set(e, ERR_IO, "no pods can be read");
}

static inline enum fleet_outcome scripted_write(struct fleet *f, int i, int replicas, bool dry_run, struct err *e)
{
    (void)i;
    (void)replicas;
    (void)dry_run;
    (void)e;
    ((struct scripted_fleet *)f)->n_writes++;
    return FLEET_DONE;
}

static inline void scripted_event(struct fleet *f, int i, bool warning, const char *reason, const char *message)
{
    (void)i;
    (void)warning;
    (void)reason;
    (void)message;
    ((struct scripted_fleet *)f)->n_writes++;
}

static inline double scripted_deadline(const struct fleet *f)
{
    (void)f;
    return 0;
}

static const struct fleet_ops scripted_ops = {scripted_refresh,   scripted_count, scripted_view,
                                              scripted_read_pods, scripted_write, scripted_event,
                                              scripted_deadline,  NULL,           NULL};

/* A new target looks at what a test put at its place. */
static inline bool scripted_add(struct fleet *f, const char *space, const char *name, int *index, struct err *e)
{
    struct scripted_fleet *s = (struct scripted_fleet *)f;
    if (strchr(name, '"') || strchr(name, '/'))
        return err_set(e, ERR_USAGE, "'%.60s' is no name of a Deployment", name);
    ck_assert_int_lt(s->n, SCRIPTED_TARGETS);
    snprintf(s->views[s->n].space, sizeof s->views[0].space, "%s", space);
    snprintf(s->views[s->n].name, sizeof s->views[0].name, "%s", name);
    *index = s->n++;
    return true;
}

static inline void scripted_drop(struct fleet *f, int index)
{
    (void)index;
    ((struct scripted_fleet *)f)->n_dropped++;
}

static inline const char *scripted_query(const struct fleet *f, enum signal_id signal)
{
    static const char *const texts[SIGNAL_COUNT] = {"cpu \"query\"", "memory query", "spec.replicas", "p95 query",
                                                    "rps query"};
    (void)f;
    return texts[signal];
}

static inline void scripted_trouble(const struct fleet *f, struct err *api, struct err *prometheus)
{
    const struct scripted_fleet *s = (const struct scripted_fleet *)f;
    if (s->api)
        err_set(api, ERR_IO, "%s", s->api);
    if (s->prometheus)
        err_set(prometheus, ERR_IO, "%s", s->prometheus);
}

static inline struct suggest_source scripted_source(struct scripted_fleet *s)
{
    s->fleet.ops = &scripted_ops;
    return (struct suggest_source){.fleet = &s->fleet,
                                   .add = scripted_add,
                                   .drop = scripted_drop,
                                   .query = scripted_query,
                                   .trouble = scripted_trouble,
                                   .space = "shop",
                                   .prefix = "maestro.dev/"};
}

/* Everything known: a service of that many replicas. */
static inline struct sample scripted_sample(double time_s, int replicas, double cpu_percent, double p95_ms, double rps)
{
    struct sample s = {.time_s = time_s, .ready = replicas};
    const double values[SIGNAL_COUNT] = {cpu_percent, 0.4, replicas, p95_ms, rps};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.signals[i] = (struct reading){values[i], 7.5, VALIDITY_VALID};
    s.error_ratio = (struct reading){0.01, 7.5, VALIDITY_VALID};
    return s;
}

#endif
