/* The autoscaler over a made-up fleet on a virtual clock: what users complain about in other autoscalers, row by row of the
 * requirements (numbers as in the reference's table G), and the days on which things break.
 *
 *      1 an_invalid_signal_never_scales_down, fallback_raises_to_its_count_and_never_lowers
 *      2 flapping_is_bounded                        3 only_active_writes
 *      4 every_tick_has_one_final_reason, why_tells_what_happened
 *      5 another_scaler_makes_it_step_back          6 a_foreign_write_makes_it_step_back
 *      7 test_starting: starting_pods_are_not_asked_for_again; test_hpa: young pods
 *      8 a_rollout_is_not_acted_on; test_guard: a_rollout_is_not_read_as_load
 *      9 stale_signals_hold                        10 a_pause_is_obeyed_in_the_next_tick
 *     11 a_restart_does_not_go_down                12 zero_replicas_are_left_alone
 *     13 settings_are_per_target_and_reloaded      14 no_write_starts_after_the_deadline, two_processes_never_both_write
 *     15 tests/testbed: rights                     16 patience_and_limits_of_writes
 *     17 proposals_are_counted_against_the_hpa     18 test_live: pods are told apart by anchored names
 *     19 senseless_annotations_are_refused_by_name 20 test_replay: journals_replay_bit_for_bit */
#include "suite.h"
#include "toy_fleet.h"

static struct toy_scaler s;

static void start(int n, const char *policy)
{
    toy_scaler_open(&s, n, policy);
    toy_scaler_start(&s);
}

/* Past the hold that every start has. */
static void settle_in(void)
{
    toy_scaler_run(&s, 60);
}

START_TEST(an_invalid_signal_never_scales_down)
{
    static const enum validity BAD[] = {VALIDITY_NO_DATA, VALIDITY_FAILED, VALIDITY_STALE};
    for (int signal = 0; signal < SIGNAL_COUNT; signal++)
        for (int k = 0; k < 3; k++) {
            start(1, "fixed:1");
            s.toy.targets[0].replicas = 8;
            s.toy.targets[0].validity[signal] = BAD[k];
            toy_scaler_run(&s, 300);
            ck_assert_int_eq(s.toy.targets[0].replicas, 8);
            ck_assert_int_eq(s.toy.n_writes, 0);
            s.toy.targets[0].validity[signal] = VALIDITY_VALID;
            toy_scaler_run(&s, 60);
            ck_assert_int_eq(s.toy.targets[0].replicas, 1);
            toy_scaler_close(&s);
        }
    start(1, "fixed:1");
    s.toy.targets[0].validity[SIGNAL_P95] = VALIDITY_ABSENT; // idle
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 1);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(fallback_raises_to_its_count_and_never_lowers)
{
    toy_scaler_open(&s, 2, "fixed:2");
    s.config.fallback = GUARD_FALLBACK_IF_HIGHER;
    s.config.fallback_replicas = 6;
    s.config.failures = 0; // no breaker
    toy_scaler_start(&s);
    s.toy.targets[1].replicas = 9;
    for (int i = 0; i < 2; i++)
        s.toy.targets[i].validity[SIGNAL_CPU] = s.toy.targets[i].validity[SIGNAL_P95] =
            s.toy.targets[i].validity[SIGNAL_RPS] = VALIDITY_FAILED;
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(s.toy.targets[1].replicas, 9);
    ck_assert_int_gt(toy_finals(&s, "blind"), 0);
    toy_scaler_close(&s);
}
END_TEST

