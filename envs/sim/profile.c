/* profile: the tables of a service profile's keys, reading a profile file, and drawing variants from its ranges. In: YAML.
 * Out: struct service_profile. Nothing is simulated or measured here. */
#include <maestro/profile.h>

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <maestro/data.h>

#define MODEL(field) offsetof(struct profile_service, model.field)
#define SERVICE(field) offsetof(struct profile_service, field)
#define PODS(field) offsetof(struct profile_pods, field)
#define MEASURE(field) offsetof(struct profile_measurement, field)
#define RANDOM(field) offsetof(struct profile_random, field)
#define FAULT(kind, field)                                                                                             \
    (offsetof(struct profile_faults, kinds) + (kind) * sizeof(struct fault_rate) + offsetof(struct fault_rate, field))

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

// clang-format off
static const struct config_key SERVICE_KEYS[] = {
    {"cpu_ms", CONFIG_DOUBLE, MODEL(cpu_ms), "10", 0.01, 60000, "ms", NULL, "Mean CPU time per request."},
    {"cpu_cv", CONFIG_DOUBLE, MODEL(cpu_cv), "1", 0, 5, NULL, NULL, "Coefficient of variation of the CPU time, log-normal."},
    {"wait_ms", CONFIG_DOUBLE, MODEL(wait_ms), "10", 0, 600000, "ms", NULL, "Mean time per request without CPU, such as downstream calls."},
    {"wait_cv", CONFIG_DOUBLE, MODEL(wait_cv), "0.5", 0, 5, NULL, NULL, "Coefficient of variation of that time, log-normal."},
    {"concurrency", CONFIG_INT, MODEL(concurrency), "64", 1, 4096, NULL, NULL, "Requests in service at once in a pod."},
    {"backlog", CONFIG_INT, MODEL(backlog), "256", 0, 8192, NULL, NULL, "Requests that may wait in a pod; more are rejected."},
    {"timeout_ms", CONFIG_DOUBLE, MODEL(timeout_ms), "10000", 10, 600000, "ms", NULL, "Age at which the client gives up."},
    {"cpu_limit_cores", CONFIG_DOUBLE, MODEL(cpu_limit_cores), "1", 0, 64, "cores", NULL, "CPU limit as a CFS quota per 100 ms; 0: none."},
    {"node_cores", CONFIG_DOUBLE, MODEL(node_cores), "2", 0.1, 256, "cores", NULL, "Most cores a pod can use at one moment."},
    {"exponential", CONFIG_BOOL, MODEL(exponential), "off", 0, 0, NULL, NULL, "Exponential CPU times, for comparison with queueing theory."},
    {"balancing", CONFIG_CHOICE, MODEL(balancing), "connection", 0, 0, NULL, "request|connection|shared", "How requests find a pod; shared is one queue for all, for theory only."},
    {"balance_busiest", CONFIG_DOUBLE, MODEL(balance_busiest), "1.3", 1, 2, "ratio", NULL, "Load of the busiest pod over the mean."},
    {"latency_soft_ms", CONFIG_DOUBLE, SERVICE(latency_soft_ms), "150", 1, 600000, "ms", NULL, "Soft limit of the 95th percentile that an operator would ask for."},
    {"latency_hard_ms", CONFIG_DOUBLE, SERVICE(latency_hard_ms), "500", 1, 600000, "ms", NULL, "Hard limit of the same."},
    {"drift", CONFIG_DOUBLE, SERVICE(drift), "0.1", 0, 1, "ratio", NULL, "Background drift of the service time within an episode: up to so much slower."},
    {"drift_period_s", CONFIG_DOUBLE, SERVICE(drift_period_s), "600", 10, 86400, "s", NULL, "Time between steps of the drift."},
};

