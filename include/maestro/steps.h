/* steps: the rows of steps.csv, one a step of every copy of the simulated service, ordered by step, then copy, whatever
 * thread stepped it. Off unless train.steps_csv asks for it: a row is some 200 bytes.
 *
 *   stream,episode,step   which copy, from 0; its episode and step, from 1
 *   time_s                of the look that the decision was made from
 *   cpu,cpu_validity,memory,...,rps_validity
 *                         the five signals of that look; value empty unless valid or stale; valid absent no_data failed stale
 *   ready,starting,terminating
 *   delta                 replicas that the action asks for, before limits and guard
 *   replicas_before,replicas_after,reason
 *                         spec.replicas as found (empty: unreadable), as left, and what shaped it (guard.h)
 *   r1,r2,reward,cost     of the period that followed, as measured
 *   r1_true,r2_true,reward_true,cost_true
 *                         the same from the requests that arrived in it */
#ifndef MAESTRO_STEPS_H
#define MAESTRO_STEPS_H

#include <maestro/buf.h>
#include <maestro/microservice.h>

struct steps; /* opaque: a slot a copy */

MUST_CHECK bool steps_open(int n_envs, struct steps **out, struct err *e);
void steps_close(struct steps *s); /* accepts NULL */

/* The environment's on_step; arg is the struct steps. Any thread, one a copy; copies beyond n_envs are nobody's. */
void steps_note(void *arg, const struct microservice_step *row);

void steps_head(struct buf *out);

/* Appends a copy's last step; it has to have been noted. Allocates nothing but out's growth. */
void steps_row(const struct steps *s, int stream, struct buf *out);

#endif
