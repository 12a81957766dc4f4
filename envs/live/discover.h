/* discover: Deployments, and the scalers that others put on them, from the Kubernetes API into the table of targets. */
#ifndef LIVE_DISCOVER_H
#define LIVE_DISCOVER_H

#include "targets.h"

#include <maestro/json.h>
#include <maestro/kube.h>
#include <maestro/live.h>

/* One Deployment object. ERR_FORMAT names the field. out->selector is the caller's to finish. */
MUST_CHECK bool discover_read(const struct json *object, const char *prefix, struct discovered *out, struct err *e);
/* The target of a HorizontalPodAutoscaler or ScaledObject, if it is a Deployment; texts are the object's. */
bool discover_scaler(const struct json *object, const char **space, const char **target, const char **own_name);

/* What looking around works on. Counts calls. */
struct discover {
    const struct live_kubernetes *config;
    struct kube *kube;
    struct targets *targets;
    double monotonic_s; /* of this refresh */
    unsigned round;
    long long calls, calls_failed;
    struct err skipped; /* an object that could not be read; ERR_NONE: none */
};

/* Lists all targets. On failure nothing is taken for gone. */
MUST_CHECK bool discover_list(struct discover *d, struct err *e);
/* Reads each target of the table by itself. false: not one could be read; e is set whenever one could not. */
MUST_CHECK bool discover_asked(struct discover *d, struct err *e);
/* Who else scales them; on failure what was known stays. */
MUST_CHECK bool discover_conflicts(struct discover *d, struct err *e);

#endif
