/* evaluate: policies x traces x faults x windows x seeds on the simulated cluster, judged by what truly happened.
 *
 * Every policy meets the same windows with the same seeds (paired). It is asked at its own period and judged on one common
 * grid of period_s seconds: replicas and the requests that arrived in that very period, never the measured signals.
 *
 *     reward_true  0.3 (max - pods)/max + 0.7 r2(true p95); pods = spec replicas + terminating ones, time means
 *     over soft    a period whose true p95 is above the soft limit
 *     SLO holds    at most slo_budget of the periods over soft, and never over hard for more than 60 s on end
 *
 * Output files, written into one folder (numbers with a point, empty field = not defined, "." never appears):
 *
 *   summary.csv    one row per policy, trace and fault, then per policy with trace = ALL (mean over the traces):
 *                  policy,kind,trace,fault,files,windows,slo_holds,cost_score, then for every METRIC three columns
 *                  METRIC,METRIC_low,METRIC_high (mean, and its 95 % interval over windows and files; the seeds of a
 *                  window share its load: they are averaged first, and count as one)
 *   windows.csv    one row per run: policy,file,trace,fault,window,offset_s,seed,slo_holds, then every METRIC
 *   timeline.csv   the first window of each trace, one row per period and policy (first file of each):
 *                  t_s,policy,trace,fault,window,rps,replicas,ready,starting,terminating,p95_ms,soft_ms,hard_ms,
 *                  over_soft,reward_true,bound_replicas   (bound_replicas: SPEC's demand, the fewest warm pods within soft)
 *   decision_map.csv what the first trained policy did, over all its decisions in windows without faults, warm-up apart:
 *                  load_per_capacity,p95_over_soft,action_delta,count   one row per tile of a full grid, named by its middle;
 *                  load = measured requests/s over what the ready pods carry within soft, p95 = measured one over soft (0
 *                  while idle), both as the decision saw them and where both were known; the last tile of a row or column
 *                  takes all beyond; action_delta = mean of replicas added (less than 0: removed) after the guard, empty
 *                  where count is 0
 *   evaluation.json {"command": "...", "protocol": {...}, "policies": [{"name","kind","files":[...]}], "summary": [{the same as a row of
 *                  summary.csv, each METRIC as [mean, low, high]}], "paired": [{"policy","baseline","trace","metric",
 *                  "mean","low","high","n"}], "held": [{"policy","baseline","traces","held"}], "tuned": [...]}; trace ALL
 *                  is all of them, HELD those on which the baseline holds the SLO: so many "traces", of which the policy
 *                  has "held" so many; n is windows x files
 *
 * METRICs in this order, the names as in evaluate_metrics[] (evaluate.c):
 *   reward_true violation_time violation_requests longest_hard_s replica_hours mean_replicas ups downs
 *   direction_changes_per_hour theta_u theta_o tau_u tau_o instability jitter regret_reward regret_cost
 *   p50_ms p95_ms p99_ms failed_ratio
 * p50_ms to p99_ms are over all requests of the run, put together from the quantiles of its periods (log-linear between
 * them). violation_*, theta, tau, instability and regret_cost are percent; jitter is per minute; replica_hours count spec +
 * terminating pods; regret_reward = bound's reward - own; regret_cost = replica-hours over the bound's, percent.
 * cost_score = the budget bound's replica-hours / own, only where the SLO holds, else empty. The two bounds appear as
 * policies "bound" (kind bound: most reward) and "bound-slo" (fewest replica-hours with the budget kept). */
#ifndef MAESTRO_EVALUATE_H
#define MAESTRO_EVALUATE_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/oracle.h>
#include <maestro/profile.h>
#include <maestro/reward.h>
#include <maestro/stats.h>
#include <maestro/trace.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum evaluate_metric {
    METRIC_REWARD_TRUE,
    METRIC_VIOLATION_TIME,
    METRIC_VIOLATION_REQUESTS,
    METRIC_LONGEST_HARD_S,
    METRIC_REPLICA_HOURS,
    METRIC_MEAN_REPLICAS,
    METRIC_UPS,
    METRIC_DOWNS,
    METRIC_DIRECTION_CHANGES,
    METRIC_THETA_U,
    METRIC_THETA_O,
    METRIC_TAU_U,
    METRIC_TAU_O,
    METRIC_INSTABILITY,
    METRIC_JITTER,
    METRIC_REGRET_REWARD,
    METRIC_REGRET_COST,
    METRIC_P50_MS,
    METRIC_P95_MS,
    METRIC_P99_MS,
    METRIC_FAILED_RATIO,
    METRIC_COUNT
};

extern const char *const evaluate_metrics[METRIC_COUNT];

