/* gate: the places at which requests work, and the queue in front of them, first come first served. */
#ifndef APP_GATE_H
#define APP_GATE_H

#include <pthread.h>
#include <stdbool.h>

struct gate_waiter; /* on the stack of who waits */

struct gate {
    pthread_mutex_t lock;
    int places, room; /* requests inside and waiting, at most */
    int n_inside, n_waiting;
    struct gate_waiter *first, *last;
};

void gate_init(struct gate *g, int places, int room);
void gate_finish(struct gate *g);

/* False: the queue is full, or no place came free in time. */
bool gate_enter(struct gate *g, double timeout_s);
void gate_leave(struct gate *g);
void gate_count(struct gate *g, int *n_inside, int *n_waiting);

#endif
