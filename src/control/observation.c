/* observation: one sample per control period comes in, the catalogue of features goes out. This file keeps the running
 * means and computes values; names and lists are in catalogue.c. It never asks for a sample and has no clock: time is the
 * sample's. All arithmetic is plain double and float in a fixed order, without libm, so that the bits are the same on
 * every CPU. */
#include "catalogue.h"

#include <string.h>

static const double RPS_FLOOR = 0.05;   /* below this many requests per second ratios of loads say nothing */
static const double CHANGE_LIMIT = 4.0; /* a relative change above this counts as this */
static const double VALUE_LIMIT = 1e15; /* a larger reading is no reading */
static const double COUNT_LIMIT = 1e6;  /* the same for replicas */
static const double ASSUMED_LIMIT_MS = 1000.0;
static const double ASSUMED_REQUEST_PERCENT = 100.0;
static const int SINCE_LIMIT = 60; /* periods */

/* Time constants of all means, in the order of enum span. */
enum span { SPAN_1, SPAN_2, SPAN_5, SPAN_10, SPAN_30, SPAN_40, SPAN_60, SPANS };
static const double TAU_S[SPANS] = {60, 120, 300, 600, 1800, 2400, 3600};
static const enum span CHANGE_SPAN[2] = {SPAN_5, SPAN_30};
static const enum span PEAK_SPAN[2] = {SPAN_10, SPAN_40};
static const enum span OVER_SPAN[2] = {SPAN_10, SPAN_60};

/* log2(x) = e + log2(m), m in [sqrt 1/2, sqrt 2), log2(m) = 2/ln 2 (s + s^3/3 + s^5/5 + s^7/7), s = (m - 1)/(m + 1).
 * No branch and no table, so that a loop over it is vectorised; every operation is exactly rounded, so that it makes no
 * difference whether it is. NaN and what is below 2^-126 count as 2^-126. */
static inline float log2_of(float x)
{
    union {
        float f;
        int32_t i;
    } bits;
    x = x > 0x1p-126f ? x : 0x1p-126f;
    bits.f = x < 0x1p127f ? x : 0x1p127f;
    int32_t shifted = bits.i + (0x3f800000 - 0x3f3504f3); // 0x3f3504f3: sqrt 1/2
    float exponent = (float)((shifted >> 23) - 127);
    bits.i = (shifted & 0x007fffff) + 0x3f3504f3;
    float s = (bits.f - 1.0f) / (bits.f + 1.0f);
    float q = s * s;
    return exponent + s * (2.88539008f + q * (0.961796694f + q * (0.577078016f + q * 0.412198583f)));
}

float observation_log2(double x)
{
    return log2_of((float)x);
}

static double max_double(double a, double b)
{
    return a > b ? a : b;
}

static double min_double(double a, double b)
{
    return a < b ? a : b;
}

static bool usable(const struct reading *r, double limit)
{
    return r->validity == VALIDITY_VALID && r->value >= 0 && r->value <= limit;
}

static double soft_ms(const struct target *t)
{
    return t->latency_soft_ms > 0 ? t->latency_soft_ms : t->latency_hard_ms > 0 ? t->latency_hard_ms : ASSUMED_LIMIT_MS;
}

static double hard_ms(const struct target *t)
{
    return t->latency_hard_ms > 0 ? t->latency_hard_ms : soft_ms(t);
}

/* Weights of a new value in the means of this update: of[i] = dt / (tau + dt). */
struct weights {
    double of[SPANS];
};

static struct weights weights_after(double dt)
{
    struct weights w;
    for (int i = 0; i < SPANS; i++)
        w.of[i] = dt / (TAU_S[i] + dt);
    return w;
}

static void approach(double *mean, double value, double w)
{
    *mean += w * (value - *mean);
}

