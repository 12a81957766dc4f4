/* latency_measure: makes a latency table. In: a service. Out: its table. A pod is run, request by request, at rising loads up
 * to 0.97 of capacity; what is seen (mean number inside, latencies) becomes points over L, smoothed so that nothing falls as
 * the load rises; rows lie between the points. Rows of an overload that lasts follow from first-come-first-served waiting for
 * a place, processor sharing in it, and time-outs. It knows nothing of clusters, balancing or faults.
 *
 * Three things let few requests tell much. Arrivals and demands come from pools drawn evenly over their distributions. The
 * same arrivals also pass one server of known workload, and requests count by how often such workloads should be found
 * (latency_control.h). And near saturation, neighbouring loads share their shape. */
#include "latency_control.h"
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
    {0.01, 1}, {0.03, 1}, {0.06, 1}, {0.10, 1}, {0.16, 1}, {0.22, 2},  {0.28, 2}, {0.34, 2},
    {0.40, 2}, {0.46, 2}, {0.52, 3}, {0.58, 3}, {0.64, 3}, {0.70, 4},  {0.75, 5}, {0.80, 6},
    {0.84, 6}, {0.87, 8}, {0.90, 8}, {0.92, 8}, {0.94, 8}, {0.955, 8}, {0.97, 8},
};
#define N_LOADS ((int)(sizeof LOADS / sizeof *LOADS))

/* Beyond capacity, measured only where the pod can hold so few requests that it settles soon. */
static const double OVERLOADS[] = {1.0, 1.05, 1.12, 1.25, 1.5, 2.0, 4.0};
#define N_OVERLOADS ((int)(sizeof OVERLOADS / sizeof *OVERLOADS))
#define SMALL_POD 200.0 /* requests */
#define OVERLOAD_EIGHTHS 4
#define MOST_EIGHTHS 20

struct pool {
    float gap[POOL]; /* mean 1 */
    float cpu_s[POOL];
    float wait_s[POOL];
    float job_s[POOL]; /* of the control */
};

struct ended {
    float latency_s;
    int stratum; /* less than 0: given up, ~stratum */
};

