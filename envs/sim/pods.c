/* pods: how pods come, live and go. In: a wanted replica count, time. Out: which slots serve which share of the arrivals and
 * how fast. The requests inside them are fluid.c's; what anybody sees of them is measure.c's. */
#include "state.h"

#include <math.h>

/* A pod being deleted ends once it holds less than this and endpoints have forgotten it. */
static const double DRAINED = 0.05;
static const double BACKOFF_LIMIT_S = 300.0;
static const int WARM_UP_STEPS = 6;

static bool is_live(const struct slot *p)
{
    return p->phase >= SLOT_PENDING && p->phase <= SLOT_CRASHED && p->phase != SLOT_TERMINATING;
}

static int64_t whole(double seconds)
{
    return (int64_t)ceil(seconds);
}

void pods_settle_cpu(const struct service *v, struct sim_state *s)
{
    (void)v;
    double seconds = (double)(s->t_s - s->cpu_since_s);
    if (seconds <= 0)
        return;
    double sum = 0.0;
    for (int i = 0; i < s->n_slots; i++) {
        double used = (double)s->pods.served[i] * (double)s->cpu_cost[i] + (double)s->cpu_extra[i] * seconds;
        s->cpu_total_s[i] += used;
        s->pods.served[i] = 0.0f;
        sum += used;
    }
    s->tally.cpu_s += sum;
    s->cpu_since_s = s->t_s;
}

static double warm_speed(const struct service *v, const struct sim_state *s, const struct slot *p)
{
    const struct profile_pods *c = &v->profile.pods;
    double since = (double)s->t_s - p->warm_from_s;
    if (c->warm_up_s <= 0 || since >= c->warm_up_s)
        return 1.0;
    return c->warm_up_speed + (1.0 - c->warm_up_speed) * fmax(since, 0.0) / c->warm_up_s;
}

/* Cores burned beside the load: start-up, or a stressor up to the limit. */
static double extra_cores(const struct service *v, const struct slot *p)
{
    double most = v->profile.service.model.cpu_limit_cores;
    most = most > 0 ? most : v->profile.service.model.node_cores;
    if (p->phase == SLOT_STARTING)
        return fmin(v->profile.pods.start_cpu_cores, most);
    return p->phase == SLOT_READY ? p->stolen * most : 0.0;
}

void pods_refresh(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    pods_settle_cpu(v, s);
    double slow = warm_speed(v, s, p) / s->drift;
    int level = service_level(slow * (1.0 - p->stolen));
    s->pods.level[slot] = level;
    s->pods.per_step[slot] = v->fluid.per_step[level];
    s->cpu_cost[slot] = v->latency.cpu_per_request_s / (float)slow;
    s->cpu_extra[slot] = (float)extra_cores(v, p);
}

/* Endpoints changed: everyone's share of the arrivals. */
static void share_out(struct sim_state *s)
{
    double sum = 0.0, dead = 0.0;
    for (int i = 0; i < s->n_slots; i++)
        if (s->slots[i].endpoint)
            sum += s->slots[i].weight;
    for (int i = 0; i < s->n_slots; i++) {
        struct slot *p = &s->slots[i];
        bool serves = p->endpoint && p->working;
        s->pods.share[i] = serves ? (float)(p->weight / sum) : 0.0f;
        dead += p->endpoint && !p->working ? p->weight / sum : 0.0;
    }
    s->dead_share = dead;
    s->no_endpoint = sum <= 0.0;
}

static void recount(struct sim_state *s)
{
    s->n_ready = s->n_starting = s->n_terminating = 0;
    s->pods_next_s = s->apply_s;
    for (int i = 0; i < s->n_slots; i++) {
        const struct slot *p = &s->slots[i];
        s->n_ready += p->phase == SLOT_READY;
        s->n_starting += p->phase == SLOT_STARTING || p->phase == SLOT_PENDING || p->phase == SLOT_CRASHED;
        s->n_terminating += p->phase == SLOT_TERMINATING;
        if (p->phase == SLOT_FREE || p->phase == SLOT_GONE)
            continue;
        int64_t next = p->event_s < p->endpoint_s ? p->event_s : p->endpoint_s;
        s->pods_next_s = next < s->pods_next_s ? next : s->pods_next_s;
    }
}

