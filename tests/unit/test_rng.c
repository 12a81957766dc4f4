/* PCG32 against the outputs that pcg-c and pcg-cpp publish (check-pcg32.out), and the moments of every distribution. */
#include <maestro/rng.h>

#include "suite.h"

#include <math.h>

#define N_DRAWS 100000
#define N_SEEDS 5

static void expect_draws(struct rng *r, const uint32_t *expected, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_uint_eq(rng_u32(r), expected[i]);
}

START_TEST(first_draws_and_states_of_the_demo)
{
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct rng r;
    rng_init(&r, 42, 54);
    ck_assert_uint_eq(r.state, 0x185706b82c2e03f8u);
    ck_assert_uint_eq(r.inc, 0x6du);
    expect_draws(&r, expected, 1);
    ck_assert_uint_eq(r.state, 0x2b47fed88766bb05u);
    expect_draws(&r, expected + 1, 5);
    ck_assert_uint_eq(r.state, 0xbeb6d0b73fdb974au);
}
END_TEST

START_TEST(twelve_draws_without_pause)
{
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e,
                                        0xbfc6a3ad, 0x812fff6d, 0xe61f305a, 0xf9384b90, 0x32db86fe, 0x1dc035f9};
    struct rng r;
    rng_init(&r, 42, 54);
    expect_draws(&r, expected, 12);
}
END_TEST

static void expect_coins(struct rng *r, const char *coins)
{
    for (const char *p = coins; *p; p++)
        ck_assert_int_eq(rng_bounded(r, 2) ? 'H' : 'T', *p);
}

static void expect_rolls(struct rng *r, const char *rolls)
{
    for (const char *p = rolls; *p; p++)
        ck_assert_int_eq((int)rng_bounded(r, 6) + 1, *p - '0');
}

/* The demo then deals 52 cards, choosing by bounded draws from the back. */
static void deal_cards(struct rng *r)
{
    for (uint32_t i = 52; i > 1; i--)
        rng_bounded(r, i);
}

/* Rounds 2 and 3 begin as published only if coins, rolls and cards of the round before used the right number of draws. */
START_TEST(coins_rolls_and_the_next_rounds_of_the_demo)
{
    static const uint32_t second[] = {0x74ab93ad, 0x1c1da000, 0x494ff896, 0x34462f2f, 0xd308a3e5, 0x0fa83bab};
    static const uint32_t third[] = {0x39af5f9f, 0x04196b18, 0xc3c3eb28, 0xc076c60c, 0xc693e135, 0xf8f63932};
    struct rng r;
    rng_init(&r, 42, 54);
    for (int i = 0; i < 6; i++)
        rng_u32(&r);
    expect_coins(&r, "HHTTTHTHHHTHTTTHHHHHTTTHHHTHTHTHTTHTTTHHHHHHTTTTHHTTTTTHTTTTTTTHT");
    expect_rolls(&r, "341122324324335231315141564662633");
    deal_cards(&r);
    expect_draws(&r, second, 6);
    for (int i = 0; i < 65; i++)
        rng_bounded(&r, 2);
    for (int i = 0; i < 33; i++)
        rng_bounded(&r, 6);
    deal_cards(&r);
    expect_draws(&r, third, 6);
}
END_TEST

START_TEST(seeds_zero_and_one)
{
    static const uint32_t zero[] = {0xe4c14788, 0x379c6516, 0x5c4ab3bb, 0x601d23e0};
    static const uint32_t one[] = {0xc9828f91, 0x1592e274, 0xc0262657, 0xa5c2b6d3};
    struct rng r;
    rng_init(&r, 0, 0);
    expect_draws(&r, zero, 4);
    rng_init(&r, 1, 1);
    expect_draws(&r, one, 4);
}
END_TEST

START_TEST(streams_of_one_seed_differ)
{
    struct rng a, b;
    int same = 0;
    rng_init(&a, 7, 0);
    rng_init(&b, 7, 1);
    for (int i = 0; i < 1000; i++)
        same += rng_u32(&a) == rng_u32(&b);
    ck_assert_int_eq(same, 0); // 1000 pairs of 2^32: a match by chance has odds of 1 to 4 million
}
END_TEST

START_TEST(bounded_draws_are_even)
{
    // Chi-square with 6 degrees of freedom: 38.3 is passed by chance once in a million.
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct rng r;
        double counts[8] = {0}, chi = 0; // the last: out of bounds
        rng_init(&r, seed, 3);
        for (int i = 0; i < N_DRAWS; i++) {
            uint32_t draw = rng_bounded(&r, 7);
            counts[draw < 7 ? draw : 7] += 1;
        }
        ck_assert_double_eq(counts[7], 0);
        for (int i = 0; i < 7; i++)
            chi += pow(counts[i] - N_DRAWS / 7.0, 2) / (N_DRAWS / 7.0);
        ck_assert_double_lt(chi, 38.3);
    }
}
END_TEST

/* Of 2^32 draws a bound of 3 * 2^30 must reject a quarter; taken modulo instead, the lowest third would come half the time.
 * 0.0075 is 5 standard errors. */
