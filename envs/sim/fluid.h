/* fluid: the inner loop of the simulated cluster. Each pod is one number, L of latency.h; a second is one implicit
 * step of dL/dt = arrivals - throughput(L), read from a table. Private to envs/sim.
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
    /* A request that ends now after 10 s has a latency that its pod promised 10 s ago (waiting for a place) or in between
     * (sharing the CPU, whose pace may change meanwhile). */
    int first_slow;                /* bins below end as soon as they come; a multiple of FLUID_LANES */
    float age_s[LATENCY_BINS];     /* how long ago those who end now came */
    float settled_s[LATENCY_BINS]; /* how long ago the last of what settled their latency was known */
    const struct latency_table *latency;
};

#define FLUID_CHUNKS 64

/* Who came, by the latency promised, in chunks of time. */
struct fluid_past {
    float seconds; /* since the last chunk */
    float ended;   /* requests that left in that time, but for those turned away */
    float early;   /* requests that left ahead of their time and are still remembered */
    float surplus; /* sum over pods of L less the requests inside, at the last count */
    int32_t n;     /* chunks so far; chunk k lies in k % FLUID_CHUNKS */
    float length_s[FLUID_CHUNKS];
    float rate[FLUID_CHUNKS][LATENCY_BINS]; /* requests/s */
};

/* Structure of arrays over pod slots. A slot that takes no requests has share 0 and L 0. */
struct fluid_pods {
    float l[FLUID_PODS];        /* work inside, in requests: see latency.h */
    float share[FLUID_PODS];    /* of the service's arrivals */
    float served[FLUID_PODS];   /* requests served since somebody last set it to 0 */
    float per_step[FLUID_PODS]; /* of the pod's level */
    int32_t level[FLUID_PODS];
    /* Loads are smooth, so a pod stays in its row for many seconds: what came to it there is held back until it leaves, with
     * the sum of L over these requests: it tells how to divide them between this row and the next. */
    float held[FLUID_PODS];
    float held_l[FLUID_PODS];
    int32_t held_row[FLUID_PODS];
    struct fluid_past past;
};

/* One call: the seconds of arrivals[n_seconds] over slots [0, n_pods). cells[LATENCY_ROWS] += requests let in, by the row
 * of the pod that they came to; rejected += requests turned away; ended += all others that left. */
struct fluid_run {
    const struct fluid_table *table;
    struct fluid_pods *pods;
    int n_pods;
    const float *arrivals;
    int n_seconds;
    float *cells;
    float rejected;
    float ended[FLUID_LANES]; /* by lane */
};

void fluid_run(struct fluid_run *run); /* the fastest kernel of this machine */

/* What slots [first, end) hold back goes into cells. Before cells are read, and before a pod's level changes. */
void fluid_release(const struct fluid_table *t, struct fluid_pods *p, int first, int end, float *cells);

struct fluid_sums {
    float requests, failed, latency_ms; /* counts; sum of latencies */
};

/* Requests that ended since the last call, by latency: mix[LATENCY_BINS] += their cumulative counts. cells = 0. */
struct fluid_sums fluid_mix(const struct fluid_table *t, struct fluid_past *past, float *cells /* [LATENCY_ROWS] */,
                            float *mix /* [LATENCY_BINS] */);

/* The kernels, for the test that compares them. The plain one runs everywhere. */
void fluid_run_plain(struct fluid_run *run);
#ifdef SIM_HAVE_AVX2
void fluid_run_avx2(struct fluid_run *run);
#endif

/* The kernels' common end: a run's sums go to the past. */
void fluid_count(struct fluid_run *run);

/* Rare, the kernels' common tail: a pod near its limit turns requests away. Of the left ones it returns the served. */
float fluid_turn_away(struct fluid_run *run, int pod, float left);

#endif
