/* lease: the election of one leader on a Lease object, in the steps of client-go's leaderelection package. In: the record on
 * the API server, our own monotonic clock; out: until when we may write. Times inside the record are for people: whether
 * another's lease has run out is told by how long its record has stood unchanged here. */
#include <maestro/lease.h>

#include "kube_json.h"
#include "lease_record.h"

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/rng.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_BYTES (LEASE_HOLDER_BYTES - 1) /* shorter than what a holder is cut to */
static const double JITTER = 1.2;               /* client-go's JitterFactor */

struct lease {
    struct kube *kube;
    char *space, *name, *identity;
    double duration_s, renew_deadline_s, retry_s;
    struct rng rng;
    struct buf path; /* of the object */

    struct lease_record record; /* as last read */
    bool ours;
    double observed_s; /* monotonic, when the record last changed */

    double deadline_s;
    double step_start_s, step_now_s; /* of the system's clock and of the caller's at the step's start */
    struct kube_answer answer;
    struct err why;
};

static bool check_config(const struct lease *l, struct err *e)
{
    if (!*l->identity || strlen(l->identity) >= IDENTITY_BYTES)
        return err_set(e, ERR_USAGE, "lease: identity must have 1 to %d bytes", IDENTITY_BYTES - 1);
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
    lease_record_finish(&l->record);
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

/* What the answer says becomes what we know. A record that is new to us has stood unchanged since now. */
static bool observe(struct lease *l, struct err *e)
{
    struct lease_record seen = {0};
    if (!lease_record_read(&seen, l->answer.object.root, e))
        return false;
    if (!lease_record_is_same(&seen, &l->record))
        l->observed_s = now_in_step_s(l);
    lease_record_finish(&l->record);
    l->record = seen;
    l->ours = strcmp(seen.holder, l->identity) == 0;
    return true;
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
    lease_record_finish(&l->record);
    return err_set(&l->why, ERR_FORMAT, "%s: %s", path, e.message);
}

/* The holder's from here on, if nobody wrote since we looked. */
static bool replace(struct lease *l, const char *holder)
{
    CLEANUP_BUF struct buf body = {0};
    bool renewal = l->ours && *holder && *l->record.acquire_time;
    struct lease_claim claim = {
        .metadata = l->record.metadata.bytes,
        .holder = holder,
        .acquire_time = renewal ? l->record.acquire_time : NULL,
        .duration_s = *holder ? (long long)l->duration_s : 1,
        .transitions = l->record.transitions + (l->ours ? 0 : 1),
    };
    if (!lease_record_write(&body, &claim, clock_wall_s(), &l->why) || !ask(l, KUBE_REPLACE, l->path.bytes, body.bytes))
        return false;
    return strcmp(l->record.holder, holder) == 0 ||
           err_set(&l->why, ERR_IO, "%s: written, but its holder is now '%.100s'", l->path.bytes, l->record.holder);
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
    struct lease_claim claim = {
        .metadata = metadata.bytes, .holder = l->identity, .duration_s = (long long)l->duration_s};
    if (!lease_record_write(&body, &claim, clock_wall_s(), &l->why))
        return false;
    return ask(l, KUBE_CREATE, folder.bytes, body.bytes) && l->ours;
}

static bool is_valid(const struct lease *l, double now_s)
{
    return l->observed_s + l->record.duration_s > now_s;
}

/* client-go's tryAcquireOrRenew. */
static bool acquire_or_renew(struct lease *l, double now_s)
{
    if (l->ours && is_valid(l, now_s)) {
        if (replace(l, l->identity))
            return true;
        if (l->answer.outcome == KUBE_UNREACHABLE)
            return false; // asking twice more would only take longer
    }
    if (!ask(l, KUBE_GET, l->path.bytes, NULL))
        return l->answer.outcome == KUBE_NOT_FOUND && create(l);
    if (!l->ours)
        l->deadline_s = 0.0;
    if (*l->record.holder && !l->ours && is_valid(l, now_s))
        return err_set(&l->why, ERR_IO, "held by '%.200s'", l->record.holder);
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
        wait_s =
            fmax(wait_s, fmin(l->answer.retry_after_s, l->duration_s)); // a proxy may say an hour; nobody would lead
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
    return l->record.holder;
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
    buf_clear(&l->record.metadata); // who goes on stepping looks at the record as for the first time
    kube_answer_finish(&l->answer);
}
