/* types: the domain as plain data, shared by every layer above base. Units are in the names. Zero-initialised means
 * "nothing known": a zero validity is no_data, never a valid zero. */
#ifndef MAESTRO_TYPES_H
#define MAESTRO_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/* The five signals, in this order everywhere. */
enum signal_id {
    SIGNAL_CPU,      /* sum over the target's pods, percent of one core */
    SIGNAL_MEMORY,   /* working set / (memory limit x replicas), 0..1 */
    SIGNAL_REPLICAS, /* spec.replicas: what was asked for, the base of every delta */
    SIGNAL_P95,      /* 95th percentile of request latency, ms */
    SIGNAL_RPS,      /* completed requests per second */
    SIGNAL_COUNT
};

/* None of the last four is ever a zero. */
enum validity {
    VALIDITY_NO_DATA, /* an empty answer: nothing known */
    VALIDITY_VALID,
    VALIDITY_ABSENT, /* known not to exist: p95 while rps is valid and about 0, memory without a limit */
    VALIDITY_FAILED, /* the question failed */
    VALIDITY_STALE,  /* an answer, but too old */
};

struct reading {
    double value; /* meaningless unless valid (stale: the old value) */
    double age_s; /* true age of the newest sample behind the value */
    enum validity validity;
};

enum pod_phase { POD_PENDING, POD_RUNNING, POD_FAILED, POD_SUCCEEDED };

#define POD_NAME_BYTES 16

/* One pod as the API server and metrics-server show it. Times are on the sample's clock. */
struct pod_record {
    double cpu_percent;         /* of one core, metrics-server's view; meaningless unless has_cpu */
    double cpu_sample_time_s;   /* when that was measured */
    double cpu_window_s;        /* over how long */
    double cpu_request_percent; /* of one core; 0: no request set */
    double start_time_s;        /* meaningless unless has_start_time */
    double ready_changed_s;     /* last transition of the Ready condition */
    enum pod_phase phase;
    bool has_cpu;
    bool has_start_time;
    bool has_ready_condition;
    bool ready;
    bool deleting; /* deletion timestamp set */
};

#define REPLICAS_LIMIT 64 /* most replicas any target may have in the simulator */
#define PODS_LIMIT 160    /* most pods a sample carries: running, starting, terminating */

/* What one look at a target returns. */
struct sample {
    double time_s; /* of the look; virtual or real clock */
    struct reading signals[SIGNAL_COUNT];
    int ready;
    int starting;               /* exist, not yet ready */
    int terminating;            /* deletion timestamp set; still cost */
    bool rolling_out;           /* pods are being replaced by another version, or that is halted half-way */
    struct reading error_ratio; /* 0..1 */
    int n_pods;
    const struct pod_record
        *pods; /* [n_pods], owned by the cluster, valid until its next call; NULL if not asked for */
};

#define TARGET_NAME 192 /* bytes, with the NUL */

/* What the operator wants of a target. Annotations over configuration. */
struct target {
    char name[TARGET_NAME]; /* "namespace/deployment", or any word */
    int min_replicas;
    int max_replicas;
    double latency_soft_ms; /* <= 0: unset */
    double latency_hard_ms; /* <= 0: unset */
};

/* Replica deltas that an action index means; index order is the network's output order. */
#define ACTIONS_LIMIT 16
struct action_set {
    int n;
    int delta[ACTIONS_LIMIT]; /* strictly increasing, contains 0 */
};

#endif
