/* bench_ceiling: the most fused multiply-adds that a core, and two cores at once, can do in a second, from registers
 * alone. The yardstick for everything else in bench. */
#include <maestro/cpu.h>
#include <maestro/team.h>
#include <stdlib.h>

#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define CHAINS 16      /* independent sums: more than latency times issue width */
#define ROUNDS 200000L /* of CHAINS operations in one call */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float chains_avx512(void)
{
    __m512 sum[CHAINS];
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (long n = 0; n < ROUNDS; n++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
#pragma GCC unroll 16
    for (int i = 1; i < CHAINS; i++)
        sum[0] = _mm512_add_ps(sum[0], sum[i]);
    return _mm512_reduce_add_ps(sum[0]);
}

__attribute__((target("avx2,fma"))) static float chains_avx2(void)
{
    __m256 sum[12];
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (long n = 0; n < ROUNDS; n++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], a, b);
#pragma GCC unroll 12
    for (int i = 1; i < 12; i++)
        sum[0] = _mm256_add_ps(sum[0], sum[i]);
    float lanes[8];
    _mm256_storeu_ps(lanes, sum[0]);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}
#endif

static float chains_plain(void)
{
    float sum[8 * CHAINS];
    for (int i = 0; i < 8 * CHAINS; i++)
        sum[i] = (float)i;
    for (long n = 0; n < ROUNDS; n++)
        for (int i = 0; i < 8 * CHAINS; i++)
            sum[i] = sum[i] * 0.999f + 0.001f;
    float total = 0.0f;
    for (int i = 0; i < 8 * CHAINS; i++)
        total += sum[i];
    return total;
}

/* Billions of floating-point operations done by one call. */
static double work_once(volatile float *sink)
{
#if defined(__x86_64__)
    if (cpu_has_avx512()) {
        *sink = chains_avx512();
        return 1e-9 * 2.0 * 16.0 * CHAINS * (double)ROUNDS;
    }
    if (cpu_has_avx2()) {
        *sink = chains_avx2();
        return 1e-9 * 2.0 * 8.0 * 12.0 * (double)ROUNDS;
    }
#endif
    *sink = chains_plain();
    return 1e-9 * 2.0 * 8.0 * CHAINS * (double)ROUNDS;
}

struct ceiling {
    struct team *team; /* NULL: one core */
    double done[2];
};

static void part(void *arg, int index)
{
    struct ceiling *c = arg;
    volatile float sink;
    c->done[index] = 0.0;
    for (int i = 0; i < 4; i++)
        c->done[index] += work_once(&sink);
}

static bool run(void *data, double *units, struct err *e)
{
    (void)e;
    struct ceiling *c = data;
    const int parts = c->team ? 2 : 1;
    c->done[1] = 0.0;
    team_run(c->team, parts, part, c);
    *units = c->done[0] + c->done[1];
    return true;
}

static void finish(void *data)
{
    struct ceiling *c = data;
    if (c)
        team_close(c->team);
    free(c);
}

bool bench_ceilings(struct bench_figure *figures, int *n_figures, struct err *e)
{
    for (int cores = 1; cores <= 2; cores++) {
        struct ceiling *c = calloc(1, sizeof *c);
        if (!c)
            return err_set(e, ERR_IO, "bench: out of memory");
        figures[(*n_figures)++] = (struct bench_figure){
            .name = cores == 1 ? "fp32 multiply-add ceiling, 1 core" : "fp32 multiply-add ceiling, 2 cores",
            .unit = "GFLOP/s",
            .cores = cores,
            .flop_per_unit = 1e9,
            .run = run,
            .finish = finish,
            .data = c,
        };
        if (cores == 2 && !team_open(2, &c->team, e))
            return false;
    }
    return true;
}
