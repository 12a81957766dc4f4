/* calibrate_math: a weighted straight line and a small inverse. In: numbers. Out: numbers and their errors. Knows no service. */
#include "calibrate_math.h"

#include <math.h>

bool line_fit(const double *x, const double *y, const double *weight, int n, struct line *out)
{
    double sum = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0;
    for (int i = 0; i < n; i++) {
        sum += weight[i];
        mean_x += weight[i] * x[i];
        mean_y += weight[i] * y[i];
    }
    if (n < 3 || !(sum > 0))
        return false;
    mean_x /= sum;
    mean_y /= sum;
    for (int i = 0; i < n; i++) {
        double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += weight[i] * dx * dx;
        xy += weight[i] * dx * dy;
        yy += weight[i] * dy * dy;
    }
    if (!(xx > 1e-12 * sum * (mean_x * mean_x + 1e-12)))
        return false;
    double slope = xy / xx, left = fmax(yy - slope * xy, 0);
    double noise = left / sum * n / (n - 2); // of a point with mean weight
    *out = (struct line){.intercept = mean_y - slope * mean_x,
                         .slope = slope,
                         .slope_error = sqrt(noise * sum / n / xx),
                         .unexplained = yy > 0 ? left / yy : 0};
    out->intercept_error = sqrt(noise * (1.0 / n + sum / n * mean_x * mean_x / xx));
    return true;
}

/* Gauss and Jordan with the largest pivot of the column. */
bool matrix_invert(double a[SOLVE_LIMIT][SOLVE_LIMIT], int n)
{
    double inverse[SOLVE_LIMIT][SOLVE_LIMIT] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int column = 0; column < n; column++) {
        int pivot = column;
        for (int row = column + 1; row < n; row++)
            pivot = fabs(a[row][column]) > fabs(a[pivot][column]) ? row : pivot;
        if (!(fabs(a[pivot][column]) > 1e-12))
            return false;
        for (int k = 0; k < n; k++) {
            double left = a[column][k], right = inverse[column][k];
            a[column][k] = a[pivot][k];
            inverse[column][k] = inverse[pivot][k];
            a[pivot][k] = left;
            inverse[pivot][k] = right;
        }
        double scale = 1 / a[column][column];
        for (int k = 0; k < n; k++) {
            a[column][k] *= scale;
            inverse[column][k] *= scale;
        }
        for (int row = 0; row < n; row++) {
            double factor = row == column ? 0 : a[row][column];
            for (int k = 0; k < n; k++) {
                a[row][k] -= factor * a[column][k];
                inverse[row][k] -= factor * inverse[column][k];
            }
        }
    }
    for (int row = 0; row < n; row++)
        for (int k = 0; k < n; k++)
            a[row][k] = inverse[row][k];
    return true;
}
