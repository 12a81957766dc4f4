/* Every kernel variant against the scalar twin on odd shapes. Tolerance: two orders of additions of k products of size
 * one differ by at most about k * 2^-24 times the sum of magnitudes; 1e-5 * (1 + k / 16) covers it with room and is far
 * below any wrong index. */
#include <maestro/mat.h>
#include <maestro/mat_blas.h>
#include <maestro/rng.h>
#include <math.h>
#include <string.h>

#include "suite.h"

static __attribute__((constructor)) void offer_blas(void)
{
    mat_blas_offer();
}

#define FLOATS 40000

static float a[FLOATS], b[FLOATS], y[FLOATS], bias[512], expected[FLOATS], got[FLOATS];

static void fill(float *x, size_t n, struct rng *rng)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(rng, -1.0, 1.0);
}

static void same(const struct mat_kernels *k, const char *what, int m, int n, int inner, double tolerance)
{
    for (size_t i = 0; i < FLOATS; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= tolerance))
            ck_abort_msg("%s %s %dx%dx%d: [%zu] is %.9g, the twin says %.9g", k->name, what, m, n, inner, i,
                         (double)got[i], (double)expected[i]);
}

static struct mat_product product_of(int m, int n, int k, int form, float *c)
{
    struct mat_product p = {.a = a,
                            .a_row = form % 2 ? 1 : (size_t)k + 3,
                            .a_col = form % 2 ? (size_t)m + 5 : 1,
                            .b = b,
                            .b_row = (size_t)n + 16,
                            .c = c,
                            .c_row = (size_t)n + 32,
                            .m = m,
                            .n = n,
                            .k = k,
                            .outputs = y,
                            .outputs_row = (size_t)n + 16,
                            .finish = (enum mat_finish)(form % 5)};
    if (form % 3 == 1)
        p.bias = bias;
    if (form % 3 == 2)
        p.accumulate = true;
    return p;
}

static void compare_product(const struct mat_kernels *twin, const struct mat_kernels *k, int m, int n, int inner,
                            int form)
{
    struct mat_product p = product_of(m, n, inner, form, expected);
    memset(expected, 0, sizeof expected);
    memcpy(got, expected, sizeof got);
    for (size_t i = 0; i < (size_t)m * p.c_row; i++)
        expected[i] = got[i] = p.accumulate ? a[i] : 7.0f;
    twin->product(&p);
    p.c = got;
    k->product(&p);
    same(k, "product", m, n, inner, 1e-5 * (1.0 + inner / 16.0));
}

START_TEST(products_agree_with_the_twin)
{
    static const int ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 64, 65};
    static const int ns[] = {16, 32, 48, 64, 80, 112, 128};
    static const int ks[] = {1, 2, 3, 5, 17, 64, 90};
    struct rng rng;
    rng_init(&rng, 1, 1);
    fill(a, FLOATS, &rng);
    fill(b, FLOATS, &rng);
    fill(y, FLOATS, &rng);
    fill(bias, 512, &rng);
    const struct mat_kernels *twin = mat_kernels_find("scalar", NULL);
    for (int v = 1; mat_kernels_at(v); v++)
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t l = 0; l < sizeof ks / sizeof *ks; l++)
                    compare_product(twin, mat_kernels_at(v), ms[i], ns[j], ks[l], (int)(i * 7 + j * 3 + l));
}
END_TEST

START_TEST(every_finish_and_form_agrees)
{
    struct rng rng;
    rng_init(&rng, 2, 1);
    fill(a, FLOATS, &rng);
    fill(b, FLOATS, &rng);
    fill(y, FLOATS, &rng);
    const struct mat_kernels *twin = mat_kernels_find("scalar", NULL);
    for (int v = 1; mat_kernels_at(v); v++)
        for (int form = 0; form < 30; form++)
            compare_product(twin, mat_kernels_at(v), 13, 80, 33, form);
}
END_TEST

START_TEST(exact_products_have_the_same_bits)
{
    struct rng rng;
    rng_init(&rng, 3, 1);
    fill(a, FLOATS, &rng);
    fill(b, FLOATS, &rng);
    fill(bias, 512, &rng);
    const struct mat_kernels *twin = mat_kernels_find("scalar", NULL);
    for (int v = 1; mat_kernels_at(v); v++)
        for (int m = 1; m < 15; m++) {
            struct mat_product p = product_of(m, 112, 37, 10, expected); /* bias, plain */
            memset(expected, 0, sizeof expected);
            memset(got, 0, sizeof got);
            twin->product_exact(&p);
            p.c = got;
            mat_kernels_at(v)->product_exact(&p);
            ck_assert_mem_eq(got, expected, sizeof got);
        }
}
END_TEST

