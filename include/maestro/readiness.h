/* readiness: may a policy that ran in shadow be made active? The decision journal says how it fared with live signals; the
 * load that the journal recorded is run again on the simulated twin, under the policy and under the HPA rule. Each check is
 * a line with what was seen and what is asked for; one that fails makes the whole "not ready". */
#ifndef MAESTRO_READINESS_H
#define MAESTRO_READINESS_H

#include <maestro/config.h>
#include <maestro/journal.h>
#include <maestro/profile.h>
#include <maestro/types.h>
#include <stdbool.h>
#include <stdint.h>

/* Section "ready": what is asked for. */
struct readiness_config {
    double hours;          /* of load recorded, at least; gaps do not count */
    double valid_share;    /* of decisions with every signal valid or absent */
    double ood_share;      /* of decisions far outside the training range, at most */
    double failed_share;   /* of decisions that the policy could not make, a stand-in's among them, at most */
    double turns_per_hour; /* changes of direction that it proposed, at most */
    double twin_error;     /* of the twin's CPU per request against the recorded one, relative, at most */
    double slo_budget;     /* share of the twin's periods over soft */
    double cost_ratio;     /* replica-hours over the HPA rule's on the twin, at most */
    long long seed;        /* of the twin's arrivals */
};
extern const struct config_key readiness_config_keys[];
extern const int n_readiness_config_keys;

/* What a journal says of one target. Plain but for the series, which are owned. */
struct readiness_log {
    struct target target; /* as last in force */
    long long n_decisions;
    long long n_blind;  /* a signal was no_data, failed or stale */
    long long n_ood;    /* the guard found it far outside the training range, whatever a later step made of it */
    long long n_failed; /* the policy failed, or a stand-in decided for it */
    long long n_turns;  /* the policy's proposals against the direction of the last one */
    int last_way;       /* of the last proposal that was not to keep */
    double first_s, last_s;
    double cpu_s, requests; /* sums over decisions where both were valid: percent of one core, requests/s */
    int n, capacity;        /* points of the load */
    double *time_s;         /* [n] rising, since first_s; of recorded time once the gaps are cut */
    double *rate_rps;       /* [n] */
    double peak_rps;
};

/* Takes one decision of the target in, in the journal's order. Older than the last one: left out. */
MUST_CHECK bool readiness_log_add(struct readiness_log *log, const struct journal_record *record, struct err *e);
/* Once all is in: where the load was unknown for more than four of the usual steps between two points (their median), since
 * nothing was decided or the signal failed, what is longer is cut out of time_s. Nobody knows what the load did there: it is
 * neither counted as recorded nor run again. Twice is the same as once. */
MUST_CHECK bool readiness_log_cut_gaps(struct readiness_log *log, struct err *e);
/* From the first known load to the last one; 0 where less than two are known. */
double readiness_log_span_s(const struct readiness_log *log);
void readiness_log_finish(struct readiness_log *log); /* accepts NULL and zeroed */

/* How one policy fared on the twin. */
struct readiness_run {
    double replica_hours;
    double over_soft_percent; /* of time */
    double longest_hard_s;
    bool slo_holds;
};

struct readiness_twin {
    double cpu_ms;          /* per request, the twin's */
    double recorded_cpu_ms; /* per request, the journal's; NaN: unknown */
    char missing[160];      /* why the load could not be run again; "": it was */
    struct readiness_run policy, hpa;
};

struct readiness_plan {
    const struct readiness_config *config;
    const struct service_profile *profile; /* the twin */
    const char *policy, *hpa;              /* texts for registry_open */
    double period_s;                       /* of judging at most, whole seconds */
};

/* Runs the recorded load on the twin: its own height, as long as it lasted. Judges as often as divides the plan's period and
 * those at which the policy and the rule decide. A load that cannot be run again, such as one too short, is no failure: out
 * says why, and readiness_judge finds it not ready. */
MUST_CHECK bool readiness_twin_run(const struct readiness_plan *plan, const struct readiness_log *log,
                                   struct readiness_twin *out, struct err *e);

#define READINESS_CHECKS 8
struct readiness_check {
    const char *name;
    bool passed;
    char text[200]; /* what was seen, what is asked for */
};

struct readiness_verdict {
    struct readiness_check checks[READINESS_CHECKS];
    bool ready; /* all passed */
};
void readiness_judge(const struct readiness_config *config, const struct readiness_log *log,
                     const struct readiness_twin *twin, struct readiness_verdict *out);

#endif
