/* Answers of Prometheus and of what stands in front of it; queries against a fake server. */
#include <maestro/prom.h>

#include "fake_http.h"
#include "suite.h"

#include <maestro/clock.h>

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct prom_answer parse(long status, const char *text)
{
    struct prom_answer a;
    prom_answer_parse("prometheus:9090", status, text, strlen(text), &a);
    ck_assert(a.answered == (a.why.code == ERR_NONE));
    ck_assert(a.answered || (a.n_series == 0 && strncmp(a.why.message, "prometheus:9090: ", 17) == 0));
    return a;
}

static void refused(long status, const char *text, enum err_code code, const char *part)
{
    struct prom_answer a = parse(status, text);
    ck_assert_msg(!a.answered, "%s", text);
    ck_assert_msg(a.why.code == code, "%s: %s", text, a.why.message);
    ck_assert_msg(strstr(a.why.message, part), "'%s' lacks '%s'", a.why.message, part);
    prom_answer_finish(&a);
}

#define VECTOR(elements) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" elements "]}}"
#define ELEMENT(labels, value) "{\"metric\":{" labels "},\"value\":[1435781451.781,\"" value "\"]}"

START_TEST(reads_a_vector)
{
    struct prom_answer a = parse(200, VECTOR(ELEMENT("\"pod\":\"web-1\",\"namespace\":\"shop\"", "0.25") "," ELEMENT(
                                          "\"pod\":\"web-2\",\"namespace\":\"shop\"", "-1e-3")));
    ck_assert(a.answered && !a.degraded && a.n_series == 2 && a.series[0].n_labels == 2);
    ck_assert_str_eq(prom_label_value(&a.series[0], "pod"), "web-1");
    ck_assert_str_eq(prom_label_value(&a.series[1], "namespace"), "shop");
    ck_assert_ptr_null(prom_label_value(&a.series[1], "po"));
    ck_assert_double_eq(a.series[0].value, 0.25);
    ck_assert_double_eq(a.series[1].value, -1e-3);
    ck_assert_double_eq(a.series[1].time_s, 1435781451.781);
    prom_answer_finish(&a);
    prom_answer_finish(&a);
    prom_answer_finish(NULL);
}
END_TEST

START_TEST(reads_what_is_no_number)
{
    struct prom_answer a = parse(200, VECTOR(ELEMENT("\"a\":\"1\"", "NaN") "," ELEMENT(
                                          "\"a\":\"2\"", "+Inf") "," ELEMENT("\"a\":\"3\"", "-Inf")));
    ck_assert(a.answered && a.n_series == 3);
    ck_assert(isnan(a.series[0].value) && isinf(a.series[1].value) && a.series[1].value > 0 && a.series[2].value < 0);
    prom_answer_finish(&a);
}
END_TEST

