/* Tests of service profiles: the shipped ones load, wrong ones are refused with the key, variants stay in their ranges. */
#include <maestro/file.h>
#include <maestro/profile.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

START_TEST(the_shipped_profiles_load)
{
    const char *const names[] = {"web-api", "jvm-slow-start", "llm-slow", "target-app", "target-app-small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct service_profile p;
        struct err e = {0};
        ck_assert_msg(profile_load(names[i], &p, &e), "%s", e.message);
        ck_assert_str_eq(p.name, names[i]);
        ck_assert(profile_check(&p, &e));
    }
    struct service_profile p;
    ck_assert(profile_load("target-app", &p, NULL));
    ck_assert_double_eq(p.service.model.cpu_limit_cores, 0.5);
    ck_assert_double_eq(p.pods.memory_limit_mib, 512);
}
END_TEST

static void refuses(const char *text, const char *part)
{
    char path[] = "/tmp/test_profile_XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    struct service_profile p;
    struct err e = {0};
    bool ok = profile_load(path, &p, &e);
    unlink(path);
    ck_assert_msg(!ok, "accepted: %s", text);
    ck_assert_msg(strstr(e.message, part), "\"%s\" lacks \"%s\"", e.message, part);
    ck_assert_int_eq(e.code, ERR_USAGE);
}

START_TEST(wrong_profiles_are_refused_with_the_key)
{
    refuses("service:\n  cpu_msec: 3\n", "cpu_msec");
    refuses("service:\n  cpu_ms: -3\n", "cpu_ms");
    refuses("service:\n  timeout_ms: 15\n", "timeout_ms");
    refuses("service:\n  latency_soft_ms: 900\n", "latency_hard_ms");
    refuses("measurement:\n  window_s: 20\n", "window_s");
    refuses("measurement:\n  buckets_ms: [10, 5]\n", "buckets_ms");
    refuses("pods:\n  memory_base_mib: 4000\n", "memory_limit_mib");
    refuses("pods:\n  endpoint_lag_min_s: 9\n", "endpoint_lag_min_s");
    refuses("random:\n  cv_low: 3\n", "cv_low");
}
END_TEST

START_TEST(an_unknown_name_is_an_error)
{
    struct service_profile p;
    struct err e = {0};
    ck_assert(!profile_load("no-such-service", &p, &e));
    ck_assert(strstr(e.message, "no-such-service"));
}
END_TEST

START_TEST(variants_stay_in_their_ranges)
{
    struct service_profile p, v;
    profile_default(&p);
    double low = 1e9, high = 0;
    for (uint64_t i = 0; i < 500; i++) {
        struct rng rng;
        rng_init(&rng, 3, i);
        profile_randomise(&p, &rng, &v);
        double factor = v.service.model.cpu_ms / p.service.model.cpu_ms;
        low = factor < low ? factor : low;
        high = factor > high ? factor : high;
        ck_assert(factor >= p.random.cpu_factor_low - 1e-9 && factor <= p.random.cpu_factor_high + 1e-9);
        ck_assert(v.service.model.cpu_cv >= p.random.cv_low && v.service.model.cpu_cv <= p.random.cv_high);
        ck_assert(profile_check(&v, NULL));
    }
    ck_assert(low < 0.75 && high > 1.3); // 500 draws come near both ends: missing 10 % of one has probability 1e-30
}
END_TEST

SUITE("profile", the_shipped_profiles_load, wrong_profiles_are_refused_with_the_key, an_unknown_name_is_an_error,
      variants_stay_in_their_ranges)
