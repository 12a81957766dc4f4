/* measure: what can be known of the simulated service from outside: Prometheus' scrapes and queries, metrics-server, the API
 * server. In: the state. Out: samples with validities and true ages, and the truth's own sums. Nothing here changes what the
 * pods do. */
#include "state.h"

#include <maestro/scrape.h>
#include <math.h>

static const double RETRANSMIT_MS = 200.0; /* Linux' smallest TCP retransmission time-out */
static const double LOOKBACK_S = 300.0;    /* Prometheus serves an instant selector's last sample for so long */
static const double IDLE_RPS = 1e-9;

static void add_up(const float *count, float *below)
{
    float sum = 0.0f;
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        sum += count[bin];
        below[bin] = sum;
    }
}

/* Delay and loss on the network come on top of what the pods show. */
static void disturb(const struct service *v, const struct sim_state *s, float *count, struct fluid_sums *sums)
{
    float below[LATENCY_BINS], moved[LATENCY_BINS];
    add_up(count, below);
    if (s->network_delay_ms > 0) {
        service_delay(&v->latency, below, s->network_delay_ms, moved);
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            below[bin] = moved[bin];
    }
    float loss = (float)s->network_loss;
    if (loss > 0) {
        service_delay(&v->latency, below, RETRANSMIT_MS, moved);
        for (int bin = 0; bin < LATENCY_BINS; bin++)
            below[bin] += loss * (moved[bin] - below[bin]);
    }
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        count[bin] = bin > 0 ? below[bin] - below[bin - 1] : below[bin];
    sums->latency_ms += sums->requests * (float)(s->network_delay_ms + s->network_loss * RETRANSMIT_MS);
}

/* The pods' L is work. Requests that left are those whose number fell. */
static void count_left(const struct service *v, struct fluid_pods *p, int n_slots)
{
    float surplus = 0.0f;
    for (int i = 0; i < n_slots; i++)
        if (p->l[i] > 0.0f)
            surplus += p->l[i] - latency_inside(&v->latency, p->l[i]);
    p->past.ended += surplus - p->past.surplus;
    p->past.surplus = surplus;
}

void measure_flush(const struct service *v, struct sim_state *s)
{
    float count[LATENCY_BINS];
    count_left(v, &s->pods, s->n_slots);
    struct fluid_sums sums = fluid_mix(&v->fluid, &s->pods, count);
    if (s->network_delay_ms > 0 || s->network_loss > 0)
        disturb(v, s, count, &sums);
    double failed = (double)sums.failed + s->lost;
    count[LATENCY_BINS - 1] += (float)s->lost;
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        s->tally.count[bin] += count[bin];
        s->scrape_count[bin] += count[bin];
    }
    s->tally.requests += (double)sums.requests + s->lost;
    s->tally.failed += failed;
    s->tally.lost += s->lost;
    s->tally.latency_ms_sum += (double)sums.latency_ms + s->lost * (double)v->latency.timeout_ms;
    s->tally.arrivals += s->arrived;
    s->scrape_failed += failed;
    s->lost = 0.0;
    s->arrived = 0.0;
}

/* A Poisson count by Knuth's product method, which asks for exp(-mean): a series is exact to 1e-9 where there is next to
 * nobody to count. */
static double few(struct rng *rng, double mean)
{
    double limit = 1.0 - mean * (1.0 - mean * (1.0 / 2.0 - mean * (1.0 / 6.0 - mean * (1.0 / 24.0))));
    if (mean > 1.0 / 32.0)
        return rng_poisson(rng, mean);
    double count = 0.0, product = rng_double(rng);
    while (product > limit) {
        count += 1.0;
        product *= rng_double(rng);
    }
    return count;
}

/* A Poisson count: exact below a mean of 12, else a rounded near-normal one (sum of four uniforms, variance 1/3). */
static double count_noise(struct rng *rng, double mean)
{
    if (mean < 12.0)
        return few(rng, mean);
    uint32_t a = rng_u32(rng), b = rng_u32(rng);
    double sum = (double)((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16)) * 0x1p-16;
    double draw = floor(mean + sqrt(3.0 * mean) * (sum - 2.0 + 0x1p-15) + 0.5);
    return draw > 0 ? draw : 0.0;
}

static float sum_bins(const float *count, int from, int end)
{
    float sum = 0.0f;
    for (int bin = from; bin < end; bin++)
        sum += count[bin];
    return sum;
}

