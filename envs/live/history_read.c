/* history_read: the counters of one Deployment's pods as Prometheus kept them, put beside the looks that were taken meanwhile.
 * In: rows with times. Out: the same rows with counters. Series are asked for as they are, at the scrape interval, so that
 * resets and pods that come and go are seen one by one; sums are made here. Fits nothing. */
#include <maestro/history.h>

#include "asker.h"
#include "query.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double BEFORE_S = 15; /* asked for ahead of the first row, so that who is there is known */

enum question { ASK_CPU, ASK_CPU_TIME, ASK_MEMORY, ASK_REQUESTS, ASK_BUCKETS, ASK_SUM, ASK_SCRAPES, QUESTIONS };

struct gathering {
    const struct live_prometheus *config;
    struct preset_traffic traffic;
    struct buf space, name; /* as in a quoted pattern */
    struct buf text[QUESTIONS];
    struct prom_answer answers[QUESTIONS];
    struct history *history;
};

static void put_pods(struct gathering *r, struct buf *out, const char *metric, const char *more)
{
    buf_printf(out, "%s{namespace=~\"%s\",pod=~\"(%s)%s\"%s}", metric, r->space.bytes, r->name.bytes,
               r->config->pod_suffix, more);
}

static void put_traffic(struct gathering *r, struct buf *out, const char *metric, const char *suffix, const char *more)
{
    const struct preset_traffic *t = &r->traffic;
    bool by_pod = strcmp(t->target_label, "pod") == 0;
    buf_printf(out, "%s%s{%s%s=~\"%s\",%s=~\"(%s)%s\"%s}", metric, suffix, t->matchers, t->space_label, r->space.bytes,
               t->target_label, r->name.bytes, by_pod ? r->config->pod_suffix : "", more);
}

/* Of each pod, containers added up; cAdvisor's pod-level rows where it has no others. */
static void put_resource(struct gathering *r, struct buf *out, const char *metric, bool time)
{
    static const char *const rows[] = {",container!=\"\",container!=\"POD\"", ",container=\"\""};
    int n = r->config->resources == LIVE_CADVISOR ? 2 : 1;
    for (int i = 0; i < n; i++) {
        buf_text(out, i ? " or " : "");
        buf_text(out, time ? "max by (pod) (timestamp(" : "sum by (pod) (max by (pod, container) (");
        put_pods(r, out, metric, rows[i]);
        buf_text(out, "))");
    }
}

static bool build(struct gathering *r, const char *space, const char *name, struct err *e)
{
    prom_escape_pattern(&r->space, space);
    prom_escape_pattern(&r->name, name);
    if (!buf_ok(&r->space, e) || !buf_ok(&r->name, e))
        return false;
    put_resource(r, &r->text[ASK_CPU], "container_cpu_usage_seconds_total", false);
    put_resource(r, &r->text[ASK_CPU_TIME], "container_cpu_usage_seconds_total", true);
    put_resource(r, &r->text[ASK_MEMORY], "container_memory_working_set_bytes", false);
    put_traffic(r, &r->text[ASK_REQUESTS], r->traffic.requests, "", "");
    put_traffic(r, &r->text[ASK_BUCKETS], r->traffic.latency, "_bucket", "");
    put_traffic(r, &r->text[ASK_SUM], r->traffic.latency, "_sum", "");
    buf_text(&r->text[ASK_SCRAPES], "timestamp(");
    put_traffic(r, &r->text[ASK_SCRAPES], r->traffic.latency, "_bucket", ",le=\"+Inf\"");
    buf_text(&r->text[ASK_SCRAPES], ")");
    for (int i = 0; i < QUESTIONS; i++)
        if (!buf_ok(&r->text[i], e))
            return false;
    return true;
}

