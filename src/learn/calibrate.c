/* calibrate: from a history to a fit. In: rows. Out: every parameter with its error, or the reason why these data carry no
 * profile. Here are the steps of the load, the CPU and the memory; latencies and starts have sources of their own. */
#include "calibrate_math.h"
#include "calibrate_parts.h"

#include <maestro/stats.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double EDGE_S = 4;         /* cut off at the beginning of a step: arrivals and scrapes come late */
static const double STEP_LEAST_S = 4;   /* what is left must be so long */
static const double UNEXPLAINED = 0.25; /* most of the CPU's variance that a straight line may leave */
static const double SLOPE_ERROR = 0.2;  /* relative */

const char *calibrate_name(enum calibrate_parameter parameter)
{
    static const char *const names[CALIBRATE_PARAMETERS] = {
        "cpu_ms",       "idle_cores",  "cpu_cv",          "wait_ms",         "wait_cv",
        "capacity_rps", "concurrency", "backlog",         "memory_base_mib", "memory_per_request_mib",
        "start_s",      "start_cv",    "start_cpu_cores", "warm_up_s",       "warm_up_speed",
        "scrape_s"};
    return names[parameter];
}

const char *calibrate_unit(enum calibrate_parameter parameter)
{
    static const char *const units[CALIBRATE_PARAMETERS] = {"ms",       "cores",    "",    "ms",  "",  "requests/s",
                                                            "requests", "requests", "MiB", "MiB", "s", "",
                                                            "cores",    "s",        "",    "s"};
    return units[parameter];
}

void calibrate_set(struct calibrate_fit *fit, enum calibrate_parameter p, double value, double error)
{
    fit->values[p].value = value;
    fit->values[p].error = error;
}

void calibrate_say(struct calibrate_fit *fit, enum calibrate_parameter p, enum calibrate_state state,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fit->values[p].source, sizeof fit->values[p].source, format, args);
    va_end(args);
    fit->values[p].state = state;
}

/* Mean of the memory over rows [from, to]; NaN: unknown. */
static double mean_memory(const struct history *h, int from, int to)
{
    double sum = 0;
    int n = 0;
    for (int i = from; i <= to; i++)
        if (!isnan(h->rows[i].memory_mib)) {
            sum += h->rows[i].memory_mib;
            n++;
        }
    return n > 0 ? sum / n : (double)NAN;
}

/* Whether more was asked for than was done, beyond what chance does to arrivals, or requests were turned away. */
static bool is_saturated(const struct calibrate_step *s)
{
    double span_s = s->to_s - s->from_s, arrived = s->offered_rps * span_s;
    bool behind = !isnan(s->offered_rps) && s->served_rps * span_s < arrived - 3 * sqrt(arrived) - 0.02 * arrived;
    return behind || s->failed_rps > 0.01 * (s->served_rps + s->failed_rps);
}

static void measure_step(const struct history *h, int from, int to, double timeout_ms, struct calibrate_step *out)
{
    const struct history_row *a = &h->rows[from], *b = &h->rows[to];
    double span_s = b->time_s - a->time_s, failed = b->failed - a->failed;
    double served = b->requests - a->requests - failed;
    double latency_s = b->latency_s - a->latency_s - failed * timeout_ms / 1000;
    *out = (struct calibrate_step){.number = a->step,
                                   .from_s = a->time_s - h->rows[0].time_s,
                                   .to_s = b->time_s - h->rows[0].time_s,
                                   .offered_rps = a->offered_rps,
                                   .served_rps = served / span_s,
                                   .failed_rps = failed / span_s,
                                   .mean_ms = served > 0 ? fmax(1000 * latency_s / served, 0) : 0,
                                   .inside = latency_s >= 0 ? latency_s / span_s : (double)NAN,
                                   .cpu_cores = (b->cpu_s - a->cpu_s) / span_s,
                                   .memory_mib = mean_memory(h, from, to)};
    for (int i = 0; i <= h->n_bounds; i++)
        out->counts[i] = b->bucket[i] - a->bucket[i] - (i > 0 ? b->bucket[i - 1] - a->bucket[i - 1] : 0);
    out->saturated = is_saturated(out);
}

void calibrate_find_steps(const struct history *h, struct calibrate_fit *fit)
{
    for (int i = 0; i < h->n && fit->n_steps < CALIBRATE_STEPS; i++) {
        const struct history_row *first = &h->rows[i];
        int from = i, to = i;
        while (to + 1 < h->n && h->rows[to + 1].step == first->step && h->rows[to + 1].spec == 1 &&
               h->rows[to + 1].ready == 1)
            to++;
        i = to;
        while (from < to && h->rows[from].time_s < first->time_s + EDGE_S)
            from++;
        if (first->step > 0 && first->spec == 1 && first->ready == 1 &&
            h->rows[to].time_s - h->rows[from].time_s >= STEP_LEAST_S)
            measure_step(h, from, to, fit->facts.timeout_ms, &fit->steps[fit->n_steps++]);
    }
}

