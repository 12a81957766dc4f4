/* evaluate: results do not depend on threads, policies are paired, files say what evaluate.h promises, the HPA does on the
 * simulated cluster what it is known to do, and what does not fit is refused by name. */
#include <maestro/evaluate.h>

#include <maestro/csv.h>
#include <maestro/file.h>
#include <maestro/policyfile.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static double step_times[] = {0.0, 899.0, 900.0, 2700.0, 2701.0, 7200.0};
static double step_values[] = {0.2, 0.2, 1.0, 1.0, 0.2, 0.2};
static double saw_times[] = {0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0};
static double saw_values[] = {0.1, 0.9, 0.2, 1.0, 0.1, 0.8};
static const struct trace traces[] = {
    {.name = "step", .n = 6, .time_s = step_times, .value = step_values, .max = 1.0},
    {.name = "saw", .n = 6, .time_s = saw_times, .value = saw_values, .max = 1.0},
};
static const struct reward_config reward = {.weight_replicas = 0.3, .weight_latency = 0.7};

static struct evaluate_policy policies[8];
static struct service_profile profile;
static struct evaluate_config config;

static struct evaluate_plan plan_of(int n_policies, int n_traces)
{
    return (struct evaluate_plan){.config = &config,
                                  .profile = &profile,
                                  .reward = &reward,
                                  .traces = traces,
                                  .n_traces = n_traces,
                                  .policies = policies,
                                  .n_policies = n_policies,
                                  .timeline = true};
}

static int prepare(const char *const *texts, int n)
{
    int n_policies = 0;
    config = (struct evaluate_config){.windows = 3,
                                      .seeds = 2,
                                      .window_s = 900.0,
                                      .warm_up_s = 120.0,
                                      .period_s = 15.0,
                                      .peak = 0.75,
                                      .min_replicas = 1,
                                      .max_replicas = 20,
                                      .slo_budget = 0.01,
                                      .hard_s = 60.0,
                                      .threads = 1,
                                      .seed = 3};
    memset(policies, 0, sizeof policies);
    ck_assert(profile_load("web-api", &profile, NULL));
    for (int i = 0; i < n; i++)
        ck_assert(evaluate_add_policy(policies, &n_policies, 8, texts[i], NULL));
    return n_policies;
}

static struct evaluate_result evaluate_with(int threads, int n_policies)
{
    struct evaluate_plan plan = plan_of(n_policies, 2);
    struct evaluate_result r;
    struct err e = {0};
    config.threads = threads;
    ck_assert_msg(evaluate_all(&plan, &r, &e), "%s", e.message);
    return r;
}

START_TEST(threads_do_not_change_results)
{
    static const char *const texts[] = {"hpa", "random", "fixed:9"};
    int n = prepare(texts, 3);
    struct evaluate_result one = evaluate_with(1, n);
    struct evaluate_result four = evaluate_with(4, n);
    size_t n_runs = (size_t)(one.n_entrants * one.plan.n_traces * one.n_faults * one.n_windows);
    size_t n_rows = (size_t)(n * one.plan.n_traces * one.n_periods);
    for (size_t i = 0; i < n_runs; i++)
        ck_assert_mem_eq(one.runs[i].metric, four.runs[i].metric, sizeof one.runs[i].metric);
    for (size_t i = 0; i < n_rows; i++)
        ck_assert_double_eq(one.timeline[i].reward_true, four.timeline[i].reward_true);
    evaluate_finish(&one);
    evaluate_finish(&four);
}
END_TEST

/* A policy's runs are the same whoever else is judged, and on whichever other traces. */
START_TEST(runs_stand_alone)
{
    static const char *const both[] = {"random", "hpa"};
    int n = prepare(both, 2);
    struct evaluate_result r = evaluate_with(1, n);
    double kept[METRIC_COUNT];
    memcpy(kept, evaluate_run_at(&r, 1, 0, 0, 0, 4)->metric, sizeof kept);
    evaluate_finish(&r);
    n = prepare(both + 1, 1);
    struct evaluate_plan plan = plan_of(n, 1);
    ck_assert(evaluate_all(&plan, &r, NULL));
    ck_assert_mem_eq(kept, evaluate_run_at(&r, 0, 0, 0, 0, 4)->metric, sizeof kept);
    evaluate_finish(&r);
}
END_TEST

