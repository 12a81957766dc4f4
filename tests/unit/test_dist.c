/* The categorical distribution and its plain arithmetic against libm in double. */
#include <maestro/dist.h>
#include <maestro/rng.h>
#include <math.h>

#include "suite.h"

START_TEST(arithmetic_is_close_to_libm)
{
    for (double x = -87.0; x < 88.0; x += 0.0137)
        ck_assert_double_le(fabs((double)dist_exp((float)x) / exp((double)(float)x) - 1.0), 2.5e-7);
    for (double x = 1e-30; x < 1e30; x *= 1.0137)
        ck_assert_double_le(fabs((double)dist_log((float)x) - log((double)(float)x)), 2.5e-7 * fmax(1.0, fabs(log(x))));
    for (double x = -20.0; x < 20.0; x += 0.0037)
        ck_assert_double_le(fabs((double)dist_tanh((float)x) - tanh((double)(float)x)), 1e-6);
    ck_assert_double_eq((double)dist_exp(-1e30f), (double)0.0f);
    ck_assert(isnan((double)dist_exp(NAN)) && isnan((double)dist_tanh(NAN)));
}
END_TEST

START_TEST(masked_actions_do_not_exist)
{
    const float logits[4] = {1.0f, 50.0f, -0.5f, 0.25f}, open[3] = {1.0f, -0.5f, 0.25f};
    const unsigned char mask[4] = {1, 0, 1, 1};
    float probs[4], fewer[3], log_probs[4];
    dist_probabilities(logits, mask, 4, probs);
    dist_probabilities(open, NULL, 3, fewer);
    dist_log_softmax(logits, mask, 4, log_probs);
    ck_assert_double_eq((double)probs[1], (double)0.0f);
    ck_assert_double_eq((double)probs[0], (double)fewer[0]);
    ck_assert_double_eq((double)probs[2], (double)fewer[1]);
    ck_assert_double_eq((double)probs[3], (double)fewer[2]);
    ck_assert_double_eq_tol(exp((double)log_probs[3]), (double)probs[3], 1e-6);
    ck_assert_double_eq((double)dist_entropy(logits, mask, 4), (double)dist_entropy(open, NULL, 3));
    ck_assert_int_eq(dist_argmax(logits, mask, 4, 2), 0);
}
END_TEST

START_TEST(ties_go_to_the_no_op)
{
    const float logits[4] = {2.0f, 1.0f, 2.0f, 2.0f};
    const unsigned char mask[4] = {1, 1, 0, 1};
    ck_assert_int_eq(dist_argmax(logits, NULL, 4, 2), 2);
    ck_assert_int_eq(dist_argmax(logits, NULL, 4, 1), 0);
    ck_assert_int_eq(dist_argmax(logits, mask, 4, 2), 0);
    ck_assert_int_eq(dist_argmax(logits, mask, 4, 3), 3);
}
END_TEST

/* 40,000 draws: a share of p has deviation below 0.0025; 0.0125 is five of them. */
START_TEST(samples_follow_the_probabilities)
{
    const float probs[4] = {0.125f, 0.0f, 0.625f, 0.25f};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        int counts[4] = {0};
        struct rng rng;
        rng_init(&rng, seed, 9);
        for (int i = 0; i < 40000; i++)
            counts[dist_sample(probs, 4, rng_double(&rng))]++;
        ck_assert_int_eq(counts[1], 0);
        for (int a = 0; a < 4; a++)
            ck_assert_double_eq_tol(counts[a] / 40000.0, (double)probs[a], 0.0125);
    }
    ck_assert_int_eq(dist_sample(probs, 4, 0.99999999999), 3);
    ck_assert_int_eq(dist_sample(probs, 2, 0.99999999999), 0);
}
END_TEST

SUITE("dist", arithmetic_is_close_to_libm, masked_actions_do_not_exist, ties_go_to_the_no_op,
      samples_follow_the_probabilities)