/* Throughput of the saturated steps; its error from the scatter between them and from their counts. A busy machine does less when
 * most is asked of it: where a lighter step served more, the service can do that much, and the error covers both. */
static void fit_plateau(struct calibrate_fit *fit)
{
    double served = 0, seconds = 0, squares = 0, lighter = 0;
    int n = 0;
    for (int i = 0; i < fit->n_steps; i++) {
        const struct calibrate_step *s = &fit->steps[i];
        double span_s = s->to_s - s->from_s;
        if (!s->saturated) {
            lighter = fmax(lighter, s->served_rps);
            continue;
        }
        served += s->served_rps * span_s;
        seconds += span_s;
        squares += s->served_rps * s->served_rps * span_s;
        n++;
    }
    if (n == 0 || !(served > 0)) {
        calibrate_say(fit, CALIBRATE_CAPACITY_RPS, CALIBRATE_UNKNOWN, "the load never reached saturation");
        return;
    }
    double mean = served / seconds, scatter = fmax(squares / seconds - mean * mean, 0);
    double error = sqrt(scatter / n + mean * mean / served * 0.3); // services of spread 0.55 leave no more chance
    bool more = lighter > mean + 2 * error;
    calibrate_set(fit, CALIBRATE_CAPACITY_RPS, more ? lighter : mean,
                  more ? hypot(error, 0.5 * (lighter - mean)) : error);
    calibrate_say(fit, CALIBRATE_CAPACITY_RPS, CALIBRATE_MEASURED,
                  more ? "%d saturated steps did %.4g/s, a lighter one did more"
                       : "throughput of %d saturated steps, %.4g/s",
                  n, mean);
}

enum { INTERVALS = 1024 };

/* Intervals between fresh samples of the CPU counter while one pod runs: cores over requests/s. */
static int cpu_intervals(const struct history *h, double *rate, double *cores, double *weight)
{
    int n = 0, before = -1;
    double most_s = 4 * fmax(h->scrape_s, 1);
    for (int i = 0; i < h->n && n < INTERVALS; i++) {
        const struct history_row *row = &h->rows[i];
        if (row->spec != 1 || row->ready != 1 || row->starting != 0) {
            before = -1;
            continue;
        }
        double span_s = before >= 0 ? row->time_s - h->rows[before].time_s : 0;
        if (!row->cpu_fresh || (before >= 0 && span_s < most_s))
            continue;
        if (before >= 0) {
            double served = row->requests - row->failed - h->rows[before].requests + h->rows[before].failed;
            rate[n] = served / span_s;
            cores[n] = (row->cpu_s - h->rows[before].cpu_s) / span_s;
            weight[n++] = span_s;
        }
        before = i;
    }
    return n;
}

bool calibrate_fit_cpu(const struct history *h, struct calibrate_fit *fit, struct err *e)
{
    static double rate[INTERVALS], cores[INTERVALS], weight[INTERVALS];
    struct line line;
    int n = cpu_intervals(h, rate, cores, weight);
    if (n < 6)
        return err_set(e, ERR_FORMAT,
                       "too few points: %d intervals between samples of the CPU counter, at least 6 are needed", n);
    if (!line_fit(rate, cores, weight, n, &line))
        return err_set(e, ERR_FORMAT, "CPU: the load was the same all the time, so that nothing grows with it");
    if (!(line.slope > 0))
        return err_set(e, ERR_FORMAT,
                       "CPU: falls with requests (%.3g +- %.3g ms a request): the counters are not this service's",
                       1000 * line.slope, 1000 * line.slope_error);
    if (line.slope_error > SLOPE_ERROR * line.slope || line.unexplained > UNEXPLAINED)
        return err_set(
            e, ERR_FORMAT,
            "CPU: residuals above the limit: %.3g +- %.3g ms a request, %.0f %% of the variance unexplained (limits "
            "%.0f %% and %.0f %%)",
            1000 * line.slope, 1000 * line.slope_error, 100 * line.unexplained, 100 * SLOPE_ERROR, 100 * UNEXPLAINED);
    calibrate_set(fit, CALIBRATE_CPU_MS, 1000 * line.slope, 1000 * line.slope_error);
    calibrate_say(fit, CALIBRATE_CPU_MS, CALIBRATE_MEASURED,
                  "slope of CPU over requests, %d intervals, %.1f %% unexplained", n, 100 * line.unexplained);
    calibrate_set(fit, CALIBRATE_IDLE_CORES, line.intercept, line.intercept_error);
    calibrate_say(fit, CALIBRATE_IDLE_CORES, CALIBRATE_MEASURED, "intercept of the same; a profile has no idle CPU");
    return true;
}

