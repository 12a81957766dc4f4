/* annotations: texts into settings. One row an annotation; numbers are read strictly; nothing is known of policies here
 * beyond their length. */
#include <maestro/annotations.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const MODE_NAMES[MODES] = {"off", "shadow", "dry-run", "active"};

const char *target_mode_name(enum target_mode mode)
{
    return MODE_NAMES[mode];
}

struct given {
    const char *key, *value;
    struct target_settings *out;
    struct err *e;
};

static bool refuse(const struct given *g, const char *wanted)
{
    return err_set(g->e, ERR_USAGE, "%.80s: '%.60s' is not %s", g->key, g->value, wanted);
}

static bool read_mode(const struct given *g)
{
    for (int i = 0; i < MODES; i++)
        if (strcmp(g->value, MODE_NAMES[i]) == 0) {
            g->out->mode = (enum target_mode)i;
            return true;
        }
    return refuse(g, "off, shadow, dry-run or active");
}

/* Digits only: no sign, no space, nothing behind. */
static bool read_count(const struct given *g, int low, int *out)
{
    char wanted[64];
    long value = 0;
    size_t n = strspn(g->value, "0123456789");
    if (n > 0 && n <= 6 && g->value[n] == '\0')
        value = strtol(g->value, NULL, 10);
    else
        value = -1;
    if (value >= low && value <= ANNOTATIONS_REPLICAS) {
        *out = (int)value;
        return true;
    }
    snprintf(wanted, sizeof wanted, "a whole number from %d to %d", low, ANNOTATIONS_REPLICAS);
    return refuse(g, wanted);
}

static bool read_min(const struct given *g)
{
    return read_count(g, 1, &g->out->min_replicas);
}

static bool read_max(const struct given *g)
{
    return read_count(g, 1, &g->out->max_replicas);
}

static bool read_paused_replicas(const struct given *g)
{
    g->out->has_paused_replicas = true;
    return read_count(g, 0, &g->out->paused_replicas);
}

static bool read_flag(const struct given *g, bool *out)
{
    bool yes = strcmp(g->value, "true") == 0;
    if (!yes && strcmp(g->value, "false") != 0)
        return refuse(g, "true or false");
    *out = yes;
    return true;
}

static bool read_paused(const struct given *g)
{
    return read_flag(g, &g->out->paused);
}

static bool read_no_down(const struct given *g)
{
    return read_flag(g, &g->out->no_down);
}

/* A decimal number at the head of text; *end behind it. */
static bool read_decimal(const char *text, const char **end, double *out)
{
    char *stop = NULL;
    if (!isdigit((unsigned char)text[0]) || text[1] == 'x' || text[1] == 'X')
        return false;
    *out = strtod(text, &stop);
    *end = stop;
    return isfinite(*out);
}

static bool read_interval(const struct given *g)
{
    static const struct {
        const char *unit;
        double seconds;
    } UNITS[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"", 1}};
    const char *unit = "";
    double value;
    if (!read_decimal(g->value, &unit, &value))
        return refuse(g, "a time such as 30s or 1min");
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strcmp(unit, UNITS[i].unit) == 0) {
            g->out->interval_s = value * UNITS[i].seconds;
            return (g->out->interval_s >= 1 && g->out->interval_s <= 3600) || refuse(g, "from 1s to 3600s");
        }
    return refuse(g, "a time such as 30s or 1min");
}

/* The parent system writes -1 for "no limit". */
static bool read_limit(const struct given *g, double *out)
{
    const char *end = "";
    double value;
    if (strcmp(g->value, "-1") == 0) {
        *out = 0;
        return true;
    }
    if (!read_decimal(g->value, &end, &value) || (strcmp(end, "") != 0 && strcmp(end, "ms") != 0) || !(value > 0) ||
        value > 1e7)
        return refuse(g, "a number of milliseconds above 0, or -1 for none");
    *out = value;
    return true;
}

