/* action: what an action index means. One rule for training, evaluation and serving: a step is carried out clamped into
 * [min, max]; it is masked unless the clamped count lies strictly on the step's own side of the present one and no smaller
 * step in the same direction leads to the same count. Keeping is always allowed. */
#ifndef MAESTRO_ACTION_H
#define MAESTRO_ACTION_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/types.h>

/* Refuses an empty set, more than ACTIONS_LIMIT, an unsorted one, fractions, and one without 0 (ERR_USAGE). */
MUST_CHECK bool action_set_init(struct action_set *out, const struct config_list *deltas, struct err *e);
void action_set_text(const struct action_set *set, struct buf *out); /* "-1,0,1" */

int action_no_op(const struct action_set *set); /* index of delta 0 */
int action_replicas(const struct action_set *set, const struct target *target, int replicas, int action);
void action_mask(const struct action_set *set, const struct target *target, int replicas,
                 unsigned char *mask /* [A] 1 = allowed */);
/* Largest allowed logit; a tie that includes no_op goes to no_op, any other to the smaller change, then to the larger
 * count. mask NULL: all allowed. */
int action_argmax(const struct action_set *set, const float *logits /* [A] */, const unsigned char *mask);
const char *action_name(int delta); /* "scale_down", "no_op", "scale_up" */

#endif