START_TEST(heads_agree_with_the_twin)
{
    struct rng rng;
    rng_init(&rng, 4, 1);
    fill(a, FLOATS, &rng);
    fill(b, FLOATS, &rng);
    const struct mat_kernels *twin = mat_kernels_find("scalar", NULL);
    for (int v = 1; mat_kernels_at(v); v++)
        for (int rows = 1; rows <= 64; rows += 9)
            for (int outputs = 1; outputs <= 16; outputs += 5) {
                struct mat_head h = {.x = a,
                                     .x_row = 96,
                                     .w = b,
                                     .w_row = 80,
                                     .y = expected,
                                     .y_row = 64,
                                     .rows = rows,
                                     .outputs = outputs,
                                     .k = 80};
                memset(expected, 0, sizeof expected);
                memset(got, 0, sizeof got);
                twin->head(&h);
                h.y = got;
                mat_kernels_at(v)->head(&h);
                for (int o = 0; o < outputs; o++) /* rows up to the next 16 are allowed to be written */
                    for (int r = rows; r < 64; r++)
                        got[o * 64 + r] = expected[o * 64 + r] = 0.0f;
                same(mat_kernels_at(v), "head", rows, outputs, 80, 6e-5);
            }
}
END_TEST

START_TEST(transpositions_move_every_number)
{
    struct rng rng;
    rng_init(&rng, 5, 1);
    fill(a, FLOATS, &rng);
    for (int v = 0; mat_kernels_at(v); v++)
        for (int rows = 1; rows < 70; rows += 4)
            for (int columns = 1; columns < 70; columns += 5) {
                memset(got, 0, sizeof got);
                mat_kernels_at(v)->transpose(a, 80, rows, columns, got, 96);
                for (int i = 0; i < rows; i++)
                    for (int j = 0; j < columns; j++)
                        if (memcmp(&got[j * 96 + i], &a[i * 80 + j], sizeof *got) != 0)
                            ck_abort_msg("%s %dx%d at %d, %d", mat_kernels_at(v)->name, rows, columns, i, j);
            }
}
END_TEST

START_TEST(sums_of_squares_agree)
{
    struct rng rng;
    rng_init(&rng, 6, 1);
    fill(a, FLOATS, &rng);
    const struct mat_kernels *twin = mat_kernels_find("scalar", NULL);
    for (int v = 1; mat_kernels_at(v); v++)
        for (size_t n = 16; n < 4000; n += 16 * 7) {
            const double right = twin->sum_squares(a, n);
            ck_assert_double_le(fabs(mat_kernels_at(v)->sum_squares(a, n) - right), 2e-6 * right);
        }
}
END_TEST

/* Vectors of the reference notes: torch's Adam with clipping at 0.5, learning rate 3e-4, epsilon 1e-5. */
START_TEST(adam_follows_torch)
{
    static const float gradients[3][3] = {{0.1f, -0.2f, 0.3f}, {0.0f, 0.5f, -0.1f}, {-0.3f, 0.01f, 0.2f}};
    static const double right[3][3] = {{0.9997000299970, -1.9997000149993, 0.4997000099997},
                                       {0.9994990409520, -1.9998308379623, 0.4995783437765},
                                       {0.9996317679151, -1.9999355663939, 0.4993962800133}};
    static const double norms[3] = {0.3741657387, 0.5099019514, 0.3606937759};
    for (int v = 0; mat_kernels_at(v); v++) {
        float p[16] = {1.0f, -2.0f, 0.5f}, g[16] = {0}, m[16] = {0}, s[16] = {0};
        for (int t = 0; t < 3; t++) {
            memcpy(g, gradients[t], sizeof gradients[t]);
            const double norm = sqrt(mat_kernels_at(v)->sum_squares(g, 16));
            ck_assert_double_eq_tol(norm, norms[t], 1e-7);
            const struct adam_step step = adam_step_make(t + 1, 3e-4, 1e-5, adam_clip_factor(norm, 0.5));
            mat_kernels_at(v)->adam(&step, p, g, m, s, 16);
            for (int i = 0; i < 3; i++) /* one float ulp of 2 is 2.4e-7 */
                ck_assert_double_eq_tol((double)p[i], right[t][i], 3e-7);
            ck_assert_double_eq((double)p[7], 0.0);
        }
    }
}
END_TEST

/* NaN must come out of every activation, or a broken network would go unnoticed. */
START_TEST(nan_is_never_swallowed)
{
    for (int v = 0; mat_kernels_at(v); v++)
        for (int finish = MAT_PLAIN; finish <= MAT_RELU_GRADIENT; finish++) {
            float x[16], w[16], c[16];
            for (int i = 0; i < 16; i++) {
                x[i] = 1.0f;
                w[i] = i == 5 ? NAN : 0.5f;
            }
            const struct mat_product p = {.a = x,
                                          .a_row = 1,
                                          .a_col = 1,
                                          .b = w,
                                          .b_row = 16,
                                          .c = c,
                                          .c_row = 16,
                                          .m = 1,
                                          .n = 16,
                                          .k = 1,
                                          .finish = (enum mat_finish)finish,
                                          .outputs = x,
                                          .outputs_row = 16};
            mat_kernels_at(v)->product(&p);
            ck_assert_msg(isnan((double)c[5]), "%s finish %d", mat_kernels_at(v)->name, finish);
            ck_assert(!isnan((double)c[4]) && !isnan((double)c[6]));
        }
}
END_TEST

