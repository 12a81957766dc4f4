/* calibrate_latency: what a request does besides computing, and how many may do it at once. In: steps of load with their bucket
 * counts, CPU per request. Out: waiting time, spreads, concurrency, backlog. The model is the project's own pod, run with the
 * same random numbers for every trial, so that shares of buckets change smoothly with the parameters; Fisher scoring finds the
 * largest likelihood of all steps below saturation and gives the errors. Concurrency follows from the plateau of the saturated
 * steps: the same pod, overloaded, must show that throughput. */
#include "calibrate_math.h"
#include "calibrate_parts.h"

#include <maestro/pod.h>
#include <maestro/rng.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 12000, SETTLE = 300, ROUNDS = 20, FITTED_STEPS = 8, PLACES_LIMIT = 512 };
enum { WAIT, WAIT_CV, CPU_CV, THETAS };

static const double CHI_DELTA = 0.04;      /* of the derivatives, in the logarithm of a parameter */
static const double SHARE_FLOOR = 2e-4;    /* of a bucket that the model never hit */
static const double ERROR_LIMIT = 0.35;    /* relative: above it a spread is not told apart */
static const double MISFIT_LIMIT = 0.2;    /* of requests in the wrong bucket */
static const double LIGHT_SHARE = 0.75;    /* of the plateau: steps up to here are fitted */
static const double REQUESTS_WANTED = 150; /* below saturation */

struct draws {
    double gap[TRIALS], cpu[TRIALS], wait[TRIALS]; /* exponential of mean 1; standard normal twice */
};

struct search {
    struct calibrate_fit *fit;
    struct draws *draws;
    struct service_model model;
    const struct calibrate_step *steps[FITTED_STEPS];
    int n_steps, n_buckets;
    bool free[THETAS];
    double theta[THETAS]; /* logarithms */
    double error[THETAS];
};

static void draw_all(struct draws *d)
{
    struct rng r;
    rng_init(&r, 1, 0);
    for (int i = 0; i < TRIALS; i++) {
        d->gap[i] = -log(1 - rng_double(&r));
        d->cpu[i] = rng_normal(&r);
        d->wait[i] = rng_normal(&r);
    }
}

static double lognormal(double mean, double cv, double z)
{
    double variance = log1p(cv * cv);
    return mean * exp(sqrt(variance) * z - 0.5 * variance);
}

struct tally {
    const struct search *search;
    double *share;
    double skip_until_s, served, first_s, last_s;
};

static void count(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    struct tally *t = context;
    const struct calibrate_fit *f = t->search->fit;
    double ms = 1000 * (now_s - request->arrival_s);
    int bucket = 0;
    (void)outcome;
    if (request->mark < SETTLE)
        return;
    while (bucket < f->n_bounds && ms > f->bound_ms[bucket])
        bucket++;
    if (t->share)
        t->share[bucket] += 1;
    t->first_s = t->served > 0 ? t->first_s : now_s;
    t->last_s = now_s;
    t->served += 1;
}

/* Runs all trials at a rate through one pod of the model. */
static bool run_pod(const struct search *s, const struct service_model *model, double rate_rps, struct tally *tally)
{
    struct pod_config config;
    struct pod pod;
    const struct pod_sink sink = {count, tally};
    if (!pod_config_from(model, &config, NULL) || !pod_open(&pod, &config, 0, 0.37 * POD_QUOTA_PERIOD_S, NULL))
        return false;
    double at_s = 0;
    for (int i = 0; i < TRIALS; i++) {
        at_s += s->draws->gap[i] / rate_rps;
        pod_run(&pod, at_s, &sink);
        const struct pod_request request = {
            .arrival_s = at_s,
            .cpu_s = lognormal(config.cpu_s, config.cpu_cv, s->draws->cpu[i]),
            .wait_s = config.wait_s > 0 ? lognormal(config.wait_s, config.wait_cv, s->draws->wait[i]) : 0,
            .mark = i};
        (void)pod_offer(&pod, &request);
    }
    if (tally->share)
        pod_run(&pod, at_s + config.timeout_s, &sink);
    pod_close(&pod);
    return true;
}

