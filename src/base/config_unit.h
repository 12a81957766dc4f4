/* config_unit: numbers with units, as people write them: "30s", "1_000", "75%", "512MiB". Used inside config only. */
#ifndef BASE_CONFIG_UNIT_H
#define BASE_CONFIG_UNIT_H

#include <maestro/err.h>
#include <stdbool.h>

/* A number as written; suffix points into the text ("" if none). */
struct unit_number {
    double value;
    long long whole; /* exact where is_whole */
    bool is_whole;   /* written as an integer that fits */
    const char *suffix;
};

/* False if text does not begin with a number or what follows cannot be a unit. */
bool unit_read(const char *text, struct unit_number *out);

/* value times the suffix's size in the key's unit. unit NULL: a bare number. */
MUST_CHECK bool unit_convert(const struct unit_number *n, const char *unit, double *out, struct err *e);

#endif
