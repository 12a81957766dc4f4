/* live_site: one Deployment of a Kubernetes cluster, opened for a session or an evaluation: its signals and replicas as a
 * cluster, and the load and faults that it is put under. In: sections of configuration. Refuses a target that somebody else
 * scales or holds, and one that cannot be seen; at the end it gives back the count that was found. */
#include "live_site.h"

#include <maestro/annotations.h>
#include <maestro/clock.h>
#include <maestro/log.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY(field) offsetof(struct settings_live, field)
const struct config_key settings_live_keys[] = {
    {"namespace", CONFIG_STRING, KEY(space), "", 0, 0, NULL, NULL,
     "Namespace of the Deployment; empty: that of the account or context."},
    {"deployment", CONFIG_STRING, KEY(deployment), "", 0, 0, NULL, NULL, "The Deployment of a live session."},
};
const int n_settings_live_keys = (int)(sizeof settings_live_keys / sizeof *settings_live_keys);

static const double GIVE_BACK_S = 20; /* no try begins later */
static const double TRY_EVERY_S = 1;

/* What the Deployment itself says, over nothing at all. */
static bool read_own(const struct live_wish *w, const struct fleet_view *view, struct target_settings *own,
                     struct err *e)
{
    static const struct target_settings none = {
        .mode = MODE_SHADOW, .min_replicas = 1, .max_replicas = ANNOTATIONS_REPLICAS};
    const char *prefix = w->kubernetes->annotation_prefix;
    return annotations_read(prefix, &none, view->annotations, view->n_annotations, own, e) ||
           err_wrap(e, "%s/%s", view->space, view->name);
}

/* The annotation by which somebody keeps the count from moving; NULL: nobody does. */
static const char *hold_of(const struct target_settings *own)
{
    if (own->has_paused_replicas)
        return "paused-replicas";
    return own->paused ? "paused" : own->no_down ? "paused-scale-in" : NULL;
}

static bool check_free(const struct live_wish *w, const struct fleet_view *view, const struct target_settings *own,
                       struct err *e)
{
    const char *prefix = w->kubernetes->annotation_prefix, *hold = hold_of(own);
    if (view->conflict[0])
        return err_set(e, ERR_USAGE, "%s/%s: %s scales it already; two scalers on one target prove nothing",
                       view->space, view->name, view->conflict);
    if (own->mode == MODE_ACTIVE)
        return err_set(e, ERR_USAGE, "%s/%s: the annotation %smode is active; switch the autoscaler off for it first",
                       view->space, view->name, prefix);
    return !hold || err_set(e, ERR_USAGE,
                            "%s/%s: the annotation %s%s holds its count, and this would move it; take it away first",
                            view->space, view->name, prefix, hold);
}

static bool check_runs(const struct live_wish *w, const struct fleet_view *view, int start, struct err *e)
{
    const struct reading *replicas = &view->sample.signals[SIGNAL_REPLICAS];
    if (!w->must_run || replicas->validity != VALIDITY_VALID || replicas->value >= 1)
        return true;
    return err_set(e, ERR_USAGE,
                   "%s/%s: has 0 replicas, so that nothing of it can be measured; start it first: kubectl -n %s scale "
                   "deployment %s --replicas=%d",
                   view->space, view->name, view->space, view->name, start);
}

/* Of latency limits what is configured wins: 0 leaves it to the Deployment, below 0 is none. */
static double latency_limit(double configured, double own)
{
    return configured == 0.0 ? fmax(own, 0.0) : fmax(configured, 0.0);
}

/* Counts must suit both the configuration, where it has limits, and the Deployment. */
static bool limit(const struct live_wish *w, const struct fleet_view *view, const struct target_settings *own,
                  struct target *out, struct err *e)
{
    const struct target *c = &w->limits;
    struct target t = *c;
    t.latency_soft_ms = latency_limit(c->latency_soft_ms, own->latency_soft_ms);
    t.latency_hard_ms = latency_limit(c->latency_hard_ms, own->latency_hard_ms);
    snprintf(t.name, sizeof t.name, "%s/%s", view->space, view->name);
    if (c->max_replicas > 0) {
        t.min_replicas = c->min_replicas > own->min_replicas ? c->min_replicas : own->min_replicas;
        t.max_replicas = c->max_replicas < own->max_replicas ? c->max_replicas : own->max_replicas;
    }
    *out = t;
    return t.min_replicas <= t.max_replicas ||
           err_set(e, ERR_USAGE, "%s: its annotations allow %d to %d replicas, the configuration %d to %d", t.name,
                   own->min_replicas, own->max_replicas, c->min_replicas, c->max_replicas);
}

static bool read_target(const struct live_wish *w, const struct fleet_view *view, struct target *out, struct err *e)
{
    struct target_settings own;
    return read_own(w, view, &own, e) && check_free(w, view, &own, e) && limit(w, view, &own, out, e) &&
           check_runs(w, view, out->min_replicas, e);
}

