/* What maestro-suggest answers: history by the clock and never by who asks, one number that KEDA can take, every signal with
 * its validity and query, and errors that are error statuses. */
#include "suite.h"

#include "client.h"
#include "folder.h"
#include "live_world.h"
#include "scripted_fleet.h"
#include "trained.h"

#include <maestro/clock.h>
#include <maestro/json.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

static struct scripted_fleet fleet;
static struct suggest *suggest;
static char folder[FOLDER_BYTES];
static struct suggest_config config;
static double base_s;

static void open_with(const char *policy)
{
    struct config_section section = {"suggest", "", suggest_config_keys, n_suggest_config_keys, &config};
    struct config c = {0};
    struct err e = {0};
    char path[FOLDER_BYTES + 32];
    ck_assert(config_init(&c, &section, 1, &e));
    config_finish(&c);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, "default", 3);
    snprintf(config.policies, sizeof config.policies, "%s", folder);
    snprintf(config.policy, sizeof config.policy, "%s", policy);
    config.wait_s = 0;
    config.targets = 4;
    fleet = (struct scripted_fleet){0};
    struct suggest_source source = scripted_source(&fleet);
    ck_assert_msg(suggest_open(&config, &source, &suggest, &e), "%s", e.message);
    base_s = clock_monotonic_s();
    fleet.views[0].sample = scripted_sample(1000, 4, 200, 120, 80);
}

static void close_all(void)
{
    ck_assert_int_eq(fleet.n_writes, 0); // whatever was asked
    suggest_close(suggest);
    folder_remove(folder);
}

struct answer {
    struct httpd_reply reply;
    struct buf body;
    struct json_document json;
};

static void ask(struct answer *a, const char *space, const char *name)
{
    struct err e = {0};
    *a = (struct answer){.reply.body = NULL};
    a->reply.body = &a->body;
    suggest_answer(suggest, space, name, &a->reply);
    ck_assert_msg(json_parse(&a->json, "answer", a->body.bytes, a->body.len, &e), "%s: %s", e.message, a->body.bytes);
}

static void answer_finish(struct answer *a)
{
    json_finish(&a->json);
    buf_finish(&a->body);
}

static int status_of(const struct answer *a)
{
    return a->reply.status ? a->reply.status : 200;
}

static void expect_error(const char *name, int status, const char *part)
{
    struct answer a;
    const char *text = "";
    ask(&a, NULL, name);
    ck_assert_msg(status_of(&a) == status, "%d: %s", status_of(&a), a.body.bytes);
    ck_assert(json_as_text(json_find(a.json.root, "error"), &text));
    ck_assert_msg(strstr(text, part), "'%s' is not in '%s'", part, text);
    ck_assert_ptr_null(json_find(a.json.root, "action")); // never a made-up one
    ck_assert_int_eq(a.reply.retry_after_s > 0, status >= 500);
    answer_finish(&a);
}

static double number_at(const struct json *object, const char *key)
{
    double value = (double)NAN;
    ck_assert_msg(json_as_number(json_find(object, key), &value), "%s is no number", key);
    return value;
}

static const char *text_at(const struct json *object, const char *key)
{
    const char *text = NULL;
    ck_assert_msg(json_as_text(json_find(object, key), &text), "%s is no text", key);
    return text;
}

START_TEST(the_first_question_starts_the_watch_and_says_so)
{
    struct answer a;
    open_with("ppo:web");
    suggest_tick(suggest, base_s);
    ck_assert_int_eq(fleet.n_refreshes, 0); // nobody asked, nothing is looked at
    expect_error("web", 503, "not enough data yet");
    suggest_tick(suggest, base_s);
    ck_assert_int_eq(fleet.n_refreshes, 1);
    ask(&a, NULL, "web");
    ck_assert_msg(status_of(&a) == 200, "%s", a.body.bytes);
    answer_finish(&a);
    close_all();
}
END_TEST

