/* crowd_expose: the crowd in Prometheus' text format, family by family, and as a list in JSON. */
#include "crowd_target.h"

#include <maestro/exposition.h>
#include <maestro/json_write.h>
#include <maestro/text.h>

#include <stdio.h>

/* A gauge of the deployment, as kube-state-metrics names it. */
struct gauge {
    const char *name, *help;
    int (*value)(const struct crowd_target *t);
};

static int spec(const struct crowd_target *t)
{
    return t->spec;
}

static int existing(const struct crowd_target *t)
{
    return t->ready + t->starting;
}

static int ready(const struct crowd_target *t)
{
    return t->ready;
}

static int starting(const struct crowd_target *t)
{
    return t->starting;
}

static const struct gauge GAUGES[] = {
    {"kube_deployment_spec_replicas", "Replicas asked for.", spec},
    {"kube_deployment_status_replicas", "Pods that exist.", existing},
    {"kube_deployment_status_replicas_ready", "Pods that are ready.", ready},
    {"kube_deployment_status_replicas_available", "Pods that are available.", ready},
    {"kube_deployment_status_replicas_unavailable", "Pods that are not.", starting},
};

static void expose_deployments(const struct crowd *c, struct buf *out)
{
    char labels[3 * CROWD_NAME];
    for (size_t g = 0; g < sizeof GAUGES / sizeof *GAUGES; g++) {
        exposition_family(out, GAUGES[g].name, "gauge", GAUGES[g].help);
        for (int i = 0; i < c->n_targets; i++) {
            const struct crowd_target *t = &c->targets[i];
            snprintf(labels, sizeof labels, "namespace=\"%s\",deployment=\"%s\"", t->ns, t->name);
            exposition_value(out, GAUGES[g].name, labels, GAUGES[g].value(t));
        }
    }
}

/* Calls put for every pod that is there. */
static void each_pod(const struct crowd *c, struct buf *out,
                     void (*put)(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod,
                                 struct buf *out))
{
    for (int i = 0; i < c->n_targets; i++)
        for (int k = 0; k < c->targets[i].n_pods; k++)
            if (c->targets[i].pods[k].shown)
                put(c, &c->targets[i], &c->targets[i].pods[k], out);
}

static void put_container(const char *name, const struct crowd_target *t, const struct crowd_pod *pod, double value,
                          struct buf *out)
{
    char labels[5 * CROWD_NAME];
    snprintf(labels, sizeof labels, "container=\"%s\",%s", t->name, pod->labels);
    exposition_value(out, name, labels, value);
}

static void put_cpu(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod, struct buf *out)
{
    put_container("container_cpu_usage_seconds_total", t, pod, pod->cpu_s / c->config.speed, out);
}

static void put_memory(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod,
                       struct buf *out)
{
    (void)c;
    put_container("container_memory_working_set_bytes", t, pod, pod->memory_bytes, out);
}

static void put_up(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod, struct buf *out)
{
    (void)c;
    (void)t;
    exposition_value(out, "up", pod->labels, 1);
}

static void put_requests(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod,
                         struct buf *out)
{
    char labels[4 * CROWD_NAME];
    (void)t;
    snprintf(labels, sizeof labels, "code=\"200\",%s", pod->labels);
    exposition_value(out, "http_requests_total", labels, (pod->requests - pod->failed) / c->config.speed);
    snprintf(labels, sizeof labels, "code=\"503\",%s", pod->labels);
    exposition_value(out, "http_requests_total", labels, pod->failed / c->config.speed);
}

static void put_latency(const struct crowd *c, const struct crowd_target *t, const struct crowd_pod *pod,
                        struct buf *out)
{
    const struct config_list *bounds = &c->profile.measurement.buckets_ms;
    char labels[4 * CROWD_NAME], bound[TEXT_DOUBLE];
    (void)t;
    for (int b = 0; b <= bounds->n; b++) {
        snprintf(labels, sizeof labels, "%s,le=\"%s\"", pod->labels,
                 b < bounds->n ? text_double(bound, bounds->v[b] / 1e3) : "+Inf");
        exposition_value(out, "http_request_duration_seconds_bucket", labels, pod->buckets[b] / c->config.speed);
    }
    exposition_value(out, "http_request_duration_seconds_sum", pod->labels, pod->latency_s / c->config.speed);
    exposition_value(out, "http_request_duration_seconds_count", pod->labels,
                     pod->buckets[bounds->n] / c->config.speed);
}

void crowd_expose(struct crowd *c, struct buf *out)
{
    crowd_enter(c);
    expose_deployments(c, out);
    exposition_family(out, "up", "gauge", "The pod could be scraped.");
    each_pod(c, out, put_up);
    exposition_family(out, "container_cpu_usage_seconds_total", "counter", "CPU time of the container.");
    each_pod(c, out, put_cpu);
    exposition_family(out, "container_memory_working_set_bytes", "gauge", "Working set of the container.");
    each_pod(c, out, put_memory);
    exposition_family(out, "http_requests_total", "counter", "Requests answered.");
    each_pod(c, out, put_requests);
    exposition_family(out, "http_request_duration_seconds", "histogram", "Latency of requests.");
    each_pod(c, out, put_latency);
    crowd_leave(c);
}

void crowd_list(struct crowd *c, struct buf *out)
{
    struct json_writer w = {.out = out};
    crowd_enter(c);
    json_begin_array(&w);
    for (int i = 0; i < c->n_targets; i++) {
        const struct crowd_target *t = &c->targets[i];
        json_begin_object(&w);
        json_put_key(&w, "namespace");
        json_put_text(&w, t->ns);
        json_put_key(&w, "deployment");
        json_put_text(&w, t->name);
        json_put_key(&w, "replicas");
        json_put_whole(&w, t->spec);
        json_put_key(&w, "ready");
        json_put_whole(&w, t->ready);
        json_put_key(&w, "starting");
        json_put_whole(&w, t->starting);
        json_end_object(&w);
    }
    json_end_array(&w);
    crowd_leave(c);
}
