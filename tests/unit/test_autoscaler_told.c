/* What people hear of the autoscaler, and what it hears from them: orders by annotation get through where they fight nobody and
 * wait aloud where they would; modes, targets and annotations that change are told once; an outage of a thousand targets
 * is told with few Events. */
#include "suite.h"
#include "toy_fleet.h"

#include <maestro/log.h>

static struct toy_scaler s;

static void start(int n, const char *policy)
{
    toy_scaler_open(&s, n, policy);
    toy_scaler_start(&s);
}

static void expect_why(int target, const char *part)
{
    CLEANUP_BUF struct buf why = {0};
    char name[32];
    snprintf(name, sizeof name, "web-%d", target);
    ck_assert(board_why(s.board, "shop", name, false, &why));
    ck_assert_msg(strstr(why.bytes, part), "'%s' is not in: %s", part, why.bytes);
}

START_TEST(an_order_gets_through_a_refused_policy)
{
    static const char *const MODES_TRIED[] = {"active", "shadow", "dry-run"};
    start(3, "fixed:5");
    for (int i = 0; i < 3; i++) {
        toy_annotate(&s.toy, i, "mode", MODES_TRIED[i]);
        toy_annotate(&s.toy, i, "policy", "ppo:not-there");
    }
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.n_writes, 0);
    long long refused = toy_finals(&s, "policy_refused");
    ck_assert_int_gt(refused, 0);
    for (int i = 0; i < 3; i++)
        toy_annotate(&s.toy, i, "paused-replicas", "7");
    toy_scaler_run(&s, 5);
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    ck_assert_int_eq(s.toy.targets[1].n_writes, 0);
    ck_assert_int_eq(s.toy.targets[2].n_dry_runs, 1);
    ck_assert_int_gt(toy_finals(&s, "human_pause"), 0);
    expect_why(0, "policy refused: ");
    expect_why(0, "only orders are carried out");
    for (int i = 0; i < SIGNAL_COUNT; i++) // also when nothing is known
        s.toy.targets[0].validity[i] = VALIDITY_FAILED;
    toy_annotate(&s.toy, 0, "paused-replicas", "2");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    ck_assert_int_eq(toy_events(&s.toy, "PolicyRefused", NULL), 3);
    ck_assert_int_eq(toy_events(&s.toy, "BreakerOpened", NULL), 0); // no policy failed: none was asked
    toy_annotate(&s.toy, 0, "paused-replicas", NULL);               // back to holding
    int before = s.toy.n_writes;
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 2);
    ck_assert_int_le(s.toy.targets[0].n_writes, before);
    ck_assert_int_gt(toy_finals(&s, "policy_refused"), refused);
    toy_annotate(&s.toy, 0, "policy", NULL); // and the policy of the configuration works as ever
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.toy.targets[0].validity[i] = VALIDITY_VALID;
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 5);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(a_lowered_maximum_gets_through_a_refused_policy)
{
    start(1, "fixed:3");
    s.toy.targets[0].replicas = 8;
    toy_annotate(&s.toy, 0, "policy", "ppo:not-there");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 8);
    toy_annotate(&s.toy, 0, "max-replicas", "6");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6); // and no further: nobody proposes anything
    ck_assert_int_eq(s.toy.targets[0].n_writes, 1);
    ck_assert_int_gt(toy_finals(&s, "human_max"), 0);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(an_order_never_fights_another_scaler_and_says_so)
{
    const char *message = "";
    start(1, "fixed:3");
    toy_scaler_run(&s, 60);
    snprintf(s.toy.targets[0].view.conflict, 160, "HorizontalPodAutoscaler shop/web-0");
    toy_annotate(&s.toy, 0, "paused-replicas", "7");
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.n_writes, 0);
    ck_assert_int_gt(toy_finals(&s, "another_scaler"), 0);
    ck_assert_int_eq(toy_events(&s.toy, "OrderWaits", &message), 1); // once
    ck_assert_str_eq(message, "the order to 7 replicas waits until HorizontalPodAutoscaler shop/web-0 is gone: "
                              "two writers would fight");
    expect_why(0, "conditions\n");
    expect_why(0, "\n  the order to 7 replicas waits until HorizontalPodAutoscaler shop/web-0 is gone");
    toy_annotate(&s.toy, 0, "paused-replicas", "4"); // another order is told anew
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(toy_events(&s.toy, "OrderWaits", NULL), 2);
    s.toy.targets[0].view.conflict[0] = '\0';
    toy_scaler_run(&s, 30);
    ck_assert_int_eq(s.toy.targets[0].replicas, 4);
    CLEANUP_BUF struct buf why = {0};
    ck_assert(board_why(s.board, "shop", "web-0", true, &why));
    ck_assert_ptr_nonnull(strstr(why.bytes, "\"conditions\":\"\""));
    toy_scaler_close(&s);
}
END_TEST

