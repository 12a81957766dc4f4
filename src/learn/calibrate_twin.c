/* calibrate_twin: the simulator in the place of the cluster. In: a profile, and rows that say when how much was asked of how many
 * pods. Out: the same history as Prometheus would have kept of it, a row a second. Faults, drift and lost scrapes are off: what
 * is compared is the service. */
#include <maestro/calibrate.h>

#include <maestro/exact.h>
#include <maestro/sim.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct history *schedule;
    struct history *out;
    struct trace trace; /* owned; offered rate by second */
    struct sim_model *model;
    struct exact *exact;     /* NULL: the fast one */
    struct sim_state *state; /* of the fast one, owned */
    struct sim own, *sim;
    struct sim_look look; /* as of the last row */
    double cpu_s, latency_s;
    bool looked;
};

static const struct history_row *row_at(const struct history *h, double since_s)
{
    int low = 0, high = h->n;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (h->rows[middle].time_s - h->rows[0].time_s <= since_s)
            low = middle;
        else
            high = middle;
    }
    return &h->rows[low];
}

static bool make_trace(struct run *r, struct err *e)
{
    const struct history *h = r->schedule;
    int n = (int)ceil(h->rows[h->n - 1].time_s - h->rows[0].time_s) + 2;
    r->trace = (struct trace){.name = "offered",
                              .n = n,
                              .time_s = calloc((size_t)n, sizeof(double)),
                              .value = calloc((size_t)n, sizeof(double))};
    if (!r->trace.time_s || !r->trace.value)
        return err_set(e, ERR_IO, "calibrate: no memory for the load");
    for (int i = 0; i < n; i++) {
        double offered = row_at(h, i)->offered_rps;
        r->trace.time_s[i] = i;
        r->trace.value[i] = isnan(offered) ? 0 : offered;
        r->trace.max = fmax(r->trace.max, r->trace.value[i]);
    }
    return true;
}

static bool open_model(struct run *r, const struct calibrate_twin *twin, struct err *e)
{
    struct service_profile p = *twin->profile;
    p.service.drift = 0;
    p.measurement.gap_probability = 0;
    p.measurement.scrape_s = 1;
    p.measurement.window_s = fmin(fmax(p.measurement.window_s, 2), 30);
    p.random.enabled = false;
    const struct sim_config config = {.profile = &p,
                                      .traces = &r->trace,
                                      .n_traces = 1,
                                      .n_variants = 1,
                                      .n_threads = 1,
                                      .max_replicas = REPLICAS_LIMIT,
                                      .episode_s = r->trace.n,
                                      .seed = twin->seed};
    return sim_model_open(&config, &r->model, e);
}

static bool begin(struct run *r, const struct calibrate_twin *twin, struct err *e)
{
    struct sim_scenario scenario = {.load = {.shape = LOAD_TRACE, .scale = 1}, .replicas = r->schedule->rows[0].spec};
    if (twin->exact) {
        if (!exact_open(r->model, &r->exact, e))
            return false;
        exact_begin(r->exact, &scenario, twin->seed, 0);
        r->sim = exact_sim(r->exact);
        return true;
    }
    size_t bytes = (sim_state_bytes() + 63) / 64 * 64;
    r->state = aligned_alloc(64, bytes);
    if (!r->state)
        return err_set(e, ERR_IO, "calibrate: no memory for the simulator");
    memset(r->state, 0, bytes);
    r->sim = &r->own;
    sim_bind(r->sim, r->model, r->state);
    sim_begin(r->model, r->state, &scenario, twin->seed, 0);
    return true;
}

/* CPU of the same container in the look before; 0: it is new. */
static double cpu_before(const struct sim_look *before, const struct sim_pod_look *pod)
{
    for (int i = 0; i < before->n_pods; i++)
        if (before->pods[i].slot == pod->slot && before->pods[i].start_time_s == pod->start_time_s)
            return before->pods[i].cpu_s;
    return 0;
}

