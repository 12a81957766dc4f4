/* calibrate_measure: the measuring half of maestro calibrate. In: a target, a plan. Out: a history. One pod at rest, one pod under
 * a staircase of load, then pods started a few times under light load; or, to check a profile, a staircase for each of several
 * replica counts. The API server is asked twice a second how many pods are ready; Prometheus only at the end. */
#include "calibrate_measure.h"

#include <maestro/child.h>
#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/kube.h>
#include <maestro/pod_shape.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(field) offsetof(struct calibrate_plan, field)
// clang-format off
const struct config_key calibrate_plan_keys[] = {
    {"rate_rps", CONFIG_DOUBLE, KEY(rate_rps), "60", 0.1, 100000, NULL, NULL, "Requests/s of the highest step, for one pod; beyond what it can do, or its limit stays unknown."},
    {"steps", CONFIG_INT, KEY(steps), "6", 2, CALIBRATE_STAIRS, NULL, NULL, "Steps of the staircase."},
    {"step_s", CONFIG_DOUBLE, KEY(step_s), "30s", 10, 3600, "s", NULL, "Length of a step."},
    {"replicas", CONFIG_INT, KEY(replicas), "3", 2, 20, NULL, NULL, "Pods that are there after each scaling up."},
    {"starts", CONFIG_INT, KEY(starts), "3", 0, 20, NULL, NULL, "Times that the target is scaled from 1 pod to so many."},
    {"hold_s", CONFIG_DOUBLE, KEY(hold_s), "15s", 2, 600, "s", NULL, "Time under light load after the pods are ready, to see them warm up."},
    {"light_rps", CONFIG_DOUBLE, KEY(light_rps), "0", 0, 100000, NULL, NULL, "Requests/s of the light load; 0: those of the first step."},
    {"idle_s", CONFIG_DOUBLE, KEY(idle_s), "15s", 2, 600, "s", NULL, "Time at rest before the load."},
    {"settle_s", CONFIG_DOUBLE, KEY(settle_s), "8s", 1, 600, "s", NULL, "Time between two parts: queues empty, pods that go are gone."},
    {"wait_s", CONFIG_DOUBLE, KEY(wait_s), "120s", 1, 3600, "s", NULL, "Longest wait for pods to be ready or gone."},
    {"node_cores", CONFIG_DOUBLE, KEY(node_cores), "2", 0.1, 256, "cores", NULL, "Most cores a pod can use at one moment: the node's."},
    {"timeout_ms", CONFIG_DOUBLE, KEY(timeout_ms), "10000", 10, 600000, "ms", NULL, "Age at which clients give up; what failed requests count as in the latency sum."},
    {"check_replicas", CONFIG_INT, KEY(check_replicas), "2", 1, CALIBRATE_REPLICAS, NULL, NULL, "With --check: a staircase for each count of pods from 1 to this."},
    {"window_s", CONFIG_DOUBLE, KEY(window_s), "15s", 5, 600, "s", NULL, "With --check: windows that are compared."},
};
// clang-format on
const int n_calibrate_plan_keys = (int)(sizeof calibrate_plan_keys / sizeof *calibrate_plan_keys);

static const double LOOK_S = 0.5;
static const double FAST_LOOK_S = 0.25;
static const double LOAD_LATE_S = 1;     /* half of what the script delays requests by */
static const double START_LATEST_S = 30; /* for the load program to begin */
static const double END_GRACE_S = 5;
enum { VARIABLES = 40, BLIND_LOOKS = 40 };

/* Rows of one staircase, from the start of its load to its end. */
struct staircase {
    int from, to, first_step;
    double top_rps;
};

struct measuring {
    const struct measure_wish *wish;
    struct live_site site;
    struct kube *kube;
    struct history *history;
    struct child *child; /* NULL: no load of ours */
    int found, spec;     /* replicas */
    bool touched;
    int ready, existing, blind;
    double offered_rps;
    struct staircase staircases[CALIBRATE_REPLICAS];
    int n_staircases;
};

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static int count_at(const struct json *status, const char *key)
{
    double value = 0;
    return json_as_number(json_find(status, key), &value) ? (int)value : 0;
}

static bool get_deployment(struct measuring *m, struct kube_answer *answer)
{
    char path[512];
    const struct fleet_view *view = live_cluster_view(m->site.cluster);
    snprintf(path, sizeof path, "/apis/apps/v1/namespaces/%s/deployments/%s", view->space, view->name);
    const struct kube_call call = {.verb = KUBE_GET, .path = path};
    return kube_do(m->kube, &call, answer);
}

