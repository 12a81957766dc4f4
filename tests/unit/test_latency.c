/* Latency tables: what must hold of any of them, whatever the service, and M/M/1 read from one. */
#include <maestro/latency.h>

#include "suite.h"
#include <maestro/profile.h>
#include <math.h>

static const struct service_model SERVICES[] = {
    {.cpu_ms = 4,
     .cpu_cv = 1,
     .concurrency = 100,
     .backlog = 256,
     .timeout_ms = 5000,
     .cpu_limit_cores = 0.1,
     .node_cores = 4},
    {.cpu_ms = 8,
     .cpu_cv = 1.5,
     .wait_ms = 20,
     .wait_cv = 0.5,
     .concurrency = 16,
     .backlog = 128,
     .timeout_ms = 10000,
     .cpu_limit_cores = 0.5,
     .node_cores = 4},
    {.cpu_ms = 30,
     .cpu_cv = 3,
     .concurrency = 200,
     .backlog = 500,
     .timeout_ms = 10000,
     .cpu_limit_cores = 2,
     .node_cores = 4},
    {.cpu_ms = 50,
     .cpu_cv = 0.5,
     .wait_ms = 2000,
     .wait_cv = 0.8,
     .concurrency = 8,
     .backlog = 16,
     .timeout_ms = 60000,
     .node_cores = 4},
    {.cpu_ms = 10,
     .cpu_cv = 1,
     .concurrency = 1,
     .backlog = 4000,
     .timeout_ms = 2000,
     .node_cores = 1,
     .exponential = true},
};
#define NEAR(a, b, tolerance) ck_assert_double_eq_tol((double)(a), (double)(b), (double)(tolerance) + 1e-12)
#define AT_MOST(a, b) ck_assert_double_le((double)(a), (double)(b))
#define AT_LEAST(a, b) ck_assert_double_ge((double)(a), (double)(b))
#define ABOVE(a, b) ck_assert_double_gt((double)(a), (double)(b))
#define N_SERVICES ((int)(sizeof SERVICES / sizeof *SERVICES))

static double p95_at(const struct latency_table *t, float l)
{
    double counts[LATENCY_ROWS] = {0};
    float p = latency_position(l);
    int row = latency_row(l);
    double part = (double)(p - (float)row);
    counts[row] = 1.0 - part;
    if (row + 1 < LATENCY_ROWS)
        counts[row + 1] = part;
    return latency_quantile(t, counts, 0.95);
}

START_TEST(rows_lie_on_the_bits_of_a_float)
{
    for (int row = 0; row < LATENCY_ROWS; row++) {
        float l = latency_row_l(row), next = latency_row_l(row + 1);
        ck_assert_int_eq(latency_row(l), row);
        ck_assert_int_eq(latency_row(0.5f * (l + next)), row);
        NEAR(latency_position(0.5f * (l + next)), (float)row + 0.5f, 1e-3f);
    }
    ck_assert_int_eq(latency_row(0.0f), 0);
    ck_assert_int_eq(latency_row(1e9f), LATENCY_ROWS - 1);
}
END_TEST

static void check_row(const struct latency_table *t, int row)
{
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        AT_LEAST(t->cdf[row][bin], bin > 0 ? t->cdf[row][bin - 1] : 0.0f);
        if (row > 0)
            AT_MOST(t->cdf[row][bin], t->cdf[row - 1][bin] + 1e-6f); // slower, never faster, as L rises
    }
    NEAR(t->cdf[row][LATENCY_BINS - 1], 1.0f, 0.0f);
    NEAR(t->cdf[row][LATENCY_BINS - 2], 1.0f - t->failed[row], 1e-6f);
    AT_LEAST(t->failed[row], 0.0f);
    AT_MOST(t->mean_ms[row], t->timeout_ms * 1.0001f);
}

START_TEST(everything_rises_with_the_load)
{
    static struct latency_table t;
    struct err e;
    for (int k = 0; k < N_SERVICES; k++) {
        ck_assert_msg(latency_table_measure(&SERVICES[k], 3, &t, &e), "%s", e.message);
        for (int bin = 1; bin < LATENCY_BINS; bin++)
            ABOVE(t.bound_ms[bin], t.bound_ms[bin - 1]);
        for (int row = 0; row < LATENCY_ROWS; row++) {
            check_row(&t, row);
            ABOVE(t.throughput[row + 1], t.throughput[row]);
            AT_LEAST(t.ended[row + 1], t.ended[row]);
            AT_MOST(t.ended[row], t.throughput[row]);
            AT_LEAST(t.rejected[row + 1], t.rejected[row] - 1e-6f);
        }
        double last = 0.0;
        for (float l = 0.001f; l < 2.0f * t.l_limit; l *= 1.03f) {
            double p95 = p95_at(&t, l);
            ck_assert_msg(p95 >= last * (1.0 - 1e-6), "service %d: p95 falls from %g to %g at L %g", k, last, p95,
                          (double)l);
            last = p95;
        }
        if (k == 4) // 40 s of work before a time-out of 2 s
            ck_assert_double_ge(last, 0.999 * SERVICES[k].timeout_ms);
    }
}
END_TEST

