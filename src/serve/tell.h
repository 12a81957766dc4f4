/* tell: what people hear of a tick: always the log, and an Event on the target where we are the leader, for a standby sees the
 * same things. What begins or ends is told, not what goes on. */
#ifndef SERVE_TELL_H
#define SERVE_TELL_H

#include "decide.h"

struct teller {
    const struct autoscaler_config *config;
    struct fleet *fleet;
    struct autoscaler_clock clock;
    int n_found, n_gone; /* of this tick, so far */
};

void tell(const struct teller *t, int target, const struct slot *s, bool warning, const char *reason,
          const char *message);

/* A target is there for the first time, with its settings read, or is there no more. Many at once become few lines. */
void tell_found(struct teller *t, const struct slot *s);
void tell_gone(struct teller *t, const struct slot *s);
/* The end of a tick: what was too many to be named. */
void tell_rest(struct teller *t);

/* The annotations were read anew; before: mode and refusal until then. */
struct tell_before {
    bool has_settings, refused;
    enum target_mode mode;
};
struct tell_before tell_remember(const struct slot *s);
void tell_settings(const struct teller *t, int target, const struct slot *s, const struct tell_before *before);

void tell_conflict(const struct teller *t, int target, const struct slot *s, const struct fleet_view *view,
                   enum conflict_change change);
/* policy_before: the slot's policy_refused before the plan. */
void tell_plan(const struct teller *t, const struct slot *s, const struct decide_plan *plan, const char *policy_before);
/* Marks the slot. */
void tell_signals(const struct teller *t, struct slot *s, const struct fleet_view *view,
                  const struct decide_plan *plan);
/* What came of the plan; marks the slot and adds to the plan's note where an order waits. */
void tell_order(const struct teller *t, struct slot *s, const struct fleet_view *view, struct decide_plan *plan);
void tell_write(const struct teller *t, const struct slot *s, const struct decide_plan *plan);

#endif