static bool ask(struct gathering *r, struct asker *asker, struct err *e)
{
    static const char *const names[QUESTIONS] = {
        "CPU", "CPU sample times", "memory", "requests", "latency buckets", "latency sums", "scrape times"};
    const char *texts[QUESTIONS];
    const struct history *h = r->history;
    const struct prom_range range = {.from_s = h->rows[0].time_s - BEFORE_S,
                                     .to_s = h->rows[h->n - 1].time_s + r->config->scrape_s,
                                     .step_s = r->config->scrape_s};
    for (int i = 0; i < QUESTIONS; i++)
        texts[i] = r->text[i].bytes;
    prom_query_range(asker->prom, texts, QUESTIONS, &range, r->answers);
    for (int i = 0; i < QUESTIONS; i++) {
        const struct prom_answer *a = &r->answers[i];
        if (!a->answered)
            return err_set(e, a->why.code, "%s: %.400s", names[i], a->why.message);
        if (a->degraded)
            return err_set(e, ERR_FORMAT, "%s: prometheus answers with a warning: %.300s", names[i], a->warning);
        if (a->n_series == 0 && i != ASK_MEMORY)
            return err_set(e, ERR_USAGE, "%s: Prometheus has no such series: %.400s", names[i], texts[i]);
    }
    return true;
}

/* One counter as points in time, resets taken out. */
struct curve {
    int n;
    double *time_s, *value; /* [n] owned, times rising */
};

static void curve_finish(struct curve *c)
{
    free(c->time_s);
    free(c->value);
}

/* times: what stands in place of each evaluation's own time; NULL: nothing. A pod that is younger than the first row began at
 * 0, one evaluation before it was seen. */
static bool curve_make(const struct history *h, double step_s, const struct prom_series *s,
                       const struct prom_series *times, struct curve *out)
{
    size_t room = (size_t)s->n_points + 1;
    *out = (struct curve){.time_s = calloc(room, sizeof(double)), .value = calloc(room, sizeof(double))};
    if (!out->time_s || !out->value || s->n_points == 0)
        return out->time_s && out->value;
    double sum = 0, before = s->points[0].value;
    if (s->points[0].time_s > h->rows[0].time_s + 1.5 * step_s) {
        out->time_s[out->n++] = s->points[0].time_s - step_s;
        before = 0;
    }
    for (int i = 0, at = 0; i < s->n_points; i++) {
        double time_s = s->points[i].time_s, value = s->points[i].value;
        while (times && at < times->n_points && times->points[at].time_s < time_s)
            at++;
        if (times && at < times->n_points && times->points[at].time_s <= time_s)
            time_s = times->points[at].value;
        if (!isfinite(value) || !isfinite(time_s) || (out->n > 0 && time_s <= out->time_s[out->n - 1]))
            continue;
        sum += value >= before ? value - before : value;
        before = value;
        out->time_s[out->n] = time_s;
        out->value[out->n++] = sum;
    }
    return true;
}

/* Adds the curve to one counter of every row, linear between points, held behind the last. */
static void curve_add(const struct curve *c, struct history *h, size_t offset)
{
    double base = 0;
    for (int i = 0, at = 0; i < h->n && c->n > 0; i++) {
        double t = h->rows[i].time_s, value;
        while (at < c->n && c->time_s[at] <= t)
            at++;
        if (at == 0)
            value = c->value[0];
        else if (at == c->n)
            value = c->value[c->n - 1];
        else
            value = c->value[at - 1] +
                    (c->value[at] - c->value[at - 1]) * (t - c->time_s[at - 1]) / (c->time_s[at] - c->time_s[at - 1]);
        base = i == 0 ? value : base;
        double *counter = (double *)(void *)((char *)&h->rows[i] + offset);
        *counter += value - base;
    }
}

static bool add_series(struct gathering *r, const struct prom_series *s, size_t offset, struct err *e)
{
    struct curve c;
    bool done = curve_make(r->history, r->config->scrape_s, s, NULL, &c);
    if (done)
        curve_add(&c, r->history, offset);
    curve_finish(&c);
    return done || err_set(e, ERR_IO, "history: no memory");
}