struct measure {
    struct latency_points points;
    struct pod pod;
    struct pool pool;
    struct rng rng;
    struct latency_control control;
    double job_s;      /* mean job of the control */
    double gap_s;      /* scale of the gaps at the load being run */
    double workload_s; /* of the control: one server that does capacity x job_s of work per second */
    /* of the run going on */
    int n_ended, turned_away;
    int seen[CONTROL_STRATA];
    struct ended *ended; /* [n_ended], room for ended_limit; owned */
    int ended_limit;
    double weight[CONTROL_STRATA];
    float fine[FINE_BINS];
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

/* What a request asks of whatever runs out first: the CPU, or places. */
static void fill_jobs(struct measure *m)
{
    const struct pod_config *c = &m->points.config;
    double cores = c->limit_cores > 0.0 ? fmin(c->limit_cores, c->cores) : c->cores;
    bool places = c->concurrency / (c->cpu_s + c->wait_s) < cores / c->cpu_s;
    m->job_s = places ? c->cpu_s + c->wait_s : c->cpu_s;
    for (int i = 0; i < POOL; i++)
        m->pool.job_s[i] = m->pool.cpu_s[i] + (places ? m->pool.wait_s[i] : 0.0f);
}

static void fill_pool(struct measure *m)
{
    const struct pod_config *c = &m->points.config;
    fill_exponential(m->pool.gap, 1.0, &m->rng);
    if (c->cpu_exponential)
        fill_exponential(m->pool.cpu_s, c->cpu_s, &m->rng);
    else
        fill_lognormal(m->pool.cpu_s, c->cpu_s, fmax(0.0, c->cpu_cv), &m->rng);
    if (c->wait_s > 0.0)
        fill_lognormal(m->pool.wait_s, c->wait_s, fmax(0.0, c->wait_cv), &m->rng);
    fill_jobs(m);
}

static void count_ended(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    struct measure *m = context;
    if (m->n_ended >= m->ended_limit)
        return;
    bool served = outcome == POD_SERVED;
    m->seen[request->mark]++;
    m->ended[m->n_ended++] =
        (struct ended){(float)(now_s - request->arrival_s), served ? request->mark : ~request->mark};
}

static void forget_counts(struct measure *m)
{
    m->n_ended = m->turned_away = 0;
    memset(m->seen, 0, sizeof m->seen);
}

/* A walk through the pool: each entry once, in an order of its own (odd strides, as the pool's size is a power of two), so
 * that loads do not share the accidents of one order. */
struct cursor {
    uint32_t gap, gap_stride, demand, demand_stride;
};

static struct cursor draw_cursor(struct rng *r)
{
    struct cursor c;
    c.gap = rng_u32(r);
    c.gap_stride = rng_u32(r) | 1u;
    c.demand = rng_u32(r);
    c.demand_stride = rng_u32(r) | 1u;
    return c;
}

static void run_arrivals(struct measure *m, struct cursor *at, int n)
{
    const struct pod_sink sink = {count_ended, m};
    const double work_per_s = m->points.capacity_rps * m->job_s;
    for (int i = 0; i < n; i++) {
        double gap_s = m->gap_s * (double)m->pool.gap[at->gap % POOL];
        uint32_t of = at->demand % POOL;
        at->gap += at->gap_stride;
        at->demand += at->demand_stride;
        pod_run(&m->pod, m->pod.now_s + gap_s, &sink);
        m->workload_s -= gap_s * work_per_s;
        m->workload_s = m->workload_s > 0.0 ? m->workload_s : 0.0;
        struct pod_request request = {m->pod.now_s, (double)m->pool.cpu_s[of], (double)m->pool.wait_s[of],
                                      latency_control_stratum(&m->control, m->workload_s)};
        m->turned_away += !pod_offer(&m->pod, &request);
        m->workload_s += (double)m->pool.job_s[of];
    }
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
    while (m->n_ended < n) {
        struct pod_request request;
        do {
            uint32_t of = demand++ % POOL;
            request = (struct pod_request){
                .arrival_s = m->pod.now_s, .cpu_s = (double)m->pool.cpu_s[of], .wait_s = (double)m->pool.wait_s[of]};
        } while (pod_offer(&m->pod, &request));
        pod_run(&m->pod, m->pod.now_s + chunk_s, &sink);
        if (m->n_ended < n_warm) {
            warm_s = m->pod.now_s;
            m->pod.cpu_used_s = 0.0;
        }
    }
    m->points.capacity_rps = m->pod.cpu_used_s / (m->points.config.cpu_s * (m->pod.now_s - warm_s));
    pod_close(&m->pod);
    return true;
}

/* Weighs what ended. Returns the mean latency; share given up in *failed. */
static double weigh_ended(struct measure *m, double load, double *failed)
{
    double sum_s = 0.0, given_up = 0.0, n = 0.0;
    for (int i = 0; i < CONTROL_STRATA; i++)
        m->weight[i] = 1.0;
    if (load < 1.0)
        latency_control_weigh(&m->control, m->seen, m->weight);
    memset(m->fine, 0, sizeof m->fine);
    for (int i = 0; i < m->n_ended; i++) {
        struct ended e = m->ended[i];
        bool served = e.stratum >= 0;
        double weight = m->weight[served ? e.stratum : ~e.stratum];
        n += weight;
        sum_s += weight * (double)e.latency_s;
        if (served)
            m->fine[latency_fine_bin((double)e.latency_s * 1000.0)] += (float)weight;
        else
            given_up += weight;
    }
    *failed = given_up / n;
    return sum_s / n;
}

/* One load, from the state that the load before left behind; the first eighth only settles. */
static void measure_point(struct measure *m, double load, int n)
{
    const double rate_rps = load * m->points.capacity_rps;
    struct cursor at = draw_cursor(&m->rng);
    m->gap_s = 1.0 / rate_rps;
    latency_control_solve(m->pool.job_s, POOL, fmin(load, 0.98), &m->control);
    run_arrivals(m, &at, n / 8);
    forget_counts(m);
    for (int done = 0; done < n; done += POOL) {
        at = draw_cursor(&m->rng);
        run_arrivals(m, &at, n - done < POOL ? n - done : POOL);
    }
    double failed, mean_s = weigh_ended(m, load, &failed);
    double rejected = (double)m->turned_away / n;
    double l = rate_rps * (1.0 - rejected) * mean_s;
    struct latency_point *out = &m->points.at[m->points.n++];
    *out = (struct latency_point){.load = load,
                                  .rate_rps = rate_rps,
                                  .seen_l = l,
                                  .l = l,
                                  .rejected = rejected,
                                  .failed = failed,
                                  .clip = 1.0,
                                  .weight = n * fmax(1e-3, 1.0 - load)};
    latency_read_levels(m->fine, m->n_ended, m->points.config.timeout_s * 1000.0, out->level_ms);
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
    m->ended_limit = MOST_EIGHTHS * (POOL / 8) * effort + 4096; // those still inside when a run begins come on top
    m->ended = malloc((size_t)m->ended_limit * sizeof *m->ended);
    bool done =
        m->ended ? pod_config_from(service, &m->points.config, e) : err_set(e, ERR_IO, "latency table: no memory");
    if (done) {
        fill_pool(m);
        done = measure_capacity(m, effort, e) && measure_points(m, effort, e);
    }
    if (done)
        latency_fit(&m->points, seed, out);
    free(m->ended);
    free(m);
    return done;
}

bool latency_table_measure(const struct service_model *service, uint64_t seed, struct latency_table *out, struct err *e)
{
    return latency_table_measure_well(service, seed, 1, out, e);
}
