/* latency: reading a latency table: one-second steps of pods at any speed, mixes of rows, quantiles. Comes in: a table, L and
 * counts by row. Goes out: numbers. It does not make tables: that is latency_measure.c. */
#include <maestro/latency.h>

#include <math.h>

/* The position on a rising grid of values at which they reach x, by bisection. */
static float grid_find(const float *values /* [LATENCY_ROWS + 1] */, float x)
{
    int low = 0, high = LATENCY_ROWS;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (values[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    float step = values[high] - values[low];
    float part = step > 0.0f ? (x - values[low]) / step : 0.0f;
    part = part < 0.0f ? 0.0f : part > 1.0f ? 1.0f : part;
    float l = latency_row_l(low);
    return l + part * (latency_row_l(high) - l);
}

float latency_settle_at(const struct latency_table *t, float y, float speed)
{
    int low = 0, high = LATENCY_ROWS;
    float y0 = latency_row_l(0) + speed * t->throughput[0];
    if (y <= y0)
        return latency_row_l(0) * (y / y0);
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (latency_row_l(middle) + speed * t->throughput[middle] <= y)
            low = middle;
        else
            high = middle;
    }
    float l = latency_row_l(low), l1 = latency_row_l(high);
    float at = l + speed * t->throughput[low], at1 = l1 + speed * t->throughput[high];
    float part = (y - at) / (at1 - at);
    return l + (part > 1.0f ? 1.0f : part) * (l1 - l);
}

int latency_row_at(const struct latency_table *t, float l, float speed)
{
    int row = latency_row(l);
    float wanted = t->mean_ms[row] / speed;
    while (row < LATENCY_ROWS - 1 && t->mean_ms[row] < wanted)
        row++;
    while (row > 0 && t->mean_ms[row] > wanted)
        row--;
    return row;
}

float latency_from_inside(const struct latency_table *t, float inside)
{
    return inside <= t->inside[0] ? latency_row_l(0) * (inside / t->inside[0]) : grid_find(t->inside, inside);
}

float latency_steady_l(const struct latency_table *t, float arrival_rps)
{
    if (arrival_rps <= t->throughput[0])
        return latency_row_l(0) * (arrival_rps / t->throughput[0]);
    return grid_find(t->throughput, arrival_rps);
}

double latency_part(double longer_low, double longer_high, double longer)
{
    if (longer_low <= longer_high)
        return 1.0;
    if (longer_high < 1e-6 * longer_low)
        return (longer_low - longer) / (longer_low - longer_high);
    return log(longer / longer_low) / log(longer_high / longer_low);
}

/* The inverse of latency_part. */
static double longer_at(double longer_low, double longer_high, double part)
{
    if (longer_high < 1e-6 * longer_low)
        return longer_low + part * (longer_high - longer_low);
    return longer_low * pow(longer_high / longer_low, part);
}

double latency_cdf(const struct latency_table *t, int row, double ms)
{
    const float *share = t->cdf[row];
    if (ms >= (double)t->timeout_ms)
        return 1.0;
    if (ms <= (double)t->bound_ms[0])
        return ms > 0.0 ? (double)share[0] * ms / (double)t->bound_ms[0] : 0.0;
    int low = 0, high = LATENCY_BINS - 1;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if ((double)t->bound_ms[middle] <= ms)
            low = middle;
        else
            high = middle;
    }
    if (high == LATENCY_BINS - 1)
        return (double)share[low]; // the rest failed, at the time-out itself
    double low_ms = (double)t->bound_ms[low], high_ms = (double)t->bound_ms[high];
    return 1.0 - longer_at(1.0 - (double)share[low], 1.0 - (double)share[high], (ms - low_ms) / (high_ms - low_ms));
}

void latency_mix(const struct latency_table *t, const double *counts, double *mix)
{
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        mix[bin] = 0.0;
    for (int row = 0; row < LATENCY_ROWS; row++) {
        if (counts[row] <= 0.0)
            continue;
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            mix[bin] += counts[row] * (double)t->cdf[row][bin];
    }
}

double latency_mix_quantile(const struct latency_table *t, const double *mix, double total, double q)
{
    double wanted = q * total;
    int high = 0;
    while (high < LATENCY_BINS - 1 && mix[high] < wanted)
        high++;
    if (high == 0)
        return mix[0] > 0.0 ? (double)t->bound_ms[0] * wanted / mix[0] : (double)t->bound_ms[0];
    double low_ms = (double)t->bound_ms[high - 1], high_ms = (double)t->bound_ms[high];
    double part = latency_part(total - mix[high - 1], fmax(0.0, total - mix[high]), total - wanted);
    return low_ms + fmin(1.0, part) * (high_ms - low_ms);
}

double latency_quantile(const struct latency_table *t, const double *counts, double q)
{
    double mix[LATENCY_BINS];
    double total = 0.0;
    for (int row = 0; row < LATENCY_ROWS; row++)
        total += counts[row];
    if (total <= 0.0)
        return (double)NAN;
    latency_mix(t, counts, mix);
    return latency_mix_quantile(t, mix, total, q);
}
