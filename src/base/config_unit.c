/* config_unit: reads a number and its unit and converts within one family (time, share, bytes, cores, rate). Converting
 * across families is refused. Knows nothing of keys and ranges. */
#include "config_unit.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 64

struct unit {
    const char *name;
    const char *family;
    double size; /* in the family's smallest step: whole numbers, so that one division rounds once */
};

// clang-format off
static const struct unit UNITS[] = {
    {"us", "time", 1}, {"ms", "time", 1e3}, {"s", "time", 1e6}, {"m", "time", 60e6}, {"min", "time", 60e6},
    {"h", "time", 3600e6}, {"d", "time", 86400e6},
    {"%", "a share", 1}, {"percent", "a share", 1}, {"ratio", "a share", 100},
    {"B", "bytes", 1}, {"bytes", "bytes", 1}, {"kB", "bytes", 1e3}, {"MB", "bytes", 1e6}, {"GB", "bytes", 1e9},
    {"KiB", "bytes", 0x1p10}, {"MiB", "bytes", 0x1p20}, {"GiB", "bytes", 0x1p30},
    {"Ki", "bytes", 0x1p10}, {"Mi", "bytes", 0x1p20}, {"Gi", "bytes", 0x1p30},
    {"m", "cores", 1}, {"cores", "cores", 1000},
    {"rps", "a request rate", 1},
};
// clang-format on
#define N_UNITS (sizeof UNITS / sizeof *UNITS)

/* Copies a digit run without the underscores that group it ("20_480"); false on an underscore out of place. */
static bool copy_digits(const char **from, char **to, const char *end)
{
    const char *p = *from;
    for (; isdigit((unsigned char)*p) || *p == '_'; p++) {
        if (*p == '_' && !(p > *from && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1])))
            return false;
        if (*to >= end)
            return false;
        if (*p != '_')
            *(*to)++ = *p;
    }
    *from = p;
    return true;
}

static bool copy_one(const char **from, char **to, const char *end)
{
    if (*to >= end)
        return false;
    *(*to)++ = *(*from)++;
    return true;
}

static bool copy_exponent(const char **from, char **to, const char *end)
{
    const char *p = *from;
    bool sign = (*p == 'e' || *p == 'E') && (p[1] == '+' || p[1] == '-');
    if ((*p != 'e' && *p != 'E') || !isdigit((unsigned char)p[sign ? 2 : 1]))
        return true;
    return copy_one(from, to, end) && (!sign || copy_one(from, to, end)) && copy_digits(from, to, end);
}

/* The number's characters into digits (no underscores, NUL-terminated); advances *from behind it. */
static bool copy_number(const char **from, char digits[NUMBER_BYTES], bool *is_whole)
{
    char *to = digits;
    const char *end = digits + NUMBER_BYTES - 1, *start;
    if ((**from == '+' || **from == '-') && !copy_one(from, &to, end))
        return false;
    start = to;
    if (!copy_digits(from, &to, end))
        return false;
    bool has_digits = to > start;
    *is_whole = has_digits;
    if (**from == '.' && (has_digits || isdigit((unsigned char)(*from)[1]))) {
        *is_whole = false;
        has_digits = true;
        if (!copy_one(from, &to, end) || !copy_digits(from, &to, end))
            return false;
    }
    start = to;
    if (!has_digits || !copy_exponent(from, &to, end))
        return false;
    *is_whole = *is_whole && to == start;
    *to = '\0';
    return true;
}

static bool read_infinity(const char *text, struct unit_number *out)
{
    const char *p = text + (*text == '-' || *text == '+');
    p += *p == '.';
    if (strcmp(p, "inf") != 0)
        return false;
    *out = (struct unit_number){.value = *text == '-' ? -HUGE_VAL : HUGE_VAL, .suffix = ""};
    return true;
}

static bool is_suffix(const char *text)
{
    if (strcmp(text, "%") == 0)
        return true;
    for (const char *p = text; *p; p++)
        if (!isalpha((unsigned char)*p) && !(p > text && strchr("_/", *p)))
            return false;
    return true;
}

bool unit_read(const char *text, struct unit_number *out)
{
    char digits[NUMBER_BYTES];
    struct unit_number n = {.suffix = text};
    if (read_infinity(text, out))
        return true;
    if (!copy_number(&n.suffix, digits, &n.is_whole))
        return false;
    n.suffix += strspn(n.suffix, " ");
    n.value = strtod(digits, NULL);
    if (!isfinite(n.value) || !is_suffix(n.suffix))
        return false;
    errno = 0;
    n.whole = n.is_whole ? strtoll(digits, NULL, 10) : 0;
    n.is_whole = n.is_whole && errno == 0;
    *out = n;
    return true;
}

static const struct unit *find_unit(const char *name, const char *family)
{
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(UNITS[i].name, name) == 0 && (!family || strcmp(UNITS[i].family, family) == 0))
            return &UNITS[i];
    return NULL;
}

static bool refuse_suffix(const struct unit_number *n, const char *unit, const char *family, struct err *e)
{
    char names[128] = "";
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(UNITS[i].family, family) == 0) {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", UNITS[i].name);
        }
    const struct unit *other = find_unit(n->suffix, NULL);
    if (other)
        return err_set(e, ERR_USAGE, "unit '%s' measures %s, not %s; right are %s (a bare number counts %s)", n->suffix,
                       other->family, family, names, unit);
    return err_set(e, ERR_USAGE, "unknown unit '%.20s'; right are %s (a bare number counts %s)", n->suffix, names,
                   unit);
}

bool unit_convert(const struct unit_number *n, const char *unit, double *out, struct err *e)
{
    *out = n->value;
    if (!*n->suffix || (unit && strcmp(n->suffix, unit) == 0))
        return true;
    if (!unit)
        return err_set(e, ERR_USAGE, "a bare number is wanted, without the unit '%.20s'", n->suffix);
    const struct unit *own = find_unit(unit, NULL);
    if (!own)
        return err_set(e, ERR_USAGE, "unknown unit '%.20s'; it counts %s", n->suffix, unit);
    const struct unit *given = find_unit(n->suffix, own->family);
    if (!given)
        return refuse_suffix(n, unit, own->family, e);
    *out = given->size >= own->size ? n->value * (given->size / own->size) : n->value / (own->size / given->size);
    return true;
}
