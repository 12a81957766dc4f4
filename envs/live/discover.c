/* discover: asks the API for Deployments (one paged list, or the few that were asked for) and for other scalers, and puts
 * what it reads into the table of targets. In: JSON objects, page by page. Out: slots. Signals are not its matter. */
#include "discover.h"

#include <maestro/pod_shape.h>

#include <stdio.h>
#include <string.h>

#define COUNT_LIMIT 1000000

static const char *text_of(const struct json *object, const char *key)
{
    const char *text = NULL;
    return json_as_text(json_find(object, key), &text) ? text : NULL;
}

/* A count that may be missing (0) and must not be nonsense. */
static bool count_of(const struct json *object, const char *key, int missing, int *out, struct err *e)
{
    long long value = missing;
    if (json_find(object, key) && !json_whole(object, key, 0, COUNT_LIMIT, &value, e))
        return false;
    *out = (int)value;
    return true;
}

static bool is_latency_limit(const char *key)
{
    return strcmp(key, "latencySoftConstraint") == 0 || strcmp(key, "latencyHardConstraint") == 0;
}

static void read_annotations(const struct json *metadata, const char *prefix, struct discovered *out)
{
    const struct json *all = json_find(metadata, "annotations");
    size_t n_prefix = strlen(prefix);
    for (const struct json *a = json_first(json_is_object(all) ? all : NULL); a; a = json_next(a)) {
        const char *key = json_key(a), *value = NULL;
        bool prefixed = strncmp(key, prefix, n_prefix) == 0;
        if ((!prefixed && !is_latency_limit(key)) || !json_as_text(a, &value) ||
            out->n_annotations == FLEET_ANNOTATIONS)
            continue;
        out->has_prefixed |= prefixed;
        out->annotations[out->n_annotations++] = (struct fleet_annotation){key, value};
    }
}

/* matchLabels as a query wants them; matchExpressions are not said: then pods are told apart by their owner alone. */
static void read_selector(const struct json *spec, struct buf *out)
{
    const struct json *labels = json_find(json_find(spec, "selector"), "matchLabels");
    for (const struct json *l = json_first(json_is_object(labels) ? labels : NULL); l; l = json_next(l)) {
        const char *value = "";
        if (json_as_text(l, &value))
            buf_printf(out, "%s%s=%s", out->len ? "," : "", json_key(l), value);
    }
}

/* Pods of an older template exist, or the controller has not looked yet. A mere change of replicas is no rollout: all its
 * pods are of one template. A status that no controller ever wrote says nothing. */
static bool read_status(const struct json *object, struct discovered *out, struct err *e)
{
    const struct json *status = json_find(object, "status"), *metadata = json_find(object, "metadata");
    int updated = 0;
    double generation = 0, observed = 0;
    if (!count_of(status, "replicas", 0, &out->existing, e) || !count_of(status, "readyReplicas", 0, &out->ready, e) ||
        !count_of(status, "updatedReplicas", 0, &updated, e) ||
        !count_of(status, "terminatingReplicas", 0, &out->terminating, e))
        return err_wrap(e, "status");
    bool seen = json_as_number(json_find(status, "observedGeneration"), &observed) &&
                json_as_number(json_find(metadata, "generation"), &generation);
    out->rolling_out = (seen && observed < generation) || updated < out->existing;
    return true;
}

