/* SPEC's elasticity metrics against curves worked out by hand. Exact sums of a few terms: 1e-12 is rounding. */
#include <maestro/elasticity.h>

#include <math.h>

#include "suite.h"

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-12)

START_TEST(a_perfect_scaler_scores_nothing)
{
    const double r[] = {1, 2, 3, 2, 2};
    struct elasticity x = elasticity_of(r, r, 5, 15.0);
    NEAR(x.theta_u, 0.0);
    NEAR(x.theta_o, 0.0);
    NEAR(x.tau_u, 0.0);
    NEAR(x.tau_o, 0.0);
    NEAR(x.instability, 0.0);
    NEAR(x.jitter, 0.0);
}
END_TEST

/* Late by one period up and down; one period is a minute.
 *     r: 2 4 4 2      s: 2 2 4 4
 * under: period 1 lacks 2 of 4; over: period 3 has 2 too many of 2. Moves: s 0 0 + 0, r 0 + 0 -: three unlike. One change
 * of supply against two of demand in 4 minutes. */
START_TEST(a_late_scaler)
{
    const double r[] = {2, 4, 4, 2};
    const double s[] = {2, 2, 4, 4};
    struct elasticity x = elasticity_of(s, r, 4, 60.0);
    NEAR(x.theta_u, 100.0 * (0.5) / 4);
    NEAR(x.theta_o, 100.0 * (1.0) / 4);
    NEAR(x.tau_u, 25.0);
    NEAR(x.tau_o, 25.0);
    NEAR(x.instability, 75.0);
    NEAR(x.jitter, -0.25);
}
END_TEST

/* A nervous one on a flat demand of 4, half a minute a period: s 3 5 3 5: four moves less the first, none of demand. */
START_TEST(a_nervous_scaler)
{
    const double r[] = {4, 4, 4, 4};
    const double s[] = {3, 5, 3, 5};
    struct elasticity x = elasticity_of(s, r, 4, 30.0);
    NEAR(x.theta_u, 100.0 * (0.25 + 0.25) / 4);
    NEAR(x.theta_o, 100.0 * (0.25 + 0.25) / 4);
    NEAR(x.tau_u, 50.0);
    NEAR(x.tau_o, 50.0);
    NEAR(x.instability, 75.0);
    NEAR(x.jitter, 1.5);
}
END_TEST

START_TEST(opposite_moves_count_once)
{
    const double r[] = {2, 3};
    const double s[] = {3, 2};
    NEAR(elasticity_of(s, r, 2, 60.0).instability, 50.0);
}
END_TEST

START_TEST(nothing_gives_nan)
{
    ck_assert(isnan(elasticity_of(NULL, NULL, 0, 15.0).theta_u));
}
END_TEST

SUITE("elasticity", a_perfect_scaler_scores_nothing, a_late_scaler, a_nervous_scaler, opposite_moves_count_once,
      nothing_gives_nan)
