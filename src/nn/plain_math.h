/* plain_math: exp, log and tanh from additions, multiplications, divisions and bit moves only, so that they vectorise
 * and give the same bits whatever the instruction set (no fused multiply-add is compiled into these). */
#ifndef NN_PLAIN_MATH_H
#define NN_PLAIN_MATH_H

#include <stdint.h>
#include <string.h>

/* tanh x = x P(x^2) / Q(x^2) on [-TANH_LIMIT, TANH_LIMIT]: minimax fit of degrees 3 and 4, absolute error 1.2e-7. */
#define TANH_LIMIT 7.9f
#define TANH_P0 9.999994274070094e-01f
#define TANH_P1 1.292271218392836e-01f
#define TANH_P2 2.9485375725201097e-03f
#define TANH_P3 1.1414904316978317e-05f
#define TANH_Q1 4.625583317597724e-01f
#define TANH_Q2 2.3803625159617797e-02f
#define TANH_Q3 2.3839875593036566e-04f
#define TANH_Q4 2.45730265521072e-07f

static inline float plain_tanh(float x)
{
    x = x > TANH_LIMIT ? TANH_LIMIT : x;
    x = x < -TANH_LIMIT ? -TANH_LIMIT : x;
    float t = x * x;
    float p = ((TANH_P3 * t + TANH_P2) * t + TANH_P1) * t + TANH_P0;
    float q = (((TANH_Q4 * t + TANH_Q3) * t + TANH_Q2) * t + TANH_Q1) * t + 1.0f;
    return x * p / q;
}

static inline float plain_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t plain_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* x = n ln 2 + r, |r| <= ln 2 / 2; Taylor to the 7th power (remainder 5e-9). Below -87: 0. NaN stays NaN. */
static inline float plain_exp(float x)
{
    float y = x > 88.0f ? 88.0f : x;
    y = y < -87.0f ? -87.0f : y;
    float shifted = y * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to a whole number in the low bits */
    float n = shifted - 12582912.0f;
    float r = (y - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    float scale = plain_from_bits((plain_bits(shifted) - 0x4b400000u + 127u) << 23);
    return x < -87.0f ? 0.0f : p * scale;
}

/* x = m 2^e, sqrt(1/2) <= m < sqrt(2), s = (m - 1) / (m + 1): ln m = 2 (s + s^3/3 + ... + s^9/9) (remainder 1e-9). */
static inline float plain_log(float x)
{
    uint32_t bits = plain_bits(x) - 0x3f3504f3u; /* sqrt(1/2) becomes exponent 0 */
    int32_t e = (int32_t)bits >> 23;
    float m = plain_from_bits((bits & 0x007fffffu) + 0x3f3504f3u);
    float s = (m - 1.0f) / (m + 1.0f);
    float t = s * s;
    float p = 2.0f / 9.0f;
    p = p * t + 2.0f / 7.0f;
    p = p * t + 2.0f / 5.0f;
    p = p * t + 2.0f / 3.0f;
    p = p * t + 2.0f;
    float n = (float)e;
    return n * 0.693359375f + (p * s + n * -2.12194440e-4f);
}

#endif
