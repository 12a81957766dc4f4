/* mat_portable: the kernels of mat.h in plain C with four-float vectors, for any processor: 4 x 8 tiles of C. */
#include <maestro/mat.h>

#include "finish_plain.h"
#include "row_kernels.h"
#include "variants.h"

#define VEC __attribute__((vector_size(16))) float
#define VEC_FLOATS 4

static inline __attribute__((always_inline)) VEC load4(const float *p)
{
    VEC x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline __attribute__((always_inline)) void store4(float *p, VEC x)
{
    memcpy(p, &x, sizeof x);
}

static inline __attribute__((always_inline)) VEC splat4(float x)
{
    return (VEC){x, x, x, x};
}

#define VEC_LOAD(p) load4(p)
#define VEC_STORE(p, x) store4(p, x)
#define VEC_SET1(x) splat4(x)
#define VEC_MULADD(a, b, c) ((a) * (b) + (c))
#define PRODUCT_ROWS 4
#define PRODUCT_VECTORS 2
#define PRODUCT_NAME(x) portable_##x
#define PRODUCT_FINISH(p, i, rows, j, columns) finish_block(p, i, rows, j, columns)
#include "product_template.h"

static void head(const struct mat_head *h)
{
    for (int r = 0; r < h->rows; r++)
        for (int o = 0; o < h->outputs; o++) {
            const float *x = h->x + (size_t)r * h->x_row;
            const float *w = h->w + (size_t)o * h->w_row;
            float lanes[MAT_PAD] = {0};
            for (int k = 0; k < h->k; k += MAT_PAD)
                for (int i = 0; i < MAT_PAD; i++)
                    lanes[i] += x[k + i] * w[k + i];
            for (int step = MAT_PAD / 2; step > 0; step /= 2)
                for (int i = 0; i < step; i++)
                    lanes[i] += lanes[i + step];
            h->y[(size_t)o * h->y_row + (size_t)r] = lanes[0];
        }
}

const struct mat_kernels mat_portable = {
    .name = "portable",
    .product = portable_product,
    .product_exact = portable_product,
    .head = head,
    .transpose = transpose_plain,
    .sum_squares = rows_sum_squares,
    .adam = rows_adam,
    .tanh_exact = rows_tanh_exact,
    .log_softmax_rows = rows_log_softmax,
    .policy_loss = rows_policy_loss,
    .value_loss = rows_value_loss,
};
