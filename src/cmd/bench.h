/* bench: what the machine can do and what we do with it, measured in one run, so that both see the same noise. */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include <maestro/buf.h>
#include <maestro/err.h>

#define BENCH_LIMIT 64

/* One measured figure; rounds of all of them are interleaved. */
struct bench_result {
    char name[64];
    const char *unit; /* "GFLOP/s", "steps/s", "rows/s" */
    double best;
    double median;
    double flop_per_unit; /* 0: no share of the ceiling */
    int cores;            /* whose ceiling the share is of */
};

struct bench_options {
    const char *kernel; /* mat_kernels_find; NULL: auto */
    const char *only;   /* measure names that contain this; NULL: all */
    int rounds;         /* interleaved repeats; 0: 5 */
    double seconds;     /* least length of one repeat; 0: 0.15 */
    bool json;
};

struct bench;

/* A figure: prepare once, then units of work done by one call of run. data is the figure's own. */
struct bench_figure {
    const char *name;
    const char *unit;
    int cores;
    double flop_per_unit;
    bool (*run)(void *data, double *units, struct err *e);
    void (*finish)(void *data); /* NULL: nothing to free */
    void *data;
};

/* Measures every figure of the list and appends the table or the JSON to out. The first two figures must be the
 * ceilings of one and of two cores. */
MUST_CHECK bool bench_measure(struct bench_figure *figures, int n_figures, const struct bench_options *options,
                              struct buf *out, struct err *e);

/* Adds own figures; more may be appended by the caller before bench_measure. */
MUST_CHECK bool bench_ceilings(struct bench_figure *figures, int *n_figures, struct err *e);
MUST_CHECK bool bench_learning(struct bench_figure *figures, int *n_figures, const char *kernel, struct err *e);
MUST_CHECK bool bench_simulation(struct bench_figure *figures, int *n_figures, struct err *e);

/* All of the above. */
MUST_CHECK bool bench_run(const struct bench_options *options, struct buf *out, struct err *e);

#endif
