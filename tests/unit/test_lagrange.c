/* lagrange: on a two-state problem whose optimal multiplier is known, policy gradient on the priced reward together with
 * the multiplier's own step finds that multiplier and spends the budget exactly. */
#include <maestro/lagrange.h>

#include <math.h>

#include "suite.h"

/* The problem: each step is calm or busy with probability 1/2. The frugal action earns g = 1 when calm, 0.4 when busy, and
 * costs 1; the safe one earns and costs 0. Budget b = 0.7.
 *
 * Linear program: max (1 p_calm + 0.4 p_busy) / 2 subject to (p_calm + p_busy) / 2 <= 0.7. Frugality is worth most when
 * calm, so p_calm = 1, and the rest of the budget buys p_busy = 0.4. Its dual variable is what one more unit of budget would
 * earn: the gain of the marginal state, lambda* = 0.4.
 *
 * With an entropy bonus of weight tau the best answer to a multiplier is p_s = sigmoid((g_s - lambda) / tau), so at the
 * saddle point (sigmoid((1 - l) / tau) + sigmoid((0.4 - l) / tau)) / 2 = b: for tau = 0.05 the first term is 1 to 1e-5, the
 * second 0.4, hence l = 0.4 + tau log(0.6 / 0.4) = 0.42027; and l -> 0.4 as tau -> 0. */
static const double GAIN[2] = {1.0, 0.4};
static const double BUDGET = 0.7;

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Exact gradient of the expected priced reward plus tau times the entropy, by the logit of the frugal action. */
static double gradient(double logit, double gain, double tau)
{
    double p = sigmoid(logit);
    return 0.5 * p * (1.0 - p) * (gain - tau * logit);
}

static double solve(double tau, double proportional, double *mean_cost)
{
    struct lagrange_config config = {
        .slo_budget = BUDGET, .learning_rate = 0.002, .proportional = proportional, .max_multiplier = 100};
    struct lagrange l;
    double logit[2] = {0, 0};
    lagrange_init(&l, &config);
    for (int k = 0; k < 400000; k++) {
        float priced[2] = {(float)GAIN[0], (float)GAIN[1]};
        lagrange_shape(&l, &config, priced, (const float[]){1, 1}, 2);
        for (int s = 0; s < 2; s++)
            logit[s] += 0.5 * gradient(logit[s], (double)priced[s], tau);
        lagrange_update(&l, &config, 0.5 * sigmoid(logit[0]) + 0.5 * sigmoid(logit[1]));
    }
    *mean_cost = l.mean_cost;
    return l.lambda;
}

/* Tolerance 1e-4: rewards are floats (6e-8) and the descent has 400,000 steps; what remains is rounding. */
START_TEST(finds_the_known_multiplier)
{
    double cost;
    double lambda = solve(0.05, 0.0, &cost);
    ck_assert_double_eq_tol(lambda, 0.4 + 0.05 * log(0.6 / 0.4), 1e-4);
    ck_assert_double_eq_tol(cost, BUDGET, 1e-4);
    lambda = solve(0.02, 0.05, &cost);
    ck_assert_double_eq_tol(lambda, 0.4 + 0.02 * log(0.6 / 0.4), 1e-4);
    ck_assert_double_eq_tol(cost, BUDGET, 1e-4);
}
END_TEST

START_TEST(loose_budget_costs_nothing)
{
    struct lagrange_config config = {.slo_budget = 0.5, .learning_rate = 0.1, .initial = 1, .max_multiplier = 100};
    struct lagrange l;
    lagrange_init(&l, &config);
    for (int k = 0; k < 100; k++)
        lagrange_update(&l, &config, 0.2);
    ck_assert(l.lambda == 0.0 && l.integral == 0.0);
    lagrange_update(&l, &config, 0.6);
    ck_assert_double_eq_tol(l.lambda, 0.01, 1e-12); // no wind-up below zero: the first excess already counts
}
END_TEST

START_TEST(bounded_above)
{
    struct lagrange_config config = {.slo_budget = 0.01, .learning_rate = 10, .max_multiplier = 5};
    struct lagrange l;
    lagrange_init(&l, &config);
    for (int k = 0; k < 100; k++)
        lagrange_update(&l, &config, 1.0);
    ck_assert(l.lambda == 5.0);
}
END_TEST

START_TEST(off_is_the_bare_reward)
{
    struct lagrange_config config = {.slo_budget = (double)NAN, .learning_rate = 10, .initial = 3, .max_multiplier = 5};
    struct lagrange l;
    float reward = 0.5f;
    lagrange_init(&l, &config);
    lagrange_update(&l, &config, 1.0);
    lagrange_shape(&l, &config, &reward, (const float[]){1}, 1);
    ck_assert(l.lambda == 0.0 && l.mean_cost == 1.0 && reward == 0.5f);
}
END_TEST

START_TEST(a_reserve_is_kept_back)
{
    struct lagrange_config config = {
        .slo_budget = 0.01, .reserve = 0.4, .learning_rate = 10, .initial = 1, .max_multiplier = 5};
    struct lagrange l;
    lagrange_init(&l, &config);
    ck_assert_double_eq_tol(lagrange_aim(&config), 0.006, 1e-15);
    lagrange_update(&l, &config, 0.008); // within the budget, over what is aimed at
    ck_assert_double_eq_tol(l.lambda, 1.02, 1e-12);
    lagrange_update(&l, &config, 0.004);
    ck_assert_double_eq_tol(l.lambda, 1.0, 1e-12);
}
END_TEST

SUITE("lagrange", finds_the_known_multiplier, loose_budget_costs_nothing, bounded_above, off_is_the_bare_reward,
      a_reserve_is_kept_back)