/* A policy of pure chance is noise without load: the budget leaves at most so many turns an hour, and then only up. */
START_TEST(flapping_is_bounded)
{
    int turns = 0, way = 0;
    toy_scaler_open(&s, 1, "random");
    s.config.flap_budget = 6;
    toy_scaler_start(&s);
    for (int i = 0; i < 720; i++) {
        int before = s.toy.targets[0].replicas;
        toy_scaler_run(&s, 5);
        int change = s.toy.targets[0].replicas - before;
        turns += change * way < 0;
        way = change ? change : way;
    }
    ck_assert_int_ge(turns, 3);
    ck_assert_int_le(turns, 7); // the turn back up out of a spent budget is free
    ck_assert_int_gt(toy_finals(&s, "flap_budget"), 0);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(only_active_writes)
{
    static const char *const MODES_TRIED[] = {"off", "shadow", "dry-run", "active"};
    start(4, "fixed:6");
    for (int i = 0; i < 4; i++)
        toy_annotate(&s.toy, i, "mode", MODES_TRIED[i]);
    settle_in();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(s.toy.targets[i].n_writes, i == 3);
        ck_assert_int_eq(s.toy.targets[i].replicas, i == 3 ? 6 : 3);
        ck_assert_int_eq(s.toy.targets[i].n_dry_runs > 0, i == 2);
    }
    ck_assert_int_gt(toy_finals(&s, "off"), 0);
    ck_assert_int_gt(toy_finals(&s, "shadow"), 0);
    ck_assert_int_gt(toy_finals(&s, "dry_run"), 0);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(without_an_annotation_it_only_watches)
{
    struct autoscaler_config config;
    struct config_section section = {"autoscaler", "", autoscaler_config_keys, n_autoscaler_config_keys, &config};
    struct config c = {0};
    ck_assert(config_init(&c, &section, 1, NULL));
    config_finish(&c);
    ck_assert_int_eq(config.mode, MODE_SHADOW);
}
END_TEST

static long long all_finals(void)
{
    long long n = 0;
    for (int i = 0; i < FINAL_REASONS; i++)
        n += board_finals(s.board, i);
    return n;
}

START_TEST(every_tick_has_one_final_reason)
{
    long long due = 0;
    start(30, "random");
    for (int i = 0; i < 30; i++) {
        toy_annotate(&s.toy, i, "mode", target_mode_name((enum target_mode)(i % MODES)));
        if (i % 7 == 0)
            toy_annotate(&s.toy, i, "min-replicas", "many");
    }
    for (int tick = 0; tick < 200; tick++) {
        s.toy.next_write = (enum fleet_outcome)(tick / 20 % (FLEET_FAILED + 1));
        s.toy.refresh_fails = tick % 13 == 0;
        s.toy.deadline_s = tick % 11 == 0 ? 0 : 1e12;
        toy_pass(&s.toy, 5);
        due += autoscaler_tick(s.autoscaler);
        ck_assert_int_eq(all_finals(), due);
    }
    ck_assert_int_gt(due, 1000);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(why_tells_what_happened)
{
    CLEANUP_BUF struct buf text = {0}, json = {0}, metrics = {0};
    start(1, "fixed:1");
    s.toy.targets[0].replicas = 5;
    s.toy.targets[0].validity[SIGNAL_P95] = VALIDITY_FAILED;
    settle_in();
    ck_assert(board_why(s.board, "shop", "web-0", false, &text));
    ck_assert_ptr_nonnull(strstr(text.bytes, "partial_failure"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "p95 failed"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "partial: 1 to 5"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "stays at 5"));
    ck_assert(board_why(s.board, "shop", "web-0", true, &json));
    ck_assert_ptr_nonnull(strstr(json.bytes, "\"final\":\"partial_failure\""));
    ck_assert_ptr_nonnull(strstr(json.bytes, "\"wanted\":1"));
    ck_assert(!board_why(s.board, "shop", "web-1", true, &json));
    board_metrics(s.board, &metrics);
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "maestro_autoscaler_restricted_total{reason=\"partial\"}"));
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "maestro_autoscaler_decisions_total{reason=\"partial_failure\"}"));
    toy_scaler_close(&s);
}
END_TEST