/* Load from 20 % to 100 % of the peak at 900 s: the HPA must have scaled up well within five minutes, to about what its
 * target asks for, keep the count for its window after the load falls, and be down again afterwards. */
START_TEST(the_hpa_follows_a_step_of_load)
{
    static const char *const texts[] = {"hpa:target=60,window=300"};
    int n = prepare(texts, 1);
    config.windows = 1;
    config.seeds = 1;
    config.window_s = 4500.0;
    struct trace step = traces[0];
    double long_times[] = {0.0, 899.0, 900.0, 2700.0, 2701.0, 4500.0};
    step.time_s = long_times; // the window is the whole trace
    struct evaluate_plan plan = plan_of(n, 1);
    plan.traces = &step;
    struct evaluate_result r;
    ck_assert(evaluate_all(&plan, &r, NULL));
    const struct evaluate_period *row = r.timeline;
    ck_assert_double_eq(r.windows[0].offset_s, 0.0);
    int before = 880 / 15, up = 1200 / 15, top = 2680 / 15, kept = 2960 / 15, down = 3600 / 15;
    printf("hpa on a step: %g before, %g after 300 s, %g at the end, %g held, %g after\n", row[before].replicas,
           row[up].replicas, row[top].replicas, row[kept].replicas, row[down].replicas);
    ck_assert_double_gt(row[up].replicas, 3.0 * row[before].replicas); // five times the load
    ck_assert_double_ge(row[up].ready, row[up].replicas - 1.0);
    ck_assert_double_ge(row[kept].replicas, 0.9 * row[top].replicas);
    ck_assert_double_le(row[down].replicas, 2.0 * row[before].replicas);
    ck_assert_double_ge(evaluate_run_at(&r, 0, 0, 0, 0, 0)->metric[METRIC_UPS], 2.0);
    evaluate_finish(&r);
}
END_TEST

START_TEST(fixed_counts_cost_what_they_are)
{
    static const char *const texts[] = {"fixed:20", "fixed:1"};
    int n = prepare(texts, 2);
    struct evaluate_result r = evaluate_with(1, n);
    const struct evaluate_run *most = evaluate_run_at(&r, 0, 0, 0, 0, 0);
    const struct evaluate_run *least = evaluate_run_at(&r, 1, 0, 0, 0, 0);
    ck_assert_double_eq_tol(most->metric[METRIC_REPLICA_HOURS], 20 * 0.25, 1e-6);
    ck_assert_double_eq_tol(most->metric[METRIC_REWARD_TRUE], 0.7, 1e-6); // r1 = 0, p95 within soft throughout
    ck_assert(most->slo_holds);
    ck_assert_double_eq(most->metric[METRIC_UPS] + most->metric[METRIC_DOWNS], 0.0);
    ck_assert(!least->slo_holds);
    ck_assert_double_gt(least->metric[METRIC_LONGEST_HARD_S], 60.0);
    ck_assert_double_gt(least->metric[METRIC_TAU_U], 90.0);
    struct evaluate_verdict v;
    ck_assert(evaluate_verdict(&r, 1, 0, 0, &v, NULL));
    ck_assert(!v.slo_holds && isnan(v.cost_score));
    ck_assert(evaluate_verdict(&r, 0, -1, 0, &v, NULL));
    ck_assert(v.slo_holds && v.cost_score > 0.0 && v.cost_score < 1.0);
    struct stats_interval i;
    struct evaluate_pair pair = {0, 1, -1, METRIC_REPLICA_HOURS, false};
    ck_assert(evaluate_paired(&r, &pair, &i, NULL));
    ck_assert_double_gt(i.low, 0.0);
    evaluate_finish(&r);
}
END_TEST

