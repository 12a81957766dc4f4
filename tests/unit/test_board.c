/* The board: read from other threads while ticks run, and text that Prometheus and people can read. */
#include "suite.h"
#include "toy_fleet.h"

#include <maestro/json.h>

#include <pthread.h>
#include <stdatomic.h>

static struct toy_scaler s;
static atomic_bool stop;
static atomic_llong n_read;

static void *read_on(void *context)
{
    (void)context;
    while (!atomic_load(&stop)) {
        CLEANUP_BUF struct buf metrics = {0}, why = {0}, targets = {0};
        board_metrics(s.board, &metrics);
        (void)board_why(s.board, "shop", "web-3", true, &why);
        board_targets(s.board, &targets);
        (void)board_last_tick(s.board);
        atomic_fetch_add(&n_read, (long long)metrics.len);
    }
    return NULL;
}

START_TEST(it_is_read_while_ticks_run)
{
    pthread_t readers[2];
    toy_scaler_open(&s, 20, "random");
    toy_scaler_start(&s);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (int tick = 0; tick < 400 || atomic_load(&n_read) == 0; tick++) {
        toy_pass(&s.toy, 5);
        autoscaler_tick(s.autoscaler);
        if (tick % 50 == 0)
            snprintf(s.toy.targets[3].view.uid, sizeof s.toy.targets[3].view.uid, "uid-%d", tick);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
    toy_scaler_close(&s);
}
END_TEST

/* What nobody knows has no age: 0 would look as fresh as can be. */
START_TEST(unknown_signals_have_no_age)
{
    CLEANUP_BUF struct buf known = {0}, unknown = {0};
    toy_scaler_open(&s, 2, "fixed:5");
    toy_scaler_start(&s);
    toy_scaler_run(&s, 60);
    board_metrics(s.board, &known);
    ck_assert_ptr_nonnull(strstr(known.bytes, "maestro_autoscaler_signal_age_seconds{signal=\"rps\"} 10"));
    for (int i = 0; i < 2; i++)
        s.toy.targets[i].validity[SIGNAL_RPS] = VALIDITY_FAILED;
    toy_scaler_run(&s, 60);
    board_metrics(s.board, &unknown);
    ck_assert_ptr_null(strstr(unknown.bytes, "maestro_autoscaler_signal_age_seconds{signal=\"rps\"}"));
    ck_assert_ptr_nonnull(strstr(unknown.bytes, "maestro_autoscaler_signal_age_seconds{signal=\"cpu\"} 10"));
    toy_scaler_close(&s);
}
END_TEST

/* Every line is a comment or "name{labels} value", and no family comes twice. */
START_TEST(metrics_are_well_formed)
{
    CLEANUP_BUF struct buf metrics = {0};
    int n_values = 0;
    toy_scaler_open(&s, 3, "fixed:5");
    snprintf(s.toy.targets[1].view.name, sizeof s.toy.targets[1].view.name, "odd\"name\\");
    toy_scaler_start(&s);
    toy_scaler_run(&s, 60);
    board_metrics(s.board, &metrics);
    for (char *line = metrics.bytes, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        ck_assert_ptr_nonnull(next);
        *next++ = '\0';
        if (strncmp(line, "# TYPE ", 7) == 0)
            ck_assert_msg(!strstr(next, line), "twice: %s", line);
        if (*line == '#')
            continue;
        char *space = strrchr(line, ' '), *end = NULL;
        ck_assert_msg(space && strncmp(line, "maestro_autoscaler_", 19) == 0, "%s", line);
        (void)strtod(space + 1, &end);
        ck_assert_msg(end && *end == '\0', "%s", line);
        n_values++;
    }
    ck_assert_int_gt(n_values, 40);
    toy_scaler_close(&s);
}
END_TEST

START_TEST(why_is_json_with_every_field)
{
    static const char *const FIELDS[] = {
        "time",     "mode", "final", "outcome",      "note", "signals", "ready",    "policy",      "wanted",  "why",
        "hpa_rule", "ood",  "guard", "guard_reason", "from", "to",      "stand_in", "rolling_out", "starting"};
    CLEANUP_BUF struct buf why = {0};
    struct json_document d = {0};
    struct err e = {0};
    toy_scaler_open(&s, 1, "fixed:5");
    toy_scaler_start(&s);
    toy_scaler_run(&s, 60);
    ck_assert(board_why(s.board, "shop", "web-0", true, &why));
    ck_assert_msg(json_parse(&d, "why", why.bytes, why.len, &e), "%s", e.message);
    const struct json *decisions = json_find(d.root, "decisions"), *first = json_first(decisions);
    ck_assert_ptr_nonnull(first);
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        ck_assert_msg(json_find(first, FIELDS[i]), "no %s", FIELDS[i]);
    json_finish(&d);
    toy_scaler_close(&s);
}
END_TEST

SUITE("board", it_is_read_while_ticks_run, unknown_signals_have_no_age, metrics_are_well_formed,
      why_is_json_with_every_field)