static const struct prom_series *same_pod(const struct prom_answer *a, const struct prom_series *s)
{
    const char *pod = prom_label_value(s, "pod");
    for (int i = 0; pod && i < a->n_series; i++) {
        const char *other = prom_label_value(&a->series[i], "pod");
        if (other && strcmp(pod, other) == 0)
            return &a->series[i];
    }
    return NULL;
}

static void mark_fresh(const struct curve *c, struct history *h)
{
    int row = 0;
    for (int i = 0; i < c->n; i++) {
        while (row < h->n && h->rows[row].time_s < c->time_s[i])
            row++;
        if (row < h->n && c->time_s[i] >= h->rows[0].time_s)
            h->rows[row].cpu_fresh = true;
    }
}

/* The CPU's counters carry times of their own: kubelet measures when it likes. */
static bool add_cpu(struct gathering *r, struct err *e)
{
    const struct prom_answer *a = &r->answers[ASK_CPU];
    for (int i = 0; i < a->n_series; i++) {
        struct curve c;
        const struct prom_series *times = same_pod(&r->answers[ASK_CPU_TIME], &a->series[i]);
        bool done = curve_make(r->history, r->config->scrape_s, &a->series[i], times, &c);
        if (done) {
            curve_add(&c, r->history, offsetof(struct history_row, cpu_s));
            mark_fresh(&c, r->history);
        }
        curve_finish(&c);
        if (!done)
            return err_set(e, ERR_IO, "history: no memory");
    }
    return true;
}

static void add_memory(struct gathering *r)
{
    const struct prom_answer *a = &r->answers[ASK_MEMORY];
    struct history *h = r->history;
    for (int row = 0; row < h->n; row++)
        h->rows[row].memory_mib = (double)NAN;
    for (int i = 0; i < a->n_series; i++) {
        const struct prom_series *s = &a->series[i];
        for (int row = 0, at = 0; row < h->n; row++) {
            struct history_row *to = &h->rows[row];
            while (at < s->n_points && s->points[at].time_s <= to->time_s)
                at++;
            if (at > 0 && s->points[at - 1].time_s > to->time_s - 2 * r->config->scrape_s)
                to->memory_mib = (isnan(to->memory_mib) ? 0 : to->memory_mib) + s->points[at - 1].value / 1048576;
        }
    }
}

static bool add_requests(struct gathering *r, struct err *e)
{
    const struct prom_answer *a = &r->answers[ASK_REQUESTS];
    for (int i = 0; i < a->n_series; i++) {
        const char *code = prom_label_value(&a->series[i], r->traffic.code_label);
        if (!add_series(r, &a->series[i], offsetof(struct history_row, requests), e))
            return false;
        if (code && code[0] == '5' && !add_series(r, &a->series[i], offsetof(struct history_row, failed), e))
            return false;
    }
    return true;
}

/* In ms; infinite for the last. NaN: no bound at all. */
static double bound_of(const struct gathering *r, const struct prom_series *s)
{
    const char *le = prom_label_value(s, "le");
    char *end = NULL;
    if (!le)
        return (double)NAN;
    double value = strtod(le, &end);
    return *end == '\0' && end != le ? r->traffic.latency_ms * value : (double)NAN;
}

static bool same_bound(double a, double b)
{
    return a == b || (isfinite(b) && fabs(a - b) <= 1e-9 * fabs(b));
}

/* Finite bounds, rising, each once. */
static bool gather_bounds(struct gathering *r, struct err *e)
{
    struct history *h = r->history;
    const struct prom_answer *a = &r->answers[ASK_BUCKETS];
    h->n_bounds = 0;
    for (int i = 0; i < a->n_series; i++) {
        double bound = bound_of(r, &a->series[i]);
        int at = 0;
        while (at < h->n_bounds && h->bound_ms[at] < bound && !same_bound(h->bound_ms[at], bound))
            at++;
        if (!isfinite(bound) || (at < h->n_bounds && same_bound(h->bound_ms[at], bound)))
            continue;
        if (h->n_bounds == HISTORY_BUCKETS - 1)
            return err_set(e, ERR_USAGE, "latency buckets: more than %d finite bounds", HISTORY_BUCKETS - 1);
        memmove(h->bound_ms + at + 1, h->bound_ms + at, (size_t)(h->n_bounds - at) * sizeof *h->bound_ms);
        h->bound_ms[at] = bound;
        h->n_bounds++;
    }
    return h->n_bounds >= 2 || err_set(e, ERR_USAGE, "latency buckets: fewer than 2 finite bounds");
}

