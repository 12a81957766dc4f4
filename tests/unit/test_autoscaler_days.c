/* Days on which things break: files, clocks, rights, journals, policies. What is safe happens, and a sentence names it. */
#include "suite.h"
#include "toy_fleet.h"

#include "folder.h"
#include "trained.h"

#include <maestro/file.h>
#include <maestro/replay.h>

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static struct toy_scaler s;
static char folder[FOLDER_BYTES];
static char file[FOLDER_BYTES + 32];

/* One target under the trained policy web, by name out of a folder. */
static void open_trained(const char *features, int n)
{
    folder_make(folder);
    snprintf(file, sizeof file, "%s/web.safetensors", folder);
    trained_write(file, features, 5);
    toy_scaler_open(&s, n, "ppo:web");
    snprintf(s.config.policies, sizeof s.config.policies, "%s", folder);
    s.config.interval_s = 0;
}

static void close_trained(void)
{
    toy_scaler_close(&s);
    folder_remove(folder);
}

static void put_file(const char *text)
{
    struct err e = {0};
    ck_assert_msg(file_write_atomic(file, text, strlen(text), &e), "%s", e.message);
}

/* The old policy decides on; the next good file is taken over. */
START_TEST(a_policy_file_replaced_by_garbage)
{
    CLEANUP_BUF struct buf metrics = {0};
    CLEANUP_BUF struct buf why = {0};
    open_trained("raw5", 1);
    toy_scaler_start(&s);
    toy_scaler_run(&s, 60);
    put_file("this is no policy");
    autoscaler_reload(s.autoscaler);
    long long before = toy_finals(&s, "policy_refused");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_finals(&s, "policy_refused"), before);
    ck_assert_int_eq(toy_finals(&s, "policy_failed"), 0);
    ck_assert(board_why(s.board, "shop", "web-0", false, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "the old one stays: "));
    trained_write(file, "basic5", 6); // other features, other weights
    toy_scaler_run(&s, 60);
    buf_clear(&why);
    ck_assert(board_why(s.board, "shop", "web-0", false, &why));
    ck_assert_ptr_null(strstr(why.bytes, "the old one stays: "));
    board_metrics(s.board, &metrics);
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "policy_reloads_total{result=\"done\"} 1"));
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "policy_reloads_total{result=\"refused\"} 1"));
    close_trained();
}
END_TEST

START_TEST(a_policy_that_does_not_match_may_only_watch)
{
    const char *message = "";
    open_trained("raw5", 1);
    toy_scaler_start(&s);
    toy_annotate(&s.toy, 0, "interval", "30s"); // trained for 15 s
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "policy_refused"), 0);
    ck_assert_int_eq(toy_events(&s.toy, "PolicyRefused", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "a period, s, of 15, here it is 30"));
    toy_annotate(&s.toy, 0, "mode", "shadow");
    long long before = toy_finals(&s, "policy_refused");
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(toy_finals(&s, "policy_refused"), before);
    close_trained();
}
END_TEST

/* An annotation reaches neither other files nor addresses. */
START_TEST(annotations_cannot_reach_out)
{
    static const char *const BAD[] = {"ppo:/etc/passwd", "ppo:../secret", "ppo:.hidden", "remote:http://10.0.0.1/",
                                      "random",          "ppo:not-there", "kpa"};
    open_trained("raw5", 7);
    toy_scaler_start(&s);
    for (int i = 0; i < 7; i++)
        toy_annotate(&s.toy, i, "policy", BAD[i]);
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_eq(toy_events(&s.toy, "PolicyRefused", NULL), 7);
    for (int i = 0; i < 7; i++) {
        CLEANUP_BUF struct buf why = {0};
        char name[32];
        snprintf(name, sizeof name, "web-%d", i);
        ck_assert(board_why(s.board, "shop", name, false, &why));
        ck_assert_msg(strstr(why.bytes, BAD[i]) || strstr(why.bytes, "not-there"), "%s", why.bytes);
    }
    close_trained();
}
END_TEST

