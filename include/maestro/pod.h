/* pod: the request-level model of one pod, exact in continuous time. Requests take a place of K, or wait their turn in a
 * bounded queue, or are turned away. A request in place first needs CPU, then waits for others (a database, a GPU) with its
 * place held. CPU is shared equally (processor sharing): n requests on c cores get min(1, c / n) of a core each. A limit is a
 * CFS quota: the pod runs at full speed until limit x 100 ms of CPU are used up, then stands still until the period ends.
 *
 * A request older than the time-out is given up: it leaves at that moment, waiting or in place, and what it has used is
 * lost. The pod knows nothing of arrivals, balancing or clocks other than its own. */
#ifndef MAESTRO_POD_H
#define MAESTRO_POD_H

#include <maestro/err.h>
#include <maestro/rng.h>
#include <stdbool.h>
#include <stddef.h>

struct service_model; /* profile.h */

#define POD_QUOTA_PERIOD_S 0.1 /* cpu.cfs_period_us of every container runtime */

struct pod_config {
    double cpu_s;  /* mean CPU seconds of a request at speed 1 */
    double cpu_cv; /* log-normal; exponential (cv 1) if so asked */
    bool cpu_exponential;
    double wait_s;   /* mean of the other time; 0: none */
    double wait_cv;  /* log-normal */
    int concurrency; /* places, >= 1 */
    int backlog;     /* requests that may wait for a place, >= 0 */
    double timeout_s;
    double cores;       /* that the pod may use at once */
    double limit_cores; /* CFS quota; 0: none */
};

struct pod_request {
    double arrival_s;
    double cpu_s;
    double wait_s;
    int mark; /* the caller's */
};

enum pod_outcome {
    POD_SERVED,
    POD_GIVEN_UP, /* timed out */
    POD_LOST,     /* the pod went away */
};

/* Told about every request that ends inside the pod, in order of time. */
struct pod_sink {
    void (*ended)(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome);
    void *context;
};

struct pod_slot {
    double key; /* virtual time of the last CPU work, or time at which the wait ends */
    struct pod_request request;
};

/* Heaps and ring live behind the struct, allocated by pod_open. */
struct pod {
    struct pod_config config;
    double now_s;
    double speed;              /* CPU work done per CPU second: 1 when warm */
    double virtual_s;          /* work done so far for each request on the CPU */
    double period_end_s;       /* of the quota period */
    double quota_left_s;       /* CPU seconds left in it */
    struct pod_slot *busy;     /* owned; heap by key, requests on the CPU */
    struct pod_slot *waits;    /* owned; heap by key, requests that wait for others */
    struct pod_request *queue; /* owned; ring of backlog requests */
    int n_busy, n_waits, n_queue, queue_first;
    bool limited;            /* the quota can bite */
    double place_deadline_s; /* no request in place times out before this */
    double cpu_used_s;       /* since open */
    double inside_s;         /* integral of the number of requests inside */
};

MUST_CHECK bool pod_config_from(const struct service_model *service, struct pod_config *out, struct err *e);

/* phase_s: where in the quota period the pod starts, [0, 0.1). The pod owns three blocks until pod_close. */
MUST_CHECK bool pod_open(struct pod *p, const struct pod_config *config, double now_s, double phase_s, struct err *e);
void pod_close(struct pod *p);

/* Lets time pass up to until_s (>= now_s) and tells sink who leaves. */
void pod_run(struct pod *p, double until_s, const struct pod_sink *sink);

/* A request at pod->now_s (run to its arrival first). False: turned away, it leaves no trace. */
bool pod_offer(struct pod *p, const struct pod_request *request);

/* Tells sink, at now_s, about every request still inside and forgets them (the pod is killed). */
void pod_clear(struct pod *p, const struct pod_sink *sink);

static inline int pod_inside(const struct pod *p)
{
    return p->n_busy + p->n_waits + p->n_queue;
}

/* The demands of one request. Log-normal by mean and coefficient of variation, or exponential CPU time. */
void pod_draw(const struct pod_config *config, struct rng *r, struct pod_request *out);

#endif