/* Three windows of two seeds: as sure as their three means, not as six runs. */
START_TEST(seeds_of_a_window_are_no_windows)
{
    static const char *const texts[] = {"fixed:20", "fixed:9"};
    static const double means[] = {0.5, 2.5, 4.5};
    struct evaluate_plan plan = plan_of(prepare(texts, 2), 1);
    struct evaluate_result r;
    struct evaluate_verdict v;
    struct stats_interval i, wanted = stats_t_interval(means, 3, 0.95);
    struct evaluate_pair pair = {0, 1, 0, METRIC_UPS, false};
    ck_assert(evaluate_all(&plan, &r, NULL));
    for (int w = 0; w < 2 * r.n_windows; w++)
        r.runs[w].metric[METRIC_UPS] = w < r.n_windows ? w : 0.0;
    ck_assert(evaluate_verdict(&r, 0, 0, 0, &v, NULL));
    ck_assert(evaluate_paired(&r, &pair, &i, NULL));
    ck_assert_int_eq(v.n_windows, 3);
    ck_assert_int_eq(i.n, 3);
    ck_assert_double_eq_tol(v.metric[METRIC_UPS].low, wanted.low, 1e-9);
    ck_assert_double_eq_tol(v.metric[METRIC_UPS].high, wanted.high, 1e-9);
    ck_assert_double_eq_tol(i.low, wanted.low, 1e-9);
    ck_assert_double_eq_tol(i.high, wanted.high, 1e-9);
    evaluate_finish(&r);
}
END_TEST

/* Two files of one policy, 10 and 12 above its windows' 0.5, 2.5 and 4.5; three of the baseline, at 1, 2 and 6 throughout. */
static void lay_out_files(struct evaluate_result *r)
{
    static const double levels[] = {10, 12, 1, 2, 6};
    for (int f = 0; f < 5; f++)
        for (int w = 0; w < r->n_windows; w++) {
            struct evaluate_run *run = &r->runs[f * r->n_windows + w];
            run->metric[METRIC_UPS] = levels[f] + (f < 2 ? w : 0);
            run->metric[METRIC_VIOLATION_TIME] = run->metric[METRIC_LONGEST_HARD_S] = 0.0;
        }
}

/* How far its trained files lie apart is part of what is not known of a baseline: variances 4/3 of the windows, 1 of the
 * policy's files and 7/3 of the baseline's, sum 14/3. */
START_TEST(files_of_a_baseline_are_a_sample_too)
{
    static const char *const texts[] = {"new=fixed:20", "new=fixed:19", "old=fixed:9", "old=fixed:10", "old=fixed:11"};
    struct evaluate_plan plan = plan_of(prepare(texts, 5), 1);
    struct evaluate_result r;
    double df = 196.0 / 9 / (16.0 / 9 / 2 + 1.0 / 1 + 49.0 / 9 / 2);
    double half = stats_t_quantile(0.975, df) * sqrt(14.0 / 3);
    ck_assert(evaluate_all(&plan, &r, NULL));
    lay_out_files(&r);
    for (int held = 0; held < 2; held++) { // which it does everywhere
        struct evaluate_pair pair = {0, 1, 0, METRIC_UPS, held};
        struct stats_interval i;
        ck_assert(evaluate_paired(&r, &pair, &i, NULL));
        ck_assert_double_eq_tol(i.mean, 2.5 + 11 - 3, 1e-9);
        ck_assert_double_eq_tol(i.high - i.mean, half, 1e-9);
        ck_assert_double_eq_tol(i.mean - i.low, half, 1e-9);
        ck_assert_int_eq(i.n, 2 * 3);
    }
    evaluate_finish(&r);
}
END_TEST

/* As if the first policy had been over soft half of the time. */
static void break_first(struct evaluate_result *r, int trace)
{
    for (int w = 0; w < r->n_windows; w++)
        r->runs[trace * r->n_faults * r->n_windows + w].metric[METRIC_VIOLATION_TIME] = 50.0;
}

static void expect_in_table(const struct evaluate_result *r, const char *text)
{
    CLEANUP_BUF struct buf table = {0}, json = {0};
    ck_assert(evaluate_table(r, 0, &table, NULL));
    ck_assert_msg(strstr(table.bytes, text) != NULL, "no '%s' in\n%s", text, table.bytes);
    ck_assert(evaluate_json(r, 0, NULL, 0, &json, NULL));
    ck_assert_ptr_nonnull(strstr(json.bytes, "HELD"));
}

