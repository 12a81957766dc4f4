/* fluid: the inner loop of the simulated cluster. Each pod is one number, L of latency.h; a second is one implicit
 * step of dL/dt = arrivals - throughput(L), read from a table. Private to envs/sim.
 *
 * Every variant of the kernel gives the same bits: only single additions and multiplications, one lane per pod, and a
 * fixed order wherever lanes meet. */
#ifndef SIM_FLUID_H
#define SIM_FLUID_H

#include <maestro/latency.h>
#include <stdint.h>

#define FLUID_PODS 128 /* slots; a multiple of FLUID_BLOCK */
#define FLUID_LANES 8
#define FLUID_COLUMNS 4
#define FLUID_BLOCK 16  /* pods that go through a stretch together */
#define FLUID_GRID 256  /* steps of y in the settle table */
#define FLUID_LEVELS 32 /* speeds 2^(-level / 8): 1 down to 0.07 */

/* L' = intercept + slope * y in the step that holds y = L + arrivals. */
struct fluid_line {
    float intercept, slope;
};

/* Per service variant; immutable. */
struct fluid_table {
    struct fluid_line line[FLUID_LEVELS * FLUID_GRID];
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
    /* Requests let in since the last fluid_mix, by row. Pods side by side count in different columns: an addition has not to
     * wait for the one before. */
    float count[LATENCY_ROWS][FLUID_COLUMNS];
    uint32_t second; /* so many have passed */
    struct fluid_past past;
};

/* One call: the seconds of arrivals[n_seconds] over slots [0, n_pods). rejected += requests turned away; ended += all others
 * that left. cells[LATENCY_ROWS]: where an engine in fluid_run's place (exact.c) counts requests by row. */
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

struct fluid_sums {
    float requests, failed, latency_ms; /* counts; sum of latencies */
};

/* Requests that ended since the last call, by latency: count[LATENCY_BINS]. pods->count = 0. */
struct fluid_sums fluid_mix(const struct fluid_table *t, struct fluid_pods *pods, float *count /* [LATENCY_BINS] */);

/* The kernels, for the test that compares them. The plain ones run everywhere. */
void fluid_run_plain(struct fluid_run *run);
struct fluid_sums fluid_mix_plain(const struct fluid_table *t, struct fluid_pods *pods, float *count);
#ifdef SIM_HAVE_AVX2
void fluid_run_avx2(struct fluid_run *run);
struct fluid_sums fluid_mix_avx2(const struct fluid_table *t, struct fluid_pods *pods, float *count);
#endif

/* A position between two rows counts now in this one, now in that: over FLUID_DITHER seconds in proportion. Van der Corput's
 * sequence, twice, so that FLUID_LANES pods can read on from any second. */
#define FLUID_DITHER 16
extern const float fluid_dither[FLUID_DITHER + FLUID_LANES];

/* The kernels' common end: a run's sums go to the past. */
void fluid_count(struct fluid_run *run);

/* Rare, the kernels' common tail: a pod near its limit turns requests away. Of the left ones it returns the served. */
float fluid_turn_away(struct fluid_run *run, int pod, float left);

#endif
