/* webapp: the service that Maestro is tried on: an HTTP server whose requests cost CPU time, waiting and memory as configured,
 * with a bounded number of places and a bounded queue, as the simulator's pods have them. One thread a connection.
 *
 * GET /          a request that costs something: 200, 500 (asked for by /fault), 503 (turned away, gave up waiting, draining)
 * GET /healthz   200 while the process works
 * GET /readyz    503 while starting and while draining
 * GET /metrics   http_requests_total{code}, http_request_duration_seconds (histogram), process_* and a few of its own
 * GET /fault     what is broken on purpose; POST /fault?delay_ms=&errors=&hang=&leak_kib= breaks or mends it */
#ifndef MAESTRO_WEBAPP_H
#define MAESTRO_WEBAPP_H

#include <maestro/config.h>
#include <maestro/err.h>

/* Section "app". The defaults are those of envs/target-app.yaml, as far as a process can have them. */
struct webapp_config {
    char address[CONFIG_TEXT];
    int port;                      /* 0: any free one */
    double cpu_ms, cpu_cv;         /* CPU time of a request, log-normal */
    double wait_ms, wait_cv;       /* then time without CPU, log-normal */
    int concurrency;               /* requests at work at once */
    int backlog;                   /* that wait for a place; more are turned away */
    double timeout_ms;             /* longest wait for a place; failed requests enter the histogram at this */
    double memory_base_mib;        /* held from the start */
    double memory_per_request_mib; /* held while at work */
    double leak_kib;               /* kept for ever, a request */
    double start_s;                /* until ready */
    double start_cpu_cores;        /* burned meanwhile */
    double warm_up_s, warm_up_speed;
    double linger_s; /* after SIGTERM: still serving, no longer ready, until the endpoints know */
    double grace_s;  /* then so long for what is at work */
    long long seed;
    struct config_list buckets_ms; /* of the histogram */
};

struct config_section webapp_section(struct webapp_config *c);

struct webapp;

/* Listens and starts getting ready. config is copied. A port that is taken is ERR_IO. */
MUST_CHECK bool webapp_open(const struct webapp_config *config, struct webapp **out, struct err *e);
int webapp_port(const struct webapp *a);

/* Not ready from now on; serves for linger_s, then answers what is at work for at most grace_s, and closes. Accepts NULL. */
void webapp_close(struct webapp *a);

#endif
