/* bench_live: the whole live autoscaler in this process, in shadow mode and with a journal, over Deployments that do not exist: an
 * HTTP server on loopback answers as the API server and Prometheus would. In: numbers of targets. Out: a row each, CPU time of
 * the deciding thread alone. What real servers add is measured by tests/testbed/bench_live. */
#include "bench_live.h"

#include <maestro/annotations.h>
#include <maestro/autoscaler.h>
#include <maestro/clock.h>
#include <maestro/data.h>
#include <maestro/file.h>
#include <maestro/httpd.h>
#include <maestro/json_write.h>
#include <maestro/live.h>
#include <maestro/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int SIZES[] = {10, 100, 1000};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES, TICKS = 24, WARM_UP_TICKS = 4 };
static const double TICK_S = 5;

enum answer { ANSWER_CPU, ANSWER_MEMORY, ANSWER_P95, ANSWER_RPS, ANSWER_PRESENCE, ANSWERS };
static const char *const VALUES[ANSWERS] = {"120.5", "100000000", "80.25", "60.125", "2"};

/* What the made-up servers know. */
struct world {
    int n;
    struct buf deployments;      /* one after the other, with commas between */
    size_t *starts;              /* [n + 1] where each begins in it */
    struct buf answers[ANSWERS]; /* whole bodies */
};

struct row {
    int n_targets, n_ticks;
    double cpu_ms, worst_cpu_ms, wall_ms; /* a tick */
    double queries, calls, decisions;     /* a tick */
};

/* Everything of one measurement. */
struct stand {
    struct world world;
    struct httpd *server;
    char folder[64];
    struct live_prometheus prometheus;
    struct live_kubernetes kubernetes;
    struct autoscaler_config config;
    struct fleet *fleet;
    struct journal *journal;
    struct board *board;
    struct autoscaler *autoscaler;
    double now_s; /* what the autoscaler takes for the monotonic clock */
};

/* As big as real ones: managedFields, probes and the like are some 4 KiB that nobody reads. */
static void put_deployment(struct buf *out, int i)
{
    buf_printf(out,
               "%s{\"metadata\":{\"namespace\":\"team-%d\",\"name\":\"service-%d\",\"uid\":\"uid-%d\","
               "\"resourceVersion\":\"%d\",\"generation\":3,\"annotations\":{\"maestro.dev/mode\":\"shadow\"},"
               "\"managedFields\":[",
               i ? "," : "", i % 40, i, i, 1000 + i);
    for (int k = 0; k < 60; k++)
        buf_printf(out, "%s{\"f:k%d\":{\"f:spec\":{\"f:template\":{}}},\"time\":\"2026-03-01T12:00:00Z\"}",
                   k ? "," : "", k);
    buf_printf(out,
               "]},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"service-%d\"}},\"template\":{"
               "\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"500m\"},"
               "\"limits\":{\"memory\":\"128Mi\"}}}]}}},\"status\":{\"observedGeneration\":3,\"replicas\":2,"
               "\"updatedReplicas\":2,\"readyReplicas\":2}}",
               i);
}

static void put_element(struct buf *out, int i, const char *kind, const char *value)
{
    buf_printf(out,
               "%s{\"metric\":{\"namespace\":\"team-%d\",\"deployment\":\"service-%d\",\"maestro\":\"%s\"},"
               "\"value\":[1772366400.5,\"%s\"]}",
               i || *kind == 'a' ? "," : "", i % 40, i, kind, value);
}

