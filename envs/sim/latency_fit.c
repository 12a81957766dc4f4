/* latency_fit: from points over the requests inside to the rows of a latency table, over their work. In: what was measured up
 * to saturation (or beyond, for pods that hold few requests). Out: requests inside, throughput, latencies and failures for
 * every L, monotone, with the inverse that one-second steps need. It runs no pods. */
#include "latency_points.h"

#include <assert.h>
#include <maestro/rng.h>
#include <math.h>
#include <string.h>

#define FIT_STREAM 0x666974
#define SAMPLES 2048 /* of a request under overload, per row */

/* From this load on, points share the shape of their latencies: queues near saturation look alike, and their noise is
 * largest. With a quota later: there p95 jumps from unthrottled to throttled requests as the load rises. */
static const double SHARED_SHAPE_FROM = 0.5;
static const double SHARED_SHAPE_FROM_QUOTA = 0.93;
static const double SHAPE_REACH = 0.05; /* of load */

/* Between points up to this load, rows mix the two distributions; beyond, where a point is much slower than the last, their
 * latencies are scaled. */
static const double MIXED_UP_TO = 0.93;

/* Rejections of a full pod spread over one step of the grid: throughput rises there to this many times capacity. */
static const double FULL_POD_FACTOR = 100.0;

double latency_level(int level)
{
    return 1.0 / (1.0 + exp(-(LATENCY_LEVEL_FIRST + LATENCY_LEVEL_STEP * (double)level)));
}

int latency_fine_bin(double ms)
{
    float f = (float)ms;
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    int bin = (bits - ((127 + FINE_LOG2_MIN) << 23)) >> (23 - 6);
    return bin < 0 ? 0 : bin >= FINE_BINS ? FINE_BINS - 1 : bin;
}

static double fine_edge(int bin)
{
    double step = 1.0 + (double)(bin % FINE_OCTAVE) / FINE_OCTAVE;
    return ldexp(step, bin / FINE_OCTAVE + FINE_LOG2_MIN);
}

void latency_read_levels(const float *fine, double n, double timeout_ms, double *level_ms)
{
    double below = 0.0;
    int bin = 0;
    for (int level = 0; level < LATENCY_LEVELS; level++) {
        double wanted = latency_level(level) * n;
        while (bin < FINE_BINS && below + (double)fine[bin] < wanted)
            below += (double)fine[bin++];
        double part = bin < FINE_BINS ? (wanted - below) / (double)fine[bin] : 0.0;
        double ms = bin < FINE_BINS ? fine_edge(bin) + part * (fine_edge(bin + 1) - fine_edge(bin)) : timeout_ms;
        level_ms[level] = fmin(ms, timeout_ms);
    }
}

/* Pools neighbours that fall until the sequence rises (isotonic regression: pool adjacent violators). */
static void make_rise(double *values, const double *weights, int n)
{
    double mean[LATENCY_POINTS_LIMIT], weight[LATENCY_POINTS_LIMIT];
    int count[LATENCY_POINTS_LIMIT], blocks = 0;
    for (int i = 0; i < n; i++) {
        mean[blocks] = values[i];
        weight[blocks] = weights[i];
        count[blocks++] = 1;
        while (blocks > 1 && mean[blocks - 2] > mean[blocks - 1]) {
            double sum = weight[blocks - 2] + weight[blocks - 1];
            mean[blocks - 2] = (mean[blocks - 2] * weight[blocks - 2] + mean[blocks - 1] * weight[blocks - 1]) / sum;
            weight[blocks - 2] = sum;
            count[blocks - 2] += count[blocks - 1];
            blocks--;
        }
    }
    for (int block = 0, i = 0; block < blocks; block++)
        for (int k = 0; k < count[block]; k++)
            values[i++] = mean[block];
}

/* Value at x = 0 of the weighted straight line through (x[i], y[i]). */
static double line_at_zero(const double *x, const double *y, const double *w, int n)
{
    double sw = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0;
    for (int i = 0; i < n; i++) {
        sw += w[i];
        sx += w[i] * x[i];
        sy += w[i] * y[i];
        sxx += w[i] * x[i] * x[i];
        sxy += w[i] * x[i] * y[i];
    }
    double det = sw * sxx - sx * sx;
    return det > 1e-9 * sw * sxx ? (sxx * sy - sx * sxy) / det : sy / sw;
}

