/* serve: the whole server in this process, several clients at once, its file exchanged and spoilt meanwhile, and its end under
 * load: every answer that comes is a whole one. */
#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/serve.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "client.h"
#include "folder.h"
#include "suite.h"
#include "trained.h"

#define BODY "{\"cpu_usage\":240,\"memory_usage\":1100000000,\"latency\":180,\"rps\":95,\"replicas\":3"

struct shop {
    char folder[FOLDER_BYTES];
    struct serve_config config;
    struct serve *serve;
};

static void shop_open(struct shop *s)
{
    struct config_section section = {"serve", "", serve_config_keys, n_serve_config_keys, &s->config};
    struct config config = {0};
    struct err e = {0};
    folder_make(s->folder);
    ck_assert_msg(config_init(&config, &section, 1, &e), "%s", e.message);
    config_finish(&config);
    snprintf(s->config.policy, sizeof s->config.policy, "%s/best.safetensors", s->folder);
    snprintf(s->config.address, sizeof s->config.address, "127.0.0.1");
    s->config.port = 0;
    s->config.threads = 2;
    trained_write(s->config.policy, "default", 1);
    ck_assert_msg(serve_open(&s->config, &s->serve, &e), "%s", e.message);
}

static const char *url_of(int port, const char *path)
{
    static _Thread_local char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    return url;
}

START_TEST(what_operators_look_at)
{
    static struct shop s;
    CLEANUP_BUF struct buf body = {0};
    shop_open(&s);
    int port = serve_port(s.serve);
    ck_assert_int_eq(client_ask("GET", url_of(port, "/healthz"), NULL, &body), 200);
    ck_assert_int_eq(client_ask("GET", url_of(port, "/readyz"), NULL, &body), 200);
    ck_assert_int_eq(client_ask("POST", url_of(port, "/predict"), BODY "}", &body), 200);
    ck_assert_int_eq(client_ask("POST", url_of(port, "/predict"), "{", &body), 400);
    ck_assert_int_eq(client_ask("GET", url_of(port, "/metrics"), NULL, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_requests_total{code=\"200\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_requests_total{code=\"400\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_predict_seconds_count 2\n"));
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_predict_seconds_bucket{le=\"+Inf\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_model_outdated 0\n"));
    ck_assert(file_write_atomic(s.config.policy, "garbage", 7, NULL));
    ck_assert(model_refresh(serve_model(s.serve)));
    ck_assert_int_eq(client_ask("GET", url_of(port, "/readyz"), NULL, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.bytes, "was refused"));
    ck_assert_int_eq(client_ask("GET", url_of(port, "/metrics"), NULL, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.bytes, "\nmaestro_serve_model_outdated 1\n"));
    serve_not_ready(s.serve);
    ck_assert_int_eq(client_ask("GET", url_of(port, "/readyz"), NULL, &body), 503);
    ck_assert_int_eq(client_ask("POST", url_of(port, "/predict"), BODY "}", &body), 200);
    serve_close(s.serve);
    serve_close(NULL);
    folder_remove(s.folder);
}
END_TEST

struct caller {
    pthread_t thread;
    int port, number;
    _Atomic bool *over;
    _Atomic long n_whole, n_refused;
    long n_torn;
};

static void *call(void *argument)
{
    struct caller *c = argument;
    CURL *handle = curl_easy_init();
    for (int i = 0; !atomic_load(c->over); i++) {
        char body[256];
        snprintf(body, sizeof body, BODY ",\"target\":\"t%d\",\"timestamp\":%d}", c->number, i);
        struct client_answer a = client_do(handle, "POST", url_of(c->port, "/predict"), body, NULL);
        bool whole = a.status == 200 && strncmp(a.body.bytes, "{\"action\":", 10) == 0 &&
                     strcmp(a.body.bytes + a.body.len - 3, "}}\n") == 0;
        if (whole)
            atomic_fetch_add(&c->n_whole, 1);
        else if (a.status == 0 && a.body.len == 0)
            atomic_fetch_add(&c->n_refused, 1);
        else
            c->n_torn++;
        client_finish(&a);
    }
    curl_easy_cleanup(handle);
    return NULL;
}

#define CALLERS 3

static void start_callers(struct caller *callers, int port, _Atomic bool *over)
{
    for (int i = 0; i < CALLERS; i++) {
        callers[i].port = port;
        callers[i].number = i;
        callers[i].over = over;
        pthread_create(&callers[i].thread, NULL, call, &callers[i]);
    }
}

static bool each_has(struct caller *callers, bool refused, long n)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};
    for (double end_s = clock_monotonic_s() + 60; clock_monotonic_s() < end_s; nanosleep(&nap, NULL)) {
        int there = 0;
        for (int i = 0; i < CALLERS; i++)
            there += atomic_load(refused ? &callers[i].n_refused : &callers[i].n_whole) >= n;
        if (there == CALLERS)
            return true;
    }
    return false;
}

START_TEST(reloads_under_load_lose_nothing)
{
    static struct shop s;
    static struct caller callers[CALLERS];
    _Atomic bool over = false;
    shop_open(&s);
    start_callers(callers, serve_port(s.serve), &over);
    for (int i = 0; i < 10; i++) {
        if (i % 3 == 2)
            ck_assert(file_write_atomic(s.config.policy, "garbage", 7, NULL));
        else
            trained_write(s.config.policy, i % 2 ? "basic5" : "default", (uint64_t)i);
        model_reload(serve_model(s.serve));
        ck_assert(each_has(callers, false, 5 * (i + 1)));
    }
    atomic_store(&over, true);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].n_torn, 0);
        ck_assert_int_eq(atomic_load(&callers[i].n_refused), 0);
    }
    serve_close(s.serve);
    folder_remove(s.folder);
}
END_TEST

/* From the end on connections are refused; until then, and of what was taken, every answer is whole. */
START_TEST(the_end_under_load_tears_nothing)
{
    static struct shop s;
    static struct caller callers[CALLERS];
    _Atomic bool over = false;
    shop_open(&s);
    start_callers(callers, serve_port(s.serve), &over);
    ck_assert(each_has(callers, false, 20));
    serve_close(s.serve);
    ck_assert(each_has(callers, true, 1));
    atomic_store(&over, true);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].n_torn, 0);
    }
    folder_remove(s.folder);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    static struct shop s;
    struct serve *second = NULL;
    struct err e = {0};
    shop_open(&s);
    struct serve_config config = s.config;
    config.port = serve_port(s.serve);
    ck_assert(!serve_open(&config, &second, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "Address already in use"));
    snprintf(config.policy, sizeof config.policy, "/nowhere");
    ck_assert(!serve_open(&config, &second, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "/nowhere"));
    serve_close(s.serve);
    folder_remove(s.folder);
}
END_TEST

SUITE("serve", what_operators_look_at, reloads_under_load_lose_nothing, the_end_under_load_tears_nothing,
      what_cannot_be_opened_is_named)
