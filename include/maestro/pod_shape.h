/* pod_shape: what one pod asks for and may use, from its spec or from a Deployment's template. */
#ifndef MAESTRO_POD_SHAPE_H
#define MAESTRO_POD_SHAPE_H

#include <maestro/json.h>

/* Sums over containers and sidecars; 0: none, or one container has none. A sidecar without a request leaves the pod without
 * one, as for the HPA; one without a limit adds nothing. */
struct pod_shape {
    double cpu_request_cores, cpu_limit_cores, memory_limit_bytes;
};

struct pod_shape pod_shape_of(const struct json *deployment);
struct pod_shape pod_shape_of_spec(const struct json *pod_spec);

#endif
