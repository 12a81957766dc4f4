/* look: the raw counters behind the simulator's scrapes, for those who show the simulated service to a Prometheus of their own.
 * In: the state. Out: counters of the service and of each pod as of the last scrape. Changes nothing. */
#include "state.h"

#include <math.h>

static struct sim_pod_look look_at_pod(const struct service *v, const struct sim_state *s, int slot, double cpu_s)
{
    const struct slot *p = &s->slots[slot];
    return (struct sim_pod_look){
        .slot = slot,
        .start_time_s = (double)p->start_time_s,
        .ready = p->phase == SLOT_READY,
        .terminating = p->phase == SLOT_TERMINATING,
        .share = (double)s->pods.share[slot],
        .cpu_s = cpu_s,
        .memory_mib = pods_memory_mib(v, s, slot),
    };
}

static bool has_container(const struct slot *p)
{
    return p->phase == SLOT_STARTING || p->phase == SLOT_READY || p->phase == SLOT_TERMINATING;
}

bool sim_look(const struct sim *sim, struct sim_look *out)
{
    const struct sim_state *s = sim->state;
    const struct service *v = state_service(sim->model, s);
    const struct store *store = &s->store;
    if (store->n == 0)
        return false;
    int row = (store->n - 1) % RING, n = v->profile.measurement.buckets_ms.n;
    out->time_s = store->time_s[row];
    out->spec = s->spec;
    out->ready = s->n_ready;
    out->starting = s->n_starting;
    out->terminating = s->n_terminating;
    out->requests = store->requests[row];
    out->failed = store->failed[row];
    out->n_buckets = n;
    for (int b = 0; b <= n; b++)
        out->buckets[b] = store->bucket[row][b];
    out->n_pods = 0;
    for (int i = 0; i < s->n_slots; i++)
        if (has_container(&s->slots[i]) && !isnan(store->cpu_s[row][i])) // born since the scrape: not yet seen
            out->pods[out->n_pods++] = look_at_pod(v, s, i, store->cpu_s[row][i]);
    return true;
}
