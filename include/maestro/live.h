/* live: a real cluster, Prometheus in and Kubernetes out, behind two seams: a struct fleet of many targets for the
 * autoscaler and the suggestions, and a struct cluster of one for training. Deployments are listed once a refresh, signals
 * come in one Prometheus query each for all targets together, with the true age of the newest sample beside every value.
 *
 * A refresh that could not read something leaves a validity where the value would be: never a zero. Numbers of targets are
 * stable; the number of one that has been gone for a refresh is free: its view is gone and its name empty, until another
 * target takes it. A view's sample carries one pod record that tells nothing but what a pod of the target's template asks
 * for, so that the CPU request is known without listing pods. One struct fleet belongs to one thread. */
#ifndef MAESTRO_LIVE_H
#define MAESTRO_LIVE_H

#include <maestro/cluster.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/fleet.h>
#include <signal.h>

/* Where CPU and memory come from, and where requests and their latency. */
enum live_resources { LIVE_KUBELET_RESOURCE, LIVE_CADVISOR };
enum live_traffic { LIVE_ISTIO, LIVE_APP, LIVE_NGINX_INGRESS };

/* Section "prometheus". Queries of one's own are PromQL with the placeholders {namespaces}, {names}, {suffix} (regular
 * expressions without anchors), {window} and {quantile}; they give one element a target, labelled namespace and deployment, and for each a
 * second one labelled maestro="age" as well: the age of its newest sample in seconds. */
struct live_prometheus {
    char url[CONFIG_TEXT];
    double timeout_s;
    bool use_get;
    char token_file
        [CONFIG_TEXT]; /* read anew once a minute; one word is a bearer token, else the header's whole value */
    char ca_file[CONFIG_TEXT];
    char certificate_file[CONFIG_TEXT];
    char key_file[CONFIG_TEXT];
    char server_name[CONFIG_TEXT];
    bool insecure;
    int resources; /* enum live_resources */
    int traffic;   /* enum live_traffic */
    double window_s;
    double quantile;
    double scrape_s;
    char namespace_label[CONFIG_TEXT]; /* of requests and latency; "": the preset's */
    char deployment_label[CONFIG_TEXT];
    char code_label[CONFIG_TEXT];
    char pod_suffix[CONFIG_TEXT]; /* what a ReplicaSet appends to the Deployment's name */
    char cpu_query[CONFIG_TEXT];  /* "": the preset's */
    char memory_query[CONFIG_TEXT];
    char p95_query[CONFIG_TEXT];
    char rps_query[CONFIG_TEXT];
    char presence_query[CONFIG_TEXT];
};
extern const struct config_key live_prometheus_keys[];
extern const int n_live_prometheus_keys;

enum live_pod_metrics { LIVE_METRICS_SERVER, LIVE_PROMETHEUS };

/* Section "kubernetes". */
struct live_kubernetes {
    char kubeconfig[CONFIG_TEXT]; /* "": in the cluster, or the usual places */
    char context[CONFIG_TEXT];
    char account[CONFIG_TEXT];
    double timeout_s;
    char namespaces[CONFIG_TEXT]; /* comma-separated; "": all */
    char selector[CONFIG_TEXT];   /* label selector */
    char annotation_prefix[CONFIG_TEXT];
    bool annotated;      /* only Deployments that carry an annotation under the prefix */
    int conflicts_every; /* refreshes */
    int pod_metrics;     /* enum live_pod_metrics */
};
extern const struct config_key live_kubernetes_keys[];
extern const int n_live_kubernetes_keys;

struct lease;

/* Everything is copied but the lease. */
struct live_config {
    const struct live_prometheus *prometheus;
    const struct live_kubernetes *kubernetes;
    struct lease *lease;    /* NULL: no election, writes are always allowed */
    bool asked;             /* nothing is discovered: the targets are those of live_add */
    const char *user_agent; /* static; also the component of Events */
    const char *instance;   /* static; of Events, the pod's name; NULL: none */
};

/* Nothing is asked yet: a server that is down is no error here. ERR_USAGE names the key that does not fit. */
MUST_CHECK bool live_open(const struct live_config *config, struct fleet **out, struct err *e);

/* With asked: one more target, looked at from the next refresh on; its number. One that is there already is no error. Other
 * scalers are looked for in the namespaces of all that were ever added. */
MUST_CHECK bool live_add(struct fleet *f, const char *space, const char *name, int *index, struct err *e);
void live_drop(struct fleet *f, int index);

/* The namespace of the account or context. */
const char *live_namespace(const struct fleet *f);

/* The text of the query that a signal comes from, as last asked; of replicas: the path at the API server. */
const char *live_query(const struct fleet *f, enum signal_id signal);

/* The highest finite bound of the latency histogram in a namespace, in ms: no quantile lies above it, whatever happens. 0: there
 * is no such histogram. Asks Prometheus now. */
MUST_CHECK bool live_top_bound_ms(struct fleet *f, const char *space, double *out, struct err *e);

struct live_status {
    long long refreshes, queries, queries_failed, calls, calls_failed;
    double api_time_s,
        prometheus_time_s; /* monotonic, of the last good answer, or when nothing was to ask; 0: none yet */
    int n_targets;         /* not counting those that are gone */
    unsigned long long events_sent, events_dropped;
    struct err api, prometheus, conflicts; /* what the last refresh could not do; ERR_NONE: nothing */
};
void live_status(const struct fleet *f, struct live_status *out);

/* One target as a cluster in real time. advance sleeps until the sum of all advances since opening has passed (a call that
 * comes too late by more than its own length starts the count anew, so that one of 0 s sets it to now), and ends early with
 * ERR_INTERRUPTED once *stop is not 0. sample refreshes; it fails only where the target is gone. scale fails with the API's
 * reason, ERR_AGAIN where the server was away or busy; another hand's count is no such reason. */
struct live_cluster_config {
    struct live_config live; /* asked is implied */
    const char *space;       /* NULL: that of the account or context */
    const char *name;
    const volatile sig_atomic_t *stop; /* not 0: advance ends; NULL: never */
};
MUST_CHECK bool live_cluster_open(const struct live_cluster_config *config, struct cluster **out, struct err *e);
/* What the last sample was made from: annotations, conflicts, rollout. NULL before the first. */
const struct fleet_view *live_cluster_view(const struct cluster *c);
/* The fleet of one behind it, for live_status. */
const struct fleet *live_cluster_fleet(const struct cluster *c);

#endif
