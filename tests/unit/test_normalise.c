/* normalise: the running moments equal those of all numbers at once, and single steps equal VecNormalize's arithmetic. */
#include <maestro/normalise.h>
#include <maestro/rng.h>

#include <math.h>
#include <string.h>

#include "suite.h"

static void open_pair(struct arena *arena, struct normaliser *n, int dim)
{
    struct arena plan = {0};
    normaliser_carve(n, dim, &plan);
    ck_assert(arena_init(arena, plan.used, NULL));
    normaliser_carve(n, dim, arena);
}

/* Merging is exact but for rounding; the initial count of 1e-4 at mean 0, variance 1 weighs 1e-4 / 600. */
START_TEST(moments_of_many_batches)
{
    struct arena arena = {0};
    struct normaliser n = {0};
    struct rng r;
    open_pair(&arena, &n, 2);
    normaliser_init(&n, true, NORMALISE_CLIP);
    rng_init(&r, 1, 1);
    double sum = 0;
    double squares = 0;
    for (int batch = 0; batch < 100; batch++) {
        float x[6][2];
        for (int i = 0; i < 6; i++) {
            x[i][0] = (float)(5.0 + 3.0 * rng_normal(&r));
            x[i][1] = 1e6f;
            sum += (double)x[i][0];
            squares += (double)x[i][0] * (double)x[i][0];
        }
        normaliser_update(&n, &x[0][0], 6);
    }
    double mean = sum / 600;
    ck_assert_double_eq_tol(n.mean[0], mean, 1e-5);
    ck_assert_double_eq_tol(n.var[0], squares / 600 - mean * mean, 1e-4);
    ck_assert_double_eq_tol(*n.count, 600.0001, 1e-9);
    ck_assert(n.low[1] == 1e6 && n.high[1] == 1e6 && n.low[0] < 0.0);
    arena_finish(&arena);
}
END_TEST

/* First batch of one row x = 2, by hand: total 1.0001, mean 2 / 1.0001, var = (1e-4 + 4e-4 / 1.0001) / 1.0001. */
START_TEST(first_step_of_vec_normalize)
{
    struct arena arena = {0};
    struct normaliser n = {0};
    open_pair(&arena, &n, 1);
    normaliser_init(&n, true, NORMALISE_CLIP);
    float x[3] = {2.0f, 1e9f, -1e9f};
    normaliser_update(&n, x, 1);
    double mean = 2.0 / 1.0001;
    double var = (1e-4 + 4.0 * 1e-4 / 1.0001) / 1.0001;
    ck_assert_double_eq_tol(n.mean[0], mean, 1e-15);
    ck_assert_double_eq_tol(n.var[0], var, 1e-15);
    normaliser_apply(&n, x, 3);
    ck_assert_double_eq_tol((double)x[0], (2.0 - mean) / sqrt(var + 1e-8), 1e-7);
    ck_assert(x[1] == 10.0f && x[2] == -10.0f);
    arena_finish(&arena);
}
END_TEST

START_TEST(off_changes_nothing_but_notes_the_range)
{
    struct arena arena = {0};
    struct normaliser n = {0};
    open_pair(&arena, &n, 1);
    normaliser_init(&n, false, NORMALISE_CLIP);
    float x[2] = {-3.0f, 40.0f};
    normaliser_update(&n, x, 2);
    normaliser_apply(&n, x, 2);
    ck_assert(x[0] == -3.0f && x[1] == 40.0f);
    ck_assert(n.mean[0] == 0.0 && n.var[0] == 1.0 && n.low[0] == -3.0 && n.high[0] == 40.0);
    arena_finish(&arena);
}
END_TEST

START_TEST(state_round_trip)
{
    struct arena arena = {0};
    struct normaliser n = {0};
    open_pair(&arena, &n, 3);
    normaliser_init(&n, true, NORMALISE_CLIP);
    float x[6] = {1, 2, 3, 4, 5, 6};
    normaliser_update(&n, x, 2);
    double before[13];
    double after[13];
    ck_assert_uint_eq(normaliser_state_bytes(&n), sizeof before);
    normaliser_state_get(&n, before);
    normaliser_update(&n, x, 2);
    normaliser_state_set(&n, before);
    normaliser_state_get(&n, after);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    arena_finish(&arena);
}
END_TEST

/* One copy, gamma 0.5, rewards 1 then 1: returns 1 and 1.5; after an end the return starts anew. Moments by the formula. */
START_TEST(rewards_by_the_deviation_of_the_return)
{
    struct arena plan = {0};
    struct arena arena = {0};
    struct reward_normaliser n = {0};
    reward_normaliser_carve(&n, 1, &plan);
    ck_assert(arena_init(&arena, plan.used, NULL));
    reward_normaliser_carve(&n, 1, &arena);
    reward_normaliser_init(&n, true, 0.5, NORMALISE_CLIP);
    unsigned char no = 0;
    unsigned char yes = 1;
    float r = 1.0f;
    reward_normaliser_step(&n, &r, &no, &no);
    double var = (1e-4 + 1.0 * 1e-4 / 1.0001) / 1.0001;
    ck_assert_double_eq_tol(n.moments[2], var, 1e-15);
    ck_assert(r == 10.0f); // 1 / 0.014, clipped
    r = 1.0f;
    reward_normaliser_step(&n, &r, &no, &yes);
    ck_assert(n.returns[0] == 0.0);
    double mean1 = 1.0 / 1.0001;
    double delta = 1.5 - mean1;
    double var2 = (var * 1.0001 + delta * delta * 1.0001 / 2.0001) / 2.0001;
    ck_assert_double_eq_tol(n.moments[2], var2, 1e-14);
    ck_assert_double_eq_tol((double)r, 1.0 / sqrt(var2 + 1e-8), 1e-6);
    arena_finish(&arena);
}
END_TEST

SUITE("normalise", moments_of_many_batches, first_step_of_vec_normalize, off_changes_nothing_but_notes_the_range,
      state_round_trip, rewards_by_the_deviation_of_the_return)
