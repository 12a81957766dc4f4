/* decide: one target, one tick: from its view to a plan, or to the reason why there is none. */
#ifndef SERVE_DECIDE_H
#define SERVE_DECIDE_H

#include "slot.h"

/* What decisions share. Borrowed. */
struct decide_world {
    const struct autoscaler_config *config;
    struct fleet *fleet;
    struct journal *journal; /* NULL: none */
    struct pool *pool;
    struct slot_terms terms;
    struct autoscaler_clock clock;
    double now_s, wall_s;
    double pods_lost_s; /* spent in this round on pods that could not be read */
    bool refreshed;     /* this tick's refresh worked */
};

/* A decision on its way. */
struct decide_plan {
    int target;
    bool decided;        /* record is a plan; else outcome and note are all there is */
    bool journal_failed; /* the target's opening could not be journalled */
    bool torn;           /* what was remembered was begun anew: the clock was set, or a long silence */
    enum outcome outcome;
    enum breaker_change breaker;
    char note[160];
    struct journal_record record;
};

/* Settings have been read. Fills plan; the slot's state has moved on where decided. */
void decide_target(struct decide_world *w, struct slot *s, const struct fleet_view *view, struct decide_plan *plan);

#endif