static const struct config_key PODS_KEYS[] = {
    {"cpu_request_cores", CONFIG_DOUBLE, PODS(cpu_request_cores), "0.5", 0.001, 64, "cores", NULL, "CPU request of a pod; what the HPA divides by."},
    {"memory_base_mib", CONFIG_DOUBLE, PODS(memory_base_mib), "128", 1, 1000000, NULL, NULL, "Working set of an idle pod, MiB."},
    {"memory_per_request_mib", CONFIG_DOUBLE, PODS(memory_per_request_mib), "0.5", 0, 100000, NULL, NULL, "Working set per request in the pod, MiB."},
    {"memory_limit_mib", CONFIG_DOUBLE, PODS(memory_limit_mib), "512", 0, 1000000, NULL, NULL, "Memory limit, MiB; above it the pod is OOM-killed; 0: none."},
    {"memory_leak_mib_h", CONFIG_DOUBLE, PODS(memory_leak_mib_h), "0", 0, 1000000, NULL, NULL, "Leak per hour of a container's life, MiB."},
    {"start_s", CONFIG_DOUBLE, PODS(start_s), "8", 1, 600, "s", NULL, "Scheduling, image and start until ready, mean."},
    {"start_cv", CONFIG_DOUBLE, PODS(start_cv), "0.2", 0, 2, NULL, NULL, "Spread of that between pods, log-normal."},
    {"start_cpu_cores", CONFIG_DOUBLE, PODS(start_cpu_cores), "0.5", 0, 64, "cores", NULL, "CPU burned while starting, which is not load."},
    {"warm_up_s", CONFIG_DOUBLE, PODS(warm_up_s), "10", 0, 600, "s", NULL, "Time after ready at reduced speed."},
    {"warm_up_speed", CONFIG_DOUBLE, PODS(warm_up_speed), "0.7", 0.1, 1, "ratio", NULL, "Speed of a pod at ready; rises to 1."},
    {"grace_s", CONFIG_DOUBLE, PODS(grace_s), "30", 1, 600, "s", NULL, "Longest time from deletion to end; drains first."},
    {"endpoint_lag_min_s", CONFIG_DOUBLE, PODS(endpoint_lag_min_s), "1", 0, 60, "s", NULL, "Endpoints learn of a change after at least so long."},
    {"endpoint_lag_max_s", CONFIG_DOUBLE, PODS(endpoint_lag_max_s), "3", 0, 60, "s", NULL, "Endpoints learn of a change after at most so long."},
    {"backoff_s", CONFIG_DOUBLE, PODS(backoff_s), "10", 1, 300, "s", NULL, "First restart back-off after a crash; doubles up to 300 s."},
    {"quota_replicas", CONFIG_DOUBLE, PODS(quota_replicas), "0", 0, 1000, NULL, NULL, "Pods beyond this many stay pending; 0: no quota."},
};

static const struct config_key MEASUREMENT_KEYS[] = {
    {"scrape_s", CONFIG_DOUBLE, MEASURE(scrape_s), "15", 1, 300, "s", NULL, "Scrape interval of Prometheus."},
    {"window_s", CONFIG_DOUBLE, MEASURE(window_s), "60", 2, 3600, "s", NULL, "Window of rate(); at least two scrapes, at most 30."},
    {"quantile", CONFIG_DOUBLE, MEASURE(quantile), "0.95", 0.5, 0.999, "ratio", NULL, "Quantile of histogram_quantile."},
    {"metrics_server_s", CONFIG_DOUBLE, MEASURE(metrics_server_s), "15", 5, 120, "s", NULL, "Resolution of metrics-server, which the HPA reads."},
    {"replicas_lag_s", CONFIG_DOUBLE, MEASURE(replicas_lag_s), "0", 0, 120, "s", NULL, "Age of the replica count that is seen."},
    {"stale_after_s", CONFIG_DOUBLE, MEASURE(stale_after_s), "60", 1, 3600, "s", NULL, "A signal whose newest sample is older is stale."},
    {"gap_probability", CONFIG_DOUBLE, MEASURE(gap_probability), "0.005", 0, 1, "ratio", NULL, "Probability of losing one scrape."},
    {"prometheus", CONFIG_INT, MEASURE(prometheus), "3", 2, 3, NULL, NULL, "Major version whose rate() is followed (2: windows closed on the left)."},
    {"buckets_ms", CONFIG_DOUBLES, MEASURE(buckets_ms), "[5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000]", 0.001, 1e7, "ms", NULL, "Finite upper bounds of the latency histogram."},
};

