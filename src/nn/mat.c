/* mat: which variants this machine can run, best last, and the choice among them by name. */
#include <maestro/cpu.h>
#include <maestro/mat.h>
#include <string.h>

#include "variants.h"

static const struct mat_kernels *offered; // used only by name

static int variants(const struct mat_kernels *out[8])
{
    int n = 0;
    out[n++] = &mat_scalar;
    out[n++] = &mat_portable;
#if defined(__x86_64__)
    if (cpu_has_avx2())
        out[n++] = &mat_avx2;
    if (cpu_has_avx512())
        out[n++] = &mat_avx512;
#endif
    return n;
}

const struct mat_kernels *mat_kernels_at(int i)
{
    const struct mat_kernels *list[8];
    int n = variants(list);
    if (i < n)
        return list[i];
    return i == n ? offered : NULL;
}

void mat_kernels_offer(const struct mat_kernels *kernels)
{
    offered = kernels;
}

const struct mat_kernels *mat_kernels_find(const char *name, struct err *e)
{
    const struct mat_kernels *list[8];
    int n = variants(list);
    if (!name || !*name || strcmp(name, "auto") == 0)
        return list[n - 1];
    if (offered && strcmp(name, offered->name) == 0)
        return offered;
    for (int i = 0; i < n; i++)
        if (strcmp(name, list[i]->name) == 0)
            return list[i];
    (void)err_set(e, ERR_USAGE, "kernel: \"%s\" is not one that this machine can run (auto, scalar, portable%s%s%s%s)",
                  name, cpu_has_avx2() ? ", avx2" : "", cpu_has_avx512() ? ", avx512" : "", offered ? ", " : "",
                  offered ? offered->name : "");
    return NULL;
}
