/* Statistics against tables and hand-worked numbers. t quantiles: the published four-decimal table of Student's t. */
#include <maestro/stats.h>

#include <maestro/rng.h>
#include <math.h>

#include "suite.h"

#define NEAR(a, b, tolerance) ck_assert_double_eq_tol(a, b, tolerance)

START_TEST(t_quantiles)
{
    static const struct {
        double p, df, t;
    } rows[] = {{0.975, 1, 12.7062},
                {0.975, 2, 4.3027},
                {0.975, 4, 2.7764},
                {0.975, 19, 2.0930},
                {0.975, 99, 1.9842},
                {0.95, 5, 2.0150},
                {0.995, 10, 3.1693},
                {0.75, 3, 0.7649},
                {0.5, 7, 0.0},
                {0.025, 19, -2.0930},
                {0.975, (double)INFINITY, 1.9600}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        NEAR(stats_t_quantile(rows[i].p, rows[i].df), rows[i].t, 5.1e-5); // half of the table's last digit
    ck_assert(isnan(stats_t_quantile(0.975, 0.0)));
}
END_TEST

START_TEST(means_and_quantiles)
{
    double x[] = {7, 1, 3, 5};
    NEAR(stats_mean(x, 4), 4.0, 1e-15);
    NEAR(stats_sd(x, 4), sqrt(20.0 / 3.0), 1e-15);
    NEAR(stats_quantile(x, 4, 0.5), 4.0, 1e-15);
    NEAR(stats_quantile(x, 4, 0.25), 2.5, 1e-15);
    NEAR(stats_quantile(x, 4, 1.0), 7.0, 1e-15);
    ck_assert(isnan(stats_mean(x, 0)));
    ck_assert(isnan(stats_sd(x, 1)));
}
END_TEST

START_TEST(interquartile_mean)
{
    double x[] = {100, 1, 2, 3, 4, 5, 6, -100};
    NEAR(stats_iqm(x, 8), 3.5, 1e-15); // the middle four: 2 3 4 5
    double y[] = {1, 2, 3, 4, 5, 6};   // 2 and 5 weigh one half each
    NEAR(stats_iqm(y, 6), (0.5 * 2 + 3 + 4 + 0.5 * 5) / 3, 1e-15);
}
END_TEST

START_TEST(intervals)
{
    const double a[] = {3, 5, 4, 8};
    const double b[] = {1, 2, 2, 5};
    struct stats_interval i = stats_t_interval(a, 4, 0.95);
    NEAR(i.mean, 5.0, 1e-15);
    NEAR(i.high - i.mean, 3.182446 * sqrt(14.0 / 3.0) / 2.0, 1e-5);
    struct stats_interval d = stats_paired(a, b, 4, 0.95); // 2 3 2 3
    NEAR(d.mean, 2.5, 1e-15);
    NEAR(d.low, 2.5 - 3.182446 * sqrt(1.0 / 3.0) / 2.0, 1e-5);
    ck_assert(isinf(stats_t_interval(a, 1, 0.95).high));
}
END_TEST

/* 95 % intervals of 20 normal values hold the mean in 95 % of 2000 tries: +-3 standard errors are 1.5 points. */
START_TEST(coverage)
{
    int held = 0;
    struct rng rng;
    rng_init(&rng, 7, 1);
    for (int t = 0; t < 2000; t++) {
        double x[20];
        for (int i = 0; i < 20; i++)
            x[i] = 3.0 + 2.0 * rng_normal(&rng);
        struct stats_interval i = stats_t_interval(x, 20, 0.95);
        held += i.low <= 3.0 && 3.0 <= i.high;
    }
    NEAR(held / 2000.0, 0.95, 0.015);
}
END_TEST

START_TEST(bootstrap_is_near_t_and_repeats)
{
    const struct stats_resampling how = {0.95, 4000, 5};
    double x[200];
    struct rng rng;
    rng_init(&rng, 1, 1);
    for (int i = 0; i < 200; i++)
        x[i] = rng_normal(&rng);
    struct stats_interval t = stats_t_interval(x, 200, 0.95), b, c;
    ck_assert(stats_bootstrap(x, 200, &how, &b, NULL));
    ck_assert(stats_bootstrap(x, 200, &how, &c, NULL));
    ck_assert(b.low == c.low && b.high == c.high);
    NEAR(b.low, t.low, 0.1 * (t.high - t.low)); // Monte Carlo error of a 2.5 % quantile of 4000 is about 2 % of it
    NEAR(b.high, t.high, 0.1 * (t.high - t.low));
    ck_assert(!stats_bootstrap(x, 0, &how, &b, NULL));
}
END_TEST

START_TEST(crossed)
{
    const double one[] = {3, 5, 4, 8}; // one file, one stratum: the plain interval
    struct stats_interval t = stats_t_interval(one, 4, 0.95), c = stats_crossed(one, 1, 1, 4, 0.95);
    NEAR(c.mean, t.mean, 1e-12);
    NEAR(c.low, t.low, 1e-9);
    const double two[] = {3, 5, 4, 8, 4, 6, 5, 9}; // two files one apart: variance 14/3/4 + (1/2)/2
    struct stats_interval f = stats_crossed(two, 2, 1, 4, 0.95);
    NEAR(f.mean, 5.5, 1e-12);
    double windows = 14.0 / 12.0, files = 0.25;
    double df = (windows + files) * (windows + files) / (windows * windows / 3 + files * files / 1);
    NEAR(f.high - f.mean, stats_t_quantile(0.975, df) * sqrt(windows + files), 1e-9);
    const double strata[] = {1, 3, 11, 13}; // between strata does not count: each has variance 2/2, mean of two
    struct stats_interval s = stats_crossed(strata, 1, 2, 2, 0.95);
    NEAR(s.mean, 7.0, 1e-12);
    NEAR(s.high - s.mean, stats_t_quantile(0.975, 2) * sqrt(0.5), 1e-9);
    const double gap[] = {3, (double)NAN, 5, 4, 8};
    NEAR(stats_crossed(gap, 1, 1, 5, 0.95).low, t.low, 1e-9);
}
END_TEST

/* The files of x as in crossed, those of the baseline with means 1, 2 and 6: variances 14/12, 1/4 and 7/3, sum 15/4. */
START_TEST(a_baseline_of_several_files_is_less_certain)
{
    const double x[] = {3, 5, 4, 8, 4, 6, 5, 9};
    const double base[] = {0, 2, 1, 1, 3, 1, 4, 0, 6, 6, 5, 7};
    struct stats_differences d = {.x = x, .base = base, .n_files = 2, .n_base = 3, .n_strata = 1, .n_windows = 4};
    struct stats_interval all = stats_crossed_differences(&d, 0.95), own = stats_crossed(x, 2, 1, 4, 0.95);
    double df = 225.0 / 16 / (49.0 / 36 / 3 + 1.0 / 16 / 1 + 49.0 / 9 / 2);
    NEAR(all.mean, 5.5, 1e-12);
    NEAR(all.high - all.mean, stats_t_quantile(0.975, df) * sqrt(15.0 / 4), 1e-9);
    NEAR(all.mean - all.low, all.high - all.mean, 1e-9);
    ck_assert_int_eq(all.n, own.n);
    d.n_base = 1; // to the bit
    d.base = NULL;
    struct stats_interval one = stats_crossed_differences(&d, 0.95);
    ck_assert(one.low >= own.low && one.low <= own.low && one.high >= own.high && one.high <= own.high);
}
END_TEST

/* A window that the policy has not is no part of the baseline's means either. */
START_TEST(a_baseline_has_the_windows_of_the_policy)
{
    const double x[] = {3, (double)NAN, 5, 4, 8}, whole[] = {3, 5, 4, 8};
    const double base[] = {1, 50, 1, 1, 1, 3, -90, 3, 3, 3}, base_whole[] = {1, 1, 1, 1, 3, 3, 3, 3};
    const struct stats_differences gap = {x, base, 1, 2, 1, 5}, none = {whole, base_whole, 1, 2, 1, 4};
    struct stats_interval a = stats_crossed_differences(&gap, 0.95), b = stats_crossed_differences(&none, 0.95);
    double df = 169.0 / 36 / (49.0 / 36 / 3 + 1); // variances 14/12 and 1, sum 13/6
    NEAR(a.high - a.mean, stats_t_quantile(0.975, df) * sqrt(13.0 / 6), 1e-9);
    NEAR(a.low, b.low, 1e-12);
    NEAR(a.high, b.high, 1e-12);
}
END_TEST

SUITE("stats", t_quantiles, means_and_quantiles, interquartile_mean, intervals, coverage,
      bootstrap_is_near_t_and_repeats, crossed, a_baseline_of_several_files_is_less_certain,
      a_baseline_has_the_windows_of_the_policy)
