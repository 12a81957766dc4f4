/* scrape: rate() and histogram_quantile() as Prometheus computes them. In: samples. Out: the number that a query would show.
 * Where the samples come from is measure.c's matter. */
#include <maestro/scrape.h>

#include <math.h>

/* Series are extrapolated to the window's edge only when the edge is nearer than this many average intervals. */
static const double EXTRAPOLATION_LIMIT = 1.1;

struct scrape_window scrape_window(double first_s, double last_s, int n, double at_s, double window_s, int version)
{
    double sampled_s = last_s - first_s, average_s = sampled_s / (n - 1), limit_s = EXTRAPOLATION_LIMIT * average_s;
    double to_start_s = first_s - (at_s - window_s), to_end_s = at_s - last_s;
    double back_s = to_start_s < limit_s ? to_start_s : average_s / 2;
    double forward_s = to_end_s < limit_s ? to_end_s : average_s / 2;
    return (struct scrape_window){
        .window_s = window_s,
        .sampled_s = sampled_s,
        .average_s = average_s,
        .limit_s = limit_s,
        .forward_s = forward_s,
        .nearest_s = version < 3 ? to_start_s : back_s,
        .factor = (sampled_s + back_s + forward_s) / sampled_s / window_s,
        .version = version,
    };
}

bool scrape_inside(double time_s, double at_s, double window_s, int version)
{
    return time_s <= at_s && (version < 3 ? time_s >= at_s - window_s : time_s > at_s - window_s);
}

/* Before the first sample a counter is taken to have been counting: at most back to where it would have been 0. */
static double shorter_reach(const struct scrape_window *w, double zero_s)
{
    if (w->version >= 3)
        return zero_s;
    return zero_s < w->limit_s ? zero_s : w->average_s / 2;
}

double scrape_rate(const struct scrape_window *w, double first, double increase)
{
    if (!(increase > 0 && first >= 0 && w->sampled_s * first < w->nearest_s * increase))
        return increase * w->factor;
    double back_s = shorter_reach(w, w->sampled_s * (first / increase));
    return increase * ((w->sampled_s + back_s + w->forward_s) / w->sampled_s / w->window_s);
}

double scrape_rate_of(const double *time_s, const double *value, int n, double at_s, double window_s, int version)
{
    int first = -1, last = -1, inside = 0;
    double increase = 0.0;
    for (int i = 0; i < n; i++) {
        if (!scrape_inside(time_s[i], at_s, window_s, version))
            continue;
        if (last >= 0)
            increase += value[i] < value[last] ? value[i] : value[i] - value[last];
        first = first < 0 ? i : first;
        last = i;
        inside++;
    }
    if (inside < 2)
        return (double)NAN;
    struct scrape_window w = scrape_window(time_s[first], time_s[last], inside, at_s, window_s, version);
    return scrape_rate(&w, value[first], increase);
}

/* Cumulative counts are made to rise first, as Prometheus does: rounding may have broken that. */
static double highest(const double *cumulative, int n)
{
    double most = cumulative[0];
    for (int i = 1; i <= n; i++)
        most = cumulative[i] > most ? cumulative[i] : most;
    return most;
}

double scrape_quantile(double q, const double *bound, const double *cumulative, int n)
{
    double total = highest(cumulative, n);
    if (!(total > 0))
        return (double)NAN;
    double rank = q * total;
    double below = 0.0, count = cumulative[0];
    int bucket = 0;
    while (bucket < n && count < rank) {
        below = count;
        bucket++;
        count = cumulative[bucket] > count ? cumulative[bucket] : count;
    }
    if (bucket == n)
        return bound[n - 1];
    if (bucket == 0 && bound[0] <= 0)
        return bound[0];
    double from = bucket > 0 ? bound[bucket - 1] : 0.0;
    return from + (bound[bucket] - from) * ((rank - below) / (count - below));
}
