/* The Kubernetes client against a scripted server: what each status means, who asks with which token, lists that are cut
 * into pages and forgotten half way, the scale subresource, and answers that no API server gives. */
#include <maestro/kube.h>

#include "fake_cluster.h"
#include "suite.h"

#include "../../src/net/kube_ask.h"

#include <maestro/clock.h>
#include <string.h>

static struct fake_cluster cluster;
static struct kube_answer answer;

static void open_script(const struct fake_reply *script, int n)
{
    fake_cluster_open(&cluster, &(struct fake_http_config){.script = script, .n_script = n});
}

static void close_all(void)
{
    kube_answer_finish(&answer);
    fake_cluster_close(&cluster);
}

static bool get(const char *path)
{
    return kube_do(cluster.kube, &(struct kube_call){.verb = KUBE_GET, .path = path}, &answer);
}

static void expect_sent(const char *part)
{
    struct buf last = {0};
    fake_http_last(cluster.server, &last);
    ck_assert_msg(last.len && strstr(last.bytes, part), "'%s' is not in:\n%s", part, last.len ? last.bytes : "");
    buf_finish(&last);
}

static void expect_not_sent(const char *part)
{
    struct buf last = {0};
    fake_http_last(cluster.server, &last);
    ck_assert_msg(last.len && !strstr(last.bytes, part), "'%s' is in:\n%s", part, last.len ? last.bytes : "");
    buf_finish(&last);
}

static void expect_why(const char *part)
{
    ck_assert_msg(strstr(answer.why.message, part), "'%s' is not in: %s", part, answer.why.message);
}

/* A refusal as the API server words it; the code is not the status, so that a test sees which of them counts. */
#define REFUSAL(says) "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"" says "\"}"

START_TEST(each_status_has_its_meaning)
{
    static const struct {
        int status;
        enum kube_outcome outcome;
    } rows[] = {
        {400, KUBE_INVALID}, {401, KUBE_UNAUTHORIZED}, {403, KUBE_FORBIDDEN}, {404, KUBE_NOT_FOUND},
        {405, KUBE_INVALID}, {409, KUBE_CONFLICT},     {410, KUBE_EXPIRED},   {415, KUBE_INVALID},
        {422, KUBE_INVALID}, {429, KUBE_THROTTLED},    {500, KUBE_BROKEN},    {502, KUBE_BROKEN},
        {503, KUBE_BROKEN},  {504, KUBE_BROKEN},       {301, KUBE_BROKEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake_reply script = {.status = rows[i].status, .body = REFUSAL("no web for you")};
        char status[16];
        open_script(&script, 1);
        struct kube_call call = {.verb = KUBE_REPLACE, .path = "/apis/apps/v1/x", .body = "{}"};
        ck_assert(!kube_do(cluster.kube, &call, &answer));
        ck_assert_msg(answer.outcome == rows[i].outcome, "%d is %s", rows[i].status, kube_outcome_name(answer.outcome));
        ck_assert_int_eq((int)answer.status, rows[i].status);
        expect_why("PUT /apis/apps/v1/x");
        expect_why("no web for you");
        snprintf(status, sizeof status, "%d", rows[i].status);
        expect_why(status);
        ck_assert_int_eq(fake_http_requests(cluster.server), 1); // a write is never repeated by itself
        close_all();
    }
}
END_TEST

START_TEST(a_server_that_is_away_is_unreachable)
{
    static const struct fake_reply script = {.cut_at_once = true};
    open_script(&script, 1);
    ck_assert(!get("/api/v1/namespaces"));
    ck_assert_int_eq(answer.outcome, KUBE_UNREACHABLE);
    ck_assert_int_eq((int)answer.status, 0);
    expect_why("GET /api/v1/namespaces: ");
    close_all();
}
END_TEST

START_TEST(what_is_no_json_is_broken)
{
    static const struct fake_reply script[] = {
        {.headers = "Content-Type: text/html\r\n", .body = "<html>"},
        {.headers = "Content-Type: application/json\r\n", .body = "{\"kind\":"},
        {.headers = "Content-Type: application/json\r\n", .body = ""},
        {.status = 503, .body = "no healthy upstream\nmore"},
    };
    open_script(script, 4);
    ck_assert(!get("/version"));
    ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    expect_why("text/html");
    ck_assert(!get("/version"));
    ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    expect_why("the JSON ends too early");
    ck_assert(!get("/version"));
    ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    struct kube_call call = {.verb = KUBE_DELETE, .path = "/x"};
    ck_assert(!kube_do(cluster.kube, &call, &answer));
    expect_why("503: no healthy upstream");
    close_all();
}
END_TEST

START_TEST(a_long_reason_loses_its_middle)
{
    static char text[4096];
    struct fake_reply script = {.status = 422, .body = text};
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "{\"message\":\"it begins", 21);
    memcpy(text + 3000, "and ends\"}", 11);
    open_script(&script, 1);
    ck_assert(!get("/x"));
    expect_why("it begins");
    expect_why(" ... x");
    expect_why("and ends");
    ck_assert_int_lt((int)strlen(answer.why.message), 300);
    close_all();
}
END_TEST

