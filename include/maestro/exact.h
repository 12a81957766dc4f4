/* exact: the simulated cluster with every request followed on its own, as a check of the fast one. A second implementation
 * of the cluster seam: pods come and go, load, faults and measurement are the fast simulator's own code; only what happens to
 * requests inside the pods is replaced, the fluid step by the event-driven pod model (pod.h). Arrivals at each pod are
 * Poisson, which is what balancing every request at random makes of a Poisson stream. Thousands of times slower. */
#ifndef MAESTRO_EXACT_H
#define MAESTRO_EXACT_H

#include <maestro/err.h>
#include <maestro/sim.h>

struct exact;

/* Shares nothing that changes with m, which must outlive it. The caller closes. */
MUST_CHECK bool exact_open(const struct sim_model *m, struct exact **out, struct err *e);
void exact_close(struct exact *x); /* accepts NULL */

/* As sim_begin. Two episodes of one (scenario, seed, stream) are the same, request by request. */
void exact_begin(struct exact *x, const struct sim_scenario *scenario, uint64_t seed, uint64_t stream);

/* The cluster, also for sim_truth_take and the other questions of sim.h. Owned by x. */
struct sim *exact_sim(struct exact *x);

/* Requests that have arrived since exact_open. */
double exact_requests(const struct exact *x);

#endif
