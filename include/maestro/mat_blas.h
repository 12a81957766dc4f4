/* mat_blas: OpenBLAS as one more kernel of mat.h, in a library of its own: programs that only infer do not carry it. */
#ifndef MAESTRO_MAT_BLAS_H
#define MAESTRO_MAT_BLAS_H

#include <stdbool.h>

/* From now on mat_kernels_find knows "blas". Before the first thread starts. */
void mat_blas_offer(void);

/* What OpenBLAS chose for this machine ("SkylakeX", "Haswell", "Zen"...), and whether that is below what it can run. */
const char *mat_blas_core(bool *below_machine);

#endif
