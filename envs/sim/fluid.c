/* fluid: the portable kernel, the choice between kernels, and what they share. In: struct fluid_run. The AVX2 twin is in
 * fluid_avx2.c; a test compares their bits. */
#include "fluid.h"

#include <maestro/cpu.h>
#include <string.h>

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

/* One pod, one second: y = L + arrivals * share; L' from the table; y - L' requests leave. */
static void settle_pod(struct fluid_run *run, int pod, float arrivals)
{
    const struct fluid_table *t = run->table;
    struct fluid_pods *p = run->pods;
    float came = arrivals * p->share[pod];
    float y = p->l[pod] + came;
    float step = y * p->per_step[pod];
    step = step < (float)(FLUID_GRID - 1) ? step : (float)(FLUID_GRID - 1);
    int32_t node = p->level[pod] * FLUID_GRID + (int32_t)step;
    float inside = t->intercept[node] + t->slope[node] * y;
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
    int32_t row = row_of(inside);
    if (row != p->held_row[pod]) {
        fluid_release(t, p, pod, pod + 1, run->cells);
        p->held_row[pod] = row;
    }
    p->held[pod] += came;
    p->held_l[pod] += came * inside;
}

void fluid_run_plain(struct fluid_run *run)
{
    for (int s = 0; s < run->n_seconds; s++)
        for (int pod = 0; pod < run->n_pods; pod++)
            settle_pod(run, pod, run->arrivals[s]);
    fluid_count(run);
}

void fluid_count(struct fluid_run *run)
{
    for (int lane = 0; lane < FLUID_LANES; lane++)
        run->pods->past.ended += run->ended[lane];
    run->pods->past.seconds += (float)run->n_seconds;
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

/* Requests let in since the last call, by the latency that their rows promise: counts by bin. Returns the sum of latencies. */
static float promise(const struct latency_table *t, float *restrict cells, float *restrict count)
{
    float latency_ms = 0.0f;
    for (int row = 0; row < LATENCY_ROWS; row++) {
        float n = cells[row];
        if (n == 0.0f)
            continue;
        const float *restrict cdf = t->cdf[row];
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            count[bin] += n * cdf[bin];
        latency_ms += n * t->mean_ms[row];
        cells[row] = 0.0f;
    }
    float within[LATENCY_BINS + 1] = {0};
    memcpy(within + 1, count, LATENCY_BINS * sizeof *count);
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        float n = within[bin + 1] - within[bin];
        count[bin] = n > 0.0f ? n : 0.0f;
    }
    return latency_ms;
}

/* Sum of a * b from a bin on, a multiple of FLUID_LANES; in lanes, so that it vectorises. */
static float dot_from(const float *a, const float *b, int bin)
{
    float lane[FLUID_LANES] = {0}, sum = 0.0f;
    for (; bin < LATENCY_BINS; bin += FLUID_LANES)
        for (int i = 0; i < FLUID_LANES; i++)
            lane[i] += a[bin + i] * b[bin + i];
    for (int i = 0; i < FLUID_LANES; i++)
        sum += lane[i];
    return sum;
}

static float sum_from(const float *a, int bin)
{
    float lane[FLUID_LANES] = {0}, sum = 0.0f;
    for (; bin < LATENCY_BINS; bin += FLUID_LANES)
        for (int i = 0; i < FLUID_LANES; i++)
            lane[i] += a[bin + i];
    for (int i = 0; i < FLUID_LANES; i++)
        sum += lane[i];
    return sum;
}

static void remember(struct fluid_past *past, const float *count)
{
    int at = past->n++ % FLUID_CHUNKS;
    float *restrict rate = past->rate[at], per_s = 1.0f / past->seconds;
    past->length_s[at] = past->seconds;
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        rate[bin] = count[bin] * per_s;
}

static int oldest_chunk(const struct fluid_past *past)
{
    return past->n > FLUID_CHUNKS ? past->n - FLUID_CHUNKS : 0;
}

/* Of the slow bins, who ends now instead of who came now: the mean rate over the ages between settled and age. What is older
 * than memory goes on as in the oldest chunk. */
