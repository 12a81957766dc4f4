/* httpd: routes, methods, bodies and their limit, several threads, a port that is taken, and an end without a lost answer. */
#include <maestro/clock.h>
#include <maestro/httpd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "suite.h"

#define BODY_LIMIT 1000

struct shop {
    _Atomic int n_handled, n_waiting;
    _Atomic bool held; /* handlers of /slow wait for its end */
    _Atomic int thread_most;
};

static void handle_echo(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct shop *shop = context;
    atomic_fetch_add(&shop->n_handled, 1);
    ck_assert_int_eq(r->body[r->n_body], 0);
    ck_assert_uint_eq(strlen(r->body), r->n_body);
    if (r->thread > atomic_load(&shop->thread_most))
        atomic_store(&shop->thread_most, r->thread);
    ck_assert_int_ge(r->thread, 0);
    buf_text(reply->body, r->body);
}

static void handle_query(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    (void)context;
    const char *name = httpd_query(r, "name"), *header = httpd_header(r, "X-Word");
    reply->content_type = "text/plain";
    buf_printf(reply->body, "%s|%s|%s", r->method, name ? name : "(none)", header ? header : "(none)");
}

static void handle_busy(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    (void)context;
    (void)r;
    reply->retry_after_s = 1.2;
    httpd_refuse(reply, 503, "busy with \"%s\"", "work");
}

static void handle_slow(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};
    struct shop *shop = context;
    (void)r;
    atomic_fetch_add(&shop->n_waiting, 1);
    while (atomic_load(&shop->held))
        nanosleep(&nap, NULL);
    buf_text(reply->body, "late");
}

static const struct httpd_route routes[] = {
    {"POST", "/echo", handle_echo}, {"GET", "/query", handle_query}, {"GET", "/busy", handle_busy},
    {"POST", "/busy", handle_busy}, {"GET", "/slow", handle_slow},
};

static struct httpd *open_shop(struct shop *shop, int n_threads)
{
    const struct httpd_config config = {.address = "127.0.0.1",
                                        .n_threads = n_threads,
                                        .body_limit = BODY_LIMIT,
                                        .routes = routes,
                                        .n_routes = sizeof routes / sizeof *routes,
                                        .context = shop};
    struct httpd *d = NULL;
    struct err e = {0};
    ck_assert_msg(httpd_open(&config, &d, &e), "%s", e.message);
    ck_assert_int_gt(httpd_port(d), 0);
    return d;
}

static const char *url_of(const struct httpd *d, const char *path)
{
    static _Thread_local char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", httpd_port(d), path);
    return url;
}

static bool waits_for(const _Atomic int *counter, int value)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};
    double end_s = clock_monotonic_s() + 20.0;
    while (atomic_load(counter) < value && clock_monotonic_s() < end_s)
        nanosleep(&nap, NULL);
    return atomic_load(counter) >= value;
}

START_TEST(routes_and_methods)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1);
    CLEANUP_BUF struct buf body = {0};
    ck_assert_int_eq(client_ask("POST", url_of(d, "/echo"), "{\"a\":1}", &body), 200);
    ck_assert_str_eq(body.bytes, "{\"a\":1}");
    ck_assert_int_eq(client_ask("POST", url_of(d, "/echo"), "", &body), 200);
    ck_assert_str_eq(body.bytes, "");
    ck_assert_int_eq(client_ask("GET", url_of(d, "/nowhere"), NULL, &body), 404);
    ck_assert_str_eq(body.bytes, "{\"error\":\"no such path: /nowhere\"}");
    ck_assert_int_eq(client_ask("GET", url_of(d, "/echo/"), NULL, &body), 404);
    struct client_answer a = client_do(NULL, "GET", url_of(d, "/echo"), NULL, NULL);
    ck_assert_int_eq(a.status, 405);
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Allow: POST\r\n"));
    client_finish(&a);
    a = client_do(NULL, "DELETE", url_of(d, "/busy"), NULL, NULL);
    ck_assert_int_eq(a.status, 405);
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Allow: GET, HEAD, POST\r\n"));
    client_finish(&a);
    httpd_close(d, 1.0);
}
END_TEST

