/* mat_blas: OpenBLAS for the product, on one thread, and the best own kernel for everything else. Worth it only for
 * wide layers; also an independent check of the own products. Stands in a library of its own. */
#include <cblas.h>
#include <maestro/cpu.h>
#include <maestro/mat_blas.h>
#include <string.h>

#include "finish_plain.h"

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

void mat_blas_offer(void)
{
    static struct mat_kernels table;
    openblas_set_num_threads(1);
    table = *mat_kernels_find("auto", NULL);
    table.name = "blas";
    table.product = product;
    mat_kernels_offer(&table);
}

const char *mat_blas_core(bool *below_machine)
{
    const char *core = openblas_get_corename();
    const bool wide =
        strcmp(core, "SkylakeX") == 0 || strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
    *below_machine = cpu_has_avx512() && !wide;
    return core;
}
