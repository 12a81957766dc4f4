/* The journal: bit-exact round trip, rotation with a state record at each head, torn ends, bad lines. */
#include "suite.h"

#include <maestro/file.h>
#include <maestro/journal.h>
#include <maestro/rng.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double any_double(struct rng *rng)
{
    union {
        uint64_t u;
        double d;
    } bits = {.u = (uint64_t)rng_u32(rng) << 32 | rng_u32(rng)};
    return isnan(bits.d) ? (double)NAN : bits.d; // NaN payloads are not kept
}

static float any_float(struct rng *rng)
{
    union {
        uint32_t u;
        float f;
    } bits = {.u = rng_u32(rng)};
    return isnan(bits.f) ? NAN : bits.f;
}

static void fill(struct rng *rng, struct journal_record *r)
{
    memset(r, 0, sizeof *r);
    r->sample.time_s = any_double(rng);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        r->sample.signals[i] = (struct reading){any_double(rng), any_double(rng), (enum validity)rng_bounded(rng, 5)};
    r->sample.error_ratio = (struct reading){any_double(rng), any_double(rng), (enum validity)rng_bounded(rng, 5)};
    r->sample.ready = (int)rng_bounded(rng, 60);
    r->sample.starting = (int)rng_bounded(rng, 60);
    r->sample.terminating = (int)rng_bounded(rng, 60);
    snprintf(r->target.name, sizeof r->target.name, "shop/\"quoted\"\n\xc3\xa9");
    r->target.min_replicas = 1;
    r->target.max_replicas = 20;
    r->target.latency_soft_ms = any_double(rng);
    r->target.latency_hard_ms = any_double(rng);
    r->orders.has_max = rng_bounded(rng, 2);
    r->orders.max_replicas = r->orders.has_max ? 7 : 0;
    r->orders.has_pause = rng_bounded(rng, 2);
    r->orders.pause_replicas = r->orders.has_pause ? 3 : 0;
    snprintf(r->policy, sizeof r->policy, "ppo");
    r->kind = rng_bounded(rng, 2) ? POLICY_STEP : POLICY_ABSOLUTE;
    r->n_features = (int)rng_bounded(rng, OBSERVATION_LIMIT + 1);
    r->n_actions = 1 + (int)rng_bounded(rng, ACTIONS_LIMIT);
    for (int i = 0; i < r->n_features; i++)
        r->features[i] = any_float(rng);
    for (int i = 0; i < r->n_actions; i++) {
        r->mask[i] = (unsigned char)rng_bounded(rng, 2);
        r->output.logits[i] = any_float(rng);
    }
    r->output.value = any_float(rng);
    r->output.ood = any_float(rng);
    r->cpu_request_percent = any_double(rng);
    r->sample.rolling_out = rng_bounded(rng, 2);
    r->orders.no_down = rng_bounded(rng, 2);
    r->stood_in = rng_bounded(rng, 2);
    r->own_signals = rng_bounded(rng, 2);
    r->rule_replicas = (int)rng_bounded(rng, 60) - 1;
    r->outcome = (enum outcome)rng_bounded(rng, OUTCOMES);
    r->output.action = (int)rng_bounded(rng, 16);
    r->output.replicas = (int)rng_bounded(rng, 60);
    r->output.hold = rng_bounded(rng, 2);
    snprintf(r->output.reason, sizeof r->output.reason, "because");
    r->failed = rng_bounded(rng, 2);
    for (int i = 0; i < GUARD_STEPS; i++) {
        r->guard.before[i] = (int)rng_bounded(rng, 60) - 1;
        r->guard.after[i] = (int)rng_bounded(rng, 60) - 1;
        r->guard.ran[i] = rng_bounded(rng, 2);
    }
    r->guard.reason = (enum guard_reason)rng_bounded(rng, GUARD_REASONS);
    r->guard.from = (int)rng_bounded(rng, 60) - 1;
    r->guard.replicas = (int)rng_bounded(rng, 60) - 1;
    r->written = rng_bounded(rng, 2);
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static bool same_floats(const float *a, const float *b, int n)
{
    for (int i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

static bool same_reading(const struct reading *a, const struct reading *b)
{
    return same_double(a->value, b->value) && same_double(a->age_s, b->age_s) && a->validity == b->validity;
}

static void expect_same(const struct journal_record *a, const struct journal_record *b)
{
    ck_assert(same_double(a->sample.time_s, b->sample.time_s));
    for (int i = 0; i < SIGNAL_COUNT; i++)
        ck_assert(same_reading(&a->sample.signals[i], &b->sample.signals[i]));
    ck_assert(same_reading(&a->sample.error_ratio, &b->sample.error_ratio));
    ck_assert_int_eq(a->sample.ready, b->sample.ready);
    ck_assert_int_eq(a->sample.starting, b->sample.starting);
    ck_assert_int_eq(a->sample.terminating, b->sample.terminating);
    ck_assert_str_eq(a->target.name, b->target.name);
    ck_assert(same_double(a->target.latency_soft_ms, b->target.latency_soft_ms));
    ck_assert(same_double(a->target.latency_hard_ms, b->target.latency_hard_ms));
    ck_assert_mem_eq(&a->orders, &b->orders, sizeof a->orders);
    ck_assert_str_eq(a->policy, b->policy);
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_int_eq(a->n_features, b->n_features);
    ck_assert_int_eq(a->n_actions, b->n_actions);
    ck_assert(same_floats(a->features, b->features, a->n_features));
    ck_assert(same_floats(a->output.logits, b->output.logits, a->n_actions));
    ck_assert(same_floats(&a->output.value, &b->output.value, 1));
    ck_assert_mem_eq(a->mask, b->mask, sizeof a->mask);
    ck_assert_int_eq(a->output.action, b->output.action);
    ck_assert_int_eq(a->output.replicas, b->output.replicas);
    ck_assert_int_eq(a->output.hold, b->output.hold);
    ck_assert_str_eq(a->output.reason, b->output.reason);
    ck_assert_mem_eq(&a->guard, &b->guard, sizeof a->guard);
    ck_assert_int_eq(a->failed, b->failed);
    ck_assert_int_eq(a->written, b->written);
    ck_assert(same_floats(&a->output.ood, &b->output.ood, 1));
    ck_assert_int_eq(a->sample.rolling_out, b->sample.rolling_out);
    ck_assert(same_double(a->cpu_request_percent, b->cpu_request_percent));
    ck_assert_int_eq(a->stood_in, b->stood_in);
    ck_assert_int_eq(a->own_signals, b->own_signals);
    ck_assert_int_eq(a->rule_replicas, b->rule_replicas);
    ck_assert_int_eq(a->outcome, b->outcome);
}

START_TEST(records_read_back_to_the_same_bits)
{
    static struct journal_record r;
    static struct journal_line back;
    struct rng rng;
    rng_init(&rng, 5, 1);
    for (int i = 0; i < 500; i++) {
        CLEANUP_BUF struct buf line = {0};
        struct err e = {0};
        fill(&rng, &r);
        journal_encode(&r, &line);
        ck_assert(line.bytes[line.len - 1] == '\n' && strlen(line.bytes) == line.len);
        ck_assert_msg(journal_decode(line.bytes, line.len - 1, &back, &e), "%s", e.message);
        ck_assert_int_eq(back.kind, JOURNAL_DECISION);
        expect_same(&r, &back.record);
    }
}
END_TEST

START_TEST(intents_read_back)
{
    static struct journal_record r;
    static struct journal_line back;
    struct rng rng;
    rng_init(&rng, 5, 3);
    for (int i = 0; i < 50; i++) {
        CLEANUP_BUF struct buf line = {0}, again = {0};
        struct err e = {0};
        fill(&rng, &r);
        journal_encode_intent(&r, &line);
        ck_assert_msg(journal_decode(line.bytes, line.len - 1, &back, &e), "%s", e.message);
        ck_assert_int_eq(back.kind, JOURNAL_INTENT);
        ck_assert_str_eq(back.record.target.name, r.target.name);
        ck_assert_int_eq(back.record.guard.from, r.guard.from);
        ck_assert_int_eq(back.record.guard.replicas, r.guard.replicas);
        ck_assert_int_eq(back.record.guard.reason, r.guard.reason);
        journal_encode_intent(&back.record, &again);
        ck_assert_str_eq(again.bytes, line.bytes);
    }
}
END_TEST

static void make_path(char *path, size_t n)
{
    char folder[] = "/tmp/maestro-journal-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, n, "%s/decisions.jsonl", folder);
}

static int count_lines(const char *path, int *n_states)
{
    static struct journal_line line;
    struct journal_reader *reader;
    struct err e = {0};
    bool end = false;
    int n = 0;
    *n_states = 0;
    ck_assert_msg(journal_read(path, &reader, &e), "%s", e.message);
    while (journal_next(reader, &line, &end, &e)) {
        ck_assert_msg(n > 0 || line.kind == JOURNAL_STATE, "the file does not open with its state");
        if (line.kind == JOURNAL_STATE) {
            ck_assert_uint_eq(line.n_state, 300);
            for (int i = 0; i < 300; i++)
                ck_assert_int_eq(line.state[i], (unsigned char)(i * 7));
            ck_assert_str_eq(line.target, "shop/\"web\"");
            ck_assert_str_eq(line.policy, "ppo:web");
            ck_assert_str_eq(line.policy_hash, "0123456789abcdef");
            ck_assert_uint_eq(line.n_control, 5);
            ck_assert_mem_eq(line.control, "\0set\xff", 5);
        }
        *n_states += line.kind == JOURNAL_STATE;
        n++;
    }
    ck_assert_msg(end, "%s", e.message);
    journal_reader_close(reader);
    return n;
}

static struct journal_opening opening_of(const unsigned char *state)
{
    return (struct journal_opening){.target = "shop/\"web\"",
                                    .policy = "ppo:web",
                                    .policy_hash = "0123456789abcdef",
                                    .control = "\0set\xff",
                                    .n_control = 5,
                                    .state = state,
                                    .n_state = 300};
}

static void write_some(const char *path, uint64_t limit_bytes, int keep, int n)
{
    static struct journal_record r;
    unsigned char state[300];
    unsigned file = 0;
    struct journal *j;
    struct err e = {0};
    for (int i = 0; i < 300; i++)
        state[i] = (unsigned char)(i * 7);
    ck_assert_msg(journal_open(path, limit_bytes, keep, &j, &e), "%s", e.message);
    struct journal_opening opening = opening_of(state);
    r.sample.time_s = 1;
    for (int i = 0; i < n; i++)
        ck_assert_msg(journal_turn(j, &file, i, &opening, &e) && journal_write(j, &r, &e), "%s", e.message);
    journal_close(j);
}

START_TEST(rotates_by_size_and_every_file_opens_with_state)
{
    char path[80], older[96];
    int n_states, n = 0;
    make_path(path, sizeof path);
    write_some(path, 10000, 3, 100);
    uint64_t size;
    ck_assert(file_size(path, &size, NULL));
    ck_assert_uint_lt(size, 12000); // the limit plus one line
    for (int i = 0; i <= 3; i++) {
        snprintf(older, sizeof older, i ? "%s.%d" : "%s", path, i);
        n += count_lines(older, &n_states) - n_states;
        ck_assert_int_eq(n_states, 1);
    }
    ck_assert_int_gt(n, 20);
    ck_assert_int_lt(n, 100); // the oldest are gone
    snprintf(older, sizeof older, "%s.4", path);
    ck_assert(!file_exists(older));
}
END_TEST

START_TEST(torn_ends_are_skipped_and_cut)
{
    char path[80];
    int n_states;
    make_path(path, sizeof path);
    write_some(path, 0, 0, 5);
    ck_assert(file_append(path, "{\"record\":\"deci", 15, NULL));
    ck_assert_int_eq(count_lines(path, &n_states), 6);
    write_some(path, 0, 0, 2);
    ck_assert_int_eq(count_lines(path, &n_states), 6 + 3);
    ck_assert_int_eq(n_states, 2); // a new writer starts from its own state
}
END_TEST

START_TEST(bad_lines_are_refused_by_field)
{
    static const char *const FIELDS[] = {"\"t\"",      "\"signals\"", "\"cpu\"",    "\"features\"", "\"mask\"",
                                         "\"guard\"",  "\"limits\"",  "\"reason\"", "\"target\"",   "\"written\"",
                                         "\"record\"", "\"kind\"",    "\"ood\"",    "\"outcome\"",  "\"rolling_out\""};
    static struct journal_record r;
    static struct journal_line line;
    struct rng rng;
    rng_init(&rng, 5, 2);
    fill(&rng, &r);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        CLEANUP_BUF struct buf text = {0};
        struct err e = {0};
        journal_encode(&r, &text);
        char *at = strstr(text.bytes, FIELDS[i]);
        ck_assert_ptr_nonnull(at);
        at[1] = '~';
        ck_assert_msg(!journal_decode(text.bytes, text.len - 1, &line, &e), "%s was not missed", FIELDS[i]);
        ck_assert_int_eq(e.code, ERR_FORMAT);
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strlen(FIELDS[i]) - 2, FIELDS[i] + 1);
        ck_assert_msg(strstr(e.message, name), "'%s' does not name %s", e.message, name);
    }
}
END_TEST

/* Three targets in one file: each opens once per file, and again once its past is forgotten. */
START_TEST(every_target_opens_by_itself_in_every_file)
{
    static const unsigned char STATE[300] = {1};
    static struct journal_record r;
    static const char *const NAMES[] = {"shop/a", "shop/b", "shop/c"};
    char path[80];
    unsigned files[3] = {0};
    struct journal *j;
    struct journal_reader *reader;
    static struct journal_line line;
    struct err e = {0};
    bool end = false;
    int opened[3] = {0}, decided[3] = {0};
    make_path(path, sizeof path);
    ck_assert_msg(journal_open(path, 0, 0, &j, &e), "%s", e.message);
    for (int i = 0; i < 30; i++) {
        struct journal_opening opening = opening_of(STATE);
        opening.target = NAMES[i % 3];
        snprintf(r.target.name, sizeof r.target.name, "%s", NAMES[i % 3]);
        if (i == 15)
            files[0] = 0; // forgotten
        ck_assert_msg(journal_turn(j, &files[i % 3], i, &opening, &e) && journal_write(j, &r, &e), "%s", e.message);
    }
    journal_close(j);
    ck_assert_msg(journal_read(path, &reader, &e), "%s", e.message);
    while (journal_next(reader, &line, &end, &e)) {
        const char *name = line.kind == JOURNAL_STATE ? line.target : line.record.target.name;
        int k = name[5] - 'a';
        opened[k] += line.kind == JOURNAL_STATE;
        decided[k] += line.kind == JOURNAL_DECISION;
        ck_assert_msg(opened[k] > 0, "line %d: %s decides before it opens", journal_line_number(reader), name);
    }
    ck_assert(end);
    journal_reader_close(reader);
    ck_assert_int_eq(opened[0], 2);
    ck_assert_int_eq(opened[1], 1);
    ck_assert_int_eq(opened[2], 1);
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(decided[k], 10);
}
END_TEST

/* A limit on the size of files stands for a full disk: half a line is written, then nothing more. */
START_TEST(a_full_disk_leaves_whole_lines_and_new_states)
{
    static const unsigned char STATE[300] = {1};
    static struct journal_record r;
    char path[80];
    unsigned file = 0;
    struct journal *j;
    struct err e = {0};
    struct rlimit before, limit;
    int n_states, n = 0;
    struct journal_opening opening = opening_of(STATE);
    make_path(path, sizeof path);
    ck_assert(journal_open(path, 0, 0, &j, &e));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    while (journal_turn(j, &file, n, &opening, &e) && journal_write(j, &r, &e))
        ck_assert_int_lt(++n, 100);
    ck_assert_int_eq(e.code, ERR_IO);
    ck_assert(!journal_turn(j, &file, n, &opening, &e)); // still full
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_msg(journal_turn(j, &file, n, &opening, &e) && journal_write(j, &r, &e), "%s", e.message);
    journal_close(j);
    struct journal_reader *reader;
    static struct journal_line line;
    bool end = false;
    n_states = 0;
    ck_assert(journal_read(path, &reader, &e));
    int n_decisions = 0;
    while (journal_next(reader, &line, &end, &e)) {
        n_states += line.kind == JOURNAL_STATE;
        n_decisions += line.kind == JOURNAL_DECISION;
    }
    ck_assert_msg(end, "%s", e.message);
    journal_reader_close(reader);
    ck_assert_int_eq(n_states, 2);
    ck_assert_int_eq(n_decisions, n + 1);
}
END_TEST

SUITE("journal", every_target_opens_by_itself_in_every_file, a_full_disk_leaves_whole_lines_and_new_states,
      records_read_back_to_the_same_bits, intents_read_back, rotates_by_size_and_every_file_opens_with_state,
      torn_ends_are_skipped_and_cut, bad_lines_are_refused_by_field)
