/* Events: one POST, then counts; ten alike become one; too many are kept back; what the server forgot, refused or left
 * unanswered; and nothing of it ever fails towards the one who tells. */
#include <maestro/event.h>

#include "fake_cluster.h"
#include "suite.h"

#include <maestro/clock.h>
#include <string.h>

static struct fake_cluster cluster;
static struct event_sender *sender;

/* The server's side: what came, and what to answer next. */
static struct {
    int posts, patches, n_replies;
    struct fake_reply replies[8]; /* in order, then 201 */
    char target[512], body[4096]; /* of the last request */
    char first_name[256];         /* of the first Event posted */
} server;

static struct fake_reply handle(void *context, const struct fake_request *request)
{
    (void)context;
    bool post = strcmp(request->method, "POST") == 0;
    server.posts += post;
    server.patches += strcmp(request->method, "PATCH") == 0;
    snprintf(server.target, sizeof server.target, "%s", request->target);
    snprintf(server.body, sizeof server.body, "%s", request->body);
    const char *name = strstr(request->body, "\"name\":\"");
    if (post && name && !*server.first_name)
        snprintf(server.first_name, sizeof server.first_name, "%.*s", (int)strcspn(name + 8, "\""), name + 8);
    int i = server.posts + server.patches - 1;
    return i < server.n_replies ? server.replies[i] : (struct fake_reply){.status = 201, .body = "{}"};
}

static void set_up(void)
{
    struct err e = {0};
    memset(&server, 0, sizeof server);
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = handle});
    struct event_config config = {.component = "maestro-autoscaler", .instance = "pod-1"};
    ck_assert_msg(event_open(&config, cluster.kube, &sender, &e), "%s", e.message);
}

static void tear_down(void)
{
    event_close(sender);
    fake_cluster_close(&cluster);
}

static void tell(const char *name, const char *message, double now_s)
{
    struct event event = {
        .space = "shop", .name = name, .uid = "u-1", .warning = true, .reason = "FailedGetScale", .message = message};
    event_tell(sender, &event, now_s);
}

static int send_all(double now_s)
{
    return event_send(sender, now_s, 20.0);
}

static void expect_body(const char *part)
{
    ck_assert_msg(strstr(server.body, part), "'%s' is not in: %s", part, server.body);
}

