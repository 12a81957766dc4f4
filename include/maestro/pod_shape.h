/* pod_shape: what one pod of a Deployment asks for and may use, from the Deployment's template. */
#ifndef MAESTRO_POD_SHAPE_H
#define MAESTRO_POD_SHAPE_H

#include <maestro/json.h>

/* Sums over containers; 0: none, or one container has none. */
struct pod_shape {
    double cpu_request_cores, cpu_limit_cores, memory_limit_bytes;
};

struct pod_shape pod_shape_of(const struct json *deployment);

#endif