#define FAULT_ROWS(kind, name, lasts, strong, low, high, meaning) \
    {name "_probability", CONFIG_DOUBLE, FAULT(kind, probability), "0.002", 0, 1, "ratio", NULL, "Probability of " name " starting, per minute."}, \
    {name "_duration_s", CONFIG_DOUBLE, FAULT(kind, duration_s), lasts, 1, 3600, "s", NULL, "Duration of " name "."}, \
    {name "_strength", CONFIG_DOUBLE, FAULT(kind, strength), strong, low, high, NULL, NULL, "Strength of " name ": " meaning "."}

static const struct config_key FAULTS_KEYS[] = {
    FAULT_ROWS(FAULT_POD_KILL, "pod_kill", "1", "1", 1, 64, "pods killed"),
    FAULT_ROWS(FAULT_POD_FAILURE, "pod_failure", "60", "1", 1, 64, "pods unavailable"),
    FAULT_ROWS(FAULT_CPU_STRESS, "cpu_stress", "120", "0.5", 0, 0.9, "share of one pod's CPU that is stolen"),
    FAULT_ROWS(FAULT_MEMORY_STRESS, "memory_stress", "120", "0.5", 0, 2, "share of the memory limit taken in one pod"),
    FAULT_ROWS(FAULT_NETWORK_DELAY, "network_delay", "120", "50", 0, 60000, "added latency, ms"),
    FAULT_ROWS(FAULT_NETWORK_LOSS, "network_loss", "120", "0.05", 0, 0.9, "share of requests that need a retransmission"),
    FAULT_ROWS(FAULT_HTTP_ABORT, "http_abort", "60", "0.05", 0, 1, "share of requests aborted"),
    FAULT_ROWS(FAULT_PROMETHEUS_DOWN, "prometheus_down", "120", "1", 1, 1, "no meaning"),
    FAULT_ROWS(FAULT_API_SLOW, "api_slow", "120", "20", 0, 600, "delay of a scaling, s"),
    FAULT_ROWS(FAULT_METRIC_GAP, "metric_gap", "60", "1", 1, 1, "no meaning"),
};

static const struct config_key RANDOM_KEYS[] = {
    {"enabled", CONFIG_BOOL, RANDOM(enabled), "on", 0, 0, NULL, NULL, "Draw variants of the service and episodes from the ranges below."},
    {"cpu_factor_low", CONFIG_DOUBLE, RANDOM(cpu_factor_low), "0.7", 0.01, 100, "ratio", NULL, "Factor on cpu_ms, log-uniform, from."},
    {"cpu_factor_high", CONFIG_DOUBLE, RANDOM(cpu_factor_high), "1.4", 0.01, 100, "ratio", NULL, "Factor on cpu_ms, log-uniform, to."},
    {"wait_factor_low", CONFIG_DOUBLE, RANDOM(wait_factor_low), "0.5", 0.01, 100, "ratio", NULL, "Factor on wait_ms, log-uniform, from."},
    {"wait_factor_high", CONFIG_DOUBLE, RANDOM(wait_factor_high), "2", 0.01, 100, "ratio", NULL, "Factor on wait_ms, log-uniform, to."},
    {"cv_low", CONFIG_DOUBLE, RANDOM(cv_low), "0.5", 0, 5, NULL, NULL, "cpu_cv, uniform, from."},
    {"cv_high", CONFIG_DOUBLE, RANDOM(cv_high), "1.5", 0, 5, NULL, NULL, "cpu_cv, uniform, to."},
    {"limit_factor_low", CONFIG_DOUBLE, RANDOM(limit_factor_low), "0.7", 0.01, 100, "ratio", NULL, "Factor on cpu_limit_cores, log-uniform, from."},
    {"limit_factor_high", CONFIG_DOUBLE, RANDOM(limit_factor_high), "1.4", 0.01, 100, "ratio", NULL, "Factor on cpu_limit_cores, log-uniform, to."},
    {"start_low_s", CONFIG_DOUBLE, RANDOM(start_low_s), "2", 1, 600, "s", NULL, "Mean start of an episode's pods, log-uniform, from."},
    {"start_high_s", CONFIG_DOUBLE, RANDOM(start_high_s), "30", 1, 600, "s", NULL, "Mean start of an episode's pods, log-uniform, to."},
    {"busiest_low", CONFIG_DOUBLE, RANDOM(busiest_low), "1.1", 1, 2, "ratio", NULL, "balance_busiest of an episode, uniform, from."},
    {"busiest_high", CONFIG_DOUBLE, RANDOM(busiest_high), "1.6", 1, 2, "ratio", NULL, "balance_busiest of an episode, uniform, to."},
    {"peak_low", CONFIG_DOUBLE, RANDOM(peak_low), "0.15", 0, 2, "ratio", NULL, "Peak load of the busiest pod over its capacity at max replicas, uniform, from."},
    {"peak_high", CONFIG_DOUBLE, RANDOM(peak_high), "0.85", 0, 2, "ratio", NULL, "Peak load of the busiest pod over its capacity at max replicas, uniform, to."},
    {"trace_share", CONFIG_DOUBLE, RANDOM(trace_share), "0.6", 0, 1, "ratio", NULL, "Episodes whose load is recorded, where there are traces."},
    {"abrupt_share", CONFIG_DOUBLE, RANDOM(abrupt_share), "0.04", 0, 1, "ratio", NULL, "Episodes whose generated load jumps: step, spike, flash crowd, on/off."},
    {"idle_share", CONFIG_DOUBLE, RANDOM(idle_share), "0", 0, 1, "ratio", NULL, "Generated loads whose base is no request at all."},
    {"noise_high", CONFIG_DOUBLE, RANDOM(noise_high), "0.2", 0, 1, "ratio", NULL, "Slow noise on the rate, uniform from 0 to."},
    {"burst_high", CONFIG_DOUBLE, RANDOM(burst_high), "0.35", 0, 2, "ratio", NULL, "Half of the episodes: noise on single seconds, uniform from 0 to."},
};
// clang-format on

