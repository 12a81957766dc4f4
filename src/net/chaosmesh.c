/* chaosmesh: the life of a fault on the API server: made, injected, deleted, gone. In: an object from chaosmesh_file; out:
 * phases. Nothing is kept here: names and labels suffice to find everything again. */
#include <maestro/chaosmesh.h>

#include "chaosmesh_kind.h"

#include <maestro/buf.h>
#include <maestro/clock.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static const double LOOK_EVERY_S = 0.5;
static const double HASTE_S = 1; // of a request that a step waits for

static void put_path(struct buf *out, const char *space, const char *plural, const char *name)
{
    buf_text(out, "/apis/chaos-mesh.org/v1alpha1/namespaces/");
    http_escape(out, space);
    buf_printf(out, "/%s%s", plural, *name ? "/" : "");
    http_escape(out, name);
}

/* One call on an experiment, within timeout_s (0: the client's). The answer is the caller's. */
static bool ask(struct kube *kube, enum kube_verb verb, const struct chaosmesh_experiment *experiment, double timeout_s,
                struct kube_answer *answer)
{
    CLEANUP_BUF struct buf path = {0};
    struct err e = {0};
    put_path(&path, experiment->space, experiment->plural, experiment->name);
    if (verb == KUBE_DELETE)
        buf_text(&path, "?propagationPolicy=Background");
    if (!buf_ok(&path, &e)) {
        answer->outcome = KUBE_BROKEN;
        answer->why = e;
        return false;
    }
    return kube_do(kube, &(struct kube_call){.verb = verb, .path = path.bytes, .timeout_s = timeout_s}, answer);
}

static bool pass_on(const struct kube_answer *answer, struct err *e)
{
    return err_set(e, answer->why.code, "%s", answer->why.message);
}

bool chaosmesh_start(struct kube *kube, const char *file, const struct chaosmesh_target *target, bool dry_run,
                     struct chaosmesh_experiment *experiment, struct err *e)
{
    CLEANUP_BUF struct buf body = {0}, path = {0};
    struct chaosmesh_experiment made = {0};
    struct kube_answer answer = {0};
    if (!chaosmesh_read(file, target, &body, &made, e))
        return false;
    put_path(&path, made.space, made.plural, "");
    if (!buf_ok(&path, e))
        return false;
    struct kube_call call = {.verb = KUBE_CREATE, .path = path.bytes, .body = body.bytes, .dry_run = dry_run};
    bool done = kube_do(kube, &call, &answer);
    bool perhaps = answer.outcome == KUBE_UNREACHABLE || answer.outcome == KUBE_BROKEN;
    if (!done) {
        pass_on(&answer, e);
        err_wrap(e, answer.outcome == KUBE_NOT_FOUND ? "%s (is Chaos Mesh installed?)" : "%s", file);
    }
    if (done || (perhaps && !dry_run))
        *experiment = made;
    kube_answer_finish(&answer);
    return done;
}

static bool has_condition(const struct json *object, const char *type)
{
    const struct json *conditions = json_find(json_find(object, "status"), "conditions");
    for (const struct json *c = json_is_array(conditions) ? json_first(conditions) : NULL; c; c = json_next(c)) {
        const char *name = "", *status = "";
        json_as_text(json_find(c, "type"), &name);
        json_as_text(json_find(c, "status"), &status);
        if (strcmp(name, type) == 0)
            return strcmp(status, "True") == 0;
    }
    return false;
}

static bool is_schedule(const struct chaosmesh_experiment *experiment)
{
    return strcmp(experiment->plural, "schedules") == 0;
}

/* Stop and AllRecovered: the duration is over. Before the start, AllRecovered can stand as well, but the phase is Run. */
static enum chaosmesh_phase phase_of(const struct chaosmesh_experiment *experiment, const struct json *object)
{
    const char *desired = "";
    json_as_text(json_find(json_find(json_find(object, "status"), "experiment"), "desiredPhase"), &desired);
    if (is_schedule(experiment))
        return CHAOSMESH_INJECTED;
    if (strcmp(desired, "Stop") == 0 && has_condition(object, "AllRecovered"))
        return CHAOSMESH_RECOVERED;
    return has_condition(object, "AllInjected") ? CHAOSMESH_INJECTED : CHAOSMESH_WAITING;
}

