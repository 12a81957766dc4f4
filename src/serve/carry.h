/* carry: plans to writes. The order in which targets are written, the limits that stand before each write, and what each
 * refusal means for the next one. */
#ifndef SERVE_CARRY_H
#define SERVE_CARRY_H

#include "decide.h"

/* Between ticks; zeroed at first. */
struct carry {
    double tokens; /* writes that may go out at once */
    double filled_s;
    bool filled;
    double quiet_until_s; /* the API server asked for patience */
    int n_throttled;      /* in a row */
};

struct carry_world {
    const struct autoscaler_config *config;
    struct fleet *fleet;
    struct autoscaler_clock clock;
    struct journal *journal; /* NULL: none */
    bool refreshed;
    bool journal_failing; /* no scale-downs */
    int n_failed;         /* writes in a row that got no answer; in this round */
};

/* Ups first, the largest first; then downs, then the rest. */
void carry_sort(struct decide_plan **plans, int n);

/* What becomes of one plan; writes it where nothing stands against it. note is filled where there is something to say. */
enum outcome carry_out(struct carry *c, struct carry_world *w, const struct slot *s, const struct fleet_view *view,
                       struct decide_plan *plan);

/* A human's word that names a count: carried out whatever else is amiss, but never against another scaler. */
bool carry_is_order(enum guard_reason reason);

#endif
