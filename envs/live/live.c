/* live: struct fleet over Prometheus and the Kubernetes API. A refresh lists the Deployments, now and then the scalers of
 * others, asks the five queries side by side, and makes each target's sample; writing goes through the scale subresource
 * under the view's resourceVersion. The parts are in discover, asker, readings and podlist; here are their order, the
 * sample clock and what failed. Not for more than one thread. */
#include <maestro/live.h>

#include "asker.h"
#include "discover.h"
#include "podlist.h"
#include "readings.h"

#include <maestro/clock.h>
#include <maestro/event.h>
#include <maestro/lease.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double STALE_FLOOR_S = 60;
static const double EVENTS_S = 0.5; /* longest that a refresh spends on sending Events */
static const char REPLICAS_SOURCE[] = "Kubernetes API: spec.replicas of apps/v1 Deployment";

struct live {
    struct fleet fleet; /* first: the seam */
    struct live_prometheus prometheus;
    struct live_kubernetes kubernetes;
    bool asked;
    const char *user_agent;
    struct event_sender *events; /* NULL: none are sent */
    struct lease *lease;         /* borrowed; NULL: no election */
    struct kube *kube;
    struct asker asker;
    struct targets targets;
    struct readings readings;
    struct podlist pods;
    struct live_status status;
    unsigned round;
    bool scalers_wanted;   /* the scalers of others are to be looked for */
    double clock_offset_s; /* sample clock minus monotonic */
    double patience_s;     /* what the last write was asked to wait; 0: nothing */
};

static struct live *live_of(struct fleet *f)
{
    return (struct live *)f;
}

