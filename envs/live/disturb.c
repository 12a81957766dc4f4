/* disturb: load and faults for a live session. In: scripts and files of configuration; out: a child process or a Job, and one
 * Chaos Mesh object at a time. Decides when, not what they do. */
#include "disturb_load.h"

#include <maestro/buf.h>
#include <maestro/chaosmesh.h>
#include <maestro/data.h>
#include <maestro/rng.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAOS_KEY(field) offsetof(struct disturb_chaos, field)

const struct config_key disturb_chaos_keys[] = {
    {"files", CONFIG_TEXTS, CHAOS_KEY(files), "", 0, 0, NULL, NULL, "Chaos Mesh objects to strike the target with."},
    {"probability", CONFIG_DOUBLE, CHAOS_KEY(probability), "0", 0, 1, "ratio", NULL,
     "Chance in each step that one of the files is started, while none is at work."},
    {"every_s", CONFIG_DOUBLE, CHAOS_KEY(every_s), "0", 0, 86400, "s", NULL,
     "Start the next of the files so often, instead of by chance; 0: off."},
    {"duration_s", CONFIG_DOUBLE, CHAOS_KEY(duration_s), "120s", 1, 86400, "s", NULL,
     "A fault at work for longer than this is deleted."},
};
const int n_disturb_chaos_keys = (int)(sizeof disturb_chaos_keys / sizeof *disturb_chaos_keys);

enum { FILES_LIMIT = 32 };
static const double GONE_WITHIN_S = 60;

struct disturb {
    struct disturb_config config;
    struct disturb_load_run *load; /* NULL: none */
    struct buf files[FILES_LIMIT]; /* owned; where each lies */
    int n_files, turn;
    char selector[512];
    char session[64];
    struct rng rng;
    bool working, ending, told; /* ending: its deletion was asked for; told: that it does not go */
    struct chaosmesh_experiment experiment;
    double started_s, ending_s, next_s;
};

static void tell(const struct disturb *d, const char *event, const char *what)
{
    if (d->config.tell)
        d->config.tell(d->config.arg, event, what);
}

static bool split_files(struct disturb *d, struct err *e)
{
    char name[CONFIG_TEXT];
    for (const char *rest = d->config.chaos->files; *rest; rest += *rest == ',') {
        size_t n = strcspn(rest, ",");
        if (d->n_files == FILES_LIMIT)
            return err_set(e, ERR_USAGE, "chaos.files: more than %d", (int)FILES_LIMIT);
        snprintf(name, sizeof name, "%.*s", (int)n, rest);
        if (!data_path(name, &d->files[d->n_files++], e))
            return err_wrap(e, "chaos.files");
        rest += n;
    }
    return true;
}

/* A label value: letters, digits, hyphens; the same for every session on this target. */
static void name_session(struct disturb *d)
{
    snprintf(d->session, sizeof d->session, "%.20s-%.38s", d->config.space, d->config.name);
    for (char *c = d->session; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '-';
    size_t n = strlen(d->session);
    while (n && d->session[n - 1] == '-')
        d->session[--n] = '\0';
}

static struct chaosmesh_target target_of(const struct disturb *d)
{
    return (struct chaosmesh_target){d->config.space, d->selector, d->session};
}

static bool read_selector(struct disturb *d, struct err *e)
{
    struct kube_scale scale;
    struct kube_answer answer = {0};
    bool done = kube_scale_get(d->config.kube, d->config.space, d->config.name, &scale, &answer);
    if (done)
        snprintf(d->selector, sizeof d->selector, "%s", scale.selector);
    else
        (void)err_set(e, ERR_IO, "%s", answer.why.message);
    kube_answer_finish(&answer);
    return done;
}

static bool sweep(struct disturb *d, struct err *e)
{
    int n = 0;
    char what[64];
    if (!chaosmesh_sweep(d->config.kube, d->config.space, d->session, GONE_WITHIN_S, &n, e))
        return false;
    snprintf(what, sizeof what, "%d left over from an earlier session", n);
    if (n > 0)
        tell(d, "chaos_swept", what);
    return true;
}

/* A killed session's faults strike one without faults of its own too; whether it may look for them is another matter. */
static void sweep_others(struct disturb *d)
{
    struct err why = {0};
    if (d->config.kube && !sweep(d, &why))
        tell(d, "chaos_not_swept", why.message);
}

static bool prepare_chaos(struct disturb *d, struct err *e)
{
    if (d->n_files == 0) {
        sweep_others(d);
        return true;
    }
    if (!sweep(d, e) || !read_selector(d, e))
        return false;
    struct chaosmesh_target target = target_of(d);
    for (int i = 0; i < d->n_files; i++) {
        struct chaosmesh_experiment unused = {0};
        if (!chaosmesh_start(d->config.kube, d->files[i].bytes, &target, true, &unused, e))
            return false;
    }
    return true;
}

static void free_disturb(struct disturb *d)
{
    for (int i = 0; i < FILES_LIMIT; i++)
        buf_finish(&d->files[i]);
    free(d);
}

bool disturb_open(const struct disturb_config *config, struct disturb **out, struct err *e)
{
    struct disturb *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ERR_IO, "disturb: out of memory");
    d->config = *config;
    rng_init(&d->rng, config->seed, 0x6368616f73);
    name_session(d);
    if (split_files(d, e) && prepare_chaos(d, e) && disturb_load_start(config, &d->load, e)) {
        if (d->load)
            tell(d, "load_started", config->load->script);
        *out = d;
        return true;
    }
    free_disturb(d);
    return false;
}

