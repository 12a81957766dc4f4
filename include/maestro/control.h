/* control: the one control loop. Training, evaluation, replay and the live autoscaler all decide here:
 *
 *     sample -> observation -> mask -> policy -> guard -> cluster_scale -> journal
 *
 * control_plan goes as far as the guard and writes nothing; control_commit notes what came of it; control_tick is both with
 * the write and the journal in between. control_observe and control_apply are for callers that decide by themselves (the
 * training environment). Time passes between ticks, in cluster_advance, which is the caller's. */
#ifndef MAESTRO_CONTROL_H
#define MAESTRO_CONTROL_H

#include <maestro/action.h>
#include <maestro/cluster.h>
#include <maestro/guard.h>
#include <maestro/journal.h>
#include <maestro/observation.h>
#include <maestro/policy.h>
#include <maestro/types.h>

/* Immutable settings of one target; shared by all copies. */
struct control {
    struct observation_spec observation;
    struct action_set actions;
    struct guard_config guard;
    struct target target;
    double period_s;
    bool masks; /* invalid moves at min and max are masked */
};

/* Plain data: a copy is a snapshot, and what the journal's state record holds. */
struct control_state {
    struct observation_state observation;
    struct guard_state guard;
    struct target target; /* as in force now: annotations may change it between ticks */
    struct guard_orders orders;
};

/* Starts from the target as found. target: as in force now, NULL: c->target. first may carry pod records (then the CPU
 * request is learnt). */
void control_begin(const struct control *c, struct control_state *s, const struct target *target,
                   const struct sample *first);

/* Looks: one sample into the observation. Not valid spec.replicas: the sample is still taken. */
MUST_CHECK bool control_observe(const struct control *c, struct control_state *s, struct cluster *cluster,
                                bool with_pods, struct sample *out, struct err *e);

/* Acts on a proposal made from that sample. The record is filled but for features and mask. failed: the policy could not
 * decide. No stand-in and no score outside the training range come into it. */
MUST_CHECK bool control_apply(const struct control *c, struct control_state *s, struct cluster *cluster,
                              struct journal_record *record, struct err *e);

#define CONTROL_FAILED "policy failed: " /* how a record's reason opens where the policy could not decide */

/* Who is asked. */
struct control_deciders {
    struct policy *policy;
    struct policy *stand_in; /* decides in the policy's place, which is asked all the same; NULL: none */
    bool worked;             /* out: the policy itself could decide */
};

/* Takes the sample in, asks and guards; nothing is written, s moves on. A sample older than the last one is ERR_FORMAT.
 * The record is filled but for what came of it. A policy's failure is no error: the guard falls back. */
MUST_CHECK bool control_plan(const struct control *c, struct control_state *s, const struct sample *sample,
                             struct control_deciders *who, struct journal_record *record, struct err *e);

/* Notes what came of a plan: only what was written counts for the guard's limits. */
void control_commit(struct control_state *s, enum outcome outcome, struct journal_record *record);

/* What one loop works on; all borrowed. */
struct control_loop {
    const struct control *control;
    struct control_state *state;
    struct cluster *cluster;
    struct policy *policy;
    struct journal *journal; /* NULL: none */
    unsigned journal_file;   /* the loop's own mark, journal_turn; zeroed at first */
};

/* One whole tick. record: filled, the caller's (reused from tick to tick). A policy's failure is not an error of the tick:
 * the guard falls back. */
MUST_CHECK bool control_tick(struct control_loop *loop, struct journal_record *record, struct err *e);

/* How the journal's state record of s opens a file. */
struct journal_opening control_opening(const struct control *c, const struct control_state *s, const char *policy,
                                       const char *policy_hash);

#endif