START_TEST(the_longer_wait_is_obeyed)
{
    static const struct fake_reply script[] = {
        {.status = 429, .headers = "Retry-After: 2\r\n", .body = "{\"details\":{\"retryAfterSeconds\":7}}"},
        {.status = 429, .headers = "Retry-After: 9\r\n", .body = "{\"details\":{\"retryAfterSeconds\":7}}"},
        {.status = 500, .body = "{\"details\":{\"retryAfterSeconds\":1e300}}"},
        {.status = 500, .body = "{\"details\":{\"retryAfterSeconds\":-5}}"},
    };
    static const double wanted_s[] = {7, 9, 3600, 0};
    open_script(script, 4);
    for (int i = 0; i < 4; i++) {
        struct kube_call call = {.verb = KUBE_CREATE, .path = "/x", .body = "{}"};
        ck_assert(!kube_do(cluster.kube, &call, &answer));
        ck_assert_double_eq(answer.retry_after_s, wanted_s[i]);
    }
    close_all();
}
END_TEST

/* Lets in whoever brings the token "second". */
static struct fake_reply second_only(void *context, const struct fake_request *request)
{
    char value[64] = "";
    (void)context;
    fake_http_header(request, "Authorization", value, sizeof value);
    if (strcmp(value, "Bearer second") == 0)
        return (struct fake_reply){.body = "{\"kind\":\"List\"}"};
    return (struct fake_reply){.status = 401, .body = REFUSAL("Unauthorized")};
}

START_TEST(a_refused_token_is_read_again_at_once)
{
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = second_only});
    ck_assert(!get("/x"));
    ck_assert_int_eq(answer.outcome, KUBE_UNAUTHORIZED);
    expect_why("the credentials of user 'u' of ");
    ck_assert_int_eq(fake_http_requests(cluster.server), 1); // the same token is not tried twice

    fake_cluster_write(cluster.token_path, "second");
    ck_assert_msg(get("/x"), "%s", answer.why.message);
    ck_assert_int_eq(fake_http_requests(cluster.server), 3);
    ck_assert_ptr_nonnull(answer.object.root);

    ck_assert_int_eq(unlink(cluster.token_path), 0); // what cannot be read leaves the old one
    ck_assert(get("/x"));
    ck_assert_int_eq(fake_http_requests(cluster.server), 4);
    close_all();
}
END_TEST

START_TEST(a_password_is_sent)
{
    static const struct fake_reply script = {.body = "{}"};
    char text[512];
    struct kube *other = NULL;
    struct err e = {0};
    open_script(&script, 1);
    snprintf(text, sizeof text,
             "current-context: c\nclusters: [{name: k, cluster: {server: '%s/prefix/'}}]\n"
             "users: [{name: u, user: {username: me, password: 'p:w'}}]\ncontexts: [{name: c, context: {cluster: k, "
             "user: u}}]\n",
             fake_http_url(cluster.server));
    fake_cluster_write(cluster.path, text);
    struct kube_config config = {.kubeconfig = cluster.path, .user_agent = "maestro-x/1"};
    ck_assert_msg(kube_open(&config, &other, &e), "%s", e.message);
    ck_assert(kube_do(other, &(struct kube_call){.verb = KUBE_GET, .path = "/x"}, &answer));
    expect_sent("GET /prefix/x HTTP/1.1");
    expect_sent("Authorization: Basic bWU6cDp3\r\n");
    expect_sent("User-Agent: maestro-x/1\r\n");
    ck_assert_str_eq(kube_namespace(other), "default");
    ck_assert_str_eq(kube_namespace(cluster.kube), "shop");
    kube_close(other);
    close_all();
}
END_TEST

