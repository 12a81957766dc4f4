/* bound: how low the true p95 of a span can be at all, with n pods, whatever they did. In: the seconds' arrivals. Out: ms.
 *
 * In each second a pod at L completes d = X(L) requests, the share F(L; x) of them within x. The span's p95 is at most x only
 * if the sum of psi = d (F - 0.95) over all pod-seconds is not negative. psi as a function of d has a concave hull, so n T
 * pod-seconds that complete D in all give at most n T hull(D / n T) (Jensen). D may fall short of the arrivals by what is
 * still inside at the end (bound_l per pod: beyond that L half of its requests are late), and by what overloaded pods swallow:
 * a pod may receive up to lambda_max, its share at the worst imbalance, yet complete only the capacity of its lowest
 * speed, half of it late. That is one more point that the hull may be joined with. Requests that come less than x before the
 * span's end cannot end later than x within it: they count as in time, whoever serves them. Between two bins x is feasible at most
 * from where the line between their values (with the same allowance for what is still inside) crosses 0. */
#include "state.h"

#include <math.h>

static const double BOUND_LATE = 0.5;   /* share within x of a pod that counts as overloaded, at most */
static const double BOUND_P95 = 0.9495; /* a little under 0.95: pays for the grid between hull points */

struct point {
    double load, value;
};

/* psi at both edges of every row, in order of load. */
static int bound_points(const struct latency_table *t, int bin, struct point *out)
{
    int n = 0;
    out[n++] = (struct point){0};
    for (int row = 0; row < LATENCY_ROWS; row++) {
        double surplus = (double)t->cdf[row][bin] - BOUND_P95;
        for (int edge = 0; edge < 2; edge++) {
            double served = fmin((double)t->throughput[row + edge], (double)t->capacity_rps);
            out[n++] = (struct point){served, served * surplus};
        }
    }
    return n;
}

static double cross(const struct point *a, const struct point *b, const struct point *c)
{
    return (b->load - a->load) * (c->value - a->value) - (b->value - a->value) * (c->load - a->load);
}

/* Upper hull in place (Andrew's monotone chain); loads do not fall. Returns the count. */
static int upper_hull(struct point *p, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        struct point next = p[i];
        if (kept > 0 && next.load <= p[kept - 1].load) {
            if (next.value <= p[kept - 1].value)
                continue;
            kept--;
        }
        while (kept >= 2 && cross(&p[kept - 2], &p[kept - 1], &next) >= 0)
            kept--;
        p[kept++] = next;
    }
    return kept;
}

static void sample_hull(const struct point *hull, int n, double capacity_rps, float *out)
{
    int at = 0;
    for (int i = 0; i < BOUND_GRID; i++) {
        double load = capacity_rps * i / (BOUND_GRID - 1);
        while (at < n - 2 && hull[at + 1].load < load)
            at++;
        const struct point *a = &hull[at], *b = &hull[at + 1 < n ? at + 1 : at];
        double width = b->load - a->load;
        double part = width > 0 ? fmin((load - a->load) / width, 1.0) : 0.0;
        out[i] = (float)(a->value + part * (b->value - a->value));
    }
}

void bound_build(struct service *s)
{
    const struct latency_table *t = &s->latency;
    struct point points[2 * LATENCY_ROWS + 1];
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        int n = upper_hull(points, bound_points(t, bin, points));
        sample_hull(points, n, (double)t->capacity_rps, s->bound[bin]);
        int row = 0;
        while (row < LATENCY_ROWS && (double)t->cdf[row][bin] > BOUND_LATE && latency_row_l(row) < t->l_limit)
            row++;
        s->bound_l[bin] = row ? fminf(latency_row_l(row), t->l_limit) : 0.0f;
    }
}

/* What a span asks of each pod. */
struct asked {
    const float *arrivals; /* [n_seconds] */
    int n_seconds;
    double n;          /* pods */
    double lambda_max; /* most that one pod can be sent in a second */
    double slow_rps;   /* what a pod of the lowest speed completes when overloaded */
    bool sign_only;    /* whether it is below 0 is all that is asked */
};

/* Sum of psi per pod-second at best, for one bin, with per_pod_s arrivals per pod-second, so many of which are still inside
 * each pod at the end. */