/* Counters as the service exposes them: whole requests. Independent Poisson counts per bucket are a Poisson total split at
 * random, which is what random arrivals do. */
static void count_buckets(const struct service *v, struct sim_state *s, const double *before, double *bucket)
{
    int n = v->profile.measurement.buckets_ms.n;
    double below = 0.0, counted = 0.0, mix = 0.0;
    int from = 0;
    for (int b = 0; b < n; b++) {
        const struct latency_place *place = &v->buckets[b];
        mix += (double)sum_bins(s->scrape_count, from, place->low + 1);
        from = place->low + 1;
        double within = (double)(place->low_share + place->high_share) * mix +
                        (double)(place->high_share * (place->high > place->low ? s->scrape_count[place->high] : 0.0f));
        counted += within > below ? count_noise(&s->rng_measure, within - below) : 0.0;
        bucket[b] = before[b] + counted;
        below = within > below ? within : below;
    }
    mix += (double)sum_bins(s->scrape_count, from, LATENCY_BINS);
    counted += mix > below ? count_noise(&s->rng_measure, mix - below) : 0.0;
    bucket[n] = before[n] + counted;
}

static bool scrape_fails(const struct service *v, struct sim_state *s)
{
    bool lost = rng_double(&s->rng_measure) < v->profile.measurement.gap_probability;
    return lost || s->t_s < s->prometheus_down_until_s || s->t_s < s->gap_until_s;
}

static bool has_container(const struct slot *p)
{
    return p->phase == SLOT_STARTING || p->phase == SLOT_READY || p->phase == SLOT_TERMINATING;
}

void measure_scrape(const struct service *v, struct sim_state *s)
{
    pods_settle_cpu(v, s);
    measure_flush(v, s);
    if (scrape_fails(v, s))
        return;
    struct store *store = &s->store;
    static const double NOTHING[SERVICE_BUCKETS + 1];
    int row = store->n % RING, before = (store->n + RING - 1) % RING;
    int n = v->profile.measurement.buckets_ms.n;
    const double *bucket_before = store->n ? store->bucket[before] : NOTHING;
    count_buckets(v, s, bucket_before, store->bucket[row]);
    store->time_s[row] = (double)s->t_s;
    store->requests[row] = store->bucket[row][n];
    double counted = store->requests[row] - bucket_before[n];
    store->failed[row] = (store->n ? store->failed[before] : 0.0) + fmin(counted, floor(s->scrape_failed + 0.5));
    store->memory_mib = 0.0;
    for (int i = 0; i < s->n_slots; i++) {
        bool there = has_container(&s->slots[i]);
        store->cpu_s[row][i] = there ? s->cpu_total_s[i] : (double)NAN;
        store->memory_mib += there ? pods_memory_mib(v, s, i) : 0.0;
    }
    store->n++;
    s->scrape_failed = 0.0;
    for (int bin = 0; bin < LATENCY_BINS; bin++)
        s->scrape_count[bin] = 0.0f;
}

void measure_metrics_server(const struct service *v, struct sim_state *s)
{
    pods_settle_cpu(v, s);
    if (s->t_s < s->gap_until_s)
        return;
    for (int i = 0; i < s->n_slots; i++) {
        struct slot *p = &s->slots[i];
        if (!has_container(p)) {
            p->has_metrics = false;
            p->metrics_time_s = (double)NAN;
            continue;
        }
        bool first = isnan(p->metrics_time_s);
        double window_s = (double)s->t_s - p->metrics_time_s;
        if (!first) {
            p->metrics_percent = 100.0 * (s->cpu_total_s[i] - p->metrics_total_s) / window_s;
            p->metrics_window_s = window_s;
            p->has_metrics = true;
        }
        p->metrics_total_s = s->cpu_total_s[i];
        p->metrics_time_s = (double)s->t_s;
    }
}

/* The range selector at s->t_s: rows of the ring from first (oldest) on, n of them. */
struct range {
    int first, n;
    struct scrape_window window; /* if n >= 2 */
};

