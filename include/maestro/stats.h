/* stats: the few statistics that verdicts rest on: means with intervals, quantiles, paired comparisons. double throughout;
 * no allocation but in the bootstrap. Empty input gives NaN, one value an interval without bounds (infinite). */
#ifndef MAESTRO_STATS_H
#define MAESTRO_STATS_H

#include <maestro/err.h>
#include <stdint.h>

struct stats_interval {
    double mean;
    double low; /* of the two-sided confidence interval */
    double high;
    int n; /* values behind it */
};

double stats_mean(const double *x, int n);
double stats_sd(const double *x, int n); /* of the sample, n - 1 */

/* Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996). x need not be sorted; it is sorted in
 * place. q in [0, 1]. */
double stats_quantile(double *x, int n, double q);

/* Mean of the middle half: values beyond the quartiles weigh 0, those on the edge in part. x is sorted in place. */
double stats_iqm(double *x, int n);

/* Quantile p of Student's t with df degrees of freedom (df > 0, may be fractional or infinite); error < 1e-9 of scale. */
double stats_t_quantile(double p, double df);

/* Mean with Student's t interval of the given confidence, e.g. 0.95. */
struct stats_interval stats_t_interval(const double *x, int n, double confidence);

/* Differences a[i] - b[i]. A win is low > 0. */
struct stats_interval stats_paired(const double *a, const double *b, int n, double confidence);

struct stats_resampling {
    double confidence;
    int n_resamples;
    uint64_t seed;
};

/* Mean with a percentile bootstrap interval (Efron 1979); the same seed gives the same interval. */
MUST_CHECK bool stats_bootstrap(const double *x, int n, const struct stats_resampling *how, struct stats_interval *out,
                                struct err *e);

/* Trained policies (files) crossed with windows inside strata (traces): x[n_files][n_strata][n_windows]. The strata are
 * fixed and weigh the same; files and windows are samples. The variance of the grand mean is taken as that of the window
 * means inside their strata plus that of the file means (each alone keeps the interaction in: not too small), the degrees
 * of freedom by Welch and Satterthwaite. Windows with a NaN for any file are left out. One file: only the windows vary. */
struct stats_interval stats_crossed(const double *x, int n_files, int n_strata, int n_windows, double confidence);

/* The same for differences from a baseline that is a sample of trained files too. The mean over its files has a variance
 * of its own, that of their means over n_base with n_base - 1 degrees of freedom, which every difference shares and which
 * x therefore cannot show: it is added. Windows that x leaves out are left out of it. One baseline file is taken as it
 * is: exactly stats_crossed of x. */
struct stats_differences {
    const double *x;    /* [n_files][n_strata][n_windows] less the mean over the baseline's files */
    const double *base; /* [n_base][n_strata][n_windows] the baseline itself; not read for n_base < 2 */
    int n_files, n_base, n_strata, n_windows;
};
struct stats_interval stats_crossed_differences(const struct stats_differences *d, double confidence);

#endif