/* Set back by an hour, forth by a day, and back again: no scale-down out of it, and decisions go on. */
START_TEST(a_clock_that_is_set)
{
    toy_scaler_open(&s, 1, "fixed:2");
    s.config.start_hold_s = 120;
    toy_scaler_start(&s);
    s.toy.targets[0].replicas = 8;
    static const double JUMPS_S[] = {-3600, 86400, -86400, 40};
    for (int i = 0; i < 4; i++) {
        toy_scaler_run(&s, 60);
        ck_assert_int_eq(s.toy.targets[0].replicas, 8);
        s.toy.wall_s += JUMPS_S[i];
    }
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 8);
    const char *message = "";
    ck_assert_int_eq(toy_events(&s.toy, "HistoryForgotten", &message), 4);
    ck_assert_ptr_nonnull(strstr(message, "the clock was set"));
    ck_assert_int_eq(toy_finals(&s, "not_read"), 0);
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(gone_forbidden_and_refused_are_told)
{
    static const enum fleet_outcome MET[] = {FLEET_GONE, FLEET_FORBIDDEN, FLEET_REFUSED, FLEET_CONFLICT};
    static const char *const FINALS[] = {"gone", "forbidden", "refused", "conflict"};
    for (int i = 0; i < 4; i++) {
        const char *message = "";
        toy_scaler_open(&s, 1, "fixed:6");
        toy_scaler_start(&s);
        s.toy.next_write = MET[i];
        toy_scaler_run(&s, 60);
        ck_assert_int_eq(s.toy.targets[0].replicas, 3);
        ck_assert_int_ge(toy_finals(&s, FINALS[i]), 3);
        ck_assert_int_eq(toy_events(&s.toy, "FailedRescale", &message) > 0, i > 0);
        if (i > 0)
            ck_assert_ptr_nonnull(strstr(message, "the API server said no"));
        toy_scaler_close(&s);
    }
    toy_scaler_open(&s, 2, "fixed:6");
    toy_scaler_start(&s);
    toy_scaler_run(&s, 60);
    s.toy.targets[0].view.gone = true;
    toy_scaler_run(&s, 60);
    ck_assert_int_ge(toy_finals(&s, "gone"), 3);
    s.toy.targets[0].view.name[0] = '\0'; // the fleet has let go of it
    toy_scaler_run(&s, 30);
    ck_assert_int_eq(autoscaler_targets(s.autoscaler), 1);
    CLEANUP_BUF struct buf why = {0};
    ck_assert(!board_why(s.board, "shop", "web-0", false, &why));
    ck_assert(board_why(s.board, "shop", "web-1", false, &why));
    toy_scaler_close(&s);
}
END_TEST

/* The same name made anew is another target. */
START_TEST(a_target_made_anew_starts_from_nothing)
{
    toy_scaler_open(&s, 1, "fixed:2");
    s.config.start_hold_s = 100;
    toy_scaler_start(&s);
    toy_scaler_run(&s, 200);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    snprintf(s.toy.targets[0].view.uid, sizeof s.toy.targets[0].view.uid, "another");
    s.toy.targets[0].replicas = 7;
    toy_scaler_run(&s, 80);
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    ck_assert_int_eq(toy_events(&s.toy, "ForeignScale", NULL), 0);
    toy_scaler_run(&s, 80);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    toy_scaler_close(&s);
}
END_TEST

/* Prometheus is gone, metrics-server is not: after three blind decisions the HPA rule decides, up but never down. */
START_TEST(the_breaker_hands_over_and_takes_back)
{
    open_trained("raw5", 1);
    toy_scaler_start(&s);
    toy_annotate(&s.toy, 0, "paused-scale-in", "true"); // random weights shall not move it first
    toy_annotate(&s.toy, 0, "max-replicas", "3");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 3);
    toy_annotate(&s.toy, 0, "max-replicas", "20");
    struct toy_target *t = &s.toy.targets[0];
    t->validity[SIGNAL_CPU] = t->validity[SIGNAL_P95] = t->validity[SIGNAL_RPS] = VALIDITY_FAILED;
    t->cpu = 240; // 3 pods at 160 % of 50
    toy_scaler_run(&s, 10);
    int before = t->replicas;
    ck_assert_int_eq(toy_events(&s.toy, "BreakerOpened", NULL), 0);
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "BreakerOpened", NULL), 1);
    toy_scaler_run(&s, 60);
    ck_assert_int_gt(t->replicas, before);
    ck_assert_int_gt(toy_finals(&s, "breaker"), 0);
    before = t->replicas;
    t->cpu = 5;
    toy_scaler_run(&s, 900);
    ck_assert_int_eq(t->replicas, before);
    t->validity[SIGNAL_CPU] = t->validity[SIGNAL_P95] = t->validity[SIGNAL_RPS] = VALIDITY_VALID;
    toy_scaler_run(&s, 90);
    ck_assert_int_eq(toy_events(&s.toy, "BreakerClosed", NULL), 1);
    close_trained();
}
END_TEST

