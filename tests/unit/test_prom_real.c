/* The Prometheus client against Debian's prometheus, which scrapes an exporter of this process every 2 s: values, what is no
 * number, ages, mistakes, a thousand targets. Skipped where no prometheus is installed. */
#include <maestro/prom.h>

#include "fake_http.h"
#include "real_prometheus.h"
#include "suite.h"

#include <math.h>

#define TARGETS 1000
#define OLD_S 100.0 /* how long ago the last sample of old_value was taken */

/* The time of the old sample does not move. */
static struct fake_reply expose(void *context, const struct fake_request *r)
{
    const double *start_s = context;
    buf_printf(r->text,
               "plain_value{pod=\"web-1\"} 0.25\nodd_value{q=\"a\\\"b\\\\c.d\"} 3\n"
               "not_a_number 0\nnot_a_number{x=\"nan\"} NaN\nnot_a_number{x=\"inf\"} +Inf\n"
               "old_value{pod=\"web-1\"} 7 %.0f\n",
               (*start_s - OLD_S) * 1e3);
    for (int i = 0; i < TARGETS; i++)
        buf_printf(r->text, "busy_seconds_total{namespace=\"team-%d\",pod=\"web-%d-6d4cf56db6-x7k2p\"} %d\n", i % 40, i,
                   i);
    return (struct fake_reply){.headers = "Content-Type: text/plain; version=0.0.4\r\n"};
}

struct world {
    double start_s;
    struct fake_http *exporter;
    struct real_prometheus prometheus;
    struct prom *p;
};

static void start_world(struct world *w)
{
    char config[256];
    struct err e = {0};
    w->start_s = clock_wall_s();
    w->exporter = fake_http_open(&(struct fake_http_config){.handle = expose, .context = &w->start_s});
    snprintf(config, sizeof config,
             "global: {scrape_interval: 2s, scrape_timeout: 2s}\n"
             "scrape_configs: [{job_name: t, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n",
             fake_http_port(w->exporter));
    real_prometheus_open(&w->prometheus, config);
    ck_assert(
        prom_open(&(struct prom_config){.url = w->prometheus.url, .timeout_s = 5, .http.retries = -1}, &w->p, &e));
}

static void stop_world(struct world *w)
{
    prom_close(w->p);
    fake_http_close(w->exporter);
}

static struct prom_answer ask(struct world *w, const char *query)
{
    struct prom_answer a;
    prom_query_all(w->p, &query, 1, 0, &a);
    return a;
}

static bool has_series(struct world *w, const char *query, int n)
{
    struct prom_answer a = ask(w, query);
    bool has = a.answered && a.n_series == n;
    prom_answer_finish(&a);
    return has;
}

