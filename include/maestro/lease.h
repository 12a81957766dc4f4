/* lease: leader election on a coordination.k8s.io/v1 Lease, as client-go does it: clocks of other machines are never
 * compared, only how long a record has stood unchanged on our own. There is no fencing in Kubernetes: whoever holds the
 * lease must stop by itself, so ask lease_deadline_s right before each write. */
#ifndef MAESTRO_LEASE_H
#define MAESTRO_LEASE_H

#include <maestro/kube.h>

struct lease_config {
    const char *space, *name;
    const char *identity;    /* of this process, unique among all that ever lived: host name and something random */
    double duration_s;       /* [15]; whole seconds: so the record counts */
    double renew_deadline_s; /* [10] */
    double retry_s;          /* [2]; duration > deadline > retry x 1.2 or ERR_USAGE */
};

struct lease;

MUST_CHECK bool lease_open(const struct lease_config *config, struct kube *kube, struct lease **out, struct err *e);
/* One step at monotonic now_s: acquires, renews or waits. Returns when to step again. Asks the API server up to three
 * times, each at most half the renew deadline. The kube of lease_open is used here only, by the thread that steps. */
double lease_step(struct lease *l, double now_s);
/* No write may start at or after this monotonic time, which is renew_deadline_s behind the start of the last renewal that
 * succeeded; 0: not the leader. The next holder comes duration_s behind it at the earliest: a write that lasts longer than
 * duration_s - renew_deadline_s must be given up. */
double lease_deadline_s(const struct lease *l);
const char *lease_holder(const struct lease *l); /* last seen; "" unknown */
const char *lease_why(const struct lease *l);    /* last failure in words; "" none */
/* Gives it up at once, so that a standby need not wait. Best effort. */
void lease_release(struct lease *l);
void lease_close(struct lease *l); /* accepts NULL; does not release */

#endif