START_TEST(an_answer_tells_everything_that_made_it)
{
    struct answer a;
    open_with("ppo:web");
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/max-replicas", "12"};
    fleet.views[0].annotations[1] = (struct fleet_annotation){"latencySoftConstraint", "250"};
    fleet.views[0].n_annotations = 2;
    fleet.views[0].sample.starting = 1;
    snprintf(fleet.views[0].lacks, sizeof fleet.views[0].lacks, "prometheus.traffic=app finds no series");
    fleet.views[0].sample.signals[SIGNAL_MEMORY] = (struct reading){0, 0, VALIDITY_ABSENT};
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    ask(&a, "shop", "web");
    const struct json *r = a.json.root;
    ck_assert_str_eq(text_at(r, "namespace"), "shop");
    ck_assert_str_eq(text_at(r, "deployment"), "web");
    double desired = number_at(r, "desired_replicas"), delta = number_at(r, "delta"), action = number_at(r, "action");
    ck_assert_double_eq(number_at(r, "replicas"), 4);
    ck_assert_double_eq(desired - 4, delta);
    ck_assert_double_eq(action, delta < 0 ? 0 : delta > 0 ? 2 : 1);
    ck_assert_str_eq(text_at(r, "action_name"), delta < 0 ? "scale_down" : delta > 0 ? "scale_up" : "no_op");
    const struct json *proposal = json_find(r, "proposal");
    double sum = 0, p;
    int n = 0;
    for (const struct json *c = json_first(json_find(proposal, "probabilities")); c; c = json_next(c), n++)
        sum += json_as_number(c, &p) ? p : 100;
    ck_assert_int_eq(n, 3);
    ck_assert_double_eq_tol(sum, 1, 1e-5);
    ck_assert_double_eq(number_at(proposal, "ood"), 0);
    number_at(proposal, "value");
    const struct json *signals = json_find(r, "signals");
    ck_assert_double_eq(number_at(json_find(signals, "cpu"), "value"), 200);
    ck_assert_double_eq(number_at(json_find(signals, "cpu"), "age_s"), 7.5);
    ck_assert_str_eq(text_at(json_find(signals, "cpu"), "query"), "cpu \"query\"");
    ck_assert_str_eq(text_at(json_find(signals, "memory"), "validity"), "absent");
    ck_assert(json_is_null(json_find(json_find(signals, "memory"), "value")));
    ck_assert_str_eq(text_at(json_find(signals, "rps"), "validity"), "valid");
    ck_assert_double_eq(number_at(r, "starting"), 1);
    ck_assert_str_eq(text_at(r, "lacks"), "prometheus.traffic=app finds no series");
    const struct json *limits = json_find(r, "limits");
    ck_assert_double_eq(number_at(json_find(limits, "max_replicas"), "value"), 12);
    ck_assert_str_eq(text_at(json_find(limits, "max_replicas"), "source"), "annotation");
    ck_assert_str_eq(text_at(json_find(limits, "min_replicas"), "source"), "configuration");
    ck_assert_double_eq(number_at(json_find(limits, "latency_soft_ms"), "value"), 250);
    ck_assert(json_is_null(json_find(json_find(limits, "latency_hard_ms"), "value")));
    ck_assert_int_eq((int)strlen(text_at(json_find(r, "policy"), "hash")), 16);
    answer_finish(&a);
    close_all();
}
END_TEST

/* Two services with the same life; one is asked once, the other a thousand times in between. */
START_TEST(asking_changes_nothing)
{
    static struct journal_record quiet, busy;
    struct answer a;
    open_with("ppo:web");
    config.idle_s = 86400;
    expect_error("quiet", 503, "not enough");
    expect_error("busy", 503, "not enough");
    for (int k = 0; k < 30; k++) {
        double load = 60 + 40 * sin(0.3 * k);
        for (int i = 0; i < 2; i++)
            fleet.views[i].sample = scripted_sample(1000 + 15 * k, 4, 2 * load, 90 + load, load);
        suggest_tick(suggest, base_s + 15 * k);
        for (int j = 0; j < 30; j++) {
            ask(&a, NULL, "busy");
            ck_assert_int_eq(status_of(&a), k * 15 < 86400 ? 200 : 503);
            answer_finish(&a);
            suggest_tick(suggest, base_s + 15 * k + 0.1 * j); // the sampler is woken, but nothing is due
        }
    }
    ck_assert_int_eq(fleet.n_refreshes, 30);
    ck_assert(suggest_look(suggest, "shop", "quiet", &quiet));
    ck_assert(suggest_look(suggest, "shop", "busy", &busy));
    ck_assert_int_eq(quiet.n_features, busy.n_features);
    ck_assert_mem_eq(quiet.features, busy.features, sizeof(float) * (size_t)quiet.n_features);
    ck_assert_mem_eq(quiet.output.logits, busy.output.logits, sizeof quiet.output.logits);
    close_all();
}
END_TEST

