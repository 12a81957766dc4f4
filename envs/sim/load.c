/* load: shapes of load over time. In: a struct load and a time. Out: the rate (or the users) asked for. Noise and counting
 * are the simulator's. */
#include <maestro/load.h>

#include <math.h>

static const double TWO_PI = 6.28318530717958647692;

void load_trace(struct load *out, const struct trace *traces, int trace, double offset_s, double span_s,
                double peak_rps)
{
    double peak = trace_peak(&traces[trace], offset_s, offset_s + span_s);
    *out = (struct load){.shape = LOAD_TRACE,
                         .peak_rps = peak_rps,
                         .start_s = offset_s,
                         .length_s = span_s,
                         .trace = trace,
                         .scale = peak > 0 ? peak_rps / peak : 0};
}

static double ramp_share(const struct load *l, double since_s)
{
    if (since_s <= 0)
        return 0.0;
    return since_s >= l->length_s ? 1.0 : since_s / l->length_s;
}

/* Rises within length / 8 like 1 - exp(-5 x), then decays with time constant length / 2. */
static double flash_share(const struct load *l, double since_s)
{
    double rise_s = l->length_s / 8.0;
    if (since_s <= 0)
        return 0.0;
    if (since_s < rise_s)
        return (1.0 - exp(-5.0 * since_s / rise_s)) / (1.0 - exp(-5.0));
    return exp(-(since_s - rise_s) / (l->length_s / 2.0));
}

static double on_off_share(const struct load *l, double since_s)
{
    return since_s >= 0 && fmod(since_s, l->length_s) < l->length_s / 2.0 ? 1.0 : 0.0;
}

double load_at(const struct load *l, const struct trace *traces, double time_s)
{
    double since_s = time_s - l->start_s;
    double share = 0.0;
    switch ((enum load_shape)l->shape) {
    case LOAD_TRACE:
        return l->scale * trace_at(&traces[l->trace], l->start_s + time_s);
    case LOAD_RAMP:
        share = ramp_share(l, since_s);
        break;
    case LOAD_STEP:
        share = since_s >= 0 ? 1.0 : 0.0;
        break;
    case LOAD_SPIKE:
        share = since_s >= 0 && since_s < l->length_s ? 1.0 : 0.0;
        break;
    case LOAD_DIURNAL:
        share = 0.5 - 0.5 * cos(TWO_PI * since_s / l->length_s);
        break;
    case LOAD_FLASH:
        share = flash_share(l, since_s);
        break;
    case LOAD_ON_OFF:
        share = on_off_share(l, since_s);
        break;
    case LOAD_CONSTANT:
    case LOAD_SHAPES:
        break;
    }
    return l->base_rps + share * (l->peak_rps - l->base_rps);
}

const char *load_shape_name(int shape)
{
    static const char *const NAMES[LOAD_SHAPES] = {"constant", "ramp",  "step",   "spike",
                                                   "diurnal",  "flash", "on-off", "trace"};
    return shape >= 0 && shape < LOAD_SHAPES ? NAMES[shape] : "unknown";
}