/* Far outside its training range a policy is not asked for its opinion: 240 % of CPU on three pods need eight. */
START_TEST(outside_the_training_range_the_hpa_rule_decides)
{
    static struct policy_file f;
    struct err e = {0};
    folder_make(folder);
    snprintf(file, sizeof file, "%s/web.safetensors", folder);
    trained_make(&f, "raw5", 5);
    for (int i = 0; i < 5; i++) {
        f.obs_low[i] = 0;
        f.obs_high[i] = 100;
    }
    ck_assert_msg(policyfile_save(&f, file, &e), "%s", e.message);
    policyfile_finish(&f);
    toy_scaler_open(&s, 1, "ppo:web");
    snprintf(s.config.policies, sizeof s.config.policies, "%s", folder);
    s.config.interval_s = 0;
    toy_scaler_start(&s);
    s.toy.targets[0].cpu = 240;
    toy_scaler_run(&s, 45); // at most four a decision, as trained
    ck_assert_int_eq(s.toy.targets[0].replicas, 8);
    s.toy.targets[0].cpu = 1;
    s.toy.targets[0].rps = 500; // still outside: never down
    toy_scaler_run(&s, 600);
    ck_assert_int_eq(s.toy.targets[0].replicas, 8);
    ck_assert_int_gt(toy_finals(&s, "ood"), 0);
    close_trained();
}
END_TEST

START_TEST(pods_that_cannot_be_read_hold)
{
    toy_scaler_open(&s, 1, "hpa:target=60,window=0");
    toy_scaler_start(&s);
    s.toy.targets[0].cpu = 15;
    s.toy.targets[0].pods_fail = true;
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.targets[0].replicas, 3);
    CLEANUP_BUF struct buf why = {0};
    ck_assert(board_why(s.board, "shop", "web-0", false, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "metrics-server: 503"));
    s.toy.targets[0].pods_fail = false;
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 1);
    toy_scaler_close(&s);
}
END_TEST

/* Ups go on without a journal, downs wait for it; the file stays whole. */
START_TEST(a_full_disk_under_the_journal)
{
    struct err e = {0};
    struct rlimit before, limit;
    struct replay *replay;
    struct replay_report report = {0};
    folder_make(folder);
    snprintf(file, sizeof file, "%s/decisions.jsonl", folder);
    toy_scaler_open(&s, 2, "fixed:6");
    ck_assert_msg(journal_open(file, 0, 0, &s.journal, &e), "%s", e.message);
    toy_scaler_start(&s);
    toy_annotate(&s.toy, 0, "mode", "shadow");
    toy_annotate(&s.toy, 1, "mode", "shadow");
    toy_scaler_run(&s, 60);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    uint64_t size = 0;
    ck_assert(file_size(file, &size, NULL));
    limit.rlim_cur = size + 700;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    toy_annotate(&s.toy, 0, "mode", "active");
    toy_annotate(&s.toy, 1, "mode", "active");
    toy_annotate(&s.toy, 1, "policy", "fixed:1");
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(s.toy.targets[1].replicas, 3);
    ck_assert_int_gt(toy_finals(&s, "journal_failed"), 0);
    ck_assert(!board_last_tick(s.board).journal_ok);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[1].replicas, 1);
    ck_assert(board_last_tick(s.board).journal_ok);
    toy_scaler_close(&s);
    ck_assert(replay_open(NULL, &replay, &e));
    ck_assert_msg(replay_file(replay, file, &report, &e), "%s", e.message);
    ck_assert_int_gt(report.n_decisions, 10);
    replay_close(replay);
    folder_remove(folder);
}
END_TEST

/* NaN latency on idle comes as absent: it may go down; a NaN that claims to be valid may not. */
START_TEST(latency_that_is_no_number)
{
    toy_scaler_open(&s, 2, "fixed:1");
    toy_scaler_start(&s);
    s.toy.targets[0].validity[SIGNAL_P95] = VALIDITY_ABSENT;
    s.toy.targets[0].rps = 0;
    s.toy.targets[1].p95_ms = (double)NAN;
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.targets[0].replicas, 1);
    ck_assert_int_eq(s.toy.targets[1].replicas, 3);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(configurations_that_contradict_themselves)
{
    struct autoscaler_config config;
    struct err e = {0};
    toy_scaler_defaults(&config);
    ck_assert(autoscaler_config_check(&config, &e));
    config.min_replicas = 30;
    ck_assert(!autoscaler_config_check(&config, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.message, "autoscaler.min_replicas: 30 is above"));
    toy_scaler_defaults(&config);
    config.latency_soft_ms = 300;
    config.latency_hard_ms = 200;
    ck_assert(!autoscaler_config_check(&config, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "autoscaler.latency_soft_ms"));
    toy_scaler_defaults(&config);
    config.interval_s = 2;
    ck_assert(!autoscaler_config_check(&config, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "autoscaler.interval_s"));
}
END_TEST

SUITE("autoscaler_days", a_policy_file_replaced_by_garbage, a_policy_that_does_not_match_may_only_watch,
      annotations_cannot_reach_out, a_clock_that_is_set, gone_forbidden_and_refused_are_told,
      a_target_made_anew_starts_from_nothing, the_breaker_hands_over_and_takes_back,
      outside_the_training_range_the_hpa_rule_decides, pods_that_cannot_be_read_hold, a_full_disk_under_the_journal,
      latency_that_is_no_number, configurations_that_contradict_themselves)
