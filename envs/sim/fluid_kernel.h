/* fluid_kernel: the body of the fluid kernels, compiled once per instruction set: the including file defines KERNEL(name). In:
 * struct fluid_run. Written as loops over a fixed count of lanes, which the compiler turns into vectors of any width. */
#include "fluid.h"

#include <string.h>

/* L' of one second for 16 pods: y = L + arrivals * share; L' from the table; what left is y - L'. */
static inline void settle_lanes(const struct fluid_table *t, struct fluid_pods *p, int first, float arrivals,
                                float left[FLUID_LANES])
{
    float *restrict l = p->l + first;
    float *restrict served = p->served + first;
    const float *restrict share = p->share + first;
    const float *restrict per_step = p->per_step + first;
    const int32_t *restrict level = p->level + first;
    const float *restrict intercept = t->intercept;
    const float *restrict slope = t->slope;
    const float l_top = t->l_top;
    for (int i = 0; i < FLUID_LANES; i++) {
        float y = l[i] + arrivals * share[i];
        float step = y * per_step[i];
        step = step < (float)(FLUID_GRID - 1) ? step : (float)(FLUID_GRID - 1);
        int32_t node = level[i] * FLUID_GRID + (int32_t)step;
        float inside = intercept[node] + slope[node] * y;
        inside = inside < l_top ? inside : l_top;
        left[i] = y - inside;
        l[i] = inside;
        served[i] += left[i];
    }
}

/* Rows stand for their lower edge: a regular dither over seconds and pods, 1/8, 3/8, 5/8 and 7/8 of a row, counts requests
 * in the rows below and above L in proportion. */
static inline int32_t row_dither(int32_t second)
{
    return ((second & 3) << 18) + (1 << 17);
}

/* latency_row for 16 pods at once, from the bits of L. */
static inline void find_rows(const float *restrict l, int32_t second, int32_t row[FLUID_LANES])
{
    const float lowest = 1.0f / (float)(1 << -LATENCY_LOG2_MIN);
    for (int i = 0; i < FLUID_LANES; i++) {
        union {
            float f;
            int32_t bits;
        } u = {.f = l[i] > lowest ? l[i] : lowest};
        int32_t r = ((u.bits + row_dither(second + i)) >> 20) - (127 + LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS;
        row[i] = r < LATENCY_ROWS - 1 ? r : LATENCY_ROWS - 1;
    }
}

/* Rare: a pod near its limit turns requests away; they are not served. */
static float turned_away(const struct fluid_table *t, struct fluid_pods *p, int pod, float left)
{
    float served = left * (1.0f - latency_rejected(t->latency, p->l[pod]));
    float most = t->capacity_rps[p->level[pod]];
    served = served < most ? served : most;
    float away = left - served;
    p->served[pod] -= away;
    return away;
}

static inline float count_lanes(const struct fluid_run *run, int first, int n, float *left, const int32_t *row)
{
    const struct fluid_table *t = run->table;
    float away = 0.0f;
    for (int i = 0; i < n; i++) {
        int pod = first + i;
        if (run->pods->l[pod] > t->reject_from) {
            float gone = turned_away(t, run->pods, pod, left[i]);
            away += gone;
            left[i] -= gone;
        }
        run->cells[t->row_map[run->pods->level[pod]][row[i]]] += left[i];
    }
    return away;
}

void KERNEL(fluid_run)(struct fluid_run *run)
{
    for (int first = 0; first < run->n_pods; first += FLUID_LANES) {
        int n = run->n_pods - first < FLUID_LANES ? run->n_pods - first : FLUID_LANES;
        for (int s = 0; s < run->n_seconds; s++) {
            float left[FLUID_LANES];
            int32_t row[FLUID_LANES];
            settle_lanes(run->table, run->pods, first, run->arrivals[s], left);
            find_rows(run->pods->l + first, run->first_second + s, row);
            run->rejected += count_lanes(run, first, n, left, row);
        }
    }
}

struct fluid_sums KERNEL(fluid_mix)(const struct latency_table *t, float *restrict cells, float *restrict mix)
{
    struct fluid_sums sums = {0};
    for (int row = 0; row < LATENCY_ROWS; row++) {
        float count = cells[row];
        if (count == 0.0f)
            continue;
        const float *restrict cdf = t->cdf[row];
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            mix[bin] += count * cdf[bin];
        sums.requests += count;
        sums.failed += count * t->failed[row];
        sums.latency_ms += count * t->mean_ms[row];
        cells[row] = 0.0f;
    }
    return sums;
}
