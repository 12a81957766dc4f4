/* query: the PromQL of one refresh, one text a signal for all targets together. In: configuration and which names are
 * meant. Out: texts. Each gives elements labelled namespace and deployment, once with the value and once, labelled
 * maestro="age", with the age of the newest sample behind it, so that a value never travels without its age. */
#ifndef LIVE_QUERY_H
#define LIVE_QUERY_H

#include <maestro/buf.h>
#include <maestro/live.h>

enum query_id { QUERY_CPU, QUERY_MEMORY, QUERY_P95, QUERY_RPS, QUERY_PRESENCE, QUERIES };

/* Regular expressions as they stand in a quoted PromQL text, without anchors. */
struct query_scope {
    const char *namespaces; /* "shop|web" or ".+" */
    const char *names;      /* of Deployments, or ".+" */
};

/* One source of requests and latency. */
struct preset_traffic {
    const char *name;         /* as in the configuration */
    const char *latency;      /* histogram, without _bucket */
    double latency_ms;        /* one unit of it in milliseconds */
    const char *requests;     /* counter */
    const char *matchers;     /* always asked for; "" or ending in a comma */
    const char *space_label;  /* of the namespace */
    const char *target_label; /* "pod": the Deployment's name is cut out of it */
    const char *code_label;
    const char
        *presence; /* metric that exists while the service is measured at all; with labels namespace and pod, or for
                             all targets alike */
    bool presence_of_all;
};

/* The preset with the labels of the configuration in place of its own. */
struct preset_traffic preset_traffic(const struct live_prometheus *config);

MUST_CHECK bool query_build(const struct live_prometheus *config, const struct query_scope *scope, enum query_id id,
                            struct buf *out, struct err *e);

/* CPU of each pod of one Deployment, percent of one core, labelled pod; ages as above. */
MUST_CHECK bool query_build_pods(const struct live_prometheus *config, const struct query_scope *scope, struct buf *out,
                                 struct err *e);

const char *query_name(enum query_id id);

/* Where a query's series come from: the setting and the series' name, "prometheus.traffic=app finds no series X". */
void query_lacks(const struct live_prometheus *config, enum query_id id, char *out, size_t n);

#endif
