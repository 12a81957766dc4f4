/* What answers of Prometheus mean: every row of the table in readings.c, for one target among others, without a server. */
#include "suite.h"

#include "../../envs/live/readings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct targets targets;
static struct readings readings;
static int web, web_api;
static const double NOW_S = 1700000000;

static int take(const char *space, const char *name, int replicas, double limit_bytes)
{
    int index = -1;
    struct discovered found = {
        .uid = "u", .resource_version = "1", .spec_replicas = replicas, .memory_limit_bytes = limit_bytes};
    ck_assert(targets_take(&targets, space, name, &index, NULL));
    ck_assert(targets_store(&targets, index, &found, NULL));
    targets.slots[index].api_time_s = 50;
    return index;
}

static void begin(void)
{
    web = take("shop", "web", 4, 100e6);
    web_api = take("shop", "web-api", 2, 0);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
}

static void end(void)
{
    targets_finish(&targets);
    readings_finish(&readings);
}

/* data.result's elements for one query. NULL: the server is down. */
static void answer_with(enum query_id id, const char *elements, const char *warnings)
{
    char text[4096];
    struct prom_answer answer = {0};
    snprintf(text, sizeof text, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[%s]}%s%s}",
             elements ? elements : "", warnings ? ",\"warnings\":" : "", warnings ? warnings : "");
    prom_answer_parse(query_name(id), elements ? 200 : 503, elements ? text : "gone", elements ? strlen(text) : 4,
                      &answer);
    readings_gather(&readings, &targets, id, &answer);
    prom_answer_finish(&answer);
}

#define ELEMENT(name, kind, more, value)                                                                               \
    "{\"metric\":{\"namespace\":\"shop\",\"deployment\":\"" name "\",\"maestro\":\"" kind "\"" more                    \
    "},\"value\":[1700000000,\"" value "\"]}"
#define VALUE(value) ELEMENT("web", "value", "", value)
#define AGE(value) ELEMENT("web", "age", "", value)
#define ERRORS(value) ELEMENT("web", "value", ",\"maestro_code\":\"5\"", value)
#define FRESH(value) VALUE(value) "," AGE("5")

static const struct sample *look(int i)
{
    readings_fill(&readings, &targets.slots[i], i, NOW_S, 1);
    return &targets.slots[i].view.sample;
}

static void expect(enum signal_id signal, enum validity validity, double value, double age_s)
{
    const struct reading *r = &look(web)->signals[signal];
    ck_assert_msg(r->validity == validity, "signal %d has validity %d, not %d", (int)signal, (int)r->validity,
                  (int)validity);
    ck_assert_double_eq_tol(r->age_s, age_s, 1e-9);
    if (validity == VALIDITY_VALID)
        ck_assert_double_eq_tol(r->value, value, 1e-12);
}

START_TEST(five_signals_in_the_projects_units)
{
    begin();
    answer_with(QUERY_CPU, FRESH("123.5"), NULL);
    answer_with(QUERY_MEMORY, FRESH("200000000"), NULL);
    answer_with(QUERY_P95, FRESH("87.5"), NULL);
    answer_with(QUERY_RPS, VALUE("30") "," ERRORS("10") "," AGE("7"), NULL);
    expect(SIGNAL_CPU, VALIDITY_VALID, 123.5, 5);
    expect(SIGNAL_MEMORY, VALIDITY_VALID, 0.5, 5);
    expect(SIGNAL_REPLICAS, VALIDITY_VALID, 4, 1);
    expect(SIGNAL_P95, VALIDITY_VALID, 87.5, 5);
    expect(SIGNAL_RPS, VALIDITY_VALID, 40, 7);
    ck_assert_int_eq(look(web)->error_ratio.validity, VALIDITY_VALID);
    ck_assert_double_eq_tol(look(web)->error_ratio.value, 0.25, 1e-12);
    ck_assert_double_eq(look(web)->time_s, NOW_S);
    end();
}
END_TEST

START_TEST(a_query_that_fails_is_failed_everywhere)
{
    begin();
    for (int id = 0; id < QUERIES; id++)
        answer_with((enum query_id)id, NULL, NULL);
    expect(SIGNAL_CPU, VALIDITY_FAILED, 0, 0);
    expect(SIGNAL_MEMORY, VALIDITY_FAILED, 0, 0);
    expect(SIGNAL_P95, VALIDITY_FAILED, 0, 0);
    expect(SIGNAL_RPS, VALIDITY_FAILED, 0, 0);
    expect(SIGNAL_REPLICAS, VALIDITY_VALID, 4, 1); // the API's, not Prometheus'
    ck_assert_int_eq(look(web)->error_ratio.validity, VALIDITY_FAILED);
    end();
}
END_TEST

