/* The demo service over its socket: what requests cost, who is turned away, faults on purpose, getting ready, draining. */
#include <maestro/webapp.h>

#include "suite.h"

#include <maestro/clock.h>
#include <maestro/http.h>
#include <maestro/profile.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct scene {
    struct webapp_config config;
    struct webapp *a;
    struct http *h;
    struct http_response r;
};

static struct webapp_config defaults(void)
{
    struct webapp_config c;
    struct config_section section = webapp_section(&c);
    struct config all;
    ck_assert(config_init(&all, &section, 1, NULL));
    config_finish(&all);
    return c;
}

/* Quick: no base memory, ready at once, no lingering. */
static struct scene quick(void)
{
    struct scene s = {.config = defaults()};
    snprintf(s.config.address, sizeof s.config.address, "127.0.0.1");
    s.config.port = 0;
    s.config.memory_base_mib = s.config.start_s = s.config.linger_s = s.config.cpu_ms = s.config.wait_ms = 0;
    s.config.grace_s = 5;
    return s;
}

static void open_scene(struct scene *s)
{
    struct err e = {0};
    ck_assert_msg(webapp_open(&s->config, &s->a, &e), "%s", e.message);
    ck_assert(http_open(&(struct http_config){.timeout_s = 10, .retries = -1, .connections = 32}, &s->h, &e));
}

static void close_scene(struct scene *s)
{
    webapp_close(s->a);
    http_response_finish(&s->r);
    http_close(s->h);
}

static const char *url_of(const struct scene *s, const char *path, char url[128])
{
    snprintf(url, 128, "http://127.0.0.1:%d%s", webapp_port(s->a), path);
    return url;
}

static long ask(struct scene *s, const char *method, const char *path)
{
    char url[128];
    struct err e = {0};
    ck_assert_msg(http_do(s->h, &(struct http_request){.method = method, .url = url_of(s, path, url)}, &s->r, &e), "%s",
                  e.message);
    return s->r.status;
}

/* The value behind a name (with labels) in /metrics. */
static double metric(struct scene *s, const char *name)
{
    CLEANUP_BUF struct buf line = {0};
    buf_printf(&line, "\n%s ", name);
    ck_assert_int_eq(ask(s, "GET", "/metrics"), 200);
    ck_assert(strncmp(s->r.content_type, "text/plain; version=0.0.4", 25) == 0);
    const char *at = strstr(s->r.body.bytes, line.bytes);
    ck_assert_msg(at, "%s lacks in %s", name, s->r.body.bytes);
    return strtod(at + line.len, NULL);
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static void wait_ready(struct scene *s)
{
    double deadline_s = clock_monotonic_s() + 60;
    while (ask(s, "GET", "/readyz") != 200) {
        ck_assert_double_lt(clock_monotonic_s(), deadline_s);
        pause_briefly();
    }
}

START_TEST(defaults_are_those_of_the_profile)
{
    struct webapp_config c = defaults();
    struct service_profile p;
    ck_assert(profile_load("target-app", &p, NULL));
    ck_assert_double_eq(c.cpu_ms, p.service.model.cpu_ms);
    ck_assert_double_eq(c.cpu_cv, p.service.model.cpu_cv);
    ck_assert_double_eq(c.wait_ms, p.service.model.wait_ms);
    ck_assert_double_eq(c.wait_cv, p.service.model.wait_cv);
    ck_assert_int_eq(c.concurrency, p.service.model.concurrency);
    ck_assert_int_eq(c.backlog, p.service.model.backlog);
    ck_assert_double_eq(c.timeout_ms, p.service.model.timeout_ms);
    ck_assert_double_eq(c.memory_base_mib, p.pods.memory_base_mib);
    ck_assert_double_eq(c.memory_per_request_mib, p.pods.memory_per_request_mib);
    ck_assert_double_eq(c.start_cpu_cores, p.pods.start_cpu_cores);
    ck_assert_double_eq(c.warm_up_s, p.pods.warm_up_s);
    ck_assert_double_le(c.start_s, p.pods.start_s);
    ck_assert_double_le(c.linger_s + c.grace_s, p.pods.grace_s);
    ck_assert_int_eq(c.buckets_ms.n, p.measurement.buckets_ms.n);
    for (int i = 0; i < c.buckets_ms.n; i++)
        ck_assert_double_eq(c.buckets_ms.v[i], p.measurement.buckets_ms.v[i]);
}
END_TEST

START_TEST(answers_and_counts)
{
    struct scene s = quick();
    open_scene(&s);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ask(&s, i % 2 ? "POST" : "GET", "/"), 200);
        ck_assert(strstr(s.r.body.bytes, "\"pod\":\"") && strstr(s.r.body.bytes, "\"took_ms\":"));
    }
    ck_assert_int_eq(ask(&s, "GET", "/healthz"), 200);
    ck_assert_int_eq(ask(&s, "GET", "/nowhere"), 404);
    ck_assert_int_eq(ask(&s, "DELETE", "/"), 405);
    ck_assert_double_eq(metric(&s, "http_requests_total{code=\"200\"}"), 5);
    ck_assert_double_eq(metric(&s, "http_requests_total{code=\"503\"}"), 0);
    ck_assert_double_eq(metric(&s, "http_request_duration_seconds_count"), 5);
    ck_assert_double_eq(metric(&s, "http_request_duration_seconds_bucket{le=\"10\"}"), 5);
    ck_assert_double_eq(metric(&s, "http_request_duration_seconds_bucket{le=\"+Inf\"}"), 5);
    ck_assert_double_ge(metric(&s, "http_request_duration_seconds_bucket{le=\"0.0025\"}"), 0);
    close_scene(&s);
    webapp_close(NULL);
}
END_TEST

