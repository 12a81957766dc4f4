/* outcome: what became of a decision on its way to the cluster, and the one final reason that a tick ends with: the
 * guard's where the decision stood (kept or written), else what stopped it. */
#ifndef MAESTRO_OUTCOME_H
#define MAESTRO_OUTCOME_H

#include <maestro/guard.h>

enum outcome {
    OUTCOME_KEPT,    /* nothing was to be written */
    OUTCOME_WRITTEN, /* the cluster took it */
    OUTCOME_SHADOW,  /* would have been written; the target is only watched */
    OUTCOME_DRY_RUN, /* the API server would have taken it */
    OUTCOME_OFF,
    OUTCOME_SETTINGS,  /* no good settings: nothing is decided */
    OUTCOME_POLICY,    /* no policy that may decide here */
    OUTCOME_UNREAD,    /* the target could not be looked at */
    OUTCOME_AT_ZERO,   /* scaled to zero by somebody: left alone */
    OUTCOME_SCALER,    /* another scaler on the same target */
    OUTCOME_FOREIGN,   /* somebody else changed the count: stepped back */
    OUTCOME_STANDBY,   /* not the leader */
    OUTCOME_DEADLINE,  /* the lease's deadline had passed before the write */
    OUTCOME_QUEUE,     /* over this process's own limit of writes */
    OUTCOME_JOURNAL,   /* a scale-down that could not be journalled */
    OUTCOME_CONFLICT,  /* the object had changed since it was read */
    OUTCOME_GONE,      /* the target is no more */
    OUTCOME_FORBIDDEN, /* a right is missing */
    OUTCOME_REFUSED,   /* by validation or admission */
    OUTCOME_THROTTLED, /* the API server asks for patience */
    OUTCOME_FAILED,    /* unreachable or broken */
    OUTCOMES
};

const char *outcome_name(enum outcome outcome);
const char *outcome_words(enum outcome outcome); /* a clause for people */
bool outcome_parse(const char *name, enum outcome *out);

/* Final reasons are numbered: the guard's first, then the outcomes that stand by themselves. */
#define FINAL_REASONS ((int)GUARD_REASONS + (int)OUTCOMES)
int final_reason(enum guard_reason reason, enum outcome outcome);
const char *final_reason_name(int final);

#endif
