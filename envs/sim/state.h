/* state: the whole of one simulated episode as flat memory: pods, counters, faults, random streams. No pointers: a copy of
 * the bytes is a copy of the episode. Private to envs/sim. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "fluid.h"
#include "service.h"
#include <maestro/rng.h>
#include <maestro/sim.h>

#define NEVER INT64_MAX
#define RING 32 /* scrapes remembered; a window holds at most 31 */

struct sim_state;

struct sim_model {
    /* Who carries requests through the pods: NULL is fluid_run, else the event engine (exact.c) with its own context. run's
     * seconds begin at s->t_s. */
    void (*run)(void *engine, const struct sim_model *m, const struct sim_state *s, struct fluid_run *run);
    void *engine;
    struct sim_config config;
    int n_services;
    struct service *services;            /* [n_services], owned */
    struct service_profile *own_profile; /* what config.profile points to; owned */
};

enum slot_phase {
    SLOT_FREE,
    SLOT_PENDING, /* quota is spent */
    SLOT_STARTING,
    SLOT_READY,
    SLOT_TERMINATING,
    SLOT_CRASHED, /* waits for its restart */
    SLOT_GONE,    /* its series are still in somebody's window */
};

/* What is looked at only when something happens to a pod. Times in whole seconds of the episode. */
struct slot {
    /* One cache line: all that is asked of every pod whenever something happens to one. */
    _Alignas(64) enum slot_phase phase;
    bool endpoint;      /* gets arrivals */
    bool endpoint_next; /* what endpoints will say from endpoint_s on */
    bool working;       /* false: arrivals that still find it fail */
    bool has_metrics;   /* metrics-server knows it */
    int64_t endpoint_s;
    int64_t event_s; /* its next change: start done, warm-up step, drained?, restart */
    int64_t ready_changed_s;
    int64_t container_s; /* this container's start, for the leak */
    double weight;
    double stress_mib;
    int64_t gone_s;

    int restarts;
    int64_t start_time_s;
    int64_t delete_s;
    double warm_from_s;     /* start of warm-up */
    double stolen;          /* share of its CPU that a stressor takes */
    double metrics_total_s; /* counter at the last look of metrics-server */
    double metrics_time_s;
    double metrics_percent;
    double metrics_window_s;
};

/* Sums since the last sim_truth_take. */
struct tally {
    double seconds, arrivals, requests, failed, latency_ms_sum;
    double lost; /* of failed: without having been served */
    double spec_s, terminating_s, starting_s, ready_s, cpu_s;
    float count[LATENCY_BINS]; /* requests by latency */
};

/* What Prometheus has stored of the target. */
struct store {
    int n; /* scrapes kept so far; row of scrape k is k % RING */
    double time_s[RING];
    double requests[RING];
    double failed[RING];
    double memory_mib; /* sum of working sets at the last scrape */
    double bucket[RING][SERVICE_BUCKETS + 1];
    double cpu_s[RING][FLUID_PODS]; /* NaN: no such pod */
};

struct fault {
    int kind;
    int slot;
    int64_t end_s;
    double strength;
};

#define FAULTS_ACTIVE 16

/* The load as it unfolds: depends on nothing but (load, rng, time). */
struct demand {
    struct load load;
    struct rng rng;
    int64_t node_s; /* smooth shapes: rate is linear from node_s to node_s + DEMAND_NODE_S */
    double node_from, node_to;
    int64_t noise_s; /* likewise for the slow noise */
    double noise_from, noise_to;
    int trace_row;
};

struct sim_state {
    int64_t t_s; /* virtual time; negative while windows fill before the episode */
    int variant;
    int spec;      /* spec.replicas */
    int spec_seen; /* spec before its last change, for a late view of it */
    int64_t spec_changed_s;
    int64_t apply_s; /* when the pods follow spec; NEVER: they do */
    bool random_faults;

    struct demand demand;
    struct rng rng_pods, rng_measure, rng_fault;
    double start_s; /* this episode's mean start */
    double busiest;
    double drift; /* service time factor now, >= 1 */

    int64_t pods_next_s, scrape_next_s, metrics_next_s, drift_next_s, fault_next_s;

    struct fluid_pods pods;
    int n_slots;                 /* slots [0, n_slots) have been used */
    float cpu_cost[FLUID_PODS];  /* CPU seconds per request */
    float cpu_extra[FLUID_PODS]; /* cores burned that are not load */
    double cpu_total_s[FLUID_PODS];
    int64_t cpu_since_s; /* cpu_total_s is up to here, but for pods.served */
    struct slot slots[FLUID_PODS];
    int n_ready, n_starting, n_terminating; /* n_starting: exist, not ready, not being deleted */
    double dead_share;                      /* of arrivals, to pods that no longer work */
    bool no_endpoint;

    double lost;                      /* failed since the last flush without being served */
    double arrived;                   /* since the last flush */
    float scrape_count[LATENCY_BINS]; /* requests since the last scrape, by latency */
    double scrape_failed;
    struct tally tally;
    struct store store;

    int n_faults;
    struct fault faults[FAULTS_ACTIVE];
    int64_t fault_start_s[FAULT_KINDS]; /* random ones: next start */
    int n_forced;
    struct sim_fault forced[SIM_FAULTS];
    int64_t prometheus_down_until_s, gap_until_s, api_slow_until_s, api_slow_since_s;
    double api_delay_s, network_delay_ms, network_loss, abort_share;
};

#define DEMAND_NODE_S 5
#define DEMAND_NOISE_S 10

static inline const struct service *state_service(const struct sim_model *m, const struct sim_state *s)
{
    return &m->services[s->variant];
}

/* demand.c */
void demand_begin(struct demand *d, const struct load *load, uint64_t seed, uint64_t stream);
/* Rates (requests/s, or users) of the seconds [t_s, t_s + n). Call with t_s rising. */
void demand_fill(struct demand *d, const struct trace *traces, int64_t t_s, int n, float *out /* [n] */);

/* pods.c */
void pods_begin(const struct service *v, struct sim_state *s, int replicas);
void pods_scale(const struct service *v, struct sim_state *s, int replicas, double delay_s);
void pods_events(const struct service *v, struct sim_state *s);            /* what is due at s->t_s */
void pods_refresh(const struct service *v, struct sim_state *s, int slot); /* its speed changed */
void pods_settle_cpu(const struct service *v, struct sim_state *s);        /* counters up to s->t_s */
void pods_kill(const struct service *v, struct sim_state *s, int slot);
void pods_fail(const struct service *v, struct sim_state *s, int slot, int64_t until_s);
void pods_check_memory(const struct service *v, struct sim_state *s); /* OOM kills */
double pods_memory_mib(const struct service *v, const struct sim_state *s, int slot);
int pods_pick(struct sim_state *s); /* a random working pod, or -1 */

/* measure.c */
void measure_flush(const struct service *v, struct sim_state *s); /* pods.count into counts by latency and tally */
void measure_scrape(const struct service *v, struct sim_state *s);
void measure_metrics_server(const struct service *v, struct sim_state *s);
void measure_sample(const struct sim_model *m, const struct sim_state *s, bool with_pods,
                    struct pod_record *pods /* [PODS_LIMIT] */, struct sample *out);

/* fault.c */
void fault_begin(const struct service *v, struct sim_state *s);
void fault_events(const struct service *v, struct sim_state *s);

#endif
