/* live_world: a Prometheus and a Kubernetes API in one fake_http server, answering from texts that a test sets, and a live
 * fleet over them. Queries are told apart by what stands in them; Deployments are made from a few numbers. */
#ifndef TESTS_LIVE_WORLD_H
#define TESTS_LIVE_WORLD_H

#include "fake_http.h"
#include "folder.h"

#include <maestro/file.h>
#include <maestro/live.h>

enum world_query {
    WORLD_CPU,
    WORLD_MEMORY,
    WORLD_P95,
    WORLD_RPS,
    WORLD_PRESENCE,
    WORLD_PODS,
    WORLD_BOUNDS,
    WORLD_QUERIES
};

struct world_reply {
    const char *result;   /* elements of data.result; NULL: none */
    const char *warnings; /* JSON array; NULL: none */
    int status;           /* 0: 200 */
    const char *raw;      /* instead of all that */
};

struct world {
    struct fake_http *server;
    char folder[FOLDER_BYTES], kubeconfig[FOLDER_BYTES + 16];
    struct world_reply prometheus[WORLD_QUERIES];
    double prometheus_delay_s;
    const char *deployments; /* items, comma-separated; also what a single one is read from when it is one */
    int deployments_status;
    const char *closed;                /* "namespaces/NAME" whose Deployments may not be listed; NULL: none */
    const char *hpas, *scaled_objects; /* items; scaled_objects NULL: 404 */
    const char *pods, *pod_metrics;    /* items; pod_metrics NULL: 404 */
    int conflicts;                     /* so many PATCHes are refused with 409 first */
    int scale_status;                  /* of a PATCH; 0: 200 */
    const char *scale_headers;         /* of its answer; NULL: none */
    char scale_body[512];              /* of the last one */
    char scale_target[512];
    char events[4096];  /* bodies */
    const char *denied; /* part of a SelfSubjectAccessReview that is refused; NULL: none */
    int n_queries, n_lists;
    char query_body[WORLD_QUERIES][8192]; /* last form of each */
    struct live_prometheus prometheus_settings;
    struct live_kubernetes kubernetes_settings;
    struct fleet *fleet;
};

static inline enum world_query world_query_of(const char *form)
{
    if (strstr(form, "count%20by%20%28le%29") || strstr(form, "count+by+%28le%29"))
        return WORLD_BOUNDS;
    if (strstr(form, "by%20%28namespace%2C%20pod%29%20%28max") || strstr(form, "by+%28namespace%2C+pod%29+%28max"))
        return WORLD_PODS;
    if (strstr(form, "histogram_quantile"))
        return WORLD_P95;
    if (strstr(form, "maestro_code"))
        return WORLD_RPS;
    if (strstr(form, "container_cpu_usage"))
        return WORLD_CPU;
    return strstr(form, "working_set") ? WORLD_MEMORY : WORLD_PRESENCE;
}

static inline struct fake_reply world_prometheus(struct world *w, const struct fake_request *r)
{
    enum world_query q = world_query_of(r->body);
    const struct world_reply *reply = &w->prometheus[q];
    w->n_queries++;
    snprintf(w->query_body[q], sizeof w->query_body[q], "%s", r->body);
    if (reply->raw)
        return (struct fake_reply){.status = reply->status, .body = reply->raw, .delay_s = w->prometheus_delay_s};
    buf_printf(r->text, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[%s]}%s%s}",
               reply->result ? reply->result : "", reply->warnings ? ",\"warnings\":" : "",
               reply->warnings ? reply->warnings : "");
    return (struct fake_reply){
        .status = reply->status, .headers = "Content-Type: application/json\r\n", .delay_s = w->prometheus_delay_s};
}

static inline struct fake_reply world_list(struct world *w, const struct fake_request *r, const char *kind,
                                           const char *items)
{
    w->n_lists++;
    if (!items)
        return (struct fake_reply){.status = 404, .body = "{\"kind\":\"Status\",\"message\":\"no such kind\"}"};
    buf_printf(r->text, "{\"kind\":\"%sList\",\"metadata\":{\"resourceVersion\":\"900\"},\"items\":[%s]}", kind, items);
    return (struct fake_reply){0};
}

