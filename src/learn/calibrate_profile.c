/* calibrate_profile: a fit as a service profile, as struct and as the YAML that the simulator reads, with each number's error and
 * source beside it. In: a fit. Out: a profile that profile_load accepts; a number outside its key's range becomes the
 * end of that range. */
#include <maestro/calibrate.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static double value(const struct calibrate_fit *f, enum calibrate_parameter p)
{
    return f->values[p].value;
}

static double known_or(double known, double otherwise)
{
    return known > 0 ? known : otherwise;
}

/* The time-out must be above the mean request, or no such service exists. */
static double timeout_of(const struct calibrate_fit *f)
{
    return fmax(f->facts.timeout_ms, 2 * (value(f, CALIBRATE_CPU_MS) + value(f, CALIBRATE_WAIT_MS)));
}

/* The fit's limits where the Deployment has none: what a service as fast as this one could promise. */
static double soft_of(const struct calibrate_fit *f)
{
    double mean_ms = value(f, CALIBRATE_CPU_MS) + value(f, CALIBRATE_WAIT_MS);
    return known_or(f->facts.latency_soft_ms, ceil(3 * mean_ms));
}

static double hard_of(const struct calibrate_fit *f)
{
    return fmax(known_or(f->facts.latency_hard_ms, 4 * soft_of(f)), soft_of(f));
}

static double within(double number, const struct config_key *key)
{
    return number < key->low ? key->low : number > key->high ? key->high : number;
}

/* A service may be slower, or start later, than a profile's keys can say: they then say the most that they can. */
static void keep_in_range(struct service_profile *p)
{
    struct config_section sections[PROFILE_SECTIONS];
    int n_sections = profile_sections(p, sections);
    for (int s = 0; s < n_sections; s++)
        for (int k = 0; k < sections[s].n_keys; k++) {
            const struct config_key *key = &sections[s].keys[k];
            void *at = (char *)sections[s].target + key->offset;
            if (key->type == CONFIG_DOUBLE && key->low < key->high)
                *(double *)at = within(*(double *)at, key);
            else if (key->type == CONFIG_INT && key->low < key->high)
                *(int *)at = (int)within(*(int *)at, key);
        }
}

void calibrate_profile(const struct calibrate_fit *f, const char *name, struct service_profile *out)
{
    profile_default(out);
    snprintf(out->name, sizeof out->name, "%.63s", name);
    struct service_model *m = &out->service.model;
    m->cpu_ms = value(f, CALIBRATE_CPU_MS);
    m->cpu_cv = value(f, CALIBRATE_CPU_CV);
    m->wait_ms = value(f, CALIBRATE_WAIT_MS);
    m->wait_cv = value(f, CALIBRATE_WAIT_CV);
    m->concurrency = (int)value(f, CALIBRATE_CONCURRENCY);
    m->backlog = (int)value(f, CALIBRATE_BACKLOG);
    m->timeout_ms = timeout_of(f);
    m->cpu_limit_cores = f->facts.cpu_limit_cores;
    m->node_cores = f->facts.node_cores;
    m->balancing = BALANCE_REQUEST;
    out->service.latency_soft_ms = soft_of(f);
    out->service.latency_hard_ms = hard_of(f);
    out->service.drift = 0.05;
    struct profile_pods *p = &out->pods;
    p->cpu_request_cores = known_or(f->facts.cpu_request_cores, p->cpu_request_cores);
    p->memory_base_mib = value(f, CALIBRATE_MEMORY_BASE_MIB);
    p->memory_per_request_mib = value(f, CALIBRATE_MEMORY_PER_REQUEST_MIB);
    p->memory_limit_mib = f->facts.memory_limit_mib > p->memory_base_mib ? f->facts.memory_limit_mib : 0;
    p->start_s = value(f, CALIBRATE_START_S);
    p->start_cv = value(f, CALIBRATE_START_CV);
    p->start_cpu_cores = value(f, CALIBRATE_START_CPU_CORES);
    p->warm_up_s = value(f, CALIBRATE_WARM_UP_S);
    p->warm_up_speed = value(f, CALIBRATE_WARM_UP_SPEED);
    struct profile_measurement *measured = &out->measurement;
    measured->scrape_s = value(f, CALIBRATE_SCRAPE_S);
    measured->window_s = fmin(fmax(f->facts.window_s, 2 * measured->scrape_s), 30 * measured->scrape_s);
    measured->quantile = f->facts.quantile;
    measured->buckets_ms.n = f->n_bounds;
    for (int i = 0; i < f->n_bounds; i++)
        measured->buckets_ms.v[i] = f->bound_ms[i];
    keep_in_range(out);
}

static void put_comment(const struct calibrate_fit *f, enum calibrate_parameter p, struct buf *out)
{
    const struct calibrate_value *v = &f->values[p];
    if (v->state == CALIBRATE_MEASURED)
        buf_printf(out, "  # +- %.3g; %s", v->error, v->source);
    else
        buf_printf(out, "  # %s: %s", v->state == CALIBRATE_BOUND ? "lower bound" : "not known", v->source);
}

static void put(const struct calibrate_fit *f, const char *key, double shown, enum calibrate_parameter p,
                struct buf *out)
{
    double found = value(f, p);
    buf_printf(out, "  %s: %.5g", key, shown);
    put_comment(f, p, out);
    if (shown < found || shown > found)
        buf_printf(out, "; found %.5g, a profile takes no %s", found, shown < found ? "more" : "less");
    buf_text(out, "\n");
}

