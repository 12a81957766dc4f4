/* hpa: the Kubernetes HorizontalPodAutoscaler with one CPU utilisation metric as a policy: calculator and behaviour behind
 * the policy seam. It reads the pod records of the sample (metrics-server's view: CPU of each pod over its request), is
 * asked every sync_s seconds, keeps its own windows, and proposes absolute counts. */
#ifndef MAESTRO_HPA_H
#define MAESTRO_HPA_H

#include <maestro/config.h>
#include <maestro/policy.h>

/* Section "hpa"; also the settings in a policy's text, "hpa:target=60,window=300". */
struct hpa_config {
    int target_percent; /* of the request */
    double window_s;    /* downscale stabilisation */
    double up_window_s;
    double tolerance;
    double initialization_s; /* CPU of younger pods is taken with care */
    double readiness_s;
    double sync_s;
    bool behaviour; /* off: no behavior field, max(2 x current, 4) instead of rules */
};
extern const struct config_key hpa_config_keys[];
extern const int n_hpa_config_keys;

/* The policy is the caller's; policy_close frees it. */
MUST_CHECK bool hpa_open(const struct hpa_config *config, struct policy **out, struct err *e);

#endif
