/* latency: how one pod of a service behaves as a function of L, the mean work inside it. L counts in requests: one that waits
 * for a place is 1, one in place what is left of it. Work drains at the pace of the CPU; the number of requests does not: in a
 * full pod each is somewhere in its demand, and as nobody follows, the rest leaves ever faster where demands are alike
 * (cv < 1), and ever more slowly where few are long (cv > 1). A table is measured once per service from the request-level pod
 * model (envs/sim/pod.h) and then read by the fast simulator, which follows only L per pod and second: dL/dt = arrivals -
 * throughput(L), the pointwise stationary fluid flow approximation (Rider 1976; Wang, Tipper and Banerjee 1996).
 *
 * The rows already contain the noise of Poisson arrivals at a pod: drive L with mean rates, and keep Poisson noise for the
 * counters. A table is flat data without pointers, immutable after latency_table_measure, shared by all threads. */
#ifndef MAESTRO_LATENCY_H
#define MAESTRO_LATENCY_H

#include <maestro/err.h>
#include <stdint.h>
#include <string.h>

struct service_model; /* profile.h */

#define LATENCY_OCTAVE_ROWS 8 /* rows per octave of L */
#define LATENCY_LOG2_MIN (-8) /* row 0 starts at L = 2^-8 and stands for everything below */
#define LATENCY_LOG2_MAX 14   /* the last row stands for everything above 2^14 */
/* Rows stand for the L at their lower edge. Between two, count requests in either, in proportion: always taking the lower one
 * biases by 6 %. */
#define LATENCY_ROWS ((LATENCY_LOG2_MAX - LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS)
#define LATENCY_BINS 80 /* latency bounds per row, log-spaced, the last is the time-out */

struct latency_table {
    float bound_ms[LATENCY_BINS]; /* increasing; the last is the time-out, the last but one just below it */
    /* Share of the requests ending inside the pod at that L that do so within bound_ms; the last is 1. Requests given up
     * enter at the time-out; failed[] is their share. Requests turned away at the door are not in here. */
    float cdf[LATENCY_ROWS][LATENCY_BINS];
    float failed[LATENCY_ROWS];
    float mean_ms[LATENCY_ROWS]; /* mean latency of the same, failures at the time-out */
    /* Values on the grid of L; read with latency_interpolate. */
    float throughput[LATENCY_ROWS + 1]; /* requests/s that leave one warm pod, those turned away at the door included */
    float ended[LATENCY_ROWS + 1];      /* of these the ones that end inside, served or given up; the rest was turned
                                           away (503: concurrency and backlog are full) */
    float rejected[LATENCY_ROWS + 1];   /* 1 - ended / throughput, exactly 0 where nobody is turned away */
    float cpu_cores[LATENCY_ROWS + 1];  /* CPU seconds used per second */
    float inside[LATENCY_ROWS + 1];     /* requests */
    float capacity_rps;                 /* most that one warm pod serves; given up and rejected ones come on top */
    float l_limit;                      /* L with all places and the whole backlog taken */
    float cpu_per_request_s;            /* mean CPU seconds that a request needs at speed 1 */
    float timeout_ms;
};

/* Lower edge of a row: L = 2^(LATENCY_LOG2_MIN + row / LATENCY_OCTAVE_ROWS) with linear steps inside an octave (float bits),
 * so octave o, step s: 2^o (1 + s / LATENCY_OCTAVE_ROWS). */
