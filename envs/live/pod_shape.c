/* pod_shape: requests and limits of a pod. In: a Deployment. Out: sums over the containers that run beside each other. */
#include <maestro/pod_shape.h>

#include "quantity.h"

#include <stddef.h>

static double sum_of(const struct json *containers, const char *kind, const char *resource)
{
    double sum = 0;
    for (const struct json *c = json_first(json_is_array(containers) ? containers : NULL); c; c = json_next(c)) {
        const char *text = NULL;
        double value = 0;
        const struct json *given = json_find(json_find(json_find(c, "resources"), kind), resource);
        if (!json_as_text(given, &text) || !quantity_parse(text, &value) || !(value > 0))
            return 0;
        sum += value;
    }
    return sum;
}

struct pod_shape pod_shape_of(const struct json *deployment)
{
    const struct json *template = json_find(json_find(deployment, "spec"), "template");
    const struct json *containers = json_find(json_find(template, "spec"), "containers");
    struct pod_shape shape = {.cpu_request_cores = sum_of(containers, "requests", "cpu"),
                              .cpu_limit_cores = sum_of(containers, "limits", "cpu"),
                              .memory_limit_bytes = sum_of(containers, "limits", "memory")};
    if (shape.cpu_request_cores == 0) // as the API server fills it in
        shape.cpu_request_cores = shape.cpu_limit_cores;
    return shape;
}
