/* clock: known moments in text, and clocks that go forward. */
#include <maestro/clock.h>

#include "suite.h"

#include <math.h>
#include <time.h>

START_TEST(moments_as_text)
{
    static const struct {
        double wall_s;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782400.25, "2000-02-29T00:00:00.250Z"},
        {1767225599.9999, "2025-12-31T23:59:59.999Z"}, // cut, not rounded into the next year
        {-0.5, "1969-12-31T23:59:59.500Z"},
        {253402300799.0, "9999-12-31T23:59:59.000Z"},
        {253402300800.0, "-"},
        {-1e300, "-"},
        {(double)NAN, "-"},
        {HUGE_VAL, "-"},
    };
    char out[CLOCK_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(clock_text(out, rows[i].wall_s), rows[i].text);
}
END_TEST

START_TEST(monotonic_never_goes_back)
{
    double before = clock_monotonic_s();
    for (int i = 0; i < 10000; i++) {
        double now = clock_monotonic_s();
        if (now < before)
            ck_abort_msg("%.9f after %.9f", now, before);
        before = now;
    }
    struct timespec pause = {.tv_nsec = 2000000};
    double start = clock_monotonic_s();
    nanosleep(&pause, NULL);
    ck_assert_double_ge(clock_monotonic_s() - start, 0.002);
}
END_TEST

START_TEST(wall_time_is_the_systems)
{
    time_t before = time(NULL);
    double now = clock_wall_s();
    time_t after = time(NULL);
    ck_assert_double_ge(now, (double)before - 0.1); // time() may lag a tick behind
    ck_assert_double_le(now, (double)after + 1.1);
}
END_TEST

SUITE("clock", moments_as_text, monotonic_never_goes_back, wall_time_is_the_systems)