static inline struct fake_reply world_handle(void *context, const struct fake_request *r)
{
    struct world *w = context;
    if (strstr(r->target, "/api/v1/query"))
        return world_prometheus(w, r);
    if (strcmp(r->method, "PATCH") == 0 && strstr(r->target, "/scale")) {
        snprintf(w->scale_body, sizeof w->scale_body, "%s", r->body);
        snprintf(w->scale_target, sizeof w->scale_target, "%s", r->target);
        if (w->conflicts > 0) {
            w->conflicts--;
            return (struct fake_reply){.status = 409, .body = "{\"kind\":\"Status\",\"message\":\"modified\"}"};
        }
        return (struct fake_reply){
            .status = w->scale_status,
            .headers = w->scale_headers,
            .body = "{\"kind\":\"Scale\",\"metadata\":{\"resourceVersion\":\"901\"},\"spec\":{\"replicas\":4}}"};
    }
    if (strstr(r->target, "/events")) {
        size_t n = strlen(w->events);
        snprintf(w->events + n, sizeof w->events - n, "%s\n", r->body);
        return (struct fake_reply){.status = 201, .body = "{\"kind\":\"Event\",\"metadata\":{\"name\":\"e\"}}"};
    }
    if (strstr(r->target, "/deployments/")) {
        if (!w->deployments || w->deployments_status)
            return (struct fake_reply){.status = w->deployments_status ? w->deployments_status : 404,
                                       .body = "{\"kind\":\"Status\",\"message\":\"not today\"}"};
        return (struct fake_reply){.body = w->deployments};
    }
    if (strstr(r->target, "/deployments")) {
        if (w->closed && strstr(r->target, w->closed))
            return (struct fake_reply){.status = 403, .body = "{\"kind\":\"Status\",\"message\":\"not yours\"}"};
        if (w->deployments_status)
            return (struct fake_reply){.status = w->deployments_status,
                                       .body = "{\"kind\":\"Status\",\"message\":\"not today\"}"};
        return world_list(w, r, "Deployment", w->deployments ? w->deployments : "");
    }
    if (strstr(r->target, "/horizontalpodautoscalers"))
        return world_list(w, r, "HorizontalPodAutoscaler", w->hpas ? w->hpas : "");
    if (strstr(r->target, "/scaledobjects"))
        return world_list(w, r, "ScaledObject", w->scaled_objects);
    if (strstr(r->target, "/metrics.k8s.io/"))
        return world_list(w, r, "PodMetrics", w->pod_metrics);
    if (strstr(r->target, "/pods"))
        return world_list(w, r, "Pod", w->pods ? w->pods : "");
    if (strcmp(r->target, "/version") == 0)
        return (struct fake_reply){.body = "{\"gitVersion\":\"v1.34.4\"}"};
    if (strstr(r->target, "/selfsubjectaccessreviews"))
        return (struct fake_reply){.status = 201,
                                   .body = w->denied && strstr(r->body, w->denied) ? "{\"status\":{\"allowed\":false}}"
                                                                                   : "{\"status\":{\"allowed\":true}}"};
    return (struct fake_reply){.status = 404, .body = "{\"kind\":\"Status\",\"message\":\"no such path\"}"};
}

static inline void world_defaults(struct config_section section)
{
    struct config config = {0};
    struct err e = {0};
    ck_assert_msg(config_init(&config, &section, 1, &e), "%s", e.message);
    config_finish(&config);
}

/* The server and the settings, which a test may change before world_connect. */
static inline void world_open(struct world *w)
{
    char text[512];
    struct err e = {0};
    memset(w, 0, sizeof *w);
    world_defaults((struct config_section){"prometheus", "", live_prometheus_keys, n_live_prometheus_keys,
                                           &w->prometheus_settings});
    world_defaults((struct config_section){"kubernetes", "", live_kubernetes_keys, n_live_kubernetes_keys,
                                           &w->kubernetes_settings});
    folder_make(w->folder);
    w->server = fake_http_open(&(struct fake_http_config){.handle = world_handle, .context = w});
    snprintf(w->kubeconfig, sizeof w->kubeconfig, "%s/config", w->folder);
    snprintf(text, sizeof text,
             "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: k, cluster: {server: '%s'}}]\n"
             "users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: "
             "shop}}]\n",
             fake_http_url(w->server));
    ck_assert_msg(file_write_atomic(w->kubeconfig, text, strlen(text), &e), "%s", e.message);
    snprintf(w->prometheus_settings.url, sizeof w->prometheus_settings.url, "%s", fake_http_url(w->server));
    snprintf(w->kubernetes_settings.kubeconfig, sizeof w->kubernetes_settings.kubeconfig, "%s", w->kubeconfig);
    w->prometheus_settings.timeout_s = 2;
    w->kubernetes_settings.timeout_s = 2;
}

static inline struct live_config world_config(const struct world *w)
{
    return (struct live_config){.prometheus = &w->prometheus_settings, .kubernetes = &w->kubernetes_settings};
}

static inline void world_connect(struct world *w, bool asked)
{
    struct live_config config = world_config(w);
    struct err e = {0};
    config.asked = asked;
    ck_assert_msg(live_open(&config, &w->fleet, &e), "%s", e.message);
}

static inline void world_close(struct world *w)
{
    fleet_close(w->fleet);
    fake_http_close(w->server);
    folder_remove(w->folder);
}

/* A Deployment with a mode annotation, replicas all ready, one container that asks for 200m and may use 128Mi. */
static inline void world_deployment(struct buf *out, const char *space, const char *name, int replicas)
{
    buf_printf(
        out,
        "%s{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"uid-%s\",\"resourceVersion\":\"17\","
        "\"generation\":3,\"annotations\":{\"maestro.dev/mode\":\"shadow\",\"other\":\"x\","
        "\"latencySoftConstraint\":\"200\"}},\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},"
        "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"200m\"},"
        "\"limits\":{\"memory\":\"128Mi\"}}}]}}},\"status\":{\"observedGeneration\":3,\"replicas\":%d,"
        "\"updatedReplicas\":%d,\"readyReplicas\":%d}}",
        out->len ? "," : "", space, name, name, replicas, name, replicas, replicas, replicas);
}

/* One element of an answer: value or age of a target; more: further labels with their commas in front. */
static inline void world_element(struct buf *out, const char *space, const char *name, const char *kind,
                                 const char *value)
{
    buf_printf(out,
               "%s{\"metric\":{\"namespace\":\"%s\",\"deployment\":\"%s\",\"maestro\":\"%s\"},\"value\":[1700000000.5,"
               "\"%s\"]}",
               out->len ? "," : "", space, name, kind, value);
}

#endif
