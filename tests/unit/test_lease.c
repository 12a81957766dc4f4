/* Leader election on one Lease that a small server keeps: the record's life, races, lost answers, a server that fails, and
 * over random histories that there are never two leaders at one instant, whatever the candidates' clocks show. */
#include <maestro/lease.h>

#include "fake_cluster.h"
#include "suite.h"

#include <maestro/clock.h>
#include <maestro/rng.h>
#include <string.h>

/* The object that the server keeps, as a real one would: a resourceVersion for each write, 409 for an old one. */
static struct {
    bool exists;
    int version;
    char spec[1024], labels[64];
    int fail_status; /* so many answers, [fail_count], of this status */
    int fail_count;
    bool fail_writes_only;
    const char *fail_headers;
    int lose_count; /* so many writes are stored, but not answered */
    char last_body[2048];
} lease;

static struct fake_cluster cluster;
static struct rng rng;

static struct fake_reply show(const struct fake_request *request, int status)
{
    buf_printf(request->text,
               "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"m\",\"labels\":{%s},\"managedFields\":[{\"x\":1}],"
               "\"resourceVersion\":\"%d\"},\"spec\":%s}",
               lease.labels, lease.version, lease.spec);
    return (struct fake_reply){.status = status};
}

static struct fake_reply refuse(int status, const char *body)
{
    return (struct fake_reply){.status = status, .body = body};
}

/* Takes the spec, which our writers put last. */
static struct fake_reply store(const struct fake_request *request, int status)
{
    const char *spec = strstr(request->body, "\"spec\":");
    ck_assert_ptr_nonnull(spec);
    spec += strlen("\"spec\":");
    ck_assert_int_lt((int)strlen(spec), (int)sizeof lease.spec);
    memcpy(lease.spec, spec, strlen(spec) - 1);
    lease.spec[strlen(spec) - 1] = '\0';
    lease.version++;
    lease.exists = true;
    if (lease.lose_count > 0) {
        lease.lose_count--;
        return (struct fake_reply){.cut_at_once = true};
    }
    return show(request, status);
}

static struct fake_reply keep(void *context, const struct fake_request *request)
{
    char version[64];
    bool write = strcmp(request->method, "GET") != 0;
    (void)context;
    if (write)
        snprintf(lease.last_body, sizeof lease.last_body, "%s", request->body);
    if (lease.fail_count > 0 && (write || !lease.fail_writes_only)) {
        lease.fail_count--;
        return (struct fake_reply){.status = lease.fail_status, .headers = lease.fail_headers, .body = "{}"};
    }
    if (strcmp(request->method, "POST") == 0)
        return lease.exists ? refuse(409, "{\"message\":\"already exists\"}") : store(request, 201);
    if (!lease.exists)
        return refuse(404, "{\"message\":\"not found\"}");
    if (!write)
        return show(request, 200);
    snprintf(version, sizeof version, "\"resourceVersion\":\"%d\"", lease.version);
    return strstr(request->body, version) ? store(request, 200) : refuse(409, "{\"message\":\"modified\"}");
}

static void set_up(void)
{
    memset(&lease, 0, sizeof lease);
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = keep});
}

static void tear_down(void)
{
    fake_cluster_close(&cluster);
}

static struct lease *candidate(const char *identity)
{
    struct lease_config config = {.space = "shop", .name = "m", .identity = identity};
    struct lease *l = NULL;
    struct err e = {0};
    ck_assert_msg(lease_open(&config, cluster.kube, &l, &e), "%s", e.message);
    return l;
}

/* Somebody else's record, whose times are nonsense to us. */
static void put_foreign(const char *holder, int duration_s, const char *renewed)
{
    snprintf(lease.spec, sizeof lease.spec,
             "{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"acquireTime\":\"%s\",\"renewTime\":\"%s\","
             "\"leaseTransitions\":3}",
             holder, duration_s, renewed, renewed);
    lease.exists = true;
    lease.version++;
}

static bool leads(const struct lease *l, double now_s)
{
    return now_s < lease_deadline_s(l);
}

static void expect_record(const char *part)
{
    ck_assert_msg(strstr(lease.spec, part), "'%s' is not in: %s", part, lease.spec);
}

