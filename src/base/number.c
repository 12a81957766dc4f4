/* number: digits by multiplication and one rounding each. In: a float, a whole number, or text; out: the other one. Only
 * what cannot be exact that way goes to strtod. */
#include <maestro/number.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POSITIONAL (-5) // decimal exponents written without e: 0.00001 to 99999999999
#define MOST_POSITIONAL 10
#define DIGITS 9 // that tell any two floats apart

/* 10^0 to 10^22 are doubles without error (5^22 < 2^53). */
static const double EXACT[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* 10^-30 to 10^53: what takes nine digits of any float in front of the point. Each is off by less than 2^-53 of itself. */
#define LEAST_POWER (-30)
// clang-format off
static const double POWERS[84] = {
    1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15,
    1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3,
    1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40,
    1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53,
};
// clang-format on

static double power(int n)
{
    return POWERS[n - LEAST_POWER];
}

/* A float > 0 in units of its ninth decimal digit: d = value * 10^(8 - exponent) with 10^8 <= d < 10^9, and how far another
 * number may lie above or below d and still be the same float. */
struct scaled {
    double d, above, below;
    int exponent;
};

static struct scaled scale(float value)
{
    union {
        double d;
        uint64_t bits;
    } x = {.d = (double)value}, half_step;
    uint64_t binary = x.bits >> 52; // biased by 1023; a float is never so small that its double is denormal
    int e = (((int)binary - 1023) * 78913) >> 18; // times log10 2, rounded down: right, or one too small
    double unit = power(8 - e), d = x.d * unit;
    if (d >= 1e9 - 0.5) {
        unit = power(8 - ++e);
        d = x.d * unit;
    }
    const uint64_t least = 1023 - 126;                                 // floats below 2^-126 are all as far apart
    bool at_edge = binary > least && (x.bits & 0xfffffffffffffu) == 0; // below a power of two floats lie closer
    half_step.bits = ((binary > least ? binary : least) - 24) << 52;
    double room = half_step.d * unit * 0.999999;
    return (struct scaled){d, room, at_edge ? 0.5 * room : room, e};
}

/* The shortest of seven, eight and nine digits that is the same float, as nine digits. */
static uint32_t shortest(int *exponent, float value)
{
    static const struct {
        uint32_t step;
        double inverse;
    } tries[2] = {{100, 0.01}, {10, 0.1}};
    struct scaled x = scale(value);
    uint32_t best = (uint32_t)(x.d + 0.5);
    for (int i = 0; i < 2; i++) {
        uint32_t rounded = (uint32_t)(x.d * tries[i].inverse + 0.5) * tries[i].step;
        double off = (double)rounded - x.d;
        if (off < x.above && -off < x.below) {
            best = rounded;
            break;
        }
    }
    bool carried = best >= 1000000000u; // into a tenth digit
    *exponent = x.exponent + carried;
    return carried ? best / 10 : best;
}

/* Nine digits as text; returns how many there are without the zeros at the end, at least one. */
static int spell(char out[DIGITS], uint32_t digits)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    uint32_t high = digits / 10000, low = digits % 10000; // five digits and four
    out[0] = (char)('0' + high / 10000);
    high %= 10000;
    memcpy(out + 1, pairs + 2 * (high / 100), 2);
    memcpy(out + 3, pairs + 2 * (high % 100), 2);
    memcpy(out + 5, pairs + 2 * (low / 100), 2);
    memcpy(out + 7, pairs + 2 * (low % 100), 2);
    int n = DIGITS;
    while (n > 1 && out[n - 1] == '0')
        n--;
    return n;
}

static char *put_zeros(char *at, int n)
{
    memset(at, '0', (size_t)n);
    return at + n;
}

/* n digits, of which whole stand before the point. All nine are copied, for speed; what is too many is overwritten. */
static char *put_split(char *at, const char digits[DIGITS], int n, int whole)
{
    memcpy(at, digits, DIGITS);
    if (n <= whole)
        return put_zeros(at + n, whole - n);
    memcpy(at + whole + 1, digits + whole, (size_t)(n - whole));
    at[whole] = '.';
    return at + n + 1;
}

static char *put_number(char *at, const char digits[DIGITS], int n, int exponent)
{
    if (exponent >= 0 && exponent <= MOST_POSITIONAL)
        return put_split(at, digits, n, exponent + 1);
    if (exponent < 0 && exponent >= LEAST_POSITIONAL) {
        *at++ = '0';
        *at++ = '.';
        at = put_zeros(at, -exponent - 1);
        memcpy(at, digits, DIGITS);
        return at + n;
    }
    at = put_split(at, digits, n, 1);
    *at++ = 'e';
    if (exponent < 0)
        *at++ = '-';
    int size = exponent < 0 ? -exponent : exponent;
    if (size >= 10)
        *at++ = (char)('0' + size / 10);
    *at++ = (char)('0' + size % 10);
    return at;
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
        char digits[DIGITS];
        int exponent;
        uint32_t nine = shortest(&exponent, fabsf(value));
        int n = spell(digits, nine);
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
