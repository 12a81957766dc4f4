/* team: a small fixed set of threads that run parts of one job, and the barrier between phases of it. Waiting spins briefly
 * and then gives the core away, so that more threads than cores slow down but do not collapse. What a part computes must
 * not depend on which thread runs it: then any number of threads gives the same bytes. */
#ifndef MAESTRO_TEAM_H
#define MAESTRO_TEAM_H

#include <maestro/err.h>
#include <stdatomic.h>

#define TEAM_LIMIT 64

struct team; /* opaque: owns threads */

/* n_threads counts the caller: 1 starts none. Closed with team_close (NULL is fine). */
MUST_CHECK bool team_open(int n_threads, struct team **out, struct err *e);
void team_close(struct team *team);
int team_size(const struct team *team); /* NULL: 1 */

/* Calls work(arg, part) for part = 0..n_parts-1, each once, and returns when all are done. Part p runs on thread
 * p % size; the caller is thread 0. One job at a time; not from inside a part. A NULL team runs them here in order. */
void team_run(struct team *team, int n_parts, void (*work)(void *arg, int part), void *arg);

/* A barrier for parts that are known to run on different threads (n_parts <= team_size). Zeroed is ready. */
struct team_barrier {
    atomic_uint arrived;
    atomic_uint phase;
};
void team_wait(struct team_barrier *b, unsigned n_parts);

#endif
