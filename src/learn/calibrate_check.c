/* calibrate_check: the real service beside its twins. In: three histories of one load and one schedule of replicas. Out: windows
 * side by side, medians of the relative errors below saturation, and the load at which each became saturated. */
#include <maestro/calibrate.h>

#include <maestro/csv.h>
#include <maestro/scrape.h>
#include <maestro/stats.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every step of every staircase, each cut three times by pods that were not ready for a moment. */
enum { STRETCHES = 4 * CALIBRATE_REPLICAS * CALIBRATE_STAIRS };
static const double EDGE_S = 4; /* of a step: arrivals and scrapes come late */

static double at(const struct history *h, double since_s, size_t offset)
{
    double t = h->rows[0].time_s + since_s;
    int low = 0, high = h->n - 1;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (h->rows[middle].time_s <= t)
            low = middle;
        else
            high = middle;
    }
    const struct history_row *a = &h->rows[low], *b = &h->rows[high];
    double part = b->time_s > a->time_s ? fmax(0, fmin(1, (t - a->time_s) / (b->time_s - a->time_s))) : 0;
    double from, to;
    memcpy(&from, (const char *)a + offset, sizeof from);
    memcpy(&to, (const char *)b + offset, sizeof to);
    return from + part * (to - from);
}

static double rise(const struct history *h, double from_s, double to_s, size_t offset)
{
    return at(h, to_s, offset) - at(h, from_s, offset);
}

#define COLUMN(field) offsetof(struct history_row, field)

static double p95(const struct history *h, double from_s, double to_s)
{
    double cumulative[HISTORY_BUCKETS];
    for (int b = 0; b <= h->n_bounds; b++)
        cumulative[b] = rise(h, from_s, to_s, COLUMN(bucket) + (size_t)b * sizeof(double));
    return scrape_quantile(0.95, h->bound_ms, cumulative, h->n_bounds);
}

static void measure(const struct history *sides[CALIBRATE_SIDES], double from_s, double to_s,
                    struct calibrate_window *out)
{
    double span_s = to_s - from_s;
    for (int k = 0; k < CALIBRATE_SIDES; k++) {
        const struct history *h = sides[k];
        double failed = rise(h, from_s, to_s, COLUMN(failed));
        out->rps[k] = (rise(h, from_s, to_s, COLUMN(requests)) - failed) / span_s;
        out->cpu_cores[k] = rise(h, from_s, to_s, COLUMN(cpu_s)) / span_s;
        out->p95_ms[k] = p95(h, from_s, to_s);
    }
}

/* Row i belongs with the one before: same step, same pods, all ready. */
static bool goes_on(const struct history *h, int i)
{
    const struct history_row *a = &h->rows[i - 1], *b = &h->rows[i];
    return a->step == b->step && a->spec == b->spec && b->ready >= b->spec;
}

/* Calls each for every stretch of one step under pods that are all ready, without its edge. */
struct stretch {
    double from_s, to_s, offered_rps;
    int replicas, step;
};

static bool find_stretches(const struct history *h, struct stretch out[STRETCHES], int *n, struct err *e)
{
    *n = 0;
    for (int i = 1, from = 0; i <= h->n; i++) {
        if (i < h->n && goes_on(h, i))
            continue;
        const struct history_row *a = &h->rows[from], *b = &h->rows[i - 1];
        double start_s = a->time_s + EDGE_S;
        from = i;
        if (a->step <= 0 || b->ready < b->spec || b->time_s - start_s < EDGE_S)
            continue;
        if (*n == STRETCHES)
            return err_set(e, ERR_FORMAT, "more than %d steps of load with all pods ready, or parts of them",
                           STRETCHES);
        out[(*n)++] = (struct stretch){start_s - h->rows[0].time_s, b->time_s - h->rows[0].time_s, a->offered_rps,
                                       b->spec, a->step};
    }
    return true;
}

/* Load at which the p95 of one replica count passes the limit for good, linear in its logarithm between steps. A disturbance on
 * a lighter step is none. */