START_TEST(reads_a_scalar_and_nothing)
{
    struct prom_answer a =
        parse(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[12.5,\"3\"]}}");
    ck_assert(a.answered && a.n_series == 1 && a.series[0].n_labels == 0);
    ck_assert_double_eq(a.series[0].value, 3);
    ck_assert_double_eq(a.series[0].time_s, 12.5);
    prom_answer_finish(&a);
    a = parse(200, VECTOR(""));
    ck_assert(a.answered && a.n_series == 0);
    prom_answer_finish(&a);
    a = parse(200, VECTOR(ELEMENT("", "1")));
    ck_assert(a.answered && a.n_series == 1 && a.series[0].n_labels == 0);
    prom_answer_finish(&a);
}
END_TEST

START_TEST(decodes_texts)
{
    struct prom_answer a = parse(200, VECTOR(ELEMENT("\"q\":\"a\\\"b\\\\c\\n\\u00e9\\ud83d\\ude00 \xc3\xa9\"", "1")));
    ck_assert(a.answered);
    ck_assert_str_eq(prom_label_value(&a.series[0], "q"), "a\"b\\c\n\xc3\xa9\xf0\x9f\x98\x80 \xc3\xa9");
    prom_answer_finish(&a);
}
END_TEST

START_TEST(knows_warnings)
{
    struct prom_answer a = parse(200, "{\"status\":\"success\",\"warnings\":[\"store 1 is away\",\"and 2\"],"
                                      "\"infos\":[\"i\"],\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
    ck_assert(a.answered && a.degraded);
    ck_assert_str_eq(a.warning, "store 1 is away");
    prom_answer_finish(&a);
    a = parse(200, "{\"status\":\"success\",\"warnings\":null,\"infos\":[\"i\"],\"data\":{\"resultType\":\"vector\","
                   "\"result\":[]}}");
    ck_assert(a.answered && !a.degraded);
    prom_answer_finish(&a);
}
END_TEST

START_TEST(accepts_any_order)
{
    struct prom_answer a =
        parse(200, "{\"data\":{\"result\":[{\"value\":[1,\"2\"],\"metric\":{\"a\":\"\\u0041\"}}],"
                   "\"stats\":{\"x\":[1,{\"y\":[]}]},\"resultType\":\"vector\"},\"status\":\"success\"}\n");
    ck_assert_msg(a.answered, "%s", a.why.message);
    ck_assert_str_eq(prom_label_value(&a.series[0], "a"), "A");
    ck_assert_double_eq(a.series[0].value, 2);
    prom_answer_finish(&a);
}
END_TEST

START_TEST(tells_what_prometheus_says)
{
    refused(400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: unexpected )\"}", ERR_USAGE,
            "bad_data (status 400): parse error");
    refused(422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"many-to-many\"}", ERR_USAGE, "many");
    refused(503, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out\"}", ERR_IO, "timed out");
    refused(200, "{\"status\":\"error\"}", ERR_IO, "without a reason");
    refused(500, VECTOR(ELEMENT("", "1")), ERR_IO, "status 500");
}
END_TEST

START_TEST(tells_what_stands_in_front)
{
    refused(503, "Service Unavailable\nmore", ERR_IO, "status 503: Service Unavailable");
    refused(502, "<html><body>Bad gateway</body></html>", ERR_IO, "status 502 with a web page");
    refused(200, "\n <!doctype html><title>Log in</title>", ERR_FORMAT, "web page");
    refused(401, "", ERR_IO, "status 401: no readable answer");
    refused(200, "", ERR_FORMAT, "no readable answer");
}
END_TEST

START_TEST(refuses_other_types)
{
    refused(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", ERR_USAGE, "matrix");
    refused(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"a\"]}}", ERR_USAGE,
            "string");
    refused(200, VECTOR("{\"metric\":{},\"histogram\":[1,{\"count\":\"1\"}]}"), ERR_USAGE, "native histograms");
}
END_TEST

START_TEST(refuses_what_is_doubled)
{
    refused(200, VECTOR(ELEMENT("\"a\":\"1\",\"b\":\"2\"", "1") "," ELEMENT("\"b\":\"2\",\"a\":\"1\"", "1")),
            ERR_FORMAT, "two series");
    refused(200, VECTOR(ELEMENT("\"a\":\"1\",\"a\":\"2\"", "1")), ERR_FORMAT, "label stands twice");
    refused(200, VECTOR("{\"metric\":{},\"metric\":{},\"value\":[1,\"1\"]}"), ERR_FORMAT, "twice");
    refused(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[],\"result\":[]}}",
            ERR_FORMAT, "twice");
}
END_TEST

START_TEST(refuses_garbage)
{
    static const char *const bad[] = {
        "{",
        "{}",
        "{]",
        "{\"status\"}",
        "{\"status\":\"success\"}",
        "{\"status\":\"perhaps\",\"data\":{}}",
        VECTOR("1"),
        VECTOR("{}"),
        VECTOR("{\"metric\":{}}"),
        VECTOR(ELEMENT("", "")),
        VECTOR(ELEMENT("", "1x")),
        VECTOR(ELEMENT("", "0x10")),
        VECTOR(ELEMENT("", "1 ")),
        VECTOR(ELEMENT("\"a\":1", "1")),
        VECTOR("{\"metric\":{},\"value\":[\"1\",\"1\"]}"),
        VECTOR("{\"metric\":{},\"value\":[1,1]}"),
        VECTOR("{\"metric\":{},\"value\":[1,\"1\",2]}"),
        VECTOR("{\"metric\":{},\"value\":[01,\"1\"]}"),
        VECTOR(ELEMENT("\"a\":\"\\q\"", "1")),
        VECTOR(ELEMENT("\"a\":\"\\u0000\"", "1")),
        VECTOR(ELEMENT("\"a\":\"\\ud83d\"", "1")),
        VECTOR(ELEMENT("\"a\":\"\xff\"", "1")),
        VECTOR(ELEMENT("\"a\":\"\n\"", "1")),
        VECTOR("") "x",
        "{\"status\":\"success\",\"data\":{\"result\":[]}}",
        "{\"status\":\"success\",\"data\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(200, bad[i], ERR_FORMAT, "byte");
}
END_TEST

START_TEST(refuses_every_cut)
{
    static const char whole[] = VECTOR(ELEMENT("\"a\":\"\\u00e9\"", "1"));
    for (size_t n = 1; n + 1 < sizeof whole; n++) {
        struct prom_answer a;
        char *exact = malloc(n); // no byte behind the end may be looked at
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, whole, n);
        prom_answer_parse("p", 200, exact, n, &a);
        ck_assert_msg(!a.answered, "%zu bytes", n);
        free(exact);
    }
}
END_TEST

START_TEST(nesting_is_bounded)
{
    CLEANUP_BUF struct buf text = {0};
    buf_text(&text, "{\"x\":");
    for (int i = 0; i < 100000; i++)
        buf_text(&text, "[");
    struct prom_answer a = parse(200, text.bytes);
    ck_assert(!a.answered && strstr(a.why.message, "deep"));
}
END_TEST

/* Two series a target, as the live fleet asks for them. */
static void write_thousands(struct buf *out, int n)
{
    buf_text(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
    for (int i = 0; i < n; i++)
        buf_printf(out,
                   "%s{\"metric\":{\"deployment\":\"web-frontend-%d\",\"namespace\":\"team-%d\",\"what\":\"%s\"},"
                   "\"value\":[1763841600.123,\"%.17g\"]}",
                   i ? "," : "", i / 2, i % 40, i % 2 ? "age" : "value", 0.1 * i);
    buf_text(out, "]}}");
}

static size_t in_use(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

START_TEST(thousands_are_quick_and_given_back)
{
    CLEANUP_BUF struct buf text = {0};
    double best_s = (double)INFINITY;
    write_thousands(&text, 2000);
    size_t before = in_use();
    for (int i = 0; i < 20; i++) {
        struct prom_answer a;
        double start_s = clock_monotonic_s();
        prom_answer_parse("p", 200, text.bytes, text.len, &a);
        best_s = fmin(best_s, clock_monotonic_s() - start_s);
        ck_assert(a.answered && a.n_series == 2000);
        ck_assert_str_eq(prom_label_value(&a.series[1999], "deployment"), "web-frontend-999");
        prom_answer_finish(&a);
    }
    ck_assert_uint_lt(in_use(), before + 4096); // the allocator keeps a few small pieces ready
    printf("2000 series, %zu bytes: %.2f ms\n", text.len, best_s * 1e3);
    ck_assert_double_lt(best_s, 0.1); // an order above what is measured, for sanitizers and busy machines
}
END_TEST

static struct prom *open_at(const char *url, bool use_get)
{
    struct prom *p = NULL;
    struct err e = {0};
    struct prom_config config = {
        .url = url, .use_get = use_get, .timeout_s = 5, .headers = {"Authorization: Bearer s"}};
    ck_assert_msg(prom_open(&config, &p, &e), "%s", e.message);
    return p;
}

static void check_asked(struct fake_http *f, const char *const *parts)
{
    CLEANUP_BUF struct buf last = {0};
    fake_http_last(f, &last);
    for (; *parts; parts++)
        ck_assert_msg(strstr(last.bytes, *parts), "%s\nlacks\n%s", last.bytes, *parts);
}

START_TEST(asks_by_post_and_get)
{
    static const struct fake_reply script[] = {{.body = VECTOR(ELEMENT("\"a\":\"1\"", "7"))}};
    static const char *const query[] = {"sum by (pod) (rate(x{a=\"b\"}[1m]))"};
    static const char *const post[] = {"POST /prefix/api/v1/query HTTP/1.1",
                                       "Authorization: Bearer s",
                                       "application/x-www-form-urlencoded",
                                       "\nquery=sum%20by%20%28pod%29",
                                       "a%3D%22b%22",
                                       "&time=1763841600.500",
                                       "&timeout=4.500",
                                       NULL};
    static const char *const get[] = {"GET /prefix/api/v1/query?query=sum%20by", "&timeout=4.500", NULL};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 1});
    CLEANUP_BUF struct buf url = {0};
    buf_printf(&url, "%s/prefix/", fake_http_url(f));
    for (int use_get = 0; use_get < 2; use_get++) {
        struct prom *p = open_at(url.bytes, use_get);
        struct prom_answer a;
        prom_query_all(p, query, 1, 1763841600.5, &a);
        ck_assert_msg(a.answered, "%s", a.why.message);
        ck_assert_double_eq(a.series[0].value, 7);
        prom_answer_finish(&a);
        check_asked(f, use_get ? get : post);
        prom_close(p);
    }
    fake_http_close(f);
    prom_close(NULL);
}
END_TEST

/* Answers by what is asked, each after the other's time. */
static struct fake_reply by_query(void *context, const struct fake_request *r)
{
    (void)context;
    if (strstr(r->body, "query=good"))
        return (struct fake_reply){.body = VECTOR(ELEMENT("\"a\":\"1\"", "1")), .delay_s = 0.2};
    if (strstr(r->body, "query=bad"))
        return (struct fake_reply){.status = 400,
                                   .body = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"no\"}",
                                   .delay_s = 0.2};
    return (struct fake_reply){.cut_at_once = true};
}

START_TEST(each_query_answers_for_itself)
{
    static const char *const queries[] = {"good", "bad", "gone", "good"};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.handle = by_query});
    struct prom *p = open_at(fake_http_url(f), false);
    struct prom_answer a[4];
    prom_query_all(p, queries, 4, 0, a);
    ck_assert(a[0].answered && a[3].answered && !a[1].answered && !a[2].answered);
    ck_assert_int_eq(a[1].why.code, ERR_USAGE);
    ck_assert_int_eq(a[2].why.code, ERR_IO);
    for (int i = 0; i < 4; i++)
        prom_answer_finish(&a[i]);
    prom_close(p);
    fake_http_close(f);
}
END_TEST