/* One row. What cannot be seen leaves a gap, unless it lasts. */
static bool look(struct measuring *m, struct err *e)
{
    struct kube_answer answer = {0};
    bool seen = get_deployment(m, &answer);
    if (seen) {
        const struct json *status = json_find(answer.object.root, "status");
        m->ready = count_at(status, "readyReplicas");
        m->existing = count_at(status, "replicas") + count_at(status, "terminatingReplicas");
        m->blind = 0;
    } else if (++m->blind > BLIND_LOOKS) {
        err_set(e, ERR_IO, "the API server cannot be asked: %.300s", answer.why.message);
    }
    kube_answer_finish(&answer);
    if (!seen)
        return m->blind <= BLIND_LOOKS;
    const struct history_row row = {.time_s = clock_wall_s(),
                                    .offered_rps = m->offered_rps,
                                    .spec = m->spec,
                                    .ready = m->ready,
                                    .starting = m->spec > m->ready ? m->spec - m->ready : 0};
    if (m->history->n > 0 && !(row.time_s > m->history->rows[m->history->n - 1].time_s))
        return true;
    return history_add(m->history, &row, e);
}

static bool look_and_wait(struct measuring *m, double every_s, struct err *e)
{
    return look(m, e) && cluster_advance(m->site.cluster, every_s, e);
}

static bool pass(struct measuring *m, double seconds, double every_s, struct err *e)
{
    double until_s = clock_monotonic_s() + seconds;
    while (clock_monotonic_s() < until_s)
        if (!look_and_wait(m, every_s, e))
            return false;
    return true;
}

static bool scale(struct measuring *m, int replicas, struct err *e)
{
    double until_s = clock_monotonic_s() + m->wish->plan->wait_s;
    m->touched = true;
    if (!cluster_scale(m->site.cluster, replicas, e))
        return false;
    m->spec = replicas;
    do {
        if (!look_and_wait(m, FAST_LOOK_S, e))
            return false;
        if (m->ready == replicas && m->existing == replicas)
            return true;
    } while (clock_monotonic_s() < until_s);
    return err_set(e, ERR_IO, "%d of %d pods are ready after %g s (calibrate.wait_s)", m->ready, replicas,
                   m->wish->plan->wait_s);
}

static bool has_variable(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return true;
    return false;
}

/* The script's variables: ours, then those of load.environment, cut at the commas in room. */
static bool split(const struct measuring *m, char ours[4][64], char room[CONFIG_TEXT], const char **out, struct err *e)
{
    int n = 0;
    for (; n < 4 && ours[n][0]; n++)
        out[n] = ours[n];
    snprintf(room, CONFIG_TEXT, "%s", m->wish->load->environment);
    for (char *rest = room; *rest;) {
        if (n == VARIABLES)
            return err_set(e, ERR_USAGE, "load.environment: more than %d variables", VARIABLES - 4);
        out[n++] = rest;
        rest += strcspn(rest, ",");
        if (*rest)
            *rest++ = '\0';
    }
    out[n] = NULL;
    return true;
}

/* false without a script: somebody else offers the load. */
static bool has_script(const struct measuring *m)
{
    return m->wish->load->script[0] != '\0';
}

static bool start_load(struct measuring *m, int steps, double step_s, double rate_rps, struct err *e)
{
    const struct disturb_load *load = m->wish->load;
    char ours[4][64] = {{0}}, room[CONFIG_TEXT];
    const char *variables[VARIABLES + 1];
    const char *const argv[] = {load->command, "run", "--quiet", "--no-usage-report", load->script, NULL};
    if (!has_script(m))
        return true;
    snprintf(ours[0], sizeof ours[0], "STEPS=%d", steps);
    snprintf(ours[1], sizeof ours[1], "STEP=%.0fs", step_s);
    snprintf(ours[2], sizeof ours[2], "RATE=%g", rate_rps);
    if (!has_variable(load->environment, "USERS"))
        snprintf(ours[3], sizeof ours[3], "USERS=%.0f", fmax(50, ceil(6 * rate_rps)));
    return split(m, ours, room, variables, e) && child_open(argv, variables, m->wish->log, &m->child, e);
}

static bool judge_load(const struct measuring *m, int status, struct err *e)
{
    if (status == 0)
        return true;
    if (status == 99)
        return err_set(e, ERR_IO, "the load program dropped iterations: it could not offer what was asked; see %s",
                       m->wish->log);
    return err_set(e, ERR_IO, "the load program ended with status %d; see %s", status, m->wish->log);
}

/* Until the program has ended, or for as long as the steps last where the load is somebody else's. Which row belongs to which
 * step is settled when it is known when the load began. */
