/* kube_scale: the scale subresource of a Deployment, and the question whether we may. In: names and counts; out: what the
 * API server answered. Whether a count is wise is the guard's matter. */
#include <maestro/kube.h>

#include "kube_ask.h"

#include <maestro/buf.h>
#include <maestro/json_write.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void put_path(struct buf *out, const char *space, const char *name)
{
    buf_text(out, "/apis/apps/v1/namespaces/");
    http_escape(out, space);
    buf_text(out, "/deployments/");
    http_escape(out, name);
    buf_text(out, "/scale");
}

/* An optional count: absent is 0, for that is how the API writes a zero. */
static bool read_count(const struct json *object, const char *key, int *out, struct err *e)
{
    long long value = 0;
    if (json_find(object, key) && !json_whole(object, key, 0, INT_MAX, &value, e))
        return false;
    *out = (int)value;
    return true;
}

/* A text that fits, or nothing; a resourceVersion cut short would never match. */
static bool read_text(const struct json *object, const char *key, char *out, size_t n, struct err *e)
{
    const char *text = "";
    const struct json *found = json_find(object, key);
    if (found && !json_as_text(found, &text))
        return err_set(e, ERR_FORMAT, "field '%s' is not a text", key);
    if (strlen(text) >= n)
        return err_set(e, ERR_FORMAT, "field '%s' is longer than %zu bytes", key, n - 1);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

bool kube_scale_read(const struct json *object, struct kube_scale *out, struct err *e)
{
    struct kube_scale made = {0};
    const struct json *spec = json_find(object, "spec"), *status = json_find(object, "status");
    if (!json_is_object(object) || (spec && !json_is_object(spec)) || (status && !json_is_object(status)))
        return err_set(e, ERR_FORMAT, "not a Scale");
    if (!read_count(spec, "replicas", &made.spec_replicas, e) ||
        !read_count(status, "replicas", &made.status_replicas, e) ||
        !read_text(status, "selector", made.selector, sizeof made.selector, e) ||
        !read_text(json_find(object, "metadata"), "resourceVersion", made.resource_version,
                   sizeof made.resource_version, e))
        return false;
    *out = made;
    return true;
}

bool kube_scale_get(struct kube *k, const char *space, const char *name, struct kube_scale *out,
                    struct kube_answer *answer)
{
    CLEANUP_BUF struct buf path = {0};
    struct err e = {0};
    put_path(&path, space, name);
    if (!buf_ok(&path, &e))
        return kube_broken(answer, "scale", e.message);
    if (!kube_do(k, &(struct kube_call){.verb = KUBE_GET, .path = path.bytes}, answer))
        return false;
    return kube_scale_read(answer->object.root, out, &e) || kube_broken(answer, path.bytes, e.message);
}

static bool put_scale(struct buf *out, int replicas, const char *resource_version, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    if (*resource_version) {
        json_put_key(&w, "metadata");
        json_begin_object(&w);
        json_put_key(&w, "resourceVersion");
        json_put_text(&w, resource_version);
        json_end_object(&w);
    }
    json_put_key(&w, "spec");
    json_begin_object(&w);
    json_put_key(&w, "replicas");
    json_put_whole(&w, replicas);
    json_end_object(&w);
    json_end_object(&w);
    return json_write_end(&w, e);
}

bool kube_scale_patch(struct kube *k, const char *space, const char *name, int replicas, const char *resource_version,
                      bool dry_run, struct kube_answer *answer)
{
    CLEANUP_BUF struct buf path = {0}, body = {0};
    struct err e = {0};
    put_path(&path, space, name);
    if (!buf_ok(&path, &e) || !put_scale(&body, replicas, resource_version, &e))
        return kube_broken(answer, "scale", e.message);
    struct kube_call call = {.verb = KUBE_MERGE_PATCH, .path = path.bytes, .body = body.bytes, .dry_run = dry_run};
    return kube_do(k, &call, answer);
}

static void put_attribute(struct json_writer *w, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    json_put_key(w, key);
    json_put_text(w, value);
}

static bool put_review(struct buf *out, const struct kube_right *right, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    put_attribute(&w, "apiVersion", "authorization.k8s.io/v1");
    put_attribute(&w, "kind", "SelfSubjectAccessReview");
    json_put_key(&w, "spec");
    json_begin_object(&w);
    json_put_key(&w, "resourceAttributes");
    json_begin_object(&w);
    put_attribute(&w, "verb", right->verb);
    put_attribute(&w, "group", right->group);
    put_attribute(&w, "resource", right->resource);
    put_attribute(&w, "subresource", right->subresource);
    put_attribute(&w, "namespace", right->space);
    put_attribute(&w, "name", right->name);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    return json_write_end(&w, e);
}

bool kube_may(struct kube *k, const struct kube_right *right, bool *allowed, struct kube_answer *answer)
{
    static const char path[] = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    CLEANUP_BUF struct buf body = {0};
    struct err e = {0};
    if (!put_review(&body, right, &e))
        return kube_broken(answer, "access review", e.message);
    struct kube_call call = {.verb = KUBE_CREATE, .path = path, .body = body.bytes};
    if (!kube_do(k, &call, answer))
        return false;
    return json_as_flag(json_find(json_find(answer->object.root, "status"), "allowed"), allowed) ||
           kube_broken(answer, path, "status.allowed is missing");
}