static bool add_buckets(struct gathering *r, struct err *e)
{
    struct history *h = r->history;
    const struct prom_answer *a = &r->answers[ASK_BUCKETS];
    for (int i = 0; i < a->n_series; i++) {
        double bound = bound_of(r, &a->series[i]);
        int at = 0;
        while (at < h->n_bounds && !same_bound(h->bound_ms[at], bound))
            at++;
        size_t offset = offsetof(struct history_row, bucket) + (size_t)at * sizeof(double);
        if (!isnan(bound) && !add_series(r, &a->series[i], offset, e))
            return false;
    }
    return true;
}

static bool add_sums(struct gathering *r, struct err *e)
{
    const struct prom_answer *a = &r->answers[ASK_SUM];
    for (int i = 0; i < a->n_series; i++)
        if (!add_series(r, &a->series[i], offsetof(struct history_row, latency_s), e))
            return false;
    for (int row = 0; row < r->history->n; row++)
        r->history->rows[row].latency_s *= r->traffic.latency_ms / 1000;
    return true;
}

/* Mean time between two samples of the series that was seen longest. */
static double scrape_interval(const struct prom_answer *a)
{
    double best = 0;
    int most = 0;
    for (int i = 0; i < a->n_series; i++) {
        const struct prom_series *s = &a->series[i];
        int changes = 0;
        double first = 0, last = 0;
        for (int k = 1; k < s->n_points; k++)
            if (s->points[k].value > s->points[k - 1].value) {
                first = changes++ == 0 ? s->points[k].value : first;
                last = s->points[k].value;
            }
        if (changes > most && changes > 1) {
            most = changes;
            best = (last - first) / (changes - 1);
        }
    }
    return best;
}

static bool fill(struct gathering *r, struct err *e)
{
    struct history *h = r->history;
    for (int i = 0; i < h->n; i++) {
        struct history_row *row = &h->rows[i];
        row->requests = row->failed = row->latency_s = row->cpu_s = 0;
        row->cpu_fresh = false;
        memset(row->bucket, 0, sizeof row->bucket);
    }
    h->scrape_s = scrape_interval(&r->answers[ASK_SCRAPES]);
    add_memory(r);
    return gather_bounds(r, e) && add_cpu(r, e) && add_requests(r, e) && add_buckets(r, e) && add_sums(r, e);
}

static bool check(const struct live_prometheus *c, const struct history *h, struct err *e)
{
    if (h->n < 2)
        return err_set(e, ERR_USAGE, "history: fewer than two looks");
    if (c->cpu_query[0] || c->memory_query[0] || c->p95_query[0] || c->rps_query[0])
        return err_set(e, ERR_USAGE,
                       "prometheus: queries of one's own give rates; here the counters themselves are read, by preset "
                       "(prometheus.resources, prometheus.traffic)");
    return true;
}

bool history_read(const struct live_prometheus *config, const char *user_agent, const char *space, const char *name,
                  struct history *h, struct err *e)
{
    struct gathering r = {.config = config, .traffic = preset_traffic(config), .history = h};
    struct asker asker = {0};
    bool done = check(config, h, e) && build(&r, space, name, e) && asker_open(&asker, config, user_agent, e) &&
                ask(&r, &asker, e) && fill(&r, e);
    for (int i = 0; i < QUESTIONS; i++) {
        buf_finish(&r.text[i]);
        prom_answer_finish(&r.answers[i]);
    }
    buf_finish(&r.space);
    buf_finish(&r.name);
    asker_close(&asker);
    return done;
}
