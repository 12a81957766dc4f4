/* calibrate_math: the statistics of a calibration. */
#ifndef LEARN_CALIBRATE_MATH_H
#define LEARN_CALIBRATE_MATH_H

#include <stdbool.h>

struct line {
    double intercept, slope, intercept_error, slope_error;
    double unexplained; /* share of the variance that the line leaves, 0..1 */
};

/* y over x by least squares with weights; false: fewer than 3 points, or all at one x. */
bool line_fit(const double *x, const double *y, const double *weight, int n, struct line *out);

#define SOLVE_LIMIT 3
/* In place: a[n][n] becomes its inverse. false: singular. */
bool matrix_invert(double a[SOLVE_LIMIT][SOLVE_LIMIT], int n);

#endif
