/* live_site: one Deployment of a Kubernetes cluster, for a session or an evaluation. */
#ifndef CMD_LIVE_SITE_H
#define CMD_LIVE_SITE_H

#include "live_record.h"

#include <maestro/disturb.h>
#include <maestro/live.h>
#include <signal.h>

/* Section "live": the one target. */
struct settings_live {
    char space[CONFIG_TEXT]; /* "": that of the account or context */
    char deployment[CONFIG_TEXT];
};
extern const struct config_key settings_live_keys[];
extern const int n_settings_live_keys;

/* All borrowed; kubernetes, prometheus and stop until live_site_close. */
struct live_wish {
    const struct settings_live *live;
    const struct live_prometheus *prometheus;
    const struct live_kubernetes *kubernetes;
    const struct disturb_load *load;
    const struct disturb_chaos *chaos;
    struct target limits;   /* as configured: a latency limit of 0 is the Deployment's own, below 0 none; counts must
                             * suit both, max_replicas 0: neither */
    bool must_run;          /* a target without replicas is refused: there is nothing to see */
    const char *user_agent; /* static */
    const char *log;        /* of the load program; NULL: thrown away */
    uint64_t seed;          /* of the faults */
    const volatile sig_atomic_t *stop;
};

struct live_site {
    struct cluster *cluster;
    struct kube *kube;         /* of disturb; NULL: not open */
    struct disturb *disturb;   /* NULL: not open */
    struct target target;      /* limits in force */
    struct live_record record; /* zeroed: none is kept yet */
};

/* ERR_USAGE: a key that does not fit, a target that another scaler or an annotation holds, an annotation that is none. Load runs
 * and faults may come from here on. */
MUST_CHECK bool live_site_open(const struct live_wish *wish, struct live_site *out, struct err *e);
/* Names the record beside the run. replicas: what one before this that was killed still owes the target; 0: nothing. */
MUST_CHECK bool live_site_owed(struct live_site *site, const char *run, int *replicas, struct err *e);
/* Gives the target the count that it was found with and takes that off the record. An API server that is away or busy is asked
 * anew once a second for 20 s, which the log says once: that and a last answer of 10 s are half of what a Job has between
 * SIGTERM and SIGKILL. Somebody else's count is an error at once. */
MUST_CHECK bool live_site_give_back(struct live_site *site, int replicas, struct err *e);
/* Once a period: load and faults. */
MUST_CHECK bool live_site_tend(struct live_site *site, struct err *e);
/* Before each look while a reset waits: no fault begins. */
MUST_CHECK bool live_site_wait(struct live_site *site, struct err *e);
/* Ends load and faults. */
MUST_CHECK bool live_site_quiet(struct live_site *site, struct err *e);
void live_site_close(struct live_site *site); /* accepts zeroed */

#endif