START_TEST(queries_headers_and_head)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1);
    struct client_answer a = client_do(NULL, "GET", url_of(d, "/query?x=1&name=a%20b%26c"), NULL, "X-Word: hello");
    ck_assert_int_eq(a.status, 200);
    ck_assert_str_eq(a.body.bytes, "GET|a b&c|hello");
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Content-Type: text/plain\r\n"));
    client_finish(&a);
    a = client_do(NULL, "HEAD", url_of(d, "/query?name"), NULL, NULL);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.body.len, 0);
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Content-Length: 18\r\n")); // of HEAD|(none)|(none)
    client_finish(&a);
    httpd_close(d, 1.0);
}
END_TEST

START_TEST(refusals_say_when_to_come_back)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1);
    struct client_answer a = client_do(NULL, "GET", url_of(d, "/busy"), NULL, NULL);
    ck_assert_int_eq(a.status, 503);
    ck_assert_str_eq(a.body.bytes, "{\"error\":\"busy with \\\"work\\\"\"}");
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Retry-After: 2\r\n"));
    ck_assert_ptr_nonnull(strstr(a.headers.bytes, "Content-Type: application/json\r\n"));
    client_finish(&a);
    httpd_close(d, 1.0);
}
END_TEST

/* One byte too many, with and without asking first, in pieces of unknown length, and far too many. */
START_TEST(bodies_have_a_limit)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1);
    CURL *handle = curl_easy_init();
    char *body = malloc(4 << 20);
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', 4 << 20);
    body[BODY_LIMIT] = '\0';
    ck_assert_int_eq(client_ask("POST", url_of(d, "/echo"), body, NULL), 200);
    body[BODY_LIMIT] = 'x';
    const size_t lengths[] = {BODY_LIMIT + 1, 100000, (4 << 20) - 1};
    const char *ways[] = {"Expect:", "Expect: 100-continue", "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char kept = body[lengths[i]];
        body[lengths[i]] = '\0';
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
            struct client_answer a = client_do(handle, "POST", url_of(d, "/echo"), body, ways[way]);
            ck_assert_msg(a.status == 413, "%zu bytes, %s: status %ld", lengths[i], ways[way], a.status);
            ck_assert_str_eq(a.body.bytes, "{\"error\":\"the body is larger than 1000 bytes\"}");
            client_finish(&a);
        }
        body[lengths[i]] = kept;
    }
    ck_assert_int_eq(atomic_load(&shop.n_handled), 1);
    free(body);
    curl_easy_cleanup(handle);
    httpd_close(d, 1.0);
}
END_TEST

static int connect_to(const struct httpd *d)
{
    const struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)httpd_port(d))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Until the other end closes, or the needle has come. */
static void receive_until(int fd, const char *needle, struct buf *out)
{
    char bytes[4096];
    ssize_t n;
    while ((!out->len || !strstr(out->bytes, needle)) && (n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        buf_append(out, bytes, (size_t)n);
    buf_append(out, "", 0);
}

/* A handler sees whole bodies only: one that is cut off is never handled, one in pieces is handled once. */
START_TEST(half_a_body_is_no_request)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1);
    CLEANUP_BUF struct buf got = {0};
    int fd = connect_to(d);
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
    close(fd);
    fd = connect_to(d);
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabcde");
    ck_assert_int_eq(client_ask("GET", url_of(d, "/query"), NULL, NULL), 200); // the server is past those bytes
    send_text(fd, "fghij");
    receive_until(fd, "abcdefghij", &got);
    ck_assert_ptr_nonnull(strstr(got.bytes, "\r\n\r\nabcdefghij"));
    ck_assert_int_eq(atomic_load(&shop.n_handled), 1);
    close(fd);
    httpd_close(d, 1.0);
}
END_TEST

START_TEST(garbage_is_refused_and_harmless)
{
    static const char *const bad[] = {
        "\x16\x03\x01\x02\r\n\r\n",
        "GET\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = connect_to(d);
        send_text(fd, bad[i]);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        CLEANUP_BUF struct buf got = {0};
        receive_until(fd, "never", &got);
        ck_assert_msg(!strstr(got.bytes, " 200 "), "%zu: %s", i, got.bytes);
        close(fd);
    }
    ck_assert_int_eq(atomic_load(&shop.n_handled), 0);
    ck_assert_int_eq(client_ask("POST", url_of(d, "/echo"), "still here", NULL), 200);
    httpd_close(d, 1.0);
}
END_TEST