int profile_sections(struct service_profile *p, struct config_section sections[PROFILE_SECTIONS])
{
    sections[0] = (struct config_section){"service", "How one pod works off requests.", SERVICE_KEYS,
                                          COUNT(SERVICE_KEYS), &p->service};
    sections[1] = (struct config_section){"pods", "How pods come, live and go.", PODS_KEYS, COUNT(PODS_KEYS), &p->pods};
    sections[2] = (struct config_section){"measurement", "How the service is measured.", MEASUREMENT_KEYS,
                                          COUNT(MEASUREMENT_KEYS), &p->measurement};
    sections[3] = (struct config_section){"faults", "What goes wrong, how often and how badly.", FAULTS_KEYS,
                                          COUNT(FAULTS_KEYS), &p->faults};
    sections[4] = (struct config_section){"random", "Ranges that variants and episodes are drawn from.", RANDOM_KEYS,
                                          COUNT(RANDOM_KEYS), &p->random};
    return PROFILE_SECTIONS;
}

void profile_default(struct service_profile *out)
{
    struct service_profile p = {.name = "default"};
    struct config_section sections[PROFILE_SECTIONS];
    struct config config = {0};
    if (config_init(&config, sections, profile_sections(&p, sections), NULL))
        *out = p;
    config_finish(&config);
}

static bool buckets_rise(const struct config_list *buckets)
{
    for (int i = 1; i < buckets->n; i++)
        if (!(buckets->v[i] > buckets->v[i - 1]))
            return false;
    return true;
}

static bool random_check(const struct profile_random *r, struct err *e)
{
    const struct {
        const char *key;
        double low, high;
    } ranges[] = {
        {"cpu_factor", r->cpu_factor_low, r->cpu_factor_high},
        {"wait_factor", r->wait_factor_low, r->wait_factor_high},
        {"cv", r->cv_low, r->cv_high},
        {"limit_factor", r->limit_factor_low, r->limit_factor_high},
        {"start", r->start_low_s, r->start_high_s},
        {"busiest", r->busiest_low, r->busiest_high},
        {"peak", r->peak_low, r->peak_high},
    };
    for (int i = 0; i < COUNT(ranges); i++)
        if (ranges[i].low > ranges[i].high)
            return err_set(e, ERR_USAGE, "random.%s_low is above random.%s_high (%g > %g)", ranges[i].key,
                           ranges[i].key, ranges[i].low, ranges[i].high);
    return true;
}

