/* sim: the simulated cluster behind the cluster seam: virtual time, one second inside. In: a model, a state, a wanted count.
 * Out: samples, truth. Runs stretches without events through the fluid kernel, and what is due between them. */
#include "state.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define STRETCH_S 60 /* longest run without looking up */

/* Random streams of one episode: its own block of numbers per stream. */
enum { STREAM_LOAD, STREAM_PODS, STREAM_MEASURE, STREAM_FAULT, STREAM_DRAW, STREAMS };

size_t sim_state_bytes(void)
{
    return (sizeof(struct sim_state) + 63) / 64 * 64;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t interval(double seconds)
{
    return (int64_t)fmax(1.0, floor(seconds + 0.5));
}

/* Users who are not waiting for an answer ask one question per think time. */
static float closed_rate(const struct latency_table *t, const struct sim_state *s, float users)
{
    float waiting = 0.0f;
    for (int i = 0; i < s->n_slots; i++)
        waiting += latency_inside(t, s->pods.l[i]);
    float idle = users > waiting ? users - waiting : 0.0f;
    return idle / fmaxf((float)s->demand.load.think_s, 0.5f);
}

static void count_time(struct sim_state *s, double seconds)
{
    s->tally.seconds += seconds;
    s->tally.spec_s += seconds * s->spec;
    s->tally.ready_s += seconds * s->n_ready;
    s->tally.starting_s += seconds * s->n_starting;
    s->tally.terminating_s += seconds * s->n_terminating;
}

/* Another engine in the place of fluid_run. */
static void run_engine(const struct sim_model *m, struct sim_state *s, struct fluid_run *run)
{
    float cells[LATENCY_ROWS] = {0};
    run->cells = cells;
    m->run(m->engine, m, s, run);
    for (int row = 0; row < LATENCY_ROWS; row++)
        s->pods.count[row][0] += cells[row];
}

/* n seconds in which nothing but requests happens. */
static void run_stretch(const struct sim_model *m, struct sim_state *s, int n)
{
    const struct service *v = state_service(m, s);
    float arrivals[STRETCH_S];
    demand_fill(&s->demand, m->config.traces, s->t_s, n, arrivals);
    if (s->demand.load.users > 0)
        arrivals[0] = closed_rate(&v->latency, s, arrivals[0]);
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (double)arrivals[i];
    s->arrived += sum;
    double aborted = s->abort_share;
    s->lost += sum * aborted + sum * (1.0 - aborted) * (s->no_endpoint ? 1.0 : s->dead_share);
    if (aborted > 0)
        for (int i = 0; i < n; i++)
            arrivals[i] *= (float)(1.0 - aborted);
    struct fluid_run run = {
        .table = &v->fluid, .pods = &s->pods, .n_pods = s->n_slots, .arrivals = arrivals, .n_seconds = n};
    if (m->run)
        run_engine(m, s, &run);
    else
        fluid_run(&run);
    s->lost += (double)run.rejected;
    count_time(s, n);
    s->t_s += n;
}

static void drift_event(const struct service *v, struct sim_state *s)
{
    const struct profile_service *c = &v->profile.service;
    s->drift_next_s = s->t_s + interval(c->drift_period_s);
    s->drift = 1.0 + c->drift * rng_double(&s->rng_pods);
    for (int i = 0; i < s->n_slots; i++)
        if (s->slots[i].phase != SLOT_FREE)
            pods_refresh(v, s, i);
}

static int64_t next_event(const struct sim_state *s)
{
    int64_t next = least(s->pods_next_s, s->scrape_next_s);
    next = least(next, s->metrics_next_s);
    next = least(next, s->drift_next_s);
    return least(next, s->fault_next_s);
}

/* All that is due now; an event may make another one due at once. */
static void run_events(const struct sim_model *m, struct sim_state *s)
{
    const struct service *v = state_service(m, s);
    while (next_event(s) <= s->t_s) {
        if (s->pods_next_s <= s->t_s)
            pods_events(v, s);
        if (s->fault_next_s <= s->t_s)
            fault_events(v, s);
        if (s->drift_next_s <= s->t_s)
            drift_event(v, s);
        if (s->scrape_next_s <= s->t_s) {
            s->scrape_next_s += interval(v->profile.measurement.scrape_s);
            pods_check_memory(v, s);
            measure_scrape(v, s);
        }
        if (s->metrics_next_s <= s->t_s) {
            s->metrics_next_s += interval(v->profile.measurement.metrics_server_s);
            measure_metrics_server(v, s);
        }
    }
}

static void run_until(const struct sim_model *m, struct sim_state *s, int64_t end_s)
{
    bool closed = s->demand.load.users > 0;
    run_events(m, s);
    while (s->t_s < end_s) {
        int64_t stop = least(least(end_s, next_event(s)), s->t_s + (closed ? 1 : STRETCH_S));
        run_stretch(m, s, (int)(stop - s->t_s));
        run_events(m, s);
    }
}

static void start_load(const struct sim_model *m, struct sim_state *s, const struct load *load, uint64_t seed,
                       uint64_t stream)
{
    demand_begin(&s->demand, load, seed, stream * STREAMS + STREAM_LOAD);
    double rate = load_at(load, m->config.traces, 0.0);
    if (load->users > 0)
        rate /= fmax(load->think_s, 0.5);
    const struct service *v = state_service(m, s);
    for (int i = 0; i < s->n_slots; i++)
        s->pods.l[i] = latency_steady_l(&v->latency, (float)rate * s->pods.share[i]);
}

/* Lets the windows fill before time 0, with the first second's load shape going on backwards. */
static void fill_windows(const struct sim_model *m, struct sim_state *s)
{
    const struct service *v = state_service(m, s);
    const struct profile_measurement *c = &v->profile.measurement;
    int64_t scrape_s = interval(c->scrape_s), metrics_s = interval(c->metrics_server_s);
    s->scrape_next_s = s->t_s + (int64_t)rng_bounded(&s->rng_measure, (uint32_t)scrape_s);
    s->metrics_next_s = s->t_s + (int64_t)rng_bounded(&s->rng_measure, (uint32_t)metrics_s);
    s->fault_next_s = NEVER;
    s->drift_next_s = v->profile.service.drift > 0 ? s->t_s + interval(v->profile.service.drift_period_s) : NEVER;
    run_until(m, s, 0);
}

static void begin(const struct sim_model *m, struct sim_state *s, const struct sim_scenario *c, uint64_t seed,
                  uint64_t stream)
{
    const struct service *v = state_service(m, s);
    const struct profile_measurement *measurement = &v->profile.measurement;
    rng_init(&s->rng_pods, seed, stream * STREAMS + STREAM_PODS);
    rng_init(&s->rng_measure, seed, stream * STREAMS + STREAM_MEASURE);
    rng_init(&s->rng_fault, seed, stream * STREAMS + STREAM_FAULT);
    s->t_s = -interval(measurement->window_s + 2 * measurement->scrape_s);
    s->cpu_since_s = s->t_s;
    s->spec_changed_s = s->t_s - 86400;
    s->prometheus_down_until_s = s->gap_until_s = s->api_slow_until_s = s->t_s - 1;
    s->drift = 1.0;
    pods_begin(v, s, c->replicas);
    start_load(m, s, &c->load, seed, stream);
    fill_windows(m, s);
    s->random_faults = c->random_faults;
    s->n_forced = c->n_faults < SIM_FAULTS ? c->n_faults : SIM_FAULTS;
    for (int i = 0; i < s->n_forced; i++)
        s->forced[i] = c->faults[i];
    fault_begin(v, s);
    run_events(m, s);
    measure_flush(v, s);
    s->tally = (struct tally){0};
}

/* Shapes without jumps, and those with them. */
static const int GENTLE[] = {LOAD_CONSTANT, LOAD_RAMP, LOAD_DIURNAL};
static const int ABRUPT[] = {LOAD_STEP, LOAD_SPIKE, LOAD_FLASH, LOAD_ON_OFF};

static int draw_shape(const struct profile_random *r, bool recorded, struct rng *rng)
{
    double generated = recorded ? fmax(1.0 - r->trace_share, 1e-9) : 1.0;
    bool abrupt = rng_double(rng) * generated < r->abrupt_share;
    return abrupt ? ABRUPT[rng_bounded(rng, sizeof ABRUPT / sizeof *ABRUPT)]
                  : GENTLE[rng_bounded(rng, sizeof GENTLE / sizeof *GENTLE)];
}

/* Peak, shape and phase of a load for an episode. The busiest pod gets so many times the mean: a peak that even all pods
 * could not carry would teach nothing. */
static struct load draw_load(const struct sim_model *m, const struct service *v, double busiest, struct rng *rng)
{
    const struct profile_random *r = &v->profile.random;
    double span_s = m->config.episode_s > 0 ? m->config.episode_s : 3600.0;
    double peak = rng_uniform(rng, r->peak_low, r->peak_high) * v->capacity_rps * m->config.max_replicas / busiest;
    struct load l = {0};
    if (m->config.n_traces > 0 && rng_double(rng) < r->trace_share) {
        int trace = (int)rng_bounded(rng, (uint32_t)m->config.n_traces);
        double spare_s = fmax(0.0, trace_span_s(&m->config.traces[trace]) - span_s);
        load_trace(&l, m->config.traces, trace, rng_uniform(rng, 0.0, spare_s), span_s, peak);
    } else {
        l = (struct load){.shape = draw_shape(r, m->config.n_traces > 0, rng),
                          .base_rps = peak * rng_uniform(rng, 0.05, 0.8),
                          .peak_rps = peak,
                          .start_s = span_s * rng_uniform(rng, 0.0, 0.6),
                          .length_s = fmax(30.0, span_s * rng_log_uniform(rng, 0.05, 1.0))};
        if (r->idle_share > 0 && rng_double(rng) < r->idle_share)
            l.base_rps = 0;
    }
    l.noise_cv = rng_uniform(rng, 0.0, r->noise_high);
    l.burst_cv = rng_double(rng) < 0.5 ? 0.0 : rng_uniform(rng, 0.0, r->burst_high);
    return l;
}

/* A starting count somewhere around what is needed. */
static int draw_replicas(const struct sim_model *m, const struct service *v, const struct load *load, struct rng *rng)
{
    double needed = load_at(load, m->config.traces, 0.0) / v->capacity_rps;
    int n = (int)ceil(needed * rng_uniform(rng, 0.8, 1.8));
    n = n < 1 ? 1 : n;
    return n < m->config.max_replicas ? n : m->config.max_replicas;
}

static void draw_scenario(const struct sim_model *m, struct sim_state *s, struct rng *rng, struct sim_scenario *out)
{
    *out = (struct sim_scenario){.variant = (int)rng_bounded(rng, (uint32_t)m->n_services),
                                 .random_faults = m->config.faults};
    const struct service *v = &m->services[out->variant];
    const struct profile_random *r = &v->profile.random;
    if (r->enabled) {
        s->start_s = rng_log_uniform(rng, r->start_low_s, r->start_high_s);
        s->busiest = rng_uniform(rng, r->busiest_low, r->busiest_high);
    }
    out->load = draw_load(m, v, s->busiest > 1 ? s->busiest : 1, rng);
    out->replicas = draw_replicas(m, v, &out->load, rng);
}

void sim_begin(const struct sim_model *m, struct sim_state *s, const struct sim_scenario *scenario, uint64_t seed,
               uint64_t stream)
{
    memset(s, 0, sizeof *s);
    struct sim_scenario drawn;
    const struct sim_scenario *c = scenario;
    if (!c) {
        struct rng rng;
        rng_init(&rng, seed, stream * STREAMS + STREAM_DRAW);
        draw_scenario(m, s, &rng, &drawn);
        c = &drawn;
    }
    assert(c->variant >= 0 && c->variant < m->n_services && c->replicas >= 0 && c->replicas <= REPLICAS_LIMIT);
    s->variant = c->variant;
    const struct service_profile *p = &m->services[c->variant].profile;
    s->start_s = s->start_s > 0 ? s->start_s : p->pods.start_s;
    s->busiest = s->busiest > 0 ? s->busiest : p->service.model.balance_busiest;
    begin(m, s, c, seed, stream);
}

static bool sim_sample(struct cluster *c, bool with_pods, struct sample *out, struct err *e)
{
    (void)e;
    struct sim *sim = (struct sim *)c;
    measure_sample(sim->model, sim->state, with_pods, sim->pods, out);
    return true;
}

static bool sim_scale(struct cluster *c, int replicas, struct err *e)
{
    struct sim *sim = (struct sim *)c;
    if (replicas < 0 || replicas > REPLICAS_LIMIT)
        return err_set(e, ERR_USAGE, "sim: replicas must be 0 to %d, not %d", REPLICAS_LIMIT, replicas);
    struct sim_state *s = sim->state;
    if (replicas == s->spec)
        return true;
    pods_scale(state_service(sim->model, s), s, replicas, s->t_s < s->api_slow_until_s ? s->api_delay_s : 0.0);
    return true;
}

static bool sim_advance(struct cluster *c, double seconds, struct err *e)
{
    struct sim *sim = (struct sim *)c;
    if (!(seconds >= 0) || seconds > 1e9)
        return err_set(e, ERR_USAGE, "sim: cannot advance by %g s", seconds);
    run_until(sim->model, sim->state, sim->state->t_s + (int64_t)floor(seconds + 0.5));
    return true;
}

static double sim_now(const struct cluster *c)
{
    return (double)((const struct sim *)c)->state->t_s;
}

static const struct cluster_ops SIM_OPS = {
    .sample = sim_sample, .scale = sim_scale, .advance = sim_advance, .now = sim_now};

void sim_bind(struct sim *sim, const struct sim_model *m, struct sim_state *s)
{
    sim->cluster.ops = &SIM_OPS;
    sim->model = m;
    sim->state = s;
}

static void take_truth(struct sim *sim, bool brief, struct sim_truth *out)
{
    struct sim_state *s = sim->state;
    const struct service *v = state_service(sim->model, s);
    pods_settle_cpu(v, s);
    measure_flush(v, s);
    const struct tally *t = &s->tally;
    double mix[LATENCY_BINS], total = 0.0, in_flight = 0.0;
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        mix[bin] = total += (double)t->count[bin];
    double within = (double)v->soft.low_share * mix[v->soft.low] + (double)v->soft.high_share * mix[v->soft.high];
    bool any = t->requests > 1e-9;
    for (int i = 0; i < s->n_slots; i++)
        in_flight += (double)latency_inside(&v->latency, s->pods.l[i]);
    *out = (struct sim_truth){
        .seconds = t->seconds,
        .arrivals = t->arrivals,
        .requests = any ? t->requests : 0.0, // what is left of the fluid is no request, and has no latency
        .failed = t->failed,
        .over_soft = fmax(t->requests - within, t->lost),
        .in_flight = in_flight,
        .p50_ms = any && !brief ? latency_mix_quantile(&v->latency, mix, total, 0.5) : (double)NAN,
        .p95_ms = any ? latency_mix_quantile(&v->latency, mix, total, 0.95) : (double)NAN,
        .p99_ms = any && !brief ? latency_mix_quantile(&v->latency, mix, total, 0.99) : (double)NAN,
        .mean_ms = any ? t->latency_ms_sum / t->requests : (double)NAN,
        .spec_replica_s = t->spec_s,
        .terminating_s = t->terminating_s,
        .starting_s = t->starting_s,
        .ready_s = t->ready_s,
        .cpu_core_s = t->cpu_s,
    };
    s->tally = (struct tally){0};
}

void sim_truth_take(struct sim *sim, struct sim_truth *out)
{
    take_truth(sim, false, out);
}

void sim_truth_take_brief(struct sim *sim, struct sim_truth *out)
{
    take_truth(sim, true, out);
}

double sim_offered_rps(const struct sim *sim)
{
    const struct load *l = &sim->state->demand.load;
    double rate = load_at(l, sim->model->config.traces, (double)sim->state->t_s);
    return l->users > 0 ? rate / fmax(l->think_s, 0.5) : rate;
}

double sim_peak_rps(const struct sim *sim)
{
    const struct load *l = &sim->state->demand.load;
    return l->users > 0 ? l->peak_rps / fmax(l->think_s, 0.5) : l->peak_rps;
}

int sim_variant(const struct sim *sim)
{
    return sim->state->variant;
}

bool sim_arrivals(const struct sim_model *m, const struct sim_state *s, int n, float *out, struct err *e)
{
    if (s->demand.load.users > 0)
        return err_set(e, ERR_USAGE, "sim: the arrivals of closed users depend on the answers");
    struct demand d = s->demand;
    demand_fill(&d, m->config.traces, s->t_s, n, out);
    return true;
}
