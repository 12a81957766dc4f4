/* fluid: the portable kernel, and the choice between kernels. In: struct fluid_run. The vectorised twin is the same source
 * compiled for AVX2 (fluid_avx2.c); a test compares their bits. */
#define KERNEL(name) name##_plain
#include "fluid_kernel.h"

#include <maestro/cpu.h>

#ifdef SIM_HAVE_AVX2
void fluid_run(struct fluid_run *run)
{
    if (cpu_has_avx2())
        fluid_run_avx2(run);
    else
        fluid_run_plain(run);
}

struct fluid_sums fluid_mix(const struct latency_table *t, float *cells, float *mix)
{
    return cpu_has_avx2() ? fluid_mix_avx2(t, cells, mix) : fluid_mix_plain(t, cells, mix);
}
#else
void fluid_run(struct fluid_run *run)
{
    fluid_run_plain(run);
}

struct fluid_sums fluid_mix(const struct latency_table *t, float *cells, float *mix)
{
    return fluid_mix_plain(t, cells, mix);
}
#endif