static void put_answer(struct buf *out, int n, const char *value)
{
    buf_text(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
    for (int i = 0; i < n; i++) {
        put_element(out, i, "value", value);
        put_element(out, i, "age", "7.25");
    }
    buf_text(out, "]}}");
}

static bool world_open(struct world *w, int n, struct err *e)
{
    w->n = n;
    w->starts = calloc((size_t)n + 1, sizeof *w->starts);
    if (!w->starts)
        return err_set(e, ERR_IO, "bench: out of memory");
    for (int i = 0; i < n; i++) {
        w->starts[i] = w->deployments.len + (i > 0); // behind the comma
        put_deployment(&w->deployments, i);
    }
    w->starts[n] = w->deployments.len + 1;
    bool done = buf_ok(&w->deployments, e);
    for (int k = 0; done && k < ANSWERS; k++) {
        put_answer(&w->answers[k], n, VALUES[k]);
        done = buf_ok(&w->answers[k], e);
    }
    return done;
}

static void world_close(struct world *w)
{
    buf_finish(&w->deployments);
    for (int k = 0; k < ANSWERS; k++)
        buf_finish(&w->answers[k]);
    free(w->starts);
}

static int number_of(const char *text, int otherwise)
{
    return text && *text ? (int)strtol(text, NULL, 10) : otherwise;
}

/* In pages, as they are asked for. */
static void list_deployments(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    const struct world *w = &((const struct stand *)context)->world;
    int from = number_of(httpd_query(r, "continue"), 0);
    int to = from + number_of(httpd_query(r, "limit"), w->n);
    to = to < w->n ? to : w->n;
    buf_text(reply->body, "{\"kind\":\"DeploymentList\",\"metadata\":{\"resourceVersion\":\"9\"");
    if (to < w->n)
        buf_printf(reply->body, ",\"continue\":\"%d\"", to);
    buf_text(reply->body, "},\"items\":[");
    buf_append(reply->body, w->deployments.bytes + w->starts[from], w->starts[to] - 1 - w->starts[from]);
    buf_text(reply->body, "]}");
}

static enum answer answer_to(const char *form)
{
    if (strstr(form, "histogram_quantile"))
        return ANSWER_P95;
    if (strstr(form, "maestro_code"))
        return ANSWER_RPS;
    if (strstr(form, "container_cpu_usage"))
        return ANSWER_CPU;
    return strstr(form, "working_set") ? ANSWER_MEMORY : ANSWER_PRESENCE;
}

static void answer_query(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    const struct buf *text = &((const struct stand *)context)->world.answers[answer_to(r->body)];
    buf_append(reply->body, text->bytes, text->len);
}

static const struct httpd_route ROUTES[] = {
    {"GET", "/apis/apps/v1/deployments", list_deployments},
    {"POST", "/api/v1/query", answer_query},
};

static double monotonic(void *context)
{
    return ((const struct stand *)context)->now_s;
}

static double wall(void *context)
{
    return clock_wall_s() - clock_monotonic_s() + monotonic(context);
}

static bool defaults(struct stand *s, struct err *e)
{
    struct config_section sections[] = {
        {"autoscaler", "", autoscaler_config_keys, n_autoscaler_config_keys, &s->config},
        {"prometheus", "", live_prometheus_keys, n_live_prometheus_keys, &s->prometheus},
        {"kubernetes", "", live_kubernetes_keys, n_live_kubernetes_keys, &s->kubernetes},
    };
    struct config config = {0};
    bool done = config_init(&config, sections, sizeof sections / sizeof *sections, e);
    config_finish(&config);
    return done;
}

/* Where the made-up servers are, as settings and as a kubeconfig. */
static bool configure(struct stand *s, struct err *e)
{
    CLEANUP_BUF struct buf policy = {0}, text = {0};
    char path[96], url[64];
    if (!defaults(s, e) || !data_path("policies/pretrained/web-api.safetensors", &policy, e))
        return false;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", httpd_port(s->server));
    snprintf(path, sizeof path, "%s/config", s->folder);
    buf_printf(&text,
               "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: k, cluster: {server: '%s'}}]\n"
               "users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n",
               url);
    snprintf(s->prometheus.url, sizeof s->prometheus.url, "%s", url);
    snprintf(s->kubernetes.kubeconfig, sizeof s->kubernetes.kubeconfig, "%s", path);
    snprintf(s->config.policy, sizeof s->config.policy, "ppo:%.200s", policy.bytes);
    s->kubernetes.conflicts_every = 0;
    return buf_ok(&text, e) && file_write_atomic(path, text.bytes, text.len, e);
}

static bool stand_open(struct stand *s, int n, struct err *e)
{
    const struct httpd_config server = {
        .address = "127.0.0.1", .n_threads = 2, .routes = ROUTES, .n_routes = 2, .context = s};
    char path[96];
    *s = (struct stand){.now_s = clock_monotonic_s()};
    snprintf(s->folder, sizeof s->folder, "/tmp/maestro-bench-XXXXXX");
    if (!mkdtemp(s->folder))
        return err_set(e, ERR_IO, "bench: no folder can be made in /tmp");
    if (!world_open(&s->world, n, e) || !httpd_open(&server, &s->server, e) || !configure(s, e))
        return false;
    const struct live_config live = {.prometheus = &s->prometheus, .kubernetes = &s->kubernetes};
    snprintf(path, sizeof path, "%s/journal", s->folder);
    if (!live_open(&live, &s->fleet, e) || !journal_open(path, 0, 1, &s->journal, e) || !board_open(&s->board, e))
        return false;
    const struct autoscaler_parts parts = {.config = &s->config,
                                           .fleet = s->fleet,
                                           .journal = s->journal,
                                           .board = s->board,
                                           .prefix = s->kubernetes.annotation_prefix,
                                           .scrape_s = s->prometheus.scrape_s,
                                           .window_s = s->prometheus.window_s,
                                           .quantile = s->prometheus.quantile,
                                           .clock = {monotonic, wall, s}};
    return autoscaler_open(&parts, &s->autoscaler, e);
}

static void stand_close(struct stand *s)
{
    static const char *const FILES[] = {"config", "journal"};
    char path[96];
    autoscaler_close(s->autoscaler);
    board_close(s->board);
    journal_close(s->journal);
    fleet_close(s->fleet);
    httpd_close(s->server, 1);
    world_close(&s->world);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, FILES[i]);
        (void)remove(path);
    }
    (void)rmdir(s->folder);
}

