/* fluid: the portable kernel, the choice between kernels, and what they share. In: struct fluid_run. The AVX2 twin is in
 * fluid_avx2.c; a test compares their bits. */
#include "fluid.h"

#include <maestro/cpu.h>

/* latency_row from the bits of L. */
static inline int32_t row_of(float l)
{
    const float lowest = 1.0f / (float)(1 << -LATENCY_LOG2_MIN);
    union {
        float f;
        int32_t bits;
    } u = {.f = l > lowest ? l : lowest};
    int32_t row = (u.bits >> 20) - (127 + LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS;
    return row < LATENCY_ROWS - 1 ? row : LATENCY_ROWS - 1;
}

void fluid_release(const struct fluid_table *t, struct fluid_pods *p, int first, int end, float *cells)
{
    for (int pod = first; pod < end; pod++) {
        cells[t->row_map[p->level[pod]][p->held_row[pod]]] += p->held[pod];
        p->held[pod] = 0.0f;
    }
}

float fluid_turn_away(struct fluid_run *run, int pod, float left)
{
    const struct fluid_table *t = run->table;
    float served = left * (1.0f - latency_rejected(t->latency, run->pods->l[pod]));
    float most = t->capacity_rps[run->pods->level[pod]];
    served = served < most ? served : most;
    run->rejected += left - served;
    return served;
}

/* One pod, one second: y = L + arrivals * share; L' from the table; y - L' requests leave. */
static void settle_pod(struct fluid_run *run, int pod, float arrivals)
{
    const struct fluid_table *t = run->table;
    struct fluid_pods *p = run->pods;
    float y = p->l[pod] + arrivals * p->share[pod];
    float step = y * p->per_step[pod];
    step = step < (float)(FLUID_GRID - 1) ? step : (float)(FLUID_GRID - 1);
    int32_t node = p->level[pod] * FLUID_GRID + (int32_t)step;
    float inside = t->intercept[node] + t->slope[node] * y;
    inside = inside < t->l_top ? inside : t->l_top;
    float left = y - inside;
    p->l[pod] = inside;
    if (inside > t->reject_from)
        left = fluid_turn_away(run, pod, left);
    p->served[pod] += left;
    int32_t row = row_of(inside);
    if (row != p->held_row[pod]) {
        fluid_release(t, p, pod, pod + 1, run->cells);
        p->held_row[pod] = row;
    }
    p->held[pod] += left;
}

void fluid_run_plain(struct fluid_run *run)
{
    for (int s = 0; s < run->n_seconds; s++)
        for (int pod = 0; pod < run->n_pods; pod++)
            settle_pod(run, pod, run->arrivals[s]);
}

void fluid_run(struct fluid_run *run)
{
#ifdef SIM_HAVE_AVX2
    if (cpu_has_avx2()) {
        fluid_run_avx2(run);
        return;
    }
#endif
    fluid_run_plain(run);
}

struct fluid_sums fluid_mix(const struct latency_table *t, float *restrict cells, float *restrict mix)
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
