/* calibrate_starts: what pods do between being asked for and being warm. In: rows around the times at which the replica count
 * rose. Out: start-up delay and its spread, CPU burned meanwhile, warm-up. Needs CPU per request. */
#include "calibrate_math.h"
#include "calibrate_parts.h"

#include <maestro/stats.h>

#include <math.h>
#include <stdlib.h>

enum { STARTS = 64, POINTS = 512 };
static const double WARM_UP_SEEN = 10; /* F of the better fit with warm-up, two more parameters */

/* Seconds from asking to ready, of every pod that became ready before the count was changed again. */
static int find_starts(const struct history *h, double *seconds)
{
    int n = 0;
    for (int i = 1; i < h->n; i++) {
        if (h->rows[i].spec <= h->rows[i - 1].spec)
            continue;
        int seen = h->rows[i].ready;
        for (int k = i + 1; k < h->n && h->rows[k].spec == h->rows[i].spec; k++)
            for (; seen < h->rows[k].ready && n < STARTS; seen++)
                seconds[n++] = 0.5 * (h->rows[k].time_s + h->rows[k - 1].time_s) - h->rows[i].time_s;
    }
    return n;
}

static void fit_delay(const struct history *h, struct calibrate_fit *fit)
{
    double seconds[STARTS];
    int n = find_starts(h, seconds);
    if (n < 3) {
        calibrate_say(fit, CALIBRATE_START_S, CALIBRATE_UNKNOWN, "too few points: %d starts of pods were seen", n);
        calibrate_say(fit, CALIBRATE_START_CV, CALIBRATE_UNKNOWN, "likewise");
        return;
    }
    double mean = stats_mean(seconds, n), sd = stats_sd(seconds, n);
    calibrate_set(fit, CALIBRATE_START_S, fmax(1, mean), sd / sqrt(n));
    calibrate_say(fit, CALIBRATE_START_S, CALIBRATE_MEASURED, "%d starts, from the write to ready at the API", n);
    calibrate_set(fit, CALIBRATE_START_CV, sd / mean, sd / mean / sqrt(2.0 * (n - 1)));
    calibrate_say(fit, CALIBRATE_START_CV, CALIBRATE_MEASURED, "scatter of the same");
}

/* One interval of the CPU counter behind a rise of the count. */
struct point {
    double cores, span_s, rate_rps;
    double starting;     /* mean number of pods not ready */
    double age_s, fresh; /* of the new pods since ready; their share of the ready ones */
    double running;      /* pods that exist */
};

static struct point make_point(const struct history *h, int from, int to, int was_ready, double ready_s)
{
    const struct history_row *a = &h->rows[from], *b = &h->rows[to];
    struct point p = {.span_s = b->time_s - a->time_s};
    double starting = 0, ready = 0;
    for (int i = from + 1; i <= to; i++) {
        double part = (h->rows[i].time_s - h->rows[i - 1].time_s) / p.span_s;
        starting += 0.5 * part * (h->rows[i].starting + h->rows[i - 1].starting);
        ready += 0.5 * part * (h->rows[i].ready + h->rows[i - 1].ready);
    }
    p.cores = (b->cpu_s - a->cpu_s) / p.span_s;
    p.rate_rps = (b->requests - a->requests - b->failed + a->failed) / p.span_s;
    p.starting = starting;
    p.running = starting + ready;
    p.fresh = ready > was_ready ? (ready - was_ready) / ready : 0;
    p.age_s = 0.5 * (a->time_s + b->time_s) - ready_s;
    return p;
}

/* When all pods that were asked for in row i were ready; NaN: never. */
static double ready_time(const struct history *h, int i)
{
    for (int k = i; k < h->n && h->rows[k].spec == h->rows[i].spec; k++)
        if (h->rows[k].ready >= h->rows[i].spec)
            return h->rows[k].time_s;
    return (double)NAN;
}

/* Pods became ready in between: who burned what is then a matter of fractions of a look. */
static bool changes(const struct history *h, int from, int to)
{
    for (int i = from + 1; i <= to; i++)
        if (h->rows[i].ready != h->rows[i - 1].ready || h->rows[i].starting != h->rows[i - 1].starting)
            return true;
    return false;
}