START_TEST(writes_say_who_they_are)
{
    static const struct fake_reply script = {.body = "{}"};
    open_script(&script, 1);
    struct kube_call call = {.verb = KUBE_MERGE_PATCH, .path = "/x", .body = "{\"a\":1}", .dry_run = true};
    ck_assert(kube_do(cluster.kube, &call, &answer));
    expect_sent("PATCH /x?fieldManager=maestro&fieldValidation=Strict&dryRun=All HTTP/1.1");
    expect_sent("Content-Type: application/merge-patch+json");
    expect_sent("Authorization: Bearer first");
    expect_sent("{\"a\":1}");
    call = (struct kube_call){.verb = KUBE_CREATE, .path = "/x?pretty=0", .body = "{}"};
    ck_assert(kube_do(cluster.kube, &call, &answer));
    expect_sent("POST /x?pretty=0&fieldManager=maestro&fieldValidation=Strict HTTP/1.1");
    expect_sent("Content-Type: application/json");
    call = (struct kube_call){.verb = KUBE_DELETE, .path = "/x", .dry_run = true};
    ck_assert(kube_do(cluster.kube, &call, &answer));
    expect_sent("DELETE /x?dryRun=All HTTP/1.1");
    ck_assert(get("/x"));
    expect_sent("GET /x HTTP/1.1");
    expect_not_sent("Content-Type");
    close_all();
}
END_TEST

/* What a walk saw: names in order, and how often it began. */
struct seen {
    int n, begun, stop_after, n_unreadable;
    char names[64];
};

static void begin(void *context)
{
    struct seen *seen = context;
    seen->begun++;
    seen->n = 0;
    seen->names[0] = '\0';
}

static bool each(void *context, const struct json *object)
{
    struct seen *seen = context;
    const char *name = "?";
    json_as_text(json_find(object, "name"), &name);
    size_t length = strlen(seen->names);
    snprintf(seen->names + length, sizeof seen->names - length, "%s", name);
    return ++seen->n != seen->stop_after;
}

static void unreadable(void *context, const struct err *why)
{
    struct seen *seen = context;
    ck_assert_int_eq(why->code, ERR_FORMAT);
    ck_assert_msg(strstr(why->message, "shop/odd: "), "%s", why->message);
    seen->n_unreadable++;
}

static bool list(struct seen *seen, const char *path, const char *selector)
{
    struct kube_walk walk = {.context = seen, .begin = begin, .each = each};
    return kube_list(cluster.kube, path, selector, &walk, &answer);
}

#define PAGE(items, next) "{\"metadata\":{\"continue\":\"" next "\"},\"items\":[" items "]}"

START_TEST(a_list_is_read_page_by_page)
{
    static const struct fake_reply script[] = {
        {.body = PAGE("{\"name\":\"a\",\"x\":[1,{\"y\":\"}]\\\"\"}]} , {\"name\":\"b\"}", "t=1&/")},
        {.body = "{\"items\": [ {\"name\":\"c\"} ] , \"metadata\":{}}"},
    };
    struct seen seen = {0};
    open_script(script, 2);
    ck_assert_msg(list(&seen, "/apis/apps/v1/deployments", "tier in (web),x"), "%s", answer.why.message);
    ck_assert_str_eq(seen.names, "abc");
    ck_assert_int_eq(seen.begun, 1);
    expect_sent(
        "GET /apis/apps/v1/deployments?limit=250&labelSelector=tier%20in%20%28web%29%2Cx&continue=t%3D1%26%2F ");
    close_all();
}
END_TEST

START_TEST(a_forgotten_list_begins_anew)
{
    static const struct fake_reply script[] = {
        {.body = PAGE("{\"name\":\"a\"}", "t1")},
        {.status = 410, .body = REFUSAL("The provided continue parameter is too old")},
        {.body = PAGE("{\"name\":\"b\"}", "t2")},
        {.body = PAGE("{\"name\":\"c\"}", "")},
    };
    struct seen seen = {0};
    open_script(script, 4);
    ck_assert_msg(list(&seen, "/x", NULL), "%s", answer.why.message);
    ck_assert_str_eq(seen.names, "bc");
    ck_assert_int_eq(seen.begun, 2);
    ck_assert_int_eq(answer.outcome, KUBE_DONE);
    close_all();
}
END_TEST

START_TEST(a_list_that_is_always_forgotten_gives_up)
{
    static const struct fake_reply script = {.status = 410, .body = REFUSAL("too old")};
    struct seen seen = {0};
    open_script(&script, 1);
    ck_assert(!list(&seen, "/x", NULL));
    ck_assert_int_eq(answer.outcome, KUBE_EXPIRED);
    ck_assert_int_eq(seen.begun, 3);
    close_all();
}
END_TEST