static double best_surplus(const struct service *s, int bin, double per_pod_s, double seconds, float inside,
                           const struct asked *a)
{
    double capacity = (double)s->latency.capacity_rps;
    double mean = fmax(0.0, per_pod_s - (double)inside / seconds);
    double step = capacity / (BOUND_GRID - 1);
    const float *hull = s->bound[bin];
    double best = -HUGE_VAL;
    if (mean <= capacity) {
        int i = (int)(mean / step);
        i = i < BOUND_GRID - 2 ? i : BOUND_GRID - 2;
        double part = mean / step - i;
        best = (double)hull[i] + part * (double)(hull[i + 1] - hull[i]);
    }
    double late = (BOUND_LATE - BOUND_P95) * a->slow_rps;
    if ((a->sign_only && best >= 0) || a->lambda_max <= mean)
        return best;
    for (int i = 0; i < BOUND_GRID && step * i <= mean; i++) {
        double load = step * i;
        double joined = ((double)hull[i] * (a->lambda_max - mean) + late * (mean - load)) / (a->lambda_max - load);
        best = fmax(best, joined);
    }
    return best;
}

static struct asked ask(const struct service *s, const float *arrivals, int n_seconds, double n, double busiest)
{
    double most = 0.0;
    for (int i = 0; i < n_seconds; i++)
        most = fmax(most, (double)arrivals[i]);
    double times = n > 1 ? n * busiest / (busiest + (n - 1) * (2 - busiest)) : 1.0;
    double slowest = s->profile.pods.warm_up_speed / (1.0 + s->profile.service.drift);
    double stolen = s->profile.faults.kinds[FAULT_CPU_STRESS].probability > 0
                        ? fmin(0.9, s->profile.faults.kinds[FAULT_CPU_STRESS].strength)
                        : 0.0;
    return (struct asked){.arrivals = arrivals,
                          .n_seconds = n_seconds,
                          .n = n,
                          .lambda_max = most / n * fmax(times, 1.0),
                          .slow_rps = slowest * (1.0 - stolen) * (double)s->latency.capacity_rps};
}

/* Sum of psi per pod-second of the span at best, for a bin, with as many still inside at the end as of the bin `inside`. */
static double surplus(const struct service *s, int bin, int inside, const struct asked *a)
{
    double before_s = (double)a->n_seconds - (double)s->latency.bound_ms[bin] / 1000.0, before = 0.0, after = 0.0;
    for (int i = 0; i < a->n_seconds; i++) {
        double part = fmax(0.0, fmin(1.0, before_s - i));
        before += part * (double)a->arrivals[i];
        after += (1.0 - part) * (double)a->arrivals[i];
    }
    double in_time = (1.0 - BOUND_P95) * after / a->n;
    double rest =
        before_s > 0.0 ? best_surplus(s, bin, before / (a->n * before_s), before_s, s->bound_l[inside], a) : 0.0;
    return (fmax(before_s, 0.0) * rest + in_time) / a->n_seconds;
}

static bool feasible(const struct service *s, int bin, const struct asked *a)
{
    return surplus(s, bin, bin, a) >= 0;
}

static double worst_busiest(const struct sim_model *m, const struct service *s)
{
    if (s->profile.service.model.balancing != BALANCE_CONNECTION)
        return 1.0;
    double own = s->profile.service.model.balance_busiest;
    return m->n_services > 1 ? fmax(own, s->profile.random.busiest_high) : own;
}

double sim_bound_p95(const struct sim_model *m, int variant, const float *arrivals, int n_seconds, double n)
{
    const struct service *s = &m->services[variant];
    double sum = 0.0;
    for (int i = 0; i < n_seconds; i++)
        sum += (double)arrivals[i];
    struct asked a = ask(s, arrivals, n_seconds, fmax(n, 1e-3), worst_busiest(m, s));
    a.sign_only = true;
    if (sum <= 0.0 || feasible(s, 0, &a))
        return 0.0;
    int low = 0, high = LATENCY_BINS - 1;
    if (!feasible(s, high, &a))
        return (double)s->latency.timeout_ms;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (feasible(s, middle, &a))
            high = middle;
        else
            low = middle;
    }
    a.sign_only = false;
    double under = surplus(s, low, high, &a), over = surplus(s, high, high, &a);
    double low_ms = (double)s->latency.bound_ms[low], high_ms = (double)s->latency.bound_ms[high];
    if (isinf(under) || under >= 0)
        return low_ms;
    double per_pod_s = sum / (a.n * n_seconds), late = 1.0 - BOUND_P95;
    double late_low = late - under / per_pod_s, late_high = fmax(0.0, late - over / per_pod_s);
    return low_ms + latency_part(late_low, late_high, late) * (high_ms - low_ms);
}