START_TEST(lost_signals_are_told_once_and_so_is_their_return)
{
    const char *message = "";
    CLEANUP_BUF struct buf why = {0};
    start(1, "fixed:1");
    s.toy.targets[0].validity[SIGNAL_P95] = VALIDITY_FAILED;
    s.toy.targets[0].validity[SIGNAL_RPS] = VALIDITY_STALE;
    settle_in();
    ck_assert_int_eq(toy_events(&s.toy, "SignalsLost", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "p95 failed, rps stale: not scaled down"));
    board_trouble(s.board, "prometheus: no route to it");
    ck_assert(board_why(s.board, "shop", "web-0", false, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "conditions\n  prometheus: no route to it\n"));
    s.toy.targets[0].validity[SIGNAL_P95] = s.toy.targets[0].validity[SIGNAL_RPS] = VALIDITY_VALID;
    settle_in();
    ck_assert_int_eq(toy_events(&s.toy, "SignalsLost", &message), 1);
    ck_assert_int_eq(toy_events(&s.toy, "SignalsBack", &message), 1);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(another_scaler_makes_it_step_back)
{
    const char *message = "";
    start(1, "fixed:6");
    snprintf(s.toy.targets[0].view.conflict, 160, "HorizontalPodAutoscaler shop/web-0");
    settle_in();
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "another_scaler"), 0);
    ck_assert_int_eq(toy_events(&s.toy, "ConflictingScaler", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "HorizontalPodAutoscaler shop/web-0"));
    CLEANUP_BUF struct buf why = {0};
    ck_assert(board_why(s.board, "shop", "web-0", false, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "another scaler"));
    s.toy.targets[0].view.conflict[0] = '\0';
    toy_scaler_run(&s, 30);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(toy_events(&s.toy, "ConflictEnded", NULL), 1);
    toy_scaler_close(&s);
}
END_TEST

/* kubectl apply of a manifest with "replicas: 2". */
START_TEST(a_foreign_write_makes_it_step_back)
{
    const char *message = "";
    start(1, "fixed:6");
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    s.toy.targets[0].replicas = 2;
    toy_scaler_run(&s, 280);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    ck_assert_int_eq(toy_events(&s.toy, "ForeignScale", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "2"));
    ck_assert_int_gt(toy_finals(&s, "foreign_write"), 0);
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(toy_events(&s.toy, "ConflictEnded", NULL), 1);
    toy_scaler_close(&s);
}
END_TEST

/* The API server took a write and its answer was lost: that is no foreign write. */
START_TEST(a_lost_answer_is_no_foreign_write)
{
    start(1, "fixed:6");
    s.toy.next_write = FLEET_FAILED;
    s.toy.write_lands = true;
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(toy_events(&s.toy, "ForeignScale", NULL), 0);
    ck_assert_int_gt(toy_finals(&s, "write_failed"), 0);
    toy_scaler_close(&s);
}
END_TEST

/* Prometheus answers and the list of Deployments does not: the count that is known is that from before the own write. */
START_TEST(an_old_count_is_no_foreign_write)
{
    start(1, "fixed:6");
    toy_scaler_run(&s, 15);
    for (int tick = 0; tick < 60 && s.toy.targets[0].n_writes == 0; tick++)
        toy_scaler_run(&s, 5);
    s.toy.list_fails = true;
    toy_scaler_run(&s, 20);
    s.toy.list_fails = false;
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(toy_events(&s.toy, "ForeignScale", NULL), 0);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(a_rollout_is_not_acted_on)
{
    start(2, "fixed:1");
    s.toy.targets[0].view.rolling_out = true;
    s.toy.targets[1].view.rollout_paused = true;
    settle_in();
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "rollout_down"), 0);
    toy_annotate(&s.toy, 0, "policy", "fixed:9");
    toy_pass(&s.toy, 5);
    autoscaler_tick(s.autoscaler);
    ck_assert_int_eq(s.toy.targets[0].replicas, 4); // one a decision
    s.toy.targets[0].view.rolling_out = s.toy.targets[1].view.rollout_paused = false;
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 9);
    ck_assert_int_eq(s.toy.targets[1].replicas, 1);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(stale_signals_hold)
{
    start(1, "fixed:1");
    s.toy.targets[0].validity[SIGNAL_RPS] = VALIDITY_STALE;
    toy_scaler_run(&s, 600);
    ck_assert_int_eq(s.toy.n_writes, 0);
    toy_scaler_close(&s);
    start(1, "fixed:1"); // the API's own answers are too old
    settle_in();
    s.toy.targets[0].replicas = 3;
    s.toy.refresh_fails = true;
    int before = s.toy.n_writes;
    toy_scaler_run(&s, 600);
    ck_assert_int_eq(s.toy.n_writes, before);
    ck_assert_int_gt(toy_finals(&s, "replicas_unknown"), 0);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(a_pause_is_obeyed_in_the_next_tick)
{
    start(1, "random");
    s.config.flap_budget = 0;
    settle_in();
    toy_annotate(&s.toy, 0, "paused-replicas", "7");
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    toy_annotate(&s.toy, 0, "paused-replicas", NULL);
    toy_annotate(&s.toy, 0, "paused", "true");
    int before = s.toy.n_writes;
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.n_writes, before);
    ck_assert_int_gt(toy_finals(&s, "human_pause"), 0);
    toy_annotate(&s.toy, 0, "paused", NULL);
    toy_annotate(&s.toy, 0, "policy", "fixed:2");
    toy_annotate(&s.toy, 0, "paused-scale-in", "true");
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    ck_assert_int_gt(toy_finals(&s, "human_scale_in_paused"), 0);
    toy_annotate(&s.toy, 0, "max-replicas", "5"); // a lowered maximum is carried out all the same
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.targets[0].replicas, 5);
    ck_assert_int_gt(toy_finals(&s, "human_max"), 0);
    toy_scaler_close(&s);
}
END_TEST

