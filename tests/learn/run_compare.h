/* run_compare: two run folders hold the same results to the byte. */
#ifndef TESTS_RUN_COMPARE_H
#define TESTS_RUN_COMPARE_H

#include <maestro/file.h>

#include <stdio.h>
#include <string.h>

/* With deterministic times every one of them is the same for equal runs. */
static const char *const RUN_RESULTS[] = {"progress.csv", "monitor.csv", "events.out.tfevents.0000000000.maestro.0.0",
                                          "best.safetensors", "final.safetensors"};

/* The number of files that differ or cannot be read; each is named on standard error. */
static inline int run_differences(const char *a, const char *b)
{
    int different = 0;
    for (size_t i = 0; i < sizeof RUN_RESULTS / sizeof *RUN_RESULTS; i++) {
        CLEANUP_BUF struct buf x = {0};
        CLEANUP_BUF struct buf y = {0};
        struct err e = {0};
        char path[700];
        snprintf(path, sizeof path, "%.500s/%s", a, RUN_RESULTS[i]);
        bool read = file_read(path, 1 << 28, &x, &e);
        snprintf(path, sizeof path, "%.500s/%s", b, RUN_RESULTS[i]);
        read = read && file_read(path, 1 << 28, &y, &e);
        if (!read)
            fprintf(stderr, "%s\n", e.message);
        if (read && x.len == y.len && memcmp(x.bytes, y.bytes, x.len) == 0)
            continue;
        fprintf(stderr, "%s: %zu and %zu bytes, not the same\n", path, x.len, y.len);
        different++;
    }
    return different;
}

#endif