/* The reference notes' batch of four rows (torch, double): clip 0.2, entropy 0.01, value 0.5. Advantages already
 * normalised. Float rounding of numbers of size one: 3e-7. */
START_TEST(losses_follow_the_reference)
{
    static const float logits[3][16] = {
        {0.1f, 1.0f, -0.3f, 0.2f}, {-0.2f, 0.5f, 0.8f, 0.2f}, {0.3f, -0.5f, 0.0f, 0.2f}};
    static const float actions[16] = {2, 0, 1, 1}, old[16] = {-1.2f, -0.4f, -0.3f, -1.5f};
    static const float advantages[16] = {0.48245064f, -0.48245064f, 1.12571815f, -1.12571815f};
    static const double right[4][3] = {{-6.277979e-06, -1.9221742e-04, 1.9849540e-04},
                                       {0.0450697721, -0.0327257590, -0.0123440131},
                                       {0.0394891410, -0.0929829960, 0.0534938550},
                                       {-0.1401421875, 0.2802843749, -0.1401421875}};
    for (int v = 0; mat_kernels_at(v); v++) {
        float gradient[3][16];
        const struct mat_policy_loss l = {.logits = logits[0],
                                          .row = 16,
                                          .n_actions = 3,
                                          .rows = 4,
                                          .actions = actions,
                                          .old_log_probs = old,
                                          .advantages = advantages,
                                          .clip = 0.2f,
                                          .entropy_weight = 0.01f / 4.0f,
                                          .weight = 0.25f,
                                          .gradient = gradient[0]};
        const struct mat_policy_sums s = mat_kernels_at(v)->policy_loss(&l);
        ck_assert_double_eq_tol(s.loss / 4.0, 0.1608756431, 3e-7);
        ck_assert_double_eq_tol(s.entropy / 4.0, 1.0287295679, 3e-7);
        ck_assert_double_eq_tol(s.kl / 4.0, 0.0505418325, 3e-7);
        ck_assert_double_eq_tol(s.clipped / 4.0, 0.75, 1e-12);
        for (int row = 0; row < 4; row++)
            for (int a_index = 0; a_index < 3; a_index++)
                ck_assert_double_eq_tol((double)gradient[a_index][row], right[row][a_index], 1e-7);
    }
}
END_TEST

START_TEST(value_losses_follow_the_reference)
{
    static const float values[16] = {0.5f, -0.1f, 0.3f, 0.8f}, old[16] = {0.4f, 0.3f, 0.1f, 0.2f};
    static const float returns[16] = {1.0f, 0.0f, 0.5f, -0.2f};
    static const double plain[4] = {-0.125, -0.025, -0.05, 0.25}, held[4] = {-0.125, 0.0, -0.05, 0.0};
    for (int v = 0; mat_kernels_at(v); v++)
        for (int clip = 0; clip < 2; clip++) {
            float gradient[16];
            const struct mat_value_loss l = {.values = values,
                                             .old_values = old,
                                             .returns = returns,
                                             .rows = 4,
                                             .clip = clip ? 0.2f : -1.0f,
                                             .weight = 0.25f,
                                             .gradient = gradient};
            ck_assert_double_eq_tol(mat_kernels_at(v)->value_loss(&l) / 4.0, clip ? 0.165 : 0.325, 1e-7);
            /* row 2 moves by exactly the clip in real numbers; in floats 0.3 - 0.1 falls on one side */
            for (int row = 0; row < 4; row++)
                if (!(clip && row == 2))
                    ck_assert_double_eq_tol((double)gradient[row], clip ? held[row] : plain[row], 1e-7);
        }
}
END_TEST

START_TEST(an_unknown_kernel_is_refused)
{
    struct err e = {0};
    ck_assert_ptr_nonnull(mat_kernels_find("blas", NULL));
    mat_kernels_offer(NULL);
    ck_assert_ptr_null(mat_kernels_find("blas", &e));
    ck_assert_ptr_null(strstr(e.message, ", blas"));
    ck_assert_ptr_null(mat_kernels_find("neon", &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.message, "neon"));
    ck_assert_ptr_nonnull(mat_kernels_find("auto", NULL));
}
END_TEST

SUITE("mat", products_agree_with_the_twin, every_finish_and_form_agrees, exact_products_have_the_same_bits,
      heads_agree_with_the_twin, transpositions_move_every_number, sums_of_squares_agree, adam_follows_torch,
      nan_is_never_swallowed, losses_follow_the_reference, value_losses_follow_the_reference,
      an_unknown_kernel_is_refused)
