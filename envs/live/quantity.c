/* quantity: the suffixes of apimachinery's resource.Quantity: n u m k M G T P E by tens, Ki Mi Gi Ti Pi Ei by twos, or an
 * exponent. In: text of an object we did not write. Out: a finite double. */
#include "quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool suffix_factor(const char *suffix, double *factor)
{
    static const char tens[] = "num kMGTPE", twos[] = "KMGTPE";
    size_t n = strlen(suffix);
    const char *at = n ? strchr(n == 2 ? twos : tens, suffix[0]) : NULL;
    *factor = 1;
    if (n == 0)
        return true;
    if (!at || suffix[0] == ' ' || n > 2 || (n == 2 && suffix[1] != 'i'))
        return false;
    *factor = n == 2 ? ldexp(1, 10 * (int)(at - twos + 1)) : pow(10, 3 * (double)(at - tens - 3));
    return true;
}

bool quantity_parse(const char *text, double *out)
{
    char digits[64];
    size_t n = strspn(text, "+-0123456789.");
    if (n == 0 || n > 40)
        return false;
    const char *suffix = text + n;
    if ((suffix[0] == 'e' || suffix[0] == 'E') && suffix[1] && suffix[1] != 'i') {
        size_t n_exponent = 1 + strspn(suffix + 1, "+-0123456789");
        n += n_exponent > 6 ? 0 : n_exponent;
        suffix = text + n;
    }
    memcpy(digits, text, n);
    digits[n] = '\0';
    char *end = NULL;
    double value = strtod(digits, &end), factor;
    if (end != digits + n || !suffix_factor(suffix, &factor) || !isfinite(value * factor))
        return false;
    *out = value * factor;
    return true;
}