START_TEST(requests_cost_what_they_should)
{
    enum { N = 100 };
    struct scene s = quick();
    s.config.cpu_ms = 10;
    s.config.cpu_cv = 0;
    s.config.wait_ms = 4;
    s.config.wait_cv = 0;
    open_scene(&s);
    double before_s = metric(&s, "process_cpu_seconds_total");
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(ask(&s, "GET", "/"), 200);
    double used_s = metric(&s, "process_cpu_seconds_total") - before_s,
           sum_s = metric(&s, "http_request_duration_seconds_sum");
    ck_assert_double_ge(used_s, N * 0.010);
    ck_assert_double_lt(used_s, N * 0.018); // with the client and the server themselves, also under sanitizers
    ck_assert_double_ge(sum_s, N * 0.014);
    close_scene(&s);
}
END_TEST

/* n requests at once; how many were answered 200 and 503. */
static void crowd(struct scene *s, int n, int *n_good, int *n_away)
{
    struct http_request requests[32];
    struct http_response r[32] = {0};
    char url[128];
    url_of(s, "/", url);
    for (int i = 0; i < n; i++)
        requests[i] = (struct http_request){.url = url};
    http_do_all(s->h, requests, r, n);
    *n_good = *n_away = 0;
    for (int i = 0; i < n; i++) {
        *n_good += r[i].status == 200;
        *n_away += r[i].status == 503;
        http_response_finish(&r[i]);
    }
}

START_TEST(places_and_queue_are_bounded)
{
    int n_good = 0, n_away = 0;
    struct scene s = quick();
    s.config.wait_ms = 1500; // until all twelve are there
    s.config.wait_cv = 0;
    s.config.concurrency = 3;
    s.config.backlog = 2;
    open_scene(&s);
    double start_s = clock_monotonic_s();
    crowd(&s, 12, &n_good, &n_away);
    ck_assert_int_eq(n_good, 5);
    ck_assert_int_eq(n_away, 7);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 3.0); // two rounds
    ck_assert_double_eq(metric(&s, "http_requests_total{code=\"503\"}"), 7);
    ck_assert_double_eq(metric(&s, "http_request_duration_seconds_bucket{le=\"5\"}"), 5); // the others at the time-out
    close_scene(&s);
}
END_TEST

START_TEST(waiting_is_bounded)
{
    int n_good = 0, n_away = 0;
    struct scene s = quick();
    s.config.wait_ms = 2500;
    s.config.wait_cv = 0;
    s.config.concurrency = 1;
    s.config.backlog = 5;
    s.config.timeout_ms = 100;
    open_scene(&s);
    double start_s = clock_monotonic_s();
    crowd(&s, 4, &n_good, &n_away);
    ck_assert(n_good == 1 && n_away == 3);
    ck_assert_double_lt(clock_monotonic_s() - start_s, 7.5); // three in a row
    close_scene(&s);
}
END_TEST

