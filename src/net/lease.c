/* lease: the election of one leader on a Lease object, in the steps of client-go's leaderelection package. In: the record on
 * the API server, our own monotonic clock; out: until when we may write. Times inside the record are for people: whether
 * another's lease has run out is told by how long its record has stood unchanged here. */
#include <maestro/lease.h>

#include "kube_json.h"

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/rng.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDER_BYTES 256
static const double JITTER = 1.2; /* client-go's JitterFactor */

struct lease {
    struct kube *kube;
    char *space, *name, *identity;
    double duration_s, renew_deadline_s, retry_s;
    struct rng rng;
    struct buf path; /* of the object */

    /* The record as last read, and the object around it. */
    struct buf metadata; /* JSON, with its resourceVersion; empty: no object seen */
    struct buf raw;      /* JSON of the record, to see that it changed */
    char holder[HOLDER_BYTES];
    char acquire_time[64];
    double record_duration_s;
    long long transitions;
    bool ours;
    double observed_s; /* monotonic, when the record last changed */

    double deadline_s;
    double step_start_s, step_now_s; /* of the system's clock and of the caller's at the step's start */
    struct kube_answer answer;
    struct err why;
};

static bool check_config(const struct lease *l, struct err *e)
{
    if (!*l->identity || strlen(l->identity) >= HOLDER_BYTES)
        return err_set(e, ERR_USAGE, "lease: identity must have 1 to %d bytes", HOLDER_BYTES - 1);
    if (!(l->duration_s >= 1.0 && l->duration_s <= 86400.0) || l->duration_s > floor(l->duration_s))
        return err_set(e, ERR_USAGE, "lease: duration_s is %g: whole seconds, 1 to 86400, are wanted", l->duration_s);
    if (!(l->retry_s > 0.0 && l->duration_s > l->renew_deadline_s && l->renew_deadline_s > l->retry_s * JITTER))
        return err_set(
            e, ERR_USAGE,
            "lease: duration_s %g > renew_deadline_s %g > 1.2 x retry_s %g must hold: a leader must stop before "
            "another starts",
            l->duration_s, l->renew_deadline_s, l->retry_s);
    return true;
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static bool set_up(struct lease *l, const struct lease_config *config, struct err *e)
{
    l->space = strdup(config->space);
    l->name = strdup(config->name);
    l->identity = strdup(config->identity);
    if (!l->space || !l->name || !l->identity)
        return err_set(e, ERR_IO, "lease: out of memory");
    l->duration_s = config->duration_s != 0.0 ? config->duration_s : 15.0;
    l->renew_deadline_s = config->renew_deadline_s != 0.0 ? config->renew_deadline_s : 10.0;
    l->retry_s = config->retry_s != 0.0 ? config->retry_s : 2.0;
    rng_init(&l->rng, hash_of(l->identity), 0);
    buf_text(&l->path, "/apis/coordination.k8s.io/v1/namespaces/");
    http_escape(&l->path, l->space);
    buf_text(&l->path, "/leases/");
    http_escape(&l->path, l->name);
    return check_config(l, e) && buf_ok(&l->path, e);
}

bool lease_open(const struct lease_config *config, struct kube *kube, struct lease **out, struct err *e)
{
    struct lease *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_IO, "lease: out of memory");
    l->kube = kube;
    if (!set_up(l, config, e)) {
        lease_close(l);
        return false;
    }
    *out = l;
    return true;
}

void lease_close(struct lease *l)
{
    if (!l)
        return;
    kube_answer_finish(&l->answer);
    buf_finish(&l->path);
    buf_finish(&l->metadata);
    buf_finish(&l->raw);
    free(l->space);
    free(l->name);
    free(l->identity);
    free(l);
}

/* The caller's clock, now. */
static double now_in_step_s(const struct lease *l)
{
    return l->step_now_s + (clock_monotonic_s() - l->step_start_s);
}

/* Everything but managedFields goes back as it came: labels, owners and finalizers are not ours to drop. */
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

struct record {
    const char *holder, *acquire_time;
    long long duration_s, transitions;
};

