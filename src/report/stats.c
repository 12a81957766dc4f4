/* stats: means, quantiles and confidence intervals. In: plain arrays. Out: plain numbers. Knows nothing of what they
 * measure. */
#include <maestro/stats.h>

#include <maestro/rng.h>

#include <math.h>
#include <stdlib.h>

#define BOOTSTRAP_STREAM 0x626f6f74u

double stats_mean(const double *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / n : (double)NAN;
}

double stats_sd(const double *x, int n)
{
    if (n < 2)
        return (double)NAN;
    double mean = stats_mean(x, n);
    double squares = 0.0;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (n - 1));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
}

static double sorted_quantile(const double *x, int n, double q)
{
    double at = q * (n - 1);
    int below = (int)floor(at);
    int above = below + 1 < n ? below + 1 : n - 1;
    return x[below] + (at - below) * (x[above] - x[below]);
}

double stats_quantile(double *x, int n, double q)
{
    if (n < 1)
        return (double)NAN;
    sort(x, n);
    return sorted_quantile(x, n, q);
}

double stats_iqm(double *x, int n)
{
    if (n < 1)
        return (double)NAN;
    sort(x, n);
    double low = n * 0.25;
    double high = n * 0.75;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        double weight = fmin(i + 1, high) - fmax(i, low); // share of the value's unit inside the middle half
        if (weight > 0.0)
            sum += weight * x[i];
    }
    return sum / (high - low);
}

/* Continued fraction of the incomplete beta function (Numerical methods as in Abramowitz and Stegun 26.5.8), by Lentz. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1.0;
    double d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m <= 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double term = half == 0 ? even : odd;
            d = 1.0 + term * d;
            c = 1.0 + term / c;
            d = 1.0 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            f *= d * c;
        }
        if (fabs(d * c - 1.0) < 1e-15)
            break;
    }
    return f;
}

static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0.0 || x >= 1.0)
        return x <= 0.0 ? 0.0 : 1.0;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * beta_fraction(a, b, x) / a;
    return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

/* P(T > t) for t >= 0. */
static double t_tail(double t, double df)
{
    if (!isfinite(df) || df > 1e7)
        return 0.5 * erfc(t / sqrt(2.0));
    return 0.5 * incomplete_beta(0.5 * df, 0.5, df / (df + t * t));
}

double stats_t_quantile(double p, double df)
{
    if (!(df > 0.0) || !(p > 0.0) || !(p < 1.0))
        return (double)NAN;
    if (p < 0.5)
        return -stats_t_quantile(1.0 - p, df);
    double low = 0.0;
    double high = 1.0;
    while (t_tail(high, df) > 1.0 - p && high < 1e12)
        high *= 2.0;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double mid = 0.5 * (low + high);
        if (t_tail(mid, df) > 1.0 - p)
            low = mid;
        else
            high = mid;
    }
    return 0.5 * (low + high);
}

static struct stats_interval interval(double mean, double variance, double df, double confidence, int n)
{
    double half = df > 0.0 ? stats_t_quantile(0.5 + 0.5 * confidence, df) * sqrt(variance) : (double)INFINITY;
    return (struct stats_interval){mean, mean - half, mean + half, n};
}

struct stats_interval stats_t_interval(const double *x, int n, double confidence)
{
    if (n < 1)
        return (struct stats_interval){(double)NAN, (double)NAN, (double)NAN, 0};
    double sd = stats_sd(x, n);
    return interval(stats_mean(x, n), sd * sd / n, n - 1, confidence, n);
}

struct stats_interval stats_paired(const double *a, const double *b, int n, double confidence)
{
    if (n < 1)
        return (struct stats_interval){(double)NAN, (double)NAN, (double)NAN, 0};
    double mean = stats_mean(a, n) - stats_mean(b, n);
    double squares = 0.0;
    for (int i = 0; i < n; i++)
        squares += (a[i] - b[i] - mean) * (a[i] - b[i] - mean);
    return interval(mean, n > 1 ? squares / (n - 1) / n : 0.0, n - 1, confidence, n);
}