void calibrate_fit_memory(const struct history *h, struct calibrate_fit *fit)
{
    double inside[CALIBRATE_STEPS + 1], memory[CALIBRATE_STEPS + 1], weight[CALIBRATE_STEPS + 1];
    struct line line;
    int n = 0, idle = 0;
    while (idle < h->n && h->rows[idle].step == 0 && h->rows[idle].spec == 1)
        idle++;
    double at_rest = idle > 0 ? mean_memory(h, 0, idle - 1) : (double)NAN;
    for (int i = -1; i < fit->n_steps; i++) {
        double mib = i < 0 ? at_rest : fit->steps[i].memory_mib, held = i < 0 ? 0 : fit->steps[i].inside;
        if (isnan(mib) || isnan(held))
            continue;
        inside[n] = held;
        memory[n] = mib;
        weight[n++] =
            i < 0 ? h->rows[idle - 1].time_s - h->rows[0].time_s + 1 : fit->steps[i].to_s - fit->steps[i].from_s;
    }
    if (n < 3 || !line_fit(inside, memory, weight, n, &line)) {
        calibrate_say(fit, CALIBRATE_MEMORY_BASE_MIB, CALIBRATE_UNKNOWN,
                      "Prometheus has too little of the pods' memory");
        calibrate_say(fit, CALIBRATE_MEMORY_PER_REQUEST_MIB, CALIBRATE_UNKNOWN, "likewise");
        return;
    }
    bool grows = line.slope > 2 * line.slope_error;
    double mean = stats_mean(memory, n);
    calibrate_set(fit, CALIBRATE_MEMORY_BASE_MIB, grows ? fmax(line.intercept, 1) : fmax(mean, 1),
                  grows ? line.intercept_error : stats_sd(memory, n) / sqrt(n));
    calibrate_say(fit, CALIBRATE_MEMORY_BASE_MIB, CALIBRATE_MEASURED,
                  grows ? "working set of a pod with no request in it, %d steps" : "mean working set of %d steps", n);
    calibrate_set(fit, CALIBRATE_MEMORY_PER_REQUEST_MIB, grows ? line.slope : 0, line.slope_error);
    calibrate_say(fit, CALIBRATE_MEMORY_PER_REQUEST_MIB, CALIBRATE_MEASURED,
                  grows ? "growth with the requests in the pod" : "does not grow with the requests in the pod (%.3g)",
                  line.slope);
}

static void set_defaults(struct calibrate_fit *fit)
{
    struct service_profile p;
    profile_default(&p);
    const double values[CALIBRATE_PARAMETERS] = {[CALIBRATE_CPU_CV] = p.service.model.cpu_cv,
                                                 [CALIBRATE_WAIT_CV] = p.service.model.wait_cv,
                                                 [CALIBRATE_CONCURRENCY] = p.service.model.concurrency,
                                                 [CALIBRATE_BACKLOG] = p.service.model.backlog,
                                                 [CALIBRATE_MEMORY_BASE_MIB] = p.pods.memory_base_mib,
                                                 [CALIBRATE_MEMORY_PER_REQUEST_MIB] = p.pods.memory_per_request_mib,
                                                 [CALIBRATE_START_S] = p.pods.start_s,
                                                 [CALIBRATE_START_CV] = p.pods.start_cv,
                                                 [CALIBRATE_START_CPU_CORES] = p.pods.start_cpu_cores,
                                                 [CALIBRATE_WARM_UP_S] = 0,
                                                 [CALIBRATE_WARM_UP_SPEED] = 1,
                                                 [CALIBRATE_SCRAPE_S] = p.measurement.scrape_s};
    for (int i = 0; i < CALIBRATE_PARAMETERS; i++) {
        calibrate_set(fit, (enum calibrate_parameter)i, values[i], 0);
        calibrate_say(fit, (enum calibrate_parameter)i, CALIBRATE_UNKNOWN, "not measured");
    }
}

static void fit_scrape(const struct history *h, struct calibrate_fit *fit)
{
    if (!(h->scrape_s > 0))
        return;
    calibrate_set(fit, CALIBRATE_SCRAPE_S, fmax(1, floor(h->scrape_s + 0.5)),
                  fabs(h->scrape_s - floor(h->scrape_s + 0.5)));
    calibrate_say(fit, CALIBRATE_SCRAPE_S, CALIBRATE_MEASURED, "mean time between samples, %.3f s", h->scrape_s);
}

bool calibrate_fit(const struct history *h, const struct calibrate_facts *facts, struct calibrate_fit *out,
                   struct err *e)
{
    memset(out, 0, sizeof *out);
    out->facts = *facts;
    out->n_bounds = h->n_bounds;
    memcpy(out->bound_ms, h->bound_ms, sizeof out->bound_ms);
    set_defaults(out);
    fit_scrape(h, out);
    calibrate_find_steps(h, out);
    if (out->n_steps < 2)
        return err_set(e, ERR_FORMAT, "too few points: %d steps of load under one pod, at least 2 are needed",
                       out->n_steps);
    fit_plateau(out);
    if (!calibrate_fit_cpu(h, out, e))
        return false;
    calibrate_fit_memory(h, out);
    if (!calibrate_fit_latency(out, e))
        return false;
    calibrate_fit_starts(h, out);
    return true;
}