static struct service_model model_at(const struct search *s, const double theta[THETAS])
{
    struct service_model m = s->model;
    m.wait_ms = exp(theta[WAIT]);
    m.wait_cv = exp(theta[WAIT_CV]);
    m.cpu_cv = exp(theta[CPU_CV]);
    m.timeout_ms = fmax(m.timeout_ms, 4 * (m.cpu_ms + m.wait_ms));
    return m;
}

static bool shares_at(const struct search *s, const double theta[THETAS], double shares[][HISTORY_BUCKETS])
{
    const struct service_model model = model_at(s, theta);
    for (int i = 0; i < s->n_steps; i++) {
        struct tally tally = {.search = s, .share = shares[i]};
        memset(shares[i], 0, HISTORY_BUCKETS * sizeof(double));
        if (!run_pod(s, &model, s->steps[i]->served_rps, &tally) || !(tally.served > 0))
            return false;
        for (int b = 0; b < s->n_buckets; b++)
            shares[i][b] = (shares[i][b] / tally.served + SHARE_FLOOR) / (1 + SHARE_FLOOR * s->n_buckets);
    }
    return true;
}

static double counted(const struct calibrate_step *step, int n_buckets)
{
    double sum = 0;
    for (int b = 0; b < n_buckets; b++)
        sum += step->counts[b];
    return sum;
}

/* Score and information of the multinomial likelihood over the free parameters, by central differences. */
static bool differentiate(const struct search *s, double score[THETAS], double info[THETAS][THETAS])
{
    double middle[FITTED_STEPS][HISTORY_BUCKETS], slope[THETAS][FITTED_STEPS][HISTORY_BUCKETS];
    double low[FITTED_STEPS][HISTORY_BUCKETS];
    if (!shares_at(s, s->theta, middle))
        return false;
    for (int k = 0; k < THETAS; k++) {
        double theta[THETAS];
        memcpy(theta, s->theta, sizeof theta);
        theta[k] = s->theta[k] - CHI_DELTA;
        bool done = !s->free[k] || shares_at(s, theta, low);
        theta[k] = s->theta[k] + CHI_DELTA;
        if (!done || (s->free[k] && !shares_at(s, theta, slope[k])))
            return false;
        for (int i = 0; s->free[k] && i < s->n_steps; i++)
            for (int b = 0; b < s->n_buckets; b++)
                slope[k][i][b] = (slope[k][i][b] - low[i][b]) / (2 * CHI_DELTA);
    }
    memset(score, 0, THETAS * sizeof(double));
    memset(info, 0, THETAS * THETAS * sizeof(double));
    for (int i = 0; i < s->n_steps; i++) {
        double total = counted(s->steps[i], s->n_buckets);
        for (int b = 0; b < s->n_buckets; b++)
            for (int k = 0; k < THETAS; k++) {
                if (!s->free[k])
                    continue;
                score[k] += s->steps[i]->counts[b] * slope[k][i][b] / middle[i][b];
                for (int l = 0; l < THETAS; l++)
                    info[k][l] += s->free[l] ? total * slope[k][i][b] * slope[l][i][b] / middle[i][b] : 0;
            }
    }
    return true;
}

/* One step of Fisher scoring; the longest move. NaN: nothing can be told. */
static double improve(struct search *s)
{
    static const double low[] = {-4.6, -4, -4}, high[] = {13, 1.2, 1.2};
    double score[THETAS], info[THETAS][THETAS], longest = 0;
    if (!differentiate(s, score, info))
        return (double)NAN;
    for (int k = 0; k < THETAS; k++)
        info[k][k] += s->free[k] ? 1e-3 : 1; // those that are held stay where they are
    if (!matrix_invert(info, THETAS))
        return (double)NAN;
    for (int k = 0; k < THETAS; k++) {
        double move = 0;
        for (int l = 0; l < THETAS; l++)
            move += info[k][l] * score[l];
        move = s->free[k] ? fmax(-0.5, fmin(0.5, move)) : 0;
        double next = fmax(low[k], fmin(high[k], s->theta[k] + move));
        longest = fmax(longest, fabs(next - s->theta[k]));
        s->theta[k] = next;
        s->error[k] = s->free[k] ? sqrt(fmax(info[k][k], 0)) : 0;
    }
    return longest;
}