static bool shares_shape(const struct latency_points *points, const struct latency_point *p)
{
    const struct pod_config *c = &points->config;
    bool quota = c->limit_cores > 0.0 && c->limit_cores < c->cores;
    double from = quota ? SHARED_SHAPE_FROM_QUOTA : SHARED_SHAPE_FROM;
    return p->load >= from && p->load < 1.0 && p->failed + p->rejected == 0.0;
}

/* One level of one point, relative to the mean, from the straight line over the load through all that share their shape,
 * near ones first. The ends of the range lean on the middle: a run near saturation is hardly longer than its queue's memory,
 * and sees too little of the distribution. */
static double shared_level(const struct latency_points *points, int point, int level)
{
    double x[LATENCY_POINTS_LIMIT], y[LATENCY_POINTS_LIMIT], w[LATENCY_POINTS_LIMIT];
    int n = 0;
    for (int i = 0; i < points->n; i++) {
        const struct latency_point *p = &points->at[i];
        if (!shares_shape(points, p))
            continue;
        x[n] = p->load - points->at[point].load;
        y[n] = log(p->level_ms[level] * p->rate_rps / (1000.0 * p->seen_l));
        w[n] = p->weight / (1.0 + x[n] * x[n] / (SHAPE_REACH * SHAPE_REACH));
        n++;
    }
    return exp(line_at_zero(x, y, w, n));
}

/* Latencies of each point: of its shape, at the mean that its corrected L stands for. */
static void settle_levels(struct latency_points *points)
{
    double level_ms[LATENCY_POINTS_LIMIT][LATENCY_LEVELS];
    const double timeout_ms = points->config.timeout_s * 1000.0;
    for (int i = 0; i < points->n; i++) {
        const struct latency_point *p = &points->at[i];
        double mean_ms = 1000.0 * p->l / p->rate_rps;
        for (int level = 0; level < LATENCY_LEVELS; level++) {
            double ms = p->level_ms[level];
            if (shares_shape(points, p))
                ms = mean_ms * shared_level(points, i, level);
            level_ms[i][level] = fmin(ms, timeout_ms);
        }
    }
    double column[LATENCY_POINTS_LIMIT], weight[LATENCY_POINTS_LIMIT];
    for (int level = 0; level < LATENCY_LEVELS; level++) {
        for (int i = 0; i < points->n; i++) {
            column[i] = level_ms[i][level];
            weight[i] = points->at[i].weight;
        }
        make_rise(column, weight, points->n);
        for (int i = 0; i < points->n; i++)
            points->at[i].level_ms[level] = column[i];
    }
}

/* The mean time inside rises with the load, and so does every level, and levels within a point. */
static void settle_points(struct latency_points *points)
{
    double mean_s[LATENCY_POINTS_LIMIT] = {0}, weight[LATENCY_POINTS_LIMIT] = {0};
    for (int i = 0; i < points->n; i++) {
        mean_s[i] = points->at[i].l / (points->at[i].rate_rps * (1.0 - points->at[i].rejected));
        weight[i] = points->at[i].weight;
    }
    make_rise(mean_s, weight, points->n);
    for (int i = 0; i < points->n; i++) {
        double l = mean_s[i] * points->at[i].rate_rps * (1.0 - points->at[i].rejected);
        points->at[i].l = i > 0 ? fmax(l, 1.000001 * points->at[i - 1].l) : l;
    }
    settle_levels(points);
    for (int i = 0; i < points->n; i++) {
        double *level_ms = points->at[i].level_ms;
        for (int level = 1; level < LATENCY_LEVELS; level++)
            level_ms[level] = fmax(level_ms[level], level_ms[level - 1]);
    }
}

/* Where L lies among the points: at[i] .. at[i + 1], part of the way in log L. */
struct place {
    int i;
    double part;
};

static struct place find_place(const struct latency_points *points, double l)
{
    if (l <= points->at[0].l)
        return (struct place){0, 0.0};
    int i = 0;
    while (i < points->n - 2 && points->at[i + 1].l < l)
        i++;
    double part = log(l / points->at[i].l) / log(points->at[i + 1].l / points->at[i].l);
    return (struct place){i, fmin(1.0, part)};
}

static double between(double a, double b, double part)
{
    return a + part * (b - a);
}

/* g = L (1 - rho) / rho: 1 for M/M/1, smooth in the load for every queue, which L itself is not. */
static double queue_constant(const struct latency_point *p)
{
    return p->l * (1.0 - p->load) / p->load;
}

