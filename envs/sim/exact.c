/* exact: requests one by one under the pods of the simulated cluster. In: arrival rates per second and each pod's share and
 * speed, as the fluid kernel gets them. Out: the same sums, counted instead of computed. The latencies go where the fluid
 * kernel counts rows of its table: this engine's model carries a table whose row r simply is "latency in bin r". It decides
 * nothing about pods, loads or measurement. */
#include <maestro/exact.h>

#include "state.h"
#include <maestro/pod.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_STREAM 0x657861 /* of the random numbers of arrivals and demands */

struct exact {
    struct sim_model model; /* a copy whose services count latencies by bin, run by this engine */
    struct sim sim;
    struct sim_state *state; /* owned */
    struct pod pods[FLUID_PODS];
    bool open[FLUID_PODS];
    struct rng rng[FLUID_PODS];
    double requests;
    /* of the run going on */
    const struct latency_table *latency;
    float *cells;
};

/* Row r: ended in (bound[r - 1], bound[r]]; the last one, at the time-out, has failed. */
static void count_by_bin(struct latency_table *t)
{
    for (int row = 0; row < LATENCY_ROWS; row++) {
        int at = row < LATENCY_BINS ? row : LATENCY_BINS - 1;
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            t->cdf[row][bin] = bin >= at ? 1.0f : 0.0f;
        t->failed[row] = at == LATENCY_BINS - 1 ? 1.0f : 0.0f;
        t->mean_ms[row] = at > 0 ? sqrtf(t->bound_ms[at - 1] * t->bound_ms[at]) : 0.5f * t->bound_ms[0];
    }
    for (int row = LATENCY_BINS - 1; row < LATENCY_ROWS; row++)
        t->mean_ms[row] = t->timeout_ms;
}

static int bin_of(const struct latency_table *t, double ms)
{
    int low = -1, high = LATENCY_BINS - 2;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if ((double)t->bound_ms[middle] < ms)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static void count(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    struct exact *x = context;
    double ms = 1000.0 * (now_s - request->arrival_s);
    x->cells[outcome == POD_SERVED ? bin_of(x->latency, ms) : LATENCY_BINS - 1] += 1.0f;
}

/* The state lost these requests and has counted them already. */
static void forget(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    (void)context;
    (void)request;
    (void)now_s;
    (void)outcome;
}

/* One second of arrivals at one pod. Returns how many were turned away. */
static double run_second(struct exact *x, int slot, double start_s, double rate_rps)
{
    struct pod *p = &x->pods[slot];
    struct rng *rng = &x->rng[slot];
    const struct pod_sink sink = {count, x};
    double away = 0.0;
    while (rate_rps > 0.0) {
        double at_s = fmax(p->now_s, start_s) + rng_exponential(rng, 1.0 / rate_rps);
        if (at_s >= start_s + 1.0)
            break; // the exponential law has no memory: the next second begins afresh
        pod_run(p, at_s, &sink);
        struct pod_request request = {.arrival_s = at_s};
        pod_draw(&p->config, rng, &request);
        away += pod_offer(p, &request) ? 0.0 : 1.0;
        x->requests += 1.0;
    }
    pod_run(p, start_s + 1.0, &sink);
    return away;
}

static bool prepare_pod(struct exact *x, const struct service *v, const struct fluid_run *run, int slot, double now_s)
{
    struct pod *p = &x->pods[slot];
    if (!x->open[slot]) {
        struct pod_config config;
        double phase_s = POD_QUOTA_PERIOD_S * rng_double(&x->rng[slot]);
        if (!pod_config_from(&v->profile.service.model, &config, NULL) || !pod_open(p, &config, now_s, phase_s, NULL))
            return false;
        x->open[slot] = true;
    }
    if (run->pods->l[slot] <= 0.0f && pod_inside(p) > 0)
        pod_clear(p, &(struct pod_sink){forget, NULL});
    p->speed = service_speed(run->pods->level[slot]);
    return true;
}

/* Takes the place of fluid_run: same inputs, same outputs. run's seconds begin at the state's time. */
static void run_requests(void *engine, const struct sim_model *m, const struct sim_state *s, struct fluid_run *run)
{
    struct exact *x = engine;
    const struct service *v = state_service(m, s);
    x->latency = &v->latency;
    x->cells = run->cells;
    double now_s = (double)s->t_s;
    for (int slot = 0; slot < run->n_pods; slot++) {
        bool idle = !x->open[slot] && run->pods->share[slot] <= 0.0f;
        if (idle || !prepare_pod(x, v, run, slot, now_s))
            continue;
        struct pod *p = &x->pods[slot];
        double used_s = p->cpu_used_s;
        for (int second = 0; second < run->n_seconds; second++) {
            double rate_rps = (double)run->arrivals[second] * (double)run->pods->share[slot];
            run->rejected += (float)run_second(x, slot, now_s + second, rate_rps);
        }
        run->pods->l[slot] = latency_from_inside(&v->latency, (float)pod_inside(p));
        run->pods->served[slot] += (float)(p->cpu_used_s - used_s) / s->cpu_cost[slot];
    }
}

static void close_pods(struct exact *x)
{
    for (int slot = 0; slot < FLUID_PODS; slot++)
        if (x->open[slot])
            pod_close(&x->pods[slot]);
    memset(x->open, 0, sizeof x->open);
}

bool exact_open(const struct sim_model *m, struct exact **out, struct err *e)
{
    struct exact *x = calloc(1, sizeof *x);
    struct service *services = malloc((size_t)m->n_services * sizeof *services);
    struct sim_state *state = aligned_alloc(64, (sim_state_bytes() + 63) / 64 * 64);
    if (!x || !services || !state) {
        free(x);
        free(services);
        free(state);
        return err_set(e, ERR_IO, "exact: no memory for %d services", m->n_services);
    }
    memset(state, 0, sim_state_bytes());
    memcpy(services, m->services, (size_t)m->n_services * sizeof *services);
    x->model = *m;
    x->model.services = services;
    x->model.run = run_requests;
    x->model.engine = x;
    for (int i = 0; i < m->n_services; i++) {
        count_by_bin(&services[i].latency);
        services[i].fluid.latency = &services[i].latency;
        services[i].fluid.first_slow = LATENCY_BINS; // what is counted here has ended
    }
    x->state = state;
    sim_bind(&x->sim, &x->model, state);
    *out = x;
    return true;
}

void exact_close(struct exact *x)
{
    if (!x)
        return;
    close_pods(x);
    free(x->model.services);
    free(x->state);
    free(x);
}

void exact_begin(struct exact *x, const struct sim_scenario *scenario, uint64_t seed, uint64_t stream)
{
    close_pods(x);
    for (int slot = 0; slot < FLUID_PODS; slot++)
        rng_init(&x->rng[slot], seed ^ EXACT_STREAM, stream * FLUID_PODS + (uint64_t)slot);
    sim_begin(&x->model, x->state, scenario, seed, stream);
}

struct sim *exact_sim(struct exact *x)
{
    return &x->sim;
}

double exact_requests(const struct exact *x)
{
    return x->requests;
}