/* High load, and the one who would go down is started again in the middle of it. */
START_TEST(a_restart_does_not_go_down)
{
    toy_scaler_open(&s, 1, "fixed:2");
    s.config.start_hold_s = 300;
    toy_scaler_start(&s);
    s.toy.targets[0].replicas = 15;
    for (int i = 0; i < 10; i++) {
        toy_scaler_run(&s, 200);
        ck_assert_int_eq(s.toy.targets[0].replicas, 15);
        toy_scaler_restart(&s);
    }
    ck_assert_int_gt(toy_finals(&s, "just_started"), 0);
    toy_scaler_run(&s, 400);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    toy_scaler_close(&s);
    start(1, "hpa:target=60,window=300"); // the HPA's own history opens with the present count
    s.toy.targets[0].replicas = 15;
    toy_scaler_run(&s, 200);
    toy_scaler_restart(&s);
    toy_scaler_run(&s, 200);
    ck_assert_int_eq(s.toy.targets[0].replicas, 15);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(zero_replicas_are_left_alone)
{
    start(1, "fixed:4");
    s.toy.targets[0].replicas = 0;
    settle_in();
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "at_zero"), 0);
    toy_scaler_close(&s);
    struct autoscaler_config config;
    toy_scaler_defaults(&config);
    ck_assert_int_eq(config.min_replicas, 1);
}
END_TEST

START_TEST(settings_are_per_target_and_reloaded)
{
    start(2, "fixed:9");
    toy_annotate(&s.toy, 0, "max-replicas", "4");
    toy_annotate(&s.toy, 1, "policy", "fixed:7");
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 4);
    ck_assert_int_eq(s.toy.targets[1].replicas, 7);
    toy_annotate(&s.toy, 0, "max-replicas", "6");
    toy_annotate(&s.toy, 1, "min-replicas", "8");
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    ck_assert_int_eq(s.toy.targets[1].replicas, 8);
    toy_scaler_close(&s);
}
END_TEST

/* Thirty ups, each write takes a second, the lease ends in the middle. */
START_TEST(no_write_starts_after_the_deadline)
{
    start(30, "fixed:6");
    for (int i = 0; i < 30; i++)
        toy_annotate(&s.toy, i, "mode", "shadow");
    settle_in();
    for (int i = 0; i < 30; i++)
        toy_annotate(&s.toy, i, "mode", "active");
    toy_pass(&s.toy, 5);
    s.toy.write_takes_s = 1;
    s.toy.deadline_s = s.toy.monotonic_s + 9.5;
    autoscaler_tick(s.autoscaler);
    ck_assert_int_eq(s.toy.n_writes, 10);
    ck_assert_int_eq(s.toy.n_late, 0);
    ck_assert_int_eq((int)toy_finals(&s, "lease_deadline"), 20);
    s.toy.deadline_s = 0;
    toy_scaler_run(&s, 30);
    ck_assert_int_eq(s.toy.n_writes, 10);
    ck_assert_int_gt(toy_finals(&s, "not_leader"), 0);
    toy_scaler_close(&s);
}
END_TEST

