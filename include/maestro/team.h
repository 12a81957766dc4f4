/* team: a small fixed set of threads that run parts of one job, and the barrier between phases of it. Waiting spins
 * briefly and then sleeps, so that more threads than cores slow down but do not collapse. What a part computes must not
 * depend on which thread runs it: then any number of threads gives the same bytes. */
#ifndef MAESTRO_TEAM_H
#define MAESTRO_TEAM_H

#include <maestro/err.h>
#include <pthread.h>
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

/* A number that threads wait on: they spin for some microseconds, then sleep until told. */
struct team_gate {
    atomic_uint value;
    atomic_uint sleepers;
    pthread_mutex_t lock; /* of the sleepers */
    pthread_cond_t wake;
};
#define TEAM_GATE                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER                                            \
    }

/* A barrier for parts that are known to run on different threads (n_parts <= team_size). */
struct team_barrier {
    atomic_uint arrived;
    struct team_gate phase;
};
#define TEAM_BARRIER                                                                                                   \
    {                                                                                                                  \
        .phase = TEAM_GATE                                                                                             \
    }
void team_wait(struct team_barrier *b, unsigned n_parts);

#endif