START_TEST(faults_on_purpose)
{
    struct scene s = quick();
    open_scene(&s);
    ck_assert_int_eq(ask(&s, "POST", "/fault?errors=1"), 200);
    ck_assert(strstr(s.r.body.bytes, "\"errors\":1"));
    ck_assert_int_eq(ask(&s, "GET", "/"), 500);
    ck_assert_int_eq(ask(&s, "POST", "/fault?errors=0&delay_ms=200"), 200);
    double start_s = clock_monotonic_s();
    ck_assert_int_eq(ask(&s, "GET", "/"), 200);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 0.2);
    ck_assert_int_eq(ask(&s, "GET", "/healthz"), 200);
    ck_assert_int_eq(ask(&s, "GET", "/fault"), 200);
    ck_assert_str_eq(s.r.body.bytes, "{\"delay_ms\":200,\"errors\":0,\"hang\":0,\"leak_kib\":0}");
    close_scene(&s);
}
END_TEST

START_TEST(wrong_faults_are_refused)
{
    static const char *const wrong[][2] = {{"/fault?errors=2", "errors must be a number from 0 to 1"},
                                           {"/fault?delay_ms=soon", "delay_ms must"},
                                           {"/fault?delay_ms=", "delay_ms must"},
                                           {"/fault?hang=nan", "hang must"},
                                           {"/fault?delay_ms=5&nonsense=1", "unknown key 'nonsense'"}};
    struct scene s = quick();
    open_scene(&s);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(ask(&s, "POST", wrong[i][0]), 400);
        ck_assert_msg(strstr(s.r.body.bytes, wrong[i][1]), "%s", s.r.body.bytes);
    }
    ck_assert_int_eq(ask(&s, "GET", "/fault"), 200);
    ck_assert_str_eq(s.r.body.bytes, "{\"delay_ms\":0,\"errors\":0,\"hang\":0,\"leak_kib\":0}");
    close_scene(&s);
}
END_TEST

static void *ask_once(void *context)
{
    struct http *h = NULL;
    struct http_response r = {0};
    long *status = calloc(1, sizeof *status);
    ck_assert(status && http_open(&(struct http_config){.timeout_s = 20, .retries = -1}, &h, NULL));
    if (http_do(h, &(struct http_request){.url = context}, &r, NULL))
        *status = r.status;
    http_response_finish(&r);
    http_close(h);
    return status;
}

static long answer_of(pthread_t asker)
{
    void *status = NULL;
    ck_assert_int_eq(pthread_join(asker, &status), 0);
    long value = *(long *)status;
    free(status);
    return value;
}

static void wait_until_working(struct scene *s, double n)
{
    double deadline_s = clock_monotonic_s() + 60;
    while (metric(s, "app_requests_working") < n) {
        ck_assert_double_lt(clock_monotonic_s(), deadline_s);
        pause_briefly();
    }
}

START_TEST(hangs_until_mended)
{
    char url[128];
    pthread_t asker;
    struct scene s = quick();
    open_scene(&s);
    ck_assert_int_eq(ask(&s, "POST", "/fault?hang=1"), 200);
    ck_assert_int_eq(pthread_create(&asker, NULL, ask_once, (void *)(uintptr_t)url_of(&s, "/", url)), 0);
    wait_until_working(&s, 1);
    ck_assert_int_eq(ask(&s, "GET", "/readyz") == 200, 1);
    ck_assert_int_eq(ask(&s, "POST", "/fault?hang=0"), 200);
    ck_assert_int_eq(answer_of(asker), 503);
    ck_assert_int_eq(ask(&s, "GET", "/"), 200);
    close_scene(&s);
}
END_TEST

START_TEST(leaks_when_told)
{
    struct scene s = quick();
    s.config.leak_kib = 100;
    open_scene(&s);
    double before = metric(&s, "process_resident_memory_bytes");
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(ask(&s, "GET", "/"), 200);
    ck_assert_double_eq(metric(&s, "app_leaked_bytes"), 200 * 100 * 1024.0);
    ck_assert_double_ge(metric(&s, "process_resident_memory_bytes"), before + 190 * 100 * 1024.0);
    close_scene(&s);
}
END_TEST

START_TEST(holds_its_memory)
{
    struct scene s = quick();
    s.config.memory_base_mib = 40;
    open_scene(&s);
    ck_assert_double_ge(metric(&s, "process_resident_memory_bytes"), 40 * 1048576.0);
    close_scene(&s);
}
END_TEST

