/* cartpole: the dynamics agree to the last bit with numbers computed in Python (tests/golden/cartpole_trajectory.py), the
 * episode follows Gymnasium's rules, and streams are independent. */
#include <maestro/cartpole.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static const double STARTS[4][4] = {
    {0.01, -0.02, 0.03, 0.04}, {-0.05, 0.05, -0.05, 0.05}, {0, 0, 0, 0}, {2.3, 1.0, 0.1, -0.5}};

/* 0 ulp: both sides are IEEE doubles doing the same operations in the same order. */
START_TEST(trajectory_to_the_bit)
{
    char path[4096];
    const char *root = getenv("MAESTRO_SOURCE");
    snprintf(path, sizeof path, "%s/tests/golden/cartpole_trajectory.csv", root ? root : ".");
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    char line[512];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    struct env env;
    cartpole_env(&env);
    struct cartpole c = {0};
    int rows = 0;
    while (fgets(line, sizeof line, f)) {
        int start;
        int action;
        int fell;
        double want[4];
        ck_assert_int_eq(
            sscanf(line, "%d,%d,%la,%la,%la,%la,%d", &start, &action, &want[0], &want[1], &want[2], &want[3], &fell),
            7);
        if (start >= 0)
            c = (struct cartpole){.x = STARTS[start][0],
                                  .x_dot = STARTS[start][1],
                                  .theta = STARTS[start][2],
                                  .theta_dot = STARTS[start][3]};
        float obs[4];
        unsigned char mask[2];
        struct env_result r;
        ck_assert(env.ops->step(&env, &c, action, obs, mask, &r, NULL));
        double got[4] = {c.x, c.x_dot, c.theta, c.theta_dot};
        for (int i = 0; i < 4; i++) {
            ck_assert_msg(memcmp(&got[i], &want[i], sizeof(double)) == 0, "row %d column %d: %a, not %a", rows, i,
                          got[i], want[i]);
            ck_assert(obs[i] == (float)want[i]);
        }
        ck_assert_int_eq(r.terminated, fell);
        rows++;
    }
    fclose(f);
    ck_assert_int_eq(rows, 1000);
}
END_TEST

START_TEST(every_step_pays_one_and_500_cut_off)
{
    struct env env;
    cartpole_env(&env);
    struct cartpole c;
    float obs[4];
    unsigned char mask[2];
    struct env_result r = {0};
    env.ops->init(&env, &c, 1, 0);
    ck_assert(env.ops->reset(&env, &c, obs, mask, NULL));
    for (int i = 0; i < 4; i++)
        ck_assert(fabsf(obs[i]) <= 0.05f);
    int steps = 0;
    while (!r.terminated && !r.truncated) {
        // theta + theta_dot: balances for ever, drifting less than the track is long
        int action = obs[2] + 0.5f * obs[3] + 0.02f * obs[0] + 0.05f * obs[1] > 0;
        ck_assert(env.ops->step(&env, &c, action, obs, mask, &r, NULL));
        ck_assert(r.reward == 1.0f && r.cost == 0.0f);
        steps++;
    }
    ck_assert_int_eq(steps, 500);
    ck_assert(r.truncated && !r.terminated);
}
END_TEST

START_TEST(falling_terminates_and_still_pays)
{
    struct env env;
    cartpole_env(&env);
    struct cartpole c;
    float obs[4];
    unsigned char mask[2];
    struct env_result r = {0};
    env.ops->init(&env, &c, 1, 0);
    ck_assert(env.ops->reset(&env, &c, obs, mask, NULL));
    int steps = 0;
    for (; !r.terminated && steps < 100; steps++)
        ck_assert(env.ops->step(&env, &c, 1, obs, mask, &r, NULL));
    ck_assert(r.terminated && !r.truncated && r.reward == 1.0f);
    ck_assert_int_lt(steps, 20);
    ck_assert(!env.ops->step(&env, &c, 2, obs, mask, &r, NULL));
}
END_TEST

START_TEST(streams_differ_and_repeat)
{
    struct env env;
    cartpole_env(&env);
    struct cartpole a;
    struct cartpole b;
    struct cartpole other;
    float obs_a[4];
    float obs_b[4];
    float obs_other[4];
    unsigned char mask[2];
    env.ops->init(&env, &a, 7, 3);
    env.ops->init(&env, &b, 7, 3);
    env.ops->init(&env, &other, 7, 4);
    ck_assert(env.ops->reset(&env, &a, obs_a, mask, NULL));
    ck_assert(env.ops->reset(&env, &b, obs_b, mask, NULL));
    ck_assert(env.ops->reset(&env, &other, obs_other, mask, NULL));
    ck_assert_int_eq(memcmp(obs_a, obs_b, sizeof obs_a), 0);
    ck_assert_int_ne(memcmp(obs_a, obs_other, sizeof obs_a), 0);
}
END_TEST

SUITE("cartpole", trajectory_to_the_bit, every_step_pays_one_and_500_cut_off, falling_terminates_and_still_pays,
      streams_differ_and_repeat)
