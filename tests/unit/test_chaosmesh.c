/* Faults on purpose: what a file becomes for a target, and the life of the object on a server that injects, forgets, refuses
 * and takes its time. */
#include <maestro/chaosmesh.h>
#include <maestro/clock.h>

#include "fake_cluster.h"
#include "suite.h"

#include <string.h>

static struct err e;
static struct buf body;
static struct chaosmesh_experiment made;

static const struct chaosmesh_target TARGET = {
    .space = "shop", .selector = "app=web,tier==front", .session = "shop.web"};

static bool parse(const char *text, const struct chaosmesh_target *target)
{
    buf_clear(&body);
    e = (struct err){0};
    made = (struct chaosmesh_experiment){0};
    struct buf file_text = {0};
    buf_text(&file_text, text);
    bool done = chaosmesh_parse("f.yaml", &file_text, target, &body, &made, &e);
    buf_finish(&file_text);
    return done;
}

static void expect_body(const char *part)
{
    ck_assert_msg(strstr(body.bytes, part), "'%s' is not in: %s", part, body.bytes);
}

static const char POD_KILL[] = "# expected: nothing\n"
                               "apiVersion: chaos-mesh.org/v1alpha1\n"
                               "kind: PodChaos\n"
                               "metadata:\n"
                               "  name: Maestro_pod-kill\n"
                               "  namespace: demo\n"
                               "  labels: {team: x, app.kubernetes.io/managed-by: someone}\n"
                               "  annotations: {experiment.chaos-mesh.org/pause: 'false'}\n"
                               "spec:\n"
                               "  action: pod-kill\n"
                               "  mode: fixed\n"
                               "  value: '1'\n"
                               "  gracePeriod: 0\n"
                               "  selector:\n"
                               "    namespaces: [demo, kube-system]\n"
                               "    labelSelectors: {app: demo}\n"
                               "    podPhaseSelectors: [Running]\n";

START_TEST(a_file_is_made_for_the_target)
{
    ck_assert_msg(parse(POD_KILL, &TARGET), "%s", e.message);
    ck_assert_str_eq(made.plural, "podchaos");
    ck_assert_str_eq(made.space, "shop");
    ck_assert_msg(strncmp(made.name, "maestro-pod-kill-", 17) == 0 && strlen(made.name) == 27, "%s", made.name);
    expect_body(
        "{\"apiVersion\":\"chaos-mesh.org/v1alpha1\",\"kind\":\"PodChaos\",\"metadata\":{\"name\":\"maestro-pod-kill-");
    expect_body("\"namespace\":\"shop\",\"labels\":{\"app.kubernetes.io/managed-by\":\"maestro\","
                "\"maestro.dev/session\":\"shop.web\",\"team\":\"x\"},"
                "\"annotations\":{\"experiment.chaos-mesh.org/pause\":\"false\"}}");
    expect_body("\"spec\":{\"action\":\"pod-kill\",\"mode\":\"fixed\",\"value\":\"1\",\"gracePeriod\":0,\"selector\":"
                "{\"namespaces\":[\"shop\"],\"labelSelectors\":{\"app\":\"web\",\"tier\":\"front\"},"
                "\"podPhaseSelectors\":[\"Running\"]}}}");
    char first[128];
    snprintf(first, sizeof first, "%s", made.name);
    ck_assert(parse(POD_KILL, &TARGET));
    ck_assert_str_ne(first, made.name); // no two are called alike
    struct chaosmesh_target plain = {.space = "shop", .session = "s"};
    ck_assert(parse(POD_KILL, &plain));
    expect_body("{\"namespaces\":[\"shop\"],\"labelSelectors\":{\"app\":\"demo\"},");
    buf_finish(&body);
}
END_TEST

START_TEST(a_schedule_holds_a_fault)
{
    static const char text[] = "apiVersion: chaos-mesh.org/v1alpha1\nkind: Schedule\n"
                               "spec:\n  schedule: '*/5 * * * *'\n  type: NetworkChaos\n  historyLimit: 3\n"
                               "  networkChaos:\n    action: delay\n    delay: {latency: 100ms}\n    mode: all\n";
    ck_assert_msg(parse(text, &TARGET), "%s", e.message);
    ck_assert_str_eq(made.plural, "schedules");
    ck_assert(strncmp(made.name, "maestro-", 8) == 0);
    expect_body("\"spec\":{\"schedule\":\"*/5 * * * *\",\"type\":\"NetworkChaos\",\"historyLimit\":3,\"networkChaos\":"
                "{\"action\":\"delay\",\"delay\":{\"latency\":\"100ms\"},\"mode\":\"all\",\"selector\":"
                "{\"namespaces\":[\"shop\"],\"labelSelectors\":{\"app\":\"web\",\"tier\":\"front\"}}}}");
    buf_finish(&body);
}
END_TEST