static void take_signal(struct observation_signal *s, const struct reading *r, double limit, double dt)
{
    if (usable(r, limit)) {
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

static double load_now(const struct observation_state *s)
{
    return s->signals[SIGNAL_RPS].value;
}

/* young: weight of a value in the plain mean of all so far, which a mean is until it is as old as its span. */
static void learn_load(struct observation_state *s, const struct weights *w, double load_before)
{
    double load = load_now(s), young = 1.0 / (s->n_loads + 1);
    for (int i = 0; i < 4; i++)
        approach(&s->rps_mean[i], s->signals[SIGNAL_RPS].value, max_double(w->of[SPAN_1 + i], young));
    double typical = max_double(s->rps_mean[2], RPS_FLOOR);
    double change = min_double((load > load_before ? load - load_before : load_before - load) / typical, CHANGE_LIMIT);
    for (int i = 0; i < 2; i++) {
        approach(&s->change_mean[i], change, max_double(w->of[CHANGE_SPAN[i]], young));
        double fallen = s->peak_rps[i] + w->of[PEAK_SPAN[i]] * (load - s->peak_rps[i]);
        s->peak_rps[i] = max_double(load, fallen);
    }
}

static void learn_per_replica(struct observation_state *s, const struct sample *sample, const struct target *target,
                              const struct weights *w)
{
    double each = load_now(s) / max_double(sample->ready, 1);
    double slow = w->of[SPAN_30];
    approach(&s->per_replica_slow, each, max_double(slow, 1.0 / (s->n_loads + 1)));
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

static void learn_cpu(struct observation_state *s, const struct sample *sample, const struct weights *w)
{
    double cpu = s->signals[SIGNAL_CPU].value;
    approach(&s->cpu_per_replica_mean, cpu / max_double(sample->ready, 1),
             max_double(w->of[SPAN_5], 1.0 / (s->n_cpu + 1)));
    s->n_cpu++;
    if (s->signals[SIGNAL_RPS].validity != VALIDITY_VALID || s->signals[SIGNAL_RPS].value < RPS_FLOOR)
        return;
    double weight = max_double(w->of[SPAN_10], 1.0 / (s->n_costs + 1));
    approach(&s->cpu_slow, cpu, weight);
    approach(&s->rps_slow, s->signals[SIGNAL_RPS].value, weight);
    s->n_costs++;
}

static void learn_limit(struct observation_state *s, const struct target *target, const struct weights *w)
{
    const struct observation_signal *p95 = &s->signals[SIGNAL_P95];
    if (p95->validity != VALIDITY_VALID && p95->validity != VALIDITY_ABSENT)
        return;
    bool limited = target->latency_soft_ms > 0 || target->latency_hard_ms > 0;
    bool over = limited && p95->validity == VALIDITY_VALID && p95->value > soft_ms(target);
    double young = 1.0 / ((s->n_updates < 8 ? 8 : s->n_updates) + 1); // one bad look of few is not the whole budget
    for (int i = 0; i < 2; i++)
        approach(&s->over_soft_mean[i], over, max_double(w->of[OVER_SPAN[i]], young));
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

/* Numbers whose logarithms features are made of. */
enum logged {
    LOG_CPU,
    LOG_RPS_PLUS,
    LOG_MAX,
    LOG_P95_SOFT,
    LOG_OVER_10,
    LOG_OVER_60,
    LOG_CPU_TREND,
    LOG_HPA_GAP,
    LOG_DEMAND, /* load in replicas over spec.replicas */
    LOG_DEMAND_READY,
    LOG_LOAD,
    LOG_LOAD_SLOW,
    LOG_MEAN_1,
    LOG_MEAN_2,
    LOG_MEAN_5,
    LOG_MEAN_10,
    LOG_CHANGE_5,
    LOG_CHANGE_30,
    LOG_PEAK_10,
    LOG_PEAK_40,
    LOG_PROVEN,
    LOG_BROKEN,
    LOG_COUNT = 24
};

/* Numbers that several groups of features start from. */
struct view {
    double cpu, memory, replicas, p95_ms, rps;
    double load, ready, max, soft, hard;
    double per_load;       /* replicas per request per second: CPU per request / CPU request */
    double one, one_ready; /* 1 / replicas, 1 / ready */
    float log[LOG_COUNT];
};

static void fill_logs(struct view *v, const struct observation_state *s)
{
    double request = s->cpu_request_percent > 0 ? s->cpu_request_percent : ASSUMED_REQUEST_PERCENT;
    double each = v->cpu * v->one_ready, demand = v->load * v->per_load;
    float *x = v->log;
    x[LOG_CPU] = (float)(1 + 0.01 * v->cpu);
    x[LOG_RPS_PLUS] = (float)(1 + v->rps);
    x[LOG_MAX] = (float)v->max;
    x[LOG_P95_SOFT] = (float)(v->p95_ms / v->soft);
    x[LOG_OVER_10] = (float)(1 + 100 * s->over_soft_mean[0]);
    x[LOG_OVER_60] = (float)(1 + 100 * s->over_soft_mean[1]);
    x[LOG_CPU_TREND] = (float)((each + 0.1) / (s->cpu_per_replica_mean + 0.1));
    x[LOG_HPA_GAP] = (float)((v->cpu + 0.1) * v->one / (0.6 * request));
    x[LOG_DEMAND] = (float)(demand * v->one);
    x[LOG_DEMAND_READY] = (float)(demand * v->one_ready);
    x[LOG_LOAD] = (float)v->load;
    x[LOG_LOAD_SLOW] = (float)(v->ready * max_double(s->per_replica_slow, RPS_FLOOR));
    for (int i = 0; i < 4; i++)
        x[LOG_MEAN_1 + i] = (float)max_double(s->rps_mean[i], RPS_FLOOR);
    for (int i = 0; i < 2; i++) {
        x[LOG_CHANGE_5 + i] = (float)(1 + 10 * s->change_mean[i]);
        x[LOG_PEAK_10 + i] = (float)max_double(s->peak_rps[i], RPS_FLOOR);
    }
    x[LOG_PROVEN] = (float)(v->replicas * max_double(s->proven_rps, RPS_FLOOR));
    x[LOG_BROKEN] = (float)(v->replicas * s->broken_rps);
    for (int i = LOG_BROKEN + 1; i < LOG_COUNT; i++)
        x[i] = 1; // a full vector
    for (int i = 0; i < LOG_COUNT; i++)
        x[i] = log2_of(x[i]);
}

static void fill_view(struct view *v, const struct observation_state *s, const struct target *t,
                      const struct sample *sample)
{
    const struct observation_signal *in = s->signals;
    v->cpu = in[SIGNAL_CPU].value;
    v->memory = in[SIGNAL_MEMORY].value;
    v->replicas = max_double(in[SIGNAL_REPLICAS].value, 1);
    v->p95_ms = in[SIGNAL_P95].value;
    v->rps = in[SIGNAL_RPS].value;
    v->load = max_double(load_now(s), RPS_FLOOR);
    v->ready = max_double(sample->ready, 1);
    v->max = max_double(t->max_replicas, 1);
    v->soft = soft_ms(t);
    v->hard = hard_ms(t);
    v->one = 1 / v->replicas;
    v->one_ready = 1 / v->ready;
    double request = s->cpu_request_percent > 0 ? s->cpu_request_percent : ASSUMED_REQUEST_PERCENT;
    v->per_load = s->rps_slow > 0 ? s->cpu_slow / (s->rps_slow * request) : 0;
    fill_logs(v, s);
}

static float clip_float(float x)
{
    return x > OBSERVATION_CLIP ? OBSERVATION_CLIP : x > -OBSERVATION_CLIP ? x : -OBSERVATION_CLIP;
}

static void put_levels(float *f, const struct view *v, const struct target *t, const struct sample *sample)
{
    double unit = 1.0 / v->max;
    f[FEATURE_RAW_CPU] = raw(v->cpu);
    f[FEATURE_RAW_MEMORY] = raw(v->memory);
    f[FEATURE_RAW_REPLICAS] = raw(v->replicas);
    f[FEATURE_RAW_P95] = raw(v->p95_ms);
    f[FEATURE_RAW_RPS] = raw(v->rps);
    f[FEATURE_CPU] = clip_float(0.25f * v->log[LOG_CPU]);
    f[FEATURE_MEMORY] = clip(v->memory);
    f[FEATURE_REPLICAS] = clip(v->replicas * unit);
    f[FEATURE_P95] = clip(v->p95_ms / v->soft);
    f[FEATURE_RPS] = clip_float(0.125f * v->log[LOG_RPS_PLUS]);
    f[FEATURE_TO_MIN] = clip((v->replicas - t->min_replicas) * unit);
    f[FEATURE_TO_MAX] = clip((v->max - v->replicas) * unit);
    f[FEATURE_ONE_SHARE] = clip(v->one);
    f[FEATURE_READY] = clip(sample->ready * v->one);
    f[FEATURE_STARTING] = clip(sample->starting * v->one);
    f[FEATURE_TERMINATING] = clip(sample->terminating * v->one);
    f[FEATURE_LIMIT_RATIO] = clip(v->soft / v->hard);
    f[FEATURE_MAX_LOG] = clip_float(0.25f * v->log[LOG_MAX]);
    f[FEATURE_ERRORS] = usable(&sample->error_ratio, 1) ? clip(10 * sample->error_ratio.value) : -1;
}

static void put_latency(float *f, const struct observation_state *s, const struct view *v)
{
    bool idle = s->signals[SIGNAL_P95].validity == VALIDITY_ABSENT || !s->signals[SIGNAL_P95].known;
    f[FEATURE_P95_SOFT] = idle ? -4.0f : clip_float(v->log[LOG_P95_SOFT]); // idle looks like 1/16 of the limit
    f[FEATURE_P95_HARD] = clip(v->p95_ms / v->hard);
    f[FEATURE_OVER_SOFT] = s->over_soft;
    f[FEATURE_P95_TREND] = clip_float(f[FEATURE_P95_SOFT] - s->main[0][1]);
    f[FEATURE_OVER_10] = clip_float(0.5f * v->log[LOG_OVER_10]);
    f[FEATURE_OVER_60] = clip_float(0.5f * v->log[LOG_OVER_60]);
}

static void put_cpu(float *f, const struct observation_state *s, const struct view *v)
{
    double request = s->cpu_request_percent;
    double each = v->cpu * v->one_ready;
    f[FEATURE_CPU_READY] = clip(0.01 * each);
    f[FEATURE_CPU_REQUEST] = request > 0 ? clip(each / request) : 0;
    f[FEATURE_REQUEST_KNOWN] = request > 0;
    f[FEATURE_CPU_TREND] = clip_float(v->log[LOG_CPU_TREND]);
    f[FEATURE_HPA_GAP] = clip_float(v->log[LOG_HPA_GAP]);
}

static void put_load(float *f, const struct observation_state *s, const struct view *v)
{
    const float *log = v->log;
    bool costed = v->per_load > 0;
    float load = log[LOG_LOAD];
    f[FEATURE_DEMAND] = clip(v->load * v->per_load * v->one);
    f[FEATURE_DEMAND_LOG] = costed ? clip_float(log[LOG_DEMAND]) : 0;
    f[FEATURE_DEMAND_READY] = costed ? clip_float(log[LOG_DEMAND_READY]) : 0;
    f[FEATURE_RPS_READY] = clip_float(load - log[LOG_LOAD_SLOW]);
    for (int i = 0; i < 4; i++)
        f[FEATURE_TREND_1 + i] = clip_float(load - log[LOG_MEAN_1 + i]);
    for (int i = 0; i < 2; i++) {
        float peak = log[LOG_PEAK_10 + i] - load;
        f[FEATURE_BURST_5 + i] = clip_float(log[LOG_CHANGE_5 + i]);
        f[FEATURE_PEAK_10 + i] = clip_float(peak);
        f[FEATURE_PEAK_10_DEMAND + i] = costed ? clip_float(log[LOG_DEMAND] + peak) : 0;
    }
    f[FEATURE_PROVEN] = clip_float(load - log[LOG_PROVEN]);
    f[FEATURE_PROVEN_PEAK] = clip_float(log[LOG_PEAK_10] - log[LOG_PROVEN]);
    f[FEATURE_BROKEN] = s->broken_rps > 0 ? clip_float(load - log[LOG_BROKEN]) : -3.0f;
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
static void put_frames(float *f, struct observation_state *s, float load_log)
{
    if (s->n_updates)
        memmove(s->main[1], s->main[0], sizeof s->main - sizeof s->main[0]);
    float now[OBSERVATION_MAIN] = {f[FEATURE_DEMAND_LOG],
                                   f[FEATURE_P95_SOFT],
                                   f[FEATURE_CPU_READY],
                                   f[FEATURE_REPLICAS],
                                   f[FEATURE_READY],
                                   f[FEATURE_STARTING],
                                   load_log,
                                   f[FEATURE_OVER_SOFT]};
    int first = s->n_updates ? 1 : OBSERVATION_FRAMES;
    for (int frame = 0; frame < first; frame++)
        memcpy(s->main[frame], now, sizeof now);
    for (int frame = 1; frame < OBSERVATION_FRAMES; frame++) {
        float *out = f + FEATURE_LAG_1_DEMAND + (frame - 1) * OBSERVATION_MAIN;
        memcpy(out, s->main[frame], sizeof now);
        out[6] = clip_float(s->main[frame][6] - load_log);
    }
}

static void take(const struct observation_spec *spec, struct observation_state *s, const struct target *target,
                 const struct sample *sample)
{
    double dt = s->n_updates ? sample->time_s - s->time_s : spec->period_s;
    struct weights w = weights_after(dt);
    double load_before = load_now(s);
    bool rps_flows = s->signals[SIGNAL_RPS].validity == VALIDITY_VALID;
    int replicas_before = (int)s->signals[SIGNAL_REPLICAS].value;
    bool known_before = s->signals[SIGNAL_REPLICAS].known;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        take_signal(&s->signals[i], &sample->signals[i], i == SIGNAL_REPLICAS ? COUNT_LIMIT : VALUE_LIMIT, dt);
    learn_request(s, sample);
    learn_executed(s, replicas_before, known_before);
    if (s->signals[SIGNAL_RPS].validity == VALIDITY_VALID) {
        learn_load(s, &w, rps_flows ? load_before : load_now(s));
        learn_per_replica(s, sample, target, &w);
        s->n_loads++;
    }
    if (s->signals[SIGNAL_CPU].validity == VALIDITY_VALID)
        learn_cpu(s, sample, &w);
    learn_limit(s, target, &w);
}

static void put_all(const struct observation_spec *spec, struct observation_state *s, const struct target *target,
                    const struct sample *sample)
{
    struct view v;
    float *f = s->value;
    fill_view(&v, s, target, sample);
    put_levels(f, &v, target, sample);
    put_latency(f, s, &v);
    put_cpu(f, s, &v);
    put_load(f, s, &v);
    put_validity(f, s->signals);
    put_frames(f, s, v.log[LOG_LOAD]);
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