/* What leaves a pod at L, rejections of the measured points included, those of a full pod not. */
static double throughput_at(const struct latency_points *points, double l)
{
    const double capacity_rps = points->capacity_rps;
    const struct latency_point *first = &points->at[0], *last = &points->at[points->n - 1];
    if (l <= first->l)
        return first->rate_rps * l / first->l;
    if (l >= last->l && last->load >= 1.0)
        return last->rate_rps * l / last->l;
    if (l >= last->l)
        return fmax(capacity_rps * l / (l + queue_constant(last)), l / points->config.timeout_s);
    struct place at = find_place(points, l);
    const struct latency_point *a = &points->at[at.i], *b = a + 1;
    if (b->load < 1.0)
        return capacity_rps * l / (l + between(queue_constant(a), queue_constant(b), at.part));
    return exp(between(log(a->rate_rps), log(b->rate_rps), at.part));
}

static double rejected_at(const struct latency_points *points, double l)
{
    struct place at = find_place(points, l);
    const struct latency_point *a = &points->at[at.i];
    return between(a[0].rejected, a[1].rejected, at.part);
}

static void fit_throughput(const struct latency_points *points, struct latency_table *out)
{
    int full = (int)(latency_position(out->l_limit) + 0.5f);
    double x = 0.0, ended = 0.0, rejected = 0.0;
    for (int row = 0; row <= LATENCY_ROWS; row++) {
        double l = (double)latency_inside(out, latency_row_l(row));
        if (row <= full) {
            x = fmax(x * (1.0 + 1e-9), throughput_at(points, l));
            rejected =
                fmax(rejected, rejected_at(points, l)); // a fuller pod turns no fewer away, whatever was measured
            ended = rejected < 1e-6 ? x : fmax(ended, x * (1.0 - rejected));
        } else if (row == full + 1) {
            x = FULL_POD_FACTOR * fmax(x, points->capacity_rps);
        } else {
            x *= 1.5;
        }
        out->throughput[row] = (float)x;
        out->ended[row] = (float)ended;
        if (row <= full && ended >= x)
            out->ended[row] = out->throughput[row];
        out->rejected[row] = 1.0f - out->ended[row] / out->throughput[row];
        out->cpu_cores[row] = (float)(fmin(ended, points->capacity_rps) * points->config.cpu_s);
    }
}

/* A request's way through a pod that has held l for a while, l beyond the measured loads: it waits its turn until the
 * others before it have been served, each of them in its own time; then it shares the CPU with all in place. */
struct overload {
    double queue_s, queue_sd_s; /* before the place: mean, deviation */
    double stretch;             /* of the CPU part in place */
};

static struct overload overload_at(const struct latency_points *points, double l)
{
    const struct pod_config *c = &points->config;
    double places = (double)c->concurrency, queued = fmax(0.0, l - places);
    double cv = c->cpu_exponential ? 1.0 : c->cpu_cv;
    double in_place_s = fmin(l, places) / points->capacity_rps;
    return (struct overload){
        .queue_s = queued / points->capacity_rps,
        .queue_sd_s = sqrt(queued) * cv / points->capacity_rps,
        .stretch = fmax(1.0, (in_place_s - c->wait_s) / c->cpu_s),
    };
}

struct samples {
    struct pod_request demand[SAMPLES];
    double normal[SAMPLES];
};

static void draw_samples(const struct pod_config *config, uint64_t seed, struct samples *out)
{
    struct rng rng;
    rng_init(&rng, seed, FIT_STREAM);
    for (int i = 0; i < SAMPLES; i++) {
        pod_draw(config, &rng, &out->demand[i]);
        out->normal[i] = rng_normal(&rng);
    }
}

/* Latencies under overload; returns the share that the time-out cuts off. */
static double overload_levels(const struct latency_points *points, const struct samples *samples, double l,
                              double *level_ms)
{
    const struct overload o = overload_at(points, l);
    float fine[FINE_BINS] = {0};
    double over = 0.0;
    for (int i = 0; i < SAMPLES; i++) {
        const struct pod_request *r = &samples->demand[i];
        double queue_s = fmax(0.0, o.queue_s + o.queue_sd_s * samples->normal[i]);
        double s = queue_s + o.stretch * r->cpu_s + r->wait_s;
        if (s < points->config.timeout_s)
            fine[latency_fine_bin(1000.0 * s)] += 1.0f;
        else
            over += 1.0 / SAMPLES;
    }
    latency_read_levels(fine, SAMPLES, points->config.timeout_s * 1000.0, level_ms);
    return over;
}

