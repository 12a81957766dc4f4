/* policies: how the registry opens the policies that have no public header of their own. */
#ifndef POLICIES_H
#define POLICIES_H

#include <maestro/control.h>
#include <maestro/policy.h>

#include <math.h>

/* False: spec.replicas cannot be read, and nothing can be counted from it. */
static inline bool policies_replicas(const struct sample *sample, int *replicas)
{
    const struct reading *r = &sample->signals[SIGNAL_REPLICAS];
    if (r->validity != VALIDITY_VALID || !(r->value >= 0 && r->value <= 1e6))
        return false;
    *replicas = (int)lround(r->value);
    return true;
}

MUST_CHECK bool fixed_open(int replicas, struct policy **out, struct err *e);
MUST_CHECK bool random_open(struct policy **out, struct err *e);
/* Takes over what the file says of the control loop; control->target stays. */
MUST_CHECK bool trained_open(const char *path, struct control *control, struct policy **out, struct err *e);

/* url: checked before. The server is asked once, for what it wants of the control loop. */
MUST_CHECK bool remote_open(const char *url, struct control *control, struct policy **out, struct err *e);
MUST_CHECK bool remote_check(const char *url, struct err *e);

#endif
