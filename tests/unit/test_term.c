/* Terminal drawing: exact text for small inputs, and the width promise of the progress bar over many inputs. */
#include "suite.h"

#include <maestro/term.h>
#include <math.h>
#include <string.h>

START_TEST(sparkline_spans_its_range)
{
    double rising[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    CLEANUP_BUF struct buf out = {0};
    term_sparkline(&out, rising, 8, 8);
    ck_assert_str_eq(out.bytes, "▁▂▃▄▅▆▇█");
}
END_TEST

START_TEST(sparkline_averages_and_leaves_gaps)
{
    double values[6] = {0, 2, (double)NAN, (double)NAN, 9, 9};
    CLEANUP_BUF struct buf out = {0};
    term_sparkline(&out, values, 6, 3);
    ck_assert_str_eq(out.bytes, "▁ █");
}
END_TEST

START_TEST(sparkline_of_a_constant_and_of_nothing)
{
    double flat[3] = {5, 5, 5};
    CLEANUP_BUF struct buf out = {0};
    term_sparkline(&out, flat, 3, 10);
    ck_assert_str_eq(out.bytes, "▄▄▄");
    buf_clear(&out);
    term_sparkline(&out, flat, 0, 10);
    term_sparkline(&out, flat, 3, 0);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(table_is_boxed_by_section)
{
    struct term_row rows[] = {{"rollout/ep_rew_mean", "21.5"}, {"time/fps", "1200"}, {"time/iterations", "3"}};
    CLEANUP_BUF struct buf out = {0};
    term_table(&out, rows, 3);
    ck_assert_str_eq(out.bytes, "-------------------------\n"
                                "| rollout/       |      |\n"
                                "|    ep_rew_mean | 21.5 |\n"
                                "| time/          |      |\n"
                                "|    fps         | 1200 |\n"
                                "|    iterations  | 3    |\n"
                                "-------------------------\n");
}
END_TEST

START_TEST(numbers_and_durations)
{
    char out[TERM_NUMBER];
    ck_assert_str_eq(term_number(out, 20480), "20480");
    ck_assert_str_eq(term_number(out, 0.012345), "0.0123");
    ck_assert_str_eq(term_number(out, (double)NAN), "nan");
    ck_assert_str_eq(term_duration(out, 3.4), "3 s");
    ck_assert_str_eq(term_duration(out, 125), "2 min 05 s");
    ck_assert_str_eq(term_duration(out, 3725), "1 h 02 min");
    ck_assert_str_eq(term_duration(out, (double)NAN), "-");
}
END_TEST

START_TEST(bar_keeps_its_width)
{
    for (int width = 5; width <= 120; width++) {
        for (int done = 0; done <= 1100; done += 50) {
            struct term_progress progress = {done, 1000, done * 1.5, done > 200 ? -12.5 : (double)NAN};
            CLEANUP_BUF struct buf out = {0};
            term_bar(&out, &progress, width);
            ck_assert_int_le(term_columns(out.bytes), width);
        }
    }
}
END_TEST

START_TEST(bar_says_what_it_knows)
{
    struct term_progress progress = {500, 1000, 250, 1.25};
    CLEANUP_BUF struct buf out = {0};
    term_bar(&out, &progress, 100);
    ck_assert_ptr_nonnull(strstr(out.bytes, "50 %"));
    ck_assert_ptr_nonnull(strstr(out.bytes, "2 s to go"));
    ck_assert_ptr_nonnull(strstr(out.bytes, "250 steps/s"));
    ck_assert_ptr_nonnull(strstr(out.bytes, "reward 1.25"));
    int full = 0;
    for (const char *p = out.bytes; (p = strstr(p, "█")); p++)
        full++;
    ck_assert_int_eq(full, 20);
}
END_TEST

SUITE("term", sparkline_spans_its_range, sparkline_averages_and_leaves_gaps, sparkline_of_a_constant_and_of_nothing,
      table_is_boxed_by_section, numbers_and_durations, bar_keeps_its_width, bar_says_what_it_knows)