/* "acquireTime":"2026-03-01T12:00:00.000000Z": six digits, or the API server refuses it. */
static void copy_time(const char *key, char out[32])
{
    char *at = strstr(lease.spec, key);
    ck_assert_ptr_nonnull(at);
    snprintf(out, 32, "%.27s", at + strlen(key) + 3);
    ck_assert_msg(strlen(out) == 27 && out[19] == '.' && out[26] == 'Z' && strspn(out + 20, "0123456789") == 6, "%s",
                  out);
}

START_TEST(the_first_creates_and_renews)
{
    char acquired[32], renewed[32], later[32];
    set_up();
    struct lease *a = candidate("a");
    ck_assert(!leads(a, 1000));
    ck_assert_str_eq(lease_holder(a), "");
    double next_s = lease_step(a, 1000);
    ck_assert_double_eq(lease_deadline_s(a), 1010); // from the start of the write
    ck_assert(next_s >= 1002 && next_s < 1003);
    ck_assert_str_eq(lease_holder(a), "a");
    ck_assert_str_eq(lease_why(a), "");
    expect_record("\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,");
    expect_record("\"leaseTransitions\":0");
    copy_time("acquireTime", acquired);
    copy_time("renewTime", renewed);
    ck_assert_str_eq(acquired, renewed);

    snprintf(lease.labels, sizeof lease.labels, "\"team\":\"x\"");
    lease.version++;
    lease_step(a, 1002); // somebody labelled it: 409, read again, written
    ck_assert_double_eq(lease_deadline_s(a), 1012);
    ck_assert_ptr_nonnull(strstr(lease.last_body, "\"labels\":{\"team\":\"x\"}"));
    ck_assert_ptr_null(strstr(lease.last_body, "managedFields"));
    expect_record("\"leaseTransitions\":0");
    copy_time("acquireTime", later);
    ck_assert_str_eq(acquired, later);
    copy_time("renewTime", later);
    ck_assert_str_ne(renewed, later);
    int before = fake_http_requests(cluster.server);
    lease_step(a, 1004);
    ck_assert_int_eq(fake_http_requests(cluster.server), before + 1); // a quiet renewal is one request
    lease_close(a);
    tear_down();
}
END_TEST

START_TEST(others_clocks_do_not_count)
{
    static const char *const times[] = {"1999-01-01T00:00:00.000000Z", "2199-01-01T00:00:00.000000Z"};
    for (int i = 0; i < 2; i++) {
        set_up();
        struct lease *b = candidate("b");
        put_foreign("a", 15, times[i]);
        double next_s = lease_step(b, 100);
        ck_assert(!leads(b, 100));
        ck_assert(next_s >= 102 && next_s < 105); // 2 to 4.4 s
        ck_assert_str_eq(lease_holder(b), "a");
        ck_assert_str_eq(lease_why(b), "held by 'a'");
        lease_step(b, 114.5);
        ck_assert(!leads(b, 114.5));
        put_foreign("a", 15, times[1 - i]); // it changed: fifteen seconds more
        lease_step(b, 114.8);
        lease_step(b, 129.5);
        ck_assert(!leads(b, 129.5));
        lease_step(b, 130);
        ck_assert_double_eq(lease_deadline_s(b), 140);
        expect_record("\"leaseTransitions\":4");
        lease_close(b);
        tear_down();
    }
}
END_TEST

START_TEST(the_record_s_own_duration_counts)
{
    set_up();
    struct lease *b = candidate("b");
    put_foreign("a", 60, "2026-01-01T00:00:00.000000Z");
    lease_step(b, 100);
    lease_step(b, 159);
    ck_assert(!leads(b, 159));
    lease_step(b, 161);
    ck_assert(leads(b, 161));
    lease_close(b);
    tear_down();
}
END_TEST

START_TEST(a_sleeper_finds_itself_replaced)
{
    set_up();
    struct lease *a = candidate("a"), *b = candidate("b");
    lease_step(a, 0.5);
    lease_step(b, 0.5);
    ck_assert(leads(a, 10.4) && !leads(a, 10.6)); // stops by itself, unasked
    lease_step(b, 16);
    ck_assert(leads(b, 16));
    lease_step(a, 16);
    ck_assert_double_eq(lease_deadline_s(a), 0);
    ck_assert_str_eq(lease_holder(a), "b");
    ck_assert_str_eq(lease_why(a), "held by 'b'");
    lease_step(b, 18);
    ck_assert(leads(b, 18));
    lease_close(a);
    lease_close(b);
    tear_down();
}
END_TEST