static double onset(const struct history *h, const struct stretch *stretches, int n, int replicas, double limit_ms)
{
    double load = 0, ms = 0, found = (double)NAN;
    bool over = false;
    for (int i = 0; i < n; i++) {
        const struct stretch *s = &stretches[i];
        double next = s->replicas == replicas ? p95(h, s->from_s, s->to_s) : (double)NAN;
        if (isnan(next))
            continue;
        bool passes = next > limit_ms;
        if (passes && !over)
            found = ms > 0 ? load + (s->offered_rps - load) * log(limit_ms / ms) / log(next / ms) : s->offered_rps;
        over = passes;
        load = s->offered_rps;
        ms = next;
    }
    return over ? found : (double)NAN;
}

static void find_onsets(const struct history *sides[CALIBRATE_SIDES], const struct stretch *stretches, int n,
                        struct calibrate_check *out)
{
    for (int replicas = 1; replicas <= REPLICAS_LIMIT && out->n_onsets < CALIBRATE_REPLICAS; replicas++) {
        bool any = false;
        for (int i = 0; i < n; i++)
            any = any || stretches[i].replicas == replicas;
        if (!any)
            continue;
        out->onset_replicas[out->n_onsets] = replicas;
        for (int k = 0; k < CALIBRATE_SIDES; k++)
            out->onset_rps[out->n_onsets][k] = onset(sides[k], stretches, n, replicas, out->onset_ms);
        out->n_onsets++;
    }
}

/* Under the smallest of the onsets at that number of pods. */
static bool is_below(const struct calibrate_check *c, const struct stretch *s)
{
    for (int i = 0; i < c->n_onsets; i++)
        for (int k = 0; k < CALIBRATE_SIDES && c->onset_replicas[i] == s->replicas; k++)
            if (s->offered_rps >= c->onset_rps[i][k])
                return false;
    return true;
}

static bool add_window(struct calibrate_check *c, const struct calibrate_window *window, struct err *e)
{
    struct calibrate_window *windows = realloc(c->windows, ((size_t)c->n + 1) * sizeof *windows);
    if (!windows)
        return err_set(e, ERR_IO, "calibrate: no memory for the windows");
    c->windows = windows;
    c->windows[c->n++] = *window;
    return true;
}

static bool add_windows(const struct history *sides[CALIBRATE_SIDES], const struct stretch *s, double window_s,
                        struct calibrate_check *c, struct err *e)
{
    int n = (int)floor((s->to_s - s->from_s) / window_s);
    if (n == 0)
        window_s = s->to_s - s->from_s;
    for (int i = 0; i < (n > 0 ? n : 1); i++) {
        double from_s = s->from_s + i * window_s;
        struct calibrate_window w = {.from_s = from_s,
                                     .replicas = s->replicas,
                                     .step = s->step,
                                     .offered_rps = s->offered_rps,
                                     .below = is_below(c, s)};
        measure(sides, from_s, from_s + window_s, &w);
        if (!add_window(c, &w, e))
            return false;
    }
    return true;
}

static double median_error(const struct calibrate_check *c, int side, size_t offset)
{
    double *errors = calloc((size_t)c->n + 1, sizeof *errors);
    int n = 0;
    for (int i = 0; i < c->n && errors; i++) {
        double values[CALIBRATE_SIDES];
        memcpy(values, (const char *)&c->windows[i] + offset, sizeof values);
        if (c->windows[i].below && values[0] > 0 && !isnan(values[side]))
            errors[n++] = fabs(values[side] / values[0] - 1);
    }
    double median = errors ? stats_quantile(errors, n, 0.5) : (double)NAN;
    free(errors);
    return median;
}

static double lightest_p95(const struct history *h, const struct stretch *stretches, int n)
{
    double least = (double)NAN;
    for (int i = 0; i < n; i++) {
        double ms = p95(h, stretches[i].from_s, stretches[i].to_s);
        least = isnan(least) || ms < least ? ms : least;
    }
    return least;
}