START_TEST(errors_are_error_statuses)
{
    open_with("ppo:web");
    expect_error("", 400, "deployment is missing");
    expect_error(NULL, 400, "deployment is missing");
    expect_error("web\"} or vector(1)", 503, "not enough"); // not looked at yet
    suggest_tick(suggest, base_s);
    expect_error("web\"} or vector(1)", 400, "no name");
    expect_error("web\"} or vector(1)", 400, "no name"); // as often as it is asked
    fleet.missing[0] = true;
    expect_error("gone", 503, "not enough");
    suggest_tick(suggest, base_s + 1);
    expect_error("gone", 404, "no Deployment shop/gone");
    close_all();
}
END_TEST

/* Also where nobody came back for the answer. */
START_TEST(what_is_no_name_keeps_no_place)
{
    char name[16];
    open_with("ppo:web");
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "web/%d", i);
        expect_error(name, 503, "not enough");
    }
    suggest_tick(suggest, base_s);
    expect_error("web", 503, "not enough data yet");
    suggest_tick(suggest, base_s + 1);
    suggest_tick(suggest, base_s + 100);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "web-%d", i);
        expect_error(name, 503, "not enough data yet");
    }
    close_all();
}
END_TEST

/* What an annotation asks for is the annotation's fault; what a policy file lacks is not the API's. */
START_TEST(policies_that_cannot_be_had_have_their_own_statuses)
{
    open_with("ppo:web");
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/policy", "random"};
    fleet.views[0].n_annotations = 1;
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    expect_error("web", 422, "'random': not allowed; suggest.allowed lists ppo,hpa");
    fleet.views[0].annotations[0].value = "ppo:nothing";
    suggest_tick(suggest, base_s + 15);
    expect_error("web", 500, "nothing.safetensors");
    fleet.fails_pods = true;
    fleet.views[0].annotations[0].value = "hpa";
    suggest_tick(suggest, base_s + 30);
    expect_error("web", 502, "no pods");
    close_all();
}
END_TEST

START_TEST(outages_are_named)
{
    static const enum signal_id measured[] = {SIGNAL_CPU, SIGNAL_MEMORY, SIGNAL_P95, SIGNAL_RPS};
    open_with("ppo:web");
    fleet.fails = true;
    fleet.api = "GET /apis/apps/v1/...: 403: deployments.apps is forbidden";
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    expect_error("web", 502, "is forbidden");
    fleet.fails = false;
    fleet.api = NULL;
    fleet.prometheus = "prometheus: 127.0.0.1:9090: connection refused";
    for (int i = 0; i < 4; i++)
        fleet.views[0].sample.signals[measured[i]].validity = VALIDITY_FAILED;
    suggest_tick(suggest, base_s + 15);
    expect_error("web", 502, "connection refused");
    fleet.prometheus = NULL;
    for (int i = 0; i < 4; i++)
        fleet.views[0].sample.signals[measured[i]].validity = VALIDITY_NO_DATA;
    fleet.views[0].sample.time_s += 15;
    suggest_tick(suggest, base_s + 30);
    expect_error("web", 503, "no signal of load");
    fleet.views[0].sample = scripted_sample(1045, 4, 200, 120, 80);
    suggest_tick(suggest, base_s + 45);
    struct answer a;
    ask(&a, NULL, "web");
    ck_assert_int_eq(status_of(&a), 200);
    answer_finish(&a);
    fleet.views[0].sample.signals[SIGNAL_REPLICAS].validity = VALIDITY_STALE;
    fleet.views[0].sample.time_s += 15;
    suggest_tick(suggest, base_s + 60);
    expect_error("web", 502, "replicas");
    close_all();
}
END_TEST

START_TEST(a_half_blind_look_never_suggests_less)
{
    open_with("fixed:1");
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    struct answer a;
    ask(&a, NULL, "web");
    ck_assert_double_eq(number_at(a.json.root, "desired_replicas"), 1);
    answer_finish(&a);
    static const enum validity bad[] = {VALIDITY_NO_DATA, VALIDITY_FAILED, VALIDITY_STALE};
    for (int i = 0; i < 3; i++) {
        fleet.views[0].sample = scripted_sample(1015 + 15 * i, 4, 200, 120, 80);
        fleet.views[0].sample.signals[SIGNAL_P95].validity = bad[i];
        suggest_tick(suggest, base_s + 15 + 15 * i);
        ask(&a, NULL, "web");
        ck_assert_double_ge(number_at(a.json.root, "desired_replicas"), 4);
        answer_finish(&a);
    }
    close_all();
}
END_TEST

