/* catalogue: the catalogue by name. Turns configuration text into a spec and a spec into text and hash; computes no value
 * (observation.c does). A list in a policy file that this build does not know is refused here. */
#include "catalogue.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_TABLE(ROW, name, version, description) {name, version, description},
static const struct observation_feature CATALOGUE[] = {FEATURE_ROWS(FEATURE_TABLE)};
#undef FEATURE_TABLE

struct group {
    const char *name;
    const char *members;
};

static const struct group GROUPS[] = {
    {"raw5", "raw_cpu,raw_memory,raw_replicas,raw_p95,raw_rps"},
    {"basic5", "cpu,memory,replicas,p95,rps"},
    {"pods", "ready,starting,terminating"},
    {"trends", "trend_1,trend_2,trend_5,trend_10,cpu_trend,p95_trend"},
    {"bursts", "burst_5,burst_30,peak_10,peak_40,peak_10_demand,peak_40_demand"},
    {"executed", "executed_1,executed_2,executed_3,executed_4,since_up,since_down"},
    {"validity",
     "cpu_valid,memory_valid,replicas_valid,p95_valid,rps_valid,p95_absent,memory_absent,cpu_age,p95_age,rps_age"},
    {"frames", "demand_log.1,p95_soft.1,cpu_ready.1,replicas.1,ready.1,starting.1,load.1,over_soft.1,"
               "demand_log.2,p95_soft.2,cpu_ready.2,replicas.2,ready.2,starting.2,load.2,over_soft.2,"
               "demand_log.3,p95_soft.3,cpu_ready.3,replicas.3,ready.3,starting.3,load.3,over_soft.3"},
    {"default", "replicas,one_share,to_max,ready,starting,p95_soft,p95_hard,over_soft,p95_trend,rps_ready,cpu_ready,"
                "cpu_request,cpu_trend,demand,demand_log,demand_ready,trend_1,trend_2,trend_5,trend_10,"
                "burst_5,burst_30,peak_10,peak_40,peak_10_demand,peak_40_demand,proven,proven_peak,broken,over_10,"
                "over_60,executed_1,executed_2,executed_3,since_up,since_down,p95_valid,rps_valid,p95_absent,"
                "demand_log.1,p95_soft.1,load.1,demand_log.2,p95_soft.2,load.2,warm"},
};

const struct config_key observation_config_keys[] = {
    {"features", CONFIG_TEXTS, offsetof(struct observation_config, features), "default", 0, 0, NULL, NULL,
     "Network inputs: feature names and the groups raw5, basic5, pods, trends, bursts, executed, validity, frames, "
     "default, all."},
};
const int n_observation_config_keys = 1;

static int find_row(const char *name, size_t n)
{
    for (int row = 0; row < FEATURE_COUNT; row++)
        if (strlen(CATALOGUE[row].name) == n && memcmp(CATALOGUE[row].name, name, n) == 0)
            return row;
    return -1;
}

static void add_row(struct observation_spec *spec, int row)
{
    for (int i = 0; i < spec->n; i++)
        if (spec->id[i] == row)
            return;
    spec->id[spec->n++] = (unsigned char)row;
}

static bool add_list(struct observation_spec *spec, const char *list, bool groups, struct err *e);

static bool add_group(struct observation_spec *spec, const char *name, size_t n, struct err *e)
{
    for (size_t g = 0; g < sizeof GROUPS / sizeof GROUPS[0]; g++)
        if (strlen(GROUPS[g].name) == n && memcmp(GROUPS[g].name, name, n) == 0)
            return add_list(spec, GROUPS[g].members, false, e);
    if (n != 3 || memcmp(name, "all", 3) != 0)
        return err_set(e, ERR_USAGE, "observation.features: no feature or group is called '%.*s'",
                       (int)(n < 60 ? n : 60), name);
    for (int row = 0; row < FEATURE_COUNT; row++)
        if (row > FEATURE_RAW_RPS)
            add_row(spec, row);
    return true;
}

/* One entry: name, name@version or a group. */
static bool add_entry(struct observation_spec *spec, const char *entry, size_t n, bool groups, struct err *e)
{
    const char *at = memchr(entry, '@', n);
    size_t n_name = at ? (size_t)(at - entry) : n;
    int row = find_row(entry, n_name);
    if (row < 0 && groups && !at)
        return add_group(spec, entry, n, e);
    if (row < 0)
        return err_set(e, ERR_USAGE, "observation.features: this program knows no feature '%.*s'",
                       (int)(n < 60 ? n : 60), entry);
    if (at) {
        char version[16];
        snprintf(version, sizeof version, "%d", CATALOGUE[row].version);
        size_t n_version = n - n_name - 1;
        if (strlen(version) != n_version || memcmp(version, at + 1, n_version) != 0)
            return err_set(e, ERR_USAGE, "observation.features: '%.*s': this program computes version %s",
                           (int)(n < 60 ? n : 60), entry, version);
    }
    add_row(spec, row);
    return true;
}

static bool add_list(struct observation_spec *spec, const char *list, bool groups, struct err *e)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        const char *next = list + n + (list[n] == ',');
        while (n && isspace((unsigned char)*list))
            list++, n--;
        while (n && isspace((unsigned char)list[n - 1]))
            n--;
        if (!n)
            return err_set(e, ERR_USAGE, "observation.features: an empty name in the list");
        if (!add_entry(spec, list, n, groups, e))
            return false;
        if (!*next && next[-1] == ',')
            return err_set(e, ERR_USAGE, "observation.features: the list ends with a comma");
        list = next;
    }
    return true;
}

bool observation_spec_parse(struct observation_spec *out, const char *list, double period_s, double window_s,
                            struct err *e)
{
    struct observation_spec spec = {.period_s = period_s, .window_s = window_s};
    if (!(period_s > 0 && period_s <= 3600))
        return err_set(e, ERR_USAGE, "observation: period %g s is not within 0..3600 s", period_s);
    if (!add_list(&spec, list, true, e))
        return false;
    if (!spec.n)
        return err_set(e, ERR_USAGE, "observation.features: the list is empty; 'default' is a good one");
    *out = spec;
    return true;
}

void observation_spec_text(const struct observation_spec *spec, struct buf *out)
{
    for (int i = 0; i < spec->n; i++) {
        const struct observation_feature *f = observation_feature(spec, i);
        buf_printf(out, "%s%s@%d", i ? "," : "", f->name, f->version);
    }
}

static uint64_t fnv1a(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

void observation_hash(const struct observation_spec *spec, char out[OBSERVATION_HASH_BYTES])
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < spec->n; i++) {
        const struct observation_feature *f = observation_feature(spec, i);
        char version[16];
        snprintf(version, sizeof version, "@%d,", f->version);
        hash = fnv1a(fnv1a(hash, f->name), version);
    }
    snprintf(out, OBSERVATION_HASH_BYTES, "%016llx", (unsigned long long)hash);
}

const struct observation_feature *observation_feature(const struct observation_spec *spec, int i)
{
    return &CATALOGUE[spec->id[i]];
}

int observation_find(const struct observation_spec *spec, const char *name)
{
    for (int i = 0; i < spec->n; i++)
        if (strcmp(observation_feature(spec, i)->name, name) == 0)
            return i;
    return -1;
}
