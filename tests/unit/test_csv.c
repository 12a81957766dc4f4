/* csv: numbers are Python's, files are Stable-Baselines3's, and what is no table is refused with its line. */
#include <maestro/csv.h>

#include <math.h>
#include <string.h>

#include "suite.h"

/* Right-hand sides printed by Python 3.11's repr. */
START_TEST(numbers_as_python_prints_them)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {13.0, "13.0"},
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {0.0003, "0.0003"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {1.5e-7, "1.5e-07"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {123456789012345678.0, "1.2345678901234568e+17"},
        {1e22, "1e+22"},
        {1e100, "1e+100"},
        {-2.5, "-2.5"},
        {1.0 / 3.0, "0.3333333333333333"},
        {100.0, "100.0"},
        {1234.5678, "1234.5678"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
    };
    char out[CSV_NUMBER];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(csv_number(out, rows[i].value), rows[i].text);
    ck_assert_str_eq(csv_number(out, (double)NAN), "nan");
    ck_assert_str_eq(csv_number(out, (double)-INFINITY), "-inf");
}
END_TEST

START_TEST(monitor_file_to_the_byte)
{
    CLEANUP_BUF struct buf b = {0};
    static const char *const extras[] = {"slo_violation", "replicas_mean"};
    csv_monitor_head(&b, 1700000000.25, "CartPole-v1", extras, 2);
    csv_monitor_row(&b, 13.0, 13, 0.1234567, (double[]){0.25, (double)NAN}, 2);
    ck_assert_str_eq(b.bytes, "#{\"t_start\": 1700000000.25, \"env_id\": \"CartPole-v1\"}\n"
                              "r,l,t,slo_violation,replicas_mean\r\n13.0,13,0.123457,0.25,\r\n");
}
END_TEST

START_TEST(progress_row_to_the_byte)
{
    CLEANUP_BUF struct buf b = {0};
    static const char *const names[] = {"time/iterations", "rollout/ep_rew_mean", "train/loss"};
    const struct csv_cell cells[] = {{CSV_WHOLE, 3}, {CSV_REAL, 22.0}, {CSV_EMPTY, 0}};
    csv_header(&b, names, 3, CSV_LF);
    csv_row(&b, cells, 3, CSV_LF);
    ck_assert_str_eq(b.bytes, "time/iterations,rollout/ep_rew_mean,train/loss\n3,22.0,\n");
}
END_TEST

START_TEST(written_reads_back)
{
    static const char text[] = "#{\"t_start\": 1.5, \"env_id\": \"x\"}\nr,l,t\r\n13.0,13,0.5\r\n,14,nan\r\n9.0,9";
    struct csv t = {0};
    struct err e = {0};
    ck_assert_msg(csv_parse("m", text, strlen(text), CSV_NUMERIC, &t, &e), "%s", e.message);
    ck_assert_str_eq(t.comment, "{\"t_start\": 1.5, \"env_id\": \"x\"}");
    ck_assert_int_eq(t.n_columns, 3);
    ck_assert_uint_eq(t.n_rows, 2);
    ck_assert(t.torn);
    ck_assert_int_eq(csv_column(&t, "t"), 2);
    ck_assert_int_eq(csv_column(&t, "q"), -1);
    ck_assert(csv_value(&t, 0, 0) == 13.0);
    ck_assert(isnan(csv_value(&t, 1, 0)));
    csv_finish(&t);
    ck_assert(csv_parse("m", "a,b\nx,1\n", 8, CSV_MIXED, &t, &e));
    ck_assert_str_eq(csv_text(&t, 0, 0), "x");
    csv_finish(&t);
}
END_TEST

START_TEST(bad_tables_are_refused_with_their_line)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"", "m: the file is empty"},
        {"abc", "m:1: no line of column names"},
        {"\n1\n", "m:1: no line of column names"},
        {"a,,b\n", "m:1: column 2 has no name"},
        {"a,b,a\n", "m:1: column \"a\" appears twice"},
        {"a,b\n1,2\n3\n", "m:3: fewer cells than the 2 columns named above"},
        {"a,b\n1,2,3\n", "m:2: more cells than the 2 columns named above"},
        {"a,b\n1,0x10\n", "m:2: b: \"0x10\" is not a number"},
        {"a,b\n1,2 \n", "m:2: b: \"2 \" is not a number"},
        {"a,b\n1,infinity\n", "m:2: b: \"infinity\" is not a number"},
        {"a,b\n\"1\",2\n", "m: NUL bytes and quoted cells are not read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct csv t = {0};
        struct err e = {0};
        ck_assert_msg(!csv_parse("m", rows[i].text, strlen(rows[i].text), CSV_NUMERIC, &t, &e), "row %zu", i);
        ck_assert_str_eq(e.message, rows[i].says);
        ck_assert_ptr_null(t.bytes);
    }
}
END_TEST

SUITE("csv", numbers_as_python_prints_them, monitor_file_to_the_byte, progress_row_to_the_byte, written_reads_back,
      bad_tables_are_refused_with_their_line)
