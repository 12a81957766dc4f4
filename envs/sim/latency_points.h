/* latency_points: what the measurement of a pod hands to the fitting of its table: points over L, and levels of probability
 * at which latencies are followed from point to point. Private to the two. */
#ifndef LATENCY_POINTS_H
#define LATENCY_POINTS_H

#include <maestro/err.h>
#include <maestro/latency.h>
#include <maestro/pod.h>

#define LATENCY_POINTS_LIMIT 32

/* Levels even in log odds, from 0.25 % to 99.99 %. */
#define LATENCY_LEVELS 61
#define LATENCY_LEVEL_FIRST (-6.0)
#define LATENCY_LEVEL_STEP 0.25

/* Fine histogram on the bits of a float: 64 steps per octave from 2^-8 ms. */
#define FINE_OCTAVE 64
#define FINE_LOG2_MIN (-8)
#define FINE_BINS (32 * FINE_OCTAVE)

struct latency_point {
    double load;     /* over capacity */
    double rate_rps; /* arrivals = what leaves */
    double l;        /* corrected */
    double seen_l;   /* as seen; belongs to the latencies */
    double rejected; /* share of rate_rps */
    double failed;   /* share of what ends inside */
    double clip;     /* mean latency with failures at the time-out, over the mean time inside */
    double weight;   /* of the point where neighbours are averaged */
    double level_ms[LATENCY_LEVELS];
};

struct latency_points {
    struct pod_config config;
    double capacity_rps;
    int n;
    struct latency_point at[LATENCY_POINTS_LIMIT]; /* l rises */
};

double latency_level(int level); /* its probability */
int latency_fine_bin(double ms);

/* Latencies at the levels of a fine histogram of n requests, of which what is missing lies at the time-out. */
void latency_read_levels(const float *fine /* [FINE_BINS] */, double n, double timeout_ms, double *level_ms);

/* The table that the points stand for. Sorts and smooths the points. */
void latency_fit(struct latency_points *points, uint64_t seed, struct latency_table *out);

#endif