bool discover_read(const struct json *object, const char *prefix, struct discovered *out, struct err *e)
{
    const struct json *metadata, *spec;
    bool paused = false;
    memset(out, 0, sizeof *out);
    if (!json_object(object, "metadata", &metadata, e) || !json_object(object, "spec", &spec, e) ||
        !json_text(metadata, "namespace", &out->space, e) || !json_text(metadata, "name", &out->name, e) ||
        !json_text(metadata, "uid", &out->uid, e) || !json_text(metadata, "resourceVersion", &out->resource_version, e))
        return err_wrap(e, "live: a Deployment");
    if (!count_of(spec, "replicas", 1, &out->spec_replicas, e) || !read_status(object, out, e))
        return err_wrap(e, "live: Deployment %s/%s", out->space, out->name);
    out->rollout_paused = json_as_flag(json_find(spec, "paused"), &paused) && paused;
    const struct pod_shape shape = pod_shape_of(object);
    out->memory_limit_bytes = shape.memory_limit_bytes;
    out->cpu_request_percent = 100 * shape.cpu_request_cores;
    read_annotations(metadata, prefix, out);
    read_selector(spec, &out->selector);
    return true;
}

/* One object of the list, or of a single read. A Deployment that cannot be read is skipped and remembered, not fatal. */
static bool take(struct discover *d, const struct json *object, bool must_be_annotated)
{
    struct discovered found;
    int index = 0;
    bool read = discover_read(object, d->config->annotation_prefix, &found, &d->skipped);
    if (read && (!must_be_annotated || found.has_prefixed) &&
        targets_take(d->targets, found.space, found.name, &index, &d->skipped) &&
        targets_store(d->targets, index, &found, &d->skipped)) {
        d->targets->slots[index].round = d->round;
        d->targets->slots[index].api_time_s = d->monotonic_s;
    }
    buf_finish(&found.selector);
    return true;
}

static bool take_listed(void *context, const struct json *object)
{
    struct discover *d = context;
    return take(d, object, d->config->annotated);
}

static void note_unreadable(void *context, const struct err *why)
{
    struct discover *d = context;
    d->skipped = *why;
    err_wrap(&d->skipped, "live: Deployment");
}

/* Calls list for the path of each namespace, or of all together. One that cannot be read does not keep the others from
 * being read: its name is added to unread, if that is given, and e tells of the first. false: none could be read. */
static bool each_namespace(struct discover *d, const char *group, const char *plural, const struct kube_walk *walk,
                           struct buf *unread, struct err *e)
{
    const char *at = d->config->namespaces;
    int n_read = 0;
    do {
        char path[256];
        size_t n = strcspn(at, ",");
        if (n)
            snprintf(path, sizeof path, "/apis/%s/namespaces/%.*s/%s", group, (int)(n > 63 ? 63 : n), at, plural);
        else
            snprintf(path, sizeof path, "/apis/%s/%s", group, plural);
        const char *selector = walk->each == take_listed && d->config->selector[0] ? d->config->selector : NULL;
        struct kube_answer answer = {0};
        d->calls++;
        bool done = kube_list(d->kube, path, selector, walk, &answer);
        // A kind that is not installed has no objects.
        bool failed = !done && !(answer.outcome == KUBE_NOT_FOUND && walk->each != take_listed);
        if (failed && e && e->code == ERR_NONE)
            err_set(e, ERR_IO, "%s", answer.why.message);
        kube_answer_finish(&answer);
        if (failed && unread)
            buf_printf(unread, "%.*s,", (int)n, at);
        d->calls_failed += failed;
        n_read += !failed;
        at += n;
        at += *at == ',';
    } while (*at);
    return n_read > 0;
}

/* spaces: "shop,bank," */
static bool is_among(const struct buf *spaces, const char *space)
{
    size_t n = strlen(space);
    for (const char *at = spaces->len ? spaces->bytes : ""; *at; at += strcspn(at, ",") + 1)
        if (strncmp(at, space, n) == 0 && at[n] == ',')
            return true;
    return false;
}

/* Not seen by a whole list of its namespace: gone, and free again at the list after. */
static void bury(struct targets *t, unsigned round, const struct buf *unread)
{
    for (int i = 0; i < t->n; i++) {
        struct target_slot *slot = &t->slots[i];
        if (!slot->used || slot->round == round || is_among(unread, slot->view.space))
            continue;
        if (slot->view.gone)
            targets_free(t, i);
        else
            slot->view.gone = true;
    }
}

