/* Annotations over defaults: every row, every refusal by name. */
#include "suite.h"

#include <maestro/annotations.h>

#include <stdio.h>
#include <string.h>

static const struct target_settings DEFAULTS = {
    .mode = MODE_SHADOW, .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 100, .policy = "hpa"};

static bool read_one(const char *key, const char *value, struct target_settings *out, struct err *e)
{
    const struct fleet_annotation a = {key, value};
    *out = (struct target_settings){.min_replicas = -7};
    return annotations_read("maestro.dev/", &DEFAULTS, &a, 1, out, e);
}

static struct target_settings good(const char *key, const char *value)
{
    struct target_settings out;
    struct err e = {0};
    ck_assert_msg(read_one(key, value, &out, &e), "%s: %s: %s", key, value, e.message);
    return out;
}

START_TEST(every_annotation_is_read)
{
    ck_assert_int_eq(good("maestro.dev/mode", "off").mode, MODE_OFF);
    ck_assert_int_eq(good("maestro.dev/mode", "shadow").mode, MODE_SHADOW);
    ck_assert_int_eq(good("maestro.dev/mode", "dry-run").mode, MODE_DRY_RUN);
    ck_assert_int_eq(good("maestro.dev/mode", "active").mode, MODE_ACTIVE);
    ck_assert_int_eq(good("maestro.dev/min-replicas", "7").min_replicas, 7);
    ck_assert_int_eq(good("maestro.dev/max-replicas", "300").max_replicas, 300);
    ck_assert_double_eq(good("maestro.dev/interval", "30s").interval_s, 30);
    ck_assert_double_eq(good("maestro.dev/interval", "1.5min").interval_s, 90);
    ck_assert_double_eq(good("maestro.dev/interval", "45").interval_s, 45);
    ck_assert_str_eq(good("maestro.dev/policy", "ppo:web-api").policy, "ppo:web-api");
    ck_assert(good("maestro.dev/policy", "fixed:3").policy_annotated);
    ck_assert(good("maestro.dev/paused", "true").paused);
    ck_assert(!good("maestro.dev/paused", "false").paused);
    ck_assert(good("maestro.dev/paused-scale-in", "true").no_down);
    struct target_settings paused = good("maestro.dev/paused-replicas", "0");
    ck_assert(paused.has_paused_replicas && paused.paused_replicas == 0);
    ck_assert_double_eq(good("latencySoftConstraint", "200").latency_soft_ms, 200);
    ck_assert_double_eq(good("latencyHardConstraint", "400ms").latency_hard_ms, 400);
    ck_assert_double_eq(good("latencySoftConstraint", "-1").latency_soft_ms, 0);
    ck_assert_double_eq(good("maestro.dev/latency-soft-ms", "150").latency_soft_ms, 150);
    ck_assert_double_eq(good("maestro.dev/latency-hard-ms", "350.5").latency_hard_ms, 350.5);
    ck_assert_int_eq(good("team", "shop").mode, MODE_SHADOW); // not ours
}
END_TEST

START_TEST(nonsense_is_refused_by_name)
{
    static const char *const BAD[][2] = {
        {"mode", "Active"},
        {"mode", ""},
        {"min-replicas", "-1"},
        {"min-replicas", "0"},
        {"min-replicas", "2.5"},
        {"min-replicas", "1e3"},
        {"min-replicas", " 3"},
        {"min-replicas", "3 "},
        {"max-replicas", "9999999"},
        {"max-replicas", ""},
        {"max-replicas", "ten"},
        {"interval", "0s"},
        {"interval", "2h"},
        {"interval", "-5s"},
        {"interval", "5 s"},
        {"interval", "nan"},
        {"interval", "0x10"},
        {"interval", "99999s"},
        {"policy", ""},
        {"policy", "a b"},
        {"policy", "hpa\nx"},
        {"paused", "yes"},
        {"paused", "TRUE"},
        {"paused-replicas", "-1"},
        {"paused-scale-in", "1"},
        {"latency-soft-ms", "0"},
        {"latency-soft-ms", "inf"},
        {"latency-hard-ms", "-2"},
        {"latency-hard-ms", "1e99"},
        {"max-replica", "3"},
        {"", "x"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct target_settings out;
        struct err e = {0};
        char key[64];
        snprintf(key, sizeof key, "maestro.dev/%s", BAD[i][0]);
        ck_assert_msg(!read_one(key, BAD[i][1], &out, &e), "%s: '%s' was taken", key, BAD[i][1]);
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert_msg(strncmp(e.message, key, strlen(key)) == 0, "'%s' does not open with %s", e.message, key);
        ck_assert_int_eq(out.min_replicas, -7); // untouched
    }
    char lengthy[200];
    memset(lengthy, 'p', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    struct target_settings out;
    ck_assert(!read_one("maestro.dev/policy", lengthy, &out, NULL));
}
END_TEST

START_TEST(what_contradicts_itself_is_refused)
{
    struct target_settings out = DEFAULTS;
    struct err e = {0};
    const struct fleet_annotation counts[] = {{"maestro.dev/min-replicas", "9"}, {"maestro.dev/max-replicas", "8"}};
    ck_assert(!annotations_read("maestro.dev/", &DEFAULTS, counts, 2, &out, &e));
    ck_assert_str_eq(e.message, "maestro.dev/min-replicas: 9 is above maestro.dev/max-replicas, which is 8");
    const struct fleet_annotation limits[] = {{"latencySoftConstraint", "500"}, {"latencyHardConstraint", "400"}};
    ck_assert(!annotations_read("maestro.dev/", &DEFAULTS, limits, 2, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "latency-soft-ms"));
}
END_TEST

START_TEST(the_prefix_wins_over_the_parents_names)
{
    struct target_settings out;
    const struct fleet_annotation a[] = {{"example.org/latency-soft-ms", "150"}, {"latencySoftConstraint", "200"}};
    ck_assert(annotations_read("example.org/", &DEFAULTS, a, 2, &out, NULL));
    ck_assert_double_eq(out.latency_soft_ms, 150);
    ck_assert_int_eq(out.max_replicas, 20); // the defaults stay
}
END_TEST

SUITE("annotations", every_annotation_is_read, nonsense_is_refused_by_name, what_contradicts_itself_is_refused,
      the_prefix_wins_over_the_parents_names)
