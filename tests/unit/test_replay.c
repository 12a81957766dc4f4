/* Journals of an autoscaler come out the same once more, and a change of one digit anywhere is found and named. */
#include "suite.h"
#include "toy_fleet.h"

#include "folder.h"
#include "trained.h"

#include <maestro/file.h>
#include <maestro/replay.h>
#include <maestro/rng.h>

#include <sys/wait.h>
#include <unistd.h>

static char folder[FOLDER_BYTES];
static char journal[FOLDER_BYTES + 32];

/* Hours of five targets under a trained policy, the HPA and chance; loads and faults change, files rotate. */
static void record(double limit_bytes)
{
    static struct toy_scaler s;
    struct rng rng;
    struct err e = {0};
    char path[FOLDER_BYTES + 32];
    rng_init(&rng, 3, 3);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, "default", 5);
    snprintf(journal, sizeof journal, "%s/decisions.jsonl", folder);
    toy_scaler_open(&s, 5, "ppo:web");
    snprintf(s.config.policies, sizeof s.config.policies, "%s", folder);
    snprintf(s.config.allowed, sizeof s.config.allowed, "hpa,fixed,ppo,random");
    s.config.interval_s = 0;
    ck_assert_msg(journal_open(journal, (uint64_t)limit_bytes, 2, &s.journal, &e), "%s", e.message);
    toy_scaler_start(&s);
    toy_annotate(&s.toy, 1, "policy", "hpa");
    toy_annotate(&s.toy, 2, "policy", "random");
    toy_annotate(&s.toy, 3, "policy", "fixed:7");
    for (int tick = 0; tick < 400; tick++) {
        bool ordered = tick >= 200 && tick < 300; // a refused policy, and an order all the same
        if (tick % 100 == 0) {
            toy_annotate(&s.toy, 4, "policy", ordered ? "ppo:not-there" : NULL);
            toy_annotate(&s.toy, 4, "paused-replicas", ordered ? "12" : NULL);
        }
        for (int i = 0; i < 5; i++) {
            struct toy_target *t = &s.toy.targets[i];
            t->cpu = rng_uniform(&rng, 10, 400);
            t->rps = rng_uniform(&rng, 0, 300);
            t->p95_ms = rng_uniform(&rng, 10, 500);
            t->validity[rng_bounded(&rng, SIGNAL_COUNT)] = (enum validity)rng_bounded(&rng, 5);
            t->validity[rng_bounded(&rng, SIGNAL_COUNT)] = VALIDITY_VALID;
            t->view.sample.starting = (int)rng_bounded(&rng, 3);
            t->view.rolling_out = rng_bounded(&rng, 9) == 0;
        }
        s.toy.next_write = rng_bounded(&rng, 5) ? FLEET_DONE : FLEET_CONFLICT;
        toy_scaler_run(&s, 5);
    }
    toy_scaler_close(&s);
}

static bool replay(const char *path, const char *policies, struct replay_report *report, struct err *e)
{
    struct replay *r;
    *report = (struct replay_report){0};
    ck_assert(replay_open(policies, &r, e));
    bool done = replay_file(r, path, report, e);
    replay_close(r);
    return done;
}

START_TEST(journals_replay_bit_for_bit)
{
    struct replay_report report;
    struct err e = {0};
    record(0);
    ck_assert_msg(replay(journal, folder, &report, &e), "%s", e.message);
    ck_assert_int_gt(report.n_decisions, 600);
    ck_assert_int_gt(report.n_proposals, 300); // the network's and the fixed ones
    ck_assert_int_eq(report.n_targets, 5);
    ck_assert_ptr_nonnull(strstr(report.missing, "decides from what the journal does not hold"));
    char path[FOLDER_BYTES + 32], other[FOLDER_BYTES + 32]; // the same bytes under another name
    long long n_proposals = report.n_proposals;
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    snprintf(other, sizeof other, "%s/policy.safetensors", folder);
    ck_assert_int_eq(rename(path, other), 0);
    ck_assert_msg(replay(journal, folder, &report, &e), "%s", e.message);
    ck_assert_int_eq(report.n_proposals, n_proposals);
    ck_assert_msg(replay(journal, NULL, &report, &e), "%s", e.message); // without the file: proposals as recorded
    ck_assert_ptr_nonnull(strstr(report.missing, "no folder"));
    CLEANUP_BUF struct buf text = {0};
    ck_assert(file_read(journal, 1 << 28, &text, &e));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\"policy\":\"held\""));
    folder_remove(folder);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_refused)
{
    struct replay *r = NULL;
    struct err e = {0};
    ck_assert(!replay_open("/nowhere/at/all", &r, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.message, "--policies=/nowhere/at/all: there is no such folder"));
    ck_assert(!replay_open("/dev/null", &r, &e)); // nor is a file one
}
END_TEST

