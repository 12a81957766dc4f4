/* rng: random draws. Nothing here is global; nothing here knows what the numbers are for. */
#include <maestro/rng.h>

#include <math.h>

static const double TWO_PI = 6.28318530717958647692;

/* Above this mean a Poisson variate is a rounded normal one (relative error of the distribution under 2 %). */
static const double POISSON_NORMAL_FROM = 64.0;

void rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
    r->state = 0;
    r->inc = (stream << 1) | 1;
    rng_u32(r);
    r->state += seed;
    rng_u32(r);
}

uint32_t rng_bounded(struct rng *r, uint32_t bound)
{
    uint32_t threshold = (0u - bound) % bound;
    for (;;) {
        uint32_t draw = rng_u32(r);
        if (draw >= threshold)
            return draw % bound;
    }
}

/* (0, 1]: safe under a logarithm */
static double open_double(struct rng *r)
{
    return (rng_u32(r) + 1.0) * 0x1p-32;
}

double rng_uniform(struct rng *r, double low, double high)
{
    return low + (high - low) * rng_double(r);
}

double rng_log_uniform(struct rng *r, double low, double high)
{
    return low * exp(log(high / low) * rng_double(r));
}

double rng_exponential(struct rng *r, double mean)
{
    return -mean * log(open_double(r));
}

/* Box and Muller 1958, the cosine half; the other half is dropped so that a stream has no hidden state. */
double rng_normal(struct rng *r)
{
    double radius = sqrt(-2.0 * log(open_double(r)));
    return radius * cos(TWO_PI * rng_double(r));
}

double rng_lognormal(struct rng *r, double mean, double cv)
{
    double variance = log1p(cv * cv);
    return mean * exp(sqrt(variance) * rng_normal(r) - 0.5 * variance);
}

double rng_gamma(struct rng *r, double shape, double scale)
{
    if (shape < 1.0)
        return rng_gamma(r, shape + 1.0, scale) * pow(open_double(r), 1.0 / shape);
    double d = shape - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = rng_normal(r);
        double v = 1.0 + c * x;
        if (v <= 0.0)
            continue;
        v = v * v * v;
        if (log(open_double(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v * scale;
    }
}

/* Knuth's product method below the limit. */
double rng_poisson(struct rng *r, double mean)
{
    if (mean <= 0.0)
        return 0.0;
    if (mean > POISSON_NORMAL_FROM) {
        double draw = floor(mean + sqrt(mean) * rng_normal(r) + 0.5);
        return draw < 0.0 ? 0.0 : draw;
    }
    double limit = exp(-mean);
    double product = rng_double(r);
    double count = 0.0;
    while (product > limit) {
        product *= rng_double(r);
        count += 1.0;
    }
    return count;
}
