/* fluid_avx2: the fluid kernel for eight pods at a time, and fluid_mix with wider vectors. In and out as their plain twins, bit
 * for bit: the same single operations in the same order per pod. The build gives this file its own flags; nothing else may
 * be in it. */
#include "fluid_mix.h"

#include <immintrin.h>

/* Eight pods through one stretch, in registers. */
struct lanes {
    __m256 l, share, served, per_step;
    __m256i base, map; // of their level in the tables of lines and of rows
};

static inline struct lanes load_lanes(const struct fluid_pods *p, int first)
{
    __m256i level = _mm256_loadu_si256((const __m256i *)(const void *)(p->level + first));
    return (struct lanes){
        .l = _mm256_loadu_ps(p->l + first),
        .share = _mm256_loadu_ps(p->share + first),
        .served = _mm256_loadu_ps(p->served + first),
        .per_step = _mm256_loadu_ps(p->per_step + first),
        .base = _mm256_slli_epi32(level, 8), // * FLUID_GRID
        .map = _mm256_mullo_epi32(level, _mm256_set1_epi32(LATENCY_ROWS)),
    };
}

static inline void store_lanes(const struct lanes *v, struct fluid_pods *p, int first)
{
    _mm256_storeu_ps(p->l + first, v->l);
    _mm256_storeu_ps(p->served + first, v->served);
}

/* Rare: some pods are near their limit. */
static __attribute__((noinline)) __m256 turn_away(struct fluid_run *run, int first, __m256 inside, __m256 left,
                                                  int mask)
{
    _Alignas(32) float each[FLUID_LANES];
    _mm256_store_ps(each, left);
    _mm256_storeu_ps(run->pods->l + first, inside);
    for (int i = 0; i < FLUID_LANES; i++)
        if (mask >> i & 1)
            each[i] = fluid_turn_away(run, first + i, each[i]);
    return _mm256_load_ps(each);
}

/* Two lines side by side, their numbers in one word. */
static inline __m128 fetch_two(const struct fluid_line *line, uint64_t nodes)
{
    const struct fluid_line *a = line + (uint32_t)nodes, *b = line + (nodes >> 32);
    __m128 low = _mm_castpd_ps(_mm_load_sd((const double *)(const void *)a));
    return _mm_loadh_pi(low, (const __m64 *)(const void *)b);
}

/* Intercepts and slopes of eight lines. Single loads: a gather takes longer. */
static inline void fetch_lines(const struct fluid_line *line, __m256i node, __m256 *intercept, __m256 *slope)
{
    __m128i a = _mm256_castsi256_si128(node), b = _mm256_extracti128_si256(node, 1);
    __m128 line_01 = fetch_two(line, (uint64_t)_mm_cvtsi128_si64(a));
    __m128 line_23 = fetch_two(line, (uint64_t)_mm_extract_epi64(a, 1));
    __m128 line_45 = fetch_two(line, (uint64_t)_mm_cvtsi128_si64(b));
    __m128 line_67 = fetch_two(line, (uint64_t)_mm_extract_epi64(b, 1));
    __m256 low = _mm256_set_m128(line_45, line_01), high = _mm256_set_m128(line_67, line_23);
    *intercept = _mm256_shuffle_ps(low, high, 0x88);
    *slope = _mm256_shuffle_ps(low, high, 0xdd);
}

/* latency_position */
static inline __m256 positions(__m256 l)
{
    __m256i bits = _mm256_sub_epi32(_mm256_castps_si256(l), _mm256_set1_epi32((127 + LATENCY_LOG2_MIN) << 23));
    __m256 p = _mm256_mul_ps(_mm256_cvtepi32_ps(bits), _mm256_set1_ps(1.0f / (float)(1 << (23 - 3))));
    return _mm256_min_ps(_mm256_max_ps(p, _mm256_setzero_ps()), _mm256_set1_ps((float)LATENCY_ROWS));
}