static bool climb(struct measuring *m, int first, double top_rps, struct err *e)
{
    const struct calibrate_plan *p = m->wish->plan;
    struct staircase *s = &m->staircases[m->n_staircases++];
    double began_s = clock_monotonic_s(), length_s = p->steps * p->step_s;
    *s = (struct staircase){.from = m->history->n, .first_step = first, .top_rps = top_rps};
    if (!start_load(m, p->steps, p->step_s, top_rps, e) || !pass(m, length_s, LOOK_S, e))
        return false;
    int status = 0;
    double latest_s = began_s + length_s + START_LATEST_S + p->timeout_ms / 1000;
    while (m->child && child_runs(m->child, &status)) {
        if (clock_monotonic_s() > latest_s)
            return err_set(e, ERR_IO, "the load program does not end; see %s", m->wish->log);
        if (!look_and_wait(m, LOOK_S, e))
            return false;
    }
    s->to = m->history->n;
    child_close(m->child, 0);
    m->child = NULL;
    return judge_load(m, status, e);
}

/* The load began a moment before the first request was answered; where it is somebody else's, with the first row. */
static void label(const struct measuring *m, const struct staircase *s)
{
    const struct calibrate_plan *p = m->wish->plan;
    struct history_row *rows = m->history->rows;
    int first = s->from;
    while (has_script(m) && first < s->to - 1 && rows[first].requests < rows[s->from].requests + 0.5)
        first++;
    double began_s = rows[first].time_s + (has_script(m) ? 0.7 * LOAD_LATE_S : 0);
    for (int i = s->from; i < s->to; i++) {
        int step = (int)floor((rows[i].time_s - began_s) / p->step_s);
        bool within = rows[i].time_s >= began_s && step < p->steps;
        rows[i].step = within ? s->first_step + step : 0;
        rows[i].offered_rps = !has_script(m) ? (double)NAN : within ? s->top_rps * (step + 1) / p->steps : 0;
    }
}

static bool start_pods(struct measuring *m, struct err *e)
{
    const struct calibrate_plan *p = m->wish->plan;
    double light_rps = p->light_rps > 0 ? p->light_rps : p->rate_rps / p->steps;
    if (p->starts == 0)
        return true;
    if (!start_load(m, 1, 3600, light_rps, e))
        return false;
    m->offered_rps = has_script(m) ? light_rps : (double)NAN;
    if (!pass(m, 2, LOOK_S, e))
        return false;
    for (int i = 0; i < p->starts; i++)
        if (!scale(m, p->replicas, e) || !pass(m, p->hold_s, FAST_LOOK_S, e) || !scale(m, 1, e) ||
            !pass(m, p->settle_s, LOOK_S, e))
            return false;
    child_close(m->child, END_GRACE_S);
    m->child = NULL;
    return true;
}

static bool measure_service(struct measuring *m, struct err *e)
{
    const struct calibrate_plan *p = m->wish->plan;
    m->wish->tell("one pod at rest");
    if (!pass(m, p->settle_s, LOOK_S, e))
        return false;
    m->history->n = 0; // what was before the pod was alone
    if (!pass(m, p->idle_s, LOOK_S, e))
        return false;
    m->wish->tell("one pod under a staircase of load");
    if (!climb(m, 1, p->rate_rps, e) || !pass(m, p->settle_s, LOOK_S, e))
        return false;
    m->wish->tell("starts of pods under light load");
    return start_pods(m, e);
}

static bool measure_check(struct measuring *m, struct err *e)
{
    const struct calibrate_plan *p = m->wish->plan;
    for (int pods = 1; pods <= p->check_replicas; pods++) {
        m->wish->tell(pods == 1 ? "a staircase for one pod" : "a staircase for one pod more");
        if (!scale(m, pods, e) || !pass(m, p->settle_s, LOOK_S, e))
            return false;
        if (pods == 1)
            m->history->n = 0;
        if (!climb(m, 1 + (pods - 1) * p->steps, pods * p->rate_rps, e) || !pass(m, p->settle_s, LOOK_S, e))
            return false;
    }
    return true;
}

static bool check_wish(const struct measure_wish *w, struct err *e)
{
    size_t n = strlen(w->load->script);
    if (n > 0 && (n < 3 || strcmp(w->load->script + n - 3, ".js") != 0))
        return err_set(e, ERR_USAGE, "load.script: %.200s is no k6 script (.js)", w->load->script);
    if (n > 0 && !file_exists(w->load->script))
        return err_set(e, ERR_USAGE, "load.script: %.200s does not exist", w->load->script);
    if (w->check && n == 0)
        return err_set(e, ERR_USAGE, "load.script: --check offers the same load to both and needs a script");
    return true;
}