START_TEST(nothing_for_cpu_and_memory_is_no_data)
{
    begin();
    answer_with(QUERY_CPU, "", NULL);
    answer_with(QUERY_MEMORY, "", NULL);
    expect(SIGNAL_CPU, VALIDITY_NO_DATA, 0, 0);
    expect(SIGNAL_MEMORY, VALIDITY_NO_DATA, 0, 0);
    end();
}
END_TEST

/* A missing metric is never zero: a service that was never asked cannot be told from a wrong preset. Series that stand still
 * can: that is no traffic. */
START_TEST(no_series_is_no_zero_and_series_at_rest_are)
{
    begin();
    answer_with(QUERY_P95, "", NULL);
    answer_with(QUERY_RPS, "", NULL);
    answer_with(QUERY_PRESENCE, FRESH("4"), NULL); // though it is scraped
    expect(SIGNAL_RPS, VALIDITY_NO_DATA, 0, 0);
    expect(SIGNAL_P95, VALIDITY_NO_DATA, 0, 0);
    ck_assert_int_eq(look(web)->error_ratio.validity, VALIDITY_NO_DATA);
    ck_assert(readings_has_no_series(&readings, web, QUERY_RPS));
    ck_assert(readings_is_scraped(&readings, web));
    end();
    begin();
    answer_with(QUERY_P95, FRESH("NaN"), NULL);
    answer_with(QUERY_RPS, FRESH("0"), NULL);
    expect(SIGNAL_RPS, VALIDITY_VALID, 0, 5);
    expect(SIGNAL_P95, VALIDITY_ABSENT, 0, 5);
    ck_assert_int_eq(look(web)->error_ratio.validity, VALIDITY_ABSENT);
    ck_assert(!readings_has_no_series(&readings, web, QUERY_RPS));
    end();
    begin(); // nothing but errors is traffic
    answer_with(QUERY_RPS, ERRORS("10") "," AGE("7"), NULL);
    ck_assert(!readings_has_no_series(&readings, web, QUERY_RPS));
    end();
}
END_TEST