static const struct live *live_of_const(const struct fleet *f)
{
    return (const struct live *)f;
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static void note_answer(struct live *l, const struct prom_answer *a, double monotonic_s)
{
    l->status.queries++;
    l->status.queries_failed += !a->answered;
    if (a->answered)
        l->status.prometheus_time_s = monotonic_s;
    if (l->status.prometheus.code != ERR_NONE)
        return;
    if (!a->answered)
        err_set(&l->status.prometheus, ERR_IO, "%s", a->why.message);
    else if (a->degraded)
        err_set(&l->status.prometheus, ERR_FORMAT, "prometheus answers with a warning: %s", a->warning);
}

/* True: at least one query was answered. */
static bool ask_prometheus(struct live *l, double monotonic_s)
{
    struct prom_answer answers[QUERIES] = {0};
    bool any = false;
    if (!asker_ask(&l->asker, &l->targets, answers, &l->status.prometheus))
        return false;
    for (int id = 0; id < QUERIES; id++) {
        note_answer(l, &answers[id], monotonic_s);
        readings_gather(&l->readings, &l->targets, (enum query_id)id, &answers[id]);
        any |= answers[id].answered;
        prom_answer_finish(&answers[id]);
    }
    if (l->readings.problem.code != ERR_NONE && l->status.prometheus.code == ERR_NONE)
        l->status.prometheus = l->readings.problem;
    return any;
}

/* Now and then, and at once for a target that is new: it must not be written before. A look that could not be had stays
 * wanted. */
static void look_for_scalers(struct live *l, struct discover *d, bool readable)
{
    int every = l->kubernetes.conflicts_every;
    bool due = every > 0 && (l->round - 1) % (unsigned)every == 0;
    l->scalers_wanted |= due || (every > 0 && l->targets.grown);
    l->targets.grown = false;
    if (!readable || !l->scalers_wanted)
        return;
    l->status.conflicts = (struct err){0};
    l->scalers_wanted = !discover_conflicts(d, &l->status.conflicts);
}

static bool look_around(struct live *l, double monotonic_s)
{
    struct discover d = {.config = &l->kubernetes,
                         .kube = l->kube,
                         .targets = &l->targets,
                         .monotonic_s = monotonic_s,
                         .round = l->round};
    bool done = l->asked ? discover_asked(&d, &l->status.api) : discover_list(&d, &l->status.api);
    if (done)
        l->status.api_time_s = monotonic_s;
    if (done && d.skipped.code != ERR_NONE && l->status.api.code == ERR_NONE)
        l->status.api = d.skipped;
    look_for_scalers(l, &d, done);
    l->status.calls += d.calls;
    l->status.calls_failed += d.calls_failed;
    return done;
}

/* Signals without any series, by the setting that asks for them: nothing else tells a wrong preset from a service without
 * load. What follows from the lack before it is not said again. */
static void note_lacks(const struct live *l, struct target_slot *slot, int i)
{
    static const enum signal_id SIGNAL[QUERIES] = {
        [QUERY_CPU] = SIGNAL_CPU, [QUERY_MEMORY] = SIGNAL_MEMORY, [QUERY_P95] = SIGNAL_P95, [QUERY_RPS] = SIGNAL_RPS};
    static const enum query_id ORDER[] = {QUERY_CPU, QUERY_MEMORY, QUERY_RPS, QUERY_P95};
    bool lacks[QUERIES] = {false};
    char *out = slot->view.lacks;
    size_t n = sizeof slot->view.lacks;
    out[0] = '\0';
    for (int k = 0; k < 4; k++) {
        enum query_id id = ORDER[k];
        size_t at = strlen(out);
        bool follows = (id == QUERY_MEMORY && lacks[QUERY_CPU]) || (id == QUERY_P95 && lacks[QUERY_RPS]);
        lacks[id] = slot->view.sample.signals[SIGNAL[id]].validity == VALIDITY_NO_DATA &&
                    readings_has_no_series(&l->readings, i, id);
        if (!lacks[id] || follows)
            continue;
        at += (size_t)snprintf(out + at, n - at, "%s", at ? "; " : "");
        if (at < n)
            query_lacks(&l->prometheus, id, out + at, n - at);
    }
    if (lacks[QUERY_RPS] && readings_is_scraped(&l->readings, i))
        snprintf(out + strlen(out), n - strlen(out), ", though it is scraped");
}

/* Every view gets this refresh's sample, also where nothing could be had: then it says so. */
static void fill_all(struct live *l, double monotonic_s)
{
    l->status.n_targets = 0;
    for (int i = 0; i < l->targets.n; i++) {
        struct target_slot *slot = &l->targets.slots[i];
        if (!slot->used)
            continue;
        slot->view.api_age_s = slot->api_time_s > 0 ? monotonic_s - slot->api_time_s : 0;
        readings_fill(&l->readings, slot, i, monotonic_s + l->clock_offset_s, slot->view.api_age_s);
        note_lacks(l, slot, i);
        l->status.n_targets += !slot->view.gone;
    }
}

static void send_events(struct live *l)
{
    if (!l->events)
        return;
    event_send(l->events, clock_monotonic_s(), EVENTS_S);
    l->status.events_sent = event_sent(l->events);
    l->status.events_dropped = event_dropped(l->events);
}

static bool refresh(struct fleet *f, double monotonic_s, struct err *e)
{
    struct live *l = live_of(f);
    double stale_after_s = fmax(3 * l->prometheus.scrape_s, STALE_FLOOR_S);
    l->round++;
    l->status.refreshes++;
    l->status.api = l->status.prometheus = (struct err){0};
    asker_renew(&l->asker, monotonic_s, &l->status.prometheus);
    bool seen = look_around(l, monotonic_s);
    if (!readings_begin(&l->readings, l->targets.n, stale_after_s, e))
        return false;
    l->readings.presence_counts = !l->prometheus.presence_query[0] && !preset_traffic(&l->prometheus).presence_of_all;
    bool asked = l->targets.n_used > 0 && ask_prometheus(l, monotonic_s);
    if (l->targets.n_used == 0)
        l->status.prometheus_time_s = monotonic_s;
    fill_all(l, monotonic_s);
    send_events(l);
    if (seen || asked)
        return true;
    return err_set(e, ERR_IO, "%s%s%.200s", l->status.api.message, l->status.prometheus.message[0] ? "; " : "",
                   l->status.prometheus.message);
}

static int count(const struct fleet *f)
{
    return live_of_const(f)->targets.n;
}

static const struct fleet_view *view(const struct fleet *f, int i)
{
    return &live_of_const(f)->targets.slots[i].view;
}

static bool ask_pod_cpu(struct live *l, const struct target_slot *slot, struct err *e)
{
    struct prom_answer answer = {0};
    if (!asker_ask_pods(&l->asker, &slot->view, &answer, e))
        return false;
    bool done = answer.answered && !answer.degraded;
    if (done)
        podlist_take_answer(&l->pods, &answer, clock_monotonic_s() + l->clock_offset_s, l->prometheus.window_s);
    else
        err_set(e, ERR_IO, "%s", answer.answered ? answer.warning : answer.why.message);
    prom_answer_finish(&answer);
    return done;
}

static bool read_pods(struct fleet *f, int i, struct sample *out, struct err *e)
{
    struct live *l = live_of(f);
    const struct target_slot *slot = &l->targets.slots[i];
    l->pods.clock_offset_s = clock_monotonic_s() + l->clock_offset_s - clock_wall_s();
    if (!podlist_read(&l->pods, &l->kubernetes, l->kube, slot, e) ||
        (l->kubernetes.pod_metrics == LIVE_PROMETHEUS && !ask_pod_cpu(l, slot, e)))
        return err_wrap(e, "pods of %s/%s", slot->view.space, slot->view.name);
    *out = slot->view.sample;
    for (int k = 0; k < l->pods.n; k++)
        l->pods.records[k] = l->pods.pods[k].record;
    out->n_pods = l->pods.n;
    out->pods = l->pods.records;
    return true;
}

static enum fleet_outcome outcome_of(enum kube_outcome outcome)
{
    switch (outcome) {
    case KUBE_DONE:
        return FLEET_DONE;
    case KUBE_CONFLICT:
    case KUBE_EXPIRED:
        return FLEET_CONFLICT;
    case KUBE_NOT_FOUND:
        return FLEET_GONE;
    case KUBE_FORBIDDEN:
        return FLEET_FORBIDDEN;
    case KUBE_INVALID:
        return FLEET_REFUSED;
    case KUBE_THROTTLED:
        return FLEET_THROTTLED;
    case KUBE_UNREACHABLE:
    case KUBE_UNAUTHORIZED:
    case KUBE_BROKEN:
        break;
    }
    return FLEET_FAILED;
}

static enum err_code code_of(enum fleet_outcome outcome)
{
    bool may_pass = outcome == FLEET_CONFLICT || outcome == FLEET_THROTTLED || outcome == FLEET_FAILED;
    return may_pass ? ERR_AGAIN : ERR_IO;
}

static enum fleet_outcome write_replicas(struct fleet *f, int i, int replicas, bool dry_run, struct err *e)
{
    struct live *l = live_of(f);
    const struct fleet_view *v = view(f, i);
    struct kube_answer answer = {0};
    l->status.calls++;
    bool done = kube_scale_patch(l->kube, v->space, v->name, replicas, v->resource_version, dry_run, &answer);
    enum fleet_outcome outcome = outcome_of(answer.outcome);
    l->patience_s = done ? 0 : answer.retry_after_s;
    if (!done) {
        l->status.calls_failed++;
        err_set(e, code_of(outcome), "%s", answer.why.message);
    }
    kube_answer_finish(&answer);
    return outcome;
}

/* Sent with the next refresh: an Event must not hold up a write. */
static void event(struct fleet *f, int i, bool warning, const char *reason, const char *message)
{
    struct live *l = live_of(f);
    const struct fleet_view *v = view(f, i);
    struct event told = {.space = v->space,
                         .name = v->name,
                         .uid = or_null(v->uid),
                         .warning = warning,
                         .reason = reason,
                         .message = message};
    if (l->events)
        event_tell(l->events, &told, clock_monotonic_s());
}

static double deadline_s(const struct fleet *f)
{
    const struct live *l = live_of_const(f);
    return l->lease ? lease_deadline_s(l->lease) : HUGE_VAL;
}

static double patience_s(const struct fleet *f)
{
    return live_of_const(f)->patience_s;
}

static void close_live(struct fleet *f)
{
    struct live *l = live_of(f);
    if (!l)
        return;
    if (l->events)
        event_send(l->events, clock_monotonic_s(), 2 * EVENTS_S);
    event_close(l->events);
    asker_close(&l->asker);
    kube_close(l->kube);
    targets_finish(&l->targets);
    readings_finish(&l->readings);
    podlist_finish(&l->pods);
    free(l);
}

static const struct fleet_ops OPS = {refresh, count,      view,       read_pods, write_replicas,
                                     event,   deadline_s, close_live, patience_s};

/* RFC 1123: what a namespace or a Deployment may be called. Nothing else goes into a path. */
static bool is_name(const char *text, size_t n, size_t limit)
{
    for (size_t i = 0; i < n; i++) {
        bool inner = i > 0 && i + 1 < n && (text[i] == '-' || text[i] == '.');
        if (!inner && !(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9'))
            return false;
    }
    return n > 0 && n <= limit;
}

static bool check_namespaces(const char *list, struct err *e)
{
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, ",");
        if (!is_name(at, n, 63))
            return err_set(e, ERR_USAGE, "kubernetes.namespaces: '%.*s' is no name of a namespace", (int)n, at);
        at += n;
        at += *at == ',';
    }
    return true;
}

static bool check(const struct live *l, struct err *e)
{
    const struct live_prometheus *p = &l->prometheus;
    if (p->window_s < 2 * p->scrape_s)
        return err_set(
            e, ERR_USAGE,
            "prometheus.window_s: %g s holds no two samples of a scrape every %g s (scrape_s); four are better",
            p->window_s, p->scrape_s);
    if (!l->kubernetes.annotation_prefix[0])
        return err_set(e, ERR_USAGE, "kubernetes.annotation_prefix: must not be empty");
    return check_namespaces(l->kubernetes.namespaces, e);
}

/* Events are written by who discovers and scales, not by who only answers. */
static bool open_kubernetes(struct live *l, const char *instance, struct err *e)
{
    struct kube_config config = {.kubeconfig = or_null(l->kubernetes.kubeconfig),
                                 .context = or_null(l->kubernetes.context),
                                 .account = or_null(l->kubernetes.account),
                                 .user_agent = l->user_agent,
                                 .timeout_s = l->kubernetes.timeout_s};
    struct event_config events = {l->user_agent ? l->user_agent : "maestro", instance};
    return kube_open(&config, &l->kube, e) && (l->asked || event_open(&events, l->kube, &l->events, e));
}

bool live_open(const struct live_config *config, struct fleet **out, struct err *e)
{
    struct live *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_IO, "live: out of memory");
    l->fleet.ops = &OPS;
    l->prometheus = *config->prometheus;
    l->kubernetes = *config->kubernetes;
    l->asked = config->asked;
    if (l->asked)
        l->kubernetes.namespaces[0] = '\0';
    l->user_agent = config->user_agent;
    l->lease = config->lease;
    l->clock_offset_s = clock_wall_s() - clock_monotonic_s();
    l->targets.changed = true;
    if (!check(l, e) || !podlist_open(&l->pods, e) || !asker_open(&l->asker, &l->prometheus, l->user_agent, e) ||
        !open_kubernetes(l, config->instance, e)) {
        close_live(&l->fleet);
        return false;
    }
    *out = &l->fleet;
    return true;
}