static bool add_row(struct run *r, double since_s, struct err *e)
{
    static const struct sim_look nothing;
    struct sim_look look;
    struct sim_truth truth;
    const struct history_row *asked = row_at(r->schedule, since_s);
    if (!sim_look(r->sim, &look))
        return true;
    sim_truth_take(r->sim, &truth);
    struct history_row row = {.time_s = since_s,
                              .step = asked->step,
                              .offered_rps = asked->offered_rps,
                              .spec = look.spec,
                              .ready = look.ready,
                              .starting = look.starting,
                              .requests = look.requests,
                              .failed = look.failed,
                              .cpu_fresh = true};
    const struct sim_look *before = r->looked ? &r->look : &look;
    for (int i = 0; i < look.n_pods; i++) {
        double was = cpu_before(before, &look.pods[i]);
        r->cpu_s += look.pods[i].cpu_s >= was ? look.pods[i].cpu_s - was : look.pods[i].cpu_s;
        row.memory_mib += look.pods[i].memory_mib;
    }
    if (r->looked && truth.requests > 0)
        r->latency_s += truth.mean_ms * truth.requests / 1000;
    row.cpu_s = r->cpu_s;
    row.latency_s = r->latency_s;
    for (int b = 0; b <= look.n_buckets && b < HISTORY_BUCKETS; b++)
        row.bucket[b] = look.buckets[b];
    r->look = r->looked || look.n_pods > 0 ? look : nothing;
    r->looked = true;
    return history_add(r->out, &row, e);
}

/* Counters from 0 on, as a history has them. */
static void rebase(struct history *h)
{
    const struct history_row first = h->rows[0];
    for (int i = 0; i < h->n; i++) {
        struct history_row *row = &h->rows[i];
        row->requests -= first.requests;
        row->failed -= first.failed;
        for (int b = 0; b < HISTORY_BUCKETS; b++)
            row->bucket[b] -= first.bucket[b];
    }
}

static bool play(struct run *r, struct err *e)
{
    int seconds = r->trace.n - 2;
    for (int t = 0; t <= seconds; t++) {
        int wanted = row_at(r->schedule, t)->spec;
        if (!cluster_scale(&r->sim->cluster, wanted, e) || !add_row(r, t, e) ||
            !cluster_advance(&r->sim->cluster, 1, e))
            return false;
    }
    if (r->out->n < 2)
        return err_set(e, ERR_USAGE, "calibrate: the schedule is shorter than two seconds");
    rebase(r->out);
    return true;
}

static bool run_once(const struct calibrate_twin *twin, const struct history *schedule, struct history *out,
                     struct err *e)
{
    const struct config_list *bounds = &twin->profile->measurement.buckets_ms;
    struct run r = {.schedule = schedule, .out = out};
    *out = (struct history){.n_bounds = bounds->n, .scrape_s = 1};
    for (int b = 0; b < bounds->n && b < HISTORY_BUCKETS - 1; b++)
        out->bound_ms[b] = bounds->v[b];
    bool done = make_trace(&r, e) && open_model(&r, twin, e) && begin(&r, twin, e) && play(&r, e);
    exact_close(r.exact);
    free(r.state);
    sim_model_close(r.model);
    trace_finish(&r.trace);
    if (!done)
        history_finish(out);
    return done;
}

/* Counters of one more run, at a share. The pods of the rows stay those of the first. */
static void blend(struct history *to, const struct history *from, double share)
{
    for (int i = 0; i < to->n && i < from->n; i++) {
        struct history_row *a = &to->rows[i];
        const struct history_row *b = &from->rows[i];
        a->requests += share * (b->requests - a->requests);
        a->failed += share * (b->failed - a->failed);
        a->latency_s += share * (b->latency_s - a->latency_s);
        a->cpu_s += share * (b->cpu_s - a->cpu_s);
        for (int k = 0; k < HISTORY_BUCKETS; k++)
            a->bucket[k] += share * (b->bucket[k] - a->bucket[k]);
    }
}

bool calibrate_run_twin(const struct calibrate_twin *twin, const struct history *schedule, struct history *out,
                        struct err *e)
{
    struct history sum = {0};
    if (!run_once(twin, schedule, &sum, e))
        return false;
    for (int i = 1; i < twin->runs; i++) {
        struct calibrate_twin next = *twin;
        struct history one;
        next.seed = twin->seed + (uint64_t)i;
        if (!run_once(&next, schedule, &one, e)) {
            history_finish(&sum);
            return false;
        }
        blend(&sum, &one, 1.0 / (i + 1));
        history_finish(&one);
    }
    *out = sum;
    return true;
}
