/* fluid_mix: from rows to latencies: who came to pods in which state becomes who ended with which latency. In: what pods hold,
 * cells, the past. Out: counts by bin. Written once and compiled once per instruction set (fluid.c, fluid_avx2.c include it): every loop
 * goes over bins or keeps its sum in lanes, so that the compiler's vectors give the plain loop's bits. */
#ifndef SIM_FLUID_MIX_H
#define SIM_FLUID_MIX_H

#include "fluid.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CELL_ROWS 4 /* rows looked at together: most are empty */

static inline bool any_cell(float (*cells)[FLUID_COLUMNS])
{
    uint64_t bits = 0, word;
    for (size_t at = 0; at < CELL_ROWS * sizeof *cells; at += sizeof word) {
        memcpy(&word, (const unsigned char *)cells + at, sizeof word);
        bits |= word;
    }
    return bits != 0;
}

static inline void add_row(const struct latency_table *t, int row, float n, float *restrict within)
{
    const float *restrict cdf = t->cdf[row];
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        within[bin] += n * cdf[bin];
}

/* Requests let in since the last call, by the latency that their rows promise: counts by bin, cumulative. Returns the sum of
 * latencies. */
static inline float add_rows(const struct latency_table *t, float (*restrict cells)[FLUID_COLUMNS],
                             float *restrict within)
{
    float latency_ms = 0.0f;
    for (int first = 0; first < LATENCY_ROWS; first += CELL_ROWS) {
        if (!any_cell(cells + first))
            continue;
        for (int row = first; row < first + CELL_ROWS; row++) {
            float n = (cells[row][0] + cells[row][1]) + (cells[row][2] + cells[row][3]);
            if (n == 0.0f)
                continue;
            add_row(t, row, n, within);
            latency_ms += n * t->mean_ms[row];
            for (int column = 0; column < FLUID_COLUMNS; column++)
                cells[row][column] = 0.0f;
        }
    }
    return latency_ms;
}

static inline float promise(const struct latency_table *t, float (*restrict cells)[FLUID_COLUMNS],
                            float *restrict count)
{
    float within[LATENCY_BINS + 1];
    for (int bin = 0; bin <= LATENCY_BINS; bin++)
        within[bin] = 0.0f;
    float latency_ms = add_rows(t, cells, within + 1);
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        float n = within[bin + 1] - within[bin];
        count[bin] = n > 0.0f ? n : 0.0f;
    }
    return latency_ms;
}

/* Sum of a * b from a bin on, a multiple of FLUID_LANES; in lanes, so that it vectorises. */
static inline float dot_from(const float *a, const float *b, int bin)
{
    float lane[FLUID_LANES] = {0}, sum = 0.0f;
    for (; bin < LATENCY_BINS; bin += FLUID_LANES)
        for (int i = 0; i < FLUID_LANES; i++)
            lane[i] += a[bin + i] * b[bin + i];
    for (int i = 0; i < FLUID_LANES; i++)
        sum += lane[i];
    return sum;
}

static inline float sum_from(const float *a, int bin)
{
    float lane[FLUID_LANES] = {0}, sum = 0.0f;
    for (; bin < LATENCY_BINS; bin += FLUID_LANES)
        for (int i = 0; i < FLUID_LANES; i++)
            lane[i] += a[bin + i];
    for (int i = 0; i < FLUID_LANES; i++)
        sum += lane[i];
    return sum;
}

static inline void remember(struct fluid_past *past, const float *count)
{
    int at = past->n++ % FLUID_CHUNKS;
    float *restrict rate = past->rate[at], per_s = 1.0f / past->seconds;
    past->length_s[at] = past->seconds;
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        rate[bin] = count[bin] * per_s;
}

static inline int oldest_chunk(const struct fluid_past *past)
{
    return past->n > FLUID_CHUNKS ? past->n - FLUID_CHUNKS : 0;
}

/* Of the slow bins, who ends now instead of who came now: the mean rate over the ages between settled and age. What is older
 * than memory goes on as in the oldest chunk. */
static inline void recall(const struct fluid_table *f, const struct fluid_past *past, float *restrict count)
{
    const float span_s = past->seconds, most_s = f->age_s[LATENCY_BINS - 1] + span_s;
    const float *restrict settled_s = f->settled_s, *restrict age_s = f->age_s;
    const int oldest = oldest_chunk(past);
    float sum[LATENCY_BINS];
    float from_s = 0.0f;
    for (int bin = f->first_slow; bin < LATENCY_BINS; bin++)
        sum[bin] = 0.0f;
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
static inline void match(const struct fluid_table *f, struct fluid_past *past, float slow_now, float *restrict count)
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

static inline struct fluid_sums mix_latencies(const struct fluid_table *f, struct fluid_pods *pods,
                                              float *restrict count)
{
    struct fluid_past *past = &pods->past;
    const bool remembers = f->first_slow < LATENCY_BINS;
    if (remembers && past->seconds <= 0.0f) {
        memset(count, 0, LATENCY_BINS * sizeof *count);
        return (struct fluid_sums){0};
    }
    float latency_ms = promise(f->latency, pods->count, count);
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
    return (struct fluid_sums){
        .requests = sum_from(count, 0), .failed = count[LATENCY_BINS - 1], .latency_ms = latency_ms};
}

#endif
