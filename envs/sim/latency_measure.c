/* latency_measure: makes a latency table. In: a service. Out: its table. A pod is run, request by request, at rising loads up
 * to 0.97 of capacity; what is seen (mean number inside, latencies) becomes points over L, smoothed so that nothing falls as
 * the load rises; rows lie between the points. Rows of an overload that lasts follow from first-come-first-served waiting for
 * a place, processor sharing in it, and time-outs. It knows nothing of clusters, balancing or faults.
 *
 * Three things let few requests tell much. Arrivals and demands come from pools drawn evenly over their distributions. The
 * same arrivals also pass one fast server, whose mean workload is known (Pollaczek and Khinchine); what it misses by corrects
 * the pod's L (a control variate). And near saturation, neighbouring loads share their shape. */
#include "latency_points.h"

#include <assert.h>
#include <maestro/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_STREAM 0x6c6174 /* of the random numbers that tables are measured with */
#define POOL 16384              /* power of two */

/* Share of capacity of the measured loads, and requests of each in 1/8 of the pool. */
static const struct {
    double load;
    int eighths;
} LOADS[] = {
    {0.01, 1},  {0.03, 1},  {0.06, 2},  {0.10, 2},  {0.16, 2},  {0.22, 3},   {0.28, 4},  {0.34, 4},
    {0.40, 4},  {0.46, 4},  {0.52, 5},  {0.58, 6},  {0.64, 6},  {0.70, 8},   {0.75, 10}, {0.80, 14},
    {0.84, 16}, {0.87, 20}, {0.90, 20}, {0.92, 20}, {0.94, 20}, {0.955, 16}, {0.97, 16},
};
#define N_LOADS ((int)(sizeof LOADS / sizeof *LOADS))

/* Beyond capacity, measured only where the pod can hold so few requests that it settles soon. */
static const double OVERLOADS[] = {1.0, 1.05, 1.12, 1.25, 1.5, 2.0, 4.0};
#define N_OVERLOADS ((int)(sizeof OVERLOADS / sizeof *OVERLOADS))
#define SMALL_POD 200.0 /* requests */
#define OVERLOAD_EIGHTHS 4
#define BATCHES 32

struct pool {
    float gap[POOL]; /* mean 1 */
    float cpu_s[POOL];
    float wait_s[POOL];
};

struct measure {
    struct latency_points points;
    struct pod pod;
    struct pool pool;
    struct rng rng;
    double second_moment; /* of cpu_s, in the pool */
    double gap_s;         /* scale of the gaps at the load being run */
    double workload_s;    /* of the control: one server that does capacity x cpu_s of work per second */
    /* of the run going on */
    double served, given_up, turned_away;
    double latency_s; /* sum */
    uint32_t fine[FINE_BINS];
};

static void shuffle(float *values /* [POOL] */, struct rng *r)
{
    for (uint32_t i = POOL - 1; i > 0; i--) {
        uint32_t j = rng_bounded(r, i + 1);
        float swap = values[i];
        values[i] = values[j];
        values[j] = swap;
    }
}

static void scale_to_mean(float *values /* [POOL] */, double mean)
{
    double sum = 0.0;
    for (int i = 0; i < POOL; i++)
        sum += (double)values[i];
    float factor = sum > 0.0 ? (float)(mean * POOL / sum) : 0.0f;
    for (int i = 0; i < POOL; i++)
        values[i] *= factor;
}

/* One draw from each of POOL equally likely parts of the exponential distribution. */
static void fill_exponential(float *out /* [POOL] */, double mean, struct rng *r)
{
    for (int i = 0; i < POOL; i++)
        out[i] = (float)-log(((double)i + 1.0 - rng_double(r)) / POOL);
    scale_to_mean(out, mean);
    shuffle(out, r);
}

/* The same of the log-normal. The normal quantile is followed upwards by Newton's method, from stratum to stratum. */
static void fill_lognormal(float *out /* [POOL] */, double mean, double cv, struct rng *r)
{
    const double sigma = sqrt(log1p(cv * cv)), root = 0.70710678118654752440, density = 0.39894228040143267794;
    double z = -4.5;
    for (int i = 0; i < POOL; i++) {
        double u = ((double)i + fmax(rng_double(r), 0.01)) / POOL;
        for (int k = 0; k < (i == 0 ? 8 : 2); k++) {
            double step = (0.5 * erfc(-z * root) - u) / (density * exp(-0.5 * z * z));
            z -= fmax(-0.5, fmin(0.5, step));
        }
        out[i] = (float)exp(sigma * z);
    }
    scale_to_mean(out, mean);
    shuffle(out, r);
}

