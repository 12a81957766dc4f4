/* webapp_request: what the demo service answers. In: a request on a thread of its own. Out: an answer, after the CPU time, the
 * waiting and the memory that it costs. */
#include "webapp_state.h"

#include <maestro/clock.h>
#include <maestro/exposition.h>
#include <maestro/json_write.h>

#include "work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB 1048576.0

struct exchange {
    double start_s; /* when its head was read */
};

struct answer {
    int status;
    const char *type;
    struct buf body;
};

struct route {
    const char *method, *path;
    void (*handle)(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out);
};

/* What one request is going to cost, and what befalls it. */
struct plan {
    double cpu_s, wait_s, leak_bytes;
    bool fails, hangs;
};

static void refuse(struct answer *out, int status, const char *why)
{
    struct json_writer w = {.out = &out->body};
    out->status = status;
    json_begin_object(&w);
    json_put_key(&w, "error");
    json_put_text(&w, why);
    json_end_object(&w);
}

static double draw(struct webapp *a, double mean, double cv)
{
    return mean > 0 && cv > 0 ? rng_lognormal(&a->rng, mean, cv) : mean;
}

/* A pod that has just become ready is slow. */
static double speed(const struct webapp *a)
{
    double warm_up_s = a->config.warm_up_s, warm_s = a->ready_s > 0 ? clock_monotonic_s() - a->ready_s : 0;
    if (warm_s >= warm_up_s)
        return 1;
    return a->config.warm_up_speed + (1 - a->config.warm_up_speed) * warm_s / warm_up_s;
}

static struct plan make_plan(struct webapp *a)
{
    const struct webapp_config *c = &a->config;
    pthread_mutex_lock(&a->lock);
    struct plan p = {.cpu_s = draw(a, c->cpu_ms, c->cpu_cv) / 1e3 / speed(a),
                     .wait_s = (draw(a, c->wait_ms, c->wait_cv) + a->fault.delay_ms) / 1e3,
                     .leak_bytes = fmax(c->leak_kib, a->fault.leak_kib) * 1024};
    double fate = rng_double(&a->rng);
    p.hangs = fate < a->fault.hang;
    p.fails = !p.hangs && fate < a->fault.hang + a->fault.errors;
    pthread_mutex_unlock(&a->lock);
    return p;
}

static void leak(struct webapp *a, double bytes)
{
    struct leak *block = bytes > 0 ? work_memory(fmax(bytes, sizeof *block)) : NULL;
    if (!block)
        return;
    pthread_mutex_lock(&a->lock);
    block->next = a->leaks;
    a->leaks = block;
    a->leaked_bytes += bytes;
    pthread_mutex_unlock(&a->lock);
}

/* False: it hung until somebody mended it. */
static bool do_work(struct webapp *a, const struct plan *p)
{
    void *memory = work_memory(a->config.memory_per_request_mib * MIB);
    work_burn(p->cpu_s);
    pthread_mutex_lock(&a->lock);
    (void)webapp_wait(a, p->wait_s);
    while (p->hangs && a->fault.hang > 0 && webapp_wait(a, 1))
        ;
    pthread_mutex_unlock(&a->lock);
    leak(a, p->leak_bytes);
    free(memory);
    return !p->hangs;
}

static const char *host_name(char *name, size_t n)
{
    if (gethostname(name, n) != 0)
        snprintf(name, n, "?");
    name[n - 1] = '\0';
    return name;
}

static void put_thanks(struct buf *out, double took_s)
{
    char name[256];
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    json_put_key(&w, "pod");
    json_put_text(&w, host_name(name, sizeof name));
    json_put_key(&w, "took_ms");
    json_put_double(&w, round(took_s * 1e6) / 1e3);
    json_end_object(&w);
}

static void handle_work(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    (void)connection;
    double timeout_s = a->config.timeout_ms / 1e3;
    struct plan p = make_plan(a);
    if (!gate_enter(&a->gate, timeout_s)) {
        refuse(out, 503, "too many requests are waiting");
    } else {
        bool answered = do_work(a, &p);
        gate_leave(&a->gate);
        if (!answered || p.fails)
            refuse(out, answered ? 500 : 503, answered ? "failed as asked for" : "hung as asked for");
    }
    double took_s = clock_monotonic_s() - start_s;
    if (out->status == 200)
        put_thanks(&out->body, took_s);
    tally_add(&a->tally, out->status, out->status == 200 ? took_s : timeout_s);
}

static void handle_health(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    (void)a;
    (void)connection;
    (void)start_s;
    buf_text(&out->body, "{\"status\":\"ok\"}");
}

static void handle_ready(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    (void)connection;
    (void)start_s;
    pthread_mutex_lock(&a->lock);
    bool started = a->ready_s > 0, draining = a->draining;
    pthread_mutex_unlock(&a->lock);
    if (started && !draining)
        buf_text(&out->body, "{\"status\":\"ready\"}");
    else
        refuse(out, 503, draining ? "draining" : "starting");
}

static void put_gauge(struct buf *out, const char *name, const char *help, double value)
{
    exposition_family(out, name, "gauge", help);
    exposition_value(out, name, NULL, value);
}

static void handle_metrics(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    (void)connection;
    (void)start_s;
    int n_inside = 0, n_waiting = 0;
    gate_count(&a->gate, &n_inside, &n_waiting);
    pthread_mutex_lock(&a->lock);
    double leaked_bytes = a->leaked_bytes, ready = a->ready_s > 0 && !a->draining;
    pthread_mutex_unlock(&a->lock);
    out->type = EXPOSITION_TYPE;
    tally_expose(&a->tally, &out->body);
    put_gauge(&out->body, "app_requests_working", "Requests that have a place.", n_inside);
    put_gauge(&out->body, "app_requests_waiting", "Requests that wait for a place.", n_waiting);
    put_gauge(&out->body, "app_ready", "1 while ready.", ready);
    put_gauge(&out->body, "app_leaked_bytes", "Memory lost on purpose.", leaked_bytes);
    put_gauge(&out->body, "process_resident_memory_bytes", "Resident memory.", work_resident_bytes());
    exposition_family(&out->body, "process_cpu_seconds_total", "counter", "CPU time of the process.");
    exposition_value(&out->body, "process_cpu_seconds_total", NULL, work_process_cpu_s());
}

