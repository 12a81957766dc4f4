/* sim: the simulated cluster behind the cluster seam. An immutable model (service variants with their latency tables,
 * recorded loads) is shared by all environments and threads; a state is flat memory without pointers, so that copying it
 * copies the whole future: the same actions then give the same bytes. Virtual time, one second inside. */
#ifndef MAESTRO_SIM_H
#define MAESTRO_SIM_H

#include <maestro/cluster.h>
#include <maestro/err.h>
#include <maestro/load.h>
#include <maestro/profile.h>
#include <maestro/trace.h>
#include <stddef.h>
#include <stdint.h>

struct sim_model;
struct sim_state; /* sim_state_bytes() bytes, 64-byte aligned, zeroed once */

struct sim_config {
    const struct service_profile *profile; /* copied */
    const struct trace *traces;            /* [n_traces], the caller's, must outlive the model; NULL: none */
    int n_traces;
    int n_variants;         /* 1: the profile as it is; more: variant 0 is the profile, the others are randomised */
    int n_threads;          /* to measure latency tables with; < 1: one */
    int max_replicas;       /* randomised loads peak at a share of this many pods' capacity */
    double latency_soft_ms; /* for over_soft and required replicas; <= 0: the profile's */
    double episode_s;       /* length that randomised loads are laid out for */
    bool faults;            /* random faults at the profile's rates */
    uint64_t seed;          /* of the variants */
};

MUST_CHECK bool sim_model_open(const struct sim_config *config, struct sim_model **out, struct err *e);
void sim_model_close(struct sim_model *m);
size_t sim_state_bytes(void);
int sim_variants(const struct sim_model *m);
const struct service_profile *sim_profile(const struct sim_model *m, int variant);

/* Requests/s that one warm, evenly loaded pod of the variant sustains with a p95 at most the soft limit. */
double sim_capacity_rps(const struct sim_model *m, int variant);

struct sim_fault {
    int kind;          /* enum fault_kind */
    double start_s;    /* since sim_begin */
    double duration_s; /* <= 0: the profile's */
    double strength;   /* <= 0: the profile's */
};

#define SIM_FAULTS 8

/* One reproducible episode. Zeroed, with a load: variant 0, no faults, one replica. */
struct sim_scenario {
    int variant;
    struct load load;
    int replicas; /* at the start, ready and warm */
    int n_faults; /* forced ones, besides nothing else: a scenario has no random faults unless random_faults */
    struct sim_fault faults[SIM_FAULTS];
    bool random_faults;
};

/* Starts an episode at time 0: scenario, or NULL to draw variant, load, start-up time, imbalance, first replicas by the
 * profile's randomisation. The realised arrivals of open loads depend on (scenario, seed, stream) only, never on actions. */
void sim_begin(const struct sim_model *m, struct sim_state *s, const struct sim_scenario *scenario, uint64_t seed,
               uint64_t stream);

/* The cluster seam over one state. */
struct sim {
    struct cluster cluster; /* first */
    const struct sim_model *model;
    struct sim_state *state;
    struct pod_record pods[PODS_LIMIT]; /* what sample.pods points to */
};

void sim_bind(struct sim *sim, const struct sim_model *m, struct sim_state *s);

/* What really happened, over all requests that ended in the span (completed, rejected, timed out, lost). */
struct sim_truth {
    double seconds;
    double arrivals;  /* requests that came */
    double requests;  /* requests that ended, failed ones included */
    double failed;    /* rejected, timed out, aborted, lost with a pod: in the distribution at the time-out */
    double over_soft; /* ended above the soft limit, failed ones included */
    double in_flight; /* at the end of the span */
    double p50_ms, p95_ms, p99_ms, mean_ms; /* NaN where requests is 0 */
    double spec_replica_s;                  /* integral of spec.replicas */
    double terminating_s;                   /* pod-seconds of pods being deleted: also cost */
    double starting_s;                      /* pod-seconds of pods not yet ready */
    double ready_s;
    double cpu_core_s; /* used by all pods */
};

/* True figures since the last take (or sim_begin). */
void sim_truth_take(struct sim *sim, struct sim_truth *out);

/* The same without p50 and p99 (NaN): cheaper, once per training step. */
void sim_truth_take_brief(struct sim *sim, struct sim_truth *out);

/* What cAdvisor and the service itself would show at their last scrape: counters, not rates. */
#define SIM_BUCKETS 31 /* with the one above all bounds */
struct sim_pod_look {
    int slot;            /* 0 .. PODS_LIMIT - 1; used again for another pod, which then has another start */
    double start_time_s; /* of the pod */
    bool ready, terminating;
    double share; /* of the service's arrivals now */
    double cpu_s; /* counter */
    double memory_mib;
};

struct sim_look {
    double time_s; /* of the scrape */
    int spec, ready, starting, terminating;
    double requests, failed;     /* counters of the whole service */
    int n_buckets;               /* finite bounds; profile.measurement.buckets_ms */
    double buckets[SIM_BUCKETS]; /* cumulative, [n_buckets + 1] */
    int n_pods;                  /* that have a container */
    struct sim_pod_look pods[PODS_LIMIT];
};

/* False: nothing was scraped yet. */
bool sim_look(const struct sim *sim, struct sim_look *out);

/* Load asked of the service now, without noise: requests/s. */
double sim_offered_rps(const struct sim *sim);
double sim_peak_rps(const struct sim *sim);
int sim_variant(const struct sim *sim);

/* Realised arrivals of each second [0, n) of the episode that s was begun with (s at time 0; unchanged). Open loads only:
 * for closed users false, as the arrivals then depend on the answers. */
MUST_CHECK bool sim_arrivals(const struct sim_model *m, const struct sim_state *s, int n, float *out /* [n] */,
                             struct err *e);

/* A lower bound of the true p95 (ms) of a span whose seconds had these arrivals, for any behaviour of n pods (serving
 * pod-seconds / span; may be fractional: a policy pays for terminating pods too). Relaxed: start-up, backlog at the start,
 * requests still in flight at the end, imbalance used to starve up to 5 % of the requests. 0 where nothing is said. */
double sim_bound_p95(const struct sim_model *m, int variant, const float *arrivals /* [n_seconds] */, int n_seconds,
                     double n);

/* Fewest evenly loaded warm pods whose p95 at rate_rps is at most the soft limit; at least 1. The demand curve r(t). */
int sim_required_replicas(const struct sim_model *m, int variant, double rate_rps);

#endif