START_TEST(a_list_can_be_stopped)
{
    static const struct fake_reply script = {.body =
                                                 PAGE("{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}", "more")};
    struct seen seen = {.stop_after = 2};
    open_script(&script, 1);
    ck_assert(list(&seen, "/x?fieldSelector=a", ""));
    ck_assert_str_eq(seen.names, "ab");
    expect_sent("GET /x?fieldSelector=a&limit=250 ");
    ck_assert_int_eq(fake_http_requests(cluster.server), 1);
    close_all();
}
END_TEST

START_TEST(broken_lists_are_refused)
{
    static const char *const bodies[] = {
        "{\"metadata\":{}}",
        "{\"items\":[{\"name\":\"a\"}",
        "{\"items\":[{\"name\":\"a\"},]}",
        "{\"items\":[{\"name\":\"a\"} {\"name\":\"b\"}]}",
        "{\"items\":[01]}",
        "{\"items\":[,]}",
        "{\"items\":[{\"name\":\"a\"}],\"items\":[]}",
        "{\"items\":{}}",
        "{\"items\":[\"a]}",
        "{\"items\":   ",
        "{\"items\":[1}}",
        "{\"\\u0069tems\":[1]}",
        "[]",
        "",
        "{\"items\":[{\"name\":\"a\"}]} x",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct fake_reply script = {.body = bodies[i]};
        struct seen seen = {0};
        open_script(&script, 1);
        ck_assert_msg(!list(&seen, "/x", NULL), "accepted: %s", bodies[i]);
        ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
        close_all();
    }
}
END_TEST

/* A pod's arguments may hold a NUL: `tr '\n' '\0'` in double quotes of YAML does. */
START_TEST(a_nul_in_a_text_is_read)
{
    struct fake_reply script = {.body = PAGE("{\"name\":\"a\\u0000b\"},{\"name\":\"c\\\\u0000\"}", "")};
    struct seen seen = {0};
    open_script(&script, 1);
    ck_assert_msg(list(&seen, "/x", NULL), "%s", answer.why.message);
    ck_assert_str_eq(seen.names, "a\xef\xbf\xbd"
                                 "bc\\u0000");
    struct kube_call call = {.verb = KUBE_GET, .path = "/x"};
    ck_assert_msg(kube_do(cluster.kube, &call, &answer), "%s", answer.why.message);
    close_all();
}
END_TEST

START_TEST(an_unreadable_item_is_told_of_and_passed)
{
    struct fake_reply script = {.body =
                                    PAGE("{\"name\":\"a\"},{\"x\":1,\"x\":2,\"metadata\":{\"name\":\"odd\",\"labels\":"
                                         "{\"name\":\"inner\"},\"namespace\":\"shop\"}},{\"name\":\"b\"}",
                                         "")};
    struct seen seen = {0};
    struct kube_walk walk = {.context = &seen, .begin = begin, .each = each, .unreadable = unreadable};
    open_script(&script, 1);
    ck_assert_msg(kube_list(cluster.kube, "/x", NULL, &walk, &answer), "%s", answer.why.message);
    ck_assert_str_eq(seen.names, "ab");
    ck_assert_int_eq(seen.n_unreadable, 1);
    ck_assert(!list(&seen, "/x", NULL));
    expect_why("shop/odd: ");
    close_all();
}
END_TEST

START_TEST(a_list_that_repeats_a_page_ends)
{
    static const struct fake_reply script = {.body = PAGE("", "same")};
    struct seen seen = {0};
    open_script(&script, 1);
    ck_assert(!list(&seen, "/x", NULL));
    ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    expect_why("the same page again");
    close_all();
}
END_TEST

START_TEST(an_empty_list_may_be_null)
{
    static const struct fake_reply script = {.body = "{\"metadata\":{},\"items\":null}"};
    struct seen seen = {0};
    open_script(&script, 1);
    ck_assert(list(&seen, "/x", NULL));
    ck_assert_int_eq(seen.n, 0);
    close_all();
}
END_TEST