static const struct fault_key {
    const char *name;
    size_t offset;
    double high;
} FAULT_KEYS[] = {
    {"delay_ms", offsetof(struct fault, delay_ms), 600000},
    {"errors", offsetof(struct fault, errors), 1},
    {"hang", offsetof(struct fault, hang), 1},
    {"leak_kib", offsetof(struct fault, leak_kib), 1000000},
};
enum { N_FAULT_KEYS = sizeof FAULT_KEYS / sizeof *FAULT_KEYS };

static void handle_show_fault(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    (void)connection;
    (void)start_s;
    struct json_writer w = {.out = &out->body};
    pthread_mutex_lock(&a->lock);
    struct fault fault = a->fault;
    pthread_mutex_unlock(&a->lock);
    json_begin_object(&w);
    for (int i = 0; i < N_FAULT_KEYS; i++) {
        double value = 0;
        memcpy(&value, (const char *)&fault + FAULT_KEYS[i].offset, sizeof value);
        json_put_key(&w, FAULT_KEYS[i].name);
        json_put_double(&w, value);
    }
    json_end_object(&w);
}

struct fault_reader {
    struct fault fault;
    char why[128]; /* "": everything read so far is good */
};

static enum MHD_Result read_fault(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct fault_reader *r = context;
    char *end = NULL;
    double number = value ? strtod(value, &end) : -1.0;
    (void)kind;
    for (int i = 0; i < N_FAULT_KEYS; i++) {
        if (strcmp(key, FAULT_KEYS[i].name) != 0)
            continue;
        if (!value || end == value || *end || !(number >= 0 && number <= FAULT_KEYS[i].high)) {
            snprintf(r->why, sizeof r->why, "%s must be a number from 0 to %g", key, FAULT_KEYS[i].high);
            return MHD_NO;
        }
        memcpy((char *)&r->fault + FAULT_KEYS[i].offset, &number, sizeof number);
        return MHD_YES;
    }
    snprintf(r->why, sizeof r->why, "unknown key '%.40s'; delay_ms, errors, hang, leak_kib are known", key);
    return MHD_NO;
}

static void handle_set_fault(struct webapp *a, struct MHD_Connection *connection, double start_s, struct answer *out)
{
    struct fault_reader r = {0};
    pthread_mutex_lock(&a->lock);
    r.fault = a->fault;
    pthread_mutex_unlock(&a->lock);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, read_fault, &r);
    if (*r.why) {
        refuse(out, 400, r.why);
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->fault = r.fault;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    handle_show_fault(a, connection, start_s, out);
}

static const struct route ROUTES[] = {
    {"GET", "/", handle_work},
    {"POST", "/", handle_work},
    {"GET", "/healthz", handle_health},
    {"GET", "/readyz", handle_ready},
    {"GET", "/metrics", handle_metrics},
    {"GET", "/fault", handle_show_fault},
    {"POST", "/fault", handle_set_fault},
};

static void find_answer(struct webapp *a, struct MHD_Connection *connection, const char *path, const char *method,
                        double start_s, struct answer *out)
{
    bool known = false;
    method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        bool here = strcmp(ROUTES[i].path, path) == 0;
        if (here && strcmp(ROUTES[i].method, method) == 0) {
            ROUTES[i].handle(a, connection, start_s, out);
            return;
        }
        known = known || here;
    }
    refuse(out, known ? 405 : 404, known ? "not with this method" : "no such path");
}

static enum MHD_Result send_answer(struct webapp *a, struct MHD_Connection *connection, struct answer *answer)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        answer->body.len, answer->body.bytes ? answer->body.bytes : (char *)"", MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    pthread_mutex_lock(&a->lock);
    bool draining = a->draining;
    pthread_mutex_unlock(&a->lock);
    MHD_add_response_header(r, "Content-Type", answer->type);
    if (draining) // so that the client comes again elsewhere
        MHD_add_response_header(r, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)answer->status, r);
    MHD_destroy_response(r);
    return queued;
}

static void count_answering(struct webapp *a, int change)
{
    pthread_mutex_lock(&a->lock);
    a->n_answering += change;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static bool begin_exchange(struct webapp *a, void **state)
{
    struct exchange *x = malloc(sizeof *x);
    if (!x)
        return false;
    x->start_s = clock_monotonic_s();
    *state = x;
    count_answering(a, 1);
    return true;
}

enum MHD_Result webapp_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                               const char *version, const char *upload, size_t *n_upload, void **state)
{
    struct webapp *a = context;
    struct answer answer = {.status = 200, .type = "application/json"};
    (void)version;
    (void)upload;
    if (!*state)
        return begin_exchange(a, state) ? MHD_YES : MHD_NO;
    if (*n_upload) { // bodies are read and forgotten
        *n_upload = 0;
        return MHD_YES;
    }
    const struct exchange *x = *state;
    find_answer(a, connection, path, method, x->start_s, &answer);
    enum MHD_Result sent = send_answer(a, connection, &answer);
    buf_finish(&answer.body);
    return sent;
}

void webapp_request_done(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    if (!*state)
        return;
    free(*state);
    *state = NULL;
    count_answering(context, -1);
}
