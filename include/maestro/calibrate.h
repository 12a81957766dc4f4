/* calibrate: a service profile from what a running service did under a short staircase of load and a few starts of pods. Pure
 * functions over a history: the same for one that Prometheus kept and one that the simulator made. Every parameter carries its
 * standard error and where it came from; what the data cannot tell is said to be unknown and keeps its default. */
#ifndef MAESTRO_CALIBRATE_H
#define MAESTRO_CALIBRATE_H

#include <maestro/buf.h>
#include <maestro/history.h>
#include <maestro/profile.h>

/* What is known without measuring. */
struct calibrate_facts {
    double cpu_request_cores, cpu_limit_cores, memory_limit_mib; /* 0: none */
    double node_cores;
    double timeout_ms; /* of clients */
    double window_s, quantile;
    double latency_soft_ms, latency_hard_ms; /* 0: unset */
};

enum calibrate_parameter {
    CALIBRATE_CPU_MS,
    CALIBRATE_IDLE_CORES, /* not in a profile: printed only */
    CALIBRATE_CPU_CV,
    CALIBRATE_WAIT_MS,
    CALIBRATE_WAIT_CV,
    CALIBRATE_CAPACITY_RPS, /* printed only */
    CALIBRATE_CONCURRENCY,
    CALIBRATE_BACKLOG,
    CALIBRATE_MEMORY_BASE_MIB,
    CALIBRATE_MEMORY_PER_REQUEST_MIB,
    CALIBRATE_START_S,
    CALIBRATE_START_CV,
    CALIBRATE_START_CPU_CORES,
    CALIBRATE_WARM_UP_S,
    CALIBRATE_WARM_UP_SPEED,
    CALIBRATE_SCRAPE_S,
    CALIBRATE_PARAMETERS
};

enum calibrate_state {
    CALIBRATE_UNKNOWN,  /* value is the default */
    CALIBRATE_MEASURED, /* error is one standard error */
    CALIBRATE_BOUND,    /* value is a lower bound */
};

struct calibrate_value {
    double value, error;
    enum calibrate_state state;
    char source[160]; /* what it was taken from, or why it is not known */
};

#define CALIBRATE_STEPS 32

/* One step of the load, without its edges; one pod throughout. */
struct calibrate_step {
    int number;
    double from_s, to_s;
    double offered_rps;            /* NaN: unknown */
    double served_rps, failed_rps; /* failed: server errors */
    double mean_ms, inside; /* of the served; by Little's law, NaN: failed ones are not in the sum at the time-out */
    double cpu_cores, memory_mib;
    double counts[HISTORY_BUCKETS]; /* requests by bucket, not cumulative, failed ones included */
    bool saturated;
};

struct calibrate_fit {
    struct calibrate_value values[CALIBRATE_PARAMETERS];
    struct calibrate_step steps[CALIBRATE_STEPS];
    int n_steps;
    int n_bounds;
    double bound_ms[HISTORY_BUCKETS];
    double misfit;  /* share of requests that the fitted latencies put into another bucket */
    double chi_dof; /* Pearson's chi-square over its degrees of freedom */
    struct calibrate_facts facts;
};

const char *calibrate_name(enum calibrate_parameter parameter);
const char *calibrate_unit(enum calibrate_parameter parameter);

/* ERR_FORMAT with the reason where the data cannot carry a profile: too few points, CPU that does not grow with requests,
 * residuals above the limit, latencies that no such service shows. */
MUST_CHECK bool calibrate_fit(const struct history *h, const struct calibrate_facts *facts, struct calibrate_fit *out,
                              struct err *e);

/* The fit as a profile (name: its own name) and as the text of envs/NAME.yaml, comments and all. */
void calibrate_profile(const struct calibrate_fit *fit, const char *name, struct service_profile *out);
void calibrate_write_profile(const struct calibrate_fit *fit, struct buf *out);

/* A history as CSV under a first line of '#' and JSON with the facts. */
void calibrate_write_record(const struct history *h, const struct calibrate_facts *facts, struct buf *out);
MUST_CHECK bool calibrate_parse_record(const char *name, const char *text, size_t n, struct history *h,
                                       struct calibrate_facts *facts, struct err *e);

/* Runs the profile in the simulator, request by request or by the fast one, under the loads and replica counts of the rows
 * (times, offered_rps, spec), with neither drift nor faults. out: one row a second; the caller finishes it. */
struct calibrate_twin {
    const struct service_profile *profile;
    bool exact;
    uint64_t seed;
    int runs; /* whose counters are averaged, with seeds from seed on; < 2: one, with all its chance */
};
MUST_CHECK bool calibrate_run_twin(const struct calibrate_twin *twin, const struct history *schedule,
                                   struct history *out, struct err *e);

/* Real and simulated side by side, window by window. */
#define CALIBRATE_SIDES 3 /* real, exact, fast */
struct calibrate_window {
    double from_s; /* since the first row */
    int replicas, step;
    double offered_rps;
    bool below; /* below saturation, with all pods there, the load of one step */
    double rps[CALIBRATE_SIDES], p95_ms[CALIBRATE_SIDES], cpu_cores[CALIBRATE_SIDES];
};

#define CALIBRATE_REPLICAS 8 /* a staircase each, from 1 pod on */
#define CALIBRATE_STAIRS 16  /* most steps of a staircase */
struct calibrate_check {
    int n, n_below;
    struct calibrate_window *windows;                                                          /* [n] owned */
    double p95_error[CALIBRATE_SIDES], cpu_error[CALIBRATE_SIDES], rps_error[CALIBRATE_SIDES]; /* medians, relative */
    int n_onsets;
    int onset_replicas[CALIBRATE_REPLICAS];
    double onset_rps[CALIBRATE_REPLICAS][CALIBRATE_SIDES]; /* load at which p95 passes onset_ms; NaN: never did */
    double onset_ms;
};

/* limit_ms: p95 at which a service counts as saturated; 0: three times that of the lightest step. ERR_FORMAT: too few
 * steps with all pods ready, or more than there is room for. */
MUST_CHECK bool calibrate_compare(const struct history *sides[CALIBRATE_SIDES], double window_s, double limit_ms,
                                  struct calibrate_check *out, struct err *e);
/* What chance alone makes of an onset: twin is run once for each of so many seeds; out has the least and the greatest load, by
 * the entries of check's onset_rps, NaN where no run passed the limit. twin->runs is not looked at. */
struct calibrate_span {
    double low, high;
};
MUST_CHECK bool calibrate_scatter(const struct calibrate_twin *twin, const struct history *schedule, int seeds,
                                  const struct calibrate_check *check, struct calibrate_span out[CALIBRATE_REPLICAS],
                                  struct err *e);
void calibrate_check_finish(struct calibrate_check *c);
void calibrate_write_check(const struct calibrate_check *c, struct buf *out); /* CSV */

#endif
