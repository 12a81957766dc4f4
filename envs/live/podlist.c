/* podlist: Pod and PodMetrics objects to pod records. Pods are taken by their owner, a ReplicaSet named after the Deployment,
 * not by labels alone, which other pods may carry as well. In: JSON objects and Prometheus' elements. Out: records on the
 * sample clock. Decides nothing. */
#include "podlist.h"

#include "quantity.h"

#include <maestro/pod_shape.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool podlist_open(struct podlist *l, struct err *e)
{
    *l = (struct podlist){.pods = calloc(PODS_LIMIT, sizeof *l->pods),
                          .records = calloc(PODS_LIMIT, sizeof *l->records)};
    if (l->pods && l->records)
        return true;
    podlist_finish(l);
    return err_set(e, ERR_IO, "live: out of memory for pods");
}

void podlist_finish(struct podlist *l)
{
    if (!l)
        return;
    free(l->pods);
    free(l->records);
    *l = (struct podlist){0};
}

/* n digits at *at, which moves on, and the character behind them. */
static bool take_digits(const char **at, int n, char behind, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = 10 * value + (c - '0');
    }
    if (behind && (*at)[n] != behind)
        return false;
    *at += n + (behind != '\0');
    *out = value;
    return true;
}

bool podlist_time(const char *text, double *out)
{
    struct tm tm = {0};
    const char *at = text;
    double fraction = 0;
    if (!take_digits(&at, 4, '-', &tm.tm_year) || !take_digits(&at, 2, '-', &tm.tm_mon) ||
        !take_digits(&at, 2, 'T', &tm.tm_mday) || !take_digits(&at, 2, ':', &tm.tm_hour) ||
        !take_digits(&at, 2, ':', &tm.tm_min) || !take_digits(&at, 2, '\0', &tm.tm_sec) || tm.tm_year < 1970 ||
        tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1)
        return false;
    if (*at == '.') {
        char *end = NULL;
        fraction = strtod(at, &end);
        at = end;
    }
    if (strcmp(at, "Z") != 0 || !(fraction >= 0 && fraction < 1))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out = (double)timegm(&tm) + fraction;
    return true;
}

static const char *text_of(const struct json *object, const char *key)
{
    const char *text = NULL;
    return json_as_text(json_find(object, key), &text) ? text : NULL;
}

static bool time_of(const struct podlist *l, const struct json *object, const char *key, double *out)
{
    const char *text = text_of(object, key);
    double wall_s;
    if (!text || !podlist_time(text, &wall_s))
        return false;
    *out = wall_s + l->clock_offset_s;
    return true;
}

/* NAME-HASH, HASH without a dash. */
static bool is_replica_set_of(const char *name, const char *deployment)
{
    size_t n = strlen(deployment);
    return strncmp(name, deployment, n) == 0 && name[n] == '-' && name[n + 1] && !strchr(name + n + 1, '-');
}

static bool is_ours(const struct json *metadata, const char *deployment)
{
    const struct json *owners = json_find(metadata, "ownerReferences");
    for (const struct json *o = json_first(json_is_array(owners) ? owners : NULL); o; o = json_next(o)) {
        const char *kind = text_of(o, "kind"), *name = text_of(o, "name");
        if (kind && name && strcmp(kind, "ReplicaSet") == 0 && is_replica_set_of(name, deployment))
            return true;
    }
    return false;
}

static enum pod_phase phase_of(const char *text)
{
    if (text && strcmp(text, "Running") == 0)
        return POD_RUNNING;
    if (text && strcmp(text, "Failed") == 0)
        return POD_FAILED;
    return text && strcmp(text, "Succeeded") == 0 ? POD_SUCCEEDED : POD_PENDING;
}

static void read_ready(const struct podlist *l, const struct json *status, struct pod_record *r)
{
    const struct json *conditions = json_find(status, "conditions");
    for (const struct json *c = json_first(json_is_array(conditions) ? conditions : NULL); c; c = json_next(c)) {
        const char *type = text_of(c, "type"), *value = text_of(c, "status");
        if (!type || !value || strcmp(type, "Ready") != 0)
            continue;
        r->has_ready_condition = true;
        r->ready = strcmp(value, "True") == 0;
        (void)time_of(l, c, "lastTransitionTime", &r->ready_changed_s);
    }
}