static void fill_pool(struct measure *m)
{
    const struct pod_config *c = &m->points.config;
    fill_exponential(m->pool.gap, 1.0, &m->rng);
    if (c->cpu_exponential)
        fill_exponential(m->pool.cpu_s, c->cpu_s, &m->rng);
    else
        fill_lognormal(m->pool.cpu_s, c->cpu_s, fmax(0.0, c->cpu_cv), &m->rng);
    for (int i = 0; i < POOL; i++)
        m->second_moment += (double)m->pool.cpu_s[i] * (double)m->pool.cpu_s[i] / POOL;
    if (c->wait_s > 0.0)
        fill_lognormal(m->pool.wait_s, c->wait_s, fmax(0.0, c->wait_cv), &m->rng);
}

static void count_ended(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    struct measure *m = context;
    double latency_s = now_s - request->arrival_s;
    if (outcome == POD_SERVED) {
        m->served += 1.0;
        m->fine[latency_fine_bin(latency_s * 1000.0)]++;
    } else {
        m->given_up += 1.0;
        latency_s = m->points.config.timeout_s;
    }
    m->latency_s += latency_s;
}

static void forget_counts(struct measure *m)
{
    m->served = m->given_up = m->turned_away = m->latency_s = 0.0;
    m->pod.inside_s = m->pod.cpu_used_s = 0.0;
    memset(m->fine, 0, sizeof m->fine);
}

struct cursor {
    uint32_t gap, demand; /* where in the pool; apart from each other, so that passes over it differ */
};

/* n arrivals. Returns the sum of the control's workload as each of them finds it. */
static double run_arrivals(struct measure *m, struct cursor *at, int n)
{
    const struct pod_sink sink = {count_ended, m};
    const double work_per_s = m->points.capacity_rps * m->points.config.cpu_s;
    double found_s = 0.0;
    for (int i = 0; i < n; i++) {
        double gap_s = m->gap_s * (double)m->pool.gap[at->gap++ % POOL];
        uint32_t of = at->demand++ % POOL;
        pod_run(&m->pod, m->pod.now_s + gap_s, &sink);
        struct pod_request request = {m->pod.now_s, (double)m->pool.cpu_s[of], (double)m->pool.wait_s[of]};
        m->turned_away += pod_offer(&m->pod, &request) ? 0.0 : 1.0;
        m->workload_s = fmax(0.0, m->workload_s - gap_s * work_per_s);
        found_s += m->workload_s;
        m->workload_s += request.cpu_s;
    }
    return found_s;
}

#define STOCK 1024 /* requests waiting while capacity is measured */

/* Served requests/s of a pod that always has someone waiting, by the CPU it uses: requests are of one mean. */
static bool measure_capacity(struct measure *m, int effort, struct err *e)
{
    struct pod_config endless = m->points.config;
    endless.timeout_s = HUGE_VAL;
    endless.backlog = STOCK;
    if (!pod_open(&m->pod, &endless, 0.0, 0.0, e))
        return false;
    const struct pod_sink sink = {count_ended, m};
    const double chunk_s = STOCK / 4.0 * m->points.config.cpu_s / m->points.config.cores;
    const double n_warm = POOL / 8.0, n = n_warm + POOL / 2.0 * (double)effort;
    double warm_s = 0.0;
    uint32_t demand = 0;
    while (m->served < n) {
        struct pod_request request;
        do {
            uint32_t of = demand++ % POOL;
            request = (struct pod_request){m->pod.now_s, (double)m->pool.cpu_s[of], (double)m->pool.wait_s[of]};
        } while (pod_offer(&m->pod, &request));
        pod_run(&m->pod, m->pod.now_s + chunk_s, &sink);
        if (m->served < n_warm) {
            warm_s = m->pod.now_s;
            m->pod.cpu_used_s = 0.0;
        }
    }
    m->points.capacity_rps = m->pod.cpu_used_s / (m->points.config.cpu_s * (m->pod.now_s - warm_s));
    pod_close(&m->pod);
    return true;
}