/* Section "evaluate": the protocol. */
struct evaluate_config {
    int windows;      /* per trace, drawn by seed, at real time; short traces are mirrored */
    int seeds;        /* per window: arrivals, start-up times, imbalance */
    double window_s;  /* judged */
    double warm_up_s; /* before it, not judged */
    double period_s;  /* of the judging grid, whole seconds; must divide the policies' periods */
    double peak;      /* the window's own peak load over max_replicas x capacity */
    int min_replicas;
    int max_replicas;
    double latency_soft_ms; /* 0: the profile's */
    double latency_hard_ms;
    double slo_budget; /* share of periods that may be over soft */
    double hard_s;     /* longest time over hard with which the SLO still holds */
    int flap_budget;   /* of policies that go in steps: turns an hour, then only up; 0: no limit */
    int cluster;       /* 0 fast, 1 exact: the request-level simulator */
    int threads;       /* 0: all cores; the results are the same */
    long long seed;
};
extern const struct config_key evaluate_config_keys[];
extern const int n_evaluate_config_keys;

#define EVALUATE_FILES 16
#define EVALUATE_NAME 96

/* One competitor: a name and one or more texts for registry_open (one trained policy per training seed). */
struct evaluate_policy {
    char name[EVALUATE_NAME];
    int n_files;
    bool by_trace; /* one text a trace instead, as for a rule tuned on the judged trace itself; n_files is 1 */
    char text[EVALUATE_FILES][CONFIG_TEXT];
};

/* "TEXT" or "NAME=TEXT"; a NAME that is already in policies[*n] gets one file more; "ppo:A,B" are two files. Commas of a
 * name become spaces. A name that does not fit, or is a bound's, is ERR_USAGE. */
MUST_CHECK bool evaluate_add_policy(struct evaluate_policy *policies, int *n, int limit, const char *text,
                                    struct err *e);

/* The policy of this name, written with or without its commas; -1: none. */
int evaluate_find_policy(const struct evaluate_policy *policies, int n, const char *name);

/* Gives each of n loads a name of its own. Commas and quotes become spaces. Those that share a name are called as they
 * were asked for, by texts[n] ("FILE" or "FILE#FROM..TO"), without ".csv"; where that is the same too, "~2" and so on
 * stands behind it. ALL and HELD are taken by the tables. A name that nobody shares stays, and with it the windows that
 * are drawn from it. */
void evaluate_name_traces(struct trace *traces, const char *const *texts, int n);

/* What is compared on what. All borrowed. */
struct evaluate_plan {
    const struct evaluate_config *config;
    const struct service_profile *profile;
    const struct reward_config *reward;
    const struct trace *traces;
    int n_traces;
    const struct evaluate_policy *policies;
    int n_policies;
    bool faults;         /* none and then each kind of the list */
    bool no_bounds;      /* leave out bounds, demand and what rests on them (undefined) */
    bool live;           /* judged on a live target by what was measured: evaluate_live.h */
    bool timeline;       /* keep the first window of each trace */
    bool decisions;      /* keep the map of the first trained policy's decisions */
    const char *command; /* that asked for this, for evaluation.json; NULL: none */
    void (*progress)(void *arg, int done, int total); /* NULL: none; called one at a time, from any thread */
    void *progress_arg;
};

struct evaluate_run {
    double metric[METRIC_COUNT];
    bool slo_holds;
};

/* One judged stretch of a trace, the same for all policies. */
struct evaluate_window {
    double offset_s;
    uint64_t seed;
    double peak_rps;
    struct oracle_answer bound;
    double *demand; /* [n_periods] */
};

struct evaluate_period {
    double t_s, rps, replicas, ready, starting, terminating, p95_ms, reward_true;
    bool over_soft;
};

/* A tile of the decision map. Whole numbers, so that the order in which threads add does not matter. */
#define EVALUATE_MAP_LOADS 24
#define EVALUATE_MAP_LOAD_STEP 0.05
#define EVALUATE_MAP_LATENCIES 20
#define EVALUATE_MAP_LATENCY_STEP 0.1
struct evaluate_tile {
    atomic_long n_decisions;
    atomic_long delta; /* sum of replicas added */
};

struct evaluate_result {
    struct evaluate_plan plan;
    int n_faults, n_windows, n_periods; /* n_windows = windows x seeds */
    int n_entrants;                     /* files of all policies, then the two bounds */
    double soft_ms, hard_ms, capacity_rps;
    struct evaluate_window *windows;  /* [n_traces][n_windows] */
    struct evaluate_run *runs;        /* [n_entrants][n_traces][n_faults][n_windows] */
    struct evaluate_period *timeline; /* [n_policies][n_traces][n_periods] or NULL */
    struct evaluate_tile *tiles;      /* [EVALUATE_MAP_LATENCIES][EVALUATE_MAP_LOADS]; NULL: not asked, none trained */
};