START_TEST(what_is_released_is_taken_at_once)
{
    set_up();
    struct lease *a = candidate("a"), *b = candidate("b");
    lease_step(a, 1);
    lease_step(b, 1);
    lease_release(b); // not its own: nothing happens
    expect_record("\"holderIdentity\":\"a\"");
    lease_release(a);
    ck_assert_double_eq(lease_deadline_s(a), 0);
    expect_record("\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,");
    expect_record("\"leaseTransitions\":0");
    lease_step(b, 2);
    ck_assert(leads(b, 2));
    expect_record("\"leaseTransitions\":1");
    lease_close(a);
    lease_close(b);
    tear_down();
}
END_TEST

START_TEST(a_lost_race_is_no_lease)
{
    set_up();
    struct lease *b = candidate("b");
    put_foreign("", 1, "2026-01-01T00:00:00.000000Z");
    lease.fail_status = 409;
    lease.fail_count = 1;
    lease.fail_writes_only = true;
    lease_step(b, 5);
    ck_assert(!leads(b, 5));
    ck_assert_ptr_nonnull(strstr(lease_why(b), "409"));
    lease_step(b, 8);
    ck_assert(leads(b, 8));
    lease_close(b);
    tear_down();
}
END_TEST

START_TEST(a_failing_server_ends_leadership_in_time)
{
    set_up();
    struct lease *a = candidate("a");
    lease_step(a, 100);
    lease.fail_status = 500;
    lease.fail_count = 1000;
    double next_s = lease_step(a, 102);
    ck_assert(next_s >= 104 && next_s < 105); // no jitter: time is short
    ck_assert_double_eq(lease_deadline_s(a), 110);
    ck_assert_ptr_nonnull(strstr(lease_why(a), "500"));
    lease_step(a, 109);
    ck_assert_double_eq(lease_deadline_s(a), 110);
    lease_step(a, 110);
    ck_assert_double_eq(lease_deadline_s(a), 0);
    lease.fail_status = 429;
    lease.fail_headers = "Retry-After: 30\r\n";
    ck_assert_double_ge(lease_step(a, 112), 127); // as asked, but no longer than a lease
    ck_assert_double_lt(lease_step(a, 112), 128);
    lease.fail_count = 0;
    lease_step(a, 127); // still its own record
    ck_assert(leads(a, 127));
    expect_record("\"leaseTransitions\":0");
    lease_close(a);
    tear_down();
}
END_TEST

START_TEST(an_answer_that_is_lost_counts_for_nothing)
{
    set_up();
    struct lease *a = candidate("a");
    lease_step(a, 100);
    lease.lose_count = 1;
    lease_step(a, 102); // stored, but we cannot know
    ck_assert_double_eq(lease_deadline_s(a), 110);
    lease_step(a, 104);
    ck_assert_double_eq(lease_deadline_s(a), 114);
    lease_close(a);
    tear_down();
}
END_TEST

START_TEST(a_deleted_lease_is_made_anew)
{
    set_up();
    struct lease *a = candidate("a"), *b = candidate("b");
    lease_step(a, 100);
    lease.exists = false;
    lease_step(a, 102);
    ck_assert_double_eq(lease_deadline_s(a), 112);
    lease.exists = false;
    lease_step(b, 103);
    ck_assert(leads(b, 103));
    lease_step(a, 104);
    ck_assert_double_eq(lease_deadline_s(a), 0);
    lease_close(a);
    lease_close(b);
    tear_down();
}
END_TEST

/* Deeper than our writer goes. */
#define FIVE_OBJECTS "{\"x\":{\"x\":{\"x\":{\"x\":{\"x\":"
#define FIVE_ENDS "}}}}}"
#define TOO_DEEP FIVE_OBJECTS FIVE_OBJECTS FIVE_OBJECTS FIVE_OBJECTS "1" FIVE_ENDS FIVE_ENDS FIVE_ENDS FIVE_ENDS