static void tell(void *arg, const char *event, const char *what)
{
    (void)arg;
    log_info(event, kv("what", what));
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static bool open_disturbance(const struct live_wish *w, const struct fleet_view *view, struct live_site *out,
                             struct err *e)
{
    const struct kube_config access = {.kubeconfig = or_null(w->kubernetes->kubeconfig),
                                       .context = or_null(w->kubernetes->context),
                                       .account = or_null(w->kubernetes->account),
                                       .user_agent = w->user_agent,
                                       .timeout_s = w->kubernetes->timeout_s};
    if (!kube_open(&access, &out->kube, e))
        return false;
    const struct disturb_config config = {.load = w->load,
                                          .chaos = w->chaos,
                                          .kube = out->kube,
                                          .space = view->space,
                                          .name = view->name,
                                          .log = w->log,
                                          .seed = w->seed,
                                          .tell = tell};
    return disturb_open(&config, &out->disturb, e);
}

/* At the start an outage is an error; later it is a pause. */
static bool refuse_unseen(const struct live_wish *w, const struct cluster *cluster, struct err *e)
{
    struct live_status status;
    live_status(live_cluster_fleet(cluster), &status);
    return err_set(e, ERR_IO, "live.deployment: %.100s was not seen: %.300s", w->live->deployment,
                   status.api.code != ERR_NONE ? status.api.message : "the API server did not say why");
}

static bool open_all(const struct live_wish *w, struct live_site *out, struct err *e)
{
    struct sample sample;
    const struct live_cluster_config config = {
        .live = {.prometheus = w->prometheus, .kubernetes = w->kubernetes, .user_agent = w->user_agent},
        .space = or_null(w->live->space),
        .name = w->live->deployment,
        .stop = w->stop};
    if (!w->live->deployment[0])
        return err_set(e, ERR_USAGE, "live.deployment: names the Deployment, and is empty");
    if (!live_cluster_open(&config, &out->cluster, e) || !cluster_sample(out->cluster, false, &sample, e))
        return false;
    const struct fleet_view *view = live_cluster_view(out->cluster);
    if (!view || !view->uid[0])
        return refuse_unseen(w, out->cluster, e);
    return read_target(w, view, &out->target, e) && open_disturbance(w, view, out, e);
}

bool live_site_open(const struct live_wish *wish, struct live_site *out, struct err *e)
{
    struct live_site site = {0};
    if (!open_all(wish, &site, e)) {
        live_site_close(&site);
        return false;
    }
    *out = site;
    return true;
}

bool live_site_owed(struct live_site *site, const char *run, int *replicas, struct err *e)
{
    char count[16];
    live_record_name(&site->record, run, site->target.name, live_cluster_view(site->cluster)->uid);
    if (!live_record_read(&site->record, replicas, e))
        return false;
    snprintf(count, sizeof count, "%d", *replicas);
    if (*replicas > 0)
        log_warn("left_behind", kv("why", "a run before this one was killed"), kv("found", site->record.path),
                 kv("replicas_at_the_end", count));
    return true;
}

static void tell_delay(int replicas, const char *why)
{
    log_warn("give_back_delayed", kv("replicas", replicas), kv("longest_s", GIVE_BACK_S), kv("why", why));
}

/* Not cluster_advance: its wait ends at once where a signal has ended the work. */
static bool scale_back(struct cluster *cluster, int replicas, struct err *e)
{
    const struct timespec pause = {.tv_sec = (time_t)TRY_EVERY_S};
    double latest_s = clock_monotonic_s() + GIVE_BACK_S - TRY_EVERY_S;
    for (bool told = false;; told = true) {
        struct err why = {0};
        if (cluster_scale(cluster, replicas, &why))
            return true;
        if (why.code != ERR_AGAIN || clock_monotonic_s() > latest_s)
            return err_set(e, why.code, "%s", why.message);
        if (!told)
            tell_delay(replicas, why.message);
        nanosleep(&pause, NULL);
    }
}

bool live_site_give_back(struct live_site *site, int replicas, struct err *e)
{
    return scale_back(site->cluster, replicas, e) && live_record_drop(&site->record, e);
}

bool live_site_tend(struct live_site *site, struct err *e)
{
    return !site->disturb || disturb_step(site->disturb, clock_monotonic_s(), e);
}

bool live_site_wait(struct live_site *site, struct err *e)
{
    return !site->disturb || disturb_wait(site->disturb, clock_monotonic_s(), e);
}

bool live_site_quiet(struct live_site *site, struct err *e)
{
    struct disturb *disturb = site->disturb;
    site->disturb = NULL;
    return disturb_close(disturb, e);
}

void live_site_close(struct live_site *site)
{
    bool quiet = live_site_quiet(site, NULL); // who wants to know has asked before
    (void)quiet;
    kube_close(site->kube);
    cluster_close(site->cluster);
    memset(site, 0, sizeof *site);
}