static int find_points(const struct history *h, struct point *points)
{
    int n = 0;
    for (int i = 1; i < h->n; i++) {
        if (h->rows[i].spec <= h->rows[i - 1].spec)
            continue;
        double ready_s = ready_time(h, i);
        int before = -1, was_ready = h->rows[i - 1].ready;
        for (int k = i; k < h->n && h->rows[k].spec == h->rows[i].spec && n < POINTS && !isnan(ready_s); k++) {
            bool due = h->rows[k].cpu_fresh && (before < 0 || h->rows[k].time_s - h->rows[before].time_s >= 0.9);
            if (due && before >= 0 && !changes(h, before > 0 ? before - 1 : before, k))
                points[n++] = make_point(h, before, k, was_ready, ready_s);
            before = due ? k : before;
        }
    }
    return n;
}

/* CPU per request of the new pods over that of warm ones, less 1. */
static double excess(double age_s, double warm_up_s, double speed)
{
    if (age_s >= warm_up_s || warm_up_s <= 0)
        return 0;
    return 1 / (speed + (1 - speed) * fmax(age_s, 0) / warm_up_s) - 1;
}

/* Least squares of the CPU burned by a starting pod, given a warm-up; the sum of squares left. */
static double fit_burn(const struct calibrate_fit *fit, const struct point *points, int n, double warm_up_s,
                       double speed, double burn[2])
{
    double cost = fit->values[CALIBRATE_CPU_MS].value / 1000, idle = fit->values[CALIBRATE_IDLE_CORES].value;
    double xx = 0, xy = 0, yy = 0;
    for (int i = 0; i < n; i++) {
        const struct point *p = &points[i];
        double expected = idle * p->running + cost * p->rate_rps * (1 + p->fresh * excess(p->age_s, warm_up_s, speed));
        double left = p->cores - expected;
        xx += p->span_s * p->starting * p->starting;
        xy += p->span_s * p->starting * left;
        yy += p->span_s * left * left;
    }
    burn[0] = xx > 1e-9 ? fmax(xy / xx, 0) : 0;
    double squares = fmax(yy - 2 * burn[0] * xy + burn[0] * burn[0] * xx, 0);
    burn[1] = xx > 1e-9 ? sqrt(squares / fmax(n - 1, 1) / xx) : 0;
    return squares;
}

static void fit_cpu(const struct history *h, struct calibrate_fit *fit)
{
    static struct point points[POINTS];
    static const double lengths[] = {5, 7.5, 10, 15, 20, 30, 45, 60};
    double burn[2], trial[2], best_s = 0, best_speed = 1;
    int n = find_points(h, points);
    if (n < 8) {
        calibrate_say(fit, CALIBRATE_START_CPU_CORES, CALIBRATE_UNKNOWN,
                      "too few points: %d CPU intervals behind starts", n);
        calibrate_say(fit, CALIBRATE_WARM_UP_S, CALIBRATE_UNKNOWN, "likewise; none is assumed");
        calibrate_say(fit, CALIBRATE_WARM_UP_SPEED, CALIBRATE_UNKNOWN, "likewise");
        return;
    }
    double plain = fit_burn(fit, points, n, 0, 1, burn), best = plain;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int percent = 10; percent <= 95; percent += 5) {
            double speed = percent / 100.0;
            double left = fit_burn(fit, points, n, lengths[i], speed, trial);
            if (left < best) {
                best = left;
                best_s = lengths[i];
                best_speed = speed;
            }
        }
    double ratio = (plain - best) / 2 / fmax(best / fmax(n - 3, 1), 1e-12);
    bool seen = ratio > WARM_UP_SEEN && best_s > 0;
    fit_burn(fit, points, n, seen ? best_s : 0, seen ? best_speed : 1, burn);
    calibrate_set(fit, CALIBRATE_START_CPU_CORES, burn[0], burn[1]);
    calibrate_say(fit, CALIBRATE_START_CPU_CORES, CALIBRATE_MEASURED,
                  "CPU beyond that of the requests while pods started, %d intervals", n);
    calibrate_set(fit, CALIBRATE_WARM_UP_S, seen ? best_s : 0, seen ? 0.35 * best_s : 0);
    calibrate_say(
        fit, CALIBRATE_WARM_UP_S, CALIBRATE_MEASURED,
        seen ? "CPU per request of new pods (F %.1f)" : "none seen in the CPU per request of new pods (F %.1f)", ratio);
    calibrate_set(fit, CALIBRATE_WARM_UP_SPEED, seen ? best_speed : 1, seen ? 0.1 : 0);
    calibrate_say(fit, CALIBRATE_WARM_UP_SPEED, CALIBRATE_MEASURED, "likewise");
}

void calibrate_fit_starts(const struct history *h, struct calibrate_fit *fit)
{
    fit_delay(h, fit);
    fit_cpu(h, fit);
}
