/* child: another program run beside ours, such as a load generator. It gets a process group of its own, so that all of it
 * can be ended, no standard input, and a file for what it prints. It is ended with us: by child_close, and by the kernel
 * should we be killed. */
#ifndef MAESTRO_CHILD_H
#define MAESTRO_CHILD_H

#include <maestro/err.h>

struct child;

/* argv[0] is looked up in PATH; argv ends with NULL, environment ("NAME=value", NULL) is added to ours; both are read now
 * only. log: appended to; NULL: thrown away. A program that cannot be run is an error here. */
MUST_CHECK bool child_open(const char *const *argv, const char *const *environment, const char *log, struct child **out,
                           struct err *e);

/* True while it runs. Once it has ended, status: what it exited with, or 128 and the signal that ended it. */
bool child_runs(struct child *c, int *status);

/* SIGTERM to all of it, SIGKILL after grace_s. Accepts NULL. */
void child_close(struct child *c, double grace_s);

#endif
