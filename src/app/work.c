/* work: burning CPU by the thread's own clock, so that a quota or a busy node makes it last longer but not cost more. */
#include "work.h"

#include <maestro/buf.h>
#include <maestro/file.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 2000 /* of the generator between two looks at the clock: a few microseconds */

static double clock_s(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec * 1e-9 : 0;
}

void work_burn(double cpu_s)
{
    double until_s = clock_s(CLOCK_THREAD_CPUTIME_ID) + cpu_s;
    uint64_t x = 88172645463325252u;
    while (clock_s(CLOCK_THREAD_CPUTIME_ID) < until_s)
        for (int i = 0; i < ROUNDS; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
    volatile uint64_t sink = x; // the compiler must not leave the rounds out
    (void)sink;
}

void *work_memory(double bytes)
{
    size_t n = bytes > 0 ? (size_t)bytes : 0;
    void *memory = n ? malloc(n) : NULL;
    if (memory)
        memset(memory, 1, n); // now it counts
    return memory;
}

double work_process_cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

double work_resident_bytes(void)
{
    CLEANUP_BUF struct buf text = {0};
    char *end = NULL;
    if (!file_read("/proc/self/statm", 4096, &text, NULL))
        return 0;
    (void)strtoul(text.bytes, &end, 10); // the first number is the size of the address space
    return (double)strtoul(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}