START_TEST(an_event_is_a_whole_object)
{
    set_up();
    tell("web", "cannot read \"it\"", 100);
    ck_assert_int_eq(server.posts, 0); // telling asks nobody
    ck_assert_int_eq(send_all(100), 0);
    ck_assert_int_eq(server.posts, 1);
    ck_assert_ptr_nonnull(strstr(server.target, "/api/v1/namespaces/shop/events?"));
    expect_body("{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"web.");
    expect_body(
        "\"namespace\":\"shop\"},\"involvedObject\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
        "\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-1\"},\"reason\":\"FailedGetScale\","
        "\"type\":\"Warning\",\"source\":{\"component\":\"maestro-autoscaler\"},"
        "\"reportingComponent\":\"maestro-autoscaler\",\"reportingInstance\":\"pod-1\",\"firstTimestamp\":\"20");
    expect_body("\"message\":\"cannot read \\\"it\\\"\"");
    expect_body("\"count\":1}");
    ck_assert_int_eq(send_all(101), 0);
    ck_assert_int_eq(server.posts + server.patches, 1); // nothing new, nothing sent
    tear_down();
}
END_TEST

START_TEST(the_same_again_is_a_count)
{
    set_up();
    tell("web", "m", 100);
    send_all(100);
    tell("web", "m", 101);
    tell("web", "m", 102);
    ck_assert_int_eq(send_all(114), 1); // one reason about one object: one call in 15 s
    ck_assert_int_eq(server.patches, 0);
    send_all(115);
    ck_assert_int_eq(server.posts, 1);
    ck_assert_int_eq(server.patches, 1);
    ck_assert_ptr_nonnull(strstr(server.target, server.first_name));
    expect_body("\"count\":3}");
    ck_assert_ptr_null(strstr(server.body, "involvedObject"));
    tell("db", "m", 116); // another object is another Event
    send_all(116);
    ck_assert_int_eq(server.posts, 2);
    ck_assert_uint_eq(event_sent(sender), 3);
    ck_assert_uint_eq(event_dropped(sender), 0);
    tear_down();
}
END_TEST

START_TEST(ten_alike_become_one)
{
    char message[32];
    set_up();
    for (int i = 0; i < 15; i++) {
        snprintf(message, sizeof message, "try %d", i);
        tell("web", message, 100 + 15 * i);
        send_all(100 + 15 * i);
    }
    ck_assert_int_eq(server.posts, 10); // nine of their own, and the one of all others
    ck_assert_int_eq(server.patches, 5);
    expect_body("\"message\":\"(combined from similar events): try 14\"");
    expect_body("\"count\":6}");
    tell("web", "try 3", 330); // one of the nine keeps its own
    send_all(330);
    expect_body("\"message\":\"try 3\"");
    tell("web", "later", 330 + 601); // forgotten after ten minutes
    send_all(931);
    expect_body("\"message\":\"later\"");
    tear_down();
}
END_TEST

START_TEST(too_many_are_kept_back)
{
    set_up();
    for (int i = 0; i < 40; i++) {
        tell("web", "m", 100);
        send_all(100 + 15 * i);
    }
    ck_assert_int_eq(server.posts + server.patches, 25);
    ck_assert_uint_eq(event_dropped(sender), 15);
    tell("web", "m", 399);
    send_all(700);
    ck_assert_int_eq(server.posts + server.patches, 25);
    tell("web", "m", 401); // one more after 300 s, and it knows how many there were
    send_all(715);
    ck_assert_int_eq(server.posts + server.patches, 26);
    expect_body("\"count\":42}");
    tell("db", "m", 401); // another object has its own
    send_all(730);
    ck_assert_int_eq(server.posts, 2);
    tear_down();
}
END_TEST

START_TEST(what_the_server_forgot_is_told_anew)
{
    set_up();
    server.replies[0] = (struct fake_reply){.status = 201, .body = "{}"};
    server.replies[1] = (struct fake_reply){.status = 404, .body = "{}"};
    server.n_replies = 2;
    tell("web", "m", 100);
    send_all(100);
    tell("web", "m", 4000);
    ck_assert_int_eq(send_all(4000), 0);
    ck_assert_int_eq(server.posts, 2);
    expect_body("\"count\":2}");
    tear_down();
}
END_TEST

START_TEST(a_lost_answer_is_found_again)
{
    set_up();
    server.replies[0] = (struct fake_reply){.cut_at_once = true};
    server.replies[1] = (struct fake_reply){.status = 409, .body = "{}"};
    server.n_replies = 2;
    tell("web", "m", 100);
    ck_assert_int_eq(send_all(100), 1);
    ck_assert_str_ne(event_why(sender), "");
    ck_assert_int_eq(send_all(105), 1); // not before ten seconds have passed
    ck_assert_int_eq(server.posts, 1);
    ck_assert_int_eq(send_all(110), 0);
    ck_assert_int_eq(server.posts, 2);
    ck_assert_int_eq(server.patches, 1);
    tear_down();
}
END_TEST

START_TEST(a_refusal_is_final)
{
    static const int statuses[] = {403, 404, 422};
    for (int i = 0; i < 3; i++) {
        set_up();
        server.replies[0] = (struct fake_reply){.status = statuses[i], .body = "{\"message\":\"no such right\"}"};
        server.n_replies = 1;
        tell("web", "m", 100);
        ck_assert_int_eq(send_all(100), 0);
        ck_assert_uint_eq(event_dropped(sender), 1);
        ck_assert_ptr_nonnull(strstr(event_why(sender), "no such right"));
        ck_assert_int_eq(send_all(200), 0);
        ck_assert_int_eq(server.posts, 1);
        tear_down();
    }
}
END_TEST

START_TEST(a_server_that_is_away_is_given_up)
{
    double now_s = 100;
    set_up();
    fake_http_close(cluster.server);
    cluster.server = NULL;
    tell("web", "m", now_s);
    tell("db", "m", now_s);
    ck_assert_int_eq(send_all(now_s), 2);
    for (int i = 0; i < 30; i++)
        send_all(now_s += 10);
    ck_assert_int_eq(send_all(now_s), 0);
    ck_assert_uint_eq(event_dropped(sender), 2);
    tear_down();
}
END_TEST

START_TEST(the_wait_that_is_asked_for)
{
    set_up();
    server.replies[0] = (struct fake_reply){.status = 429, .headers = "Retry-After: 60\r\n", .body = "{}"};
    server.n_replies = 1;
    tell("web", "m", 100);
    ck_assert_int_eq(send_all(100), 1);
    ck_assert_int_eq(send_all(159), 1);
    ck_assert_int_eq(server.posts, 1);
    ck_assert_int_eq(send_all(160), 0);
    tear_down();
}
END_TEST

START_TEST(sending_keeps_to_its_time)
{
    set_up();
    for (int i = 0; i < 8; i++)
        server.replies[i] = (struct fake_reply){.status = 201, .body = "{}", .delay_s = 0.1};
    server.n_replies = 8;
    for (int i = 0; i < 8; i++)
        tell((char[]){(char)('a' + i), '\0'}, "m", 100);
    double start_s = clock_monotonic_s();
    int waiting = event_send(sender, 100, 0.25);
    ck_assert_double_lt(clock_monotonic_s() - start_s, 2.0);
    ck_assert_int_ge(waiting, 5);
    for (int i = 0; i < 20 && waiting; i++)
        waiting = event_send(sender, 101 + 10 * i, 5.0);
    ck_assert_int_eq(waiting, 0);
    tear_down();
}
END_TEST

START_TEST(long_messages_are_cut_between_characters)
{
    char message[3001];
    set_up();
    for (int i = 0; i < 1500; i++)
        memcpy(message + 2 * i, "\xc3\xa4", 2);
    message[0] = 'x'; // then half a character lies at the limit
    message[1] = 'x';
    memmove(message + 1, message + 2, 2998);
    message[2999] = '\0';
    tell("web", message, 100);
    ck_assert_int_eq(send_all(100), 0);
    const char *at = strstr(server.body, "\"message\":\"x");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq((int)strcspn(at + 11, "\""), 1023);
    ck_assert_ptr_null(strstr(server.body, "\xef\xbf\xbd")); // no U+FFFD
    tear_down();
}
END_TEST

START_TEST(memory_stays_bounded)
{
    char name[32];
    set_up();
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "web-%d", i);
        tell(name, "m", 100 + i * 0.001);
    }
    ck_assert_int_le(event_send(sender, 200, 0.0), 4096);
    ck_assert_uint_ge(event_dropped(sender), 20000 - 4096);
    ck_assert_int_eq(server.posts, 0);
    tear_down();
}
END_TEST

