/* number: every float reads back, with as few digits as printf would need among seven to nine; numbers are read as strtod
 * reads them, and what JSON does not have is refused. */
#include <maestro/number.h>
#include <maestro/rng.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

START_TEST(floats_as_they_are_written)
{
    static const struct {
        float value;
        const char *text;
    } rows[] = {
        {0.0f, "0"},
        {-0.0f, "0"},
        {1.0f, "1"},
        {-1.5f, "-1.5"},
        {0.1f, "0.1"},
        {0.3333333433f, "0.33333334"},
        {100.0f, "100"},
        {123456.78f, "123456.78"},
        {16777216.0f, "16777216"},
        {1e10f, "10000000000"},
        {1e11f, "1e11"},
        {99999997952.0f, "1e11"},
        {0.00001f, "0.00001"},
        {0.000001f, "1e-6"},
        {1.5e-12f, "1.5e-12"},
        {FLT_MAX, "3.4028235e38"},
        {FLT_MIN, "1.1754944e-38"},
        {0x1p-149f, "1.401298e-45"},
        {NAN, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[NUMBER_FLOAT];
        size_t n = number_float(text, rows[i].value);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_uint_eq(n, strlen(text));
    }
}
END_TEST

static int digits_of(const char *text)
{
    int n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        if (*text == '0' && n == 0)
            continue;
        n += 1;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

/* 300,000 bit patterns, drawn, and all powers of two. */
START_TEST(floats_read_back)
{
    struct rng rng;
    rng_init(&rng, 11, 1);
    for (int i = 0; i < 300000; i++) {
        union {
            uint32_t bits;
            float f;
        } x = {.bits = i < 254 ? (uint32_t)(i + 1) << 23 : rng_u32(&rng)};
        if (!isfinite(x.f))
            continue;
        char text[NUMBER_FLOAT], seven[32];
        size_t n = number_float(text, x.f);
        if (n >= NUMBER_FLOAT || strtof(text, NULL) != x.f) // asserts by the hundred thousand take Check seconds
            ck_abort_msg("%a became %s", (double)x.f, text);
        int least = 6;
        do
            snprintf(seven, sizeof seven, "%.*e", least++, (double)x.f);
        while (strtof(seven, NULL) != x.f);
        if (digits_of(text) >
            least + (fabsf(x.f) >= 0x1p24f ? 2 : 0)) // halfway to the next float printf may win by the even rule
            ck_abort_msg("%s where %s reads back too", text, seven);
    }
}
END_TEST

START_TEST(whole_numbers)
{
    char text[NUMBER_WHOLE];
    ck_assert_uint_eq(number_whole(text, 0), 1);
    ck_assert_str_eq(text, "0");
    ck_assert_uint_eq(number_whole(text, -42), 3);
    ck_assert_str_eq(text, "-42");
    number_whole(text, INT64_MIN);
    ck_assert_str_eq(text, "-9223372036854775808");
    number_whole(text, INT64_MAX);
    ck_assert_str_eq(text, "9223372036854775807");
}
END_TEST

START_TEST(numbers_are_read_exactly)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "-12.5",
                                       "0.1",
                                       "1e3",
                                       "1E+3",
                                       "123456789012345678901234567890",
                                       "0.1000000000000000055511151231257827",
                                       "9007199254740993",
                                       "1e-400",
                                       "1e400",
                                       "-1e400",
                                       "4.9e-324",
                                       "1.7976931348623157e308",
                                       "0.30000000000000004",
                                       "1e22",
                                       "1e23",
                                       "5e-22",
                                       "0.000000000000000000000000000000000000001",
                                       "1e-99999999999",
                                       "0e999999999999",
                                       "18446744073709551616",
                                       "99999999999999999999e-5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[80];
        double x = 7.0, right = strtod(good[i], NULL);
        snprintf(text, sizeof text, "%s, 1", good[i]);
        ck_assert_uint_eq(number_read(text, &x), strlen(good[i]));
        ck_assert_msg(memcmp(&x, &right, sizeof x) == 0, "%s: %.17g", good[i], x);
    }
}
END_TEST

START_TEST(drawn_numbers_are_read_exactly)
{
    struct rng rng;
    rng_init(&rng, 12, 1);
    for (int i = 0; i < 200000; i++) {
        char text[40];
        double wide = (rng_double(&rng) - 0.5) * pow(10.0, rng_double(&rng) * 60.0 - 30.0), x = 0.0;
        snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.9g", wide);
        double right = strtod(text, NULL);
        if (number_read(text, &x) != strlen(text) || memcmp(&x, &right, sizeof x) != 0)
            ck_abort_msg("%s: %.17g", text, x);
    }
}
END_TEST

START_TEST(what_is_no_number)
{
    static const char *const bad[] = {"",    "-",   "+1",       ".5",        "1.",  "-.5", "01", "-01",  "1e",
                                      "1e+", "NaN", "Infinity", "-Infinity", "nan", "x",   " 1", "1.e3", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double x = 7.0;
        ck_assert_msg(number_read(bad[i], &x) == 0, "'%s' was read", bad[i]);
        ck_assert_double_eq(x, 7.0);
    }
    double x;
    ck_assert_uint_eq(number_read("0x10", &x), 1); // a 0, and x stands behind it
}
END_TEST

SUITE("number", floats_as_they_are_written, floats_read_back, whole_numbers, numbers_are_read_exactly,
      drawn_numbers_are_read_exactly, what_is_no_number)
