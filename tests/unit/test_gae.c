/* Advantages against hand-computed vectors (gamma 0.99, lambda 0.95; the terminal case also by Stable-Baselines3's own
 * buffer), and properties that hold for any numbers. */
#include <maestro/gae.h>
#include <maestro/rollout.h>
#include <math.h>
#include <string.h>

#include "suite.h"

/* One environment, four steps. */
struct four {
    float rewards[4], values[4], last_values[1], final_values[4], advantages[4], returns[4];
    unsigned char terminated[4], truncated[4];
};

static void compute(struct four *f, double gamma, double lambda)
{
    struct rollout r = {.n_steps = 4,
                        .n_envs = 1,
                        .rewards = f->rewards,
                        .values = f->values,
                        .last_values = f->last_values,
                        .final_values = f->final_values,
                        .terminated = f->terminated,
                        .truncated = f->truncated,
                        .advantages = f->advantages,
                        .returns = f->returns};
    gae_compute(&r, gamma, lambda);
}

static void expect(const struct four *f, const double advantages[4])
{
    for (int t = 0; t < 4; t++) { /* one rounding to float of numbers below 8 */
        ck_assert_double_eq_tol((double)f->advantages[t], advantages[t], 5e-7);
        ck_assert_double_eq_tol((double)f->returns[t], advantages[t] + (double)f->values[t], 5e-7);
    }
}

static struct four start(void)
{
    return (struct four){.rewards = {1, 1, 1, 1}, .values = {0.5f, 0.6f, 0.7f, 0.8f}, .last_values = {0.9f}};
}

START_TEST(no_episode_ends)
{
    struct four f = start();
    compute(&f, 0.99, 0.95);
    expect(&f, (const double[4]){3.99549838, 3.08505941, 2.1180855, 1.091});
}
END_TEST

START_TEST(a_termination_cuts)
{
    struct four f = start();
    f.terminated[1] = 1;
    f.final_values[1] = 100.0f; /* must not count */
    compute(&f, 0.99, 0.95);
    expect(&f, (const double[4]){1.4702, 0.4, 2.1180855, 1.091});
}
END_TEST

START_TEST(a_truncation_cuts_and_bootstraps)
{
    struct four f = start();
    f.truncated[1] = 1;
    f.final_values[1] = 0.65f;
    compute(&f, 0.99, 0.95);
    expect(&f, (const double[4]){2.07541175, 1.0435, 2.1180855, 1.091});
}
END_TEST

START_TEST(a_termination_at_the_end_ignores_the_last_value)
{
    struct four f = {.rewards = {0, 0, 0, 1}, .values = {0.1f, 0.2f, 0.3f, 0.4f}, .last_values = {50.0f}};
    f.terminated[3] = f.truncated[3] = 1; /* both: terminated wins */
    compute(&f, 0.9, 0.8);
    expect(&f, (const double[4]){0.3854528, 0.42424, 0.492, 0.6});
}
END_TEST

/* lambda 1 and V = 0: returns are discounted sums of rewards, each environment for itself. */
START_TEST(environments_do_not_mix)
{
    enum { T = 64, N = 3 };
    static float rewards[T * N], values[T * N], last[N], final[T * N], advantages[T * N], returns[T * N];
    static unsigned char terminated[T * N], truncated[T * N];
    for (int t = 0; t < T; t++)
        for (int i = 0; i < N; i++)
            rewards[t * N + i] = (float)i;
    struct rollout r = {.n_steps = T,
                        .n_envs = N,
                        .rewards = rewards,
                        .values = values,
                        .last_values = last,
                        .final_values = final,
                        .terminated = terminated,
                        .truncated = truncated,
                        .advantages = advantages,
                        .returns = returns};
    gae_compute(&r, 0.9, 1.0);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol((double)returns[t * N + i], i * (1.0 - pow(0.9, T - t)) / 0.1, 1e-5);
}
END_TEST

SUITE("gae", no_episode_ends, a_termination_cuts, a_truncation_cuts_and_bootstraps,
      a_termination_at_the_end_ignores_the_last_value, environments_do_not_mix)
