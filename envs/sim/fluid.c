/* fluid: the portable kernel, the choice between kernels, and what they share. In: struct fluid_run. The AVX2 twin is in
 * fluid_avx2.c; a test compares their bits. */
#include "fluid.h"

#include <maestro/cpu.h>

#define LOWEST_L (1.0f / (float)(1 << -LATENCY_LOG2_MIN))

/* latency_row from the bits of L. */
static inline int32_t row_of(float l)
{
    union {
        float f;
        int32_t bits;
    } u = {.f = l > LOWEST_L ? l : LOWEST_L};
    int32_t row = (u.bits >> 20) - (127 + LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS;
    return row < LATENCY_ROWS - 1 ? row : LATENCY_ROWS - 1;
}

void fluid_release(const struct fluid_table *t, struct fluid_pods *p, int first, int end, float *cells)
{
    for (int pod = first; pod < end; pod++) {
        float held = p->held[pod];
        if (held <= 0.0f)
            continue;
        int row = p->held_row[pod], next = row + 1 < LATENCY_ROWS ? row + 1 : row;
        float part = latency_position(p->held_l[pod] / held) - (float)row;
        part = part > 0.0f ? part : 0.0f;
        part = part < 1.0f ? part : 1.0f;
        cells[t->row_map[p->level[pod]][row]] += held * (1.0f - part);
        cells[t->row_map[p->level[pod]][next]] += held * part;
        p->held[pod] = 0.0f;
        p->held_l[pod] = 0.0f;
    }
}

float fluid_turn_away(struct fluid_run *run, int pod, float left)
{
    const struct fluid_table *t = run->table;
    const float l = run->pods->l[pod], most = t->capacity_rps[run->pods->level[pod]];
    float served = left * (1.0f - latency_rejected(t->latency, l));
    if (l >= t->l_top) // full: whoever does not leave by being served finds the door closed
        served = left;
    served = served < most ? served : most;
    run->rejected += left - served;
    return served;
}

/* One pod, one second: y = L + arrivals * share; L' from the table; y - L' requests leave. seen follows L with twice the
 * mean stay, L / (requests leaving per second), as its time constant: the slow requests that make the p95 came that long ago. */
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
    float leaving = 0.5f * left / (inside > LOWEST_L ? inside : LOWEST_L);
    leaving = leaving < 1.0f ? leaving : 1.0f;
    float seen = p->seen[pod] + leaving * (inside - p->seen[pod]);
    p->seen[pod] = seen;
    if (inside > t->reject_from)
        left = fluid_turn_away(run, pod, left);
    p->served[pod] += left;
    int32_t row = row_of(seen);
    if (row != p->held_row[pod]) {
        fluid_release(t, p, pod, pod + 1, run->cells);
        p->held_row[pod] = row;
    }
    p->held[pod] += left;
    p->held_l[pod] += left * seen;
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