/* One more of the namespaces in which other scalers are looked for. */
static void add_namespace(struct live *l, const char *space)
{
    char *list = l->kubernetes.namespaces;
    size_t used = strlen(list), n = strlen(space);
    for (const char *at = list; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == n && strncmp(at, space, n) == 0)
            return;
        at += length;
    }
    if (used + n + 2 <= sizeof l->kubernetes.namespaces)
        snprintf(list + used, sizeof l->kubernetes.namespaces - used, "%s%s", used ? "," : "", space);
}

bool live_add(struct fleet *f, const char *space, const char *name, int *index, struct err *e)
{
    struct live *l = live_of(f);
    if (!is_name(space, strlen(space), 63))
        return err_set(e, ERR_USAGE, "'%.100s' is no name of a namespace", space);
    if (!is_name(name, strlen(name), 253))
        return err_set(e, ERR_USAGE, "'%.300s' is no name of a Deployment", name);
    add_namespace(l, space);
    return targets_take(&l->targets, space, name, index, e);
}

void live_drop(struct fleet *f, int index)
{
    struct live *l = live_of(f);
    if (index >= 0 && index < l->targets.n && l->targets.slots[index].used)
        targets_free(&l->targets, index);
}

const char *live_namespace(const struct fleet *f)
{
    return kube_namespace(live_of_const(f)->kube);
}

