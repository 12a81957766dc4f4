/* doctor_signals: the examination of one target: is it there, does each signal come, how old is it, who else scales it, and
 * can its latency limits be seen at all. In: configuration; out: findings. Asks each question as the autoscaler would. */
#include "doctor.h"

#include <maestro/clock.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const NAMES[SIGNAL_COUNT] = {"signal: cpu", "signal: memory", "signal: replicas",
                                                "signal: p95 latency", "signal: rps"};

static const char *advice_for(enum signal_id id, enum validity validity, bool answered)
{
    if (validity == VALIDITY_FAILED && answered)
        return "Prometheus scrapes fewer than half of the pods, so the load is unknown: see its page of targets";
    if (validity == VALIDITY_STALE)
        return "the newest sample is old: is the target still scraped, does prometheus.scrape_s say how often?";
    if (validity == VALIDITY_FAILED)
        return "the query itself fails: try it in Prometheus' own page, see the line of the Prometheus server above";
    if (id == SIGNAL_CPU || id == SIGNAL_MEMORY)
        return "no series fit: is kubelet scraped? the other resources preset may, see below";
    if (id == SIGNAL_REPLICAS)
        return "the Deployment could not be read";
    return "no series fit: does the service export a histogram and a counter under the names of prometheus.traffic, "
           "with "
           "its namespace and pod? was it ever asked?";
}

static void report_signal(struct doctor *d, const struct fleet *f, enum signal_id id, const struct reading *r)
{
    static const char *const words[] = {[VALIDITY_NO_DATA] = "no data",
                                        [VALIDITY_VALID] = "valid",
                                        [VALIDITY_ABSENT] = "absent",
                                        [VALIDITY_FAILED] = "failed",
                                        [VALIDITY_STALE] = "stale"};
    struct live_status status;
    live_status(f, &status);
    bool answered = status.prometheus.code == ERR_NONE; // all queries, each with what makes sense
    bool known = r->validity == VALIDITY_VALID || r->validity == VALIDITY_ABSENT;
    if (r->validity == VALIDITY_VALID)
        doctor_say(d, DOCTOR_GOOD, NAMES[id], NULL, "%.4g, %.0f s old", r->value, r->age_s);
    else if (known)
        doctor_say(d, DOCTOR_GOOD, NAMES[id], NULL, "absent: %s",
                   id == SIGNAL_MEMORY ? "the pods have no memory limit" : "no request in the window");
    else
        doctor_say(d, DOCTOR_BAD, NAMES[id], advice_for(id, r->validity, answered), "%s: %.160s", words[r->validity],
                   live_query(f, id));
}

static void report_target(struct doctor *d, const struct fleet_view *view)
{
    const char *full = "remove the other scaler, or leave this target to it: two writers fight";
    if (view->conflict[0])
        doctor_say(d, DOCTOR_BAD, "target", full, "%s/%s is scaled by %s as well", view->space, view->name,
                   view->conflict);
    else
        doctor_say(d, DOCTOR_GOOD, "target", NULL, "%s/%s, %d ready, no other scaler", view->space, view->name,
                   view->sample.ready);
    if (view->rollout_paused || view->rolling_out)
        doctor_say(d, DOCTOR_WARNING, "target", "finish or resume the rollout: until then nothing is scaled down",
                   "a rollout is %s", view->rollout_paused ? "paused" : "under way");
}

static void report_servers(struct doctor *d, const struct live_status *s)
{
    if (s->prometheus.code != ERR_NONE)
        doctor_say(d, DOCTOR_BAD, "prometheus", "is prometheus.url right, and reachable from here?", "%s",
                   s->prometheus.message);
    else
        doctor_say(d, DOCTOR_GOOD, "prometheus", NULL, "%s answers", d->config->prometheus->url);
    if (s->api.code != ERR_NONE)
        doctor_say(d, DOCTOR_BAD, "target", "does the Deployment exist in this namespace?", "%s", s->api.message);
}

/* One look with a configuration; true: the target was found. */
static bool look(struct doctor *d, const struct live_prometheus *prometheus, struct fleet **fleet,
                 const struct fleet_view **view, struct err *e)
{
    struct live_kubernetes kubernetes = *d->config->kubernetes;
    kubernetes.conflicts_every = 1;
    int index;
    const struct live_config config = {
        .prometheus = prometheus, .kubernetes = &kubernetes, .asked = true, .user_agent = "maestro-doctor"};
    if (!live_open(&config, fleet, e) || !live_add(*fleet, d->space, d->config->name, &index, e))
        return false;
    bool refreshed = fleet_refresh(*fleet, clock_monotonic_s(), e);
    *view = fleet_view(*fleet, index);
    return refreshed && (*view)->uid[0];
}

