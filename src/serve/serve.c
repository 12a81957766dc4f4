/* serve: the routes of maestro-serve. In: HTTP requests. Out: predictions, and what operators and Prometheus want to know of
 * who makes them. Decides nothing about predictions (predict.c) or models (model.c). */
#include <maestro/serve.h>

#include <maestro/exposition.h>
#include <maestro/httpd.h>
#include <maestro/predict.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_THREADS 8
#define KEY(field) offsetof(struct serve_config, field)

// clang-format off
const struct config_key serve_config_keys[] = {
    {"policy", CONFIG_STRING, KEY(policy), "", 0, 0, NULL, NULL, "The policy file to serve."},
    {"address", CONFIG_STRING, KEY(address), "0.0.0.0", 0, 0, NULL, NULL, "Address to listen on; :: for IPv6 as well."},
    {"port", CONFIG_INT, KEY(port), "8080", 0, 65535, NULL, NULL, "Port to listen on; 0 for any free one."},
    {"threads", CONFIG_INT, KEY(threads), "0", 0, 256, NULL, NULL,
     "Threads that answer; 0: as many as processors, at most 8."},
    {"connections", CONFIG_INT, KEY(connections), "1024", 1, 100000, NULL, NULL, "Connections at once at most."},
    {"body_limit", CONFIG_DOUBLE, KEY(body_limit_bytes), "1MiB", 64, 1e9, "bytes", NULL,
     "Largest request body; a larger one is refused with 413."},
    {"idle_timeout", CONFIG_DOUBLE, KEY(idle_timeout_s), "60s", 1, 86400, "s", NULL,
     "A connection that says nothing for so long is closed."},
    {"cpu_unit", CONFIG_CHOICE, KEY(cpu_unit), "percent", 0, 0, NULL, "percent|cores",
     "What cpu_usage counts: percent of one core, or cores."},
    {"memory_limit", CONFIG_DOUBLE, KEY(memory_limit_bytes), "512MiB", 1, 1e18, "bytes", NULL,
     "Memory limit of one replica where a request does not say."},
    {"targets", CONFIG_INT, KEY(targets), "4096", 1, 1000000, NULL, NULL,
     "Targets whose history is remembered; the least recently used is forgotten first."},
    {"reload", CONFIG_DOUBLE, KEY(reload_s), "1s", 0.01, 3600, "s", NULL, "Time between two looks at the policy file."},
    {"delay", CONFIG_DOUBLE, KEY(delay_s), "0s", 0, 3600, "s", NULL,
     "How long to go on answering, but not be ready, after SIGTERM."},
    {"drain", CONFIG_DOUBLE, KEY(drain_s), "10s", 0, 3600, "s", NULL,
     "How long to wait at the end for requests at work."},
};
// clang-format on
const int n_serve_config_keys = sizeof serve_config_keys / sizeof *serve_config_keys;

struct serve {
    struct serve_config config;
    int n_threads;
    struct model_slot *slot;
    struct predictor *predictor;
    struct httpd *httpd;
    _Atomic bool leaving;
};

static void handle_predict(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct serve *s = context;
    reply->status = predictor_answer(s->predictor, r->thread, r->body, r->n_body, reply->body);
}

static void handle_healthz(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    (void)context;
    (void)r;
    reply->content_type = "text/plain";
    buf_text(reply->body, "ok\n");
}

static void handle_readyz(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct serve *s = context;
    struct model_status status;
    (void)r;
    reply->content_type = "text/plain";
    if (atomic_load(&s->leaving)) {
        reply->status = 503;
        buf_text(reply->body, "shutting down\n");
        return;
    }
    model_status(s->slot, &status);
    buf_printf(reply->body, "ok: model %s\n", status.id);
    if (status.why[0])
        buf_printf(reply->body, "but the file has changed and was refused: %s\n", status.why);
}

static void handle_model(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct serve *s = context;
    const struct model *m = model_acquire(s->slot, r->thread);
    buf_append(reply->body, m->text.bytes, m->text.len);
    model_release(s->slot, r->thread);
}

/* One family whose values differ in one label. */
struct labelled {
    const char *value;
    long count;
};

static void put_labelled(struct buf *out, const char *name, const char *key, const struct labelled *rows, int n)
{
    for (int i = 0; i < n; i++) {
        CLEANUP_BUF struct buf label = {0};
        exposition_label(&label, key, rows[i].value);
        exposition_value(out, name, label.bytes, (double)rows[i].count);
    }
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    exposition_family(out, name, type, help);
    exposition_value(out, name, NULL, value);
}

static void put_seconds(struct buf *out, const struct predict_counts *c)
{
    static const char name[] = "maestro_serve_predict_seconds";
    char le[64];
    long below = 0;
    exposition_family(out, name, "histogram", "Time of a request to /predict inside the server, without network.");
    for (int i = 0; i <= PREDICT_BUCKETS; i++) {
        below += c->buckets[i];
        if (i < PREDICT_BUCKETS)
            snprintf(le, sizeof le, "le=\"%g\"", predict_bucket_s[i]);
        else
            snprintf(le, sizeof le, "le=\"+Inf\"");
        exposition_value(out, "maestro_serve_predict_seconds_bucket", le, (double)below);
    }
    exposition_value(out, "maestro_serve_predict_seconds_sum", NULL, c->seconds);
    exposition_value(out, "maestro_serve_predict_seconds_count", NULL, (double)below);
}

