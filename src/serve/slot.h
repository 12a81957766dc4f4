/* slot: what the autoscaler keeps of one target between ticks: who it is, the settings and the policy in force, the control
 * state, the breaker, the sign of others. A slot belongs to one number of the fleet until another target takes it. */
#ifndef SERVE_SLOT_H
#define SERVE_SLOT_H

#include <maestro/autoscaler.h>
#include <maestro/breaker.h>
#include <maestro/conflict.h>
#include <maestro/control.h>
#include <maestro/pool.h>

struct slot {
    bool used;
    char name[TARGET_NAME]; /* "namespace/deployment" */
    char uid[48];

    bool has_settings;
    struct target_settings settings; /* the last good ones */
    uint64_t annotations;            /* hash of those last read */
    char refused[160];               /* why those last read are not in force; "": they are */

    const struct pooled *pooled; /* NULL: no policy yet */
    unsigned generation;         /* of pooled, as taken over */
    struct policy *own;          /* owned; NULL: pooled->shared is asked */
    char policy_refused[256];    /* "": none */
    char order_waits[224];       /* why a human's order is not carried out; "": none waits */
    char policy_kept[256];       /* why the policy's changed file is not in force, the old one is; "": it is */
    struct policy *stand_in;     /* owned; while the breaker is open */

    bool begun;
    struct control control;
    struct control_state *state; /* owned; NULL before the first decision */
    unsigned journal_file;
    bool journalled; /* the opening of this decision stands in the journal */

    struct breaker breaker;
    struct conflict conflict;
    bool was_acting;  /* the last look found us leader and the mode active */
    bool in_the_dark; /* a signal was not known at the last decision */

    double due_s;                     /* monotonic, of the next decision; 0: not planned */
    double decided_s, decided_wall_s; /* the last one */
};

/* Frees what it owns and zeroes it. */
void slot_clear(struct slot *s);
/* The target's past is forgotten: the next decision begins anew. */
void slot_forget(struct slot *s);

/* Reads the annotations where they changed. true: something changed, for better or worse (refused says which). */
bool slot_read_settings(struct slot *s, const char *prefix, const struct target_settings *defaults,
                        const struct fleet_view *view);

/* What a policy file must match to act. */
struct slot_terms {
    double scrape_s, window_s, quantile; /* of the live signals; 0: unknown */
    double default_period_s;
    const struct autoscaler_config *config;
};

/* Takes the policy that the settings ask for, also anew after a reload. Where it is refused (policy_refused), an order has the
 * one taken that proposes nothing. false: none may decide. */
bool slot_bind(struct slot *s, struct pool *pool, const struct slot_terms *terms, bool ordered);
/* Seconds between its decisions. */
double slot_interval_s(const struct slot *s, const struct slot_terms *terms);
struct policy *slot_policy(const struct slot *s);

#endif
