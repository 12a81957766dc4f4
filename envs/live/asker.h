/* asker: who asks Prometheus for the live fleet. */
#ifndef LIVE_ASKER_H
#define LIVE_ASKER_H

#include "query.h"
#include "targets.h"

#include <maestro/prom.h>

struct asker {
    const struct live_prometheus *config; /* borrowed */
    const char *user_agent;
    struct prom *prom;
    struct buf authorization; /* header, as prom was opened with */
    double token_read_s;
    struct buf text[QUERIES]; /* as last asked */
    struct buf pods_text;
};

MUST_CHECK bool asker_open(struct asker *a, const struct live_prometheus *config, const char *user_agent,
                           struct err *e);
void asker_close(struct asker *a); /* accepts zeroed */

/* A new token means a new client. A token file that cannot be read keeps the old one, and e says so. */
void asker_renew(struct asker *a, double monotonic_s, struct err *e);

/* The five questions; answers are the caller's to finish. false: they cannot be put. */
MUST_CHECK bool asker_ask(struct asker *a, struct targets *t, struct prom_answer answers[QUERIES], struct err *e);
/* CPU of each pod of one Deployment. */
MUST_CHECK bool asker_ask_pods(struct asker *a, const struct fleet_view *view, struct prom_answer *answer,
                               struct err *e);

#endif