static bool read_soft(const struct given *g)
{
    return read_limit(g, &g->out->latency_soft_ms);
}

static bool read_hard(const struct given *g)
{
    return read_limit(g, &g->out->latency_hard_ms);
}

static bool read_policy(const struct given *g)
{
    size_t n = strlen(g->value);
    if (n == 0 || n >= sizeof g->out->policy)
        return refuse(g, "a policy's name of at most 127 bytes");
    for (size_t i = 0; i < n; i++)
        if (!isprint((unsigned char)g->value[i]) || g->value[i] == ' ')
            return refuse(g, "a policy's name without spaces");
    memcpy(g->out->policy, g->value, n + 1);
    g->out->policy_annotated = true;
    return true;
}

struct row {
    const char *name;
    bool bare; /* stands without the prefix */
    bool (*read)(const struct given *g);
};

/* What stands under the prefix comes last, and wins over the parent system's names. */
static const struct row ROWS[] = {
    {"latencySoftConstraint", true, read_soft},
    {"latencyHardConstraint", true, read_hard},
    {"mode", false, read_mode},
    {"min-replicas", false, read_min},
    {"max-replicas", false, read_max},
    {"interval", false, read_interval},
    {"policy", false, read_policy},
    {"paused", false, read_paused},
    {"paused-replicas", false, read_paused_replicas},
    {"paused-scale-in", false, read_no_down},
    {"latency-soft-ms", false, read_soft},
    {"latency-hard-ms", false, read_hard},
};

static const char *bare_name(const char *prefix, const char *key, bool *bare)
{
    size_t n = strlen(prefix);
    *bare = strncmp(key, prefix, n) != 0;
    return *bare ? key : key + n;
}

static bool read_row(const struct row *row, const char *prefix, const struct fleet_annotation *a, int n,
                     struct given *g)
{
    for (int i = 0; i < n; i++) {
        bool bare;
        const char *name = bare_name(prefix, a[i].key, &bare);
        if (bare != row->bare || strcmp(name, row->name) != 0)
            continue;
        g->key = a[i].key;
        g->value = a[i].value;
        if (!row->read(g))
            return false;
    }
    return true;
}

/* A key under the prefix that nobody reads is a typing mistake. */
static bool check_known(const char *prefix, const struct fleet_annotation *a, int n, struct err *e)
{
    for (int i = 0; i < n; i++) {
        bool bare, known = false;
        const char *name = bare_name(prefix, a[i].key, &bare);
        for (size_t k = 0; k < sizeof ROWS / sizeof *ROWS; k++)
            known = known || (ROWS[k].bare == bare && strcmp(ROWS[k].name, name) == 0);
        if (!known && !bare)
            return err_set(e, ERR_USAGE, "%.80s: there is no such annotation", a[i].key);
    }
    return true;
}

static bool check_whole(const char *prefix, const struct target_settings *s, struct err *e)
{
    if (s->min_replicas > s->max_replicas)
        return err_set(e, ERR_USAGE, "%.60smin-replicas: %d is above %.60smax-replicas, which is %d", prefix,
                       s->min_replicas, prefix, s->max_replicas);
    if (s->latency_soft_ms > 0 && s->latency_hard_ms > 0 && s->latency_soft_ms > s->latency_hard_ms)
        return err_set(e, ERR_USAGE, "%.60slatency-soft-ms: %g ms is above %.60slatency-hard-ms, which is %g ms",
                       prefix, s->latency_soft_ms, prefix, s->latency_hard_ms);
    return true;
}

bool annotations_read(const char *prefix, const struct target_settings *defaults,
                      const struct fleet_annotation *annotations, int n, struct target_settings *out, struct err *e)
{
    struct target_settings read = *defaults;
    struct given g = {.out = &read, .e = e};
    if (!check_known(prefix, annotations, n, e))
        return false;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (!read_row(&ROWS[i], prefix, annotations, n, &g))
            return false;
    if (!check_whole(prefix, &read, e))
        return false;
    *out = read;
    return true;
}
