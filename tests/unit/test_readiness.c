/* readiness: what a journal shows is counted as it is, each check fails for its own reason alone, and the twin runs the
 * recorded load at its own height. */
#include <maestro/readiness.h>

#include "suite.h"

#include <math.h>
#include <stdio.h>
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
    changed.n -= 4;
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

/* The guard lets the HPA's rule decide, and at max_replicas its limits have the last word. */
START_TEST(unfamiliar_is_counted_whatever_the_reason)
{
    const struct guard_config config = {.enabled = true, .ood_limit = 1};
    struct readiness_log log = {0};
    struct guard_state state = {0};
    for (int i = 0; i < 2; i++) {
        struct journal_record r = record_at(100 + 15 * i, 200);
        r.sample.signals[SIGNAL_REPLICAS].value = 20;
        struct guard_input in = {
            .target = &r.target,
            .sample = &r.sample,
            .proposal = {.replicas = 20, .kind = POLICY_STEP, .rule_replicas = 30, .ood = i == 0 ? 1.5F : 0.5F}};
        guard_run(&config, &state, &in, &r.guard);
        ck_assert_int_ne(r.guard.reason, GUARD_REASON_OOD);
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    ck_assert_int_eq(log.n_ood, 1);
    readiness_log_finish(&log);
}
END_TEST

/* Down all day: three failures in a row, then the stand-in, which answers well and turns all the time. */
START_TEST(a_stand_in_does_not_answer_for_the_policy)
{
    struct readiness_log log = {0};
    for (int i = 0; i < 241; i++) {
        struct journal_record r = record_at(100 + 15 * i, 200);
        r.output.replicas = i % 2 ? 11 : 9;
        r.failed = i < 3;
        r.stood_in = i >= 3;
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    ck_assert_int_eq(log.n_failed, 241);
    ck_assert_int_eq(log.n_turns, 0);
    ck_assert_str_eq(first_failure(&log, &good), "failures");
    readiness_log_finish(&log);
}
END_TEST

/* Its turn is measured from its own last proposal, whatever the stand-in wanted in between. */
START_TEST(turns_go_on_behind_a_stand_in)
{
    struct readiness_log log = {0};
    for (int i = 0; i < 3; i++) {
        struct journal_record r = record_at(100 + 15 * i, 200);
        r.output.replicas = i == 1 ? 9 : 11;
        r.stood_in = i == 1;
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    ck_assert_int_eq(log.n_failed, 1);
    ck_assert_int_eq(log.n_turns, 0);
    readiness_log_finish(&log);
}
END_TEST

START_TEST(twin_runs_the_recorded_height)
{
    struct service_profile profile;
    struct readiness_log log;
    struct readiness_twin one, strict, twice;
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "hpa:target=60", "hpa:target=60", 15};
    struct err e = {0};
    fill(&log, 1.0, 400);
    ck_assert_msg(readiness_twin_run(&plan, &log, &one, &e), "%s", e.message);
    log.target.latency_soft_ms = 80; // the profile: 150, at which a pod carries more
    ck_assert_msg(readiness_twin_run(&plan, &log, &strict, &e), "%s", e.message);
    readiness_log_finish(&log);
    fill(&log, 1.0, 800);
    ck_assert_msg(readiness_twin_run(&plan, &log, &twice, &e), "%s", e.message);
    readiness_log_finish(&log);
    ck_assert_double_eq_tol(one.recorded_cpu_ms, 10, 1e-9);
    ck_assert_double_eq(one.policy.replica_hours, one.hpa.replica_hours); // the same rule twice
    double ratio = twice.policy.replica_hours / one.policy.replica_hours;
    ck_assert_double_ge(ratio, 1.6); // twice the load; rounding up and windows keep it from exactly two
    ck_assert_double_le(ratio, 2.2);
    ratio = strict.policy.replica_hours / one.policy.replica_hours; // the rule knows CPU only
    ck_assert_double_eq_tol(ratio, 1.0, 0.05);                      // other pods at the start of the warm-up
}
END_TEST

/* Ten minutes without a load before it: what runs again is the fifty minutes in which it was known. */
START_TEST(twin_runs_as_long_as_the_load_is_known)
{
    struct service_profile profile;
    struct readiness_log log = {0};
    struct readiness_twin twin;
    struct err e = {0};
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "fixed:10", "fixed:10", 15};
    for (int i = 0; i <= 240; i++) {
        struct journal_record r = record_at(15 * i, 400);
        if (i < 40)
            r.sample.signals[SIGNAL_RPS].validity = VALIDITY_NO_DATA;
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    ck_assert_double_eq_tol(readiness_log_span_s(&log), 3000, 1e-9);
    ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s", e.message);
    ck_assert_double_eq_tol(twin.policy.replica_hours, 10 * 3000 / 3600.0, 0.01);
    readiness_log_finish(&log);
}
END_TEST

/* Half an hour, a night in which nothing was decided, half an hour: an hour is counted and run again, and the turns are of that
 * hour. Of the night four steps stay, in which the load goes from one height to the other. */
START_TEST(a_gap_is_not_recorded_time)
{
    struct service_profile profile;
    struct readiness_log log = {0};
    struct readiness_twin twin;
    struct err e = {0};
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "fixed:10", "fixed:10", 15};
    for (int i = 0; i <= 240; i++) {
        struct journal_record r = record_at(15 * i + (i > 120 ? 36000 : 0), i > 120 ? 400 : 200);
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    for (int i = 0; i < 2; i++) { // twice is once
        ck_assert(readiness_log_cut_gaps(&log, NULL));
        ck_assert_double_eq_tol(log.time_s[120], 1800, 1e-9);
        ck_assert_double_eq_tol(log.time_s[121], 1860, 1e-9);
        ck_assert_double_eq_tol(readiness_log_span_s(&log), 3645, 1e-9);
    }
    ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s", e.message);
    ck_assert_double_eq_tol(twin.policy.replica_hours, 10 * 3645 / 3600.0, 0.01);
    log.n_turns = 60;
    ck_assert_str_eq(first_failure(&log, &good), "steady");
    log.n_turns = 0;
    log.n -= 4;
    ck_assert_str_eq(first_failure(&log, &good), "recorded");
    readiness_log_finish(&log);
}
END_TEST

/* A decision that is late and one that sees no load are no gaps. */
START_TEST(a_load_without_gaps_stays_as_it_is)
{
    struct readiness_log log = {0};
    for (int i = 0; i < 40; i++) {
        struct journal_record r = record_at(15 * i + (i == 20 ? 10 : 0), 200);
        if (i == 10 || i == 11)
            r.sample.signals[SIGNAL_RPS].validity = VALIDITY_FAILED;
        ck_assert(readiness_log_add(&log, &r, NULL));
    }
    ck_assert(readiness_log_cut_gaps(&log, NULL));
    ck_assert_int_eq(log.n, 38);
    ck_assert_double_eq(log.time_s[18], 310);
    ck_assert_double_eq(readiness_log_span_s(&log), 585);
    readiness_log_finish(&log);
    ck_assert(readiness_log_cut_gaps(&log, NULL));
    ck_assert_double_eq(readiness_log_span_s(&log), 0);
}
END_TEST

/* Periods of 5 s, of 10 s, of 30 s and of 4 s beside the rule's 15 s; the last leaves a grid of 1 s, which is too fine for
 * bounds: none are asked for. */
START_TEST(each_policy_is_judged_at_its_own_period)
{
    struct service_profile profile;
    struct readiness_log log;
    struct readiness_twin twin;
    struct err e = {0};
    char shipped[512];
    snprintf(shipped, sizeof shipped, "ppo:%s/policies/pretrained/small/target-app-small.safetensors",
             getenv("MAESTRO_SOURCE"));
    const char *const policies[] = {shipped, "hpa:sync=10", "hpa:sync=30", "hpa:sync=4"};
    ck_assert(profile_load("web-api", &profile, NULL));
    fill(&log, 0.1, 100);
    for (int i = 0; i < 4; i++) {
        struct readiness_plan plan = {&asked, &profile, policies[i], "hpa", 15};
        ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s: %s", policies[i], e.message);
        ck_assert_double_gt(twin.policy.replica_hours, 0);
    }
    readiness_log_finish(&log);
}
END_TEST

START_TEST(a_target_with_one_limit_gets_another_that_fits)
{
    static const double limits[][2] = {{600, 0}, {0, 100}}; // the profile: 150 and 500
    struct service_profile profile;
    struct readiness_log log;
    struct readiness_twin twin;
    struct err e = {0};
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "hpa", "hpa", 15};
    fill(&log, 0.2, 100);
    for (int i = 0; i < 2; i++) {
        log.target.latency_soft_ms = limits[i][0];
        log.target.latency_hard_ms = limits[i][1];
        ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s", e.message);
    }
    readiness_log_finish(&log);
}
END_TEST

START_TEST(what_cannot_be_run_again_is_not_ready)
{
    struct service_profile profile;
    struct readiness_log log = {0};
    struct readiness_twin twin;
    struct readiness_verdict verdict;
    struct err e = {0};
    ck_assert(profile_load("web-api", &profile, NULL));
    struct readiness_plan plan = {&asked, &profile, "hpa", "hpa", 15};
    struct journal_record r = record_at(0, 100);
    ck_assert(readiness_log_add(&log, &r, NULL));
    ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(twin.missing, "too little load"));
    readiness_judge(&asked, &log, &twin, &verdict);
    ck_assert(!verdict.ready);
    for (int i = 0; i < READINESS_CHECKS; i++)
        if (strcmp(verdict.checks[i].name, "twin") == 0)
            ck_assert_str_eq(verdict.checks[i].text, twin.missing);
    readiness_log_finish(&log);
    fill(&log, 0.2, 0);
    ck_assert_msg(readiness_twin_run(&plan, &log, &twin, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(twin.missing, "no request was recorded"));
    readiness_log_finish(&log);
}
END_TEST

SUITE("readiness", each_check_fails_alone, counts_what_was_recorded, unfamiliar_is_counted_whatever_the_reason,
      a_stand_in_does_not_answer_for_the_policy, turns_go_on_behind_a_stand_in, twin_runs_the_recorded_height,
      twin_runs_as_long_as_the_load_is_known, a_gap_is_not_recorded_time, a_load_without_gaps_stays_as_it_is,
      each_policy_is_judged_at_its_own_period, a_target_with_one_limit_gets_another_that_fits,
      what_cannot_be_run_again_is_not_ready)
