/* podlist: the pods of one target with their readiness, requests and CPU, for the HPA's own rule. */
#ifndef LIVE_PODLIST_H
#define LIVE_PODLIST_H

#include "targets.h"

#include <maestro/json.h>
#include <maestro/kube.h>
#include <maestro/live.h>
#include <maestro/prom.h>

/* A pod while it is being put together. */
struct podlist_pod {
    char name[256];
    struct pod_record record;
};

struct podlist {
    struct podlist_pod *pods; /* owned; [PODS_LIMIT] */
    int n;
    bool overflows;             /* the target has more pods */
    struct pod_record *records; /* owned; [PODS_LIMIT]: what a sample points to */
    const char *deployment;     /* whose pods are taken while objects are read */
    double clock_offset_s;      /* sample clock minus the cluster's wall clock */
};

MUST_CHECK bool podlist_open(struct podlist *l, struct err *e);
void podlist_finish(struct podlist *l);

/* One Pod object: taken if a ReplicaSet of the Deployment owns it, and if it has not failed: evicted pods stay for weeks. */
void podlist_take(struct podlist *l, const struct json *object);
/* One PodMetrics object of metrics.k8s.io. */
void podlist_take_metrics(struct podlist *l, const struct json *object);

/* Reads them all; offset: sample clock minus wall clock. Pods whose CPU cannot be had are there without it. More than
 * PODS_LIMIT are an error: the mean of some is not the mean of all. */
MUST_CHECK bool podlist_read(struct podlist *l, const struct live_kubernetes *config, struct kube *kube,
                             const struct target_slot *slot, struct err *e);
/* CPU from an answer to query_build_pods, measured at time_s less its age. */
void podlist_take_answer(struct podlist *l, const struct prom_answer *answer, double time_s, double window_s);

/* Seconds since 1970 of "2026-03-01T12:00:00Z" (fractions allowed); false: not such a text. */
bool podlist_time(const char *text, double *out);

#endif