static void change_endpoint(const struct service *v, struct sim_state *s, struct slot *p, bool wanted)
{
    const struct profile_pods *c = &v->profile.pods;
    p->endpoint_next = wanted;
    p->endpoint_s = s->t_s + whole(rng_uniform(&s->rng_pods, c->endpoint_lag_min_s, c->endpoint_lag_max_s));
}

static double draw_weight(const struct service *v, struct sim_state *s)
{
    double busiest = v->profile.service.model.balancing == BALANCE_CONNECTION ? s->busiest : 1.0;
    return rng_uniform(&s->rng_pods, 2.0 - busiest, busiest) + 1e-6;
}

static double draw_start(const struct service *v, struct sim_state *s)
{
    double cv = v->profile.pods.start_cv;
    return cv > 0 ? rng_lognormal(&s->rng_pods, s->start_s, cv) : s->start_s;
}

static bool quota_allows(const struct service *v, const struct sim_state *s)
{
    double quota = v->profile.pods.quota_replicas;
    int exist = 0;
    for (int i = 0; i < s->n_slots; i++) {
        enum slot_phase phase = s->slots[i].phase;
        exist += phase != SLOT_FREE && phase != SLOT_GONE && phase != SLOT_PENDING;
    }
    return quota <= 0 || exist < quota;
}

static void start(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    p->phase = SLOT_STARTING;
    p->start_time_s = s->t_s;
    p->container_s = s->t_s;
    p->event_s = s->t_s + whole(fmax(1.0, draw_start(v, s)));
    pods_refresh(v, s, slot);
}

/* The lowest slot that is free or whose series nobody's window holds any more; -1 if there is none. */
static int find_slot(const struct service *v, struct sim_state *s)
{
    double memory_s = v->profile.measurement.window_s + 2 * v->profile.measurement.scrape_s;
    for (int i = 0; i < FLUID_PODS; i++) {
        struct slot *p = &s->slots[i];
        if (p->phase == SLOT_FREE || (p->phase == SLOT_GONE && (double)(s->t_s - p->gone_s) > memory_s))
            return i;
    }
    return -1;
}

static int create(const struct service *v, struct sim_state *s)
{
    int slot = find_slot(v, s);
    if (slot < 0)
        return -1;
    pods_settle_cpu(v, s);
    struct slot *p = &s->slots[slot];
    *p = (struct slot){.phase = SLOT_PENDING,
                       .event_s = NEVER,
                       .endpoint_s = NEVER,
                       .working = true,
                       .weight = draw_weight(v, s),
                       .warm_from_s = (double)s->t_s,
                       .metrics_time_s = (double)NAN};
    p->ready_changed_s = s->t_s;
    s->pods.l[slot] = 0.0f;
    s->pods.served[slot] = 0.0f;
    s->pods.share[slot] = 0.0f;
    s->cpu_total_s[slot] = 0.0;
    for (int k = 0; k < RING; k++)
        s->store.cpu_s[k][slot] = (double)NAN;
    s->n_slots = slot + 1 > s->n_slots ? slot + 1 : s->n_slots;
    pods_refresh(v, s, slot);
    return slot;
}

/* Requests inside are lost, and whoever still comes fails. */
static void stop_working(const struct service *v, struct sim_state *s, int slot)
{
    float inside = latency_inside(&v->latency, s->pods.l[slot]);
    s->lost += (double)inside;
    s->pods.past.ended += s->pods.l[slot] - inside; // see count_left in measure.c
    s->pods.l[slot] = 0.0f;
    s->slots[slot].working = false;
}

static void end(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    stop_working(v, s, slot);
    pods_settle_cpu(v, s);
    p->phase = SLOT_GONE;
    p->endpoint = false;
    p->gone_s = s->t_s;
    s->cpu_extra[slot] = 0.0f;
}

static void begin_delete(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    bool never_served = p->phase != SLOT_READY;
    p->phase = SLOT_TERMINATING;
    p->delete_s = s->t_s;
    change_endpoint(v, s, p, false);
    p->event_s = never_served ? s->t_s + 1 : p->endpoint_s + 1;
    pods_refresh(v, s, slot);
}

