/* demand: the load of an episode second by second. In: struct load, its own random stream. Out: rates. What the service does
 * with them never comes back here, so the same episode offers every policy the same arrivals (closed users apart). */
#include "state.h"

#include <math.h>

/* Memory of the slow noise from one node to the next: correlated over about 45 s. */
static const double NOISE_KEEP = 0.8;
static const double NOISE_NEW = 0.6; /* sqrt(1 - NOISE_KEEP^2) */

void demand_begin(struct demand *d, const struct load *load, uint64_t seed, uint64_t stream)
{
    *d = (struct demand){.load = *load, .node_s = INT64_MIN / 2, .noise_s = INT64_MIN / 2};
    rng_init(&d->rng, seed, stream);
}

/* Jumps must not be smeared, and cheap shapes need no nodes. */
static bool is_smooth(const struct load *l, const struct trace *traces)
{
    if (l->shape == LOAD_TRACE)
        return trace_span_s(&traces[l->trace]) >= 5.0 * (traces[l->trace].n - 1);
    return l->shape == LOAD_DIURNAL || l->shape == LOAD_FLASH;
}

/* Largest multiple of step at or below t. */
static int64_t node_below(int64_t t_s, int64_t step_s)
{
    int64_t node = t_s / step_s * step_s;
    return node > t_s ? node - step_s : node;
}

static double smooth_rate(struct demand *d, const struct trace *traces, int64_t t_s)
{
    int64_t node = node_below(t_s, DEMAND_NODE_S);
    if (node != d->node_s) {
        d->node_from = node == d->node_s + DEMAND_NODE_S ? d->node_to : load_at(&d->load, traces, (double)node);
        d->node_to = load_at(&d->load, traces, (double)(node + DEMAND_NODE_S));
        d->node_s = node;
    }
    return d->node_from + (d->node_to - d->node_from) * (((double)(t_s - node) + 0.5) / DEMAND_NODE_S);
}

static double noise_factor(struct demand *d, int64_t t_s)
{
    int64_t node = node_below(t_s, DEMAND_NOISE_S);
    if (node != d->noise_s) {
        d->noise_from = d->noise_to;
        d->noise_to = NOISE_KEEP * d->noise_to + NOISE_NEW * d->load.noise_cv * rng_normal(&d->rng);
        d->noise_s = node;
    }
    double noise = d->noise_from + (d->noise_to - d->noise_from) * (((double)(t_s - node) + 0.5) / DEMAND_NOISE_S);
    return fmax(0.1, 1.0 + noise);
}

/* Nearly normal, mean 0, variance 1: the sum of eight uniforms, as no tail beyond +-4.9 is wanted here. */
static double near_normal(struct rng *rng)
{
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t draw = rng_u32(rng);
        sum += (draw & 0xffff) + (draw >> 16);
    }
    const double mean = 4.0 * 0xffff, deviation = 0.816496580927726 * 0x10000; // sqrt(8 / 12)
    return ((double)sum - mean) / deviation;
}

static double at_least(double low, double x)
{
    return x > low ? x : low;
}

/* Counts of few independent things vary more, relatively: as one over the square root of the rate. */
static double burst_factor(struct demand *d, double rate)
{
    double deviation = d->load.burst_cv * sqrt(d->load.peak_rps / at_least(1e-3 * d->load.peak_rps, rate));
    return at_least(0.0, 1.0 + deviation * near_normal(&d->rng));
}

static double rate_at(struct demand *d, const struct trace *traces, bool smooth, int64_t t_s)
{
    if (smooth)
        return smooth_rate(d, traces, t_s);
    if (d->load.shape == LOAD_TRACE)
        return d->load.scale *
               trace_at_hint(&traces[d->load.trace], d->load.start_s + (double)t_s + 0.5, &d->trace_row);
    return load_at(&d->load, traces, (double)t_s + 0.5);
}

void demand_fill(struct demand *d, const struct trace *traces, int64_t t_s, int n, float *out)
{
    bool smooth = is_smooth(&d->load, traces);
    for (int i = 0; i < n; i++) {
        double rate = rate_at(d, traces, smooth, t_s + i);
        if (d->load.noise_cv > 0)
            rate *= noise_factor(d, t_s + i);
        if (d->load.burst_cv > 0)
            rate *= burst_factor(d, rate);
        out[i] = (float)at_least(0.0, rate);
    }
}
