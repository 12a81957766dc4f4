/* mat_avx2: the kernels of mat.h for AVX2 with FMA: 6 x 16 tiles of C in 12 registers. Compiled with the flags of that
 * instruction set and called only after cpu.c has said yes. */
#include <immintrin.h>
#include <maestro/mat.h>

#include "row_kernels.h"
#include "variants.h"

static inline __m256 tanh_vector(__m256 x)
{
    x = _mm256_min_ps(_mm256_set1_ps(TANH_LIMIT), x); /* this order keeps NaN */
    x = _mm256_max_ps(_mm256_set1_ps(-TANH_LIMIT), x);
    const __m256 t = _mm256_mul_ps(x, x);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(TANH_P3), t, _mm256_set1_ps(TANH_P2));
    __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(TANH_Q4), t, _mm256_set1_ps(TANH_Q3));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(TANH_P1));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(TANH_Q2));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(TANH_P0));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(TANH_Q1));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(1.0f));
    return _mm256_div_ps(_mm256_mul_ps(x, p), q);
}

static inline __attribute__((always_inline)) void finish_tile(const struct mat_product *p, int i, int rows, int j,
                                                              int columns)
{
    if (p->finish == MAT_PLAIN)
        return;
    const __m256 one = _mm256_set1_ps(1.0f), zero = _mm256_setzero_ps();
    for (int r = 0; r < rows; r++) {
        float *c = p->c + (size_t)(i + r) * p->c_row + j;
        const float *y = p->finish > MAT_RELU ? p->outputs + (size_t)(i + r) * p->outputs_row + j : c;
        for (int v = 0; v < columns; v += 8) {
            const __m256 x = _mm256_loadu_ps(c + v);
            if (p->finish == MAT_TANH) {
                _mm256_storeu_ps(c + v, tanh_vector(x));
            } else if (p->finish == MAT_TANH_GRADIENT) {
                const __m256 h = _mm256_loadu_ps(y + v);
                _mm256_storeu_ps(c + v, _mm256_mul_ps(x, _mm256_fnmadd_ps(h, h, one)));
            } else { /* both relu forms: keep c where y > 0, and NaN as it is */
                const __m256 keep = _mm256_cmp_ps(_mm256_loadu_ps(y + v), zero, _CMP_NLE_UQ);
                _mm256_storeu_ps(c + v, _mm256_and_ps(x, keep));
            }
        }
    }
}

#define VEC __m256
#define VEC_FLOATS 8
#define VEC_LOAD(p) _mm256_loadu_ps(p)
#define VEC_STORE(p, x) _mm256_storeu_ps(p, x)
#define VEC_SET1(x) _mm256_set1_ps(x)
#define PRODUCT_ROWS 6
#define PRODUCT_VECTORS 2

#define VEC_MULADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define PRODUCT_NAME(x) fast_##x
#define PRODUCT_FINISH(p, i, rows, j, columns) finish_tile(p, i, rows, j, columns)
#include "product_template.h"
#undef VEC_MULADD
#undef PRODUCT_NAME
#undef PRODUCT_FINISH

#define VEC_MULADD(a, b, c) _mm256_add_ps(_mm256_mul_ps(a, b), c)
#define PRODUCT_NAME(x) exact_##x
#define PRODUCT_FINISH(p, i, rows, j, columns) (void)0
#include "product_template.h"

/* x[i] becomes column i of the 8 x 8 block whose rows they were. */
static inline __attribute__((always_inline)) void transpose_block(__m256 x[8])
{
    __m256 y[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
        y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        x[i] = y[i];
}

static void transpose(const float *in, size_t in_row, int rows, int columns, float *out, size_t out_row)
{
    int i = 0;
    for (; i + 8 <= rows; i += 8)
        for (int j = 0; j < columns; j += 8) {
            if (j + 8 > columns) {
                transpose_plain(in + (size_t)i * in_row + j, in_row, 8, columns - j, out + (size_t)j * out_row + i,
                                out_row);
                break;
            }
            __m256 x[8];
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++)
                x[r] = _mm256_loadu_ps(in + (size_t)(i + r) * in_row + j);
            transpose_block(x);
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++)
                _mm256_storeu_ps(out + (size_t)(j + r) * out_row + i, x[r]);
        }
    transpose_plain(in + (size_t)i * in_row, in_row, rows - i, columns, out + i, out_row);
}

/* 8 rows and one output at a time: 8 sums of 8 lanes, then one transposition adds up the lanes. */
static void head(const struct mat_head *h)
{
    for (int r = 0; r < h->rows; r += 8)
        for (int o = 0; o < h->outputs; o++) {
            const float *x = h->x + (size_t)r * h->x_row;
            const float *w = h->w + (size_t)o * h->w_row;
            __m256 sum[8];
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++)
                sum[i] = _mm256_setzero_ps();
            for (int k = 0; k < h->k; k += 8) {
                const __m256 weights = _mm256_loadu_ps(w + k);
#pragma GCC unroll 8
                for (int i = 0; i < 8; i++)
                    sum[i] = _mm256_fmadd_ps(_mm256_loadu_ps(x + (size_t)i * h->x_row + k), weights, sum[i]);
            }
            transpose_block(sum);
#pragma GCC unroll 3
            for (int step = 4; step > 0; step /= 2)
#pragma GCC unroll 4
                for (int i = 0; i < step; i++)
                    sum[i] = _mm256_add_ps(sum[i], sum[i + step]);
            _mm256_storeu_ps(h->y + (size_t)o * h->y_row + r, sum[0]);
        }
}

const struct mat_kernels mat_avx2 = {
    .name = "avx2",
    .product = fast_product,
    .product_exact = exact_product,
    .head = head,
    .transpose = transpose,
    .sum_squares = rows_sum_squares,
    .adam = rows_adam,
    .tanh_exact = rows_tanh_exact,
    .log_softmax_rows = rows_log_softmax,
    .policy_loss = rows_policy_loss,
    .value_loss = rows_value_loss,
};
