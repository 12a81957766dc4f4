/* pod_shape: requests and limits of a pod. In: its spec, or a Deployment with one. Out: sums over what runs beside each other,
 * containers and sidecars (init containers that are always restarted). */
#include <maestro/pod_shape.h>

#include "quantity.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define NONE (-1.0)

static double amount_of(const struct json *container, const char *kind, const char *resource)
{
    const char *text = NULL;
    double value = 0;
    const struct json *given = json_find(json_find(json_find(container, "resources"), kind), resource);
    return json_as_text(given, &text) && quantity_parse(text, &value) && value >= 0 ? value : NONE;
}

static double limit_of(const struct json *container, const char *resource)
{
    double limit = amount_of(container, "limits", resource);
    return limit > 0 ? limit : NONE;
}

/* A limit without a request is the request as well: the API server fills it in, in pods, not in templates. */
static double request_of(const struct json *container, const char *resource)
{
    double request = amount_of(container, "requests", resource);
    return request >= 0 ? request : limit_of(container, resource);
}

static bool is_sidecar(const struct json *init_container)
{
    const char *restart = NULL;
    return json_as_text(json_find(init_container, "restartPolicy"), &restart) && strcmp(restart, "Always") == 0;
}

static const struct json *first_of(const struct json *pod_spec, const char *list)
{
    const struct json *containers = json_find(pod_spec, list);
    return json_first(json_is_array(containers) ? containers : NULL);
}

/* 0: a container has none, or, where all must, a sidecar. */
static double sum_of(const struct json *pod_spec, double (*of)(const struct json *container, const char *resource),
                     const char *resource, bool all)
{
    double sum = 0;
    for (const struct json *c = first_of(pod_spec, "containers"); c; c = json_next(c)) {
        double amount = of(c, resource);
        if (amount < 0)
            return 0;
        sum += amount;
    }
    for (const struct json *c = first_of(pod_spec, "initContainers"); c; c = json_next(c)) {
        double amount = is_sidecar(c) ? of(c, resource) : 0;
        if (amount < 0 && all)
            return 0;
        sum += fmax(amount, 0);
    }
    return sum;
}

struct pod_shape pod_shape_of_spec(const struct json *pod_spec)
{
    return (struct pod_shape){.cpu_request_cores = sum_of(pod_spec, request_of, "cpu", true),
                              .cpu_limit_cores = sum_of(pod_spec, limit_of, "cpu", false),
                              .memory_limit_bytes = sum_of(pod_spec, limit_of, "memory", false)};
}

struct pod_shape pod_shape_of(const struct json *deployment)
{
    return pod_shape_of_spec(json_find(json_find(json_find(deployment, "spec"), "template"), "spec"));
}