START_TEST(a_taken_port_is_named)
{
    struct shop shop = {0};
    struct httpd *d = open_shop(&shop, 1), *second = NULL;
    struct err e = {0};
    struct httpd_config config = {.address = "127.0.0.1", .port = httpd_port(d), .routes = routes, .n_routes = 1};
    char port[32];
    snprintf(port, sizeof port, "port %d", httpd_port(d));
    ck_assert(!httpd_open(&config, &second, &e));
    ck_assert_ptr_null(second);
    ck_assert_int_eq(e.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.message, port));
    ck_assert_ptr_nonnull(strstr(e.message, "Address already in use"));
    config.address = "not an address";
    ck_assert(!httpd_open(&config, &second, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.message, "not an address"));
    httpd_close(d, 1.0);
    httpd_close(NULL, 1.0);
}
END_TEST

struct caller {
    pthread_t thread;
    const struct httpd *httpd;
    const char *path;
    int n, n_good;
};

static void *call(void *argument)
{
    struct caller *c = argument;
    CURL *handle = curl_easy_init();
    for (int i = 0; i < c->n; i++) {
        struct client_answer a = client_do(handle, strcmp(c->path, "/slow") == 0 ? "GET" : "POST",
                                           url_of(c->httpd, c->path), i % 2 ? "odd" : "even", NULL);
        const char *wanted = strcmp(c->path, "/slow") == 0 ? "late" : i % 2 ? "odd" : "even";
        c->n_good += a.status == 200 && strcmp(a.body.bytes, wanted) == 0;
        client_finish(&a);
    }
    curl_easy_cleanup(handle);
    return NULL;
}

START_TEST(threads_answer_side_by_side)
{
    struct shop shop = {.held = true};
    struct httpd *d = open_shop(&shop, 3);
    struct caller slow = {.httpd = d, .path = "/slow", .n = 1}, quick[6];
    pthread_create(&slow.thread, NULL, call, &slow);
    ck_assert(waits_for(&shop.n_waiting, 1));
    for (int i = 0; i < 6; i++) {
        quick[i] = (struct caller){.httpd = d, .path = "/echo", .n = 1};
        pthread_create(&quick[i].thread, NULL, call, &quick[i]);
    }
    ck_assert(waits_for(&shop.n_handled, 1)); // while one thread waits, others work
    atomic_store(&shop.held, false);
    for (int i = 0; i < 6; i++) {
        pthread_join(quick[i].thread, NULL);
        ck_assert_int_eq(quick[i].n_good, 1);
    }
    pthread_join(slow.thread, NULL);
    ck_assert_int_eq(slow.n_good, 1);
    ck_assert_int_lt(atomic_load(&shop.thread_most), 3);
    httpd_close(d, 1.0);
}
END_TEST

static void *close_it(void *httpd)
{
    httpd_close(httpd, 20.0);
    return NULL;
}

static bool refuses_connections(int port)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (double end_s = clock_monotonic_s() + 20.0; clock_monotonic_s() < end_s; nanosleep(&nap, NULL)) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool refused = connect(fd, (const struct sockaddr *)&at, sizeof at) != 0;
        close(fd);
        if (refused)
            return true;
    }
    return false;
}

/* What is at work when the end comes is answered; an idle kept-alive connection holds nothing up. */
START_TEST(closing_answers_what_is_at_work)
{
    struct shop shop = {.held = true};
    struct httpd *d = open_shop(&shop, 2);
    int port = httpd_port(d), idle = connect_to(d);
    struct caller slow = {.httpd = d, .path = "/slow", .n = 1};
    pthread_t closer;
    pthread_create(&slow.thread, NULL, call, &slow);
    ck_assert(waits_for(&shop.n_waiting, 1));
    pthread_create(&closer, NULL, close_it, d);
    ck_assert(refuses_connections(port));
    atomic_store(&shop.held, false);
    pthread_join(slow.thread, NULL);
    ck_assert_int_eq(slow.n_good, 1);
    pthread_join(closer, NULL);
    close(idle);
}
END_TEST

SUITE("httpd", routes_and_methods, queries_headers_and_head, refusals_say_when_to_come_back, bodies_have_a_limit,
      half_a_body_is_no_request, garbage_is_refused_and_harmless, a_taken_port_is_named, threads_answer_side_by_side,
      closing_answers_what_is_at_work)
