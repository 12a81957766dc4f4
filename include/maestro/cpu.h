/* cpu: which vector instructions this machine can run. */
#ifndef MAESTRO_CPU_H
#define MAESTRO_CPU_H

#include <stdbool.h>

bool cpu_has_avx2(void);   /* with FMA */
bool cpu_has_avx512(void); /* F, BW, DQ and VL */

#endif