static struct range range_now(const struct service *v, const struct sim_state *s)
{
    const struct profile_measurement *c = &v->profile.measurement;
    const struct store *store = &s->store;
    struct range r = {.first = store->n};
    double now_s = (double)s->t_s;
    while (r.n < RING - 1 && r.first > 0 &&
           scrape_inside(store->time_s[(r.first - 1) % RING], now_s, c->window_s, c->prometheus)) {
        r.first--;
        r.n++;
    }
    if (r.n >= 2)
        r.window = scrape_window(store->time_s[r.first % RING], store->time_s[(r.first + r.n - 1) % RING], r.n, now_s,
                                 c->window_s, c->prometheus);
    return r;
}

/* A pod's series may begin or end inside the window. */
static double pod_cpu_rate(const struct store *store, const struct range *r, double at_s, int slot)
{
    int first = r->first, last = r->first + r->n - 1;
    double from = store->cpu_s[first % RING][slot], to = store->cpu_s[last % RING][slot];
    if (!isnan(from) && !isnan(to))
        return scrape_rate(&r->window, from, to - from);
    while (first < last && isnan(store->cpu_s[first % RING][slot]))
        first++;
    while (first < last && isnan(store->cpu_s[last % RING][slot]))
        last--;
    if (last <= first)
        return (double)NAN;
    from = store->cpu_s[first % RING][slot];
    to = store->cpu_s[last % RING][slot];
    struct scrape_window w = scrape_window(store->time_s[first % RING], store->time_s[last % RING], last - first + 1,
                                           at_s, r->window.window_s, r->window.version);
    return scrape_rate(&w, from, to - from);
}

static struct reading cpu_reading(const struct sim_state *s, const struct range *r)
{
    struct reading out = {.validity = VALIDITY_NO_DATA};
    if (r->n < 2)
        return out;
    double cores = 0.0, first_s = s->store.time_s[r->first % RING];
    for (int i = 0; i < s->n_slots; i++) {
        const struct slot *p = &s->slots[i];
        if (p->phase == SLOT_GONE && (double)p->gone_s <= first_s)
            continue;
        double rate = pod_cpu_rate(&s->store, r, (double)s->t_s, i);
        if (!isnan(rate)) {
            cores += rate;
            out.validity = VALIDITY_VALID;
        }
    }
    out.value = 100.0 * cores;
    return out;
}

static double counter_rate(const struct range *r, double first, double last)
{
    return scrape_rate(&r->window, first, last - first);
}

static struct reading rps_reading(const struct sim_state *s, const struct range *r)
{
    if (r->n < 2)
        return (struct reading){.validity = VALIDITY_NO_DATA};
    const double *requests = s->store.requests;
    return (struct reading){.value = counter_rate(r, requests[r->first % RING], requests[(r->first + r->n - 1) % RING]),
                            .validity = VALIDITY_VALID};
}

static struct reading error_reading(const struct sim_state *s, const struct range *r, const struct reading *rps)
{
    if (rps->validity != VALIDITY_VALID)
        return *rps;
    if (rps->value < IDLE_RPS)
        return (struct reading){.validity = VALIDITY_ABSENT};
    const double *failed = s->store.failed;
    double rate = counter_rate(r, failed[r->first % RING], failed[(r->first + r->n - 1) % RING]);
    return (struct reading){.value = fmin(rate / rps->value, 1.0), .validity = VALIDITY_VALID};
}

static struct reading p95_reading(const struct service *v, const struct sim_state *s, const struct range *r,
                                  const struct reading *rps)
{
    const struct config_list *bounds = &v->profile.measurement.buckets_ms;
    if (r->n < 2)
        return (struct reading){.validity = VALIDITY_NO_DATA};
    const double *from = s->store.bucket[r->first % RING], *to = s->store.bucket[(r->first + r->n - 1) % RING];
    double rates[SERVICE_BUCKETS + 1];
    for (int b = 0; b <= bounds->n; b++)
        rates[b] = counter_rate(r, from[b], to[b]);
    double value = scrape_quantile(v->profile.measurement.quantile, bounds->v, rates, bounds->n);
    if (!isnan(value))
        return (struct reading){.value = value, .validity = VALIDITY_VALID};
    bool idle = rps->validity == VALIDITY_VALID && rps->value < IDLE_RPS;
    return (struct reading){.validity = idle ? VALIDITY_ABSENT : VALIDITY_NO_DATA};
}