/* Two autoscalers over one set of targets; the lease goes to and fro. Neither writes without it, and the other's writes are
 * no foreign ones. */
START_TEST(two_processes_never_both_write)
{
    static struct toy_scaler other;
    start(5, "fixed:6");
    toy_scaler_open(&other, 0, "fixed:2");
    free(other.toy.targets);
    other.toy.targets = s.toy.targets;
    other.toy.n_targets = 5;
    toy_scaler_start(&other);
    other.toy.deadline_s = 0;
    for (int round = 0; round < 40; round++) {
        bool first = round % 4 < 2;
        s.toy.deadline_s = first ? s.toy.monotonic_s + 16 : 0;
        other.toy.deadline_s = first ? 0 : other.toy.monotonic_s + 16;
        for (int tick = 0; tick < 3; tick++) {
            int before = s.toy.n_writes, before_other = other.toy.n_writes;
            toy_scaler_run(&s, 5);
            toy_scaler_run(&other, 5);
            ck_assert(first ? other.toy.n_writes == before_other : s.toy.n_writes == before);
        }
    }
    ck_assert_int_eq(s.toy.n_late + other.toy.n_late, 0);
    ck_assert_int_gt(s.toy.n_writes, 0);
    ck_assert_int_gt(other.toy.n_writes, 0);
    ck_assert_int_eq(toy_events(&s.toy, "ForeignScale", NULL) + toy_events(&other.toy, "ForeignScale", NULL), 0);
    other.toy.targets = NULL;
    toy_scaler_close(&other);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(patience_and_limits_of_writes)
{
    toy_scaler_open(&s, 40, "fixed:6");
    s.config.writes_per_s = 1;
    s.config.writes_burst = 4;
    toy_scaler_start(&s);
    for (int tick = 0; tick < 6; tick++) {
        int before = s.toy.n_writes;
        toy_scaler_run(&s, 5);
        ck_assert_int_le(s.toy.n_writes - before, 5);
    }
    ck_assert_int_gt(toy_finals(&s, "write_limit"), 0);
    s.toy.next_write = FLEET_THROTTLED;
    toy_scaler_run(&s, 5);
    int before = s.toy.n_writes;
    toy_scaler_run(&s, 300); // 1, 2, 4, ... 60 s of patience
    ck_assert_int_gt(s.toy.n_writes, before);
    ck_assert_int_le(s.toy.n_writes - before, 11);
    ck_assert_int_gt(toy_finals(&s, "throttled"), 0);
    s.toy.next_write = FLEET_DONE;
    toy_scaler_run(&s, 200);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(s.toy.targets[i].replicas, 6);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(patience_is_what_was_asked_for)
{
    start(2, "fixed:6");
    s.toy.next_write = FLEET_THROTTLED;
    s.toy.asks_patience_s = 120;
    for (int tick = 0; tick < 60 && s.toy.n_writes == 0; tick++)
        toy_scaler_run(&s, 5);
    toy_scaler_run(&s, 110);
    ck_assert_int_eq(s.toy.n_writes, 1);
    s.toy.next_write = FLEET_DONE;
    toy_scaler_run(&s, 60);
    ck_assert_int_gt(s.toy.n_writes, 1);
    toy_scaler_close(&s);
}
END_TEST

/* Each read that hangs takes its five seconds; a tick of forty would be ended by kubelet. */
START_TEST(pods_that_hang_do_not_hold_up_the_tick)
{
    toy_scaler_open(&s, 40, "hpa:target=60");
    toy_scaler_start(&s);
    settle_in();
    for (int i = 0; i < 40; i++) {
        s.toy.targets[i].pods_fail = true;
        toy_annotate(&s.toy, i, "min-replicas", "2"); // all are due at once
    }
    s.toy.read_takes_s = 5;
    double before_s = s.toy.monotonic_s;
    autoscaler_tick(s.autoscaler);
    ck_assert_int_eq(s.toy.n_reads_failed, 2);
    ck_assert_double_le(s.toy.monotonic_s - before_s, 10);
    CLEANUP_BUF struct buf why = {0};
    ck_assert(board_why(s.board, "shop", "web-39", false, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "could not be read"));
    toy_scaler_close(&s);
}
END_TEST

START_TEST(an_unreachable_server_is_not_asked_for_every_target)
{
    start(40, "fixed:6");
    for (int i = 0; i < 40; i++)
        toy_annotate(&s.toy, i, "mode", "shadow");
    settle_in();
    for (int i = 0; i < 40; i++)
        toy_annotate(&s.toy, i, "mode", "active");
    s.toy.next_write = FLEET_FAILED;
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.n_writes, 3);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(ups_are_written_first)
{
    start(6, "fixed:6");
    for (int i = 0; i < 6; i++) {
        toy_annotate(&s.toy, i, "mode", "shadow");
        s.toy.targets[i].replicas = i < 3 ? 9 : 5 - (i == 4);
    }
    settle_in();
    for (int i = 0; i < 6; i++)
        toy_annotate(&s.toy, i, "mode", "active");
    toy_scaler_run(&s, 5);
    static const int ORDER[] = {4, 3, 5, 0, 1, 2};
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(s.toy.order[i], ORDER[i]);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(proposals_are_counted_against_the_hpa)
{
    CLEANUP_BUF struct buf metrics = {0};
    start(1, "fixed:6");
    toy_annotate(&s.toy, 0, "mode", "shadow");
    s.toy.targets[0].cpu = 180; // 6 pods at 60 % of 50
    toy_scaler_run(&s, 60);
    s.toy.targets[0].cpu = 30;
    toy_scaler_run(&s, 60);
    board_metrics(s.board, &metrics);
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "maestro_autoscaler_against_hpa_total{proposal=\"same\"} 3"));
    ck_assert_ptr_nonnull(strstr(metrics.bytes, "maestro_autoscaler_against_hpa_total{proposal=\"policy_higher\"} 4"));
    toy_scaler_close(&s);
}
END_TEST

START_TEST(senseless_annotations_are_refused_by_name)
{
    const char *message = "";
    start(1, "fixed:5");
    toy_annotate(&s.toy, 0, "max-replicas", "8");
    settle_in();
    ck_assert_int_eq(s.toy.targets[0].replicas, 5);
    toy_annotate(&s.toy, 0, "min-replicas", "9"); // above the maximum
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.targets[0].replicas, 5); // the last good settings stay
    ck_assert_int_eq(toy_events(&s.toy, "InvalidAnnotation", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "maestro.dev/min-replicas: 9 is above maestro.dev/max-replicas"));
    toy_annotate(&s.toy, 0, "min-replicas", "6");
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    toy_scaler_close(&s);
    start(1, "fixed:5"); // never any good settings: held
    toy_annotate(&s.toy, 0, "min-replicas", "-3");
    settle_in();
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "settings_refused"), 0);
    toy_scaler_close(&s);
}
END_TEST

SUITE("autoscaler", an_invalid_signal_never_scales_down, fallback_raises_to_its_count_and_never_lowers,
      flapping_is_bounded, only_active_writes, without_an_annotation_it_only_watches, every_tick_has_one_final_reason,
      why_tells_what_happened, lost_signals_are_told_once_and_so_is_their_return, another_scaler_makes_it_step_back,
      a_foreign_write_makes_it_step_back, a_lost_answer_is_no_foreign_write, an_old_count_is_no_foreign_write,
      a_rollout_is_not_acted_on, stale_signals_hold, a_pause_is_obeyed_in_the_next_tick, a_restart_does_not_go_down,
      zero_replicas_are_left_alone, settings_are_per_target_and_reloaded, no_write_starts_after_the_deadline,
      two_processes_never_both_write, patience_and_limits_of_writes, patience_is_what_was_asked_for,
      pods_that_hang_do_not_hold_up_the_tick, an_unreachable_server_is_not_asked_for_every_target,
      ups_are_written_first, proposals_are_counted_against_the_hpa, senseless_annotations_are_refused_by_name)