/* Costs are compared on the traces on which the baseline holds the SLO; the other ones must not show. */
START_TEST(costs_are_compared_where_the_baseline_holds)
{
    static const char *const texts[] = {"fixed:20", "hpa:target=50,window=60", "fixed:1"};
    int n = prepare(texts, 3);
    struct evaluate_result r = evaluate_with(1, n);
    struct evaluate_pair one = {1, 0, 0, METRIC_REPLICA_HOURS, false}, kept = {1, 0, -1, METRIC_REPLICA_HOURS, true};
    struct stats_interval on_one, on_kept, on_all;
    struct evaluate_held held;
    break_first(&r, 1);
    ck_assert(evaluate_paired(&r, &one, &on_one, NULL));
    ck_assert(evaluate_paired(&r, &kept, &on_kept, NULL));
    kept.where_held = false;
    ck_assert(evaluate_paired(&r, &kept, &on_all, NULL));
    ck_assert_double_eq(on_kept.mean, on_one.mean);
    ck_assert_double_eq(on_kept.low, on_one.low);
    ck_assert_int_eq(on_kept.n, on_one.n);
    ck_assert_double_ne(on_kept.mean, on_all.mean);
    ck_assert(evaluate_held(&r, 2, 0, &held, NULL));
    ck_assert(held.n_traces == 1 && held.n_held == 0);
    expect_in_table(&r, "where fixed:20 holds: 1 of 2 traces, and fixed:1 on 0 of them");
    break_first(&r, 0);
    kept.where_held = true;
    ck_assert(evaluate_paired(&r, &kept, &on_kept, NULL));
    ck_assert(isnan(on_kept.mean) && on_kept.n == 0);
    expect_in_table(&r, "where fixed:20 holds: 0 of 2 traces");
    evaluate_finish(&r);
}
END_TEST

/* One hidden unit that looks at the last executed change and asks for its opposite; up at first. */
static void save_waverer(const char *path)
{
    float actor[1 + 1 + 3 + 3] = {4, 0, 2, 0, -2, 0, -1, 0.1f}, critic[1 + 1 + 1 + 1] = {0};
    struct policy_file f = {.obs_clip = 10, .scrape_s = 15, .window_s = 60, .quantile = 0.95};
    f.control = (struct control){.actions = {3, {-1, 0, 1}},
                                 .guard = {.enabled = true, .flap_budget = 1},
                                 .target = {.name = "t", .min_replicas = 1, .max_replicas = 20},
                                 .period_s = 15,
                                 .masks = true};
    ck_assert(observation_spec_parse(&f.control.observation, "executed_1", 15, 60, NULL));
    f.actor = (struct mlp_shape){.n_in = 1, .n_hidden = 1, .hidden = {1}, .n_out = 3, .activation = MLP_TANH};
    f.critic = (struct mlp_shape){.n_in = 1, .n_hidden = 1, .hidden = {1}, .n_out = 1, .activation = MLP_TANH};
    f.actor_parameters = actor;
    f.critic_parameters = critic;
    f.obs_var[0] = 1;
    struct err e = {0};
    ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
}

/* With a budget of one direction change an hour it can go down twice at most. */
START_TEST(the_flap_budget_is_the_protocols_not_the_files)
{
    char path[64], text[80];
    snprintf(path, sizeof path, "/tmp/test_evaluate_%d.safetensors", (int)getpid());
    snprintf(text, sizeof text, "ppo:%s", path);
    save_waverer(path);
    const char *const texts[] = {text};
    int n = prepare(texts, 1);
    struct evaluate_result r = evaluate_with(1, n);
    double downs = evaluate_run_at(&r, 0, 0, 0, 0, 0)->metric[METRIC_DOWNS];
    evaluate_finish(&r);
    config.flap_budget = 1;
    r = evaluate_with(1, n);
    double limited = evaluate_run_at(&r, 0, 0, 0, 0, 0)->metric[METRIC_DOWNS];
    evaluate_finish(&r);
    unlink(path);
    ck_assert_double_ge(downs, 10.0); // of 60 decisions
    ck_assert_double_le(limited, 2.0);
}
END_TEST