bool stats_bootstrap(const double *x, int n, const struct stats_resampling *how, struct stats_interval *out,
                     struct err *e)
{
    if (n < 1 || how->n_resamples < 1)
        return err_set(e, ERR_USAGE, "stats: a bootstrap needs values and resamples");
    double *means = malloc((size_t)how->n_resamples * sizeof *means);
    if (!means)
        return err_set(e, ERR_IO, "stats: out of memory");
    struct rng rng;
    rng_init(&rng, how->seed, BOOTSTRAP_STREAM);
    for (int r = 0; r < how->n_resamples; r++) {
        double sum = 0.0;
        for (int i = 0; i < n; i++)
            sum += x[rng_bounded(&rng, (uint32_t)n)];
        means[r] = sum / n;
    }
    sort(means, how->n_resamples);
    out->mean = stats_mean(x, n);
    out->low = sorted_quantile(means, how->n_resamples, 0.5 - 0.5 * how->confidence);
    out->high = sorted_quantile(means, how->n_resamples, 0.5 + 0.5 * how->confidence);
    out->n = n;
    free(means);
    return true;
}

/* Running mean and squares (Welford 1962). */
struct moments {
    double mean, squares;
    int n;
};

static void moments_add(struct moments *m, double x)
{
    double delta = x - m->mean;
    m->n++;
    m->mean += delta / m->n;
    m->squares += delta * (x - m->mean);
}

/* Mean over the files of one window; NaN if any is. */
static double window_mean(const double *x, int n_files, int n_columns, int column)
{
    double sum = 0.0;
    for (int f = 0; f < n_files; f++)
        sum += x[f * n_columns + column];
    return sum / n_files;
}

/* Mean of one of the files in rows over the windows that x does not leave out. */
static double file_mean(const struct stats_differences *d, const double *rows, int file)
{
    int n_columns = d->n_strata * d->n_windows;
    struct moments strata = {0};
    for (int s = 0; s < d->n_strata; s++) {
        struct moments m = {0};
        for (int w = 0; w < d->n_windows; w++)
            if (!isnan(window_mean(d->x, d->n_files, n_columns, s * d->n_windows + w)))
                moments_add(&m, rows[file * n_columns + s * d->n_windows + w]);
        if (m.n > 0)
            moments_add(&strata, m.mean);
    }
    return strata.mean;
}

/* Variance of a mean, summed up from independent parts. */
struct spread {
    double variance;
    double squared_over_df; /* of Welch and Satterthwaite */
};

static void spread_add(struct spread *s, double part, int df)
{
    s->variance += part;
    s->squared_over_df += part * part / df;
}

static void add_files(const struct stats_differences *d, const double *rows, int n_files, struct spread *out)
{
    struct moments files = {0};
    if (n_files < 2)
        return;
    for (int f = 0; f < n_files; f++)
        moments_add(&files, file_mean(d, rows, f));
    spread_add(out, files.squares / (n_files - 1) / n_files, n_files - 1);
}

static double degrees_of_freedom(const struct spread *s)
{
    if (isnan(s->variance))
        return 0.0;
    return s->squared_over_df > 0.0 ? s->variance * s->variance / s->squared_over_df : (double)INFINITY;
}

struct stats_interval stats_crossed_differences(const struct stats_differences *d, double confidence)
{
    struct moments strata = {0};
    struct spread spread = {0};
    int n = 0;
    for (int s = 0; s < d->n_strata; s++) {
        struct moments m = {0};
        for (int w = 0; w < d->n_windows; w++) {
            double v = window_mean(d->x, d->n_files, d->n_strata * d->n_windows, s * d->n_windows + w);
            if (!isnan(v))
                moments_add(&m, v);
        }
        if (m.n == 0)
            continue;
        moments_add(&strata, m.mean);
        n += m.n;
        spread_add(&spread, m.n > 1 ? m.squares / (m.n - 1) / m.n : (double)NAN, m.n - 1);
    }
    if (strata.n == 0)
        return (struct stats_interval){(double)NAN, (double)NAN, (double)NAN, 0};
    double weight = 1.0 / strata.n;
    spread.variance *= weight * weight;
    spread.squared_over_df *= weight * weight * weight * weight;
    add_files(d, d->x, d->n_files, &spread);
    add_files(d, d->base, d->n_base, &spread);
    return interval(strata.mean, spread.variance, degrees_of_freedom(&spread), confidence, n * d->n_files);
}

struct stats_interval stats_crossed(const double *x, int n_files, int n_strata, int n_windows, double confidence)
{
    const struct stats_differences d = {
        .x = x, .n_files = n_files, .n_base = 1, .n_strata = n_strata, .n_windows = n_windows};
    return stats_crossed_differences(&d, confidence);
}