/* L of a run less what the control explains of its error: batches tell how far the two go together. */
static double corrected_l(const double *l, const double *work /* [BATCHES] */, double expected_work)
{
    double l_mean = 0.0, work_mean = 0.0, together = 0.0, spread = 0.0;
    for (int i = 0; i < BATCHES; i++) {
        l_mean += l[i] / BATCHES;
        work_mean += work[i] / BATCHES;
    }
    for (int i = 0; i < BATCHES; i++) {
        together += (l[i] - l_mean) * (work[i] - work_mean);
        spread += (work[i] - work_mean) * (work[i] - work_mean);
    }
    double slope = spread > 0.0 ? together / spread : 0.0;
    double corrected = l_mean - slope * (work_mean - expected_work);
    return fmax(0.5 * l_mean, fmin(2.0 * l_mean, corrected));
}

/* One load, from the state that the load before left behind; the first eighth only settles. */
static void measure_point(struct measure *m, double load, int n)
{
    const double rate_rps = load * m->points.capacity_rps;
    struct cursor at = {rng_u32(&m->rng), rng_u32(&m->rng)};
    double l[BATCHES], work[BATCHES];
    const int n_batch = n / BATCHES;
    m->gap_s = 1.0 / rate_rps;
    (void)run_arrivals(m, &at, n / 8);
    forget_counts(m);
    double started_s = m->pod.now_s;
    for (int i = 0; i < BATCHES; i++) {
        double batch_s = m->pod.now_s, inside_s = m->pod.inside_s;
        work[i] = run_arrivals(m, &at, n_batch) / n_batch;
        l[i] = (m->pod.inside_s - inside_s) / (m->pod.now_s - batch_s);
    }
    double seconds = m->pod.now_s - started_s, ended = m->served + m->given_up;
    double seen_l = m->pod.inside_s / seconds;
    double expected_work = load * m->second_moment / (2.0 * m->points.config.cpu_s * (1.0 - load));
    struct latency_point *out = &m->points.at[m->points.n++];
    *out = (struct latency_point){
        .load = load,
        .rate_rps = rate_rps,
        .seen_l = seen_l,
        .l = load < 0.98 ? corrected_l(l, work, expected_work) : seen_l,
        .rejected = m->turned_away / (ended + m->turned_away),
        .failed = m->given_up / ended,
        .clip = m->latency_s / m->pod.inside_s,
        .weight = n * fmax(1e-3, (1.0 - load) * (1.0 - load)),
    };
    latency_read_levels(m->fine, ended, m->points.config.timeout_s * 1000.0, out->level_ms);
}

static bool measure_points(struct measure *m, int effort, struct err *e)
{
    if (!pod_open(&m->pod, &m->points.config, 0.0, 0.0, e))
        return false;
    for (int i = 0; i < N_LOADS; i++)
        measure_point(m, LOADS[i].load, LOADS[i].eighths * (POOL / 8) * effort);
    double most = fmin((double)(m->points.config.concurrency + m->points.config.backlog),
                       m->points.capacity_rps * m->points.config.timeout_s);
    for (int i = 0; i < N_OVERLOADS && most <= SMALL_POD; i++)
        measure_point(m, OVERLOADS[i], OVERLOAD_EIGHTHS * (POOL / 8) * effort);
    pod_close(&m->pod);
    return true;
}

bool latency_table_measure_well(const struct service_model *service, uint64_t seed, int effort,
                                struct latency_table *out, struct err *e)
{
    struct measure *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_IO, "latency table: no memory");
    rng_init(&m->rng, seed, LATENCY_STREAM);
    bool done = pod_config_from(service, &m->points.config, e);
    if (done) {
        fill_pool(m);
        done = measure_capacity(m, effort, e) && measure_points(m, effort, e);
    }
    if (done)
        latency_fit(&m->points, seed, out);
    free(m);
    return done;
}

bool latency_table_measure(const struct service_model *service, uint64_t seed, struct latency_table *out, struct err *e)
{
    return latency_table_measure_well(service, seed, 1, out, e);
}
