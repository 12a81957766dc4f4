/* variants: the kernel tables that mat.c chooses from, and the plain transposition that all use for ragged edges. */
#ifndef NN_VARIANTS_H
#define NN_VARIANTS_H

#include <maestro/mat.h>

extern const struct mat_kernels mat_scalar;
extern const struct mat_kernels mat_portable;
extern const struct mat_kernels mat_avx2;
extern const struct mat_kernels mat_avx512;

static inline void transpose_plain(const float *in, size_t in_row, int rows, int columns, float *out, size_t out_row)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            out[(size_t)j * out_row + (size_t)i] = in[(size_t)i * in_row + (size_t)j];
}

#endif
