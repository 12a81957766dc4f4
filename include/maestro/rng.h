/* rng: PCG32 (XSH-RR 64/32; M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
 * Random Number Generation", 2014) and the distributions the project draws from. Every consumer owns a stream; plain data,
 * so a checkpoint is a copy. No libm beyond log, sqrt, exp in double: the same draws on every machine. */
#ifndef MAESTRO_RNG_H
#define MAESTRO_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
    uint64_t inc; /* odd; chosen by the stream */
};

void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

static inline uint32_t rng_u32(struct rng *r)
{
    uint64_t old = r->state;
    r->state = old * 6364136223846793005u + r->inc;
    uint32_t xorshifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t rot = (uint32_t)(old >> 59);
    return (xorshifted >> rot) | (xorshifted << ((32 - rot) & 31));
}

/* [0, 1), 32 random bits */
static inline double rng_double(struct rng *r)
{
    return rng_u32(r) * 0x1p-32;
}

uint32_t rng_bounded(struct rng *r, uint32_t bound);            /* [0, bound), unbiased; bound > 0 */
double rng_uniform(struct rng *r, double low, double high);     /* [low, high) */
double rng_log_uniform(struct rng *r, double low, double high); /* 0 < low <= high */
double rng_exponential(struct rng *r, double mean);             /* > 0 */
double rng_normal(struct rng *r);                               /* mean 0, variance 1 */
double rng_lognormal(struct rng *r, double mean, double cv);    /* given its own mean and coefficient of variation */
double rng_gamma(struct rng *r, double shape, double scale);    /* Marsaglia and Tsang 2000; shape > 0 */
double rng_poisson(struct rng *r, double mean);                 /* a whole number; normal approximation above 64 */

#endif