static bool read_whole(const struct json *spec, const char *key, long long *out, struct err *e)
{
    const struct json *found = json_find(spec, key);
    return !found || json_is_null(found) || json_whole(spec, key, 0, INT_MAX, out, e);
}

static bool read_record(const struct json *spec, struct record *out, struct err *e)
{
    *out = (struct record){.holder = "", .acquire_time = ""};
    if (spec && !json_is_object(spec))
        return err_set(e, ERR_FORMAT, "the lease's spec is no object");
    json_as_text(json_find(spec, "holderIdentity"), &out->holder);
    json_as_text(json_find(spec, "acquireTime"), &out->acquire_time);
    return read_whole(spec, "leaseDurationSeconds", &out->duration_s, e) &&
           read_whole(spec, "leaseTransitions", &out->transitions, e);
}

/* What the answer says becomes what we know. A record that is new to us has stood unchanged since now. */
static bool observe(struct lease *l, struct err *e)
{
    CLEANUP_BUF struct buf metadata = {0}, raw = {0};
    const struct json *root = l->answer.object.root, *spec = json_find(root, "spec");
    struct json_writer w = {.out = &raw};
    struct record record;
    if (!copy_metadata(&metadata, json_find(root, "metadata"), e) || !read_record(spec, &record, e))
        return false;
    if (spec && !kube_json_copy(&w, spec, e))
        return false;
    buf_append(&raw, "", 0);
    if (!buf_ok(&raw, e))
        return false;
    if (!l->metadata.len || raw.len != l->raw.len || (raw.len && memcmp(raw.bytes, l->raw.bytes, raw.len) != 0))
        l->observed_s = now_in_step_s(l);
    buf_clear(&l->metadata);
    buf_clear(&l->raw);
    buf_append(&l->metadata, metadata.bytes, metadata.len);
    if (raw.len)
        buf_append(&l->raw, raw.bytes, raw.len);
    snprintf(l->holder, sizeof l->holder, "%s", record.holder);
    snprintf(l->acquire_time, sizeof l->acquire_time, "%s", record.acquire_time);
    l->ours = strcmp(record.holder, l->identity) == 0;
    l->record_duration_s = (double)record.duration_s;
    l->transitions = record.transitions;
    return buf_ok(&l->metadata, e) && buf_ok(&l->raw, e);
}

/* One call; its answer is the object as it now stands. */
static bool ask(struct lease *l, enum kube_verb verb, const char *path, const char *body)
{
    struct kube_call call = {.verb = verb, .path = path, .body = body, .timeout_s = l->renew_deadline_s / 2.0};
    struct err e = {0};
    if (!kube_do(l->kube, &call, &l->answer)) {
        l->why = l->answer.why;
        return false;
    }
    if (observe(l, &e))
        return true;
    l->answer.outcome = KUBE_BROKEN;
    l->ours = false;
    l->metadata.len = 0;
    return err_set(&l->why, ERR_FORMAT, "%s: %s", path, e.message);
}

/* What a write says: holder "" gives the lease up. */
struct claim {
    const char *metadata, *holder;
    long long transitions;
};

static bool put_body(const struct lease *l, struct buf *out, const struct claim *claim, struct err *e)
{
    CLEANUP_BUF struct buf spec = {0};
    struct json_writer w = {.out = &spec};
    char now[KUBE_TIME];
    bool renewal = l->ours && *claim->holder && *l->acquire_time;
    kube_micro_time(now, clock_wall_s());
    json_begin_object(&w);
    json_put_key(&w, "holderIdentity");
    json_put_text(&w, claim->holder);
    json_put_key(&w, "leaseDurationSeconds");
    json_put_whole(&w, *claim->holder ? (long long)l->duration_s : 1);
    json_put_key(&w, "acquireTime");
    json_put_text(&w, renewal ? l->acquire_time : now);
    json_put_key(&w, "renewTime");
    json_put_text(&w, now);
    json_put_key(&w, "leaseTransitions");
    json_put_whole(&w, claim->transitions);
    json_end_object(&w);
    if (!json_write_end(&w, e))
        return false;
    buf_text(out, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":");
    buf_text(out, claim->metadata);
    buf_printf(out, ",\"spec\":%s}", spec.bytes);
    return buf_ok(out, e);
}