static inline void count_lanes(struct fluid_run *run, const struct lanes *v, int first, int second, __m256 came)
{
    _Alignas(32) int32_t row[FLUID_LANES];
    _Alignas(32) float each[FLUID_LANES];
    const float *dither = fluid_dither + (run->pods->second + (uint32_t)second) % FLUID_DITHER;
    __m256i rows = _mm256_cvttps_epi32(_mm256_add_ps(positions(v->l), _mm256_loadu_ps(dither)));
    rows = _mm256_min_epi32(rows, _mm256_set1_epi32(LATENCY_ROWS - 1));
    _mm256_store_si256((__m256i *)(void *)row, _mm256_add_epi32(rows, v->map));
    _mm256_store_ps(each, came);
    const uint8_t *map = run->table->row_map[0];
    float(*count)[FLUID_COLUMNS] = run->pods->count;
    const int n = run->n_pods - first;
    for (int i = 0; i < FLUID_LANES && i < n; i++)
        count[map[row[i]]][i % FLUID_COLUMNS] += each[i];
}

static inline void settle_lanes(struct fluid_run *run, struct lanes *v, int first, int second, __m256 *ended_sum)
{
    const struct fluid_table *t = run->table;
    __m256 came = _mm256_mul_ps(_mm256_set1_ps(run->arrivals[second]), v->share);
    __m256 y = _mm256_add_ps(v->l, came);
    __m256 step = _mm256_min_ps(_mm256_mul_ps(y, v->per_step), _mm256_set1_ps((float)(FLUID_GRID - 1)));
    __m256 intercept, slope;
    fetch_lines(t->line, _mm256_add_epi32(v->base, _mm256_cvttps_epi32(step)), &intercept, &slope);
    __m256 inside = _mm256_add_ps(intercept, _mm256_mul_ps(slope, y));
    inside = _mm256_min_ps(inside, _mm256_set1_ps(t->l_top));
    __m256 left = _mm256_sub_ps(y, inside);
    v->l = inside;
    int full = _mm256_movemask_ps(_mm256_cmp_ps(inside, _mm256_set1_ps(t->reject_from), _CMP_GT_OQ));
    if (full) {
        __m256 ended = turn_away(run, first, inside, left, full);
        came = _mm256_max_ps(_mm256_sub_ps(came, _mm256_sub_ps(left, ended)), _mm256_setzero_ps());
        left = ended;
    }
    v->served = _mm256_add_ps(v->served, left);
    *ended_sum = _mm256_add_ps(*ended_sum, left);
    count_lanes(run, v, first, second, came);
}

static void run_eight(struct fluid_run *run, int first, __m256 *ended)
{
    struct lanes v = load_lanes(run->pods, first);
    __m256 sum = *ended;
    for (int s = 0; s < run->n_seconds; s++)
        settle_lanes(run, &v, first, s, &sum);
    store_lanes(&v, run->pods, first);
    *ended = sum;
}

/* Two at a time: their chains of operations overlap. */
static void run_sixteen(struct fluid_run *run, int first, __m256 *ended)
{
    struct lanes v = load_lanes(run->pods, first), w = load_lanes(run->pods, first + FLUID_LANES);
    __m256 sum = *ended;
    for (int s = 0; s < run->n_seconds; s++) {
        settle_lanes(run, &v, first, s, &sum);
        settle_lanes(run, &w, first + FLUID_LANES, s, &sum);
    }
    store_lanes(&v, run->pods, first);
    store_lanes(&w, run->pods, first + FLUID_LANES);
    *ended = sum;
}

void fluid_run_avx2(struct fluid_run *run)
{
    __m256 ended = _mm256_loadu_ps(run->ended);
    for (int first = 0; first < run->n_pods; first += FLUID_BLOCK) {
        if (run->n_pods - first > FLUID_LANES)
            run_sixteen(run, first, &ended);
        else
            run_eight(run, first, &ended);
    }
    _mm256_storeu_ps(run->ended, ended);
    fluid_count(run);
}

struct fluid_sums fluid_mix_avx2(const struct fluid_table *t, struct fluid_pods *pods, float *count)
{
    return mix_latencies(t, pods, count);
}