static bool climb(struct search *s, struct err *e)
{
    for (int round = 0; round < ROUNDS; round++) {
        double moved = improve(s);
        if (isnan(moved))
            return err_set(e, ERR_FORMAT, "the latencies of %d steps say nothing about the service", s->n_steps);
        if (moved < 0.004)
            break;
    }
    return true;
}

/* Pearson's chi-square, over cells of five expected requests and more, and the share that lies in another bucket. */
static void judge(struct search *s)
{
    double shares[FITTED_STEPS][HISTORY_BUCKETS], chi = 0, apart = 0, all = 0;
    int cells = 0;
    if (!shares_at(s, s->theta, shares))
        return;
    for (int i = 0; i < s->n_steps; i++) {
        double total = counted(s->steps[i], s->n_buckets);
        for (int b = 0; b < s->n_buckets; b++) {
            double expected = total * shares[i][b], off = s->steps[i]->counts[b] - expected;
            apart += 0.5 * fabs(off);
            if (expected < 5)
                continue;
            chi += off * off / expected;
            cells++;
        }
        all += total;
    }
    s->fit->misfit = apart / all;
    s->fit->chi_dof = chi / fmax(1, cells - s->n_steps - THETAS);
}

/* Steps that are fitted: below saturation, at most three quarters of the plateau where there is one, else the lower half. */
static void choose_steps(struct search *s)
{
    const struct calibrate_fit *f = s->fit;
    const struct calibrate_value *plateau = &f->values[CALIBRATE_CAPACITY_RPS];
    double most = 0;
    for (int i = 0; i < f->n_steps; i++)
        most = fmax(most, f->steps[i].served_rps);
    double limit = plateau->state == CALIBRATE_MEASURED ? LIGHT_SHARE * plateau->value : 0.55 * most;
    s->n_steps = 0;
    for (int i = 0; i < f->n_steps && s->n_steps < FITTED_STEPS; i++)
        if (!f->steps[i].saturated && f->steps[i].served_rps > 0 && f->steps[i].served_rps <= limit)
            s->steps[s->n_steps++] = &f->steps[i];
}

static bool check_steps(const struct search *s, struct err *e)
{
    double requests = 0, shares[HISTORY_BUCKETS] = {0};
    int used = 0;
    for (int i = 0; i < s->n_steps; i++)
        for (int b = 0; b < s->n_buckets; b++) {
            requests += s->steps[i]->counts[b];
            shares[b] += s->steps[i]->counts[b];
        }
    for (int b = 0; b < s->n_buckets; b++)
        used += shares[b] > 0.01 * requests;
    if (requests < REQUESTS_WANTED)
        return err_set(e, ERR_FORMAT,
                       "too few points: %.0f requests in %d steps below saturation, at least %.0f are needed", requests,
                       s->n_steps, REQUESTS_WANTED);
    if (used < 2)
        return err_set(e, ERR_FORMAT,
                       "the histogram's buckets are too coarse: nearly all requests below saturation lie in one");
    return true;
}

static void start_from(struct search *s)
{
    const struct calibrate_step *first = s->steps[0];
    double wait_ms = fmax(first->mean_ms - s->model.cpu_ms, 0.05 * first->mean_ms);
    s->theta[WAIT] = log(fmax(wait_ms, 0.02));
    s->theta[WAIT_CV] = log(0.4);
    s->theta[CPU_CV] = log(0.8);
    for (int k = 0; k < THETAS; k++)
        s->free[k] = true;
    // A time that is a small part of the whole cannot show its spread; a profile's default stands for it.
    if (s->model.cpu_ms < 0.1 * first->mean_ms) {
        s->free[CPU_CV] = false;
        s->theta[CPU_CV] = log(1.0);
    }
}

/* Throughput of the pod when more is asked than it can do. */
static double plateau_of(const struct search *s, int places)
{
    struct service_model model = model_at(s, s->theta);
    struct tally tally = {.search = s};
    model.concurrency = places;
    model.backlog = 2000;
    model.timeout_ms = 6e5;
    if (!run_pod(s, &model, 4.0 * places / (0.001 * (model.cpu_ms + model.wait_ms)), &tally) || tally.served < 2)
        return 0;
    return (tally.served - 1) / (tally.last_s - tally.first_s);
}