/* Within timeout_s (0: the client's). why: what is still missing, in words. */
static bool look(struct kube *kube, const struct chaosmesh_experiment *experiment, double timeout_s,
                 enum chaosmesh_phase *phase, const char **why, struct err *e)
{
    struct kube_answer answer = {0};
    bool done = ask(kube, KUBE_GET, experiment, timeout_s, &answer);
    bool gone = answer.outcome == KUBE_NOT_FOUND;
    *why = "it has not got there";
    if (done) {
        *phase = phase_of(experiment, answer.object.root);
        if (!json_find(answer.object.root, "status"))
            *why = "nobody has taken it up: does Chaos Mesh run?";
        else if (!has_condition(answer.object.root, "Selected"))
            *why = "it found no pods (condition Selected): do labels fit, may Chaos Mesh act in this namespace?";
        else if (!has_condition(answer.object.root, "AllInjected"))
            *why = "not every pod has it (condition AllInjected)";
    } else if (gone)
        *phase = CHAOSMESH_GONE;
    else
        pass_on(&answer, e);
    kube_answer_finish(&answer);
    return done || gone;
}

bool chaosmesh_look(struct kube *kube, const struct chaosmesh_experiment *experiment, enum chaosmesh_phase *phase,
                    struct err *e)
{
    const char *why = "";
    return look(kube, experiment, 0, phase, &why, e);
}

static bool is_reached(enum chaosmesh_phase phase, enum chaosmesh_phase wanted)
{
    return phase == wanted || (wanted == CHAOSMESH_INJECTED && phase == CHAOSMESH_RECOVERED);
}

