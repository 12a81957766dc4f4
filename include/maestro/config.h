/* config: one table per section drives parsing, defaults, ranges, --help, --print-config and the manual. A section is a
 * plain struct plus an array of rows that name its fields by offset.
 *
 * Layers, later wins: built-in defaults < YAML files given in order < environment (MAESTRO_SECTION_KEY) < command line
 * (--section.key=value). A key may carry a unit ("30s", "250ms", "2min", "75%", "512MiB"): it is converted to the row's
 * unit, and refused if it measures something else. Every error names file and line, variable or option, and the key, and
 * says what would be right. Duplicate keys in a file are errors. */
#ifndef MAESTRO_CONFIG_H
#define MAESTRO_CONFIG_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_TEXT 1024
#define CONFIG_LIST 32

enum config_type {
    CONFIG_BOOL,   /* bool: true, false, on, off, yes, no */
    CONFIG_INT,    /* int */
    CONFIG_LONG,   /* long long; 1e6 and 20_480 are allowed */
    CONFIG_DOUBLE, /* double; never NaN; infinite only as max where the range says so */
    CONFIG_STRING, /* char[CONFIG_TEXT] */
    CONFIG_CHOICE, /* int: index into choices ("a|b|c") */
    CONFIG_INTS,   /* struct config_list: [1, 2, 3] or 1,2,3 */
    CONFIG_DOUBLES,
    CONFIG_TEXTS, /* char[CONFIG_TEXT]: comma-separated in memory, a YAML sequence or comma-separated text outside */
    CONFIG_OFF_DOUBLE, /* double: a number, or "off" stored as NaN */
};

struct config_list {
    int n;
    double v[CONFIG_LIST];
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;
    const char *fallback;    /* default as text, parsed like any other value */
    double low, high;        /* inclusive range of numbers and of list elements; low == high: no range */
    const char *unit;        /* "s", "ms", "percent", "bytes", "rps", "ratio", "cores" or NULL: a bare number */
    const char *choices;     /* CONFIG_CHOICE: "relu|tanh" */
    const char *description; /* one sentence */
};

struct config_section {
    const char *name;
    const char *description;
    const struct config_key *keys;
    int n_keys;
    void *target; /* the struct that offsets count from */
};

/* An index over sections; plain, the caller's. Remembers where each value came from. */
struct config {
    struct config_section *sections; /* [n_sections], caller's */
    int n_sections;
    char *origins; /* owned; one string slot per key */
};

MUST_CHECK bool config_init(struct config *c, struct config_section *sections, int n_sections,
                            struct err *e); /* sets defaults */
void config_finish(struct config *c);

MUST_CHECK bool config_file(struct config *c, const char *path, struct err *e);
MUST_CHECK bool config_text(struct config *c, const char *name, const char *text, size_t n,
                            struct err *e);                          /* YAML from memory; name for messages */
MUST_CHECK bool config_environment(struct config *c, struct err *e); /* unknown MAESTRO_* of a known section: error */
MUST_CHECK bool config_set(struct config *c, const char *dotted, const char *value, const char *origin, struct err *e);

/* "section.key" -> value as canonical text; false if there is no such key. */
bool config_get(const struct config *c, const char *dotted, struct buf *out);
const char *config_origin(const struct config *c,
                          const char *dotted); /* "default", "FILE:LINE", "MAESTRO_X", "--a.b" */

void config_print(const struct config *c, bool with_origins, struct buf *out); /* YAML that reads back to the same */
void config_help(const struct config *c, struct buf *out);                     /* for --help */
void config_manual(const struct config *c, struct buf *out);                   /* mdoc(7) list for the manual page */

/* First key whose value differs between two configurations of the same sections, as "section.key" in out (empty if none);
 * keys named in except ("run.name,run.resume") do not count. */
void config_difference(const struct config *a, const struct config *b, const char *except, struct buf *out);

#endif
