/* jobs: independent pieces of work on several threads. Jobs are handed out from a counter; each must write only its own
 * results, so that the outcome does not depend on the number of threads. */
#ifndef LEARN_JOBS_H
#define LEARN_JOBS_H

#include <maestro/err.h>

struct jobs {
    int n;
    int n_threads; /* < 1: one a core */
    bool (*run)(void *arg, int job, struct err *e);
    void *arg;
    void (*progress)(void *arg, int done, int total); /* NULL: none; one call at a time */
    void *progress_arg;
};

/* False if any job failed: e is that of the failed job with the lowest number among those that ran; jobs not yet begun are
 * left out. */
MUST_CHECK bool jobs_run(const struct jobs *jobs, struct err *e);

#endif
