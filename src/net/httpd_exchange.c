/* httpd_exchange: one request of the HTTP server, from its head to its answer. In: what libmicrohttpd calls with. Out: a
 * handler called once with the whole body, and its reply queued. Memory of a request is used again for the next one of the
 * same thread. Opens no socket. */
#include "httpd.h"

#include <maestro/json_write.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_LIMIT 64                         // exchanges kept per thread
#define SPARE_BYTES ((size_t)256 << 10)        // a buffer that grew beyond this is given back
#define DISCARD_BYTES ((unsigned long)8 << 20) // of a body too large that are read, so that its sender sees the refusal
#define MESSAGE_BYTES 768

struct exchange {
    struct MHD_Connection *connection;
    struct httpd_lane *lane;
    struct exchange *next;
    const struct httpd_route *route; /* NULL: refused */
    int thread;
    int refusal; /* status; 0: none */
    unsigned long n_discarded;
    char allow[64];
    struct buf body, answer;
};

/* The number of this thread among its server's. A thread never serves two servers. */
static int thread_number(struct httpd *d)
{
    static _Thread_local int number = -1;
    if (number < 0)
        number = atomic_fetch_add(&d->n_lanes_taken, 1) % d->config.n_threads;
    return number;
}

static struct exchange *exchange_take(struct httpd *d, struct MHD_Connection *connection)
{
    int thread = thread_number(d);
    struct httpd_lane *lane = &d->lanes[thread];
    struct exchange *x = lane->spare;
    if (x) {
        lane->spare = x->next;
        lane->n_spare--;
    } else if (!(x = calloc(1, sizeof *x))) {
        return NULL;
    }
    x->connection = connection;
    x->lane = lane;
    x->thread = thread;
    x->route = NULL;
    x->refusal = 0;
    x->n_discarded = 0;
    x->allow[0] = '\0';
    atomic_fetch_add_explicit(&lane->started, 1, memory_order_relaxed);
    return x;
}

static void exchange_free(struct exchange *x)
{
    buf_finish(&x->body);
    buf_finish(&x->answer);
    free(x);
}

static void keep_buffer(struct buf *b)
{
    if (b->failed || b->capacity > SPARE_BYTES)
        buf_finish(b);
    else
        buf_clear(b);
}

static void exchange_give(struct exchange *x)
{
    struct httpd_lane *lane = x->lane;
    atomic_fetch_add_explicit(&lane->finished, 1, memory_order_release);
    if (lane->n_spare >= SPARE_LIMIT) {
        exchange_free(x);
        return;
    }
    keep_buffer(&x->body);
    keep_buffer(&x->answer);
    x->next = lane->spare;
    lane->spare = x;
    lane->n_spare++;
}

void exchange_free_spare(struct httpd_lane *lane)
{
    while (lane->spare) {
        struct exchange *x = lane->spare;
        lane->spare = x->next;
        exchange_free(x);
    }
}

const char *httpd_query(const struct httpd_request *r, const char *key)
{
    const struct exchange *x = r->connection;
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, key);
}

const char *httpd_header(const struct httpd_request *r, const char *name)
{
    const struct exchange *x = r->connection;
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

void httpd_refuse(struct httpd_reply *reply, int status, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    struct json_writer w = {.out = reply->body};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    buf_clear(reply->body);
    reply->status = status;
    reply->content_type = "application/json";
    json_begin_object(&w);
    json_put_key(&w, "error");
    json_put_text(&w, message);
    json_end_object(&w);
}

static bool method_fits(const struct httpd_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow_too(struct exchange *x, const char *method)
{
    size_t n = strlen(x->allow);
    snprintf(x->allow + n, sizeof x->allow - n, "%s%s%s", n ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static void find_route(const struct httpd *d, struct exchange *x, const char *path, const char *method)
{
    for (int i = 0; i < d->config.n_routes; i++) {
        const struct httpd_route *route = &d->config.routes[i];
        if (strcmp(route->path, path) != 0)
            continue;
        if (method_fits(route, method)) {
            x->route = route;
            return;
        }
        allow_too(x, route->method);
    }
    x->refusal = x->allow[0] ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result queue(const struct httpd *d, const struct exchange *x, const struct httpd_reply *reply)
{
    char seconds[24];
    struct MHD_Response *r = MHD_create_response_from_buffer(x->answer.len, x->answer.bytes, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    if (x->allow[0] && x->refusal == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, x->allow);
    if (reply->retry_after_s > 0.0) {
        snprintf(seconds, sizeof seconds, "%.0f", ceil(fmin(reply->retry_after_s, 86400.0)));
        MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (atomic_load_explicit(&d->draining, memory_order_relaxed))
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)reply->status, r);
    MHD_destroy_response(r);
    return result;
}

static void refuse(const struct httpd *d, const struct exchange *x, struct httpd_reply *reply, const char *path)
{
    if (x->refusal == MHD_HTTP_NOT_FOUND)
        httpd_refuse(reply, x->refusal, "no such path: %s", path);
    else if (x->refusal == MHD_HTTP_METHOD_NOT_ALLOWED)
        httpd_refuse(reply, x->refusal, "%s takes %s", path, x->allow);
    else
        httpd_refuse(reply, x->refusal, "the body is larger than %zu bytes", d->config.body_limit);
}

static enum MHD_Result answer(const struct httpd *d, struct exchange *x, const char *path, const char *method)
{
    struct httpd_reply reply = {.status = MHD_HTTP_OK, .content_type = "application/json", .body = &x->answer};
    const struct httpd_request request = {.method = method,
                                          .path = path,
                                          .body = x->body.bytes ? x->body.bytes : "",
                                          .n_body = x->body.len,
                                          .connection = x,
                                          .thread = x->thread};
    if (x->refusal)
        refuse(d, x, &reply, path);
    else
        x->route->handle(d->config.context, &request, &reply);
    if (x->answer.failed) {
        buf_finish(&x->answer);
        httpd_refuse(&reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    }
    return queue(d, x, &reply);
}

/* A body that announces itself as too large. Who asks before sending (Expect) or would send for long is answered at
 * once; anybody else is listened to first: closing on unread bytes would lose the answer. */
static bool refuse_at_once(const struct httpd *d, struct exchange *x)
{
    const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long n = length ? strtoull(length, NULL, 10) : 0;
    bool too_large = n > d->config.body_limit;
    if (!too_large && !x->refusal)
        return false;
    if (!x->refusal)
        x->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
    const char *expect = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
    return expect || n > DISCARD_BYTES;
}

static bool take_upload(const struct httpd *d, struct exchange *x, const char *upload, size_t n)
{
    if (!x->refusal && n > d->config.body_limit - x->body.len)
        x->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
    if (!x->refusal) {
        buf_append(&x->body, upload, n);
        return !x->body.failed;
    }
    x->n_discarded += n;
    return x->n_discarded <= DISCARD_BYTES;
}

enum MHD_Result exchange_access(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *n_upload, void **state)
{
    struct httpd *d = context;
    struct exchange *x = *state;
    (void)version;
    if (!x) {
        *state = x = exchange_take(d, connection);
        if (!x)
            return MHD_NO;
        find_route(d, x, url, method);
        return refuse_at_once(d, x) ? answer(d, x, url, method) : MHD_YES;
    }
    if (*n_upload > 0) {
        bool taken = take_upload(d, x, upload, *n_upload);
        *n_upload = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    return answer(d, x, url, method);
}

void exchange_completed(void *context, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (*state)
        exchange_give(*state);
    *state = NULL;
}