/* Share within ms by the levels, log-linear between them. */
static double share_within(const double *level_ms, double ms)
{
    if (ms < level_ms[0])
        return latency_level(0) * ms / level_ms[0];
    if (ms >= level_ms[LATENCY_LEVELS - 1])
        return 1.0;
    int level = 0;
    while (level_ms[level + 1] <= ms)
        level++;
    double part = log(ms / level_ms[level]) / log(level_ms[level + 1] / level_ms[level]);
    return between(latency_level(level), latency_level(level + 1), part);
}

struct row {
    double share[LATENCY_BINS];
    double mean_ms;
    double failed;
};

static void shares_of(const struct latency_table *t, const double *level_ms, struct row *out)
{
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        out->share[bin] = share_within(level_ms, (double)t->bound_ms[bin]);
}

/* Part of the way from point a to point b at which the mean stay is that of L. */
static double mean_part(const struct latency_point *a, const struct latency_point *b, double mean_s, double other)
{
    double from = a->l / a->rate_rps, to = b->l / b->rate_rps;
    return to > 1.001 * from ? fmax(0.0, fmin(1.0, (mean_s - from) / (to - from))) : other;
}

static void row_between(const struct latency_points *points, const struct latency_table *t, double l, struct row *out)
{
    struct place at = find_place(points, l);
    const struct latency_point *a = &points->at[at.i], *b = a + 1;
    double inside_rps = throughput_at(points, l) * (1.0 - rejected_at(points, l));
    double mean_s = fmax(l, points->at[0].l) / fmax(inside_rps, points->at[0].rate_rps);
    if (b->load <= MIXED_UP_TO) {
        double part = mean_part(a, b, mean_s, at.part);
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            out->share[bin] = between(share_within(a->level_ms, (double)t->bound_ms[bin]),
                                      share_within(b->level_ms, (double)t->bound_ms[bin]), part);
    } else {
        double level_ms[LATENCY_LEVELS];
        for (int level = 0; level < LATENCY_LEVELS; level++)
            level_ms[level] = a->level_ms[level] * pow(b->level_ms[level] / a->level_ms[level], at.part);
        shares_of(t, level_ms, out);
    }
    out->mean_ms = 1000.0 * mean_s * between(a->clip, b->clip, at.part);
    out->failed = between(a->failed, b->failed, at.part);
}

/* Beyond the points. The longer the overload, the less the latencies look like those of the last load that could be
 * sustained, and the more like those of a queue of known length: weight l_last / l. Fluid queues that lose to time-outs keep
 * capacity x time-out / L of what comes. */
static void row_beyond(const struct latency_points *points, const struct samples *samples,
                       const struct latency_table *t, double l, struct row *out)
{
    double level_ms[LATENCY_LEVELS];
    const struct latency_point *last = &points->at[points->n - 1];
    const double timeout_ms = points->config.timeout_s * 1000.0;
    double over = overload_levels(points, samples, l, level_ms);
    double x = throughput_at(points, l), w = last->load < 1.0 ? last->l / l : 1.0;
    double grown = l / x * last->rate_rps / last->l;
    for (int level = 0; level < LATENCY_LEVELS; level++)
        level_ms[level] = fmin(timeout_ms, pow(last->level_ms[level] * grown, w) * pow(level_ms[level], 1.0 - w));
    shares_of(t, level_ms, out);
    double kept = points->capacity_rps * points->config.timeout_s / l;
    double lost = kept >= 1.0 ? fmin(0.5, over) : fmax(0.5, 1.0 - kept);
    out->failed = between(last->load < 1.0 ? lost : fmax(last->failed, 1.0 - kept), last->failed, w);
    out->mean_ms = fmin(timeout_ms, 1000.0 * l / x);
}

static void store_row(const struct row *r, int row, struct latency_table *out)
{
    for (int bin = 0; bin < LATENCY_BINS - 2; bin++)
        out->cdf[row][bin] = (float)fmin(r->share[bin], 1.0 - r->failed);
    out->cdf[row][LATENCY_BINS - 2] = (float)(1.0 - r->failed);
    out->cdf[row][LATENCY_BINS - 1] = 1.0f;
    out->failed[row] = (float)r->failed;
    out->mean_ms[row] = (float)r->mean_ms;
}

