/* mat_avx512: the kernels of mat.h for AVX-512 (F, BW, DQ, VL): 6 x 64 tiles of C in 24 registers. Compiled with the
 * flags of that instruction set and called only after cpu.c has said yes. */
#include <immintrin.h>
#include <maestro/mat.h>

#include "row_kernels.h"
#include "variants.h"

static inline __m512 tanh_vector(__m512 x)
{
    x = _mm512_min_ps(_mm512_set1_ps(TANH_LIMIT), x); /* this order keeps NaN */
    x = _mm512_max_ps(_mm512_set1_ps(-TANH_LIMIT), x);
    const __m512 t = _mm512_mul_ps(x, x);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(TANH_P3), t, _mm512_set1_ps(TANH_P2));
    __m512 q = _mm512_fmadd_ps(_mm512_set1_ps(TANH_Q4), t, _mm512_set1_ps(TANH_Q3));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(TANH_P1));
    q = _mm512_fmadd_ps(q, t, _mm512_set1_ps(TANH_Q2));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(TANH_P0));
    q = _mm512_fmadd_ps(q, t, _mm512_set1_ps(TANH_Q1));
    q = _mm512_fmadd_ps(q, t, _mm512_set1_ps(1.0f));
    return _mm512_div_ps(_mm512_mul_ps(x, p), q);
}

static inline __attribute__((always_inline)) void finish_tile(const struct mat_product *p, int i, int rows, int j,
                                                              int columns)
{
    if (p->finish == MAT_PLAIN)
        return;
    const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
    for (int r = 0; r < rows; r++) {
        float *c = p->c + (size_t)(i + r) * p->c_row + j;
        const float *y = p->finish > MAT_RELU ? p->outputs + (size_t)(i + r) * p->outputs_row + j : c;
        if (p->finish == MAT_TANH)
#pragma GCC unroll 4
            for (int v = 0; v < columns; v += 16)
                _mm512_storeu_ps(c + v, tanh_vector(_mm512_loadu_ps(c + v)));
        else if (p->finish == MAT_TANH_GRADIENT)
#pragma GCC unroll 4
            for (int v = 0; v < columns; v += 16) {
                const __m512 h = _mm512_loadu_ps(y + v);
                _mm512_storeu_ps(c + v, _mm512_mul_ps(_mm512_loadu_ps(c + v), _mm512_fnmadd_ps(h, h, one)));
            }
        else /* both relu forms: keep c where y > 0, and NaN as it is */
#pragma GCC unroll 4
            for (int v = 0; v < columns; v += 16) {
                const __mmask16 keep = _mm512_cmp_ps_mask(_mm512_loadu_ps(y + v), zero, _CMP_NLE_UQ);
                _mm512_storeu_ps(c + v, _mm512_maskz_loadu_ps(keep, c + v));
            }
    }
}

#define VEC __m512
#define VEC_FLOATS 16
#define VEC_LOAD(p) _mm512_loadu_ps(p)
#define VEC_STORE(p, x) _mm512_storeu_ps(p, x)
#define VEC_SET1(x) _mm512_set1_ps(x)
#define PRODUCT_ROWS 6
#define PRODUCT_VECTORS 4

#define VEC_MULADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define PRODUCT_NAME(x) fast_##x
#define PRODUCT_FINISH(p, i, rows, j, columns) finish_tile(p, i, rows, j, columns)
#include "product_template.h"
#undef VEC_MULADD
#undef PRODUCT_NAME
#undef PRODUCT_FINISH

#define VEC_MULADD(a, b, c) _mm512_add_ps(_mm512_mul_ps(a, b), c)
#define PRODUCT_NAME(x) exact_##x
#define PRODUCT_FINISH(p, i, rows, j, columns) (void)0
#include "product_template.h"

#define LOW_HALVES(a, b) _mm512_shuffle_f32x4(a, b, 0x88)
#define HIGH_HALVES(a, b) _mm512_shuffle_f32x4(a, b, 0xdd)

/* x[i] becomes column i of the 16 x 16 block whose rows they were. */
static inline __attribute__((always_inline)) void transpose_block(__m512 x[16])
{
    __m512 y[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        y[i] = LOW_HALVES(x[i], x[i + 4]);
        y[i + 4] = HIGH_HALVES(x[i], x[i + 4]);
        y[i + 8] = LOW_HALVES(x[i + 8], x[i + 12]);
        y[i + 12] = HIGH_HALVES(x[i + 8], x[i + 12]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        x[i] = LOW_HALVES(y[i], y[i + 8]);
        x[i + 8] = HIGH_HALVES(y[i], y[i + 8]);
        x[i + 4] = LOW_HALVES(y[i + 4], y[i + 12]);
        x[i + 12] = HIGH_HALVES(y[i + 4], y[i + 12]);
    }
}

static void transpose(const float *in, size_t in_row, int rows, int columns, float *out, size_t out_row)
{
    int i = 0;
    for (; i + 16 <= rows; i += 16)
        for (int j = 0; j < columns; j += 16) { /* padding columns become rows that nobody reads */
            if (j + 16 > columns) {
                transpose_plain(in + (size_t)i * in_row + j, in_row, 16, columns - j, out + (size_t)j * out_row + i,
                                out_row);
                break;
            }
            __m512 x[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++)
                x[r] = _mm512_loadu_ps(in + (size_t)(i + r) * in_row + j);
            transpose_block(x);
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++)
                _mm512_storeu_ps(out + (size_t)(j + r) * out_row + i, x[r]);
        }
    transpose_plain(in + (size_t)i * in_row, in_row, rows - i, columns, out + i, out_row);
}

/* 16 rows and one output at a time: 16 sums of 16 lanes, then one transposition adds up the lanes. */
static void head(const struct mat_head *h)
{
    for (int r = 0; r < h->rows; r += 16)
        for (int o = 0; o < h->outputs; o++) {
            const float *x = h->x + (size_t)r * h->x_row;
            const float *w = h->w + (size_t)o * h->w_row;
            __m512 sum[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                sum[i] = _mm512_setzero_ps();
            for (int k = 0; k < h->k; k += 16) {
                const __m512 weights = _mm512_loadu_ps(w + k);
#pragma GCC unroll 16
                for (int i = 0; i < 16; i++)
                    sum[i] = _mm512_fmadd_ps(_mm512_loadu_ps(x + (size_t)i * h->x_row + k), weights, sum[i]);
            }
            transpose_block(sum);
#pragma GCC unroll 4
            for (int step = 8; step > 0; step /= 2)
#pragma GCC unroll 8
                for (int i = 0; i < step; i++)
                    sum[i] = _mm512_add_ps(sum[i], sum[i + step]);
            _mm512_storeu_ps(h->y + (size_t)o * h->y_row + r, sum[0]);
        }
}

const struct mat_kernels mat_avx512 = {
    .name = "avx512",
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
