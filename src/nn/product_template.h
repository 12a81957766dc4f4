/* product_template: the register-blocked matrix product of mat.h, written over the macros that the including file
 * defines for its instruction set, and included once per flavour. A tile of PRODUCT_ROWS x PRODUCT_VECTORS registers of
 * C stays in registers over the whole of k; A is read by broadcasts with any strides, so that X W, X^T dY and dY W^T
 * are one loop.
 *
 *   VEC, VEC_FLOATS           the register type and how many floats it holds
 *   VEC_LOAD VEC_STORE VEC_SET1 VEC_MULADD(a, b, c) = a * b + c
 *   PRODUCT_ROWS, PRODUCT_VECTORS, PRODUCT_NAME(x)
 *   PRODUCT_FINISH(p, i, rows, j, columns)  applied to each stored tile */

static inline __attribute__((always_inline)) void PRODUCT_NAME(tile)(const struct mat_product *p, int i, int j,
                                                                     const int rows, const int vectors)
{
    VEC sum[PRODUCT_ROWS][PRODUCT_VECTORS];
    const size_t a_row = p->a_row, a_col = p->a_col, b_row = p->b_row;
    const float *a = p->a + (size_t)i * a_row;
    const float *b = p->b + j;
    float *c = p->c + (size_t)i * p->c_row + j;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->bias         ? VEC_LOAD(p->bias + j + v * VEC_FLOATS)
                        : p->accumulate ? VEC_LOAD(c + (size_t)r * p->c_row + v * VEC_FLOATS)
                                        : VEC_SET1(0.0f);
    for (int k = p->k; k > 0; k--) {
        VEC row[PRODUCT_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            row[v] = VEC_LOAD(b + v * VEC_FLOATS);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const VEC x = VEC_SET1(a[(size_t)r * a_row]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[r][v] = VEC_MULADD(x, row[v], sum[r][v]);
        }
        a += a_col;
        b += b_row;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            VEC_STORE(c + (size_t)r * p->c_row + v * VEC_FLOATS, sum[r][v]);
    PRODUCT_FINISH(p, i, rows, j, vectors * VEC_FLOATS);
}

/* All rows of one panel of columns; every call below is a tile with constant size. */
#define PRODUCT_PANEL(vectors)                                                                                         \
    static void PRODUCT_NAME(panel_##vectors)(const struct mat_product *p, int j)                                      \
    {                                                                                                                  \
        int i = 0;                                                                                                     \
        for (; i + PRODUCT_ROWS <= p->m; i += PRODUCT_ROWS)                                                            \
            PRODUCT_NAME(tile)(p, i, j, PRODUCT_ROWS, vectors);                                                        \
        switch (p->m - i) {                                                                                            \
        case 5:                                                                                                        \
            PRODUCT_NAME(tile)(p, i, j, PRODUCT_ROWS > 5 ? 5 : 1, vectors);                                            \
            break;                                                                                                     \
        case 4:                                                                                                        \
            PRODUCT_NAME(tile)(p, i, j, PRODUCT_ROWS > 4 ? 4 : 1, vectors);                                            \
            break;                                                                                                     \
        case 3:                                                                                                        \
            PRODUCT_NAME(tile)(p, i, j, 3, vectors);                                                                   \
            break;                                                                                                     \
        case 2:                                                                                                        \
            PRODUCT_NAME(tile)(p, i, j, 2, vectors);                                                                   \
            break;                                                                                                     \
        case 1:                                                                                                        \
            PRODUCT_NAME(tile)(p, i, j, 1, vectors);                                                                   \
            break;                                                                                                     \
        default:                                                                                                       \
            break;                                                                                                     \
        }                                                                                                              \
    }

#if PRODUCT_VECTORS == 4
PRODUCT_PANEL(4)
PRODUCT_PANEL(3)
PRODUCT_PANEL(1)
#endif
PRODUCT_PANEL(2)

static void PRODUCT_NAME(product)(const struct mat_product *p)
{
    int j = 0;
    for (; j + PRODUCT_VECTORS * VEC_FLOATS <= p->n; j += PRODUCT_VECTORS * VEC_FLOATS)
#if PRODUCT_VECTORS == 4
        PRODUCT_NAME(panel_4)(p, j);
    switch ((p->n - j) / VEC_FLOATS) {
    case 3:
        PRODUCT_NAME(panel_3)(p, j);
        break;
    case 2:
        PRODUCT_NAME(panel_2)(p, j);
        break;
    case 1:
        PRODUCT_NAME(panel_1)(p, j);
        break;
    default:
        break;
    }
#else
        PRODUCT_NAME(panel_2)(p, j);
#endif
}

#undef PRODUCT_PANEL
