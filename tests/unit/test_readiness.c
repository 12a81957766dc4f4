/* readiness: what a journal shows is counted as it is, each check fails for its own reason alone, and the twin runs the
 * recorded load at its own height. */
#include <maestro/readiness.h>

#include "suite.h"

#include <math.h>
#include <string.h>

static const struct readiness_config asked = {.hours = 1.0,
                                              .valid_share = 0.99,
                                              .ood_share = 0.01,
                                              .failed_share = 0.001,
                                              .turns_per_hour = 40.0,
                                              .twin_error = 0.25,
                                              .slo_budget = 0.01,
                                              .cost_ratio = 1.05,
                                              .seed = 1};

static struct journal_record record_at(double time_s, double rate_rps)
{
    struct journal_record r = {.target = {"shop/web", 1, 20, 150, 500}, .policy = "ppo", .kind = POLICY_STEP};
    r.sample.time_s = time_s;
    const double values[SIGNAL_COUNT] = {rate_rps * 1.0, 0.4, 10, 80, rate_rps}; // 10 ms of CPU a request
    for (int i = 0; i < SIGNAL_COUNT; i++)
        r.sample.signals[i] = (struct reading){values[i], 10, VALIDITY_VALID};
    r.guard.from = r.guard.replicas = r.output.replicas = 10;
    return r;
}

static void fill(struct readiness_log *log, double hours, double rate_rps)
{
    memset(log, 0, sizeof *log);
    for (double t = 0; t <= hours * 3600; t += 15) {
        struct journal_record r = record_at(1e9 + t, rate_rps * (1.0 + 0.3 * sin(t / 600)));
        ck_assert(readiness_log_add(log, &r, NULL));
    }
}

static const struct readiness_twin good = {
    .cpu_ms = 10, .recorded_cpu_ms = 10.5, .policy = {30, 0.4, 0, true}, .hpa = {33, 0.3, 0, true}};

static const char *first_failure(const struct readiness_log *log, const struct readiness_twin *twin)
{
    struct readiness_verdict v;
    readiness_judge(&asked, log, twin, &v);
    const char *name = NULL;
    for (int i = 0; i < READINESS_CHECKS; i++)
        if (!v.checks[i].passed) {
            ck_assert_msg(!name, "%s and %s fail", name, v.checks[i].name);
            name = v.checks[i].name;
        }
    ck_assert(v.ready == !name);
    return name ? name : "";
}

START_TEST(each_check_fails_alone)
{
    struct readiness_log log;
    fill(&log, 1.0, 500);
    ck_assert_str_eq(first_failure(&log, &good), "");
    struct readiness_log changed = log;
    changed.last_s -= 60;
    ck_assert_str_eq(first_failure(&changed, &good), "recorded");
    changed = log, changed.n_blind = 3;
    ck_assert_str_eq(first_failure(&changed, &good), "signals");
    changed = log, changed.n_ood = 3;
    ck_assert_str_eq(first_failure(&changed, &good), "familiar");
    changed = log, changed.n_failed = 1;
    ck_assert_str_eq(first_failure(&changed, &good), "failures");
    changed = log, changed.n_turns = 41;
    ck_assert_str_eq(first_failure(&changed, &good), "steady");
    struct readiness_twin twin = good;
    twin.recorded_cpu_ms = 14;
    ck_assert_str_eq(first_failure(&log, &twin), "twin");
    twin.recorded_cpu_ms = (double)NAN;
    ck_assert_str_eq(first_failure(&log, &twin), "twin");
    twin = good, twin.policy.slo_holds = false;
    ck_assert_str_eq(first_failure(&log, &twin), "slo");
    twin = good, twin.policy.replica_hours = 40;
    ck_assert_str_eq(first_failure(&log, &twin), "cost");
    twin.hpa.slo_holds = false; // a rule that breaks the SLO is no measure of cost
    ck_assert_str_eq(first_failure(&log, &twin), "");
    readiness_log_finish(&log);
}
END_TEST

START_TEST(counts_what_was_recorded)
{
    struct readiness_log log = {0};
    for (int i = 0; i < 8; i++) {
        struct journal_record r = record_at(100 + 15 * i, 200);
        r.output.replicas = i % 2 ? 11 : 9;
        r.failed = i == 2;
        if (i == 5)
            r.sample.signals[SIGNAL_RPS].validity = VALIDITY_STALE;
        if (i == 6)
            r.sample.signals[SIGNAL_P95].validity = VALIDITY_ABSENT;
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    struct journal_record old = record_at(110, 900);
    ck_assert(readiness_log_add(&log, &old, NULL));
    ck_assert_int_eq(log.n_decisions, 8);
    ck_assert_int_eq(log.n_blind, 1);
    ck_assert_int_eq(log.n_failed, 1);
    ck_assert_int_eq(log.n, 7);
    ck_assert_int_eq(log.n_turns, 5); // 9 11 - 11 9 11 9 11
    ck_assert_double_eq(log.peak_rps, 200);
    ck_assert_double_eq_tol(log.last_s - log.first_s, 105, 1e-9);
    readiness_log_finish(&log);
}
END_TEST

START_TEST(twin_runs_the_recorded_height)
{
    struct service_profile profile;
    struct readiness_log log;
    struct readiness_twin one, twice;
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "hpa:target=60", "hpa:target=60", 15};
    struct err e = {0};
    fill(&log, 1.0, 400);
    ck_assert_msg(readiness_twin_run(&plan, &log, &one, &e), "%s", e.message);
    readiness_log_finish(&log);
    fill(&log, 1.0, 800);
    ck_assert_msg(readiness_twin_run(&plan, &log, &twice, &e), "%s", e.message);
    readiness_log_finish(&log);
    ck_assert_double_eq_tol(one.recorded_cpu_ms, 10, 1e-9);
    ck_assert_double_eq(one.policy.replica_hours, one.hpa.replica_hours); // the same rule twice
    double ratio = twice.policy.replica_hours / one.policy.replica_hours;
    ck_assert_double_ge(ratio, 1.6); // twice the load; rounding up and windows keep it from exactly two
    ck_assert_double_le(ratio, 2.2);
}
END_TEST

START_TEST(too_little_is_refused)
{
    struct service_profile profile;
    struct readiness_log log = {0};
    struct readiness_twin twin;
    struct err e = {0};
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "hpa", "hpa", 15};
    struct journal_record r = record_at(0, 100);
    ck_assert(readiness_log_add(&log, &r, NULL));
    ck_assert(!readiness_twin_run(&plan, &log, &twin, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "shop/web: too little load"));
    readiness_log_finish(&log);
    fill(&log, 0.2, 0);
    ck_assert(!readiness_twin_run(&plan, &log, &twin, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "no request was recorded"));
    readiness_log_finish(&log);
}
END_TEST

SUITE("readiness", each_check_fails_alone, counts_what_was_recorded, twin_runs_the_recorded_height,
      too_little_is_refused)