#define HEAD "apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\n"

START_TEST(wrong_files_are_refused)
{
    static const struct chaosmesh_target bare = {.space = "shop", .session = "s"};
    const struct {
        const char *text, *part;
        const struct chaosmesh_target *target;
    } rows[] = {
        {"", "f.yaml:1: apiVersion is not", &TARGET},
        {"[]", "f.yaml:1: apiVersion is not", &TARGET},
        {"apiVersion: v1\nkind: Pod\n", "apiVersion is not", &TARGET},
        {"apiVersion: chaos-mesh.org/v1alpha1\nkind: Workflow\nspec: {}\n", "kind 'Workflow' is not supported",
         &TARGET},
        {HEAD, "spec is missing", &TARGET},
        {HEAD "spec: [1]\n", "spec is missing", &TARGET},
        {HEAD "spec: {mode: one}\n", "every pod of the namespace", &bare},
        {HEAD "spec: {selector: {labelSelectors: {}}}\n", "every pod of the namespace", &bare},
        {HEAD "spec: {selector: {pods: {kube-system: [x]}}}\n", "selector.pods", &TARGET},
        {HEAD "spec: {selector: [a]}\n", "selector is no mapping", &TARGET},
        {HEAD "metadata: {labels: [a]}\nspec: {}\n", "labels is no mapping", &TARGET},
        {HEAD "metadata: {labels: {a: y}}\nspec: {}\n", "f.yaml:3: 'y'", &TARGET},
        {HEAD "metadata: {annotations: {a: y}}\nspec: {}\n", "f.yaml:3: 'y'", &TARGET},
        {HEAD "spec: {gracePeriod: 010}\n", "f.yaml:3: '010'", &TARGET},
        {HEAD "spec:\n\tx: 1\n", "f.yaml:4:", &TARGET},
        {"apiVersion: chaos-mesh.org/v1alpha1\nkind: Schedule\nspec: {type: Schedule}\n", "spec.type", &TARGET},
        {"apiVersion: chaos-mesh.org/v1alpha1\nkind: Schedule\nspec: {type: PodChaos}\n", "spec.podChaos is missing",
         &TARGET},
        {HEAD "spec: {}\n", "key=value", &(struct chaosmesh_target){.space = "a", .session = "s", .selector = ""}},
        {HEAD "spec: {}\n", "key=value",
         &(struct chaosmesh_target){.space = "a", .session = "s", .selector = "a=b,c in (d,e)"}},
        {HEAD "spec: {}\n", "key=value", &(struct chaosmesh_target){.space = "a", .session = "s", .selector = "a!=b"}},
        {HEAD "spec: {}\n", "cannot be a label", &(struct chaosmesh_target){.space = "a", .session = "a/b"}},
        {HEAD "spec: {}\n", "cannot be a label", &(struct chaosmesh_target){.space = "a", .session = ""}},
        {HEAD "spec: {}\n", "namespace", &(struct chaosmesh_target){.space = "", .session = "s"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(!parse(rows[i].text, rows[i].target), "accepted: %s", rows[i].text);
        ck_assert_msg(strstr(e.message, rows[i].part), "'%s' is not in: %s", rows[i].part, e.message);
        ck_assert_str_eq(made.name, "");
        ck_assert_uint_eq(body.len, 0);
    }
    buf_finish(&body);
}
END_TEST

/* A server with Chaos Mesh: objects that are injected and healed after so many looks. */
static struct {
    int looks_to_inject, looks_to_heal; /* negative: never */
    bool stored, deleted, recovered, unselected;
    bool lose_answer;   /* of the creation */
    bool slow;          /* half a minute for a deletion */
    int fail_deletions; /* with 500 */
    bool absent;        /* no such resource: Chaos Mesh is not installed */
    int deletions, lists;
    char listed[8][256]; /* what lists were asked for */
    char name[128];
} chaos;

static struct fake_cluster cluster;
static char file[FOLDER_BYTES + 16];

static struct fake_reply create(const struct fake_request *request)
{
    const char *name = strstr(request->body, "\"name\":\"") + 8;
    snprintf(chaos.name, sizeof chaos.name, "%.*s", (int)strcspn(name, "\""), name);
    chaos.stored = !strstr(request->target, "dryRun=All");
    return (struct fake_reply){.status = 201, .body = "{}", .cut_at_once = chaos.lose_answer};
}

static struct fake_reply show(const struct fake_request *request)
{
    bool injected = chaos.looks_to_inject == 0;
    chaos.looks_to_inject -= chaos.looks_to_inject > 0;
    if (chaos.deleted && chaos.looks_to_heal-- == 0)
        chaos.stored = false;
    buf_printf(
        request->text,
        "{\"status\":{\"experiment\":{\"desiredPhase\":\"%s\"},\"conditions\":[{\"type\":\"Selected\",\"status\":"
        "\"%s\"},{\"type\":\"AllInjected\",\"status\":\"%s\"},{\"type\":\"AllRecovered\",\"status\":\"%s\"}]}}",
        chaos.recovered ? "Stop" : "Run", chaos.unselected ? "False" : "True", injected ? "True" : "False",
        chaos.recovered || !injected ? "True" : "False");
    return (struct fake_reply){.status = 200};
}

static struct fake_reply list(const struct fake_request *request)
{
    snprintf(chaos.listed[chaos.lists++ % 8], sizeof chaos.listed[0], "%s", request->target);
    if (chaos.stored && strstr(request->target, "/podchaos?"))
        buf_printf(request->text, "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"%s\"}}]}", chaos.name);
    else
        buf_text(request->text, "{\"metadata\":{},\"items\":[]}");
    return (struct fake_reply){.status = 200};
}

static struct fake_reply handle(void *context, const struct fake_request *request)
{
    static const struct fake_reply missing = {.status = 404, .body = "{\"message\":\"not found\"}"};
    (void)context;
    bool one = *chaos.name && strstr(request->target, chaos.name);
    if (chaos.absent)
        return missing;
    if (strcmp(request->method, "POST") == 0)
        return create(request);
    if (!one)
        return list(request);
    if (!chaos.stored)
        return missing;
    if (strcmp(request->method, "GET") == 0) {
        struct fake_reply reply = show(request);
        return chaos.stored ? reply : missing;
    }
    chaos.deletions++;
    if (chaos.fail_deletions-- > 0)
        return (struct fake_reply){.status = 500, .body = "{}"};
    chaos.deleted = true;
    return (struct fake_reply){.body = "{}", .delay_s = chaos.slow ? 30 : 0};
}

static void set_up(void)
{
    memset(&chaos, 0, sizeof chaos);
    memset(&made, 0, sizeof made);
    e = (struct err){0};
    fake_cluster_open(&cluster, &(struct fake_http_config){.handle = handle});
    snprintf(file, sizeof file, "%s/kill.yaml", cluster.folder);
    fake_cluster_write(file, POD_KILL);
}

static void tear_down(void)
{
    fake_cluster_close(&cluster);
}

static void start(void)
{
    ck_assert_msg(chaosmesh_start(cluster.kube, file, &TARGET, false, &made, &e), "%s", e.message);
    ck_assert_str_eq(made.name, chaos.name);
}

START_TEST(a_fault_lives_and_goes)
{
    enum chaosmesh_phase phase = CHAOSMESH_GONE;
    set_up();
    chaos.looks_to_inject = 2;
    chaos.looks_to_heal = 1;
    start();
    ck_assert(chaosmesh_look(cluster.kube, &made, &phase, &e));
    ck_assert_int_eq(phase, CHAOSMESH_WAITING); // AllRecovered stands too, but it has not begun
    ck_assert_msg(chaosmesh_wait(cluster.kube, &made, CHAOSMESH_INJECTED, 20, &e), "%s", e.message);
    chaos.recovered = true;
    ck_assert_msg(chaosmesh_wait(cluster.kube, &made, CHAOSMESH_RECOVERED, 20, &e), "%s", e.message);
    ck_assert(chaosmesh_wait(cluster.kube, &made, CHAOSMESH_INJECTED, 0, &e)); // it was
    ck_assert_msg(chaosmesh_stop(cluster.kube, &made, 20, &e), "%s", e.message);
    ck_assert(!chaos.stored);
    ck_assert(chaosmesh_look(cluster.kube, &made, &phase, &e));
    ck_assert_int_eq(phase, CHAOSMESH_GONE);
    ck_assert(chaosmesh_stop(cluster.kube, &made, 1, &e)); // twice is fine
    ck_assert(!chaosmesh_wait(cluster.kube, &made, CHAOSMESH_INJECTED, 5, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "is gone"));
    tear_down();
}
END_TEST

START_TEST(waiting_ends_with_a_reason)
{
    set_up();
    chaos.looks_to_inject = -1;
    start();
    ck_assert(!chaosmesh_wait(cluster.kube, &made, CHAOSMESH_INJECTED, 0.1, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "AllInjected"));
    chaos.unselected = true;
    ck_assert(!chaosmesh_wait(cluster.kube, &made, CHAOSMESH_INJECTED, 0.1, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "found no pods"));
    chaos.looks_to_heal = -1;
    ck_assert(!chaosmesh_stop(cluster.kube, &made, 0.1, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "still there"));
    tear_down();
}
END_TEST

START_TEST(a_fault_is_ended_without_waiting)
{
    static const struct chaosmesh_experiment nothing = {.plural = "podchaos", .space = "shop"};
    bool gone = true;
    set_up();
    start();
    chaos.looks_to_heal = 2;
    chaos.fail_deletions = 1;
    ck_assert(!chaosmesh_end(cluster.kube, &made, &gone, &e)); // not heard, not asked again
    ck_assert_ptr_nonnull(strstr(e.message, "500"));
    ck_assert_int_eq(chaos.deletions, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(chaosmesh_end(cluster.kube, &made, &gone, &e), "%s", e.message);
        ck_assert_int_eq(gone, i == 2); // healed at the third look
        ck_assert_int_eq(chaos.deletions, 2 + i);
    }
    gone = false;
    ck_assert(chaosmesh_end(cluster.kube, &made, &gone, &e) && gone); // twice is fine
    int n = fake_http_requests(cluster.server);
    gone = false;
    ck_assert(chaosmesh_end(cluster.kube, &nothing, &gone, &e) && gone);
    ck_assert_int_eq(fake_http_requests(cluster.server), n);
    tear_down();
}
END_TEST

START_TEST(a_slow_server_delays_no_step)
{
    bool gone = false;
    set_up();
    start();
    chaos.slow = true;
    double began_s = clock_monotonic_s();
    ck_assert(!chaosmesh_end(cluster.kube, &made, &gone, &e));
    ck_assert_double_lt(clock_monotonic_s() - began_s, 3); // a second; the client's own limit is five
    ck_assert(!gone);
    tear_down();
}
END_TEST

START_TEST(a_lost_answer_leaves_a_name)
{
    set_up();
    chaos.lose_answer = true;
    ck_assert(!chaosmesh_start(cluster.kube, file, &TARGET, false, &made, &e));
    ck_assert(chaos.stored);
    ck_assert_str_eq(made.name, chaos.name);
    chaos.fail_deletions = 1; // heard the second time
    ck_assert_msg(chaosmesh_stop(cluster.kube, &made, 20, &e), "%s", e.message);
    ck_assert(!chaos.stored);
    ck_assert_int_eq(chaos.deletions, 2);
    tear_down();
}
END_TEST

START_TEST(a_dry_run_stores_nothing)
{
    set_up();
    ck_assert_msg(chaosmesh_start(cluster.kube, file, &TARGET, true, &made, &e), "%s", e.message);
    ck_assert(!chaos.stored);
    tear_down();
}
END_TEST

START_TEST(leftovers_are_swept)
{
    int n = -1;
    set_up();
    start();
    ck_assert_msg(chaosmesh_sweep(cluster.kube, "shop", "shop.web", 20, &n, &e), "%s", e.message);
    ck_assert_int_eq(n, 1);
    ck_assert(!chaos.stored);
    ck_assert_int_eq(chaos.lists, 7); // one a kind
    ck_assert_ptr_nonnull(strstr(chaos.listed[0], "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dmaestro%2C"
                                                  "maestro.dev%2Fsession%3Dshop.web"));
    ck_assert(chaosmesh_sweep(cluster.kube, "shop", NULL, 20, &n, &e));
    ck_assert_int_eq(n, 0);
    ck_assert_ptr_null(strstr(chaos.listed[0], "session"));
    ck_assert(!chaosmesh_sweep(cluster.kube, "shop", "a,b=c", 20, &n, &e));
    tear_down();
}
END_TEST

START_TEST(without_chaos_mesh)
{
    int n = -1;
    set_up();
    chaos.absent = true;
    ck_assert(!chaosmesh_start(cluster.kube, file, &TARGET, false, &made, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "is Chaos Mesh installed?"));
    ck_assert_str_eq(made.name, "");
    ck_assert(chaosmesh_stop(cluster.kube, &made, 1, &e)); // nothing was made
    ck_assert(chaosmesh_sweep(cluster.kube, "shop", NULL, 5, &n, &e));
    ck_assert_int_eq(n, 0);
    tear_down();
}
END_TEST

SUITE("chaosmesh", a_file_is_made_for_the_target, a_schedule_holds_a_fault, wrong_files_are_refused,
      a_fault_lives_and_goes, waiting_ends_with_a_reason, a_fault_is_ended_without_waiting,
      a_slow_server_delays_no_step, a_lost_answer_leaves_a_name, a_dry_run_stores_nothing, leftovers_are_swept,
      without_chaos_mesh)