START_TEST(the_scale_is_read)
{
    static const struct fake_reply script[] = {
        {.body = "{\"metadata\":{\"resourceVersion\":\"77\"},\"spec\":{\"replicas\":3},"
                 "\"status\":{\"replicas\":2,\"selector\":\"app=web\"}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"78\"},\"spec\":{},\"status\":{\"replicas\":0}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"78\"},\"spec\":{\"replicas\":-1}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"78\"},\"spec\":{\"replicas\":1.5}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"78\"},\"spec\":{\"replicas\":\"3\"}}"},
        {.body = "[1]"},
    };
    struct kube_scale scale = {0};
    open_script(script, 6);
    ck_assert_msg(kube_scale_get(cluster.kube, "shop", "web", &scale, &answer), "%s", answer.why.message);
    ck_assert_int_eq(scale.spec_replicas, 3);
    ck_assert_int_eq(scale.status_replicas, 2);
    ck_assert_str_eq(scale.resource_version, "77");
    ck_assert_str_eq(scale.selector, "app=web");
    expect_sent("GET /apis/apps/v1/namespaces/shop/deployments/web/scale ");
    ck_assert(kube_scale_get(cluster.kube, "shop", "web", &scale, &answer));
    ck_assert_int_eq(scale.spec_replicas, 0); // absent is zero
    ck_assert_str_eq(scale.selector, "");
    for (int i = 0; i < 4; i++) {
        ck_assert(!kube_scale_get(cluster.kube, "shop", "web", &scale, &answer));
        ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    }
    ck_assert_str_eq(scale.resource_version, "78"); // untouched by what failed
    close_all();
}
END_TEST

START_TEST(the_scale_is_written)
{
    static const struct fake_reply script = {.body = "{}"};
    open_script(&script, 1);
    ck_assert(kube_scale_patch(cluster.kube, "shop", "a/b", 5, "77", false, &answer));
    expect_sent("PATCH /apis/apps/v1/namespaces/shop/deployments/a%2Fb/scale?fieldManager=maestro");
    expect_sent("{\"metadata\":{\"resourceVersion\":\"77\"},\"spec\":{\"replicas\":5}}");
    expect_not_sent("dryRun");
    ck_assert(kube_scale_patch(cluster.kube, "shop", "web", 0, "", true, &answer));
    expect_sent("dryRun=All");
    expect_sent("\n{\"spec\":{\"replicas\":0}}");
    close_all();
}
END_TEST

START_TEST(rights_are_asked_for)
{
    static const struct fake_reply script[] = {
        {.status = 201, .body = "{\"status\":{\"allowed\":true}}"},
        {.status = 201, .body = "{\"status\":{\"allowed\":false,\"reason\":\"no\"}}"},
        {.status = 201, .body = "{}"},
    };
    struct kube_right right = {"patch", "apps", "deployments", "scale", "shop", NULL};
    bool allowed = false;
    open_script(script, 3);
    ck_assert(kube_may(cluster.kube, &right, &allowed, &answer));
    ck_assert(allowed);
    expect_sent("{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":"
                "{\"resourceAttributes\":{\"verb\":\"patch\",\"group\":\"apps\",\"resource\":\"deployments\","
                "\"subresource\":\"scale\",\"namespace\":\"shop\"}}}");
    ck_assert(kube_may(cluster.kube, &right, &allowed, &answer));
    ck_assert(!allowed);
    ck_assert(!kube_may(cluster.kube, &right, &allowed, &answer));
    ck_assert_int_eq(answer.outcome, KUBE_BROKEN);
    close_all();
}
END_TEST

START_TEST(a_slow_server_costs_the_calls_time)
{
    static const struct fake_reply script = {.delay_s = 60, .body = "{}"};
    open_script(&script, 1);
    double start_s = clock_monotonic_s();
    struct kube_call call = {.verb = KUBE_GET, .path = "/x", .timeout_s = 0.3};
    ck_assert(!kube_do(cluster.kube, &call, &answer));
    ck_assert_int_eq(answer.outcome, KUBE_UNREACHABLE);
    ck_assert_double_lt(clock_monotonic_s() - start_s, 30);
    close_all();
}
END_TEST

SUITE("kube", each_status_has_its_meaning, a_server_that_is_away_is_unreachable, what_is_no_json_is_broken,
      a_long_reason_loses_its_middle, the_longer_wait_is_obeyed, a_refused_token_is_read_again_at_once,
      a_password_is_sent, writes_say_who_they_are, a_list_is_read_page_by_page, a_forgotten_list_begins_anew,
      a_list_that_is_always_forgotten_gives_up, a_list_can_be_stopped, broken_lists_are_refused,
      a_nul_in_a_text_is_read, an_unreadable_item_is_told_of_and_passed, a_list_that_repeats_a_page_ends,
      an_empty_list_may_be_null, the_scale_is_read, the_scale_is_written, rights_are_asked_for,
      a_slow_server_costs_the_calls_time)
