/* fluid_avx2: the fluid kernel for eight pods at a time. In and out as fluid_run_plain, bit for bit: the same single operations
 * in the same order per pod. The build gives this file its own flags; nothing else may be in it. */
#include "fluid.h"

#include <immintrin.h>

/* Eight pods through one stretch, in registers. */
struct lanes {
    __m256 l, share, served, per_step, held, held_l;
    __m256i base, row;
};

static struct lanes load_lanes(const struct fluid_pods *p, int first)
{
    __m256i level = _mm256_loadu_si256((const __m256i *)(const void *)(p->level + first));
    return (struct lanes){
        .l = _mm256_loadu_ps(p->l + first),
        .share = _mm256_loadu_ps(p->share + first),
        .served = _mm256_loadu_ps(p->served + first),
        .per_step = _mm256_loadu_ps(p->per_step + first),
        .held = _mm256_loadu_ps(p->held + first),
        .held_l = _mm256_loadu_ps(p->held_l + first),
        .base = _mm256_slli_epi32(level, 8), // * FLUID_GRID
        .row = _mm256_loadu_si256((const __m256i *)(const void *)(p->held_row + first)),
    };
}

static void store_lanes(const struct lanes *v, struct fluid_pods *p, int first)
{
    _mm256_storeu_ps(p->l + first, v->l);
    _mm256_storeu_ps(p->served + first, v->served);
    _mm256_storeu_ps(p->held + first, v->held);
    _mm256_storeu_ps(p->held_l + first, v->held_l);
    _mm256_storeu_si256((__m256i *)(void *)(p->held_row + first), v->row);
}

/* Rare: some pods are near their limit. */
static __m256 turn_away(struct fluid_run *run, int first, __m256 inside, __m256 left, int mask)
{
    _Alignas(32) float each[FLUID_LANES];
    _mm256_store_ps(each, left);
    _mm256_storeu_ps(run->pods->l + first, inside);
    for (int i = 0; i < FLUID_LANES; i++)
        if (mask >> i & 1)
            each[i] = fluid_turn_away(run, first + i, each[i]);
    return _mm256_load_ps(each);
}

/* Some pods changed rows: what these held goes into the cells. */
static void change_rows(struct fluid_run *run, struct lanes *v, int first, __m256i row, int moved)
{
    store_lanes(v, run->pods, first);
    for (int rest = moved; rest; rest &= rest - 1) {
        int pod = first + __builtin_ctz((unsigned)rest);
        fluid_release(run->table, run->pods, pod, pod + 1, run->cells);
    }
    v->held = _mm256_loadu_ps(run->pods->held + first);
    v->held_l = _mm256_loadu_ps(run->pods->held_l + first);
    v->row = row;
}

static inline __m256i rows_of(__m256 l)
{
    __m256 lowest = _mm256_set1_ps(1.0f / (float)(1 << -LATENCY_LOG2_MIN));
    __m256i bits = _mm256_castps_si256(_mm256_max_ps(l, lowest));
    __m256i row = _mm256_sub_epi32(_mm256_srai_epi32(bits, 20),
                                   _mm256_set1_epi32((127 + LATENCY_LOG2_MIN) * LATENCY_OCTAVE_ROWS));
    return _mm256_min_epi32(row, _mm256_set1_epi32(LATENCY_ROWS - 1));
}

static inline void settle_lanes(struct fluid_run *run, struct lanes *v, int first, float arrivals, __m256 *ended_sum)
{
    const struct fluid_table *t = run->table;
    __m256 came = _mm256_mul_ps(_mm256_set1_ps(arrivals), v->share);
    __m256 y = _mm256_add_ps(v->l, came);
    __m256 step = _mm256_min_ps(_mm256_mul_ps(y, v->per_step), _mm256_set1_ps((float)(FLUID_GRID - 1)));
    __m256i node = _mm256_add_epi32(v->base, _mm256_cvttps_epi32(step));
    __m256 intercept = _mm256_i32gather_ps(t->intercept, node, 4);
    __m256 slope = _mm256_i32gather_ps(t->slope, node, 4);
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
    __m256i row = rows_of(inside);
    int moved = 0xff & ~_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(row, v->row)));
    if (moved)
        change_rows(run, v, first, row, moved);
    v->held = _mm256_add_ps(v->held, came);
    v->held_l = _mm256_add_ps(v->held_l, _mm256_mul_ps(came, inside));
}

/* Seconds outside, pods inside: the chains of different pods overlap. */
void fluid_run_avx2(struct fluid_run *run)
{
    struct lanes v[FLUID_PODS / FLUID_LANES];
    int n = (run->n_pods + FLUID_LANES - 1) / FLUID_LANES;
    for (int i = 0; i < n; i++)
        v[i] = load_lanes(run->pods, i * FLUID_LANES);
    __m256 ended = _mm256_loadu_ps(run->ended);
    for (int s = 0; s < run->n_seconds; s++)
        for (int i = 0; i < n; i++)
            settle_lanes(run, &v[i], i * FLUID_LANES, run->arrivals[s], &ended);
    _mm256_storeu_ps(run->ended, ended);
    for (int i = 0; i < n; i++)
        store_lanes(&v[i], run->pods, i * FLUID_LANES);
    fluid_count(run);
}