bool discover_list(struct discover *d, struct err *e)
{
    CLEANUP_BUF struct buf unread = {0};
    struct kube_walk walk = {.context = d, .each = take_listed, .unreadable = note_unreadable};
    if (!each_namespace(d, "apps/v1", "deployments", &walk, &unread, e) || !buf_ok(&unread, e))
        return false;
    bury(d->targets, d->round, &unread);
    return true;
}

static bool ask_one(struct discover *d, int i, struct err *e)
{
    char path[320];
    struct target_slot *slot = &d->targets->slots[i];
    snprintf(path, sizeof path, "/apis/apps/v1/namespaces/%s/deployments/%s", slot->view.space, slot->view.name);
    struct kube_call call = {.verb = KUBE_GET, .path = path};
    struct kube_answer answer = {0};
    d->calls++;
    bool done = kube_do(d->kube, &call, &answer);
    bool missing = !done && answer.outcome == KUBE_NOT_FOUND;
    if (done)
        take(d, answer.object.root, false);
    else if (missing)
        slot->view.gone = true;
    else
        err_set(e, ERR_IO, "%s", answer.why.message);
    d->calls_failed += !done && !missing;
    slot->api_time_s = missing ? d->monotonic_s : slot->api_time_s;
    kube_answer_finish(&answer);
    return done || missing;
}

bool discover_asked(struct discover *d, struct err *e)
{
    int n_read = 0, n_asked = 0;
    for (int i = 0; i < d->targets->n; i++) {
        if (!d->targets->slots[i].used)
            continue;
        n_asked++;
        n_read += ask_one(d, i, e);
    }
    return n_read > 0 || n_asked == 0;
}

bool discover_scaler(const struct json *object, const char **space, const char **target, const char **own_name)
{
    const struct json *metadata = json_find(object, "metadata");
    const struct json *reference = json_find(json_find(object, "spec"), "scaleTargetRef");
    const char *kind = text_of(reference, "kind");
    *space = text_of(metadata, "namespace");
    *own_name = text_of(metadata, "name");
    *target = text_of(reference, "name");
    return *space && *own_name && *target && (!kind || strcmp(kind, "Deployment") == 0);
}

static bool note_scaler(struct discover *d, const struct json *object, const char *kind)
{
    const char *space, *target, *own_name;
    if (!discover_scaler(object, &space, &target, &own_name))
        return true;
    int i = targets_find(d->targets, space, target);
    if (i < 0)
        return true;
    struct target_slot *slot = &d->targets->slots[i];
    snprintf(slot->view.conflict, sizeof slot->view.conflict, "%s %.60s/%.70s", kind, space, own_name);
    slot->conflict_round = d->round;
    return true;
}

static bool note_hpa(void *context, const struct json *object)
{
    return note_scaler(context, object, "HorizontalPodAutoscaler");
}

/* Later than the HPAs, so that its own name stands rather than that of the HPA which KEDA makes of it. */
static bool note_scaled_object(void *context, const struct json *object)
{
    return note_scaler(context, object, "ScaledObject");
}

bool discover_conflicts(struct discover *d, struct err *e)
{
    struct kube_walk hpas = {.context = d, .each = note_hpa};
    struct kube_walk scaled = {.context = d, .each = note_scaled_object};
    struct err why = {0};
    (void)!each_namespace(d, "autoscaling/v2", "horizontalpodautoscalers", &hpas, NULL, &why);
    (void)!each_namespace(d, "keda.sh/v1alpha1", "scaledobjects", &scaled, NULL, &why);
    if (why.code != ERR_NONE)
        return err_set(e, why.code, "%s", why.message);
    for (int i = 0; i < d->targets->n; i++)
        if (d->targets->slots[i].conflict_round != d->round)
            d->targets->slots[i].view.conflict[0] = '\0';
    return true;
}
