/* live_site: one Deployment of a Kubernetes cluster, opened for a session or an evaluation: its signals and replicas as a
 * cluster, and the load and faults that it is put under. In: sections of configuration. Refuses a target that somebody else
 * scales, and one that cannot be seen; at the end it gives back the count that was found. */
#include "live_site.h"

#include <maestro/clock.h>
#include <maestro/log.h>

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

static const char *annotation(const struct fleet_view *view, const char *prefix, const char *name)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < view->n_annotations; i++) {
        const char *key = view->annotations[i].key;
        if (strncmp(key, prefix, n) == 0 && strcmp(key + n, name) == 0)
            return view->annotations[i].value;
    }
    return NULL;
}

static bool check_target(const struct live_wish *w, const struct fleet_view *view, struct err *e)
{
    const char *prefix = w->kubernetes->annotation_prefix;
    const char *mode = annotation(view, prefix, "mode");
    const struct reading *replicas = &view->sample.signals[SIGNAL_REPLICAS];
    bool is_empty = replicas->validity == VALIDITY_VALID && replicas->value < 1;
    if (view->conflict[0])
        return err_set(e, ERR_USAGE, "%s/%s: %s scales it already; two scalers on one target prove nothing",
                       view->space, view->name, view->conflict);
    if (mode && strcmp(mode, "active") == 0)
        return err_set(e, ERR_USAGE, "%s/%s: the annotation %smode is active; switch the autoscaler off for it first",
                       view->space, view->name, prefix);
    if (w->must_run && is_empty)
        return err_set(
            e, ERR_USAGE,
            "%s/%s: has 0 replicas, so that nothing of it can be measured; start it first: kubectl -n %s scale "
            "deployment %s --replicas=%d",
            view->space, view->name, view->space, view->name, w->limits.min_replicas);
    return true;
}

/* Limits stand on the Deployment, in ms, under our prefix or by the parent system's name; what is configured wins. */
static double constraint(const struct live_wish *w, const struct fleet_view *view, const char *key, const char *bare,
                         double configured)
{
    const char *own = annotation(view, w->kubernetes->annotation_prefix, key);
    const char *text = own ? own : annotation(view, "", bare);
    double value = text ? strtod(text, NULL) : 0.0;
    if (configured > 0.0)
        return configured;
    return configured == 0.0 && value > 0.0 ? value : 0.0;
}

static struct target target_of(const struct live_wish *w, const struct fleet_view *view)
{
    struct target t = w->limits;
    t.latency_soft_ms = constraint(w, view, "latency-soft-ms", "latencySoftConstraint", t.latency_soft_ms);
    t.latency_hard_ms = constraint(w, view, "latency-hard-ms", "latencyHardConstraint", t.latency_hard_ms);
    snprintf(t.name, sizeof t.name, "%s/%s", view->space, view->name);
    return t;
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
    if (!check_target(w, view, e) || !open_disturbance(w, view, out, e))
        return false;
    out->target = target_of(w, view);
    return true;
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
