/* lease_record: a Lease object read and written. In: JSON of the API server, a claim; out: the few things that an election
 * needs, the body of a write. Labels, owners and finalizers go back as they came: they are not ours to drop. */
#include "lease_record.h"

#include "kube_json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool copy_metadata(struct buf *out, const struct json *metadata, struct err *e)
{
    struct json_writer w = {.out = out};
    const char *version = "";
    if (!json_as_text(json_find(metadata, "resourceVersion"), &version) || !*version)
        return err_set(e, ERR_FORMAT, "the lease has no resourceVersion");
    json_begin_object(&w);
    for (const struct json *field = json_first(metadata); field; field = json_next(field)) {
        if (strcmp(json_key(field), "managedFields") == 0)
            continue;
        json_put_key(&w, json_key(field));
        if (!kube_json_copy(&w, field, e))
            return false;
    }
    json_end_object(&w);
    return json_write_end(&w, e);
}

static bool copy_spec(struct buf *out, const struct json *spec, struct err *e)
{
    struct json_writer w = {.out = out};
    if (!spec)
        return true;
    if (!json_is_object(spec))
        return err_set(e, ERR_FORMAT, "the lease's spec is no object");
    return kube_json_copy(&w, spec, e) && json_write_end(&w, e);
}

static bool read_whole(const struct json *spec, const char *key, long long *out, struct err *e)
{
    const struct json *found = json_find(spec, key);
    return !found || json_is_null(found) || json_whole(spec, key, 0, INT_MAX, out, e);
}

static void read_text(const struct json *spec, const char *key, char *out, size_t n)
{
    const char *text = "";
    json_as_text(json_find(spec, key), &text);
    snprintf(out, n, "%s", text);
}

static bool read_object(struct lease_record *out, const struct json *object, struct err *e)
{
    const struct json *spec = json_find(object, "spec");
    long long duration_s = 0;
    if (!copy_metadata(&out->metadata, json_find(object, "metadata"), e) || !copy_spec(&out->spec, spec, e) ||
        !read_whole(spec, "leaseDurationSeconds", &duration_s, e) ||
        !read_whole(spec, "leaseTransitions", &out->transitions, e))
        return false;
    read_text(spec, "holderIdentity", out->holder, sizeof out->holder);
    read_text(spec, "acquireTime", out->acquire_time, sizeof out->acquire_time);
    out->duration_s = (double)duration_s;
    return true;
}

bool lease_record_read(struct lease_record *out, const struct json *object, struct err *e)
{
    struct lease_record made = {0};
    if (!read_object(&made, object, e)) {
        lease_record_finish(&made);
        return false;
    }
    lease_record_finish(out);
    *out = made;
    return true;
}

bool lease_record_is_same(const struct lease_record *a, const struct lease_record *b)
{
    bool both = a->metadata.len && b->metadata.len && a->spec.len == b->spec.len;
    return both && (!a->spec.len || memcmp(a->spec.bytes, b->spec.bytes, a->spec.len) == 0);
}

void lease_record_finish(struct lease_record *r)
{
    if (!r)
        return;
    buf_finish(&r->metadata);
    buf_finish(&r->spec);
    *r = (struct lease_record){0};
}

bool lease_record_write(struct buf *out, const struct lease_claim *claim, double wall_s, struct err *e)
{
    CLEANUP_BUF struct buf spec = {0};
    struct json_writer w = {.out = &spec};
    char now[KUBE_TIME];
    kube_micro_time(now, wall_s);
    json_begin_object(&w);
    json_put_key(&w, "holderIdentity");
    json_put_text(&w, claim->holder);
    json_put_key(&w, "leaseDurationSeconds");
    json_put_whole(&w, claim->duration_s);
    json_put_key(&w, "acquireTime");
    json_put_text(&w, claim->acquire_time ? claim->acquire_time : now);
    json_put_key(&w, "renewTime");
    json_put_text(&w, now);
    json_put_key(&w, "leaseTransitions");
    json_put_whole(&w, claim->transitions < INT_MAX ? claim->transitions : INT_MAX);
    json_end_object(&w);
    if (!json_write_end(&w, e))
        return false;
    buf_text(out, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":");
    buf_text(out, claim->metadata);
    buf_printf(out, ",\"spec\":%s}", spec.bytes);
    return buf_ok(out, e);
}