static inline float latency_row_l(int row)
{
    uint32_t bits = ((uint32_t)row + (uint32_t)(127 + LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS) << (23 - 3);
    float l;
    memcpy(&l, &bits, sizeof l);
    return l;
}

/* Position of L on the row grid, 0 <= p <= LATENCY_ROWS: the whole part is the row, the rest how far towards the next.
 * From the bits of the float: no branch, no libm; vectorises. Linear in L inside a row. */
static inline float latency_position(float l)
{
    uint32_t bits;
    memcpy(&bits, &l, sizeof bits);
    float p = (float)((int32_t)bits - ((127 + LATENCY_LOG2_MIN) << 23)) * (1.0f / (float)(1 << (23 - 3)));
    p = p < 0.0f ? 0.0f : p;
    return p > (float)LATENCY_ROWS ? (float)LATENCY_ROWS : p;
}

/* The row at or below this L (L >= 0). */
static inline int latency_row(float l)
{
    int row = (int)latency_position(l);
    return row < LATENCY_ROWS ? row : LATENCY_ROWS - 1;
}

/* values[LATENCY_ROWS + 1] on the grid, linear between; below the first row proportional to x. */
static inline float latency_interpolate(const float *values, float x)
{
    float p = latency_position(x);
    int row = (int)p;
    row = row < LATENCY_ROWS ? row : LATENCY_ROWS - 1;
    float between = values[row] + (p - (float)row) * (values[row + 1] - values[row]);
    float x0 = 1.0f / (float)(1 << -LATENCY_LOG2_MIN);
    return x < x0 ? values[0] * (x / x0) : between;
}

/* Requests inside a pod at L. */
static inline float latency_inside(const struct latency_table *t, float l)
{
    return latency_interpolate(t->inside, l);
}

/* Requests/s that leave a warm pod at l. */
static inline float latency_throughput(const struct latency_table *t, float l)
{
    return latency_interpolate(t->throughput, l);
}

/* Share of the requests leaving such a pod that it never served. Exactly 0 well below l_limit. */
static inline float latency_rejected(const struct latency_table *t, float l)
{
    float l0 = 1.0f / (float)(1 << -LATENCY_LOG2_MIN);
    l = l > l0 ? l : l0;
    return 1.0f - latency_interpolate(t->ended, l) / latency_interpolate(t->throughput, l);
}

/* One second of the fluid equation at a speed (1: warm; less: warm-up, CPU stolen), implicit (backward Euler: stable however
 * short the service time) and conserving: the L' with L' + speed * throughput(L') * 1 s = y, where y = L + arrivals in that
 * second. y - L' requests leave in that second, of which the share latency_rejected(L') was turned away and the rest ended
 * inside, served or given up. L' stays close to l_limit at most by itself: nothing needs to be clamped. */
float latency_settle_at(const struct latency_table *t, float y, float speed);

/* The row whose latencies describe a pod at L that runs at another speed: mean latency of row(L) over speed. */
int latency_row_at(const struct latency_table *t, float l, float speed);

/* L from the requests inside: the inverse of latency_inside. */
float latency_from_inside(const struct latency_table *t, float inside);

/* L of a pod that has been fed arrival_rps for long; l_limit at or above capacity. */
float latency_steady_l(const struct latency_table *t, float arrival_rps);

/* Share of a row's requests within ms; between bounds, exponential. */
double latency_cdf(const struct latency_table *t, int row, double ms);

/* Inside a bin latencies are taken to be exponential: the logarithm of what takes longer falls evenly (where nobody takes
 * longer than the bin, what takes longer itself). Part of the bin, 0..1, at which it has fallen to `longer`. */
double latency_part(double longer_low, double longer_high, double longer);

/* Quantile q of a mix of rows, counts[LATENCY_ROWS] requests each, in ms; NaN where there are none. */
double latency_quantile(const struct latency_table *t, const double *counts, double q);

/* Several quantiles of a cumulative mix: mix[LATENCY_BINS] = sum over rows of count * cdf. total > 0. */
void latency_mix(const struct latency_table *t, const double *counts, double *mix);
double latency_mix_quantile(const struct latency_table *t, const double *mix, double total, double q);

/* Measures the table: about 24 loads up to 0.97 of capacity in the pod model, about 50 ms of one core; overload rows
 * follow from the service's parameters. Same service and seed, same table. Fails (ERR_USAGE) on a service that cannot work
 * (no CPU, no concurrency, time-out below the mean request). */
MUST_CHECK bool latency_table_measure(const struct service_model *service, uint64_t seed, struct latency_table *out,
                                      struct err *e);

/* The same with effort times the requests (tests of theory; final tables). */
MUST_CHECK bool latency_table_measure_well(const struct service_model *service, uint64_t seed, int effort,
                                           struct latency_table *out, struct err *e);

#endif