START_TEST(annotations_that_make_no_sense_are_named)
{
    open_with("ppo:web");
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/min-replicas", "-3"};
    fleet.views[0].n_annotations = 1;
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    expect_error("web", 422, "maestro.dev/min-replicas");
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/min-replicas", "30"};
    suggest_tick(suggest, base_s + 15);
    expect_error("web", 422, "min-replicas");
    close_all();
}
END_TEST

START_TEST(pauses_are_obeyed)
{
    struct answer a;
    open_with("fixed:9");
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/paused-replicas", "3"};
    fleet.views[0].n_annotations = 1;
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    ask(&a, NULL, "web");
    ck_assert_double_eq(number_at(a.json.root, "desired_replicas"), 3);
    ck_assert_str_eq(text_at(a.json.root, "reason"), guard_reason_name(GUARD_REASON_HUMAN_PAUSE));
    answer_finish(&a);
    close_all();
}
END_TEST

START_TEST(places_are_limited_and_idle_ones_are_given_up)
{
    char name[16];
    open_with("ppo:web");
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "web-%d", i);
        expect_error(name, 503, "not enough");
    }
    expect_error("one-more", 503, "4 targets are watched");
    suggest_tick(suggest, base_s);
    suggest_tick(suggest, base_s + config.idle_s + 100);
    ck_assert_int_eq(fleet.n_dropped, 4);
    expect_error("one-more", 503, "not enough data yet");
    close_all();
}
END_TEST

/* KEDA asks for each target by its own clock; a look reads all that are watched. */
START_TEST(what_was_first_asked_for_at_other_moments_is_looked_at_together)
{
    open_with("ppo:web");
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s);
    expect_error("web-1", 503, "not enough");
    suggest_tick(suggest, base_s + 6);
    for (int second = 7; second <= 155; second++)
        suggest_tick(suggest, base_s + second);
    ck_assert_int_eq(fleet.n_refreshes, 2 + 10);
    close_all();
}
END_TEST

START_TEST(an_old_decision_is_none)
{
    open_with("ppo:web");
    expect_error("web", 503, "not enough");
    suggest_tick(suggest, base_s - 61); // as if the sampler had hung since
    expect_error("web", 503, "s old");
    close_all();
}
END_TEST

START_TEST(settings_and_policies_that_cannot_be_are_refused)
{
    struct err e = {0};
    struct suggest *none = NULL;
    open_with("ppo:web");
    struct suggest_source source = scripted_source(&fleet);
    struct suggest_config wrong = config;
    wrong.min_replicas = 11;
    ck_assert(!suggest_open(&wrong, &source, &none, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "suggest.min_replicas"));
    wrong = config;
    snprintf(wrong.policy, sizeof wrong.policy, "ppo:nothing");
    ck_assert(!suggest_open(&wrong, &source, &none, &e));
    ck_assert_msg(strstr(e.message, "suggest.policy") && strstr(e.message, "nothing"), "%s", e.message);
    wrong = config;
    snprintf(wrong.policy, sizeof wrong.policy, "%s/web.safetensors", folder); // a path by itself
    ck_assert_msg(suggest_open(&wrong, &source, &none, &e), "%s", e.message);
    suggest_close(none);
    close_all();
}
END_TEST

/* ---- the whole server over a fake Prometheus and API ---- */

static void live_trouble(const struct fleet *f, struct err *api, struct err *prometheus)
{
    struct live_status status;
    live_status(f, &status);
    *api = status.api;
    *prometheus = status.prometheus;
}

static struct world w;

static void set_answers(struct buf answers[WORLD_PODS])
{
    static const char *const values[WORLD_PODS] = {"150", "100000000", "120", "80", "3"};
    for (int q = 0; q < WORLD_PODS; q++) {
        world_element(&answers[q], "shop", "web", "value", values[q]);
        world_element(&answers[q], "shop", "web", "age", "4");
        w.prometheus[q].result = answers[q].bytes;
    }
}