/* Runs everything. ERR_USAGE names what does not fit. The result does not depend on the number of threads. */
MUST_CHECK bool evaluate_all(const struct evaluate_plan *plan, struct evaluate_result *out, struct err *e);
void evaluate_finish(struct evaluate_result *r); /* accepts NULL and zeroed */

/* Policies by index: 0..n_policies - 1, then EVALUATE_BOUND and EVALUATE_BOUND_SLO behind them. */
#define EVALUATE_BOUNDS 2
extern const char *const evaluate_bounds[EVALUATE_BOUNDS]; /* their names */
const char *evaluate_policy_name(const struct evaluate_result *r, int policy);
const char *evaluate_policy_kind(const struct evaluate_result *r, int policy);
int evaluate_policy_files(const struct evaluate_result *r, int policy);
const char *evaluate_fault_name(int fault); /* 0: "none" */
const struct evaluate_run *evaluate_run_at(const struct evaluate_result *r, int policy, int file, int trace, int fault,
                                           int window);

/* A verdict over the windows and files of one policy; trace < 0: over all traces, which weigh the same. The seeds of a
 * window share its load and are averaged first. */
struct evaluate_verdict {
    struct stats_interval metric[METRIC_COUNT]; /* 95 % */
    bool slo_holds;                             /* on this trace; on all of them */
    double cost_score;                          /* NaN unless slo_holds */
    int n_windows;                              /* of all these traces; its seeds count as one */
};
MUST_CHECK bool evaluate_verdict(const struct evaluate_result *r, int policy, int trace, int fault,
                                 struct evaluate_verdict *out, struct err *e);

struct evaluate_pair {
    int policy, baseline;
    int trace; /* < 0: all */
    enum evaluate_metric metric;
    bool where_held; /* only traces on which the baseline holds the SLO; without any, the result is not a number */
};

/* policy's metric less the baseline's, window by window (the baseline's files averaged; the interval counts how far they
 * lie apart). */
MUST_CHECK bool evaluate_paired(const struct evaluate_result *r, const struct evaluate_pair *pair,
                                struct stats_interval *out, struct err *e);

/* On how many traces the baseline holds the SLO, and on how many of these the policy does. */
struct evaluate_held {
    int n_traces, n_held;
};
MUST_CHECK bool evaluate_held(const struct evaluate_result *r, int policy, int baseline, struct evaluate_held *out,
                              struct err *e);

/* The winner of a grid of HPA settings. */
enum evaluate_objective {
    OBJECTIVE_REWARD, /* most reward_true */
    OBJECTIVE_SLO,    /* fewest replica-hours that hold the SLO; if none does, least time over soft */
};
struct evaluate_tuned {
    int target_percent;
    double window_s;
    bool slo_holds;
    double reward_true, violation_time, replica_hours;
};
#define EVALUATE_TUNE_TARGETS 13 /* 30 to 90 percent, by 5 */
#define EVALUATE_TUNE_WINDOWS 4  /* 0, 60, 120, 300 s */
/* plan's policies are ignored. per_trace[n_traces] gets each trace's own winner (NULL: not asked), overall the one over all
 * of them. */
MUST_CHECK bool evaluate_tune_hpa(const struct evaluate_plan *plan, enum evaluate_objective objective,
                                  struct evaluate_tuned *per_trace, struct evaluate_tuned *overall, struct err *e);

/* The table for people: one block a trace, then all of them, then paired differences against baseline (< 0: none). */
MUST_CHECK bool evaluate_table(const struct evaluate_result *r, int baseline, struct buf *out, struct err *e);

/* A tuned setting to be listed in evaluation.json. */
struct evaluate_tuned_note {
    char trace[TRACE_NAME]; /* "ALL": over all traces tuned on */
    char objective[16];
    struct evaluate_tuned tuned;
};

/* summary.csv's text, and evaluation.json's. */
MUST_CHECK bool evaluate_csv(const struct evaluate_result *r, struct buf *out, struct err *e);
MUST_CHECK bool evaluate_json(const struct evaluate_result *r, int baseline, const struct evaluate_tuned_note *notes,
                              int n_notes, struct buf *out, struct err *e);

/* summary.csv, windows.csv, evaluation.json, and timeline.csv and decision_map.csv where kept, into folder, which is made. Where
 * those two are not kept, none of an earlier evaluation stays. */
MUST_CHECK bool evaluate_write(const struct evaluate_result *r, int baseline, const struct evaluate_tuned_note *notes,
                               int n_notes, const char *folder, struct err *e);

#endif