START_TEST(every_rotated_file_replays_by_itself)
{
    char older[FOLDER_BYTES + 48];
    struct replay_report report;
    struct err e = {0};
    record(300000);
    for (int i = 0; i < 3; i++) {
        snprintf(older, sizeof older, i ? "%s.%d" : "%s", journal, i);
        ck_assert_msg(replay(older, folder, &report, &e), "%s", e.message);
        ck_assert_int_gt(report.n_decisions, i ? 10 : 0); // the newest may just have been begun
    }
    folder_remove(folder);
}
END_TEST

/* The first digit behind text in the journal's second half, changed; what replay says. */
static void expect_found(const struct buf *good, const char *text, const char *field)
{
    CLEANUP_BUF struct buf bad = {0};
    struct replay_report report;
    struct err e = {0};
    buf_append(&bad, good->bytes, good->len);
    char *at = strstr(bad.bytes + bad.len / 2, text);
    ck_assert_msg(at, "no %s in the journal", text);
    at += strlen(text);
    at += strcspn(at, "0123456789");
    *at = *at == '7' ? '6' : '7';
    ck_assert(file_write_atomic(journal, bad.bytes, bad.len, &e));
    ck_assert_msg(!replay(journal, folder, &report, &e), "a change behind %s was not found", text);
    ck_assert_int_eq(e.code, ERR_NUMERIC);
    ck_assert_msg(strstr(e.message, field) && strstr(e.message, "decisions.jsonl:"), "'%s' does not name %s", e.message,
                  field);
}

START_TEST(a_changed_digit_is_found_and_named)
{
    CLEANUP_BUF struct buf good = {0};
    struct err e = {0};
    record(0);
    ck_assert(file_read(journal, 1 << 28, &good, &e));
    expect_found(&good, "\"partial\":[", "'guard.partial'");
    expect_found(&good, "\"logits\":[0.", "'logits'");
    expect_found(&good, "\"features\":[0.", "'features'");
    expect_found(&good, "\"rule\":", "'rule'");
    folder_remove(folder);
}
END_TEST

/* As a process that is killed while the API server carries out its write: nothing after it is done any more. */
static enum fleet_outcome write_and_die(struct fleet *fleet, int i, int replicas, bool dry_run, struct err *e)
{
    (void)toy_write(fleet, i, replicas, dry_run, e);
    _exit(0);
}

START_TEST(a_write_that_a_kill_cut_short_is_told)
{
    static struct toy_scaler s;
    struct replay_report report;
    struct fleet_ops deadly = TOY_FLEET;
    struct err e = {0};
    folder_make(folder);
    snprintf(journal, sizeof journal, "%s/decisions.jsonl", folder);
    toy_scaler_open(&s, 1, "fixed:7");
    ck_assert_msg(journal_open(journal, 0, 2, &s.journal, &e), "%s", e.message);
    toy_scaler_start(&s);
    deadly.write = write_and_die;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        s.toy.fleet.ops = &deadly;
        toy_scaler_run(&s, 60);
        _exit(1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it did not write");
    ck_assert_msg(replay(journal, folder, &report, &e), "%s", e.message);
    ck_assert_int_eq(report.n_untold, 1);
    toy_scaler_run(&s, 60); // the next start, which decides and tells
    ck_assert_int_eq(s.toy.targets[0].replicas, 7);
    ck_assert_msg(replay(journal, folder, &report, &e), "%s", e.message);
    ck_assert_int_eq(report.n_untold, 1);
    ck_assert_int_gt(report.n_decisions, 1);
    toy_scaler_close(&s);
    folder_remove(folder);
}
END_TEST

START_TEST(another_policy_file_is_told_apart)
{
    char path[FOLDER_BYTES + 32];
    struct replay_report report;
    struct err e = {0};
    record(0);
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, "default", 6);
    ck_assert_msg(replay(journal, folder, &report, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(report.missing, "another version"));
    folder_remove(folder);
}
END_TEST

START_TEST(states_that_make_no_sense_are_refused)
{
    CLEANUP_BUF struct buf good = {0};
    struct replay_report report;
    struct err e = {0};
    record(0);
    ck_assert(file_read(journal, 1 << 28, &good, &e));
    char *at = strstr(good.bytes, "\"control\":\"");
    ck_assert_ptr_nonnull(at);
    memcpy(at + 11, "ffffff7f", 8); // as many features as there are numbers
    ck_assert(file_write_atomic(journal, good.bytes, good.len, &e));
    ck_assert(!replay(journal, folder, &report, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.message, "makes no sense"));
    at = strstr(good.bytes, "\"record\":\"state\"");
    at[11] = 'S';
    ck_assert(file_write_atomic(journal, good.bytes, good.len, &e));
    ck_assert(!replay(journal, folder, &report, &e));
    folder_remove(folder);
}
END_TEST

SUITE("replay", journals_replay_bit_for_bit, a_folder_that_is_not_there_is_refused,
      a_write_that_a_kill_cut_short_is_told, every_rotated_file_replays_by_itself, a_changed_digit_is_found_and_named,
      another_policy_file_is_told_apart, states_that_make_no_sense_are_refused)
