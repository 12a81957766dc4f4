/* fluid_avx2: the fluid kernel compiled for AVX2. The build gives this file its own flags; nothing else may be in it. */
#define KERNEL(name) name##_avx2
#include "fluid_kernel.h"
