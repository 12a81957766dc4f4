/* Tests of the fluid kernel: the vectorised ones give the plain ones' bits, requests are conserved, rows are counted in
 * proportion, and an empty service, an overload and a full pod behave as the equation says. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <maestro/cpu.h>

#include "../../envs/sim/state.h"
#include "simulate.h"
#include "suite.h"

struct bench {
    struct fluid_pods pods;
    float rejected;
};

static const struct service *service_of(const struct simulated *s)
{
    return &s->model->services[0];
}

static void place(struct bench *b, const struct service *v, struct rng *rng, int n)
{
    *b = (struct bench){0};
    for (int i = 0; i < n; i++) {
        b->pods.l[i] = (float)rng_log_uniform(rng, 0.001, 400);
        b->pods.share[i] = (float)(rng_uniform(rng, 0.5, 1.5) / n);
        b->pods.level[i] = (int32_t)rng_bounded(rng, FLUID_LEVELS);
    }
    for (int i = 0; i < FLUID_PODS; i++)
        b->pods.per_step[i] = v->fluid.per_step[b->pods.level[i]];
}

static void run(void (*kernel)(struct fluid_run *), struct bench *b, const struct service *v, int n,
                const float *arrivals, int seconds)
{
    struct fluid_run r = {
        .table = &v->fluid, .pods = &b->pods, .n_pods = n, .arrivals = arrivals, .n_seconds = seconds};
    kernel(&r);
    b->rejected += r.rejected;
}

START_TEST(kernels_give_the_same_bits)
{
#ifdef SIM_HAVE_AVX2
    if (!cpu_has_avx2()) {
        printf("SKIP this processor has no AVX2\n");
        return;
    }
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    const struct service *v = service_of(&s);
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rng rng;
        rng_init(&rng, seed, 0);
        struct bench plain, wide;
        int n = 1 + (int)rng_bounded(&rng, FLUID_PODS);
        place(&plain, v, &rng, n);
        wide = plain;
        float arrivals[60];
        for (int i = 0; i < 60; i++)
            arrivals[i] = (float)(rng_uniform(&rng, 0, 1.5) * n * v->capacity_rps);
        run(fluid_run_plain, &plain, v, n, arrivals, 60);
        run(fluid_run_avx2, &wide, v, n, arrivals, 60);
        ck_assert_int_eq(memcmp(&plain, &wide, sizeof plain), 0);
        float count[2][LATENCY_BINS];
        struct fluid_sums sums[2] = {fluid_mix_plain(&v->fluid, &plain.pods, count[0]),
                                     fluid_mix_avx2(&v->fluid, &wide.pods, count[1])};
        ck_assert(sums[0].requests > 0);
        ck_assert_int_eq(memcmp(&sums[0], &sums[1], sizeof sums[0]), 0);
        ck_assert_int_eq(memcmp(count[0], count[1], sizeof count[0]), 0);
        ck_assert_int_eq(memcmp(&plain, &wide, sizeof plain), 0);
    }
    simulated_close(&s);
#else
    printf("SKIP built without AVX2\n");
#endif
}
END_TEST

START_TEST(requests_are_conserved)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    const struct service *v = service_of(&s);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng rng;
        struct bench b;
        float arrivals[60];
        double came = 0, before = 0, after = 0, let_in = 0;
        rng_init(&rng, seed, 1);
        place(&b, v, &rng, 20);
        double share = 0;
        for (int i = 0; i < 20; i++) {
            before += (double)b.pods.l[i];
            share += (double)b.pods.share[i];
        }
        for (int i = 0; i < 60; i++) {
            arrivals[i] = (float)(rng_uniform(&rng, 0, 2) * 20 * v->capacity_rps);
            came += (double)arrivals[i] * share;
        }
        run(fluid_run_plain, &b, v, 20, arrivals, 60);
        for (int i = 0; i < 20; i++)
            after += (double)b.pods.l[i];
        for (int row = 0; row < LATENCY_ROWS; row++) {
            for (int column = 0; column < FLUID_COLUMNS; column++) {
                ck_assert(b.pods.count[row][column] >= 0.0f);
                let_in += (double)b.pods.count[row][column];
            }
        }
        double missing = came + before - after - (double)b.pods.past.ended - (double)b.rejected;
        ck_assert_msg(fabs(missing) < 1e-4 * came, "%g of %g requests are missing", missing, came); // float sums
        missing = came - let_in - (double)b.rejected;
        ck_assert_msg(fabs(missing) < 1e-2 * came, "%g of %g requests came nowhere", missing, came);
    }
    simulated_close(&s);
}
END_TEST

/* A pod that stands still between two rows is counted in both; whoever comes in 16 seconds has the mean position. */
START_TEST(rows_are_counted_in_proportion)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    const struct service *v = service_of(&s);
    float arrivals[FLUID_DITHER];
    for (int load = 1; load <= 9; load++) {
        struct bench b = {0};
        float rate = 0.1f * (float)load * v->latency.capacity_rps;
        b.pods.share[0] = 1.0f;
        for (int i = 0; i < FLUID_PODS; i++)
            b.pods.per_step[i] = v->fluid.per_step[0];
        for (int i = 0; i < FLUID_DITHER; i++)
            arrivals[i] = rate;
        for (int run_up = 0; run_up < 20; run_up++)
            run(fluid_run_plain, &b, v, 1, arrivals, FLUID_DITHER);
        memset(b.pods.count, 0, sizeof b.pods.count);
        run(fluid_run_plain, &b, v, 1, arrivals, FLUID_DITHER);
        double n = 0, sum = 0;
        for (int row = 0; row < LATENCY_ROWS; row++) {
            n += (double)b.pods.count[row][0];
            sum += row * (double)b.pods.count[row][0];
        }
        /* 1 / 32: half a step of the dither. */
        ck_assert_double_eq_tol(sum / n, (double)latency_position(b.pods.l[0]), 1.0 / 32 + 1e-3);
    }
    simulated_close(&s);
}
END_TEST

START_TEST(a_pod_settles_where_its_table_says)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    simulated_open(&s, 1);
    const struct service *v = service_of(&s);
    float arrivals[60];
    for (int load = 1; load <= 9; load++) {
        struct bench b = {0};
        float rate = 0.1f * (float)load * v->latency.capacity_rps;
        b.pods.share[0] = 1.0f;
        for (int i = 0; i < FLUID_PODS; i++)
            b.pods.per_step[i] = v->fluid.per_step[0];
        for (int i = 0; i < 60; i++)
            arrivals[i] = rate;
        for (int minute = 0; minute < 5; minute++)
            run(fluid_run_plain, &b, v, 1, arrivals, 60);
        double expected = (double)latency_steady_l(&v->latency, rate);
        /* 3 %: the line between the nodes of the settle grid lies above the curve. */
        ck_assert_double_eq_tol((double)b.pods.l[0], expected, 0.03 * expected + 1e-3);
    }
    simulated_close(&s);
}
END_TEST

SUITE("fluid", kernels_give_the_same_bits, requests_are_conserved, rows_are_counted_in_proportion,
      a_pod_settles_where_its_table_says)