static void pause_s(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

bool chaosmesh_wait(struct kube *kube, const struct chaosmesh_experiment *experiment, enum chaosmesh_phase phase,
                    double timeout_s, struct err *e)
{
    double end_s = clock_monotonic_s() + timeout_s;
    struct err last = {0};
    for (;;) {
        const char *why = "";
        enum chaosmesh_phase now = CHAOSMESH_WAITING;
        bool seen = look(kube, experiment, 0, &now, &why, &last);
        if (seen && is_reached(now, phase))
            return true;
        if (seen && now == CHAOSMESH_GONE)
            return err_set(e, ERR_IO, "%s %s/%s is gone", experiment->plural, experiment->space, experiment->name);
        double left_s = end_s - clock_monotonic_s();
        if (left_s <= 0.0)
            return err_set(e, ERR_IO, "%s %s/%s: after %g s: %.250s", experiment->plural, experiment->space,
                           experiment->name, timeout_s, seen ? why : last.message);
        pause_s(left_s < LOOK_EVERY_S ? left_s : LOOK_EVERY_S);
    }
}

/* Asks for the deletion again until it is heard. */
static bool delete (struct kube *kube, const struct chaosmesh_experiment *experiment, double end_s, struct err *e)
{
    struct kube_answer answer = {0};
    for (;;) {
        bool done = ask(kube, KUBE_DELETE, experiment, 0, &answer) || answer.outcome == KUBE_NOT_FOUND;
        bool again = answer.outcome == KUBE_UNREACHABLE || answer.outcome == KUBE_BROKEN ||
                     answer.outcome == KUBE_THROTTLED || answer.outcome == KUBE_CONFLICT;
        if (!done)
            pass_on(&answer, e);
        kube_answer_finish(&answer);
        if (done || !again || clock_monotonic_s() >= end_s)
            return done;
        pause_s(LOOK_EVERY_S);
    }
}

static bool wait_gone(struct kube *kube, const struct chaosmesh_experiment *experiment, double end_s, struct err *e)
{
    for (;;) {
        const char *why = "";
        enum chaosmesh_phase now = CHAOSMESH_WAITING;
        struct err last = {0};
        if (look(kube, experiment, 0, &now, &why, &last) && now == CHAOSMESH_GONE)
            return true;
        double left_s = end_s - clock_monotonic_s();
        if (left_s <= 0.0)
            return err_set(e, ERR_IO, "%s %s/%s: deleted, but still there: %.250s", experiment->plural,
                           experiment->space, experiment->name,
                           *last.message ? last.message : "Chaos Mesh, if it runs, is still healing pods");
        pause_s(left_s < LOOK_EVERY_S ? left_s : LOOK_EVERY_S);
    }
}

bool chaosmesh_stop(struct kube *kube, const struct chaosmesh_experiment *experiment, double timeout_s, struct err *e)
{
    double end_s = clock_monotonic_s() + timeout_s;
    return !*experiment->name || (delete (kube, experiment, end_s, e) && wait_gone(kube, experiment, end_s, e));
}

bool chaosmesh_end(struct kube *kube, const struct chaosmesh_experiment *experiment, bool *gone, struct err *e)
{
    struct kube_answer answer = {0};
    enum chaosmesh_phase phase = CHAOSMESH_GONE;
    const char *why = "";
    bool heard = *experiment->name && ask(kube, KUBE_DELETE, experiment, HASTE_S, &answer);
    bool absent = !*experiment->name || answer.outcome == KUBE_NOT_FOUND;
    if (!heard && !absent)
        pass_on(&answer, e);
    kube_answer_finish(&answer);
    if (!absent && (!heard || !look(kube, experiment, HASTE_S, &phase, &why, e)))
        return false;
    *gone = phase == CHAOSMESH_GONE;
    return true;
}

#define LEFTOVERS_LIMIT 256

struct leftovers {
    struct chaosmesh_experiment all[LEFTOVERS_LIMIT];
    int n, n_before; /* n_before: of the kinds already listed */
    const char *space, *plural;
};

static void forget(void *context)
{
    struct leftovers *l = context;
    l->n = l->n_before;
}

static bool note(void *context, const struct json *object)
{
    struct leftovers *l = context;
    const char *name = "";
    json_as_text(json_find(json_find(object, "metadata"), "name"), &name);
    struct chaosmesh_experiment *next = &l->all[l->n];
    if (!*name || strlen(name) >= sizeof next->name)
        return true; // not of our making
    snprintf(next->plural, sizeof next->plural, "%s", l->plural);
    snprintf(next->space, sizeof next->space, "%s", l->space);
    snprintf(next->name, sizeof next->name, "%s", name);
    return ++l->n < LEFTOVERS_LIMIT;
}

static bool find_leftovers(struct kube *kube, struct leftovers *l, const char *selector, struct err *e)
{
    struct kube_answer answer = {0};
    struct kube_walk walk = {.context = l, .begin = forget, .each = note};
    bool done = true;
    for (int i = 0; done && chaosmesh_kind(i) && l->n < LEFTOVERS_LIMIT; i++) {
        CLEANUP_BUF struct buf path = {0};
        l->plural = chaosmesh_kind(i)->plural;
        l->n_before = l->n;
        put_path(&path, l->space, l->plural, "");
        done = buf_ok(&path, e);
        if (!done)
            break;
        done = kube_list(kube, path.bytes, selector, &walk, &answer) || answer.outcome == KUBE_NOT_FOUND;
        if (!done)
            pass_on(&answer, e);
    }
    kube_answer_finish(&answer);
    return done;
}

bool chaosmesh_sweep(struct kube *kube, const char *space, const char *session, double timeout_s, int *n, struct err *e)
{
    struct leftovers left = {.space = space};
    double end_s = clock_monotonic_s() + timeout_s;
    char selector[160];
    if (session && !chaosmesh_is_label(session))
        return err_set(e, ERR_USAGE, "session '%.100s' cannot be a label", session);
    snprintf(selector, sizeof selector, "%s=maestro%s%s%s", CHAOSMESH_MANAGED_LABEL,
             session ? "," CHAOSMESH_SESSION_LABEL : "", session ? "=" : "", session ? session : "");
    if (!find_leftovers(kube, &left, selector, e))
        return false;
    for (int i = 0; i < left.n; i++)
        if (!delete (kube, &left.all[i], end_s, e))
            return false;
    for (int i = 0; i < left.n; i++)
        if (!wait_gone(kube, &left.all[i], end_s, e))
            return false;
    *n = left.n;
    return true;
}
