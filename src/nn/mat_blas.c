/* mat_blas: OpenBLAS for the product, on one thread, and the best own kernel for everything else. Worth it only for
 * wide layers; also an independent check of the own products. */
#include <cblas.h>
#include <maestro/cpu.h>
#include <string.h>

#include "finish_plain.h"
#include "variants.h"

static void start_from_bias(const struct mat_product *p)
{
    for (int i = 0; i < p->m; i++)
        memcpy(p->c + (size_t)i * p->c_row, p->bias, (size_t)p->n * sizeof(float));
}

/* One of A's strides is 1 wherever the networks call this. */
static void product(const struct mat_product *p)
{
    if (p->bias)
        start_from_bias(p);
    const bool straight = p->a_col == 1;
    cblas_sgemm(CblasRowMajor, straight ? CblasNoTrans : CblasTrans, CblasNoTrans, p->m, p->n, p->k, 1.0f, p->a,
                (int)(straight ? p->a_row : p->a_col), p->b, (int)p->b_row, p->bias || p->accumulate ? 1.0f : 0.0f,
                p->c, (int)p->c_row);
    finish_block(p, 0, p->m, 0, p->n);
}

struct mat_kernels mat_blas_table;

static const struct mat_kernels *best_own(void)
{
#if defined(__x86_64__)
    if (cpu_has_avx512())
        return &mat_avx512;
    if (cpu_has_avx2())
        return &mat_avx2;
#endif
    return &mat_portable;
}

void mat_blas_prepare(void)
{
    openblas_set_num_threads(1);
    mat_blas_table = *best_own();
    mat_blas_table.name = "blas";
    mat_blas_table.product = product;
}

const char *mat_blas_core(bool *below_machine)
{
    const char *core = openblas_get_corename();
    const bool wide =
        strcmp(core, "SkylakeX") == 0 || strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
    *below_machine = cpu_has_avx512() && !wide;
    return core;
}
