/* policies: how the registry opens the policies that have no public header of their own. */
#ifndef POLICIES_H
#define POLICIES_H

#include <maestro/control.h>
#include <maestro/policy.h>

MUST_CHECK bool fixed_open(int replicas, struct policy **out, struct err *e);
MUST_CHECK bool random_open(struct policy **out, struct err *e);
/* Takes over what the file says of the control loop; control->target stays. */
MUST_CHECK bool greedy_open(const char *path, struct control *control, struct policy **out, struct err *e);

#endif