static void wait_for_data(struct world *w)
{
    double deadline_s = clock_monotonic_s() + 60;
    while (!has_series(w, "busy_seconds_total", TARGETS) || !has_series(w, "old_value", 1)) {
        ck_assert_double_lt(clock_monotonic_s(), deadline_s);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

static void says(struct world *w, const char *query, double value)
{
    struct prom_answer a = ask(w, query);
    ck_assert_msg(a.answered && a.n_series == 1, "%s: %d series, %s", query, a.n_series, a.why.message);
    double got = a.series[0].value;
    ck_assert_msg(isnan(value) ? isnan(got) : !(got < value) && !(got > value), "%s: %g", query, got);
    ck_assert_double_lt(fabs(a.series[0].time_s - clock_wall_s()), 10);
    prom_answer_finish(&a);
}

static void refuses(struct world *w, const char *query, enum err_code code, const char *part)
{
    struct prom_answer a = ask(w, query);
    ck_assert_msg(!a.answered && a.why.code == code && strstr(a.why.message, part), "%s: %s", query, a.why.message);
    prom_answer_finish(&a);
}

static void check_values(struct world *w)
{
    says(w, "plain_value", 0.25);
    says(w, "scalar(plain_value) * 4", 1);
    says(w, "plain_value / 3", 0.25 / 3);
    says(w, "not_a_number{x=\"nan\"}", (double)NAN);
    says(w, "not_a_number{x=\"inf\"}", (double)INFINITY);
    says(w, "-not_a_number{x=\"inf\"}", -(double)INFINITY);
    ck_assert(has_series(w, "absent_value", 0));
    ck_assert(has_series(w, "not_a_number", 3));
}

static void check_mistakes(struct world *w)
{
    refuses(w, "sum(", ERR_USAGE, "bad_data (status 400)");
    refuses(w, "plain_value * on (job) group_left () busy_seconds_total * on (job) busy_seconds_total", ERR_USAGE,
            "execution (status 422)");
    refuses(w, "plain_value[1m]", ERR_USAGE, "matrix");
    refuses(w, "\"text\"", ERR_USAGE, "string");
}

static void check_escapes(struct world *w)
{
    CLEANUP_BUF struct buf query = {0};
    for (int as_pattern = 0; as_pattern < 2; as_pattern++) {
        buf_clear(&query);
        buf_printf(&query, "odd_value{q=%s\"", as_pattern ? "~" : "");
        (as_pattern ? prom_escape_pattern : prom_escape_text)(&query, "a\"b\\c.d");
        buf_text(&query, "\"}");
        says(w, query.bytes, 3);
    }
}

/* Value and age of one target in one answer, as the live fleet asks. The value comes with the time of the question, the age
 * with the truth. */
static void check_age(struct world *w)
{
    struct prom_answer a = ask(w, "label_replace(old_value, \"what\", \"value\", \"\", \"\") or "
                                  "label_replace(time() - timestamp(old_value), \"what\", \"age\", \"\", \"\")");
    ck_assert_msg(a.answered && a.n_series == 2, "%s", a.why.message);
    for (int i = 0; i < 2; i++) {
        const struct prom_series *s = &a.series[i];
        ck_assert_double_lt(fabs(s->time_s - clock_wall_s()), 10);
        if (strcmp(prom_label_value(s, "what"), "value") == 0)
            ck_assert_double_eq(s->value, 7);
        else
            ck_assert(s->value >= OLD_S && s->value < OLD_S + 120);
    }
    prom_answer_finish(&a);
}

static void check_thousand_targets(struct world *w)
{
    static const char query[] =
        "label_replace(label_replace(busy_seconds_total, \"deployment\", \"$1\", \"pod\", "
        "\"(.*)-[a-z0-9]{1,10}-[a-z0-9]{5}\"), \"what\", \"value\", \"\", \"\") or label_replace(label_replace(time() "
        "- "
        "timestamp(busy_seconds_total), \"deployment\", \"$1\", \"pod\", \"(.*)-[a-z0-9]{1,10}-[a-z0-9]{5}\"), "
        "\"what\", \"age\", \"\", \"\")";
    double start_s = clock_monotonic_s();
    struct prom_answer a = ask(w, query);
    printf("%d series asked and read: %.0f ms\n", a.n_series, (clock_monotonic_s() - start_s) * 1e3);
    ck_assert_msg(a.answered && a.n_series == 2 * TARGETS, "%d: %s", a.n_series, a.why.message);
    for (int i = 0; i < a.n_series; i++)
        ck_assert_int_eq(strncmp(prom_label_value(&a.series[i], "deployment"), "web-", 4), 0);
    prom_answer_finish(&a);
}

static void check_get_and_time(struct world *w)
{
    struct prom *p = NULL;
    struct prom_answer a[2];
    static const char *const queries[] = {"plain_value", "time()"};
    ck_assert(prom_open(&(struct prom_config){.url = w->prometheus.url, .use_get = true}, &p, NULL));
    prom_query_all(p, queries, 2, w->start_s - 3600, a);
    ck_assert(a[0].answered && a[0].n_series == 0 && a[1].answered && a[1].n_series == 1);
    ck_assert_double_lt(fabs(a[1].series[0].value - (w->start_s - 3600)), 0.002);
    prom_answer_finish(&a[0]);
    prom_answer_finish(&a[1]);
    prom_close(p);
}

START_TEST(real_answers)
{
    struct world w = {0};
    if (!real_prometheus_exists()) {
        printf("SKIP prometheus is not installed (Debian package prometheus)\n");
        return;
    }
    start_world(&w);
    wait_for_data(&w);
    check_values(&w);
    check_mistakes(&w);
    check_escapes(&w);
    check_age(&w);
    check_thousand_targets(&w);
    check_get_and_time(&w);
    real_prometheus_close(&w.prometheus);
    refuses(&w, "plain_value", ERR_IO, "127.0.0.1:");
    stop_world(&w);
}
END_TEST

SUITE("prom_real", real_answers)