const char *live_query(const struct fleet *f, enum signal_id signal)
{
    static const enum query_id source[SIGNAL_COUNT] = {
        [SIGNAL_CPU] = QUERY_CPU, [SIGNAL_MEMORY] = QUERY_MEMORY, [SIGNAL_P95] = QUERY_P95, [SIGNAL_RPS] = QUERY_RPS};
    const struct buf *text = &live_of_const(f)->asker.text[source[signal]];
    if (signal == SIGNAL_REPLICAS)
        return REPLICAS_SOURCE;
    return text->bytes ? text->bytes : "";
}

void live_status(const struct fleet *f, struct live_status *out)
{
    *out = live_of_const(f)->status;
}

static double top_finite(const struct prom_answer *answer)
{
    double top = 0;
    for (int i = 0; i < answer->n_series; i++) {
        const char *le = prom_label_value(&answer->series[i], "le");
        double bound = le ? strtod(le, NULL) : 0;
        if (isfinite(bound) && bound > top)
            top = bound;
    }
    return top;
}

bool live_top_bound_ms(struct fleet *f, const char *space, double *out, struct err *e)
{
    struct live *l = (struct live *)f;
    struct preset_traffic p = preset_traffic(&l->prometheus);
    CLEANUP_BUF struct buf query = {0};
    buf_printf(&query, "count by (le) (%s_bucket{%s%s=\"", p.latency, p.matchers, p.space_label);
    prom_escape_text(&query, space);
    buf_text(&query, "\"})");
    if (!buf_ok(&query, e))
        return false;
    struct prom_answer answer = {0};
    const char *texts[1] = {query.bytes};
    prom_query_all(l->asker.prom, texts, 1, 0, &answer);
    bool done = answer.answered;
    if (done)
        *out = p.latency_ms * top_finite(&answer);
    else if (e)
        *e = answer.why;
    prom_answer_finish(&answer);
    return done;
}
