/* fluid: the portable kernel, the choice between kernels, and what they share. In: struct fluid_run. The AVX2 twin is in
 * fluid_avx2.c; a test compares their bits. */
#include "fluid_mix.h"

#include <maestro/cpu.h>

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

#define SIXTEENTHS(n) (((float)(n) + 0.5f) / (float)FLUID_DITHER)
const float fluid_dither[FLUID_DITHER + FLUID_LANES] = {
    SIXTEENTHS(0), SIXTEENTHS(8),  SIXTEENTHS(4), SIXTEENTHS(12), SIXTEENTHS(2), SIXTEENTHS(10),
    SIXTEENTHS(6), SIXTEENTHS(14), SIXTEENTHS(1), SIXTEENTHS(9),  SIXTEENTHS(5), SIXTEENTHS(13),
    SIXTEENTHS(3), SIXTEENTHS(11), SIXTEENTHS(7), SIXTEENTHS(15), SIXTEENTHS(0), SIXTEENTHS(8),
    SIXTEENTHS(4), SIXTEENTHS(12), SIXTEENTHS(2), SIXTEENTHS(10), SIXTEENTHS(6), SIXTEENTHS(14)};

static void count_pod(struct fluid_run *run, int pod, int second, float came)
{
    struct fluid_pods *p = run->pods;
    int lane = pod % FLUID_LANES;
    float dither = fluid_dither[(p->second + (uint32_t)second) % FLUID_DITHER + (uint32_t)lane];
    int32_t row = (int32_t)(latency_position(p->l[pod]) + dither);
    row = row < LATENCY_ROWS - 1 ? row : LATENCY_ROWS - 1;
    p->count[run->table->row_map[p->level[pod]][row]][lane % FLUID_COLUMNS] += came;
}

/* One pod, one second: y = L + arrivals * share; L' from the table; y - L' requests leave. */
static void settle_pod(struct fluid_run *run, int pod, int second)
{
    const struct fluid_table *t = run->table;
    struct fluid_pods *p = run->pods;
    float came = run->arrivals[second] * p->share[pod];
    float y = p->l[pod] + came;
    float step = y * p->per_step[pod];
    step = step < (float)(FLUID_GRID - 1) ? step : (float)(FLUID_GRID - 1);
    const struct fluid_line *line = &t->line[p->level[pod] * FLUID_GRID + (int32_t)step];
    float inside = line->intercept + line->slope * y;
    inside = inside < t->l_top ? inside : t->l_top;
    float left = y - inside;
    p->l[pod] = inside;
    if (inside > t->reject_from) {
        float ended = fluid_turn_away(run, pod, left);
        came = came - (left - ended);
        came = came > 0.0f ? came : 0.0f;
        left = ended;
    }
    p->served[pod] += left;
    run->ended[pod % FLUID_LANES] += left;
    count_pod(run, pod, second, came);
}

void fluid_run_plain(struct fluid_run *run)
{
    for (int first = 0; first < run->n_pods; first += FLUID_BLOCK) {
        int end = first + FLUID_BLOCK < run->n_pods ? first + FLUID_BLOCK : run->n_pods;
        for (int s = 0; s < run->n_seconds; s++)
            for (int pod = first; pod < end; pod++)
                settle_pod(run, pod, s);
    }
    fluid_count(run);
}

void fluid_count(struct fluid_run *run)
{
    for (int lane = 0; lane < FLUID_LANES; lane++)
        run->pods->past.ended += run->ended[lane];
    run->pods->past.seconds += (float)run->n_seconds;
    run->pods->second += (uint32_t)run->n_seconds;
}

struct fluid_sums fluid_mix_plain(const struct fluid_table *t, struct fluid_pods *pods, float *count)
{
    return mix_latencies(t, pods, count);
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

struct fluid_sums fluid_mix(const struct fluid_table *t, struct fluid_pods *pods, float *count)
{
#ifdef SIM_HAVE_AVX2
    if (cpu_has_avx2())
        return fluid_mix_avx2(t, pods, count);
#endif
    return fluid_mix_plain(t, pods, count);
}