static void put_service(const struct calibrate_fit *f, const struct service_profile *p, struct buf *out)
{
    const struct service_model *m = &p->service.model;
    buf_text(out, "service:\n");
    put(f, "cpu_ms", m->cpu_ms, CALIBRATE_CPU_MS, out);
    put(f, "cpu_cv", m->cpu_cv, CALIBRATE_CPU_CV, out);
    put(f, "wait_ms", m->wait_ms, CALIBRATE_WAIT_MS, out);
    put(f, "wait_cv", m->wait_cv, CALIBRATE_WAIT_CV, out);
    put(f, "concurrency", m->concurrency, CALIBRATE_CONCURRENCY, out);
    put(f, "backlog", m->backlog, CALIBRATE_BACKLOG, out);
    buf_printf(out, "  timeout_ms: %.6g  # as given\n", m->timeout_ms);
    buf_printf(out, "  cpu_limit_cores: %.6g  # of the Deployment; 0: none\n", m->cpu_limit_cores);
    buf_printf(out, "  node_cores: %.6g  # as given\n", m->node_cores);
    buf_text(out, "  balancing: request  # a connection a request, as the load was offered\n");
    buf_printf(out, "  latency_soft_ms: %.6g%s\n", p->service.latency_soft_ms,
               f->facts.latency_soft_ms > 0 ? "" : "  # the Deployment has none: three times the mean request");
    buf_printf(out, "  latency_hard_ms: %.6g\n", p->service.latency_hard_ms);
    buf_printf(out, "  drift: %.6g  # not measured: room for what changes\n", p->service.drift);
}

static void put_pods(const struct calibrate_fit *f, const struct service_profile *p, struct buf *out)
{
    buf_printf(out, "pods:\n  cpu_request_cores: %.6g  # of the Deployment\n", p->pods.cpu_request_cores);
    put(f, "memory_base_mib", p->pods.memory_base_mib, CALIBRATE_MEMORY_BASE_MIB, out);
    put(f, "memory_per_request_mib", p->pods.memory_per_request_mib, CALIBRATE_MEMORY_PER_REQUEST_MIB, out);
    buf_printf(out, "  memory_limit_mib: %.6g  # of the Deployment; 0: none\n", p->pods.memory_limit_mib);
    put(f, "start_s", p->pods.start_s, CALIBRATE_START_S, out);
    put(f, "start_cv", p->pods.start_cv, CALIBRATE_START_CV, out);
    put(f, "start_cpu_cores", p->pods.start_cpu_cores, CALIBRATE_START_CPU_CORES, out);
    put(f, "warm_up_s", p->pods.warm_up_s, CALIBRATE_WARM_UP_S, out);
    put(f, "warm_up_speed", p->pods.warm_up_speed, CALIBRATE_WARM_UP_SPEED, out);
}

static void put_measurement(const struct calibrate_fit *f, const struct service_profile *p, struct buf *out)
{
    buf_text(out, "measurement:\n");
    put(f, "scrape_s", p->measurement.scrape_s, CALIBRATE_SCRAPE_S, out);
    buf_printf(out, "  window_s: %.6g  # as configured\n  quantile: %.6g\n  buckets_ms: [", p->measurement.window_s,
               p->measurement.quantile);
    for (int i = 0; i < p->measurement.buckets_ms.n; i++)
        buf_printf(out, "%s%.6g", i ? ", " : "", p->measurement.buckets_ms.v[i]);
    buf_text(out, "]\n");
}

/* What a policy is trained on besides the fit itself: its neighbourhood, wide enough for what was not measured. */
static void set_random(struct service_profile *p)
{
    struct profile_random *r = &p->random;
    r->cpu_factor_low = r->wait_factor_low = 0.8;
    r->cpu_factor_high = r->wait_factor_high = 1.25;
    r->cv_low = 0.6 * p->service.model.cpu_cv;
    r->cv_high = fmax(0.2, 1.5 * p->service.model.cpu_cv);
    r->limit_factor_low = 0.9;
    r->limit_factor_high = 1.1;
    r->start_low_s = 0.6 * p->pods.start_s;
    r->start_high_s = fmax(2, 2 * p->pods.start_s);
    r->busiest_low = 1.05;
    r->busiest_high = 1.4;
    keep_in_range(p);
}

static void put_random(const struct profile_random *r, struct buf *out)
{
    buf_printf(out,
               "random:  # around the fit: a policy is to hold for services like this one\n"
               "  cpu_factor_low: %.3g\n  cpu_factor_high: %.3g\n  wait_factor_low: %.3g\n  wait_factor_high: %.3g\n"
               "  cv_low: %.3g\n  cv_high: %.3g\n  limit_factor_low: %.3g\n  limit_factor_high: %.3g\n"
               "  start_low_s: %.3g\n  start_high_s: %.3g\n  busiest_low: %.3g\n  busiest_high: %.3g\n",
               r->cpu_factor_low, r->cpu_factor_high, r->wait_factor_low, r->wait_factor_high, r->cv_low, r->cv_high,
               r->limit_factor_low, r->limit_factor_high, r->start_low_s, r->start_high_s, r->busiest_low,
               r->busiest_high);
}

void calibrate_write_profile(const struct calibrate_fit *f, struct buf *out)
{
    struct service_profile p;
    calibrate_profile(f, "calibrated", &p);
    set_random(&p);
    buf_text(out, "# Fitted by maestro calibrate. Behind each number its standard error and where it comes from.\n");
    buf_printf(out, "# Of the requests below saturation %.1f %% lie in another latency bucket than the fit says.\n",
               100 * f->misfit);
    put_service(f, &p, out);
    put_pods(f, &p, out);
    put_measurement(f, &p, out);
    put_random(&p.random, out);
}