/* Not ready before ready, then the youngest, as the ReplicaSet controller ranks them. */
static int pick_victim(const struct sim_state *s)
{
    int victim = -1;
    for (int i = 0; i < s->n_slots; i++) {
        const struct slot *p = &s->slots[i];
        if (!is_live(p))
            continue;
        const struct slot *best = victim >= 0 ? &s->slots[victim] : p;
        bool p_ready = p->phase == SLOT_READY, best_ready = best->phase == SLOT_READY;
        if (victim < 0 || p_ready < best_ready || (p_ready == best_ready && p->ready_changed_s > best->ready_changed_s))
            victim = i;
    }
    return victim;
}

static int count_live(const struct sim_state *s)
{
    int n = 0;
    for (int i = 0; i < s->n_slots; i++)
        n += is_live(&s->slots[i]);
    return n;
}

/* The ReplicaSet controller and the scheduler: as many pods as asked for, as many started as the quota allows. */
static void reconcile(const struct service *v, struct sim_state *s)
{
    int live = count_live(s);
    bool follows = s->apply_s == NEVER;
    for (; follows && live < s->spec && create(v, s) >= 0; live++)
        ;
    for (; follows && live > s->spec; live--)
        begin_delete(v, s, pick_victim(s));
    for (int i = 0; i < s->n_slots; i++)
        if (s->slots[i].phase == SLOT_PENDING && quota_allows(v, s))
            start(v, s, i);
    share_out(s);
    recount(s);
}

void pods_begin(const struct service *v, struct sim_state *s, int replicas)
{
    s->spec = s->spec_seen = replicas;
    s->apply_s = NEVER;
    for (int i = 0; i < replicas; i++) {
        int slot = create(v, s);
        struct slot *p = &s->slots[slot];
        p->phase = SLOT_READY;
        p->endpoint = true;
        /* They have been there for long: warm, past every grace period of anybody who reads start times. */
        p->start_time_s = p->container_s = p->ready_changed_s = s->t_s - 3600;
        p->warm_from_s = (double)s->t_s - 3600.0 - v->profile.pods.warm_up_s;
        pods_refresh(v, s, slot);
    }
    share_out(s);
    recount(s);
}

void pods_scale(const struct service *v, struct sim_state *s, int replicas, double delay_s)
{
    if (replicas != s->spec) {
        s->spec_seen = s->spec;
        s->spec_changed_s = s->t_s;
    }
    s->spec = replicas;
    if (delay_s > 0) {
        s->apply_s = s->apply_s == NEVER ? s->t_s + whole(delay_s) : s->apply_s;
        recount(s);
        return;
    }
    s->apply_s = NEVER;
    reconcile(v, s);
}

static void become_ready(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    p->phase = SLOT_READY;
    p->working = true;
    p->ready_changed_s = s->t_s;
    change_endpoint(v, s, p, true);
    p->warm_from_s = (double)p->endpoint_s;
    double step_s = v->profile.pods.warm_up_s / WARM_UP_STEPS;
    p->event_s = step_s > 0 ? p->endpoint_s + whole(step_s) : NEVER;
    pods_refresh(v, s, slot);
}

static void warm_step(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    double step_s = v->profile.pods.warm_up_s / WARM_UP_STEPS;
    bool warm = (double)s->t_s - p->warm_from_s >= v->profile.pods.warm_up_s;
    p->event_s = warm ? NEVER : s->t_s + whole(step_s);
    pods_refresh(v, s, slot);
}

/* True if it has ended. */
static bool drain_step(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    bool late = (double)(s->t_s - p->delete_s) >= v->profile.pods.grace_s;
    if (late || (!p->endpoint && p->endpoint_s == NEVER && (double)s->pods.l[slot] < DRAINED)) {
        end(v, s, slot);
        return true;
    }
    p->event_s = s->t_s + 1;
    if (p->endpoint_s != NEVER) {
        int64_t last_s = p->delete_s + whole(v->profile.pods.grace_s);
        int64_t then_s = p->endpoint_s < last_s ? p->endpoint_s : last_s;
        p->event_s = then_s > p->event_s ? then_s : p->event_s;
    }
    return false;
}

