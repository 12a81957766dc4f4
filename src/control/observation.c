/* observation: one sample per control period comes in, the catalogue of features goes out. This file keeps the running
 * means and computes values; names and lists are in catalogue.c. It never asks for a sample and has no clock: time is the
 * sample's. All arithmetic is plain double and float in a fixed order, without libm, so that the bits are the same on
 * every CPU. */
#include "catalogue.h"

#include <string.h>

static const double RPS_FLOOR = 0.05;   /* below this many requests per second ratios of loads say nothing */
static const double UNWIND_LEAK = 0.8;  /* memory of the unwound load: 1 is exact but never forgets an error */
static const double CHANGE_LIMIT = 4.0; /* a relative change above this counts as this */
static const double ASSUMED_LIMIT_MS = 1000.0;
static const double ASSUMED_REQUEST_PERCENT = 100.0;
static const int SINCE_LIMIT = 60; /* periods */

static const double TREND_TAU_S[4] = {60, 120, 300, 600};
static const double CHANGE_TAU_S[2] = {300, 1800};
static const double PEAK_TAU_S[2] = {600, 2400};
static const double OVER_TAU_S[2] = {600, 3600};
static const double COST_TAU_S = 600;  /* CPU per request */
static const double SLOW_TAU_S = 1800; /* load per replica, proven and broken load */
static const double CPU_TAU_S = 300;