START_TEST(records_that_make_no_sense_are_not_overwritten)
{
    static const char *const specs[] = {"[]", "{\"leaseDurationSeconds\":\"x\"}", "{\"leaseTransitions\":-1}",
                                        "{\"leaseDurationSeconds\":1e300}", TOO_DEEP};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        set_up();
        struct lease *a = candidate("a");
        lease.exists = true;
        lease.version = 7;
        snprintf(lease.spec, sizeof lease.spec, "%s", specs[i]);
        lease_step(a, 1);
        ck_assert(!leads(a, 1));
        ck_assert_str_ne(lease_why(a), "");
        ck_assert_str_eq(lease.spec, specs[i]);
        lease_close(a);
        tear_down();
    }
}
END_TEST

START_TEST(senseless_durations_are_refused)
{
    static const struct lease_config rows[] = {
        {.space = "s", .name = "n", .identity = ""},
        {.space = "s", .name = "n", .identity = "a", .duration_s = 10},
        {.space = "s", .name = "n", .identity = "a", .duration_s = 15.5},
        {.space = "s", .name = "n", .identity = "a", .duration_s = -1},
        {.space = "s", .name = "n", .identity = "a", .renew_deadline_s = 2.4},
        {.space = "s", .name = "n", .identity = "a", .renew_deadline_s = 15},
        {.space = "s", .name = "n", .identity = "a", .retry_s = -1},
    };
    set_up();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lease *l = NULL;
        struct err e = {0};
        ck_assert(!lease_open(&rows[i], cluster.kube, &l, &e));
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert_ptr_null(l);
    }
    tear_down();
}
END_TEST

#define CANDIDATES 3

/* One random thing that befalls the server or the object. */
static void befall(void)
{
    switch (rng_bounded(&rng, 60)) {
    case 0:
        lease.fail_status = rng_bounded(&rng, 2) ? 500 : 409;
        lease.fail_count = 1 + (int)rng_bounded(&rng, 4);
        lease.fail_writes_only = rng_bounded(&rng, 2) == 0;
        break;
    case 1:
        lease.lose_count = 1 + (int)rng_bounded(&rng, 2);
        break;
    case 2:
        lease.version++; // a foreign hand on its labels
        break;
    default:
        break;
    }
}

/* Candidates step when they like, sleep, release; each has its own clock. Returns how often the leader changed. */
static int live(uint64_t seed)
{
    static const double offset_s[CANDIDATES] = {0, 1e6, 12345.678};
    struct lease *all[CANDIDATES];
    double next_s[CANDIDATES] = {0}; // by the common time
    int leader = -1, changes = 0;
    rng_init(&rng, seed, 0);
    set_up();
    for (int i = 0; i < CANDIDATES; i++)
        all[i] = candidate((char[]){(char)('a' + i), '\0'});
    for (double now_s = 1; now_s < 600; now_s += 0.5) {
        int leaders = 0;
        befall();
        for (int i = 0; i < CANDIDATES; i++) {
            if (now_s >= next_s[i])
                next_s[i] = lease_step(all[i], now_s + offset_s[i]) - offset_s[i];
            if (rng_bounded(&rng, 80) == 0)
                next_s[i] = now_s + 30; // stopped for a while
            if (rng_bounded(&rng, 400) == 0)
                lease_release(all[i]);
        }
        for (int i = 0; i < CANDIDATES; i++) {
            if (!leads(all[i], now_s + offset_s[i]))
                continue;
            leaders++;
            changes += leader != i;
            leader = i;
        }
        ck_assert_msg(leaders <= 1, "seed %d: %d leaders at %g s", (int)seed, leaders, now_s);
    }
    for (int i = 0; i < CANDIDATES; i++)
        lease_close(all[i]);
    tear_down();
    return changes;
}

START_TEST(never_two_leaders)
{
    int changes = 0;
    for (uint64_t seed = 1; seed <= 15; seed++)
        changes += live(seed);
    ck_assert_int_gt(changes, 60); // the lease went round, so the property was tried
}
END_TEST

SUITE("lease", the_first_creates_and_renews, others_clocks_do_not_count, the_record_s_own_duration_counts,
      a_sleeper_finds_itself_replaced, what_is_released_is_taken_at_once, a_lost_race_is_no_lease,
      a_failing_server_ends_leadership_in_time, an_answer_that_is_lost_counts_for_nothing, a_deleted_lease_is_made_anew,
      records_that_make_no_sense_are_not_overwritten, senseless_durations_are_refused, never_two_leaders)