/* Asked for at each step until it is gone. Told once, where that is not heard or takes long. */
static void stop_fault(struct disturb *d, double now_s)
{
    struct err why = {0};
    bool gone = false;
    if (!d->ending)
        d->ending_s = now_s;
    d->ending = true;
    bool heard = chaosmesh_end(d->config.kube, &d->experiment, &gone, &why);
    if (heard && gone) {
        tell(d, "chaos_stopped", d->experiment.name);
        d->working = false;
        return;
    }
    if (d->told || (heard && now_s - d->ending_s < GONE_WITHIN_S))
        return;
    if (heard)
        err_set(&why, ERR_IO, "%s: deleted, but still there: Chaos Mesh, if it runs, is still healing pods",
                d->experiment.name);
    tell(d, "chaos_not_stopped", why.message);
    d->told = true;
}

static void watch_fault(struct disturb *d, double now_s)
{
    enum chaosmesh_phase phase;
    struct err why;
    if (d->ending || now_s - d->started_s >= d->config.chaos->duration_s) {
        stop_fault(d, now_s);
        return;
    }
    if (!chaosmesh_look(d->config.kube, &d->experiment, &phase, &why)) {
        tell(d, "chaos_not_seen", why.message);
        return;
    }
    if (phase == CHAOSMESH_GONE)
        d->working = false;
    else if (phase == CHAOSMESH_RECOVERED)
        stop_fault(d, now_s);
}

/* The file whose turn it is, or NULL. */
static const char *due_file(struct disturb *d, double now_s)
{
    const struct disturb_chaos *c = d->config.chaos;
    if (c->every_s > 0) {
        if (d->next_s == 0)
            d->next_s = now_s + c->every_s;
        if (now_s < d->next_s)
            return NULL;
        d->next_s = now_s + c->every_s;
        return d->files[d->turn++ % d->n_files].bytes;
    }
    if (rng_double(&d->rng) >= c->probability)
        return NULL;
    return d->files[rng_bounded(&d->rng, (uint32_t)d->n_files)].bytes;
}

static void start_fault(struct disturb *d, const char *file, double now_s)
{
    struct chaosmesh_target target = target_of(d);
    struct err why;
    memset(&d->experiment, 0, sizeof d->experiment);
    bool started = chaosmesh_start(d->config.kube, file, &target, false, &d->experiment, &why);
    d->working = started || d->experiment.name[0]; // an answer that was lost: it may be there
    d->ending = d->told = false;
    d->started_s = now_s;
    tell(d, started ? "chaos_started" : "chaos_not_started", started ? d->experiment.name : why.message);
}

bool disturb_wait(struct disturb *d, double now_s, struct err *e)
{
    (void)e; // once the load has run, nothing ends a session
    if (d->load)
        disturb_load_tend(d->load);
    if (d->working)
        watch_fault(d, now_s);
    return true;
}

bool disturb_step(struct disturb *d, double now_s, struct err *e)
{
    bool working = d->working;
    if (!disturb_wait(d, now_s, e))
        return false;
    const char *file = working || d->n_files == 0 ? NULL : due_file(d, now_s);
    if (file)
        start_fault(d, file, now_s);
    return true;
}

const char *disturb_at_work(const struct disturb *d)
{
    return d->working ? d->experiment.name : "";
}

bool disturb_close(struct disturb *d, struct err *e)
{
    if (!d)
        return true;
    bool loads = disturb_load_end(d->load, e);
    bool faults = !d->working || chaosmesh_stop(d->config.kube, &d->experiment, GONE_WITHIN_S, e);
    free_disturb(d);
    return loads && faults;
}
