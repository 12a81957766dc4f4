/* work: what a request costs its pod: CPU time of the thread, memory. */
#ifndef APP_WORK_H
#define APP_WORK_H

#include <stddef.h>

void work_burn(double cpu_s); /* of CPU time of this thread, however long the wall clock takes */

/* Memory that is really there. NULL: none to be had, or 0 bytes. */
void *work_memory(double bytes);

double work_process_cpu_s(void);
double work_resident_bytes(void); /* 0: not known */

#endif