static void put_requests(struct buf *out, const struct predict_counts *c)
{
    const struct labelled requests[] = {{"200", c->n_answered}, {"400", c->n_refused}, {"500", c->n_failed}};
    const struct labelled moves[] = {{"scale_down", c->n_down}, {"no_op", c->n_keep}, {"scale_up", c->n_up}};
    exposition_family(out, "maestro_serve_requests_total", "counter", "Requests to /predict by status.");
    put_labelled(out, "maestro_serve_requests_total", "code", requests, 3);
    exposition_family(out, "maestro_serve_decisions_total", "counter", "Observations answered, by action.");
    put_labelled(out, "maestro_serve_decisions_total", "action", moves, 3);
    put_one(out, "maestro_serve_outside_total", "counter",
            "Decisions on observations farther outside the training range than its width.", (double)c->n_outside);
    put_seconds(out, c);
    put_one(out, "maestro_serve_targets", "gauge", "Targets whose history is remembered.", c->track.n_targets);
    put_one(out, "maestro_serve_targets_forgotten_total", "counter", "Targets forgotten for want of room.",
            (double)c->track.n_forgotten);
    put_one(out, "maestro_serve_samples_ignored_total", "counter",
            "Observations no newer than their target's last one.", (double)c->track.n_ignored);
}

static void put_model(struct buf *out, const struct model_status *m)
{
    CLEANUP_BUF struct buf id = {0};
    const struct labelled loads[] = {{"loaded", m->n_loaded}, {"refused", m->n_refused}};
    exposition_label(&id, "id", m->id);
    exposition_family(out, "maestro_serve_model_info", "gauge", "The model that answers.");
    exposition_value(out, "maestro_serve_model_info", id.bytes, 1);
    put_one(out, "maestro_serve_model_loaded_timestamp_seconds", "gauge", "When that model was loaded.", m->loaded_s);
    exposition_family(out, "maestro_serve_model_loads_total", "counter", "Policy files taken over, and refused.");
    put_labelled(out, "maestro_serve_model_loads_total", "result", loads, 2);
    put_one(out, "maestro_serve_model_outdated", "gauge", "1 while the file on disk is one that was refused.",
            m->why[0] != '\0');
}

static void handle_metrics(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct serve *s = context;
    struct predict_counts counts;
    struct model_status model;
    (void)r;
    reply->content_type = EXPOSITION_TYPE;
    predictor_counts(s->predictor, &counts);
    model_status(s->slot, &model);
    put_requests(reply->body, &counts);
    put_model(reply->body, &model);
}

static const struct httpd_route routes[] = {
    {"POST", "/predict", handle_predict}, {"GET", "/healthz", handle_healthz}, {"GET", "/readyz", handle_readyz},
    {"GET", "/metrics", handle_metrics},  {"GET", "/v1/model", handle_model},
};

static int thread_count(int wanted)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (wanted > 0)
        return wanted;
    return processors < 1 ? 1 : processors > MOST_THREADS ? MOST_THREADS : (int)processors;
}

static bool open_all(struct serve *s, struct err *e)
{
    const struct serve_config *c = &s->config;
    const struct predict_config predict = {.n_threads = s->n_threads,
                                           .n_targets = c->targets,
                                           .cpu_in_cores = c->cpu_unit == SERVE_CPU_CORES,
                                           .memory_limit_bytes = c->memory_limit_bytes};
    const struct httpd_config httpd = {.address = c->address,
                                       .port = c->port,
                                       .n_threads = s->n_threads,
                                       .connections = c->connections,
                                       .body_limit = (size_t)c->body_limit_bytes,
                                       .idle_timeout_s = c->idle_timeout_s,
                                       .routes = routes,
                                       .n_routes = sizeof routes / sizeof *routes,
                                       .context = s};
    return model_slot_open(c->policy, s->n_threads, &s->slot, e) &&
           predictor_open(&predict, s->slot, &s->predictor, e) && httpd_open(&httpd, &s->httpd, e);
}

bool serve_open(const struct serve_config *config, struct serve **out, struct err *e)
{
    struct serve *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_IO, "serve: out of memory");
    s->config = *config;
    s->n_threads = thread_count(config->threads);
    if (!open_all(s, e)) {
        serve_close(s);
        return false;
    }
    *out = s;
    return true;
}

int serve_port(const struct serve *s)
{
    return httpd_port(s->httpd);
}

struct model_slot *serve_model(struct serve *s)
{
    return s->slot;
}

void serve_not_ready(struct serve *s)
{
    atomic_store(&s->leaving, true);
}

void serve_close(struct serve *s)
{
    if (!s)
        return;
    serve_not_ready(s);
    httpd_close(s->httpd, s->config.drain_s);
    predictor_close(s->predictor);
    model_slot_close(s->slot);
    free(s);
}