static void recall(const struct fluid_table *f, const struct fluid_past *past, float *restrict count)
{
    const float span_s = past->seconds, most_s = f->age_s[LATENCY_BINS - 1] + span_s;
    const float *restrict settled_s = f->settled_s, *restrict age_s = f->age_s;
    const int oldest = oldest_chunk(past);
    float sum[LATENCY_BINS] = {0};
    float from_s = 0.0f;
    for (int k = past->n - 1; k >= oldest && from_s < most_s; k--) {
        float to_s = k > oldest ? from_s + past->length_s[k % FLUID_CHUNKS] : most_s;
        const float *restrict rate = past->rate[k % FLUID_CHUNKS];
        for (int bin = f->first_slow; bin < LATENCY_BINS; bin++) {
            float begin = settled_s[bin] > from_s ? settled_s[bin] : from_s;
            float end = age_s[bin] + span_s < to_s ? age_s[bin] + span_s : to_s;
            float both = end > begin ? end - begin : 0.0f;
            sum[bin] += both * rate[bin];
        }
        from_s = to_s;
    }
    for (int bin = f->first_slow; bin < LATENCY_BINS; bin++)
        count[bin] = sum[bin] * (span_s / (age_s[bin] + span_s - settled_s[bin]));
}

/* As many as left the pods. If more left than expected, these are slow ones that went ahead of their time: pods drain faster
 * than those inside could know when they came. They are missing when their time comes, among those who are more than the slow
 * that come now. With nobody expected, those who left are such as came last. */
static void match(const struct fluid_table *f, struct fluid_past *past, float slow_now, float *restrict count)
{
    const int first_slow = f->first_slow;
    float forgotten = past->seconds / f->age_s[LATENCY_BINS - 1];
    past->early *= forgotten < 1.0f ? 1.0f - forgotten : 0.0f;
    float total = sum_from(count, 0);
    for (int k = past->n - 2; total <= 0.0f && past->ended > 0.0f && k >= oldest_chunk(past); k--) {
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            count[bin] = past->rate[k % FLUID_CHUNKS][bin];
        total = sum_from(count, 0);
    }
    float slow = sum_from(count, first_slow), more = past->ended - total;
    float factor = total > 0.0f ? past->ended / total : 0.0f, slow_factor = factor;
    if (more > 0.0f && slow > 1e-3f * total) {
        past->early += more;
        factor = 1.0f;
        slow_factor = (slow + more) / slow;
    } else if (more < 0.0f && slow > 0.0f) {
        float gone = past->early < -more ? past->early : -more;
        float over = slow > slow_now ? slow - slow_now : 0.0f;
        gone = gone < over ? gone : over;
        past->early -= gone;
        factor = total > gone ? past->ended / (total - gone) : 0.0f;
        slow_factor = factor * (slow - gone) / slow;
    }
    for (int bin = 0; bin < first_slow; bin++)
        count[bin] *= factor;
    for (int bin = first_slow; bin < LATENCY_BINS; bin++)
        count[bin] *= slow_factor;
}

struct fluid_sums fluid_mix(const struct fluid_table *f, struct fluid_past *past, float *restrict cells,
                            float *restrict mix)
{
    const bool remembers = f->first_slow < LATENCY_BINS;
    if (remembers && past->seconds <= 0.0f)
        return (struct fluid_sums){0};
    float count[LATENCY_BINS] = {0};
    float latency_ms = promise(f->latency, cells, count);
    if (remembers) {
        float binned_ms = 1000.0f * dot_from(count, f->age_s, 0);
        float correction =
            binned_ms > 0.0f ? latency_ms / binned_ms : 1.0f; // a bin has one latency, a row its own mean
        remember(past, count);
        float slow_now = sum_from(count, f->first_slow);
        recall(f, past, count);
        match(f, past, slow_now, count);
        latency_ms = correction * 1000.0f * dot_from(count, f->age_s, 0);
        past->seconds = past->ended = 0.0f;
    }
    float below = 0.0f;
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        below += count[bin];
        mix[bin] += below;
    }
    return (struct fluid_sums){.requests = below, .failed = count[LATENCY_BINS - 1], .latency_ms = latency_ms};
}