static bool open_target(struct measuring *m, struct err *e)
{
    static const struct disturb_load no_load;
    static const struct disturb_chaos no_chaos;
    const struct measure_wish *w = m->wish;
    struct live_wish wish = {.live = w->live,
                             .prometheus = w->prometheus,
                             .kubernetes = w->kubernetes,
                             .load = &no_load,
                             .chaos = &no_chaos,
                             .user_agent = "maestro-calibrate",
                             .stop = w->stop};
    const struct kube_config access = {.kubeconfig = or_null(w->kubernetes->kubeconfig),
                                       .context = or_null(w->kubernetes->context),
                                       .account = or_null(w->kubernetes->account),
                                       .user_agent = "maestro-calibrate",
                                       .timeout_s = w->kubernetes->timeout_s};
    return live_site_open(&wish, &m->site, e) && kube_open(&access, &m->kube, e);
}

static bool read_facts(struct measuring *m, struct calibrate_facts *out, struct err *e)
{
    const struct calibrate_plan *p = m->wish->plan;
    struct kube_answer answer = {0};
    bool done = get_deployment(m, &answer);
    if (done) {
        const struct pod_shape shape = pod_shape_of(answer.object.root);
        *out = (struct calibrate_facts){.cpu_request_cores = shape.cpu_request_cores,
                                        .cpu_limit_cores = shape.cpu_limit_cores,
                                        .memory_limit_mib = shape.memory_limit_bytes / 1048576,
                                        .node_cores = p->node_cores,
                                        .timeout_ms = p->timeout_ms,
                                        .window_s = m->wish->prometheus->window_s,
                                        .quantile = m->wish->prometheus->quantile,
                                        .latency_soft_ms = fmax(m->site.target.latency_soft_ms, 0),
                                        .latency_hard_ms = fmax(m->site.target.latency_hard_ms, 0)};
    } else {
        err_set(e, ERR_IO, "%.400s", answer.why.message);
    }
    kube_answer_finish(&answer);
    return done;
}

/* What Prometheus has of the last seconds comes with the next scrape. */
static bool read_history(struct measuring *m, struct err *e)
{
    const struct fleet_view *view = live_cluster_view(m->site.cluster);
    m->wish->tell("what Prometheus kept of it");
    if (!cluster_advance(m->site.cluster, 3 * m->wish->prometheus->scrape_s, e) ||
        !history_read(m->wish->prometheus, "maestro-calibrate", view->space, view->name, m->history, e))
        return false;
    for (int i = 0; i < m->n_staircases; i++)
        label(m, &m->staircases[i]);
    return true;
}

/* The count that the target gets back: what a killed run still owes it, else what it has. */
static bool note_found(struct measuring *m, struct err *e)
{
    struct sample sample;
    if (!live_site_owed(&m->site, m->wish->out, &m->found, e) || !cluster_sample(m->site.cluster, false, &sample, e))
        return false;
    const struct reading *now = &sample.signals[SIGNAL_REPLICAS];
    if (now->validity != VALIDITY_VALID)
        return err_set(e, ERR_IO, "%.200s: its replica count is not known", m->site.target.name);
    if (m->found == 0)
        m->found = (int)now->value;
    return true;
}

static bool measure(struct measuring *m, struct calibrate_facts *facts, struct err *e)
{
    if (!check_wish(m->wish, e) || !open_target(m, e) || !note_found(m, e) || !read_facts(m, facts, e) ||
        !live_record_write(&m->site.record, m->found, e))
        return false;
    m->offered_rps = has_script(m) ? 0 : (double)NAN;
    return scale(m, 1, e) && (m->wish->check ? measure_check(m, e) : measure_service(m, e)) && read_history(m, e);
}

static bool restore(struct measuring *m, bool done, struct err *e)
{
    struct err why = {0};
    child_close(m->child, END_GRACE_S);
    m->child = NULL;
    if (!m->touched || live_site_give_back(&m->site, m->found, &why))
        return done;
    return err_set(e, ERR_IO, "the target was not left as it was found, with %d replicas: %.300s", m->found,
                   why.message);
}

bool measure_target(const struct measure_wish *wish, struct history *out, struct calibrate_facts *facts, struct err *e)
{
    struct measuring m = {.wish = wish, .history = out};
    *out = (struct history){0};
    bool done = measure(&m, facts, e);
    done = restore(&m, done, e);
    kube_close(m.kube);
    live_site_close(&m.site);
    if (!done)
        history_finish(out);
    return done;
}