START_TEST(bounded_draws_reject_the_uneven_rest)
{
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct rng r;
        int n_low = 0;
        rng_init(&r, seed, 4);
        for (int i = 0; i < N_DRAWS; i++)
            n_low += rng_bounded(&r, 0xc0000000u) < 0x40000000u;
        ck_assert_double_eq_tol((double)n_low / N_DRAWS, 1.0 / 3, 0.0075);
    }
}
END_TEST

struct distribution {
    const char *name;
    double (*draw)(struct rng *r, double a, double b);
    double a, b;
    double mean, variance;
    double kurtosis; /* fourth central moment over variance squared: the spread of the sample variance */
    double low;      /* no draw is below */
};

static double draw_exponential(struct rng *r, double mean, double unused)
{
    (void)unused;
    return rng_exponential(r, mean);
}

static double draw_normal(struct rng *r, double mean, double deviation)
{
    return mean + deviation * rng_normal(r);
}

static double draw_poisson(struct rng *r, double mean, double unused)
{
    (void)unused;
    return rng_poisson(r, mean);
}

/* Mean and variance of N_DRAWS draws lie within 5 standard errors of the theory: by chance once in 1.7 million checks. */
static void check_moments(const struct distribution *d, uint64_t seed)
{
    struct rng r;
    double sum = 0, squares = 0;
    int n_bad = 0; // counted: an assertion a draw would take longer than the draws
    rng_init(&r, seed, 11);
    for (int i = 0; i < N_DRAWS; i++) {
        double x = d->draw(&r, d->a, d->b);
        n_bad += !(x >= d->low && isfinite(x));
        sum += x - d->mean;
        squares += (x - d->mean) * (x - d->mean);
    }
    ck_assert_msg(n_bad == 0, "%s seed %d: %d draws out of range", d->name, (int)seed, n_bad);
    double mean_error = sqrt(d->variance / N_DRAWS);
    double variance_error = d->variance * sqrt((d->kurtosis - 1) / N_DRAWS);
    ck_assert_msg(fabs(sum / N_DRAWS) < 5 * mean_error, "%s seed %d: mean off by %g", d->name, (int)seed,
                  sum / N_DRAWS);
    ck_assert_msg(fabs(squares / N_DRAWS - d->variance) < 5 * variance_error, "%s seed %d: variance %g, not %g",
                  d->name, (int)seed, squares / N_DRAWS, d->variance);
}

START_TEST(moments_of_every_distribution)
{
    double log_span = log(100.0 / 1.0), v = log1p(0.5 * 0.5), w = exp(v);
    double log_mean = 99.0 / log_span, log_variance = 9999.0 / (2 * log_span) - log_mean * log_mean;
    double log_kurtosis = w * w * w * w + 2 * w * w * w + 3 * w * w - 3;
    /* clang-format off */
    const struct distribution all[] = {
        {"uniform", rng_uniform, -1, 3, 1, 16.0 / 12, 1.8, -1},
        {"log-uniform", rng_log_uniform, 1, 100, log_mean, log_variance, 6, 1}, // its kurtosis is 4.2; 6 is on the safe side
        {"exponential", draw_exponential, 2.5, 0, 2.5, 6.25, 9, 0},
        {"normal", draw_normal, 3, 2, 3, 4, 3, -HUGE_VAL},
        {"log-normal", rng_lognormal, 10, 0.5, 10, 25, log_kurtosis, 0},
        {"gamma 0.5", rng_gamma, 0.5, 2, 1, 2, 15, 0},
        {"gamma 4", rng_gamma, 4, 0.5, 2, 1, 4.5, 0},
        {"Poisson 3", draw_poisson, 3, 0, 3, 3, 3 + 1 / 3.0, 0},
        {"Poisson 60", draw_poisson, 60, 0, 60, 60, 3.02, 0},
        // Above 64 a rounded normal: rounding adds 1/12 to the variance.
        {"Poisson 200", draw_poisson, 200, 0, 200, 200 + 1 / 12.0, 3, 0},
    };
    /* clang-format on */
    for (uint64_t seed = 0; seed < N_SEEDS; seed++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            check_moments(&all[i], seed);
}
END_TEST

START_TEST(poisson_is_whole_and_zero_at_zero)
{
    struct rng r;
    rng_init(&r, 5, 5);
    ck_assert_double_eq(rng_poisson(&r, 0), 0);
    ck_assert_double_eq(rng_poisson(&r, -1), 0);
    for (int i = 0; i < 1000; i++) {
        double small = rng_poisson(&r, 0.7), large = rng_poisson(&r, 500);
        ck_assert_double_eq(small, floor(small));
        ck_assert_double_eq(large, floor(large));
    }
}
END_TEST

SUITE("rng", first_draws_and_states_of_the_demo, twelve_draws_without_pause,
      coins_rolls_and_the_next_rounds_of_the_demo, seeds_zero_and_one, streams_of_one_seed_differ,
      bounded_draws_are_even, bounded_draws_reject_the_uneven_rest, moments_of_every_distribution,
      poisson_is_whole_and_zero_at_zero)