START_TEST(becomes_ready_later)
{
    struct scene s = quick();
    s.config.start_s = 2;
    s.config.start_cpu_cores = 0.3;
    double start_s = clock_monotonic_s();
    open_scene(&s);
    ck_assert_int_eq(ask(&s, "GET", "/readyz"), 503);
    ck_assert(strstr(s.r.body.bytes, "starting"));
    ck_assert_int_eq(ask(&s, "GET", "/healthz"), 200);
    wait_ready(&s);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 2);
    ck_assert_double_ge(metric(&s, "process_cpu_seconds_total"), 0.1); // 0.6 where nobody else wants the CPU
    close_scene(&s);
}
END_TEST

START_TEST(cold_pods_are_slow)
{
    struct scene s = quick();
    s.config.cpu_ms = 10;
    s.config.cpu_cv = 0;
    s.config.warm_up_s = 600;
    s.config.warm_up_speed = 0.25;
    open_scene(&s);
    wait_ready(&s);
    double start_s = clock_monotonic_s();
    ck_assert_int_eq(ask(&s, "GET", "/"), 200);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 0.035);
    close_scene(&s);
}
END_TEST

static void *close_it(void *context)
{
    webapp_close(context);
    return NULL;
}

/* While draining: not ready, still serving; then who is at work is answered, and newcomers find nobody. */
START_TEST(drains)
{
    char url[128], ready[128];
    pthread_t asker, closer;
    struct scene s = quick();
    s.config.wait_ms = 2500;
    s.config.wait_cv = 0;
    s.config.linger_s = 1.5;
    open_scene(&s);
    ck_assert_int_eq(pthread_create(&asker, NULL, ask_once, (void *)(uintptr_t)url_of(&s, "/", url)), 0);
    wait_until_working(&s, 1);
    url_of(&s, "/readyz", ready);
    ck_assert_int_eq(pthread_create(&closer, NULL, close_it, s.a), 0);
    double deadline_s = clock_monotonic_s() + 60;
    bool draining = false;
    while (!draining && clock_monotonic_s() < deadline_s) {
        ck_assert(http_do(s.h, &(struct http_request){.url = ready}, &s.r, NULL));
        draining = s.r.status == 503 && strstr(s.r.body.bytes, "draining");
        pause_briefly();
    }
    ck_assert(draining);
    ck_assert_int_eq(answer_of(asker), 200);
    ck_assert_int_eq(pthread_join(closer, NULL), 0);
    ck_assert(!http_do(s.h, &(struct http_request){.url = ready}, &s.r, NULL));
    s.a = NULL;
    close_scene(&s);
}
END_TEST

START_TEST(grace_is_bounded)
{
    char url[128];
    pthread_t asker;
    struct scene s = quick();
    s.config.grace_s = 0.2;
    open_scene(&s);
    ck_assert_int_eq(ask(&s, "POST", "/fault?hang=1"), 200);
    ck_assert_int_eq(pthread_create(&asker, NULL, ask_once, (void *)(uintptr_t)url_of(&s, "/", url)), 0);
    wait_until_working(&s, 1);
    double start_s = clock_monotonic_s();
    close_scene(&s);
    ck_assert_double_lt(clock_monotonic_s() - start_s, 15); // who asks gives up after 20 s
    long status = answer_of(asker);
    ck_assert_msg(status == 503 || status == 0, "%ld", status);
}
END_TEST

START_TEST(wrong_settings)
{
    struct scene s = quick();
    struct webapp *second = NULL;
    struct err e = {0};
    open_scene(&s);
    s.config.port = webapp_port(s.a);
    ck_assert(!webapp_open(&s.config, &second, &e) && e.code == ERR_IO && strstr(e.message, "in use"));
    snprintf(s.config.address, sizeof s.config.address, "nowhere");
    ck_assert(!webapp_open(&s.config, &second, &e) && e.code == ERR_USAGE);
    s.config.buckets_ms = (struct config_list){.n = 2, .v = {5, 5}};
    ck_assert(!webapp_open(&s.config, &second, &e) && e.code == ERR_USAGE && strstr(e.message, "does not rise"));
    close_scene(&s);
}
END_TEST

SUITE("webapp", defaults_are_those_of_the_profile, answers_and_counts, requests_cost_what_they_should,
      places_and_queue_are_bounded, waiting_is_bounded, faults_on_purpose, wrong_faults_are_refused, hangs_until_mended,
      leaks_when_told, holds_its_memory, becomes_ready_later, cold_pods_are_slow, drains, grace_is_bounded,
      wrong_settings)
