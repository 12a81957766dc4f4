/* gate: places handed from who leaves to who waits longest. Who waits too long leaves the queue. */
#include "gate.h"

#include <maestro/clock.h>

#include <math.h>
#include <stddef.h>
#include <time.h>

struct gate_waiter {
    pthread_cond_t moved;
    struct gate_waiter *next;
    bool admitted;
};

void gate_init(struct gate *g, int places, int room)
{
    *g = (struct gate){.places = places, .room = room};
    pthread_mutex_init(&g->lock, NULL);
}

void gate_finish(struct gate *g)
{
    pthread_mutex_destroy(&g->lock);
}

static void join_queue(struct gate *g, struct gate_waiter *w)
{
    pthread_condattr_t monotonic;
    *w = (struct gate_waiter){0};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (g->last)
        g->last->next = w;
    else
        g->first = w;
    g->last = w;
    g->n_waiting++;
}

static void leave_queue(struct gate *g, const struct gate_waiter *w)
{
    struct gate_waiter **at = &g->first, *before = NULL;
    while (*at != w) {
        before = *at;
        at = &before->next;
    }
    *at = w->next;
    if (g->last == w)
        g->last = before;
    g->n_waiting--;
}

static bool wait_in_queue(struct gate *g, double timeout_s)
{
    struct gate_waiter w;
    double until_s = clock_monotonic_s() + timeout_s, whole_s = floor(until_s);
    struct timespec until = {.tv_sec = (time_t)whole_s, .tv_nsec = (long)((until_s - whole_s) * 1e9)};
    join_queue(g, &w);
    int late = 0;
    while (!w.admitted && !late)
        late = pthread_cond_timedwait(&w.moved, &g->lock, &until);
    if (!w.admitted)
        leave_queue(g, &w);
    pthread_cond_destroy(&w.moved);
    return w.admitted;
}

bool gate_enter(struct gate *g, double timeout_s)
{
    bool entered = true;
    pthread_mutex_lock(&g->lock);
    if (g->n_inside < g->places)
        g->n_inside++;
    else
        entered = g->n_waiting < g->room && wait_in_queue(g, timeout_s);
    pthread_mutex_unlock(&g->lock);
    return entered;
}

void gate_leave(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct gate_waiter *w = g->first;
    if (w) { // who leaves hands over its place
        leave_queue(g, w);
        w->admitted = true;
        pthread_cond_signal(&w->moved);
    } else {
        g->n_inside--;
    }
    pthread_mutex_unlock(&g->lock);
}

void gate_count(struct gate *g, int *n_inside, int *n_waiting)
{
    pthread_mutex_lock(&g->lock);
    *n_inside = g->n_inside;
    *n_waiting = g->n_waiting;
    pthread_mutex_unlock(&g->lock);
}
