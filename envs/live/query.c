/* query: PromQL from a preset, or from the configuration's own text with its placeholders filled in. Deployments are told
 * apart by label_replace on the pod's whole name, which Prometheus anchors at both ends: pods of web-api never count for web.
 * Asks nothing and reads no answer. */
#include "query.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)1 << 20) /* bytes of one query; Prometheus' own limit of a form is 10 MiB */

static const char CPU_SERIES[] = "container_cpu_usage_seconds_total";
static const char MEMORY_SERIES[] = "container_memory_working_set_bytes";

const char *query_name(enum query_id id)
{
    static const char *const names[QUERIES] = {"cpu", "memory", "p95", "rps", "presence"};
    return names[id];
}

static const char *own_text(const struct live_prometheus *c, enum query_id id)
{
    const char *const texts[QUERIES] = {c->cpu_query, c->memory_query, c->p95_query, c->rps_query, c->presence_query};
    return texts[id];
}

void query_lacks(const struct live_prometheus *config, enum query_id id, char *out, size_t n)
{
    static const char *const RESOURCES[] = {[LIVE_KUBELET_RESOURCE] = "kubelet-resource", [LIVE_CADVISOR] = "cadvisor"};
    struct preset_traffic p = preset_traffic(config);
    if (own_text(config, id)[0])
        snprintf(out, n, "prometheus.%s_query finds no series", query_name(id));
    else if (id == QUERY_RPS || id == QUERY_P95)
        snprintf(out, n, "prometheus.traffic=%s finds no series %s%s", p.name, id == QUERY_RPS ? p.requests : p.latency,
                 id == QUERY_RPS ? "" : "_bucket");
    else
        snprintf(out, n, "prometheus.resources=%s finds no series %s", RESOURCES[config->resources],
                 id == QUERY_CPU ? CPU_SERIES : MEMORY_SERIES);
}

static void put_duration(struct buf *out, double seconds)
{
    long long ms = llround(seconds * 1000);
    if (ms % 1000 == 0)
        buf_printf(out, "%llds", ms / 1000);
    else
        buf_printf(out, "%lldms", ms);
}

/* What a query is made from besides its text. */
struct maker {
    const struct live_prometheus *config;
    const struct query_scope *scope;
    struct preset_traffic traffic;
    struct buf *out;
};

/* {namespace=~"...",pod=~"...", ready for more matchers and the closing brace. */
static void put_pods_of(const struct maker *m, const char *metric)
{
    buf_printf(m->out, "%s{namespace=~\"%s\",pod=~\"(%s)%s\"", metric, m->scope->namespaces, m->scope->names,
               m->config->pod_suffix);
}

static void put_window(const struct maker *m)
{
    buf_text(m->out, "[");
    put_duration(m->out, m->config->window_s);
    buf_text(m->out, "]");
}

/* Ends a label_replace that was opened around a vector with pods: the Deployment's name is cut out. */
static void put_name_of_pod(const struct maker *m)
{
    buf_printf(m->out, ",\"deployment\",\"$1\",\"pod\",\"(.+)%s\")", m->config->pod_suffix);
}

static void put_value_end(const struct maker *m)
{
    buf_text(m->out, ",\"maestro\",\"value\",\"namespace\",\".*\")");
}

static void put_age_end(const struct maker *m)
{
    buf_text(m->out, ",\"maestro\",\"age\",\"namespace\",\".*\")");
}

/* " or " and the ages of a metric that carries pods. */
static void put_age_of_pods(const struct maker *m, const char *metric, const char *by)
{
    buf_printf(m->out, " or label_replace(time() - max by (namespace, %s) (label_replace(timestamp(", by);
    put_pods_of(m, metric);
    buf_text(m->out, "})");
    put_name_of_pod(m);
    buf_text(m->out, ")");
    put_age_end(m);
}