bool calibrate_compare(const struct history *sides[CALIBRATE_SIDES], double window_s, double limit_ms,
                       struct calibrate_check *out, struct err *e)
{
    struct stretch stretches[STRETCHES];
    struct calibrate_check c = {0};
    int n;
    if (!find_stretches(sides[0], stretches, &n, e))
        return false;
    if (n < 2)
        return err_set(e, ERR_FORMAT, "too few points: %d steps of load with all pods ready, at least 2 are needed", n);
    c.onset_ms = limit_ms > 0 ? limit_ms : 3 * lightest_p95(sides[0], stretches, n);
    find_onsets(sides, stretches, n, &c);
    for (int i = 0; i < n; i++)
        if (!add_windows(sides, &stretches[i], window_s, &c, e)) {
            calibrate_check_finish(&c);
            return false;
        }
    for (int i = 0; i < c.n; i++)
        c.n_below += c.windows[i].below;
    for (int k = 1; k < CALIBRATE_SIDES; k++) {
        c.p95_error[k] = median_error(&c, k, offsetof(struct calibrate_window, p95_ms));
        c.cpu_error[k] = median_error(&c, k, offsetof(struct calibrate_window, cpu_cores));
        c.rps_error[k] = median_error(&c, k, offsetof(struct calibrate_window, rps));
    }
    *out = c;
    return true;
}

static void widen(const struct history *run, const struct stretch *stretches, int n,
                  const struct calibrate_check *check, struct calibrate_span *out)
{
    for (int i = 0; i < check->n_onsets; i++) {
        double found = onset(run, stretches, n, check->onset_replicas[i], check->onset_ms);
        out[i] = (struct calibrate_span){fmin(out[i].low, found), fmax(out[i].high, found)};
    }
}

bool calibrate_scatter(const struct calibrate_twin *twin, const struct history *schedule, int seeds,
                       const struct calibrate_check *check, struct calibrate_span out[CALIBRATE_REPLICAS],
                       struct err *e)
{
    struct stretch stretches[STRETCHES];
    struct calibrate_twin one = *twin;
    int n;
    if (!find_stretches(schedule, stretches, &n, e))
        return false;
    one.runs = 1;
    for (int i = 0; i < CALIBRATE_REPLICAS; i++)
        out[i] = (struct calibrate_span){(double)NAN, (double)NAN};
    for (int k = 0; k < seeds; k++) {
        struct history run;
        one.seed = twin->seed + (uint64_t)k;
        if (!calibrate_run_twin(&one, schedule, &run, e))
            return false;
        widen(&run, stretches, n, check, out);
        history_finish(&run);
    }
    return true;
}

void calibrate_check_finish(struct calibrate_check *c)
{
    if (!c)
        return;
    free(c->windows);
    *c = (struct calibrate_check){0};
}

static struct csv_cell cell(double value)
{
    double rounded = floor(value * 1e4 + 0.5) / 1e4;
    return isnan(value) ? (struct csv_cell){CSV_EMPTY, 0} : (struct csv_cell){CSV_REAL, rounded};
}

void calibrate_write_check(const struct calibrate_check *c, struct buf *out)
{
    static const char *const names[] = {"from_s",           "replicas",      "step",        "offered_rps",
                                        "below_saturation", "rps_real",      "rps_exact",   "rps_fast",
                                        "p95_ms_real",      "p95_ms_exact",  "p95_ms_fast", "cpu_cores_real",
                                        "cpu_cores_exact",  "cpu_cores_fast"};
    csv_header(out, names, (int)(sizeof names / sizeof *names), CSV_LF);
    for (int i = 0; i < c->n; i++) {
        const struct calibrate_window *w = &c->windows[i];
        const struct csv_cell cells[] = {cell(w->from_s),       {CSV_WHOLE, w->replicas}, {CSV_WHOLE, w->step},
                                         cell(w->offered_rps),  {CSV_WHOLE, w->below},    cell(w->rps[0]),
                                         cell(w->rps[1]),       cell(w->rps[2]),          cell(w->p95_ms[0]),
                                         cell(w->p95_ms[1]),    cell(w->p95_ms[2]),       cell(w->cpu_cores[0]),
                                         cell(w->cpu_cores[1]), cell(w->cpu_cores[2])};
        csv_row(out, cells, (int)(sizeof cells / sizeof *cells), CSV_LF);
    }
}
