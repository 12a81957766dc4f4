/* service: builds a service variant from a profile. In: profile, seed. Out: struct service, with every table that the hot
 * loop reads. Runs once per variant; nothing here is called per simulated second. */
#include "service.h"

#include <math.h>

static const double P95 = 0.95;

double service_speed(int level)
{
    return exp2(-level / 8.0);
}

int service_level(double speed)
{
    if (speed >= 1.0)
        return 0;
    double level = floor(-8.0 * log2(fmax(speed, 1e-3)) + 0.5);
    return level < FLUID_LEVELS - 1 ? (int)level : FLUID_LEVELS - 1;
}

/* The L beyond which throughput grows no more, or from where requests are turned away: there the grid of y may end, as
 * L' = y - capacity beyond. */
static float saturated_l(const struct latency_table *t)
{
    float flat = t->l_limit;
    for (int row = LATENCY_ROWS; row >= 0; row--) {
        float l = latency_row_l(row);
        if (l < t->l_limit && t->throughput[row] * (1.0f - t->rejected[row]) < 0.998f * t->capacity_rps)
            break;
        flat = l < flat ? l : flat;
    }
    return flat;
}

/* L' at the nodes of an even grid of y, as one line per step; the last step goes on with slope 1 (throughput is constant). */
static void settle_level(struct fluid_table *f, const struct latency_table *t, int level, float l_end)
{
    float speed = (float)service_speed(level);
    float y_end = l_end + speed * latency_throughput(t, l_end);
    float step = y_end / (float)(FLUID_GRID - 1);
    struct fluid_line *line = f->line + level * FLUID_GRID;
    float y = 0.0f, inside = 0.0f;
    for (int node = 0; node < FLUID_GRID - 1; node++) {
        float next_y = step * (float)(node + 1);
        float next = latency_settle_at(t, next_y, speed);
        next = fminf(fmaxf(next, inside), next_y);
        line[node].slope = fminf((next - inside) / (next_y - y), 1.0f);
        line[node].intercept = inside - line[node].slope * y;
        y = next_y;
        inside = next;
    }
    line[FLUID_GRID - 1] = (struct fluid_line){inside - y, 1.0f};
    f->per_step[level] = 1.0f / step;
    f->capacity_rps[level] = speed * t->capacity_rps;
}

static float first_rejecting_l(const struct latency_table *t)
{
    for (int row = 0; row <= LATENCY_ROWS; row++)
        if (t->rejected[row] > 1e-4f)
            return row > 0 ? latency_row_l(row - 1) : 0.0f;
    return 0.999f * t->l_limit;
}

/* Latencies below this do not show in steps of a second. */
static const float SLOW_S = 0.3f;

/* The waiting for a place (its share of a full pod's latency, and at most the whole backlog) is settled on arrival. So is what
 * needs no CPU. The CPU's share of the rest depends on who is there until the end. */
static void build_ages(struct fluid_table *f, const struct latency_table *t, const struct service_model *model)
{
    float places = (float)model->concurrency, backlog = (float)model->backlog;
    float queued = backlog / (backlog + places), queue_s = backlog / t->capacity_rps;
    float cpu = fmaxf(0.0f, 1.0f - 0.001f * (float)model->wait_ms * t->capacity_rps / places);
    f->first_slow = LATENCY_BINS;
    for (int bin = LATENCY_BINS - 1; bin >= 0; bin--) {
        float low_ms = bin > 0 ? t->bound_ms[bin - 1] : 0.5f * t->bound_ms[0];
        float age_s = 0.001f * sqrtf(low_ms * t->bound_ms[bin]);
        f->age_s[bin] = age_s;
        f->settled_s[bin] = age_s - cpu * (age_s - fminf(queue_s, queued * age_s));
        if (age_s > SLOW_S)
            f->first_slow = bin / FLUID_LANES * FLUID_LANES;
    }
}