/* The number of places whose plateau is the measured one, with a fraction: how far it lies between two. NaN: no number of
 * places reaches it, or many do: the CPU is the limit. */
static double places_of(const struct search *s, double plateau_rps)
{
    int places = 1, last = 0;
    double reached = plateau_of(s, 1), before = 0;
    while (reached < plateau_rps && places < PLACES_LIMIT && (places == 1 || reached > 1.01 * before)) {
        before = reached;
        last = places;
        places = places < 8 ? places + 1 : places + places / 8;
        reached = plateau_of(s, places);
    }
    if (places == 1)
        return plateau_rps / reached;
    if (reached < 0.98 * plateau_rps || reached < before * (1 + 0.3 * (places - last) / places))
        return (double)NAN; // more places bring no more
    return last + (places - last) * (plateau_rps - before) / (reached - before);
}

/* Requests that the pod held at most below saturation: no service with fewer places shows that. */
static int places_seen(const struct calibrate_fit *f)
{
    double most = 1;
    for (int i = 0; i < f->n_steps; i++)
        if (!f->steps[i].saturated)
            most = fmax(most, f->steps[i].inside);
    return (int)ceil(most - 0.05);
}

static void keep_bound(struct search *s, const char *why)
{
    int seen = places_seen(s->fit);
    calibrate_set(s->fit, CALIBRATE_CONCURRENCY, fmax(seen, s->model.concurrency), 0);
    calibrate_say(s->fit, CALIBRATE_CONCURRENCY, CALIBRATE_BOUND, "unknown: %s; at least %d were seen at work at once",
                  why, seen);
}

/* At saturation nearly all the CPU was used that a pod can have. */
static bool cpu_is_the_limit(const struct search *s)
{
    const struct service_model *m = &s->model;
    double most = m->cpu_limit_cores > 0 ? fmin(m->cpu_limit_cores, m->node_cores) : m->node_cores;
    for (int i = 0; i < s->fit->n_steps; i++)
        if (s->fit->steps[i].saturated && s->fit->steps[i].cpu_cores > 0.9 * most)
            return true;
    return false;
}

/* true: the number of places has changed, so that the latencies are to be fitted anew. */
static bool fit_places(struct search *s)
{
    const struct calibrate_value *plateau = &s->fit->values[CALIBRATE_CAPACITY_RPS];
    if (plateau->state != CALIBRATE_MEASURED) {
        keep_bound(s, "the load never reached saturation");
        return false;
    }
    double places = cpu_is_the_limit(s) ? (double)NAN : places_of(s, plateau->value);
    if (isnan(places)) {
        keep_bound(s, "at saturation the CPU was the limit, not the places");
        return false;
    }
    int whole = (int)fmax(1, floor(places + 0.5));
    double error = places * hypot(plateau->error / plateau->value, s->error[WAIT]);
    calibrate_set(s->fit, CALIBRATE_CONCURRENCY, whole, error);
    calibrate_say(s->fit, CALIBRATE_CONCURRENCY, CALIBRATE_MEASURED,
                  "plateau of %.4g requests/s: %.2f places of the fitted service", plateau->value, places);
    bool changed = whole != s->model.concurrency;
    s->model.concurrency = whole;
    return changed;
}

/* A pod that turns requests away has all its places taken. One that seems to hold fewer answers them sooner than at the
 * time-out, which was taken off the latency sum for each. */
static bool is_short(const struct calibrate_fit *f, double inside, double least)
{
    bool known = f->values[CALIBRATE_CONCURRENCY].state == CALIBRATE_MEASURED;
    return isnan(inside) || (known && inside < least);
}

/* Where requests were turned away, the queue is full: its length is what Little's law says of the last such step, which found
 * it full from the beginning. */