/* log2(x) = e + log2(m), m in [sqrt 1/2, sqrt 2), log2(m) = 2/ln 2 (s + s^3/3 + s^5/5 + s^7/7), s = (m - 1)/(m + 1). */
float observation_log2(double x)
{
    if (!(x > 0x1p-126))
        return -126.0f;
    union {
        double d;
        uint64_t u;
    } bits = {.d = x};
    /* shifts the split of the exponent to sqrt 1/2 */
    uint64_t shifted = bits.u + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double exponent = (double)((int)(shifted >> 52) - 1023);
    bits.u = (shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
    double s = (bits.d - 1.0) / (bits.d + 1.0);
    double q = s * s;
    return (float)(exponent + s * (2.88539008177792681 +
                                   q * (0.961796693925975605 + q * (0.577078016355585363 + q * 0.412198583111132402))));
}

static double max_double(double a, double b)
{
    return a > b ? a : b;
}

static double min_double(double a, double b)
{
    return a < b ? a : b;
}

static bool usable(const struct reading *r)
{
    return r->validity == VALIDITY_VALID && r->value >= 0 && r->value <= 1e15;
}

static double soft_ms(const struct target *t)
{
    return t->latency_soft_ms > 0 ? t->latency_soft_ms : t->latency_hard_ms > 0 ? t->latency_hard_ms : ASSUMED_LIMIT_MS;
}

static double hard_ms(const struct target *t)
{
    return t->latency_hard_ms > 0 ? t->latency_hard_ms : soft_ms(t);
}

/* Weight of a new value in a mean over tau after dt; a young mean is the plain mean of what it has seen. */
static double weight(double dt, double tau, int n_before)
{
    double plain = 1.0 / (n_before + 1);
    return max_double(dt / (tau + dt), plain);
}

static void approach(double *mean, double value, double w)
{
    *mean += w * (value - *mean);
}

static void take_signal(struct observation_signal *s, const struct reading *r, double dt)
{
    if (usable(r)) {
        *s = (struct observation_signal){r->value, max_double(r->age_s, 0), VALIDITY_VALID, true};
        return;
    }
    s->validity = r->validity == VALIDITY_VALID ? VALIDITY_NO_DATA : r->validity; // NaN and the like are no data
    s->age_s += dt;
    if (r->validity == VALIDITY_ABSENT) {
        s->value = 0;
        s->age_s = 0;
    }
}

static void learn_request(struct observation_state *s, const struct sample *sample)
{
    for (int i = 0; sample->pods && i < sample->n_pods; i++)
        if (sample->pods[i].cpu_request_percent > 0) {
            s->cpu_request_percent = sample->pods[i].cpu_request_percent;
            return;
        }
}

/* Load of the latest period from a rate over k periods: rate(t) - rate(t-1) = (load(t) - load(t-k)) / k. */
static void unwind(const struct observation_spec *spec, struct observation_state *s, double rps, double rps_before)
{
    double ratio = spec->window_s / spec->period_s;
    int k = (int)(ratio + 0.5);
    bool whole = k >= 2 && k <= OBSERVATION_SLOTS && ratio - k < 0.01 && k - ratio < 0.01;
    int next = (s->slot + 1) % OBSERVATION_SLOTS;
    double load = rps;
    if (whole) {
        double old = s->slot_rps[(next + OBSERVATION_SLOTS - k) % OBSERVATION_SLOTS];
        load = k * (rps - rps_before) + UNWIND_LEAK * old + (1 - UNWIND_LEAK) * rps_before;
        load = min_double(max_double(load, 0), 8 * max_double(rps, rps_before));
    }
    s->slot = next;
    s->slot_rps[next] = load;
}

static void fill_slots(struct observation_state *s, double rps)
{
    for (int i = 0; i < OBSERVATION_SLOTS; i++)
        s->slot_rps[i] = rps;
}

static double load_now(const struct observation_state *s)
{
    return s->slot_rps[s->slot];
}

static void learn_load(struct observation_state *s, double dt, double load_before)
{
    double load = load_now(s);
    for (int i = 0; i < 4; i++)
        approach(&s->rps_mean[i], s->signals[SIGNAL_RPS].value, weight(dt, TREND_TAU_S[i], s->n_loads));
    double typical = max_double(s->rps_mean[2], RPS_FLOOR);
    double change = (load > load_before ? load - load_before : load_before - load) / typical;
    for (int i = 0; i < 2; i++) {
        if (s->n_loads > 0)
            approach(&s->change_mean[i], min_double(change, CHANGE_LIMIT), weight(dt, CHANGE_TAU_S[i], s->n_loads - 1));
        double fallen = s->peak_rps[i] + dt / (PEAK_TAU_S[i] + dt) * (load - s->peak_rps[i]);
        s->peak_rps[i] = max_double(load, fallen);
    }
}

static void learn_per_replica(struct observation_state *s, const struct sample *sample, const struct target *target,
                              double dt)
{
    double ready = max_double(sample->ready, 1);
    double each = load_now(s) / ready;
    double slow = dt / (SLOW_TAU_S + dt);
    approach(&s->per_replica_slow, each, weight(dt, SLOW_TAU_S, s->n_loads));
    s->proven_rps -= slow * s->proven_rps;
    s->broken_rps += slow * s->broken_rps;
    const struct observation_signal *p95 = &s->signals[SIGNAL_P95];
    if (p95->validity != VALIDITY_VALID)
        return;
    if (p95->value <= soft_ms(target))
        s->proven_rps = max_double(s->proven_rps, each);
    else if (each > RPS_FLOOR)
        s->broken_rps = s->broken_rps > 0 ? min_double(s->broken_rps, each) : each;
}

static void learn_cpu(struct observation_state *s, const struct sample *sample, double dt)
{
    double cpu = s->signals[SIGNAL_CPU].value;
    approach(&s->cpu_per_replica_mean, cpu / max_double(sample->ready, 1), weight(dt, CPU_TAU_S, s->n_cpu));
    s->n_cpu++;
    if (s->signals[SIGNAL_RPS].validity != VALIDITY_VALID || s->signals[SIGNAL_RPS].value < RPS_FLOOR)
        return;
    double w = weight(dt, COST_TAU_S, s->n_costs);
    approach(&s->cpu_slow, cpu, w);
    approach(&s->rps_slow, s->signals[SIGNAL_RPS].value, w);
    s->n_costs++;
}

static void learn_limit(struct observation_state *s, const struct target *target, double dt)
{
    const struct observation_signal *p95 = &s->signals[SIGNAL_P95];
    if (p95->validity != VALIDITY_VALID && p95->validity != VALIDITY_ABSENT)
        return;
    bool over = target->latency_soft_ms > 0 && p95->validity == VALIDITY_VALID && p95->value > target->latency_soft_ms;
    for (int i = 0; i < 2; i++)
        approach(&s->over_soft_mean[i], over, weight(dt, OVER_TAU_S[i], s->n_updates < 8 ? 8 : s->n_updates));
    s->over_soft = over;
}

static void learn_executed(struct observation_state *s, int replicas_before, bool known_before)
{
    const struct observation_signal *now = &s->signals[SIGNAL_REPLICAS];
    int delta = now->known && known_before ? (int)now->value - replicas_before : 0;
    memmove(&s->executed[1], &s->executed[0], sizeof s->executed - sizeof s->executed[0]);
    s->executed[0] = delta;
    s->since_up = delta > 0 ? 0 : s->since_up + (s->since_up < SINCE_LIMIT);
    s->since_down = delta < 0 ? 0 : s->since_down + (s->since_down < SINCE_LIMIT);
}

static float clip(double x)
{
    float f = (float)x;
    return f > OBSERVATION_CLIP ? OBSERVATION_CLIP : f > -OBSERVATION_CLIP ? f : -OBSERVATION_CLIP;
}

static float raw(double x)
{
    return (float)min_double(x, (double)OBSERVATION_RAW_CLIP);
}

static float log_ratio(double a, double b)
{
    float f = observation_log2(a / b);
    return f > OBSERVATION_CLIP ? OBSERVATION_CLIP : f > -OBSERVATION_CLIP ? f : -OBSERVATION_CLIP;
}

/* Numbers that several groups of features start from. */
struct view {
    double cpu, memory, replicas, p95_ms, rps;
    double load, ready, max, soft, hard;
    double per_load; /* replicas per request per second: CPU per request / CPU request */
};

static struct view view_of(const struct observation_state *s, const struct target *t, const struct sample *sample)
{
    const struct observation_signal *in = s->signals;
    struct view v = {.cpu = in[SIGNAL_CPU].value,
                     .memory = in[SIGNAL_MEMORY].value,
                     .replicas = max_double(in[SIGNAL_REPLICAS].value, 1),
                     .p95_ms = in[SIGNAL_P95].value,
                     .rps = in[SIGNAL_RPS].value};
    v.load = max_double(load_now(s), RPS_FLOOR);
    v.ready = max_double(sample->ready, 1);
    v.max = max_double(t->max_replicas, 1);
    v.soft = soft_ms(t);
    v.hard = hard_ms(t);
    double request = s->cpu_request_percent > 0 ? s->cpu_request_percent : ASSUMED_REQUEST_PERCENT;
    v.per_load = s->rps_slow > 0 ? s->cpu_slow / (s->rps_slow * request) : 0;
    return v;
}

static void put_levels(float *f, const struct view *v, const struct target *t, const struct sample *sample)
{
    double one = 1.0 / v->replicas, unit = 1.0 / v->max;
    f[FEATURE_RAW_CPU] = raw(v->cpu);
    f[FEATURE_RAW_MEMORY] = raw(v->memory);
    f[FEATURE_RAW_REPLICAS] = raw(v->replicas);
    f[FEATURE_RAW_P95] = raw(v->p95_ms);
    f[FEATURE_RAW_RPS] = raw(v->rps);
    f[FEATURE_CPU] = clip(0.25 * (double)observation_log2(1 + 0.01 * v->cpu));
    f[FEATURE_MEMORY] = clip(v->memory);
    f[FEATURE_REPLICAS] = clip(v->replicas * unit);
    f[FEATURE_P95] = clip(v->p95_ms / v->soft);
    f[FEATURE_RPS] = clip(0.125 * (double)observation_log2(1 + v->rps));
    f[FEATURE_TO_MIN] = clip((v->replicas - t->min_replicas) * unit);
    f[FEATURE_TO_MAX] = clip((v->max - v->replicas) * unit);
    f[FEATURE_ONE_SHARE] = clip(one);
    f[FEATURE_READY] = clip(sample->ready * one);
    f[FEATURE_STARTING] = clip(sample->starting * one);
    f[FEATURE_TERMINATING] = clip(sample->terminating * one);
    f[FEATURE_LIMIT_RATIO] = clip(v->soft / v->hard);
    f[FEATURE_MAX_LOG] = clip(0.25 * (double)observation_log2(v->max));
    f[FEATURE_ERRORS] = usable(&sample->error_ratio) ? clip(10 * sample->error_ratio.value) : 0;
}

static void put_latency(float *f, const struct observation_state *s, const struct view *v)
{
    bool idle = s->signals[SIGNAL_P95].validity == VALIDITY_ABSENT || !s->signals[SIGNAL_P95].known;
    f[FEATURE_P95_SOFT] = idle ? -4.0f : log_ratio(v->p95_ms, v->soft); // idle looks like 1/16 of the limit
    f[FEATURE_P95_HARD] = clip(v->p95_ms / v->hard);
    f[FEATURE_OVER_SOFT] = s->over_soft;
    f[FEATURE_P95_TREND] = clip((double)f[FEATURE_P95_SOFT] - (double)s->main[0][1]);
    f[FEATURE_OVER_10] = clip(0.5 * (double)observation_log2(1 + 100 * s->over_soft_mean[0]));
    f[FEATURE_OVER_60] = clip(0.5 * (double)observation_log2(1 + 100 * s->over_soft_mean[1]));
}

static void put_cpu(float *f, const struct observation_state *s, const struct view *v)
{
    double request = s->cpu_request_percent;
    double each = v->cpu / v->ready;
    f[FEATURE_CPU_READY] = clip(0.01 * each);
    f[FEATURE_CPU_REQUEST] = request > 0 ? clip(each / request) : 0;
    f[FEATURE_REQUEST_KNOWN] = request > 0;
    f[FEATURE_CPU_TREND] = log_ratio(each + 0.1, s->cpu_per_replica_mean + 0.1);
    double per_replica = 0.6 * (request > 0 ? request : ASSUMED_REQUEST_PERCENT);
    f[FEATURE_HPA_GAP] = log_ratio(v->cpu + 0.1, per_replica * v->replicas);
}

static void put_load(float *f, const struct observation_state *s, const struct view *v)
{
    double demand = v->load * v->per_load / v->replicas;
    bool costed = v->per_load > 0;
    float each = observation_log2(v->per_load * v->load / v->replicas); // log2 of demand
    float load = observation_log2(v->load);
    float peak[2];
    for (int i = 0; i < 2; i++)
        peak[i] = observation_log2(max_double(s->peak_rps[i], RPS_FLOOR)) - load;
    f[FEATURE_DEMAND] = clip(demand);
    f[FEATURE_DEMAND_LOG] = costed ? clip((double)each) : 0;
    f[FEATURE_DEMAND_READY] = costed ? log_ratio(v->load * v->per_load, v->ready) : 0;
    f[FEATURE_RPS_READY] = log_ratio(v->load, v->ready * max_double(s->per_replica_slow, RPS_FLOOR));
    f[FEATURE_LOAD_NOW] = clip((double)(load - observation_log2(max_double(v->rps, RPS_FLOOR))));
    for (int i = 0; i < 4; i++)
        f[FEATURE_TREND_1 + i] = clip((double)(load - observation_log2(max_double(s->rps_mean[i], RPS_FLOOR))));
    for (int i = 0; i < 2; i++) {
        f[FEATURE_BURST_5 + i] = observation_log2(1 + 10 * s->change_mean[i]);
        f[FEATURE_PEAK_10 + i] = clip((double)peak[i]);
        f[FEATURE_PEAK_10_DEMAND + i] = costed ? clip((double)(each + peak[i])) : 0;
    }
    float proven = load - observation_log2(v->replicas * max_double(s->proven_rps, RPS_FLOOR));
    f[FEATURE_PROVEN] = clip((double)proven);
    f[FEATURE_PROVEN_PEAK] = clip((double)(proven + peak[0]));
    f[FEATURE_BROKEN] = s->broken_rps > 0 ? log_ratio(v->load, v->replicas * s->broken_rps) : -3.0f;
}

static void put_history(float *f, const struct observation_spec *spec, const struct observation_state *s)
{
    for (int i = 0; i < OBSERVATION_FRAMES; i++)
        f[FEATURE_EXECUTED_1 + i] = clip(0.25 * s->executed[i]);
    f[FEATURE_SINCE_UP] = 4.0f / (float)(4 + s->since_up);
    f[FEATURE_SINCE_DOWN] = 4.0f / (float)(4 + s->since_down);
    f[FEATURE_WARM] = (float)s->n_updates / (float)(s->n_updates + 20);
    f[FEATURE_PERIOD] = clip(spec->period_s / 60);
}

static void put_validity(float *f, const struct observation_signal *in)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        f[FEATURE_CPU_VALID + i] = in[i].validity == VALIDITY_VALID;
    f[FEATURE_P95_ABSENT] = in[SIGNAL_P95].validity == VALIDITY_ABSENT;
    f[FEATURE_MEMORY_ABSENT] = in[SIGNAL_MEMORY].validity == VALIDITY_ABSENT;
    f[FEATURE_CPU_AGE] = clip(in[SIGNAL_CPU].age_s / 60);
    f[FEATURE_P95_AGE] = clip(in[SIGNAL_P95].age_s / 60);
    f[FEATURE_RPS_AGE] = clip(in[SIGNAL_RPS].age_s / 60);
}