START_TEST(a_second_conserves_requests_and_finds_the_steady_state)
{
    static struct latency_table t;
    for (int k = 0; k < N_SERVICES; k++) {
        ck_assert(latency_table_measure(&SERVICES[k], 5, &t, NULL));
        for (int i = 1; i < 20; i++) {
            float rate = 0.05f * (float)i * t.capacity_rps, l = 0.0f;
            for (int s = 0; s < 20000; s++) {
                float y = l + rate, next = latency_settle_at(&t, y, 1.0f);
                ck_assert(next >= 0.0f && next <= y);
                l = next;
            }
            NEAR(latency_throughput(&t, l), rate, 2e-3f * rate);
            NEAR(l, latency_steady_l(&t, rate), 0.05f * l);
        }
        float l = 0.0f, rate = 3.0f * t.capacity_rps; // overload fills the pod and no more
        for (int s = 0; s < 20000; s++)
            l = latency_settle_at(&t, l + rate, 1.0f);
        AT_MOST(l, 1.15f * t.l_limit);
        double inside_rps = (double)rate * (1.0 - (double)latency_rejected(&t, l));
        double kept_rps = fmax((double)t.capacity_rps, (double)latency_inside(&t, l) / SERVICES[k].timeout_ms * 1000.0);
        ck_assert_double_eq_tol(inside_rps, kept_rps, 0.15 * kept_rps);
    }
}
END_TEST

START_TEST(same_seed_same_table)
{
    static struct latency_table a, b, c;
    ck_assert(latency_table_measure(&SERVICES[1], 42, &a, NULL));
    ck_assert(latency_table_measure(&SERVICES[1], 42, &b, NULL));
    ck_assert(latency_table_measure(&SERVICES[1], 43, &c, NULL));
    ck_assert_mem_eq(&a, &b, sizeof a);
    ck_assert_mem_ne(&a, &c, sizeof a);
}
END_TEST

/* A pod at half speed is the same pod on a clock that runs half as fast. */
START_TEST(slow_pods_answer_later)
{
    static struct latency_table t;
    ck_assert(latency_table_measure(&SERVICES[4], 1, &t, NULL));
    float l = 0.0f;
    for (int s = 0; s < 5000; s++)
        l = latency_settle_at(&t, l + 30.0f, 0.5f); // rho 0.6 of 50/s
    NEAR(l, 1.5f, 0.08f);
    int row = latency_row_at(&t, l, 0.5f);
    NEAR(t.mean_ms[row], 50.0f, 6.0f); // 20 ms / (1 - 0.6)
}
END_TEST

/* What a bucket of a histogram sees is what the quantile says. */
START_TEST(cdf_and_quantile_agree)
{
    static struct latency_table t;
    ck_assert(latency_table_measure(&SERVICES[2], 1, &t, NULL));
    for (int row = 0; row < LATENCY_ROWS; row += 7) {
        double counts[LATENCY_ROWS] = {0};
        counts[row] = 12.0;
        for (double q = 0.05; q < 1.0; q += 0.1) {
            double ms = latency_quantile(&t, counts, q);
            if (ms < (double)t.bound_ms[LATENCY_BINS - 2])
                ck_assert_double_eq_tol(latency_cdf(&t, row, ms), q, 1e-5);
        }
        ck_assert_double_eq(latency_cdf(&t, row, 1e9), 1.0);
    }
    double none[LATENCY_ROWS] = {0};
    ck_assert(isnan(latency_quantile(&t, none, 0.5)));
}
END_TEST

START_TEST(a_service_that_cannot_work_is_refused)
{
    static struct latency_table t;
    struct err e;
    struct service_model bad = SERVICES[0];
    bad.timeout_ms = 3;
    ck_assert(!latency_table_measure(&bad, 1, &t, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    bad = SERVICES[0];
    bad.concurrency = 0;
    ck_assert(!latency_table_measure(&bad, 1, &t, &e));
}
END_TEST

SUITE("latency", rows_lie_on_the_bits_of_a_float, everything_rises_with_the_load,
      a_second_conserves_requests_and_finds_the_steady_state, same_seed_same_table, slow_pods_answer_later,
      cdf_and_quantile_agree, a_service_that_cannot_work_is_refused)