START_TEST(files_read_back)
{
    static const char *const texts[] = {"hpa:target=50,window=60", "ours=fixed:9", "ours=fixed:10"};
    int n = prepare(texts, 3);
    ck_assert_int_eq(n, 2);
    struct evaluate_result r = evaluate_with(1, n);
    r.windows[0].offset_s = 1234567.0 + 1.0 / 3.0; // of a trace of a month
    char folder[64], path[128];
    struct err e = {0};
    snprintf(folder, sizeof folder, "/tmp/test_evaluate_%d", (int)getpid());
    char stale[128], own[128];
    snprintf(stale, sizeof stale, "%s/decision_map.csv", folder);
    snprintf(own, sizeof own, "%s/notes.csv", folder);
    ck_assert(file_make_folder(folder, NULL) && file_write_atomic(stale, "old", 3, NULL));
    ck_assert(file_write_atomic(own, "a person's own", 14, NULL));
    ck_assert_msg(evaluate_write(&r, 0, NULL, 0, folder, &e), "%s", e.message);
    ck_assert(!file_exists(stale));
    ck_assert(file_exists(own));
    unlink(own);
    struct csv csv;
    snprintf(path, sizeof path, "%s/summary.csv", folder);
    ck_assert_msg(csv_read(path, CSV_MIXED, &csv, &e), "%s", e.message);
    ck_assert_int_eq(csv.n_columns, 8 + 3 * METRIC_COUNT);
    ck_assert_uint_eq(csv.n_rows, 4 * 3); // two policies and two bounds on two traces and all
    ck_assert_str_eq(csv_text(&csv, 0, 0), "hpa:target=50 window=60");
    ck_assert_double_eq(csv_value(&csv, 2, csv_column(&csv, "files")), 2.0);
    csv_finish(&csv);
    unlink(path);
    snprintf(path, sizeof path, "%s/windows.csv", folder);
    ck_assert_msg(csv_read(path, CSV_MIXED, &csv, &e), "%s", e.message);
    ck_assert_uint_eq(csv.n_rows, (1 + 2 + 2) * 2 * 6);
    ck_assert_double_eq(csv_value(&csv, 0, csv_column(&csv, "offset_s")), r.windows[0].offset_s);
    csv_finish(&csv);
    unlink(path);
    snprintf(path, sizeof path, "%s/timeline.csv", folder);
    ck_assert_msg(csv_read(path, CSV_MIXED, &csv, &e), "%s", e.message);
    ck_assert_uint_eq(csv.n_rows, 2 * 2 * 60);
    csv_finish(&csv);
    unlink(path);
    snprintf(path, sizeof path, "%s/evaluation.json", folder);
    ck_assert(file_exists(path));
    unlink(path);
    rmdir(folder);
    CLEANUP_BUF struct buf table = {0};
    ck_assert(evaluate_table(&r, 0, &table, NULL));
    ck_assert_ptr_nonnull(strstr(table.bytes, "bound-slo"));
    evaluate_finish(&r);
}
END_TEST

static void refuse(const char *names)
{
    struct evaluate_plan plan = plan_of(1, 1);
    struct evaluate_result r;
    struct err e = {0};
    ck_assert_msg(!evaluate_all(&plan, &r, &e), "%s was taken", names);
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.message, names) != NULL, "%s: %s", names, e.message);
}

START_TEST(loads_have_names_of_their_own)
{
    static const struct {
        const char *text, *name, *given;
    } rows[] = {
        {"day.csv", "day", "day"},
        {"mon/load.csv", "load", "mon/load"},
        {"tue/load.csv#0..0.5", "load", "tue/load#0..0.5"},
        {"tue/load.csv#0.5..1", "load", "tue/load#0.5..1"},
        {"a,b.csv", "a,b", "a b"},
        {"ALL.csv", "ALL", "ALL~2"},
        {"mon/HELD.csv", "HELD", "mon/HELD"},
        {"twice.csv", "twice", "twice"},
        {"twice.csv", "twice", "twice~2"},
        {"twice.csv", "twice", "twice~3"},
        {"/a/folder/whose/name/is/so/long/that/no/trace/had/all/of/it/once/x.csv", "x",
         "/a/folder/whose/name/is/so/long/that/no/trace/had/all/of/it/once/x"},
        {"x", "x", "x"},
    };
    enum { N = sizeof rows / sizeof *rows };
    struct trace named[N] = {0};
    const char *texts[N];
    for (int i = 0; i < N; i++) {
        texts[i] = rows[i].text;
        snprintf(named[i].name, sizeof named[i].name, "%s", rows[i].name);
    }
    evaluate_name_traces(named, texts, N);
    for (int i = 0; i < N; i++)
        ck_assert_str_eq(named[i].name, rows[i].given);
}
END_TEST