static void fit_backlog(struct search *s)
{
    struct calibrate_fit *f = s->fit;
    const struct calibrate_step *full = NULL;
    double most = 0, places = s->model.concurrency;
    for (int i = 0; i < f->n_steps; i++) {
        const struct calibrate_step *step = &f->steps[i];
        most = fmax(most, step->inside);
        if (step->saturated && step->failed_rps * (step->to_s - step->from_s) >= 5)
            full = step;
    }
    if (!full) {
        calibrate_set(f, CALIBRATE_BACKLOG, fmax(floor(most - places), 256), 0);
        calibrate_say(f, CALIBRATE_BACKLOG, CALIBRATE_UNKNOWN,
                      "no request was turned away; the default, or what was seen");
        return;
    }
    double served = full->served_rps * (full->to_s - full->from_s);
    double error = full->inside * hypot(0.02, 1 / sqrt(served));
    if (is_short(f, full->inside, places - 3 * error)) {
        calibrate_say(f, CALIBRATE_BACKLOG, CALIBRATE_UNKNOWN,
                      "failed requests are not in the latency sum at the time-out (calibrate.timeout_ms); the default");
        return;
    }
    calibrate_set(f, CALIBRATE_BACKLOG, fmax(0, floor(full->inside - places + 0.5)), error);
    calibrate_say(f, CALIBRATE_BACKLOG, CALIBRATE_MEASURED,
                  "%.1f requests in the pod by Little's law while some were turned away", full->inside);
}

static void keep_spreads(struct search *s)
{
    static const enum calibrate_parameter parameters[] = {CALIBRATE_WAIT_MS, CALIBRATE_WAIT_CV, CALIBRATE_CPU_CV};
    double inflation = sqrt(fmax(1, s->fit->chi_dof));
    for (int k = 0; k < THETAS; k++) {
        double value = exp(s->theta[k]);
        calibrate_set(s->fit, parameters[k], value, value * s->error[k] * inflation);
        if (s->free[k])
            calibrate_say(s->fit, parameters[k], CALIBRATE_MEASURED,
                          "likelihood of %d steps below saturation, chi-square/dof %.2f", s->n_steps, s->fit->chi_dof);
        else
            calibrate_say(s->fit, parameters[k], CALIBRATE_UNKNOWN,
                          "too small a part of the latency to be told apart; the default");
    }
}

/* Frees what can be told and holds what cannot. */
static bool fit_spreads(struct search *s, struct err *e)
{
    static const double defaults[] = {0, 0.5, 1.0};
    if (!climb(s, e))
        return false;
    for (int k = WAIT_CV; k < THETAS; k++)
        if (s->free[k] && !(s->error[k] < ERROR_LIMIT)) {
            s->free[k] = false;
            s->theta[k] = log(defaults[k]);
            if (!climb(s, e))
                return false;
        }
    judge(s);
    keep_spreads(s);
    return true;
}

static bool search_all(struct search *s, struct err *e)
{
    choose_steps(s);
    if (!check_steps(s, e))
        return false;
    start_from(s);
    for (int round = 0; round < 4; round++)
        if (!fit_spreads(s, e))
            return false;
        else if (!fit_places(s))
            break;
    fit_backlog(s);
    if (s->fit->misfit > MISFIT_LIMIT)
        return err_set(e, ERR_FORMAT,
                       "residuals above the limit: the fitted service puts %.0f %% of the requests below saturation "
                       "into other latency buckets (limit %.0f %%)",
                       100 * s->fit->misfit, 100 * MISFIT_LIMIT);
    return true;
}

bool calibrate_fit_latency(struct calibrate_fit *fit, struct err *e)
{
    struct service_profile profile;
    profile_default(&profile);
    struct search s = {.fit = fit, .model = profile.service.model, .n_buckets = fit->n_bounds + 1};
    s.model.cpu_ms = fit->values[CALIBRATE_CPU_MS].value;
    s.model.cpu_limit_cores = fit->facts.cpu_limit_cores;
    s.model.node_cores = fit->facts.node_cores;
    s.model.timeout_ms = fit->facts.timeout_ms;
    s.draws = malloc(sizeof *s.draws);
    if (!s.draws)
        return err_set(e, ERR_IO, "calibrate: no memory");
    draw_all(s.draws);
    bool done = search_all(&s, e);
    free(s.draws);
    return done;
}
