/* crowd_target: a simulated second of one target, and what it adds to the counters of each pod. The simulator counts requests of
 * a service as a whole; they are dealt out to the pods by their share of the arrivals, in fractions where need be. */
#include "crowd_target.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void crowd_enter(struct crowd *c)
{
    pthread_mutex_lock(&c->door);
    pthread_mutex_lock(&c->lock);
    pthread_mutex_unlock(&c->door);
}

void crowd_leave(struct crowd *c)
{
    pthread_mutex_unlock(&c->lock);
}

/* The letters that Kubernetes makes names of: no vowels, nothing that looks like something else. */
static void put_random(char *out, int n, uint64_t bits)
{
    static const char LETTERS[] = "bcdfghjklmnpqrstvwxz2456789";
    for (int i = 0; i < n; i++) {
        out[i] = LETTERS[bits % (sizeof LETTERS - 1)];
        bits /= sizeof LETTERS - 1;
    }
    out[n] = '\0';
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2);
    hash *= 0xBF58476D1CE4E5B9u;
    return hash ^ (hash >> 31);
}

/* web-<of the deployment>-<of the pod> */
static void name_pod(const struct crowd_target *t, const struct sim_pod_look *look, struct crowd_pod *pod)
{
    char of_template[11], of_pod[6];
    uint64_t hash = 1469598103934665603u;
    for (const char *p = t->ns; *p; p++)
        hash = mix(hash, (unsigned char)*p);
    for (const char *p = t->name; *p; p++)
        hash = mix(hash, (unsigned char)*p);
    put_random(of_template, 10, hash);
    put_random(of_pod, 5, mix(mix(hash, (uint64_t)look->slot), (uint64_t)(int64_t)look->start_time_s));
    snprintf(pod->labels, sizeof pod->labels, "namespace=\"%s\",pod=\"%s-%s-%s\"", t->ns, t->name, of_template, of_pod);
}

static struct crowd_pod *pod_at(struct crowd_target *t, int slot)
{
    if (slot >= t->pods_room) {
        int room = slot + 8;
        struct crowd_pod *larger = realloc(t->pods, (size_t)room * sizeof *larger);
        if (!larger)
            return NULL;
        t->pods = larger;
        t->pods_room = room;
    }
    for (; t->n_pods <= slot; t->n_pods++)
        t->pods[t->n_pods] = (struct crowd_pod){0};
    return &t->pods[slot];
}

/* What the service counted since the last look. */
struct increase {
    double requests, failed, latency_s;
    double buckets[SIM_BUCKETS];
    int n_buckets;
};

static void deal(struct crowd_pod *pod, const struct increase *more, double share)
{
    pod->requests += share * more->requests;
    pod->failed += share * more->failed;
    pod->latency_s += share * more->latency_s;
    for (int b = 0; b <= more->n_buckets; b++)
        pod->buckets[b] += share * more->buckets[b];
}

static void show_pod(struct crowd_target *t, const struct sim_pod_look *look, const struct increase *more)
{
    struct crowd_pod *pod = pod_at(t, look->slot);
    if (!pod)
        return;
    if (!*pod->labels || pod->start_time_s < look->start_time_s || pod->start_time_s > look->start_time_s) {
        *pod = (struct crowd_pod){.start_time_s = look->start_time_s};
        name_pod(t, look, pod);
    }
    pod->shown = true;
    pod->ready = look->ready;
    pod->cpu_s = look->cpu_s;
    pod->memory_bytes = look->memory_mib * 1048576;
    deal(pod, more, look->share);
}

static struct increase increase_of(struct crowd *c, struct crowd_target *t)
{
    struct increase more = {.n_buckets = c->look.n_buckets};
    struct sim_truth truth;
    sim_truth_take_brief(&c->sim, &truth);
    more.requests = c->look.requests - t->requests;
    more.failed = c->look.failed - t->failed;
    more.latency_s = truth.requests > 0 ? more.requests * truth.mean_ms / 1e3 : 0;
    for (int b = 0; b <= more.n_buckets; b++) {
        more.buckets[b] = c->look.buckets[b] - t->buckets[b];
        t->buckets[b] = c->look.buckets[b];
    }
    t->requests = c->look.requests;
    t->failed = c->look.failed;
    return more;
}

void crowd_step(struct crowd *c, struct crowd_target *t)
{
    sim_bind(&c->sim, c->model, t->state);
    if (!cluster_advance(&c->sim.cluster, 1, NULL) || !sim_look(&c->sim, &c->look))
        return;
    struct increase more = increase_of(c, t);
    for (int i = 0; i < t->n_pods; i++)
        t->pods[i].shown = false;
    for (int i = 0; i < c->look.n_pods; i++)
        show_pod(t, &c->look.pods[i], &more);
    t->spec = c->look.spec;
    t->ready = c->look.ready;
    t->starting = c->look.starting;
}
