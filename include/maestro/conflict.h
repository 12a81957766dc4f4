/* conflict: who else changes a target's replica count. Another scaler on the same target is told by the fleet; a count
 * that is neither what we last saw nor what we last wrote was changed by somebody else. Either makes us step back; after
 * the last sign of it, for a while. */
#ifndef MAESTRO_CONFLICT_H
#define MAESTRO_CONFLICT_H

#include <stdbool.h>

struct conflict {
    bool known;       /* expected holds a count */
    int expected;     /* as last seen or written */
    int found;        /* the last foreign one */
    double foreign_s; /* monotonic, of the last foreign write; meaningless before had_foreign */
    bool had_foreign;
    bool scaler; /* another scaler stood on the target at the last look */
};

enum conflict_change { CONFLICT_NONE, CONFLICT_SCALER, CONFLICT_FOREIGN, CONFLICT_ENDED };

/* One look. replicas: spec.replicas, or -1 if unknown. scaler: the fleet knows of one. acting: we were the writer since the
 * last look; otherwise changes are others' good right. What is new since the last look. */
enum conflict_change conflict_look(struct conflict *c, int replicas, bool scaler, bool acting, double now_s,
                                   double cooldown_s);
void conflict_wrote(struct conflict *c, int replicas);
/* A write got no answer: whatever stands there next is taken as ours. */
void conflict_unsure(struct conflict *c);
/* Stepped back because of a foreign write. */
bool conflict_is_foreign(const struct conflict *c);

#endif
