/* finish_plain: what happens to a product before it is stored, for the variants without vector code of their own. */
#ifndef NN_FINISH_PLAIN_H
#define NN_FINISH_PLAIN_H

#include <maestro/mat.h>

#include "plain_math.h"

static inline void finish_row(const struct mat_product *p, float *c, const float *y, int columns)
{
    switch (p->finish) {
    case MAT_PLAIN:
        break;
    case MAT_TANH:
        for (int j = 0; j < columns; j++)
            c[j] = plain_tanh(c[j]);
        break;
    case MAT_RELU:
        for (int j = 0; j < columns; j++)
            c[j] = c[j] <= 0.0f ? 0.0f : c[j];
        break;
    case MAT_TANH_GRADIENT:
        for (int j = 0; j < columns; j++)
            c[j] *= 1.0f - y[j] * y[j];
        break;
    case MAT_RELU_GRADIENT:
        for (int j = 0; j < columns; j++)
            c[j] = y[j] <= 0.0f ? 0.0f : c[j];
        break;
    }
}

static inline void finish_block(const struct mat_product *p, int i, int rows, int j, int columns)
{
    if (p->finish == MAT_PLAIN)
        return;
    for (int r = i; r < i + rows; r++)
        finish_row(p, p->c + (size_t)r * p->c_row + j, p->outputs ? p->outputs + (size_t)r * p->outputs_row + j : NULL,
                   columns);
}

#endif
