/* Tests of the trace reader: every way a file can be wrong, and what lies between its points. */
#include <maestro/trace.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static const struct {
    const char *text;
    const char *message; /* part of the error */
} BAD[] = {
    {"", "empty"},
    {"t_seconds,load\n0,1\n1,2\n", "x.csv:1: the header"},
    {"0,1\n1,2\n", "x.csv:1: the header"},
    {"t_seconds,rps\n", "at least two rows"},
    {"t_seconds,rps\n0,1\n", "at least two rows"},
    {"t_seconds,rps\n0,1\n1,nan\n", "x.csv:3: the load must be finite"},
    {"t_seconds,rps\n0,1\n1,inf\n", "x.csv:3: the load must be finite"},
    {"t_seconds,rps\n0,1\nnan,1\n", "x.csv:3: t_seconds must be finite"},
    {"t_seconds,rps\n0,1\n1,1e999\n", "x.csv:3: the load must be finite"},
    {"t_seconds,rps\n0,-1\n1,2\n", "x.csv:2: the load must not be negative"},
    {"t_seconds,rps\n0,1\n0,2\n", "x.csv:3: t_seconds must rise"},
    {"t_seconds,rps\n5,1\n4,2\n", "x.csv:3: t_seconds must rise"},
    {"t_seconds,rps\n0,1\n1,two\n", "x.csv:3: the load must be a number"},
    {"t_seconds,rps\n0,1\n1,2x\n", "x.csv:3: the load must be a number"},
    {"t_seconds,rps\n0,1\n1,0x10\n", "x.csv:3: the load must be a number"},
    {"t_seconds,rps\n0,1\n1,\n", "x.csv:3: the load must be a number"},
    {"t_seconds,rps\n0,1\n,1\n", "x.csv:3: t_seconds must be a number"},
    {"t_seconds,rps\n0,1\n 1,1\n", "x.csv:3: t_seconds must be a number"},
    {"t_seconds,rps\n0,1\n1\n", "x.csv:3: a row has two fields"},
    {"t_seconds,rps\n0,1\n1,2,3\n", "x.csv:3: a row has two fields"},
    {"t_seconds,rps\n0,1\n\n1,2\n", "x.csv:3: a row has two fields"},
    {"t_seconds,rps\n-1e308,1\n1e308,2\n", ": t_seconds "},
    {"t_seconds,rps\n0,0\n1,0\n", "zero everywhere"},
};

START_TEST(bad_files_are_refused_with_their_line)
{
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct trace t = {0};
        struct err e = {0};
        ck_assert_msg(!trace_parse("x.csv", BAD[i].text, strlen(BAD[i].text), &t, &e), "accepted: %s", BAD[i].text);
        ck_assert_msg(strstr(e.message, BAD[i].message), "\"%s\" lacks \"%s\"", e.message, BAD[i].message);
        ck_assert_int_eq(e.code, ERR_FORMAT);
        ck_assert_ptr_null(t.time_s);
    }
}
END_TEST

START_TEST(a_nul_byte_is_not_a_number)
{
    static const char text[] = "t_seconds,rps\n0,1\n1,2\0\n";
    struct trace t = {0};
    ck_assert(!trace_parse("x.csv", text, sizeof text - 1, &t, NULL));
}
END_TEST

START_TEST(unreadable_files_are_named)
{
    struct trace t = {0};
    struct err e = {0};
    ck_assert(!trace_read("/nowhere/at-all.csv", &t, &e));
    ck_assert(strstr(e.message, "/nowhere/at-all.csv"));
    ck_assert_int_eq(e.code, ERR_IO);
    ck_assert(!trace_read("/", &t, &e));
}
END_TEST

static struct trace parse(const char *text)
{
    struct trace t = {0};
    struct err e = {0};
    ck_assert_msg(trace_parse("folder/load.csv", text, strlen(text), &t, &e), "%s", e.message);
    return t;
}

START_TEST(between_points_is_linear_and_outside_is_mirrored)
{
    struct trace t = parse("t_seconds,value\r\n10,0\r\n20,100\r\n40,50");
    ck_assert_str_eq(t.name, "load");
    ck_assert_int_eq(t.n, 3);
    ck_assert_double_eq_tol(trace_span_s(&t), 30, 1e-12);
    const double rows[][2] = {{0, 0},   {5, 50},   {10, 100}, {20, 75}, {30, 50},
                              {40, 75}, {50, 100}, {60, 0},   {65, 50}, {-5, 50}};
    int hint = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_double_eq_tol(trace_at(&t, rows[i][0]), rows[i][1], 1e-9);
        ck_assert_double_eq_tol(trace_at_hint(&t, rows[i][0], &hint), rows[i][1], 1e-9);
    }
    trace_finish(&t);
    trace_finish(&t);
}
END_TEST

START_TEST(a_byte_order_mark_is_passed_over)
{
    struct trace t = parse("\xef\xbb\xbft_seconds,rps\r\n0,1\r\n10,9\r\n");
    ck_assert_int_eq(t.n, 2);
    ck_assert_double_eq(t.value[1], 9);
    trace_finish(&t);
    struct err e = {0};
    ck_assert(!trace_parse("x.csv", "\xef\xbb\xbf", 3, &t, &e));
    ck_assert(strstr(e.message, "empty"));
}
END_TEST

START_TEST(the_peak_is_that_of_the_window)
{
    struct trace t = parse("t_seconds,rps\n0,1\n10,9\n20,3\n30,5\n");
    ck_assert_double_eq_tol(trace_peak(&t, 0, 30), 9, 1e-12);
    ck_assert_double_eq_tol(trace_peak(&t, 12, 30), 7.8, 1e-9);
    ck_assert_double_eq_tol(trace_peak(&t, 20, 30), 5, 1e-12);
    ck_assert_double_eq_tol(trace_peak(&t, 25, 55), 9, 1e-12); // over the mirror at 30: 50 is 10 again
    ck_assert_double_eq_tol(trace_peak(&t, 28, 33), 5, 1e-12);
    ck_assert_double_eq_tol(trace_peak(&t, -100, 300), 9, 1e-12);
    trace_finish(&t);
}
END_TEST

SUITE("trace", bad_files_are_refused_with_their_line, a_nul_byte_is_not_a_number, unreadable_files_are_named,
      between_points_is_linear_and_outside_is_mirrored, a_byte_order_mark_is_passed_over,
      the_peak_is_that_of_the_window)
