/* scrape: Prometheus' own arithmetic, rate() over a counter and histogram_quantile() over classic buckets, reproduced to the
 * rules of prometheus/prometheus promql/functions.go and promql/quantile.go (2.x and 3.x differ in two places, see version). */
#ifndef MAESTRO_SCRAPE_H
#define MAESTRO_SCRAPE_H

#include <stdbool.h>

/* The samples of a range selector [window] at an instant: times of first and last, and how far rate() may extrapolate. The
 * same for all series that are scraped together without gaps. */
struct scrape_window {
    double window_s;
    double sampled_s; /* from first to last sample */
    double average_s; /* between samples */
    double limit_s;   /* an edge of the window that is farther away is not reached */
    double forward_s; /* extrapolated behind the last sample */
    double nearest_s; /* a counter that was 0 this short before the first sample is extrapolated to there only */
    double factor;    /* of the increase, for all others */
    int version;      /* 2 or 3 */
};

/* n >= 2 samples from first_s to last_s, inside (at_s - window_s, at_s]. */
struct scrape_window scrape_window(double first_s, double last_s, int n, double at_s, double window_s, int version);

/* True if a sample at time_s belongs to a range selector ending at at_s: 2.x closes the window on the left, 3.x opens it. */
bool scrape_inside(double time_s, double at_s, double window_s, int version);

/* rate() per second: first is the first sample's value, increase is last - first with the drops of counter resets added. */
double scrape_rate(const struct scrape_window *w, double first, double increase);

/* rate() over samples (time_s[n], value[n]) with resets, NaN where fewer than two lie in the window. The plain form. */
double scrape_rate_of(const double *time_s, const double *value, int n, double at_s, double window_s, int version);

/* histogram_quantile: bound[n] finite upper bounds, cumulative[n + 1] with the +Inf bucket last. NaN without observations;
 * a quantile in the +Inf bucket gives bound[n - 1]. */
double scrape_quantile(double q, const double *bound, const double *cumulative, int n);

#endif