/* Shifts the frames and writes the older ones out; load is kept as its logarithm and shown relative to now. */
static void put_frames(float *f, struct observation_state *s)
{
    if (s->n_updates)
        memmove(s->main[1], s->main[0], sizeof s->main - sizeof s->main[0]);
    float now[OBSERVATION_MAIN] = {f[FEATURE_DEMAND_LOG],
                                   f[FEATURE_P95_SOFT],
                                   f[FEATURE_CPU_READY],
                                   f[FEATURE_REPLICAS],
                                   f[FEATURE_READY],
                                   f[FEATURE_STARTING],
                                   observation_log2(max_double(load_now(s), RPS_FLOOR)),
                                   f[FEATURE_OVER_SOFT]};
    int first = s->n_updates ? 1 : OBSERVATION_FRAMES;
    for (int frame = 0; frame < first; frame++)
        memcpy(s->main[frame], now, sizeof now);
    for (int frame = 1; frame < OBSERVATION_FRAMES; frame++) {
        float *out = f + FEATURE_LAG_1_DEMAND + (frame - 1) * OBSERVATION_MAIN;
        memcpy(out, s->main[frame], sizeof now);
        out[6] = clip((double)(s->main[frame][6] - now[6]));
    }
}

static void take(const struct observation_spec *spec, struct observation_state *s, const struct target *target,
                 const struct sample *sample)
{
    double dt = s->n_updates ? sample->time_s - s->time_s : spec->period_s;
    double rps_before = s->signals[SIGNAL_RPS].value, load_before = load_now(s);
    bool rps_flows = s->signals[SIGNAL_RPS].validity == VALIDITY_VALID;
    int replicas_before = (int)s->signals[SIGNAL_REPLICAS].value;
    bool known_before = s->signals[SIGNAL_REPLICAS].known;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        take_signal(&s->signals[i], &sample->signals[i], dt);
    learn_request(s, sample);
    learn_executed(s, replicas_before, known_before);
    if (s->signals[SIGNAL_RPS].validity == VALIDITY_VALID) {
        if (rps_flows)
            unwind(spec, s, s->signals[SIGNAL_RPS].value, rps_before);
        else
            fill_slots(s, s->signals[SIGNAL_RPS].value); // nothing before to unwind against
        learn_load(s, dt, rps_flows ? load_before : load_now(s));
        learn_per_replica(s, sample, target, dt);
        s->n_loads++;
    }
    if (s->signals[SIGNAL_CPU].validity == VALIDITY_VALID)
        learn_cpu(s, sample, dt);
    learn_limit(s, target, dt);
}