/* cAdvisor's rows carry container="" on some nodes, and a query that insists on a name then finds nothing. */
static void try_other_resources(struct doctor *d, const struct sample *seen)
{
    static const char *const names[] = {[LIVE_KUBELET_RESOURCE] = "kubelet-resource", [LIVE_CADVISOR] = "cadvisor"};
    struct live_prometheus other = *d->config->prometheus;
    struct fleet *fleet = NULL;
    const struct fleet_view *view = NULL;
    struct err why;
    if (seen->signals[SIGNAL_CPU].validity != VALIDITY_NO_DATA || other.cpu_query[0])
        return;
    other.resources = other.resources == LIVE_CADVISOR ? LIVE_KUBELET_RESOURCE : LIVE_CADVISOR;
    char advice[96];
    snprintf(advice, sizeof advice, "set prometheus.resources to %s", names[other.resources]);
    bool found = look(d, &other, &fleet, &view, &why);
    if (found && view->sample.signals[SIGNAL_CPU].validity == VALIDITY_VALID)
        doctor_say(d, DOCTOR_BAD, "prometheus: resources", advice,
                   "the preset %s finds no CPU, the preset %s does: on this node cAdvisor's rows name no container",
                   names[d->config->prometheus->resources], names[other.resources]);
    else
        doctor_say(d, DOCTOR_BAD, "prometheus: resources",
                   "scrape kubelet's /metrics/resource or /metrics/cadvisor, see manifests/monitoring",
                   "neither preset finds CPU of these pods");
    fleet_close(fleet);
}

/* One that carries none is no target of the autoscaler, however good the rest is; a training session needs none. */
static void report_unwatched(struct doctor *d, const struct fleet_view *view)
{
    const struct live_kubernetes *k = d->config->kubernetes;
    bool watched = !k->annotated;
    for (int i = 0; i < view->n_annotations; i++)
        watched |= strncmp(view->annotations[i].key, k->annotation_prefix, strlen(k->annotation_prefix)) == 0;
    if (!watched)
        doctor_say(d, DOCTOR_WARNING, "annotations", "any one will do: mode=shadow under that prefix",
                   "the autoscaler does not watch a Deployment without an annotation under %s", k->annotation_prefix);
}

/* What the Deployment's annotations ask for, read as the autoscaler reads them. */
static void report_annotations(struct doctor *d, const struct fleet_view *view)
{
    const struct target_settings defaults = {.mode = MODE_SHADOW, .min_replicas = 1, .max_replicas = 10};
    struct target_settings *s = &d->settings;
    struct err why;
    *s = defaults;
    if (!annotations_read(d->config->kubernetes->annotation_prefix, &defaults, view->annotations, view->n_annotations,
                          s, &why))
        doctor_say(d, DOCTOR_BAD, "annotations", "mend it: until then the last good settings stay in force", "%s",
                   why.message);
    else
        doctor_say(d, DOCTOR_GOOD, "annotations", NULL, "mode %s, latency limits %g and %g ms",
                   target_mode_name(s->mode), s->latency_soft_ms, s->latency_hard_ms);
}

/* A quantile never lies above the histogram's highest finite bound, so a limit that high is never seen to be broken. */
static void report_limit(struct doctor *d, struct fleet *fleet)
{
    double top_ms = 0, hard_ms = d->settings.latency_hard_ms;
    struct err why;
    if (d->config->prometheus->p95_query[0] || !live_top_bound_ms(fleet, d->space, &top_ms, &why))
        return;
    if (top_ms <= 0)
        doctor_say(d, DOCTOR_BAD, "prometheus: traffic",
                   "set prometheus.traffic to what the service exports: without series the target is held",
                   "this preset's latency histogram has no series in namespace %s", d->space);
    else if (hard_ms <= 0)
        doctor_say(d, DOCTOR_WARNING, "limits", "annotate latencySoftConstraint and latencyHardConstraint, in ms",
                   "the Deployment has no hard latency limit");
    else
        doctor_say(d, hard_ms >= top_ms ? DOCTOR_BAD : DOCTOR_GOOD, "limits",
                   "lower the limit, or give the histogram a bucket above it",
                   "hard limit %g ms, highest finite bucket of the histogram %g ms", hard_ms, top_ms);
}

void doctor_signals(struct doctor *d)
{
    struct fleet *fleet = NULL;
    const struct fleet_view *view = NULL;
    struct live_status status = {0};
    struct err why = {0};
    if (!d->kube || !d->config->name[0])
        return;
    bool found = look(d, d->config->prometheus, &fleet, &view, &why);
    if (!fleet) {
        doctor_say(d, DOCTOR_BAD, "prometheus: configuration", "mend the key that is named", "%s", why.message);
        return;
    }
    live_status(fleet, &status);
    report_servers(d, &status);
    if (found) {
        report_target(d, view);
        report_annotations(d, view);
        report_unwatched(d, view);
        for (int i = 0; i < SIGNAL_COUNT; i++)
            report_signal(d, fleet, (enum signal_id)i, &view->sample.signals[i]);
        report_limit(d, fleet);
        try_other_resources(d, &view->sample);
    } else if (status.api.code == ERR_NONE) {
        doctor_say(d, DOCTOR_BAD, "target", "is the name right, is the namespace?", "there is no Deployment %s/%s",
                   d->space, d->config->name);
    }
    fleet_close(fleet);
}