/* As KEDA's metrics-api scaler does: GET, status 200, the number at valueLocation; anything else is an error. */
static bool keda_value(const char *url, double *value)
{
    struct client_answer a = client_do(NULL, "GET", url, NULL, NULL);
    struct json_document d = {0};
    bool good = a.status == 200 && json_parse(&d, "keda", a.body.bytes, a.body.len, NULL) &&
                json_as_number(json_find(d.root, "desired_replicas"), value);
    json_finish(&d);
    client_finish(&a);
    return good;
}

static void *ask_often(void *url)
{
    double value;
    for (int i = 0; i < 100; i++)
        (void)!keda_value(url, &value);
    return NULL;
}

START_TEST(keda_gets_its_number_over_http)
{
    struct buf one = {0}, answers[WORLD_PODS] = {{0}};
    struct httpd *server = NULL;
    struct err e = {0};
    char url[160], alias[160], metrics[160], path[FOLDER_BYTES + 32];
    double value = 0;
    open_with("ppo:web");
    suggest_close(suggest);
    world_open(&w);
    world_deployment(&one, "shop", "web", 4);
    w.deployments = one.bytes;
    set_answers(answers);
    w.kubernetes_settings.conflicts_every = 0;
    world_connect(&w, true);
    struct suggest_source source = scripted_source(&fleet);
    source.fleet = w.fleet;
    source.add = live_add;
    source.drop = live_drop;
    source.query = live_query;
    source.trouble = live_trouble;
    source.space = live_namespace(w.fleet);
    config.wait_s = 5;
    double began_s = clock_monotonic_s();
    ck_assert_msg(suggest_open(&config, &source, &suggest, &e), "%s", e.message);
    struct httpd_config http = {.address = "127.0.0.1",
                                .n_threads = 4,
                                .routes = suggest_routes,
                                .n_routes = n_suggest_routes,
                                .context = suggest};
    ck_assert_msg(httpd_open(&http, &server, &e), "%s", e.message);
    ck_assert(suggest_start(suggest, &e));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/suggest?deployment=web&namespace=shop", httpd_port(server));
    snprintf(alias, sizeof alias, "http://127.0.0.1:%d/suggestion?deployment=web", httpd_port(server));
    snprintf(metrics, sizeof metrics, "http://127.0.0.1:%d/metrics", httpd_port(server));
    ck_assert(keda_value(url, &value)); // the first question waits for the first look
    ck_assert(value >= 3 && value <= 5);
    ck_assert(keda_value(alias, &value)); // the parent system's path, our own namespace
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, i % 2 ? alias : url), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int n_looks = 1 + (int)((clock_monotonic_s() - began_s) / 15);
    ck_assert_int_ge(w.n_queries, 5);
    ck_assert_int_le(w.n_queries, 5 * n_looks); // one look a period, however many questions
    struct client_answer a = client_do(NULL, "GET", metrics, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(a.body.bytes, "maestro_suggest_answers_total{status=\"2xx\"} 402"));
    ck_assert_ptr_nonnull(strstr(a.body.bytes, "maestro_suggest_targets 1"));
    client_finish(&a);
    snprintf(path, sizeof path, "http://127.0.0.1:%d/healthz", httpd_port(server));
    a = client_do(NULL, "GET", path, NULL, NULL);
    ck_assert_int_eq((int)a.status, 200);
    client_finish(&a);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/suggest?namespace=shop", httpd_port(server));
    a = client_do(NULL, "GET", url, NULL, NULL);
    ck_assert_int_eq((int)a.status, 400);
    client_finish(&a);
    w.deployments = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/suggest?deployment=other", httpd_port(server));
    a = client_do(NULL, "GET", url, NULL, NULL);
    ck_assert_int_eq((int)a.status, 404);
    client_finish(&a);
    httpd_close(server, 1);
    close_all();
    world_close(&w);
    buf_finish(&one);
    for (int q = 0; q < WORLD_PODS; q++)
        buf_finish(&answers[q]);
}
END_TEST

SUITE("suggest", the_first_question_starts_the_watch_and_says_so, an_answer_tells_everything_that_made_it,
      asking_changes_nothing, errors_are_error_statuses, what_is_no_name_keeps_no_place,
      policies_that_cannot_be_had_have_their_own_statuses, outages_are_named, a_half_blind_look_never_suggests_less,
      annotations_that_make_no_sense_are_named, pauses_are_obeyed, places_are_limited_and_idle_ones_are_given_up,
      what_was_first_asked_for_at_other_moments_is_looked_at_together, an_old_decision_is_none,
      settings_and_policies_that_cannot_be_are_refused, keda_gets_its_number_over_http)