static double cpu_ms(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static bool measure_ticks(struct stand *s, int ticks, struct row *out, struct err *e)
{
    struct live_status before = {0}, after = {0};
    *out = (struct row){.n_targets = s->world.n, .n_ticks = ticks};
    for (int i = -WARM_UP_TICKS; i < ticks; i++) {
        if (i == 0)
            live_status(s->fleet, &before);
        s->now_s += TICK_S;
        double cpu_before_ms = cpu_ms(), start_s = clock_monotonic_s();
        int n_due = autoscaler_tick(s->autoscaler);
        double cpu = cpu_ms() - cpu_before_ms;
        if (i < 0)
            continue;
        out->cpu_ms += cpu / ticks;
        out->worst_cpu_ms = cpu > out->worst_cpu_ms ? cpu : out->worst_cpu_ms;
        out->wall_ms += 1e3 * (clock_monotonic_s() - start_s) / ticks;
        out->decisions += (double)n_due / ticks;
    }
    live_status(s->fleet, &after);
    out->queries = (double)(after.queries - before.queries) / ticks;
    out->calls = (double)(after.calls - before.calls) / ticks;
    if (after.api.code != ERR_NONE || after.prometheus.code != ERR_NONE || after.n_targets != s->world.n)
        return err_set(e, ERR_FORMAT, "bench: %d of %d targets were read: %.200s %.200s", after.n_targets, s->world.n,
                       after.api.message, after.prometheus.message);
    return true;
}

static bool measure(int n, int ticks, struct row *out, struct err *e)
{
    struct stand s;
    bool done = stand_open(&s, n, e) && measure_ticks(&s, ticks, out, e);
    stand_close(&s);
    return done;
}

static void write_table(const struct row *rows, struct buf *out)
{
    buf_text(
        out,
        "A tick of the live autoscaler: shadow mode, the pretrained policy, a journal; made-up servers on loopback.\n");
    buf_printf(out, "%7s %6s %12s %12s %13s %13s %15s %15s\n", "targets", "ticks", "CPU ms/tick", "worst tick",
               "wall ms/tick", "queries/tick", "API calls/tick", "decisions/tick");
    for (int i = 0; i < N_SIZES; i++) {
        const struct row *r = &rows[i];
        buf_printf(out, "%7d %6d %12.2f %12.2f %13.2f %13.1f %15.1f %15.1f\n", r->n_targets, r->n_ticks, r->cpu_ms,
                   r->worst_cpu_ms, r->wall_ms, r->queries, r->calls, r->decisions);
    }
}

static bool write_json(const struct row *rows, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_array(&w);
    for (int i = 0; i < N_SIZES; i++) {
        const struct row *r = &rows[i];
        const struct {
            const char *key;
            double value;
        } fields[] = {{"targets", r->n_targets},    {"ticks", r->n_ticks},
                      {"cpu_ms_tick", r->cpu_ms},   {"worst_cpu_ms_tick", r->worst_cpu_ms},
                      {"wall_ms_tick", r->wall_ms}, {"queries_tick", r->queries},
                      {"api_calls_tick", r->calls}, {"decisions_tick", r->decisions}};
        json_begin_object(&w);
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            json_put_key(&w, fields[k].key);
            json_put_double(&w, fields[k].value);
        }
        json_end_object(&w);
    }
    json_end_array(&w);
    buf_text(out, "\n");
    return json_write_end(&w, e);
}

bool bench_live_run(int ticks, bool json, struct buf *out, struct err *e)
{
    struct row rows[N_SIZES];
    log_least(LOG_ERROR);
    for (int i = 0; i < N_SIZES; i++)
        if (!measure(SIZES[i], ticks > 0 ? ticks : TICKS, &rows[i], e))
            return false;
    if (json)
        return write_json(rows, out, e);
    write_table(rows, out);
    return true;
}
