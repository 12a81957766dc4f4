/* profile: a service and the cluster around it as named parameters: how a pod works off requests, how pods come and go, how
 * they are measured, what goes wrong. Read from envs/NAME.yaml; every key has a default, a range and a unit. */
#ifndef MAESTRO_PROFILE_H
#define MAESTRO_PROFILE_H

#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/rng.h>
#include <stdbool.h>
#include <stdint.h>

enum balancing {
    BALANCE_REQUEST,    /* each request picks a pod: small, stable differences between pods */
    BALANCE_CONNECTION, /* long-lived connections: the busiest pod gets balance_busiest times the mean */
    BALANCE_SHARED,     /* one queue for all pods, for comparison with M/M/c theory only */
};

/* One fully warm pod of a service. A request needs CPU (processor sharing among at most `concurrency` requests, with
 * node_cores at hand, a CFS quota per 100 ms period on top) and then waits without CPU (downstream calls) while it keeps
 * its concurrency slot. Requests beyond `concurrency` wait in the pod's backlog, first come first served; beyond `backlog`
 * waiting ones they are rejected at once. The client of a request older than timeout_ms gives up; the pod, which cannot
 * know, does the work all the same. Rejected and given-up requests enter the latency distribution at timeout_ms, as failed. */
struct service_model {
    double cpu_ms;   /* mean CPU time per request */
    double cpu_cv;   /* its coefficient of variation; log-normal (1 with exponential=true is M/M) */
    double wait_ms;  /* mean time per request without CPU, 0: none */
    double wait_cv;  /* log-normal */
    int concurrency; /* requests in service at once */
    int backlog;     /* requests waiting for a slot */
    double timeout_ms;
    double cpu_limit_cores; /* CFS quota: cores x 100 ms of CPU in each 100 ms; 0: no limit */
    double node_cores;      /* most cores the pod can use at one moment */
    bool exponential;       /* CPU time exponential instead of log-normal, for comparison with theory */
    int balancing;          /* enum balancing */
    double balance_busiest; /* weight of the busiest pod over the mean, 1..2; weights are uniform in [2 - this, this] */
};

struct profile_service {
    struct service_model model;
    double latency_soft_ms; /* what an operator of this service would ask for */
    double latency_hard_ms;
    double drift;          /* background drift of the service time within an episode, relative, 0: none */
    double drift_period_s; /* mean time between its steps */
};

struct profile_pods {
    double cpu_request_cores;
    double memory_base_mib;
    double memory_per_request_mib; /* per request in the pod */
    double memory_limit_mib;       /* 0: none */
    double memory_leak_mib_h;      /* per hour of life */
    double start_s;                /* scheduling + image + start until ready, mean */
    double start_cv;               /* spread between pods, log-normal */
    double start_cpu_cores;        /* CPU burned while starting, not load */
    double warm_up_s;              /* after ready */
    double warm_up_speed;          /* speed at ready, 1: none; rises linearly to 1 */
    double grace_s;                /* from deletion to end; in-flight requests are finished, longest */
    double endpoint_lag_min_s;     /* endpoints learn of ready and deletion so much later */
    double endpoint_lag_max_s;
    double backoff_s;      /* first restart back-off after a crash; doubles up to 300 s */
    double quota_replicas; /* pods beyond this many stay pending; 0: none */
};

struct profile_measurement {
    double scrape_s;               /* scrape interval of Prometheus */
    double window_s;               /* of rate() */
    double quantile;               /* of histogram_quantile */
    double metrics_server_s;       /* resolution of metrics-server */
    double replicas_lag_s;         /* the replica count seen is so old */
    double stale_after_s;          /* a newest sample older than this makes the signal stale */
    double gap_probability;        /* of losing one scrape */
    int prometheus;                /* 2: range selectors closed on the left (2.x); 3: open (3.x) */
    struct config_list buckets_ms; /* finite upper bounds of the latency histogram, rising */
};

#define FAULT_KINDS 10
enum fault_kind {
    FAULT_POD_KILL,
    FAULT_POD_FAILURE,
    FAULT_CPU_STRESS,
    FAULT_MEMORY_STRESS,
    FAULT_NETWORK_DELAY,
    FAULT_NETWORK_LOSS,
    FAULT_HTTP_ABORT,
    FAULT_PROMETHEUS_DOWN,
    FAULT_API_SLOW,
    FAULT_METRIC_GAP,
};

struct fault_rate {
    double probability; /* of starting, per minute of simulated time */
    double duration_s;
    double strength; /* kind's own unit, see envs/sim/fault.c */
};

struct profile_faults {
    struct fault_rate kinds[FAULT_KINDS];
};

/* Domain randomisation: factors and ranges drawn once per variant (tables) or per episode (everything else). */
struct profile_random {
    bool enabled;
    double cpu_factor_low, cpu_factor_high;     /* log-uniform factor on cpu_ms */
    double wait_factor_low, wait_factor_high;   /* log-uniform factor on wait_ms */
    double cv_low, cv_high;                     /* uniform, cpu_cv */
    double limit_factor_low, limit_factor_high; /* log-uniform factor on cpu_limit_cores */
    double start_low_s, start_high_s;           /* log-uniform, per episode */
    double busiest_low, busiest_high;           /* uniform, per episode */
    double peak_low, peak_high; /* uniform: peak load of the busiest pod over its capacity, per episode */
    double trace_share;         /* episodes whose load is recorded, where there are traces */
    double abrupt_share;        /* episodes whose load jumps: step, spike, flash crowd, on/off */
    double idle_share;          /* generated loads that fall to nothing at their base */
    double noise_high;          /* slow noise on the rate, uniform from 0 */
    double burst_high;          /* half of the episodes: noise on single seconds, uniform from 0 */
};

struct service_profile {
    char name[64];
    struct profile_service service;
    struct profile_pods pods;
    struct profile_measurement measurement;
    struct profile_faults faults;
    struct profile_random random;
};

/* The sections of a profile over p, for a program's own configuration; n_sections is set. Owned by the caller: the array
 * has room for PROFILE_SECTIONS. */
#define PROFILE_SECTIONS 5
int profile_sections(struct service_profile *p, struct config_section sections[PROFILE_SECTIONS]);

/* name: "web-api" and the like (envs/NAME.yaml of the data folder), or a path to a YAML file. */
MUST_CHECK bool profile_load(const char *name, struct service_profile *out, struct err *e);
void profile_default(struct service_profile *out);
MUST_CHECK bool profile_check(const struct service_profile *p,
                              struct err *e); /* what ranges of single keys cannot say */

/* Another service of the same kind: the variant's own numbers drawn from p->random. */
void profile_randomise(const struct service_profile *p, struct rng *rng, struct service_profile *out);

#endif
