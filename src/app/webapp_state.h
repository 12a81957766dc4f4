/* webapp_state: what the demo service's daemon (webapp.c) and its requests (webapp_request.c) share. */
#ifndef APP_WEBAPP_STATE_H
#define APP_WEBAPP_STATE_H

#include <maestro/rng.h>
#include <maestro/webapp.h>

#include "gate.h"
#include "tally.h"

#include <microhttpd.h>
#include <stdint.h>

/* What is broken on purpose. */
struct fault {
    double delay_ms;     /* added to every request */
    double errors, hang; /* shares of requests, 0..1: answered 500; not answered until mended or the end */
    double leak_kib;     /* a request */
};

struct leak {
    struct leak *next;
};

struct webapp {
    struct webapp_config config;
    struct MHD_Daemon *daemon;
    struct gate gate;
    struct tally tally;
    pthread_t starter;
    bool has_starter;
    void *base_memory;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct rng rng;
    struct fault fault;
    struct leak *leaks;
    double leaked_bytes;
    double ready_s;  /* monotonic; 0: not yet */
    bool draining;   /* no longer ready */
    bool closing;    /* nothing is waited for any more */
    int n_answering; /* requests between their head and their answer */
};

/* Waits, or until the service closes; false then. Under the lock. */
bool webapp_wait(struct webapp *a, double seconds);

/* libmicrohttpd's callbacks. */
enum MHD_Result webapp_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                               const char *version, const char *upload, size_t *n_upload, void **state);
void webapp_request_done(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code);

#endif
