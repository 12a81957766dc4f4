/* The table of looks, and filling it from what a (fake) Prometheus keeps: counters that begin in the middle, are reset, carry times
 * of their own; buckets of any order. */
#include <maestro/history.h>

#include "fake_http.h"
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MATRIX(elements) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" elements "]}}"
#define ROW(labels, points) "{\"metric\":{" labels "},\"values\":[" points "]}"

static const char CPU[] = MATRIX(ROW("\"pod\":\"web-a\"", "[90,\"5\"],[100,\"5\"],[110,\"6\"],[120,\"8\"]") "," ROW(
    "\"pod\":\"web-b\"", "[115,\"0.5\"],[120,\"1\"]"));
static const char CPU_TIME[] =
    MATRIX(ROW("\"pod\":\"web-a\"", "[90,\"90\"],[100,\"100\"],[110,\"110\"],[120,\"120\"]") "," ROW(
        "\"pod\":\"web-b\"", "[115,\"115\"],[120,\"120\"]"));
static const char MEMORY[] =
    MATRIX(ROW("\"pod\":\"web-a\"", "[99.5,\"10485760\"],[109.5,\"10485760\"],[119.5,\"12582912\"]"));
/* 40 requests, then a reset, then 6 more; 5 of them failed. */
static const char REQUESTS[] =
    MATRIX(ROW("\"pod\":\"web-a\",\"code\":\"200\"", "[95,\"100\"],[100,\"100\"],[110,\"140\"],[120,\"6\"]") "," ROW(
        "\"pod\":\"web-a\",\"code\":\"503\"", "[95,\"7\"],[100,\"7\"],[110,\"7\"],[120,\"12\"]"));
static const char BUCKETS[] = MATRIX(ROW("\"le\":\"+Inf\"", "[95,\"0\"],[100,\"0\"],[120,\"30\"]") "," ROW(
    "\"le\":\"0.1\"", "[95,\"0\"],[100,\"0\"],[120,\"20\"]") "," ROW("\"le\":\"0.05\"",
                                                                     "[95,\"0\"],[100,\"0\"],[120,\"8\"]"));
static const char SUM[] = MATRIX(ROW("\"pod\":\"web-a\"", "[95,\"1\"],[100,\"1\"],[120,\"4\"]"));
static const char SCRAPES[] =
    MATRIX(ROW("\"pod\":\"web-a\"", "[100,\"99\"],[105,\"104\"],[110,\"109\"],[115,\"114\"]"));

static const char *empty; /* the question that gets no series */

static struct fake_reply by_query(void *context, const struct fake_request *r)
{
    static const struct {
        const char *part, *answer;
    } answers[] = {{"timestamp%28container_cpu", CPU_TIME}, {"container_cpu", CPU}, {"working_set", MEMORY},
                   {"timestamp%28http", SCRAPES},           {"_sum", SUM},          {"_bucket", BUCKETS},
                   {"http_requests_total", REQUESTS}};
    (void)context;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (strstr(r->body, answers[i].part))
            return (struct fake_reply){.body = empty == answers[i].answer ? MATRIX("") : answers[i].answer};
    return (struct fake_reply){.status = 400, .body = "{}"};
}

static bool read_all(struct history *h, struct err *e)
{
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.handle = by_query});
    struct live_prometheus config = {
        .timeout_s = 5, .scrape_s = 5, .window_s = 20, .quantile = 0.95, .traffic = LIVE_APP};
    snprintf(config.url, sizeof config.url, "%s", fake_http_url(f));
    snprintf(config.pod_suffix, sizeof config.pod_suffix, "-[a-z]+");
    for (int t = 100; t <= 120; t += 5)
        ck_assert(history_add(h, &(struct history_row){.time_s = t, .spec = 1}, NULL));
    bool done = history_read(&config, "test", "shop", "web", h, e);
    fake_http_close(f);
    return done;
}

START_TEST(counters_are_put_beside_the_looks)
{
    struct history h = {0};
    struct err e = {0};
    empty = NULL;
    ck_assert_msg(read_all(&h, &e), "%s", e.message);
    const struct history_row *last = &h.rows[4], *middle = &h.rows[2];
    ck_assert_double_eq_tol(h.rows[0].requests, 0, 1e-9);
    ck_assert_double_eq_tol(middle->requests, 40, 1e-9);
    ck_assert_double_eq_tol(last->requests, 40 + 6 + 5, 1e-9); // the reset counter counts from 0
    ck_assert_double_eq_tol(last->failed, 5, 1e-9);
    ck_assert_double_eq_tol(middle->cpu_s, 1, 1e-9);
    ck_assert_double_eq_tol(last->cpu_s, 3 + 1, 1e-9); // the second pod began at 0
    ck_assert(last->cpu_fresh && middle->cpu_fresh && !h.rows[1].cpu_fresh);
    ck_assert_double_eq_tol(last->latency_s, 3, 1e-9);
    ck_assert_double_eq_tol(middle->memory_mib, 10, 1e-9);
    ck_assert_double_eq_tol(last->memory_mib, 12, 1e-9);
    ck_assert_int_eq(h.n_bounds, 2);
    ck_assert_double_eq_tol(h.bound_ms[0], 50, 1e-9);
    ck_assert_double_eq_tol(last->bucket[0], 8, 1e-9);
    ck_assert_double_eq_tol(last->bucket[1], 20, 1e-9);
    ck_assert_double_eq_tol(last->bucket[2], 30, 1e-9);
    ck_assert_double_eq_tol(h.scrape_s, 5, 1e-9);
    history_finish(&h);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    const struct {
        const char *answer, *part;
    } cases[] = {{CPU, "CPU: Prometheus has no such series"}, {BUCKETS, "latency buckets: "}, {REQUESTS, "requests: "}};
    for (int i = 0; i < 3; i++) {
        struct history h = {0};
        struct err e = {0};
        empty = cases[i].answer;
        ck_assert(!read_all(&h, &e));
        ck_assert_msg(e.code == ERR_USAGE && strstr(e.message, cases[i].part), "%s", e.message);
        history_finish(&h);
    }
    struct history h = {0};
    struct err e = {0};
    empty = MEMORY; // may be missing
    ck_assert_msg(read_all(&h, &e), "%s", e.message);
    ck_assert(isnan(h.rows[4].memory_mib));
    history_finish(&h);
}
END_TEST

START_TEST(rows_are_kept)
{
    struct history h = {0};
    for (int i = 0; i < 1000; i++)
        ck_assert(history_add(&h, &(struct history_row){.time_s = 2 * i, .requests = i * i}, NULL));
    ck_assert_int_eq(h.n, 1000);
    ck_assert_double_eq(h.rows[999].requests, 998001);
    ck_assert_double_eq(h.rows[0].time_s, 0);
    history_finish(&h);
    history_finish(&h);
    history_finish(NULL);
}
END_TEST

SUITE("history", counters_are_put_beside_the_looks, what_is_missing_is_named, rows_are_kept)
