/* number: digits by multiplication and one rounding each. In: a float, a whole number, or text; out: the other one. Only
 * what cannot be exact that way goes to strtod. */
#include <maestro/number.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POSITIONAL (-5) // decimal exponents written without e: 0.00001 to 99999999999
#define MOST_POSITIONAL 10

/* 10^0 to 10^22 are doubles without error (5^22 < 2^53). */
static const double EXACT[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double power_of_ten(int n)
{
    double p = 1.0;
    bool inverse = n < 0;
    for (n = inverse ? -n : n; n > 22; n -= 22)
        p *= 1e22;
    p *= EXACT[n];
    return inverse ? 1.0 / p : p;
}

/* x * 10^n. The relative error is below 2^-50: nothing beside the 2^-25 that tells two floats apart. */
static double scaled(double x, int n)
{
    if (n >= 0)
        return n <= 22 ? x * EXACT[n] : x * power_of_ten(n);
    return n >= -22 ? x / EXACT[-n] : x * power_of_ten(n);
}

/* x > 0 as d * 10^(exponent - 8) with 10^8 <= d < 10^9: its nine digits before the point. */
static double nine_digits(double x, int *exponent)
{
    int binary;
    frexp(x, &binary);
    int e = (int)floor((binary - 1) * 0.30102999566398120); // right, or one too small
    double d = scaled(x, 8 - e);
    if (d >= 1e9 - 0.5)
        d = scaled(x, 8 - ++e);
    *exponent = e;
    return d;
}

/* The shortest of seven, eight and nine digits that is the same float, without zeros at the end; how many are left. */
static int shortest(uint32_t *digits, int *exponent, float value)
{
    static const uint32_t steps[3] = {100, 10, 1};
    double d = nine_digits((double)value, exponent);
    uint32_t best = 0;
    for (int i = 0; i < 3; i++) {
        best = (uint32_t)(d / steps[i] + 0.5) * steps[i];
        if ((float)scaled(best, *exponent - 8) == value)
            break;
    }
    if (best >= 1000000000u) { // rounding carried into a tenth digit
        best /= 10;
        ++*exponent;
    }
    int n = 9;
    for (; n > 1 && best % 10 == 0; n--)
        best /= 10;
    *digits = best;
    return n;
}

static char *put_digits(char *at, uint32_t digits, int n)
{
    for (int i = n - 1; i >= 0; i--, digits /= 10)
        at[i] = (char)('0' + digits % 10);
    return at + n;
}

static char *put_zeros(char *at, int n)
{
    memset(at, '0', (size_t)(n > 0 ? n : 0));
    return n > 0 ? at + n : at;
}

/* n digits of which whole stand before the point; all >= 1. */
static char *put_split(char *at, uint32_t digits, int n, int whole)
{
    if (n <= whole)
        return put_zeros(put_digits(at, digits, n), whole - n);
    put_digits(at + 1, digits, n);
    memmove(at, at + 1, (size_t)whole);
    at[whole] = '.';
    return at + n + 1;
}

static char *put_number(char *at, uint32_t digits, int n, int exponent)
{
    if (exponent >= 0 && exponent <= MOST_POSITIONAL)
        return put_split(at, digits, n, exponent + 1);
    if (exponent < 0 && exponent >= LEAST_POSITIONAL) {
        *at++ = '0';
        *at++ = '.';
        return put_digits(put_zeros(at, -exponent - 1), digits, n);
    }
    at = put_split(at, digits, n, 1);
    *at++ = 'e';
    if (exponent < 0)
        *at++ = '-';
    uint32_t size = (uint32_t)(exponent < 0 ? -exponent : exponent);
    return put_digits(at, size, size < 10 ? 1 : 2);
}

size_t number_float(char out[NUMBER_FLOAT], float value)
{
    char *at = out;
    if (!isfinite(value)) {
        memcpy(out, "null", 5);
        return 4;
    }
    if (value < 0.0f)
        *at++ = '-';
    if (value == 0.0f) {
        *at++ = '0';
    } else {
        int exponent;
        uint32_t digits;
        int n = shortest(&digits, &exponent, fabsf(value));
        at = put_number(at, digits, n, exponent);
    }
    *at = '\0';
    return (size_t)(at - out);
}

size_t number_whole(char out[NUMBER_WHOLE], int64_t value)
{
    char digits[NUMBER_WHOLE];
    char *at = digits + sizeof digits;
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + size % 10);
    while (size /= 10);
    if (value < 0)
        *--at = '-';
    size_t n = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, n);
    out[n] = '\0';
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What a number is made of: mantissa * 10^exponent; exact while n_digits (leading zeros aside) is at most 19. */
struct parts {
    uint64_t mantissa;
    int n_digits;
    int exponent;
};

static const char *take_digits(const char *at, struct parts *p)
{
    for (; is_digit(*at); at++) {
        p->mantissa = p->mantissa * 10 + (uint64_t)(*at - '0');
        p->n_digits += p->n_digits > 0 || *at != '0';
    }
    return at;
}

static const char *take_exponent(const char *at, struct parts *p)
{
    int size = 0;
    bool negative = *++at == '-';
    if (*at == '-' || *at == '+')
        at++;
    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++)
        size = size < 100000 ? size * 10 + (*at - '0') : size;
    p->exponent += negative ? -size : size;
    return at;
}

/* JSON's grammar: no plus, no leading zeros, digits on both sides of a point. NULL: no number. */
static const char *take_number(const char *at, struct parts *p)
{
    if (!is_digit(*at) || (*at == '0' && is_digit(at[1])))
        return NULL;
    at = take_digits(at, p);
    if (*at == '.') {
        const char *fraction = ++at;
        if (!is_digit(*at))
            return NULL;
        at = take_digits(at, p);
        p->exponent -= (int)(at - fraction < 100000 ? at - fraction : 100000);
    }
    return *at == 'e' || *at == 'E' ? take_exponent(at, p) : at;
}

size_t number_read(const char *text, double *out)
{
    struct parts p = {0};
    const char *end = take_number(text + (*text == '-'), &p);
    if (!end)
        return 0;
    bool exact = p.n_digits <= 19 && p.mantissa <= (uint64_t)1 << 53 && p.exponent >= -22 && p.exponent <= 22;
    if (exact) {
        double m = (double)p.mantissa;
        m = p.exponent < 0 ? m / EXACT[-p.exponent] : m * EXACT[p.exponent];
        *out = *text == '-' ? -m : m;
    } else {
        *out = strtod(text, NULL);
    }
    return (size_t)(end - text);
}