static void put_all(const struct observation_spec *spec, struct observation_state *s, const struct target *target,
                    const struct sample *sample)
{
    struct view v = view_of(s, target, sample);
    float *f = s->value;
    put_levels(f, &v, target, sample);
    put_latency(f, s, &v);
    put_cpu(f, s, &v);
    put_load(f, s, &v);
    put_validity(f, s->signals);
    put_frames(f, s);
    if (!s->n_updates)
        f[FEATURE_P95_TREND] = 0;
    s->n_updates++;
    put_history(f, spec, s);
}

void observation_reset(const struct observation_spec *spec, struct observation_state *state,
                       const struct target *target, const struct sample *sample)
{
    *state = (struct observation_state){.since_up = SINCE_LIMIT, .since_down = SINCE_LIMIT};
    observation_update(spec, state, target, sample);
}

void observation_update(const struct observation_spec *spec, struct observation_state *state,
                        const struct target *target, const struct sample *sample)
{
    if (state->n_updates && !(sample->time_s > state->time_s))
        return;
    take(spec, state, target, sample);
    put_all(spec, state, target, sample);
    state->time_s = sample->time_s;
}

void observation_features(const struct observation_spec *spec, const struct observation_state *state, float *out)
{
    for (int i = 0; i < spec->n; i++)
        out[i] = state->value[spec->id[i]];
}
