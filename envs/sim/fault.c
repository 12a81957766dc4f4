/* fault: the faults of the project's list, as they act on the simulated cluster. In: rates of the profile, a scenario's forced
 * faults, an own random stream. Out: changes to pods and measurement, undone at their end. Strengths: pod_kill, pod_failure:
 * pods hit; cpu_stress: share of one pod's CPU stolen; memory_stress: share of the memory limit taken in one pod;
 * network_delay: ms on every answer; network_loss: share of requests that wait for a retransmission; http_abort: share of
 * requests answered with an error at once; api_slow: seconds until a scaling takes effect; the other two have none. */
#include "state.h"

#include <math.h>

static void start_on_pod(const struct service *v, struct sim_state *s, struct fault *f)
{
    f->slot = pods_pick(s);
    if (f->slot < 0)
        return;
    struct slot *p = &s->slots[f->slot];
    if (f->kind == FAULT_CPU_STRESS)
        p->stolen = fmin(f->strength, 0.9);
    else
        p->stress_mib = f->strength * v->profile.pods.memory_limit_mib;
    pods_refresh(v, s, f->slot);
    if (f->kind == FAULT_MEMORY_STRESS)
        pods_check_memory(v, s);
}

static void hit_pods(const struct service *v, struct sim_state *s, const struct fault *f)
{
    for (int i = 0; i < (int)f->strength; i++) {
        int slot = pods_pick(s);
        if (slot < 0)
            return;
        if (f->kind == FAULT_POD_KILL)
            pods_kill(v, s, slot);
        else
            pods_fail(v, s, slot, f->end_s);
    }
}

static void start_fault(const struct service *v, struct sim_state *s, struct fault *f)
{
    switch ((enum fault_kind)f->kind) {
    case FAULT_POD_KILL:
    case FAULT_POD_FAILURE:
        hit_pods(v, s, f);
        break;
    case FAULT_CPU_STRESS:
    case FAULT_MEMORY_STRESS:
        start_on_pod(v, s, f);
        break;
    case FAULT_NETWORK_DELAY:
        s->network_delay_ms = f->strength;
        break;
    case FAULT_NETWORK_LOSS:
        s->network_loss = fmin(f->strength, 1.0);
        break;
    case FAULT_HTTP_ABORT:
        s->abort_share = fmin(f->strength, 1.0);
        break;
    case FAULT_PROMETHEUS_DOWN:
        s->prometheus_down_until_s = f->end_s;
        break;
    case FAULT_API_SLOW:
        s->api_slow_since_s = s->t_s;
        s->api_slow_until_s = f->end_s;
        s->api_delay_s = f->strength;
        break;
    case FAULT_METRIC_GAP:
        s->gap_until_s = f->end_s;
        break;
    }
}

static void end_on_pod(const struct service *v, struct sim_state *s, const struct fault *f)
{
    if (f->slot < 0)
        return;
    s->slots[f->slot].stolen = 0.0;
    s->slots[f->slot].stress_mib = 0.0;
    pods_refresh(v, s, f->slot);
}

static void end_fault(const struct service *v, struct sim_state *s, const struct fault *f)
{
    switch ((enum fault_kind)f->kind) {
    case FAULT_CPU_STRESS:
    case FAULT_MEMORY_STRESS:
        end_on_pod(v, s, f);
        break;
    case FAULT_NETWORK_DELAY:
        s->network_delay_ms = 0.0;
        break;
    case FAULT_NETWORK_LOSS:
        s->network_loss = 0.0;
        break;
    case FAULT_HTTP_ABORT:
        s->abort_share = 0.0;
        break;
    case FAULT_API_SLOW:
        s->api_delay_s = 0.0;
        break;
    case FAULT_POD_KILL:
    case FAULT_POD_FAILURE:
    case FAULT_PROMETHEUS_DOWN:
    case FAULT_METRIC_GAP:
        break;
    }
}

/* One fault of a kind at a time: a second one only lengthens nothing and is dropped. */
static void add_fault(const struct service *v, struct sim_state *s, const struct sim_fault *wanted)
{
    const struct fault_rate *rate = &v->profile.faults.kinds[wanted->kind];
    for (int i = 0; i < s->n_faults; i++)
        if (s->faults[i].kind == wanted->kind)
            return;
    if (s->n_faults == FAULTS_ACTIVE)
        return;
    double duration_s = wanted->duration_s > 0 ? wanted->duration_s : rate->duration_s;
    struct fault f = {.kind = wanted->kind,
                      .slot = -1,
                      .end_s = s->t_s + (int64_t)ceil(duration_s),
                      .strength = wanted->strength > 0 ? wanted->strength : rate->strength};
    measure_flush(v, s);
    start_fault(v, s, &f);
    s->faults[s->n_faults++] = f;
}

static int64_t draw_start(const struct service *v, struct sim_state *s, int kind)
{
    double per_minute = s->random_faults ? v->profile.faults.kinds[kind].probability : 0.0;
    if (per_minute <= 0)
        return NEVER;
    double wait_s = rng_exponential(&s->rng_fault, 60.0 / per_minute);
    return s->t_s + 1 + (int64_t)fmin(wait_s, 1e12);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void find_next(struct sim_state *s)
{
    int64_t next = NEVER;
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        next = earlier(next, s->fault_start_s[kind]);
    for (int i = 0; i < s->n_faults; i++)
        next = earlier(next, s->faults[i].end_s);
    for (int i = 0; i < s->n_forced; i++)
        next = earlier(next, (int64_t)s->forced[i].start_s);
    s->fault_next_s = next;
}

void fault_begin(const struct service *v, struct sim_state *s)
{
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        s->fault_start_s[kind] = draw_start(v, s, kind);
    find_next(s);
}

void fault_events(const struct service *v, struct sim_state *s)
{
    for (int i = s->n_faults - 1; i >= 0; i--) {
        if (s->faults[i].end_s > s->t_s)
            continue;
        measure_flush(v, s);
        end_fault(v, s, &s->faults[i]);
        s->faults[i] = s->faults[--s->n_faults];
    }
    for (int i = s->n_forced - 1; i >= 0; i--) {
        if ((int64_t)s->forced[i].start_s > s->t_s)
            continue;
        add_fault(v, s, &s->forced[i]);
        s->forced[i] = s->forced[--s->n_forced];
    }
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (s->fault_start_s[kind] > s->t_s)
            continue;
        add_fault(v, s, &(struct sim_fault){.kind = kind});
        s->fault_start_s[kind] = draw_start(v, s, kind);
    }
    find_next(s);
}
