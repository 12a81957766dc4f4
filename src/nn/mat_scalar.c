/* mat_scalar: the kernels of mat.h as their formulas say them, one number at a time: the twin that every fast variant
 * is compared with. */
#include <maestro/mat.h>

#include "finish_plain.h"
#include "row_kernels.h"
#include "variants.h"

static void product(const struct mat_product *p)
{
    for (int i = 0; i < p->m; i++) {
        float *c = p->c + (size_t)i * p->c_row;
        for (int j = 0; j < p->n; j++) {
            float sum = p->bias ? p->bias[j] : p->accumulate ? c[j] : 0.0f;
            for (int k = 0; k < p->k; k++)
                sum += p->a[(size_t)i * p->a_row + (size_t)k * p->a_col] * p->b[(size_t)k * p->b_row + (size_t)j];
            c[j] = sum;
        }
        finish_block(p, i, 1, 0, p->n);
    }
}

static void head(const struct mat_head *h)
{
    for (int r = 0; r < h->rows; r++)
        for (int o = 0; o < h->outputs; o++) {
            float sum = 0.0f;
            for (int k = 0; k < h->k; k++)
                sum += h->x[(size_t)r * h->x_row + (size_t)k] * h->w[(size_t)o * h->w_row + (size_t)k];
            h->y[(size_t)o * h->y_row + (size_t)r] = sum;
        }
}

static double sum_squares(const float *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

const struct mat_kernels mat_scalar = {
    .name = "scalar",
    .product = product,
    .product_exact = product,
    .head = head,
    .transpose = transpose_plain,
    .sum_squares = sum_squares,
    .adam = rows_adam,
    .tanh_exact = rows_tanh_exact,
    .log_softmax_rows = rows_log_softmax,
    .policy_loss = rows_policy_loss,
    .value_loss = rows_value_loss,
};
