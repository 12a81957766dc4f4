/* fluid: the inner loop of the simulated cluster. Each pod is one number, the mean of the requests inside it; a second is
 * one implicit step of dL/dt = arrivals - throughput(L), read from a table. Private to envs/sim.
 *
 * Every variant of the kernel gives the same bits: only single additions and multiplications, one lane per pod, and a
 * fixed order wherever lanes meet. */
#ifndef SIM_FLUID_H
#define SIM_FLUID_H

#include <maestro/latency.h>
#include <stdint.h>

#define FLUID_PODS 128 /* slots; a multiple of FLUID_LANES */
#define FLUID_LANES 8
#define FLUID_GRID 256  /* steps of y in the settle table */
#define FLUID_LEVELS 32 /* speeds 2^(-level / 8): 1 down to 0.07 */

/* Per service variant; immutable. L' = intercept + slope * y in the step that holds y = L + arrivals. */
struct fluid_table {
    float intercept[FLUID_LEVELS * FLUID_GRID];
    float slope[FLUID_LEVELS * FLUID_GRID];
    float per_step[FLUID_LEVELS]; /* steps per unit of y */
    float l_top;                  /* L never rises above */
    float reject_from;            /* below this L nobody is turned away */
    float capacity_rps[FLUID_LEVELS];
    uint8_t row_map[FLUID_LEVELS][LATENCY_ROWS]; /* row whose latencies a pod at that speed and L shows */
    const struct latency_table *latency;
};

/* Structure of arrays over pod slots. A slot that takes no requests has share 0 and L 0. */
struct fluid_pods {
    float l[FLUID_PODS];        /* mean requests inside */
    float share[FLUID_PODS];    /* of the service's arrivals */
    float served[FLUID_PODS];   /* requests served since somebody last set it to 0 */
    float per_step[FLUID_PODS]; /* of the pod's level */
    int32_t level[FLUID_PODS];
    /* L as the requests that leave now found it when they came, a while ago: what their latency depends on. */
    float seen[FLUID_PODS];
    /* Loads are smooth, so a pod stays in its row for many seconds: what it served there is held back until it leaves, with
     * the sum of seen over these requests: it tells how to divide them between this row and the next. */
    float held[FLUID_PODS];
    float held_l[FLUID_PODS];
    int32_t held_row[FLUID_PODS];
};

/* One call: the seconds of arrivals[n_seconds] over slots [0, n_pods). cells[LATENCY_ROWS] += requests served by row;
 * rejected += requests turned away. */
struct fluid_run {
    const struct fluid_table *table;
    struct fluid_pods *pods;
    int n_pods;
    const float *arrivals;
    int n_seconds;
    float *cells;
    float rejected;
};

void fluid_run(struct fluid_run *run); /* the fastest kernel of this machine */

/* What slots [first, end) hold back goes into cells. Before cells are read, and before a pod's level changes. */
void fluid_release(const struct fluid_table *t, struct fluid_pods *p, int first, int end, float *cells);

struct fluid_sums {
    float requests, failed, latency_ms; /* sum of cells; of cells * failed; of cells * mean_ms */
};

/* mix[LATENCY_BINS] += sum over rows of cells * cdf, then cells = 0. */
struct fluid_sums fluid_mix(const struct latency_table *t, float *cells /* [LATENCY_ROWS] */,
                            float *mix /* [LATENCY_BINS] */);

/* The kernels, for the test that compares them. The plain one runs everywhere. */
void fluid_run_plain(struct fluid_run *run);
#ifdef SIM_HAVE_AVX2
void fluid_run_avx2(struct fluid_run *run);
#endif

/* Rare, the kernels' common tail: a pod near its limit turns requests away. Of the left ones it returns the served. */
float fluid_turn_away(struct fluid_run *run, int pod, float left);

#endif