#define MATRIX(elements) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" elements "]}}"
#define ROW(labels, points) "{\"metric\":{" labels "},\"values\":[" points "]}"

static void range_refused(const char *text, const char *part)
{
    struct prom_answer a;
    prom_range_parse("prometheus:9090", 200, text, strlen(text), &a);
    ck_assert_msg(!a.answered && strstr(a.why.message, part), "%s: '%s' lacks '%s'", text, a.why.message, part);
    prom_answer_finish(&a);
}

START_TEST(reads_a_range)
{
    static const char text[] = MATRIX(ROW("\"pod\":\"a\"", "[1,\"2\"],[2.5,\"NaN\"]") "," ROW(
        "\"pod\":\"b\"", "") "," ROW("\"pod\":\"c\"", "[9,\"-1e3\"]"));
    struct prom_answer a;
    prom_range_parse("prometheus:9090", 200, text, strlen(text), &a);
    ck_assert_msg(a.answered, "%s", a.why.message);
    ck_assert_int_eq(a.n_series, 3);
    ck_assert_int_eq(a.series[0].n_points, 2);
    ck_assert_double_eq(a.series[0].points[0].value, 2);
    ck_assert_double_eq(a.series[0].points[1].time_s, 2.5);
    ck_assert(isnan(a.series[0].points[1].value));
    ck_assert(a.series[1].n_points == 0 && !a.series[1].points);
    ck_assert_str_eq(prom_label_value(&a.series[2], "pod"), "c");
    ck_assert_double_eq(a.series[2].points[0].value, -1000);
    prom_answer_finish(&a);
    range_refused(VECTOR(""), "a matrix is wanted");
    range_refused(MATRIX(ROW("\"pod\":\"a\"", "[2,\"2\"],[2,\"3\"]")), "times of a series that do not rise");
    range_refused(MATRIX(ROW("\"pod\":\"a\"", "[2,\"x\"]")), "no number");
    range_refused(MATRIX(ELEMENT("\"pod\":\"a\"", "1")), "without metric or value");
    range_refused(MATRIX("{\"metric\":{},\"histograms\":[]}"), "native histograms");
}
END_TEST