void podlist_take(struct podlist *l, const struct json *object)
{
    const struct json *metadata = json_find(object, "metadata"), *status = json_find(object, "status");
    const char *name = text_of(metadata, "name");
    enum pod_phase phase = phase_of(text_of(status, "phase"));
    bool known = name && strlen(name) < sizeof l->pods[0].name && phase != POD_FAILED;
    if (!known || !is_ours(metadata, l->deployment))
        return;
    l->overflows = l->n == PODS_LIMIT;
    if (l->overflows)
        return;
    struct podlist_pod *p = &l->pods[l->n++];
    *p = (struct podlist_pod){
        .record = {.phase = phase,
                   .cpu_request_percent = 100 * pod_shape_of_spec(json_find(object, "spec")).cpu_request_cores,
                   .deleting = text_of(metadata, "deletionTimestamp") != NULL}};
    memcpy(p->name, name, strlen(name) + 1);
    p->record.has_start_time = time_of(l, status, "startTime", &p->record.start_time_s);
    read_ready(l, status, &p->record);
}

static struct podlist_pod *find_pod(struct podlist *l, const char *name)
{
    for (int i = 0; name && i < l->n; i++)
        if (strcmp(l->pods[i].name, name) == 0)
            return &l->pods[i];
    return NULL;
}

/* Cores of all containers; false: one is missing or unreadable. */
static bool usage_of(const struct json *containers, double *cores)
{
    int n = 0;
    *cores = 0;
    for (const struct json *c = json_first(json_is_array(containers) ? containers : NULL); c; c = json_next(c), n++) {
        const char *text = text_of(json_find(c, "usage"), "cpu");
        double value;
        if (!text || !quantity_parse(text, &value) || value < 0)
            return false;
        *cores += value;
    }
    return n > 0;
}

/* "15s", "1m0.5s", "100ms" as metrics-server prints a Go duration. */
static double duration_of(const char *text)
{
    double seconds = 0;
    while (text && *text) {
        char *end = NULL;
        double value = strtod(text, &end);
        if (end == text)
            return 0;
        double unit = strncmp(end, "ms", 2) == 0 ? 1e-3 : *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' ? 1 : 0;
        seconds += value * unit;
        text = end + strcspn(end, "+-.0123456789");
    }
    return seconds > 0 && seconds < 86400 ? seconds : 0;
}

void podlist_take_metrics(struct podlist *l, const struct json *object)
{
    struct podlist_pod *p = find_pod(l, text_of(json_find(object, "metadata"), "name"));
    double cores;
    if (!p || !usage_of(json_find(object, "containers"), &cores) ||
        !time_of(l, object, "timestamp", &p->record.cpu_sample_time_s))
        return;
    p->record.cpu_percent = 100 * cores;
    p->record.cpu_window_s = duration_of(text_of(object, "window"));
    p->record.has_cpu = true;
}

void podlist_take_answer(struct podlist *l, const struct prom_answer *answer, double time_s, double window_s)
{
    for (int k = 0; k < answer->n_series; k++) {
        const struct prom_series *s = &answer->series[k];
        const char *what = prom_label_value(s, "maestro");
        struct podlist_pod *p = find_pod(l, prom_label_value(s, "pod"));
        if (!p || !what || !isfinite(s->value))
            continue;
        if (strcmp(what, "age") == 0) {
            p->record.cpu_sample_time_s = time_s - s->value;
        } else {
            p->record.cpu_percent = s->value;
            p->record.cpu_window_s = window_s;
            p->record.has_cpu = true;
        }
    }
}

static bool take_pod(void *context, const struct json *object)
{
    podlist_take(context, object);
    return true;
}

static bool take_metrics(void *context, const struct json *object)
{
    podlist_take_metrics(context, object);
    return true;
}

static void begin(void *context)
{
    struct podlist *l = context;
    l->n = 0;
    l->overflows = false;
}

/* One list, walked page by page. */
static bool list(struct kube *kube, const char *path, const char *selector, const struct kube_walk *walk, struct err *e)
{
    struct kube_answer answer = {0};
    bool done = kube_list(kube, path, selector, walk, &answer);
    if (!done)
        err_set(e, ERR_IO, "%s", answer.why.message);
    kube_answer_finish(&answer);
    return done;
}

bool podlist_read(struct podlist *l, const struct live_kubernetes *config, struct kube *kube,
                  const struct target_slot *slot, struct err *e)
{
    char path[256];
    const char *selector = slot->selector && slot->selector[0] ? slot->selector : NULL;
    struct kube_walk pods = {.context = l, .begin = begin, .each = take_pod};
    struct kube_walk metrics = {.context = l, .each = take_metrics};
    begin(l);
    l->deployment = slot->view.name;
    snprintf(path, sizeof path, "/api/v1/namespaces/%s/pods", slot->view.space);
    if (!list(kube, path, selector, &pods, e))
        return false;
    if (l->overflows)
        return err_set(e, ERR_FORMAT, "more than %d, which is as many as can be held", PODS_LIMIT);
    if (config->pod_metrics != LIVE_METRICS_SERVER)
        return true;
    snprintf(path, sizeof path, "/apis/metrics.k8s.io/v1beta1/namespaces/%s/pods", slot->view.space);
    return list(kube, path, selector, &metrics, e);
}