/* A thousand targets lose and find their signals every 15 s, and each write is refused in other words. */
enum { MANY = 1000, ROUNDS = 90 };

static struct {
    double now_s;
    double sent_s[MANY][3]; /* of each target and reason */
    int n_calls, n_round, n_crowded;
} flood;

static const char *const REASONS[3] = {"SignalsLost", "SignalsBack", "FailedRescale"};

/* The Event's name opens with the target's, and each message here with its reason. */
static struct fake_reply count_flood(void *context, const struct fake_request *request)
{
    const char *at = strstr(request->target, "/web-");
    int target = -1, reason = 0;
    (void)context;
    at = at ? at + 1 : strstr(request->body, "\"web-") + 1;
    target = (int)strtol(at + 4, NULL, 10);
    while (reason < 2 && !strstr(request->body, REASONS[reason]))
        reason++;
    double *sent_s = &flood.sent_s[target][reason];
    flood.n_crowded += *sent_s > 0 && flood.now_s - *sent_s < 15;
    *sent_s = flood.now_s;
    flood.n_calls++;
    flood.n_round++;
    return (struct fake_reply){.status = 201, .body = "{}"};
}

static void tell_flood(int round)
{
    char name[16], message[64];
    for (int i = 0; i < MANY; i++) {
        const char *reason = REASONS[round % 9 == 0 ? 2 : round / 3 % 2];
        snprintf(name, sizeof name, "web-%d", i);
        snprintf(message, sizeof message, "%s %d", reason, round % 9 == 0 ? round : 0);
        event_tell(
            sender,
            &(struct event){.space = "shop", .name = name, .warning = true, .reason = reason, .message = message},
            flood.now_s);
    }
}

START_TEST(an_outage_of_a_thousand_targets_is_no_flood)
{
    struct err e = {0};
    memset(&flood, 0, sizeof flood);
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = count_flood});
    ck_assert_msg(event_open(&(struct event_config){.component = "maestro-autoscaler"}, cluster.kube, &sender, &e),
                  "%s", e.message);
    for (int round = 0; round < ROUNDS; round++) {
        flood.now_s = 100 + 5 * round;
        flood.n_round = 0;
        tell_flood(round);
        event_send(sender, flood.now_s, 20);
        ck_assert_int_le(flood.n_round, 50);
    }
    printf("%d sentences about %d targets in %d rounds: %d calls to the API server\n", MANY * ROUNDS, MANY, ROUNDS,
           flood.n_calls);
    ck_assert_int_eq(flood.n_crowded, 0);
    ck_assert_int_ge(flood.n_calls, 40 * ROUNDS); // and it is used
    int n_silent = 0;
    for (int i = 0; i < MANY; i++)
        n_silent += flood.sent_s[i][0] <= 0 && flood.sent_s[i][1] <= 0 && flood.sent_s[i][2] <= 0;
    ck_assert_int_eq(n_silent, 0); // every target was told of
    tear_down();
}
END_TEST

SUITE("event", an_event_is_a_whole_object, the_same_again_is_a_count, ten_alike_become_one, too_many_are_kept_back,
      what_the_server_forgot_is_told_anew, a_lost_answer_is_found_again, a_refusal_is_final,
      a_server_that_is_away_is_given_up, the_wait_that_is_asked_for, sending_keeps_to_its_time,
      long_messages_are_cut_between_characters, memory_stays_bounded, an_outage_of_a_thousand_targets_is_no_flood)
