/* guard: what stands between a proposal and the cluster, in this order: validity, far outside the training range, partial
 * failure never scales down, just started, rollout, starting pods, tolerance (absolute proposals only), stabilisation,
 * rate, flap budget, min/max, then what a human ordered. Every step's before and after is kept and exactly one reason says
 * what shaped the result: the last step that changed the count, else why nothing was to be changed. State is plain data;
 * time comes in with the sample. */
#ifndef MAESTRO_GUARD_H
#define MAESTRO_GUARD_H

#include <maestro/config.h>
#include <maestro/policy.h>
#include <maestro/types.h>
#include <stdbool.h>

enum guard_step {
    GUARD_VALIDITY,
    GUARD_OOD,
    GUARD_PARTIAL,
    GUARD_START,
    GUARD_ROLLOUT,
    GUARD_STARTING,
    GUARD_TOLERANCE,
    GUARD_STABILISATION,
    GUARD_RATE,
    GUARD_FLAP,
    GUARD_LIMITS,
    GUARD_HUMAN,
    GUARD_STEPS
};

enum guard_reason {
    GUARD_REASON_STEADY,           /* the policy proposed to keep */
    GUARD_REASON_POLICY,           /* the policy's count as proposed */
    GUARD_REASON_POLICY_HELD,      /* the policy made no proposal */
    GUARD_REASON_POLICY_FAILED,    /* the policy failed: fallback */
    GUARD_REASON_REPLICAS_UNKNOWN, /* spec.replicas unreadable: nothing is written */
    GUARD_REASON_BLIND,            /* no load signal usable: fallback */
    GUARD_REASON_OOD,              /* far outside the training range: the HPA rule, never down */
    GUARD_REASON_PARTIAL,          /* a signal is no_data, failed or stale: not down */
    GUARD_REASON_START,            /* history is too young to go down */
    GUARD_REASON_ROLLOUT_DOWN,     /* a rollout is under way: not down */
    GUARD_REASON_ROLLOUT_UP,       /* a rollout is under way: up by little */
    GUARD_REASON_STARTING,         /* pods that are starting will do */
    GUARD_REASON_TOLERANCE,
    GUARD_REASON_STABILISED_UP,
    GUARD_REASON_STABILISED_DOWN,
    GUARD_REASON_RATE_UP,
    GUARD_REASON_RATE_DOWN,
    GUARD_REASON_FLAP,
    GUARD_REASON_MIN,
    GUARD_REASON_MAX,
    GUARD_REASON_HUMAN_MAX,     /* lowered max */
    GUARD_REASON_HUMAN_PAUSE,   /* pause-at-N */
    GUARD_REASON_HUMAN_RESTORE, /* restore-at-exit */
    GUARD_REASON_HUMAN_NO_DOWN, /* scaling down is paused */
    GUARD_REASON_STAND_IN,      /* the stand-in's count, as the policy is not to be trusted now */
    GUARD_REASONS
};

enum guard_fallback { GUARD_FALLBACK_HOLD, GUARD_FALLBACK_IF_HIGHER };

/* Section "guard". */
struct guard_config {
    bool enabled;          /* off: min/max and an unreadable spec.replicas only (preset seed) */
    double tolerance;      /* share of the present count; absolute proposals only */
    double stabilise_up_s; /* 0: off */
    double stabilise_down_s;
    int rate_up; /* replicas per rate_period_s; 0: no limit */
    int rate_down;
    double rate_period_s;  /* 0: one control period, that is, a limit per decision */
    int flap_budget;       /* direction changes per hour, then only up; 0: off; serving only */
    int fallback;          /* enum guard_fallback */
    int fallback_replicas; /* used by currentReplicasIfHigher */
    double ood_limit;      /* score above which the HPA rule is used; 0: off; serving only */
    double start_hold_s;   /* not down for so long after guard_reset; 0: off; serving only */
    int rollout_up;        /* replicas added per decision during a rollout; 0: no limit */
    bool starting_counts;  /* starting pods are taken off a proposal to go up */
    bool strict; /* partial failure and flap budget hold policies with windows of their own too; serving only */
};
extern const struct config_key guard_config_keys[];
extern const int n_guard_config_keys;

/* Zeroed: none. A human's word is always carried out, whatever the signals are, and has its own reason. */
struct guard_orders {
    bool has_pause, has_restore, has_max;
    bool no_down; /* scaling down is paused; a lowered max is still carried out */
    int pause_replicas;
    int restore_replicas;
    int max_replicas;
};

/* Decisions that the windows can look back on. */
#define GUARD_HISTORY 64

/* Refuses a window or rate period that is longer than GUARD_HISTORY control periods of period_s. ERR_USAGE names its
 * key, with the prefix before it ("guard." in settings), and the longest that fits. */
MUST_CHECK bool guard_check(const struct guard_config *config, double period_s, const char *prefix, struct err *e);

struct guard_mark {
    double time_s;
    int value;
};

/* Plain data. Zeroed plus guard_reset. */
struct guard_state {
    struct guard_mark proposals[GUARD_HISTORY]; /* what the policy wanted, for stabilisation */
    struct guard_mark changes[GUARD_HISTORY];   /* executed deltas, for rate and flap budget */
    int n_proposals, n_changes;                 /* slot of the next = n % GUARD_HISTORY */
    double start_s;                             /* of guard_reset */
};

struct guard_trace {
    int before[GUARD_STEPS]; /* wanted count before the step */
    int after[GUARD_STEPS];
    bool ran[GUARD_STEPS]; /* the step applied to this kind of policy */
    enum guard_reason reason;
    int from;     /* spec.replicas, or -1 if unknown */
    int replicas; /* the result; equals from where nothing is to be written */
};

struct guard_proposal {
    int replicas;
    enum policy_kind kind;
    int rule_replicas; /* what the HPA rule makes of the same sample; used where ood is over the limit */
    float ood;         /* score, policy.h */
    bool hold;         /* no proposal */
    bool failed;       /* the policy failed */
    bool stand_in;     /* not the policy's own: the stand-in's */
    bool own_signals;  /* read from the pods themselves: the load signals are not what it was made from */
};

struct guard_input {
    const struct target *target;
    const struct sample *sample;
    const struct guard_orders *orders; /* NULL: none */
    struct guard_proposal proposal;
};

/* A restart must not look like a scale-down: history opens with the present count. */
void guard_reset(struct guard_state *state, double time_s, int replicas);
/* Decides, and remembers what was wanted. */
void guard_run(const struct guard_config *config, struct guard_state *state, const struct guard_input *in,
               struct guard_trace *out);
/* To be called once the decision has been carried out: a change that the cluster refused counts for no limit. */
void guard_executed(struct guard_state *state, double time_s, const struct guard_trace *trace);
const char *guard_step_name(enum guard_step step);
const char *guard_reason_name(enum guard_reason reason);
bool guard_reason_parse(const char *name, enum guard_reason *out);

#endif