START_TEST(a_maximum_waits_for_who_just_scaled_by_hand)
{
    const char *message = "";
    start(1, "fixed:8");
    toy_annotate(&s.toy, 0, "max-replicas", "6");
    toy_scaler_run(&s, 60);
    s.toy.targets[0].replicas = 9; // kubectl scale
    toy_scaler_run(&s, 120);
    ck_assert_int_eq(s.toy.targets[0].replicas, 9);
    ck_assert_int_eq(toy_events(&s.toy, "OrderWaits", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, "the order to 6 replicas waits: somebody else set the replicas to 9"));
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.targets[0].replicas, 6);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(modes_and_mended_annotations_are_told)
{
    const char *message = "";
    start(2, "fixed:3");
    toy_annotate(&s.toy, 0, "mode", "shadow");
    toy_annotate(&s.toy, 1, "mode", "nonsense");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "ModeChanged", NULL), 0); // a start is no change
    toy_annotate(&s.toy, 0, "mode", "active");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "ModeChanged", &message), 1);
    ck_assert_str_eq(message, "the mode was shadow and is active");
    toy_annotate(&s.toy, 0, "min-replicas", "2"); // no other annotation is one
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "ModeChanged", NULL), 1);
    ck_assert_int_eq(toy_events(&s.toy, "InvalidAnnotation", NULL), 1);
    ck_assert_int_eq(toy_events(&s.toy, "AnnotationsMended", NULL), 0);
    toy_annotate(&s.toy, 1, "mode", "dry-run");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "AnnotationsMended", &message), 1);
    ck_assert_str_eq(message, "the annotations make sense again and are in force; the mode is dry-run");
    ck_assert_int_eq(toy_events(&s.toy, "ModeChanged", NULL), 1); // there was none before
    s.toy.deadline_s = 0;                                         // a standby keeps quiet
    toy_annotate(&s.toy, 0, "mode", "off");
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(toy_events(&s.toy, "ModeChanged", NULL), 1);
    toy_scaler_close(&s);
}
END_TEST

static int n_lines(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

START_TEST(targets_that_come_and_go_stand_in_the_log)
{
    CLEANUP_BUF struct buf text = {0};
    FILE *log = tmpfile();
    ck_assert_ptr_nonnull(log);
    start(1000, "fixed:3");
    log_setup(LOG_INFO, LOG_LOGFMT, log);
    toy_scaler_run(&s, 10);
    s.toy.targets[3].view.gone = true;
    s.toy.targets[3].view.name[0] = '\0';
    toy_scaler_run(&s, 10);
    toy_annotate(&s.toy, 5, "mode", "off");
    toy_scaler_run(&s, 10);
    log_setup(LOG_INFO, LOG_LOGFMT, NULL);
    rewind(log);
    char line[LOG_LINE];
    while (fgets(line, sizeof line, log))
        buf_text(&text, line);
    fclose(log);
    ck_assert_int_eq(n_lines(text.bytes, "target_found"), 20);
    ck_assert_int_eq(n_lines(text.bytes, "targets_found"), 1);
    ck_assert_ptr_nonnull(strstr(text.bytes, "more=980"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "mode=active"));
    ck_assert_int_eq(n_lines(text.bytes, "target_gone"), 1);
    ck_assert_ptr_nonnull(strstr(text.bytes, "shop/web-3"));
    ck_assert_int_eq(n_lines(text.bytes, "ModeChanged"), 1);
    ck_assert_int_eq(s.toy.n_events, 1); // and no Event but of the mode
    toy_scaler_close(&s);
}
END_TEST

/* Series that no query finds are no load of zero: the target is held, and the setting that asks for them is named. */
START_TEST(a_wrong_preset_holds_and_is_named)
{
    const char *message = "";
    static const char LACKS[] = "prometheus.traffic=istio finds no series istio_requests_total, though it is scraped";
    start(1, "fixed:1");
    s.toy.targets[0].replicas = 5;
    s.toy.targets[0].validity[SIGNAL_RPS] = s.toy.targets[0].validity[SIGNAL_P95] = VALIDITY_NO_DATA;
    snprintf(s.toy.targets[0].view.lacks, sizeof s.toy.targets[0].view.lacks, "%s", LACKS);
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.targets[0].replicas, 5);
    ck_assert_int_eq(toy_events(&s.toy, "SignalsLost", &message), 1);
    ck_assert_ptr_nonnull(strstr(message, LACKS));
    expect_why(0, LACKS);
    ck_assert_int_gt(toy_finals(&s, "partial_failure"), 0);
    toy_scaler_close(&s);
}
END_TEST

/* Prometheus is away for ten minutes: each target is told of once a reason, not once a tick. */
START_TEST(an_outage_is_told_once_a_target)
{
    start(1000, "fixed:3");
    log_setup(LOG_ERROR, LOG_LOGFMT, NULL);
    toy_scaler_run(&s, 60);
    ck_assert_int_eq(s.toy.n_events, 0);
    for (int i = 0; i < 1000; i++)
        for (int k = 0; k < SIGNAL_COUNT; k++)
            s.toy.targets[i].validity[k] = k == SIGNAL_REPLICAS ? VALIDITY_VALID : VALIDITY_FAILED;
    toy_scaler_run(&s, 600);
    ck_assert_int_eq(s.toy.n_events, 2000); // SignalsLost, BreakerOpened
    for (int i = 0; i < 1000; i++)
        for (int k = 0; k < SIGNAL_COUNT; k++)
            s.toy.targets[i].validity[k] = VALIDITY_VALID;
    toy_scaler_run(&s, 300);
    ck_assert_int_eq(s.toy.n_events, 4000); // SignalsBack, BreakerClosed
    toy_scaler_close(&s);
}
END_TEST

SUITE("autoscaler_told", an_order_gets_through_a_refused_policy, a_lowered_maximum_gets_through_a_refused_policy,
      an_order_never_fights_another_scaler_and_says_so, a_maximum_waits_for_who_just_scaled_by_hand,
      modes_and_mended_annotations_are_told, targets_that_come_and_go_stand_in_the_log,
      a_wrong_preset_holds_and_is_named, an_outage_is_told_once_a_target)