static struct reading memory_reading(const struct service *v, const struct sim_state *s, double age_s)
{
    double limit_mib = v->profile.pods.memory_limit_mib;
    if (limit_mib <= 0)
        return (struct reading){.validity = VALIDITY_ABSENT};
    if (s->store.n == 0 || age_s > LOOKBACK_S || s->spec <= 0)
        return (struct reading){.validity = VALIDITY_NO_DATA};
    return (struct reading){.value = s->store.memory_mib / (limit_mib * s->spec), .validity = VALIDITY_VALID};
}

/* spec.replicas as the API server shows it: late by a lag, frozen while the API is slow. */
static struct reading replicas_reading(const struct service *v, const struct sim_state *s)
{
    const struct profile_measurement *c = &v->profile.measurement;
    double since_change_s = (double)(s->t_s - s->spec_changed_s);
    struct reading out = {.value = s->spec, .age_s = c->replicas_lag_s, .validity = VALIDITY_VALID};
    if (since_change_s < c->replicas_lag_s)
        out.value = s->spec_seen;
    if (s->t_s >= s->api_slow_until_s)
        return out;
    out.age_s += (double)(s->t_s - s->api_slow_since_s);
    if (s->spec_changed_s > s->api_slow_since_s)
        out.value = s->spec_seen;
    if (out.age_s > c->stale_after_s)
        out.validity = VALIDITY_STALE;
    return out;
}

/* What Prometheus being down, or old samples, make of an answer. */
static void age_reading(const struct service *v, const struct sim_state *s, double age_s, struct reading *r)
{
    r->age_s = age_s;
    if (s->t_s < s->prometheus_down_until_s)
        *r = (struct reading){.age_s = age_s, .validity = VALIDITY_FAILED};
    else if (r->validity == VALIDITY_VALID && age_s > v->profile.measurement.stale_after_s)
        r->validity = VALIDITY_STALE;
}

static struct pod_record pod_record_of(const struct service *v, const struct sim_state *s, int slot)
{
    const struct slot *p = &s->slots[slot];
    bool pending = p->phase == SLOT_PENDING;
    return (struct pod_record){
        .cpu_percent = p->metrics_percent,
        .cpu_sample_time_s = p->metrics_time_s,
        .cpu_window_s = p->metrics_window_s,
        .cpu_request_percent = 100.0 * v->profile.pods.cpu_request_cores,
        .start_time_s = (double)p->start_time_s,
        .ready_changed_s = (double)p->ready_changed_s,
        .phase = pending ? POD_PENDING : POD_RUNNING,
        .has_cpu = p->has_metrics,
        .has_start_time = !pending,
        .has_ready_condition = !pending,
        .ready = p->phase == SLOT_READY,
        .deleting = p->phase == SLOT_TERMINATING,
    };
}

static int list_pods(const struct service *v, const struct sim_state *s, struct pod_record *pods)
{
    int n = 0;
    for (int i = 0; i < s->n_slots; i++)
        if (s->slots[i].phase != SLOT_FREE && s->slots[i].phase != SLOT_GONE)
            pods[n++] = pod_record_of(v, s, i);
    return n;
}

void measure_sample(const struct sim_model *m, const struct sim_state *s, bool with_pods, struct pod_record *pods,
                    struct sample *out)
{
    const struct service *v = state_service(m, s);
    struct range r = range_now(v, s);
    double age_s = s->store.n ? (double)s->t_s - s->store.time_s[(s->store.n - 1) % RING] : (double)s->t_s;
    *out = (struct sample){
        .time_s = (double)s->t_s, .ready = s->n_ready, .starting = s->n_starting, .terminating = s->n_terminating};
    struct reading *signals = out->signals;
    signals[SIGNAL_CPU] = cpu_reading(s, &r);
    signals[SIGNAL_MEMORY] = memory_reading(v, s, age_s);
    signals[SIGNAL_REPLICAS] = replicas_reading(v, s);
    signals[SIGNAL_RPS] = rps_reading(s, &r);
    signals[SIGNAL_P95] = p95_reading(v, s, &r, &signals[SIGNAL_RPS]);
    out->error_ratio = error_reading(s, &r, &signals[SIGNAL_RPS]);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (i != SIGNAL_REPLICAS && !(i == SIGNAL_MEMORY && v->profile.pods.memory_limit_mib <= 0))
            age_reading(v, s, age_s, &signals[i]);
    age_reading(v, s, age_s, &out->error_ratio);
    if (with_pods) {
        out->n_pods = list_pods(v, s, pods);
        out->pods = pods;
    }
}