/* The holder's from here on, if nobody wrote since we looked. */
static bool replace(struct lease *l, const char *holder)
{
    CLEANUP_BUF struct buf body = {0};
    struct claim claim = {l->metadata.bytes, holder, l->transitions + (l->ours ? 0 : 1)};
    if (!put_body(l, &body, &claim, &l->why) || !ask(l, KUBE_REPLACE, l->path.bytes, body.bytes))
        return false;
    return strcmp(l->holder, holder) == 0 ||
           err_set(&l->why, ERR_IO, "%s: written, but its holder is now '%.100s'", l->path.bytes, l->holder);
}

static bool put_name(const struct lease *l, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    kube_json_field(&w, "name", l->name);
    kube_json_field(&w, "namespace", l->space);
    json_end_object(&w);
    return json_write_end(&w, e);
}

static bool create(struct lease *l)
{
    CLEANUP_BUF struct buf body = {0}, metadata = {0}, folder = {0};
    const char *slash = strrchr(l->path.bytes, '/');
    l->ours = false;
    l->deadline_s = 0.0; // whoever creates it first leads
    buf_append(&folder, l->path.bytes, (size_t)(slash - l->path.bytes));
    if (!buf_ok(&folder, &l->why) || !put_name(l, &metadata, &l->why))
        return false;
    struct claim claim = {metadata.bytes, l->identity, 0};
    if (!put_body(l, &body, &claim, &l->why))
        return false;
    return ask(l, KUBE_CREATE, folder.bytes, body.bytes) && l->ours;
}

static bool is_valid(const struct lease *l, double now_s)
{
    return l->observed_s + l->record_duration_s > now_s;
}

/* client-go's tryAcquireOrRenew. */
static bool acquire_or_renew(struct lease *l, double now_s)
{
    if (l->ours && l->metadata.len && is_valid(l, now_s)) {
        if (replace(l, l->identity))
            return true;
        if (l->answer.outcome == KUBE_UNREACHABLE)
            return false; // asking twice more would only take longer
    }
    if (!ask(l, KUBE_GET, l->path.bytes, NULL))
        return l->answer.outcome == KUBE_NOT_FOUND && create(l);
    if (!l->ours)
        l->deadline_s = 0.0;
    if (*l->holder && !l->ours && is_valid(l, now_s))
        return err_set(&l->why, ERR_IO, "held by '%.200s'", l->holder);
    return replace(l, l->identity);
}

double lease_step(struct lease *l, double now_s)
{
    l->step_start_s = clock_monotonic_s();
    l->step_now_s = now_s;
    l->why = (struct err){0};
    bool held = acquire_or_renew(l, now_s);
    double end_s = now_in_step_s(l), wait_s = l->retry_s;
    if (held)
        l->deadline_s = now_s + l->renew_deadline_s;
    if (l->deadline_s <= end_s)
        l->deadline_s = 0.0;
    if (l->deadline_s == 0.0)
        wait_s *= 1.0 + JITTER * rng_double(&l->rng);
    if (!held && l->answer.retry_after_s > wait_s)
        wait_s = l->answer.retry_after_s;
    if (held)
        l->why = (struct err){0};
    kube_answer_finish(&l->answer);
    return end_s + wait_s;
}

double lease_deadline_s(const struct lease *l)
{
    return l->deadline_s;
}

const char *lease_holder(const struct lease *l)
{
    return l->holder;
}

const char *lease_why(const struct lease *l)
{
    return l->why.message;
}

void lease_release(struct lease *l)
{
    l->deadline_s = 0.0;
    if (l->ours && ask(l, KUBE_GET, l->path.bytes, NULL) && l->ours)
        (void)replace(l, "");
    l->ours = false;
    buf_clear(&l->metadata); // who goes on stepping looks at the record as for the first time
    kube_answer_finish(&l->answer);
}