static void build_fluid(struct fluid_table *f, const struct latency_table *t, const struct service_model *model)
{
    build_ages(f, t, model);
    float l_end = saturated_l(t);
    f->latency = t;
    f->l_top = t->l_limit;
    f->reject_from = fminf(first_rejecting_l(t), 0.999f * t->l_limit);
    for (int level = 0; level < FLUID_LEVELS; level++) {
        settle_level(f, t, level, l_end);
        for (int row = 0; row < LATENCY_ROWS; row++) {
            float l = latency_row_l(row) * 1.001f;
            f->row_map[level][row] = (uint8_t)(level == 0 ? row : latency_row_at(t, l, (float)service_speed(level)));
        }
    }
}

/* Log-linear between bounds, like latency_cdf; linear from 0 below the first. */
static struct latency_place place_of(const struct latency_table *t, double ms)
{
    int last = LATENCY_BINS - 1;
    if (ms >= (double)t->bound_ms[last])
        return (struct latency_place){last, last, 1.0f, 0.0f};
    if (ms <= (double)t->bound_ms[0])
        return (struct latency_place){0, 0, (float)(ms / (double)t->bound_ms[0]), 0.0f};
    int low = 0;
    while ((double)t->bound_ms[low + 1] <= ms)
        low++;
    double low_ms = (double)t->bound_ms[low], high_ms = (double)t->bound_ms[low + 1];
    double part = log(ms / low_ms) / log(high_ms / low_ms);
    return (struct latency_place){low, low + 1, (float)(1.0 - part), (float)part};
}

/* Highest steady rate whose row has 95 % of its requests within the soft limit, linear between rows. */
static double capacity(const struct service *s)
{
    const struct latency_table *t = &s->latency;
    double before = 1.0;
    for (int row = 0; row < LATENCY_ROWS; row++) {
        double share = latency_cdf(t, row, s->soft_ms);
        if (share < P95 || latency_row_l(row) >= t->l_limit) {
            if (row == 0)
                return 0.01 * (double)t->capacity_rps; /* cannot meet it at any load */
            double part = before > share ? (before - P95) / (before - share) : 0.0;
            double from = (double)latency_row_l(row - 1), to = (double)latency_row_l(row);
            double l = from + fmin(fmax(part, 0.0), 1.0) * (to - from);
            return fmin((double)latency_throughput(t, (float)l), (double)t->capacity_rps);
        }
        before = share;
    }
    return (double)t->capacity_rps;
}

void service_derive(const struct service_profile *profile, double soft_ms, struct service *out)
{
    out->profile = *profile;
    out->soft_ms = soft_ms > 0 ? soft_ms : profile->service.latency_soft_ms;
    build_fluid(&out->fluid, &out->latency, &profile->service.model);
    const struct config_list *bounds = &profile->measurement.buckets_ms;
    for (int b = 0; b < bounds->n && b < SERVICE_BUCKETS; b++)
        out->buckets[b] = place_of(&out->latency, bounds->v[b]);
    out->soft = place_of(&out->latency, out->soft_ms);
    out->capacity_rps = capacity(out);
    bound_build(out);
}

bool service_build(const struct service_profile *profile, double soft_ms, uint64_t seed, int effort,
                   struct service *out, struct err *e)
{
    if (!latency_table_measure_well(&profile->service.model, seed, effort, &out->latency, e))
        return err_wrap(e, "profile %s", profile->name);
    service_derive(profile, soft_ms, out);
    return true;
}

void service_delay(const struct latency_table *t, const float *mix, double delay_ms, float *out)
{
    for (int bin = 0; bin < LATENCY_BINS; bin++) {
        double ms = (double)t->bound_ms[bin] - delay_ms;
        struct latency_place place = place_of(t, ms > 0 ? ms : 0.0);
        out[bin] = ms > 0 ? (float)service_within(mix, &place) : 0.0f;
    }
    out[LATENCY_BINS - 1] = mix[LATENCY_BINS - 1];
}