/* One element a container, whatever scraped it and how often. Some cAdvisors know pods only as a whole (container=""). */
static void put_containers(const struct maker *m, const char *metric, const char *function)
{
    bool rate = function[0] != '\0';
    const char *const rows[] = {"container!=\"\",container!=\"POD\"", "container=\"\""};
    int n = m->config->resources == LIVE_CADVISOR ? 2 : 1;
    for (int i = 0; i < n; i++) {
        buf_printf(m->out, "%smax by (namespace, pod, container) (%s%s", i ? " or on (namespace, pod) " : "", function,
                   rate ? "(" : "");
        put_pods_of(m, metric);
        buf_printf(m->out, ",%s}", rows[i]);
        if (rate)
            put_window(m);
        buf_text(m->out, rate ? "))" : ")");
    }
}

/* " or " and how many pods the metric knows: the sum over some of them would pass for less load. */
static void put_count_of_pods(const struct maker *m, const char *metric)
{
    buf_text(m->out, " or label_replace(count by (namespace, deployment) (label_replace(max by (namespace, pod) (");
    put_pods_of(m, metric);
    buf_text(m->out, "})");
    put_name_of_pod(m);
    buf_text(m->out, "),\"maestro\",\"pods\",\"namespace\",\".*\")");
}

static void put_resource(const struct maker *m, const char *metric, const char *function, const char *factor)
{
    buf_printf(m->out, "label_replace(%ssum by (namespace, deployment) (label_replace(", factor);
    put_containers(m, metric, function);
    put_name_of_pod(m);
    buf_text(m->out, ")");
    put_value_end(m);
    put_age_of_pods(m, metric, "deployment");
}

/* metric_suffix{matchers} of requests or latency, without the closing brace. */
static void put_traffic_selector(const struct maker *m, const char *metric, const char *suffix)
{
    const struct preset_traffic *t = &m->traffic;
    bool by_pod = strcmp(t->target_label, "pod") == 0;
    buf_printf(m->out, "%s%s{%s%s=~\"%s\",%s=~\"(%s)%s\"", metric, suffix, t->matchers, t->space_label,
               m->scope->namespaces, t->target_label, m->scope->names, by_pod ? m->config->pod_suffix : "");
}

/* label_replace( for each label that is to get its usual name. */
static int put_renames_begin(const struct maker *m)
{
    int n = (strcmp(m->traffic.space_label, "namespace") != 0) + (strcmp(m->traffic.target_label, "deployment") != 0);
    for (int i = 0; i < n; i++)
        buf_text(m->out, "label_replace(");
    return n;
}

static void put_renames_end(const struct maker *m)
{
    const struct preset_traffic *t = &m->traffic;
    bool by_pod = strcmp(t->target_label, "pod") == 0;
    if (by_pod)
        put_name_of_pod(m);
    else if (strcmp(t->target_label, "deployment") != 0)
        buf_printf(m->out, ",\"deployment\",\"$1\",\"%s\",\"(.+)\")", t->target_label);
    if (strcmp(t->space_label, "namespace") != 0)
        buf_printf(m->out, ",\"namespace\",\"$1\",\"%s\",\"(.+)\")", t->space_label);
}

/* rate of a counter, by the source's own labels and one more, under their usual names. */
static void put_traffic_rate(const struct maker *m, const char *metric, const char *suffix, const char *by)
{
    put_renames_begin(m);
    buf_printf(m->out, "sum by (%s, %s, %s) (rate(", m->traffic.space_label, m->traffic.target_label, by);
    put_traffic_selector(m, metric, suffix);
    buf_text(m->out, "}");
    put_window(m);
    buf_text(m->out, "))");
    put_renames_end(m);
}

static void put_traffic_age(const struct maker *m, const char *metric, const char *suffix, const char *more)
{
    buf_text(m->out, " or label_replace(time() - max by (namespace, deployment) (");
    put_renames_begin(m);
    buf_text(m->out, "timestamp(");
    put_traffic_selector(m, metric, suffix);
    buf_printf(m->out, "%s})", more);
    put_renames_end(m);
    buf_text(m->out, ")");
    put_age_end(m);
}

static void put_p95(const struct maker *m)
{
    buf_printf(m->out, "label_replace(%g * histogram_quantile(%g, sum by (namespace, deployment, le) (",
               m->traffic.latency_ms, m->config->quantile);
    put_traffic_rate(m, m->traffic.latency, "_bucket", "le");
    buf_text(m->out, "))");
    put_value_end(m);
    put_traffic_age(m, m->traffic.latency, "_bucket", ",le=\"+Inf\"");
}

