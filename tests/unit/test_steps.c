/* Steps: a row says what was noted, in the columns that the head names; a value that was not measured stays empty; copies are
 * kept apart, and those of the evaluation are nobody's. */
#include "suite.h"

#include <maestro/csv.h>
#include <maestro/steps.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct steps *steps;

static void note(uint64_t stream, int step, double rps, enum validity validity)
{
    static struct journal_record record;
    record = (struct journal_record){.guard = {.from = 4, .replicas = 6, .reason = GUARD_REASON_POLICY}};
    record.sample.time_s = 315;
    record.sample.ready = 3;
    record.sample.starting = 1;
    record.sample.signals[SIGNAL_REPLICAS] = (struct reading){4, 0, VALIDITY_VALID};
    record.sample.signals[SIGNAL_RPS] = (struct reading){rps, 5, validity};
    record.sample.signals[SIGNAL_P95] = (struct reading){0, 0, VALIDITY_ABSENT};
    const struct reward_terms measured = {.r1 = 0.7, .r2 = 1, .reward = 0.91, .cost = 0};
    const struct reward_terms truth = {.r1 = 0.65, .r2 = -1, .reward = -0.505, .cost = 1};
    const struct microservice_step row = {.stream = stream,
                                          .episode = 2,
                                          .step = step,
                                          .delta = 4,
                                          .record = &record,
                                          .terms = &measured,
                                          .truth = &truth};
    steps_note(steps, &row);
}

static struct csv table_of(const struct buf *text)
{
    struct csv table = {0};
    struct err e = {0};
    ck_assert_msg(csv_parse("steps", text->bytes, text->len, CSV_MIXED, &table, &e), "%s", e.message);
    return table;
}

static double value(const struct csv *table, size_t row, const char *column)
{
    int at = csv_column(table, column);
    ck_assert_msg(at >= 0, "no column %s", column);
    return csv_value(table, row, at);
}

START_TEST(a_row_says_what_was_noted)
{
    ck_assert(steps_open(2, &steps, NULL));
    static const struct {
        const char *column;
        double value;
    } wanted[] = {{"stream", 0},    {"episode", 2},        {"step", 7},
                  {"time_s", 315},  {"replicas", 4},       {"rps", 12.5},
                  {"ready", 3},     {"starting", 1},       {"terminating", 0},
                  {"delta", 4},     {"reward", 0.91},      {"replicas_before", 4},
                  {"cost", 0},      {"replicas_after", 6}, {"r1", 0.7},
                  {"r2", 1},        {"r1_true", 0.65},     {"reward_true", -0.505},
                  {"cost_true", 1}, {"r2_true", -1}};
    struct buf text = {0};
    note(0, 7, 12.5, VALIDITY_STALE);
    steps_head(&text);
    steps_row(steps, 0, &text);
    struct csv table = table_of(&text);
    ck_assert_uint_eq(table.n_rows, 1);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_msg(value(&table, 0, wanted[i].column) == wanted[i].value, "%s", wanted[i].column);
    ck_assert_str_eq(csv_text(&table, 0, csv_column(&table, "rps_validity")), "stale");
    ck_assert_str_eq(csv_text(&table, 0, csv_column(&table, "p95_latency_ms_validity")), "absent");
    ck_assert_str_eq(csv_text(&table, 0, csv_column(&table, "cpu_validity")), "no_data");
    ck_assert_str_eq(csv_text(&table, 0, csv_column(&table, "reason")), guard_reason_name(GUARD_REASON_POLICY));
    csv_finish(&table);
    buf_finish(&text);
    steps_close(steps);
}
END_TEST

START_TEST(what_was_not_measured_is_empty)
{
    ck_assert(steps_open(2, &steps, NULL));
    static const enum validity unmeasured[] = {VALIDITY_NO_DATA, VALIDITY_ABSENT, VALIDITY_FAILED};
    for (size_t i = 0; i < sizeof unmeasured / sizeof *unmeasured; i++) {
        struct buf text = {0};
        note(1, 1, 99, unmeasured[i]);
        steps_head(&text);
        steps_row(steps, 1, &text);
        struct csv table = table_of(&text);
        ck_assert(isnan(value(&table, 0, "rps")));
        ck_assert_str_eq(csv_text(&table, 0, csv_column(&table, "rps")), "");
        csv_finish(&table);
        buf_finish(&text);
    }
    steps_close(steps);
}
END_TEST

START_TEST(copies_are_kept_apart)
{
    ck_assert(steps_open(2, &steps, NULL));
    struct buf text = {0};
    note(1, 3, 1, VALIDITY_VALID);
    note(0, 5, 1, VALIDITY_VALID);
    note((uint64_t)1 << 33, 9, 1, VALIDITY_VALID); // an evaluation's
    note(2, 9, 1, VALIDITY_VALID);
    steps_head(&text);
    steps_row(steps, 0, &text);
    steps_row(steps, 1, &text);
    struct csv table = table_of(&text);
    ck_assert(value(&table, 0, "step") == 5 && value(&table, 0, "stream") == 0);
    ck_assert(value(&table, 1, "step") == 3 && value(&table, 1, "stream") == 1);
    csv_finish(&table);
    buf_finish(&text);
    steps_close(steps);
}
END_TEST

SUITE("steps", a_row_says_what_was_noted, what_was_not_measured_is_empty, copies_are_kept_apart)