START_TEST(asks_about_a_range)
{
    static const struct fake_reply script[] = {{.body = MATRIX(ROW("\"a\":\"1\"", "[1,\"7\"]"))}};
    static const char *const query[] = {"up"};
    static const char *const parts[] = {"POST /api/v1/query_range HTTP/1.1",
                                        "\nquery=up&start=100.000&end=160.500&step=0.500", NULL};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 1});
    struct prom *p = open_at(fake_http_url(f), false);
    struct prom_answer a;
    prom_query_range(p, query, 1, &(struct prom_range){100, 160.5, 0.5}, &a);
    ck_assert_msg(a.answered, "%s", a.why.message);
    ck_assert_double_eq(a.series[0].points[0].value, 7);
    prom_answer_finish(&a);
    check_asked(f, parts);
    prom_close(p);
    fake_http_close(f);
}
END_TEST

START_TEST(escapes)
{
    CLEANUP_BUF struct buf text = {0}, pattern = {0};
    prom_escape_text(&text, "a\"b\\c\nd.e\x01");
    ck_assert_str_eq(text.bytes, "a\\\"b\\\\c\\nd.e\\x01");
    prom_escape_pattern(&pattern, "a.b|c\\d");
    ck_assert_str_eq(pattern.bytes, "a\\\\.b\\\\|c\\\\\\\\d");
}
END_TEST

SUITE("prom", reads_a_vector, reads_what_is_no_number, reads_a_scalar_and_nothing, decodes_texts, knows_warnings,
      accepts_any_order, tells_what_prometheus_says, tells_what_stands_in_front, refuses_other_types,
      refuses_what_is_doubled, refuses_garbage, refuses_every_cut, nesting_is_bounded,
      thousands_are_quick_and_given_back, asks_by_post_and_get, each_query_answers_for_itself, reads_a_range,
      asks_about_a_range, escapes)