START_TEST(old_or_doubtful_presence_proves_nothing)
{
    static const struct {
        const char *elements, *warnings;
    } rows[] = {{VALUE("4") "," AGE("61"), NULL},
                {VALUE("4"), NULL},
                {FRESH("4"), "[\"a store is away\"]"},
                {FRESH("0"), NULL}, // scraped in vain
                {"", NULL},
                {NULL, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        answer_with(QUERY_RPS, "", NULL);
        answer_with(QUERY_PRESENCE, rows[i].elements, rows[i].warnings);
        ck_assert(!readings_is_scraped(&readings, web));
        end();
    }
}
END_TEST

START_TEST(requests_that_were_seen_once_do_not_vanish_into_zero)
{
    begin();
    answer_with(QUERY_RPS, FRESH("20"), NULL);
    expect(SIGNAL_RPS, VALIDITY_VALID, 20, 5);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
    answer_with(QUERY_RPS, "", NULL); // the metric was renamed by a release
    answer_with(QUERY_P95, "", NULL);
    expect(SIGNAL_RPS, VALIDITY_NO_DATA, 0, 5); // age of the last sample: then it was 5 s old, at the same moment
    expect(SIGNAL_P95, VALIDITY_NO_DATA, 0, 0);
    end();
}
END_TEST

START_TEST(series_without_a_rate_yet_are_no_data)
{
    begin();
    answer_with(QUERY_RPS, AGE("3"), NULL);
    answer_with(QUERY_PRESENCE, FRESH("4"), NULL);
    expect(SIGNAL_RPS, VALIDITY_NO_DATA, 0, 3);
    end();
}
END_TEST

START_TEST(presence_without_labels_speaks_for_all)
{
    begin();
    answer_with(QUERY_RPS, "", NULL);
    answer_with(QUERY_PRESENCE,
                "{\"metric\":{},\"value\":[1,\"1\"]},{\"metric\":{\"maestro\":\"age\"},\"value\":[1,\"9\"]}", NULL);
    ck_assert(readings_is_scraped(&readings, web));
    expect(SIGNAL_RPS, VALIDITY_NO_DATA, 0, 0);
    end();
}
END_TEST

START_TEST(nan_latency_is_absent_when_idle_and_unknown_otherwise)
{
    begin();
    answer_with(QUERY_P95, FRESH("NaN"), NULL);
    answer_with(QUERY_RPS, FRESH("0"), NULL);
    expect(SIGNAL_P95, VALIDITY_ABSENT, 0, 5);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
    answer_with(QUERY_P95, FRESH("NaN"), NULL);
    answer_with(QUERY_RPS, FRESH("12"), NULL);
    expect(SIGNAL_P95, VALIDITY_NO_DATA, 0, 5);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
    answer_with(QUERY_P95, FRESH("NaN"), NULL);
    answer_with(QUERY_RPS, NULL, NULL);
    expect(SIGNAL_P95, VALIDITY_NO_DATA, 0, 5);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
    answer_with(QUERY_P95, NULL, NULL);
    answer_with(QUERY_RPS, FRESH("0"), NULL);
    expect(SIGNAL_P95, VALIDITY_FAILED, 0, 5); // no answer is not "no requests"
    end();
}
END_TEST

START_TEST(infinite_and_negative_values_are_failed)
{
    static const char *const values[] = {FRESH("+Inf"), FRESH("-Inf"), FRESH("-3")};
    for (int i = 0; i < 3; i++) {
        begin();
        answer_with(QUERY_P95, values[i], NULL);
        answer_with(QUERY_CPU, values[i], NULL);
        answer_with(QUERY_RPS, FRESH("0"), NULL);
        expect(SIGNAL_P95, VALIDITY_FAILED, 0, 5);
        expect(SIGNAL_CPU, VALIDITY_FAILED, 0, 5);
        end();
    }
}
END_TEST

START_TEST(two_elements_for_one_target_are_a_configuration_error)
{
    begin();
    answer_with(QUERY_CPU,
                FRESH("10") "," ELEMENT("web", "value", ",\"pod\":\"web-7d9-x2x4z\"", "20") "," ELEMENT(
                    "web-api", "value", "", "7") "," ELEMENT("web-api", "age", "", "2"),
                NULL);
    expect(SIGNAL_CPU, VALIDITY_FAILED, 0, 5);
    ck_assert_int_eq(readings.problem.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(readings.problem.message, "cpu"));
    ck_assert_ptr_nonnull(strstr(readings.problem.message, "shop/web"));
    ck_assert_int_eq(look(web_api)->signals[SIGNAL_CPU].validity, VALIDITY_VALID); // the others are well
    end();
}
END_TEST

START_TEST(elements_without_a_name_are_a_configuration_error)
{
    begin();
    answer_with(QUERY_CPU, "{\"metric\":{},\"value\":[1,\"55\"]}", NULL);
    expect(SIGNAL_CPU, VALIDITY_FAILED, 0, 0);
    ck_assert_ptr_nonnull(strstr(readings.problem.message, "without the labels"));
    end();
}
END_TEST

START_TEST(a_warning_makes_an_answer_doubtful)
{
    begin();
    answer_with(QUERY_CPU, FRESH("10"), "[\"some shards did not answer\"]");
    answer_with(QUERY_RPS, "", "[\"some shards did not answer\"]");
    answer_with(QUERY_P95, FRESH("NaN"), NULL);
    answer_with(QUERY_PRESENCE, FRESH("4"), NULL);
    expect(SIGNAL_CPU, VALIDITY_FAILED, 0, 5);
    expect(SIGNAL_RPS, VALIDITY_FAILED, 0, 0);
    expect(SIGNAL_P95, VALIDITY_NO_DATA, 0, 5);
    end();
}
END_TEST

START_TEST(old_samples_and_samples_without_an_age_are_stale)
{
    begin();
    answer_with(QUERY_CPU, VALUE("10") "," AGE("60"), NULL);
    answer_with(QUERY_MEMORY, VALUE("100000000") "," AGE("60.5"), NULL);
    answer_with(QUERY_RPS, VALUE("10"), NULL);
    answer_with(QUERY_P95, VALUE("10") "," AGE("NaN"), NULL);
    expect(SIGNAL_CPU, VALIDITY_VALID, 10, 60);
    expect(SIGNAL_MEMORY, VALIDITY_STALE, 0, 60.5);
    expect(SIGNAL_RPS, VALIDITY_STALE, 0, 0);
    expect(SIGNAL_P95, VALIDITY_STALE, 0, 0);
    ck_assert_double_eq_tol(look(web)->signals[SIGNAL_MEMORY].value, 0.25, 1e-12); // the old value, for people
    end();
}
END_TEST

/* A metric whose exporter hangs: the value stands still while its samples grow old. It is valid up to the limit and stale
 * ever after, whatever the value. */
START_TEST(a_frozen_metric_grows_stale)
{
    begin();
    for (int tick = 0; tick < 20; tick++) {
        char text[512];
        double age_s = 5.0 + 15.0 * tick;
        snprintf(text, sizeof text,
                 "%s,{\"metric\":{\"namespace\":\"shop\",\"deployment\":\"web\",\"maestro\":\"age\"},"
                 "\"value\":[1,\"%g\"]}",
                 VALUE("80"), age_s);
        ck_assert(readings_begin(&readings, targets.n, 60, NULL));
        answer_with(QUERY_RPS, text, NULL);
        expect(SIGNAL_RPS, age_s > 60 ? VALIDITY_STALE : VALIDITY_VALID, 80, age_s);
    }
    end();
}
END_TEST

START_TEST(ages_go_on_where_none_comes)
{
    begin();
    answer_with(QUERY_CPU, FRESH("10"), NULL);
    expect(SIGNAL_CPU, VALIDITY_VALID, 10, 5);
    ck_assert(readings_begin(&readings, targets.n, 60, NULL));
    answer_with(QUERY_CPU, NULL, NULL);
    readings_fill(&readings, &targets.slots[web], web, NOW_S + 30, 1);
    const struct reading *cpu = &targets.slots[web].view.sample.signals[SIGNAL_CPU];
    ck_assert_int_eq(cpu->validity, VALIDITY_FAILED);
    ck_assert_double_eq_tol(cpu->age_s, 35, 1e-9);
    end();
}
END_TEST

/* Scrapes of most pods fail while the others go on: the sums look like a load that has gone. */
START_TEST(most_pods_unseen_is_no_fall_of_the_load)
{
    begin();
    targets.slots[web].view.sample.ready = 4;
    readings.presence_counts = true;
    answer_with(QUERY_RPS, FRESH("10"), NULL);
    answer_with(QUERY_P95, FRESH("90"), NULL);
    answer_with(QUERY_CPU, FRESH("40"), NULL);
    answer_with(QUERY_PRESENCE, FRESH("1"), NULL);
    expect(SIGNAL_RPS, VALIDITY_FAILED, 0, 5);
    expect(SIGNAL_P95, VALIDITY_FAILED, 0, 5);
    expect(SIGNAL_CPU, VALIDITY_VALID, 40, 5);
    targets.slots[web].view.sample.ready = 2; // one new pod that Prometheus has not found yet
    expect(SIGNAL_RPS, VALIDITY_VALID, 10, 5);
    targets.slots[web].view.sample.ready = 4;
    readings.presence_counts = false; // somebody's own query, above 0 and no more
    expect(SIGNAL_RPS, VALIDITY_VALID, 10, 5);
    end();
}
END_TEST

START_TEST(memory_without_a_limit_is_absent_and_without_replicas_unknown)
{
    begin();
    answer_with(QUERY_MEMORY, FRESH("1000") "," ELEMENT("web-api", "value", "", "7"), NULL);
    ck_assert_int_eq(look(web_api)->signals[SIGNAL_MEMORY].validity, VALIDITY_ABSENT);
    targets.slots[web].spec_replicas = 0;
    expect(SIGNAL_MEMORY, VALIDITY_NO_DATA, 0, 5);
    end();
}
END_TEST

START_TEST(replicas_are_as_old_as_the_apis_answer)
{
    begin();
    readings_fill(&readings, &targets.slots[web], web, NOW_S, 61);
    ck_assert_int_eq(targets.slots[web].view.sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_STALE);
    targets.slots[web].view.gone = true;
    expect(SIGNAL_REPLICAS, VALIDITY_NO_DATA, 0, 1);
    end();
}
END_TEST

SUITE("readings", five_signals_in_the_projects_units, a_query_that_fails_is_failed_everywhere,
      nothing_for_cpu_and_memory_is_no_data, no_series_is_no_zero_and_series_at_rest_are,
      old_or_doubtful_presence_proves_nothing, requests_that_were_seen_once_do_not_vanish_into_zero,
      series_without_a_rate_yet_are_no_data, presence_without_labels_speaks_for_all,
      nan_latency_is_absent_when_idle_and_unknown_otherwise, infinite_and_negative_values_are_failed,
      two_elements_for_one_target_are_a_configuration_error, elements_without_a_name_are_a_configuration_error,
      a_warning_makes_an_answer_doubtful, old_samples_and_samples_without_an_age_are_stale, a_frozen_metric_grows_stale,
      ages_go_on_where_none_comes, most_pods_unseen_is_no_fall_of_the_load,
      memory_without_a_limit_is_absent_and_without_replicas_unknown, replicas_are_as_old_as_the_apis_answer)
