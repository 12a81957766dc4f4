/* history: what one service did over a span of time, one row a look: what was asked of it, its pods, its counters since the first
 * row. Filled from a live Prometheus afterwards (history_read), or from the simulator. A service profile is fitted to it. */
#ifndef MAESTRO_HISTORY_H
#define MAESTRO_HISTORY_H

#include <maestro/err.h>
#include <maestro/live.h>
#include <stdbool.h>

#define HISTORY_BUCKETS 31 /* with the one above all bounds */

struct history_row {
    double time_s;      /* wall clock or virtual, rising */
    int step;           /* of the load, from 1; 0: none */
    double offered_rps; /* NaN: unknown */
    int spec, ready, starting;
    /* Counters of all pods together, 0 in the first row, never falling. */
    double requests, failed; /* failed: server errors, part of requests */
    double latency_s;        /* sum over all requests */
    double cpu_s;
    double bucket[HISTORY_BUCKETS]; /* requests within bound_ms[i], the last of any latency */
    double memory_mib;              /* of all pods; NaN: unknown */
    bool cpu_fresh;                 /* first row at or behind a new sample of the CPU counter */
};

/* Owned; zeroed before its first use. */
struct history {
    struct history_row *rows; /* [n] */
    int n, capacity;
    int n_bounds; /* finite ones */
    double bound_ms[HISTORY_BUCKETS];
    double scrape_s; /* between two samples, as seen; 0: unknown */
};

/* A row behind the others. */
MUST_CHECK bool history_add(struct history *h, const struct history_row *row, struct err *e);
void history_finish(struct history *h); /* accepts NULL and zeroed */

/* Fills the counters of rows that have times, from what Prometheus keeps of one Deployment; rows of the last two scrape
 * intervals need that long to be there. Asks for the series themselves, not for rates: each pod's counter begins at what its
 * first sample shows, or at 0 where the pod is younger than the first row. ERR_USAGE: the source has no such series. */
MUST_CHECK bool history_read(const struct live_prometheus *config, const char *user_agent, const char *space,
                             const char *name, struct history *h, struct err *e);

#endif