bool profile_check(const struct service_profile *p, struct err *e)
{
    const struct profile_measurement *m = &p->measurement;
    const struct service_model *s = &p->service.model;
    if (p->service.latency_hard_ms < p->service.latency_soft_ms)
        return err_set(e, ERR_USAGE, "service.latency_hard_ms (%g) must be at least service.latency_soft_ms (%g)",
                       p->service.latency_hard_ms, p->service.latency_soft_ms);
    if (s->timeout_ms <= s->cpu_ms + s->wait_ms)
        return err_set(e, ERR_USAGE, "service.timeout_ms (%g) must be above cpu_ms + wait_ms (%g)", s->timeout_ms,
                       s->cpu_ms + s->wait_ms);
    if (m->window_s < 2 * m->scrape_s || m->window_s > 30 * m->scrape_s)
        return err_set(e, ERR_USAGE, "measurement.window_s (%g) must be 2 to 30 times measurement.scrape_s (%g)",
                       m->window_s, m->scrape_s);
    if (m->buckets_ms.n < 2 || m->buckets_ms.n > 30 || !buckets_rise(&m->buckets_ms))
        return err_set(e, ERR_USAGE, "measurement.buckets_ms must be 2 to 30 rising bounds");
    if (p->pods.endpoint_lag_min_s > p->pods.endpoint_lag_max_s)
        return err_set(e, ERR_USAGE, "pods.endpoint_lag_min_s (%g) is above pods.endpoint_lag_max_s (%g)",
                       p->pods.endpoint_lag_min_s, p->pods.endpoint_lag_max_s);
    if (p->pods.memory_limit_mib > 0 && p->pods.memory_base_mib >= p->pods.memory_limit_mib)
        return err_set(e, ERR_USAGE, "pods.memory_base_mib (%g) must be under pods.memory_limit_mib (%g)",
                       p->pods.memory_base_mib, p->pods.memory_limit_mib);
    return random_check(&p->random, e);
}

/* The file's name without folder and ending. */
static void profile_name(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strcspn(base, ".");
    snprintf(out, size, "%.*s", (int)n, base);
}

/* "web-api" means envs/web-api.yaml; whatever has a slash or ends in .yaml is a path. */
static bool profile_path(const char *name, struct buf *path, struct err *e)
{
    size_t n = strlen(name);
    if (strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0))
        return data_path(name, path, e);
    char file[256];
    snprintf(file, sizeof file, "envs/%s.yaml", name);
    return data_path(file, path, e) || err_wrap(e, "there is no profile \"%s\"", name);
}

bool profile_load(const char *name, struct service_profile *out, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    if (!profile_path(name, &path, e))
        return false;
    struct service_profile p = {0};
    struct config_section sections[PROFILE_SECTIONS];
    struct config config = {0};
    bool ok = config_init(&config, sections, profile_sections(&p, sections), e) &&
              config_file(&config, path.bytes, e) && (profile_check(&p, e) || err_wrap(e, "%s", path.bytes));
    config_finish(&config);
    if (!ok)
        return false;
    profile_name(path.bytes, p.name, sizeof p.name);
    *out = p;
    return true;
}

/* A variant keeps the operator's limits, so its work without queueing must leave room under the soft one. */
static double work_factor_limit(const struct service_profile *p)
{
    return 0.4 * p->service.latency_soft_ms / (p->service.model.cpu_ms + p->service.model.wait_ms);
}

void profile_randomise(const struct service_profile *p, struct rng *rng, struct service_profile *out)
{
    const struct profile_random *r = &p->random;
    *out = *p;
    struct service_model *s = &out->service.model;
    double cpu = rng_log_uniform(rng, r->cpu_factor_low, r->cpu_factor_high);
    double wait = rng_log_uniform(rng, r->wait_factor_low, r->wait_factor_high);
    double limit = rng_log_uniform(rng, r->limit_factor_low, r->limit_factor_high);
    double most = fmax(1.0, work_factor_limit(p));
    s->cpu_ms *= fmin(cpu, most);
    s->wait_ms *= fmin(wait, most);
    s->cpu_cv = rng_uniform(rng, r->cv_low, r->cv_high);
    s->cpu_limit_cores *= limit;
    out->pods.cpu_request_cores *= s->cpu_limit_cores > 0 ? limit : 1.0;
}
