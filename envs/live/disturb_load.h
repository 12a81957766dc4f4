/* disturb_load: the load of a live session, as a program beside us or a Job in the cluster. */
#ifndef LIVE_DISTURB_LOAD_H
#define LIVE_DISTURB_LOAD_H

#include <maestro/disturb.h>

struct disturb_load_run;

/* *out stays NULL where no load is configured. */
MUST_CHECK bool disturb_load_start(const struct disturb_config *config, struct disturb_load_run **out, struct err *e);
/* Starts again what has ended, where that is wanted. What cannot be started is told once, and tried again at each call. */
void disturb_load_tend(struct disturb_load_run *r);
/* Ends it and forgets it; a Job whose deletion is not heard is asked for again for 20 s. Accepts NULL. */
MUST_CHECK bool disturb_load_end(struct disturb_load_run *r, struct err *e);

#endif