/* Server errors apart from the rest, so that one query gives both the rate and the error ratio. */
static void put_rps(const struct maker *m)
{
    buf_text(m->out, "label_replace(sum by (namespace, deployment, maestro_code) (label_replace(");
    put_traffic_rate(m, m->traffic.requests, "", m->traffic.code_label);
    buf_printf(m->out, ",\"maestro_code\",\"5\",\"%s\",\"5..\"))", m->traffic.code_label);
    put_value_end(m);
    put_traffic_age(m, m->traffic.requests, "", "");
}

static void put_presence(const struct maker *m)
{
    const char *metric = m->traffic.presence;
    if (m->traffic.presence_of_all) {
        buf_printf(m->out, "max(%s) or label_replace(time() - max(timestamp(%s))", metric, metric);
        put_age_end(m);
        return;
    }
    buf_text(m->out, "label_replace(sum by (namespace, deployment) (label_replace(");
    put_pods_of(m, metric);
    buf_text(m->out, "}");
    put_name_of_pod(m);
    buf_text(m->out, ")");
    put_value_end(m);
    put_age_of_pods(m, metric, "deployment");
}

static void put_preset(const struct maker *m, enum query_id id)
{
    switch (id) {
    case QUERY_CPU:
        put_resource(m, CPU_SERIES, "rate", "100 * ");
        put_count_of_pods(m, CPU_SERIES);
        return;
    case QUERY_MEMORY:
        put_resource(m, MEMORY_SERIES, "", "");
        return;
    case QUERY_P95:
        put_p95(m);
        return;
    case QUERY_RPS:
        put_rps(m);
        return;
    case QUERY_PRESENCE:
        put_presence(m);
        return;
    case QUERIES:
        return;
    }
}

/* Writes what a placeholder at text stands for and returns its length, or 0: none stands here. */
static size_t put_placeholder(const struct maker *m, const char *text)
{
    static const char *const names[] = {"{namespaces}", "{names}", "{suffix}", "{window}", "{quantile}"};
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(text, names[i], n) != 0)
            continue;
        if (i < 3)
            buf_text(m->out, i == 0 ? m->scope->namespaces : i == 1 ? m->scope->names : m->config->pod_suffix);
        else if (i == 3)
            put_duration(m->out, m->config->window_s);
        else
            buf_printf(m->out, "%g", m->config->quantile);
        return n;
    }
    return 0;
}

static void put_own(const struct maker *m, const char *text)
{
    while (*text) {
        size_t n = *text == '{' ? put_placeholder(m, text) : 0;
        if (n == 0)
            buf_append(m->out, text, n = 1);
        text += n;
    }
}

static bool finish(const struct buf *out, const char *name, struct err *e)
{
    if (!buf_ok(out, e))
        return false;
    if (out->len > TEXT_LIMIT)
        return err_set(e, ERR_USAGE, "prometheus: the query for %s has %zu bytes, more than %zu", name, out->len,
                       TEXT_LIMIT);
    return true;
}

bool query_build(const struct live_prometheus *config, const struct query_scope *scope, enum query_id id,
                 struct buf *out, struct err *e)
{
    struct maker m = {config, scope, preset_traffic(config), out};
    buf_clear(out);
    if (own_text(config, id)[0])
        put_own(&m, own_text(config, id));
    else
        put_preset(&m, id);
    return finish(out, query_name(id), e);
}

bool query_build_pods(const struct live_prometheus *config, const struct query_scope *scope, struct buf *out,
                      struct err *e)
{
    struct maker m = {config, scope, preset_traffic(config), out};
    buf_clear(out);
    buf_text(out, "label_replace(100 * sum by (namespace, pod) (");
    put_containers(&m, CPU_SERIES, "rate");
    buf_text(out, ")");
    put_value_end(&m);
    put_age_of_pods(&m, CPU_SERIES, "pod");
    return finish(out, "pods", e);
}