static void restart(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    p->phase = SLOT_STARTING;
    p->container_s = s->t_s;
    p->event_s = s->t_s + whole(fmax(1.0, draw_start(v, s)));
    pods_refresh(v, s, slot);
}

/* True if others may have to follow. */
static bool slot_event(const struct service *v, struct sim_state *s, int slot)
{
    switch (s->slots[slot].phase) {
    case SLOT_STARTING:
        become_ready(v, s, slot);
        return true;
    case SLOT_READY:
        warm_step(v, s, slot);
        return false;
    case SLOT_TERMINATING:
        return drain_step(v, s, slot);
    case SLOT_CRASHED:
        restart(v, s, slot);
        return true;
    case SLOT_FREE:
    case SLOT_PENDING:
    case SLOT_GONE:
        break;
    }
    return false;
}

void pods_events(const struct service *v, struct sim_state *s)
{
    bool changed = s->apply_s <= s->t_s || s->n_ready + s->n_starting != s->spec;
    if (s->apply_s <= s->t_s)
        s->apply_s = NEVER;
    for (int i = 0; i < s->n_slots; i++) {
        struct slot *p = &s->slots[i];
        if (p->phase == SLOT_FREE || p->phase == SLOT_GONE)
            continue;
        if (p->endpoint_s <= s->t_s) {
            p->endpoint = p->endpoint_next;
            p->endpoint_s = NEVER;
            changed = true;
        }
        if (p->event_s <= s->t_s)
            changed |= slot_event(v, s, i);
    }
    if (changed)
        reconcile(v, s);
    else
        recount(s);
}

void pods_kill(const struct service *v, struct sim_state *s, int slot)
{
    struct slot *p = &s->slots[slot];
    stop_working(v, s, slot);
    p->phase = SLOT_TERMINATING;
    p->delete_s = s->t_s;
    change_endpoint(v, s, p, false);
    p->event_s = p->endpoint_s + 1;
    pods_refresh(v, s, slot);
    reconcile(v, s);
}

/* Its containers stop answering until a time, then start anew. */
void pods_fail(const struct service *v, struct sim_state *s, int slot, int64_t until_s)
{
    struct slot *p = &s->slots[slot];
    stop_working(v, s, slot);
    p->phase = SLOT_CRASHED;
    p->ready_changed_s = s->t_s;
    change_endpoint(v, s, p, false);
    p->event_s = until_s > s->t_s ? until_s : s->t_s + 1;
    pods_refresh(v, s, slot);
    share_out(s);
    recount(s);
}

double pods_memory_mib(const struct service *v, const struct sim_state *s, int slot)
{
    const struct profile_pods *c = &v->profile.pods;
    const struct slot *p = &s->slots[slot];
    double age_h = (double)(s->t_s - p->container_s) / 3600.0;
    double inside = (double)latency_inside(&v->latency, s->pods.l[slot]);
    return c->memory_base_mib + c->memory_per_request_mib * inside + c->memory_leak_mib_h * age_h + p->stress_mib;
}

void pods_check_memory(const struct service *v, struct sim_state *s)
{
    const struct profile_pods *c = &v->profile.pods;
    if (c->memory_limit_mib <= 0)
        return;
    for (int i = 0; i < s->n_slots; i++) {
        struct slot *p = &s->slots[i];
        if (p->phase != SLOT_READY || pods_memory_mib(v, s, i) <= c->memory_limit_mib)
            continue;
        double backoff_s = p->restarts == 0 ? 0.0 : fmin(BACKOFF_LIMIT_S, c->backoff_s * exp2(p->restarts - 1));
        p->restarts++;
        p->stress_mib = 0.0;
        pods_fail(v, s, i, s->t_s + whole(backoff_s));
    }
}

int pods_pick(struct sim_state *s)
{
    int n = 0;
    for (int i = 0; i < s->n_slots; i++)
        n += s->slots[i].phase == SLOT_READY;
    if (n == 0)
        return -1;
    int nth = (int)rng_bounded(&s->rng_fault, (uint32_t)n);
    for (int i = 0; i < s->n_slots; i++)
        if (s->slots[i].phase == SLOT_READY && nth-- == 0)
            return i;
    return -1;
}