START_TEST(names_are_whole_and_nobody_elses)
{
    char text[EVALUATE_NAME + 8];
    int n = prepare(NULL, 0);
    struct err e = {0};
    memset(text, 'n', sizeof text);
    snprintf(text + EVALUATE_NAME - 1, 9, "=fixed:3");
    ck_assert_msg(evaluate_add_policy(policies, &n, 8, text, &e), "%s", e.message);
    ck_assert_uint_eq(strlen(policies[0].name), EVALUATE_NAME - 1);
    memset(text, 'n', EVALUATE_NAME);
    snprintf(text + EVALUATE_NAME, 8, "=random");
    ck_assert(!evaluate_add_policy(policies, &n, 8, text, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "a name has at most 95 bytes"));
    ck_assert(!evaluate_add_policy(policies, &n, 8, "bound=fixed:3", &e));
    ck_assert(!evaluate_add_policy(policies, &n, 8, "bound-slo=fixed:3", &e));
    ck_assert_ptr_nonnull(strstr(e.message, "bound-slo is what the tables call a bound"));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert(evaluate_add_policy(policies, &n, 8, "hpa:target=60,window=300", &e));
    ck_assert_int_eq(evaluate_find_policy(policies, n, "hpa:target=60,window=300"), 1);
    ck_assert_int_eq(evaluate_find_policy(policies, n, "hpa:target=60 window=300"), 1);
    ck_assert_int_eq(evaluate_find_policy(policies, n, "hpa"), -1);
    ck_assert_int_eq(n, 2);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    static const char *const texts[] = {"hpa"};
    prepare(texts, 1);
    config.period_s = 10.0; // does not divide the HPA's 15 s
    config.window_s = 900.0;
    refuse("evaluate.period_s");
    prepare(texts, 1);
    config.period_s = 1.0;
    refuse("evaluate.period_s: the bounds need periods of at least 2 s, it is 1 s");
    prepare(texts, 1);
    config.window_s = 901.0;
    refuse("evaluate.window_s");
    prepare(texts, 1);
    config.warm_up_s = 100.0;
    refuse("evaluate.warm_up_s");
    prepare(texts, 1);
    config.min_replicas = 21;
    refuse("evaluate.min_replicas");
    prepare(texts, 1);
    config.latency_soft_ms = 600.0;
    refuse("evaluate.latency_soft_ms: 600 ms is above latency_hard_ms, 500 ms (the profile's)");
    prepare(texts, 1);
    config.latency_hard_ms = 100.0;
    refuse("evaluate.latency_soft_ms: 150 ms (the profile's) is above latency_hard_ms, 100 ms");
    int n = 0;
    ck_assert(!evaluate_add_policy(policies, &n, 8, "=hpa", NULL));
    ck_assert(!evaluate_add_policy(policies, &n, 8, "x=hpa:aim=3", NULL));
    ck_assert_int_eq(n, 0);
}
END_TEST

SUITE("evaluate", threads_do_not_change_results, runs_stand_alone, the_hpa_follows_a_step_of_load,
      fixed_counts_cost_what_they_are, seeds_of_a_window_are_no_windows, files_of_a_baseline_are_a_sample_too,
      costs_are_compared_where_the_baseline_holds, the_flap_budget_is_the_protocols_not_the_files, files_read_back,
      loads_have_names_of_their_own, names_are_whole_and_nobody_elses, what_does_not_fit_is_refused)