static void fit_rows(const struct latency_points *points, uint64_t seed, struct latency_table *out)
{
    struct samples samples;
    struct row last = {0};
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        last.share[bin] = 1.0;
    draw_samples(&points->config, seed, &samples);
    for (int row = 0; row < LATENCY_ROWS; row++) {
        double l = (double)latency_inside(out, fminf(latency_row_l(row), out->l_limit));
        struct row r;
        if (l <= points->at[points->n - 1].l)
            row_between(points, out, l, &r);
        else
            row_beyond(points, &samples, out, l, &r);
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            r.share[bin] = fmin(r.share[bin], last.share[bin]);
        r.failed = fmax(r.failed, last.failed);
        r.mean_ms = fmin(fmax(r.mean_ms, last.mean_ms), (double)out->timeout_ms);
        store_row(&r, row, out);
        last = r;
    }
}

/* Log-spaced from below anything measured to just under the time-out, then the time-out. */
static void fit_bounds(const struct latency_points *points, struct latency_table *out)
{
    const double low = 0.9 * points->at[0].level_ms[0], high = 999.0 * points->config.timeout_s;
    for (int bin = 0; bin < LATENCY_BINS - 1; bin++)
        out->bound_ms[bin] = (float)(low * pow(high / low, (double)bin / (LATENCY_BINS - 2)));
    out->bound_ms[LATENCY_BINS - 1] = out->timeout_ms;
}

static double normal_above(double x)
{
    return 0.5 * erfc(x * 0.70710678118654752440);
}

/* Of many requests that share the CPU, each somewhere in its demand of mean 1: the share with more than v to go, and what
 * these have to go beyond v. Log-normal demands. */
static void residual_above(double sigma, double v, double *share, double *work)
{
    if (sigma < 1e-6) {
        *share = fmax(0.0, 1.0 - v);
        *work = 0.5 * *share * *share;
        return;
    }
    double z = (log(v) + 0.5 * sigma * sigma) / sigma;
    double above = normal_above(z), mean = normal_above(z - sigma);
    double square = exp(sigma * sigma) * normal_above(z - 2.0 * sigma);
    *share = fmax(0.0, mean - v * above);
    *work = fmax(0.0, 0.5 * square - v * mean + 0.5 * v * v * above);
}

/* A full pod on its way to empty. Those who wait for others, or have a core of their own, leave at their own pace. */
struct draining {
    double places, sigma;
    double sharing; /* share of the places */
};

/* Requests in place, and their work in requests, once v of every demand has been done. */
static double in_place(const struct draining *d, double v, double *work)
{
    double share, left;
    residual_above(d->sigma, v, &share, &left);
    *work = d->places * (d->sharing * left + (1.0 - d->sharing) * share);
    return d->places * share;
}

/* v at which so much work is left, or so few requests are. */
static double solve_done(const struct draining *d, double work, double fewest)
{
    double low = 1e-6, high = 1e3;
    for (int i = 0; i < 30; i++) {
        double v = sqrt(low * high), left, inside = in_place(d, v, &left);
        if (inside > fewest && left > work)
            low = v;
        else
            high = v;
    }
    return low;
}

static struct draining draining_of(const struct latency_points *points)
{
    const struct pod_config *c = &points->config;
    double cv = c->cpu_exponential ? 1.0 : c->cpu_cv;
    double alone = c->wait_s * points->capacity_rps + c->cores;
    return (struct draining){.places = c->concurrency,
                             .sigma = sqrt(log1p(cv * cv)),
                             .sharing = c->cpu_exponential ? 0.0 : fmax(0.0, 1.0 - alone / c->concurrency)};
}

/* The last tenth of those in place drowns in new arrivals. */
static const double DROWNED = 0.1;

static void fit_inside(const struct latency_points *points, struct latency_table *out)
{
    const struct draining d = draining_of(points);
    double full, work;
    double places = in_place(&d, 1e-6, &full);
    out->l_limit = (float)(full + points->config.backlog);
    for (int row = 0; row <= LATENCY_ROWS; row++) {
        double l = (double)latency_row_l(row), inside = places + (l - full);
        if (l < full) {
            inside = in_place(&d, solve_done(&d, l, DROWNED * places), &work);
            inside *= fmin(1.0, l / work);
        }
        out->inside[row] = (float)inside;
    }
}

void latency_fit(struct latency_points *points, uint64_t seed, struct latency_table *out)
{
    assert(points->n >= 2);
    settle_points(points);
    out->capacity_rps = (float)points->capacity_rps;
    out->cpu_per_request_s = (float)points->config.cpu_s;
    out->timeout_ms = (float)(points->config.timeout_s * 1000.0);
    fit_inside(points, out);
    fit_throughput(points, out);
    fit_bounds(points, out);
    fit_rows(points, seed, out);
}
