/* The live fleet against a Prometheus and a Kubernetes API that answer what they are told to: discovery, conflicts, rollouts,
 * writes, what is asked and how it is escaped, and each kind of outage. */
#include "suite.h"

#include "live_world.h"

#include "../../envs/live/discover.h"
#include "../../envs/live/podlist.h"
#include "../../envs/live/quantity.h"

#include <maestro/clock.h>
#include <math.h>
#include <string.h>

static struct world w;
static struct buf deployments, cpu;

static void begin(void)
{
    world_open(&w);
    buf_clear(&deployments);
    buf_clear(&cpu);
    world_deployment(&deployments, "shop", "web", 4);
    world_deployment(&deployments, "shop", "web-api", 2);
    w.deployments = deployments.bytes;
    for (int i = 0; i < 2; i++) {
        world_element(&cpu, "shop", i ? "web-api" : "web", "value", i ? "50" : "120.5");
        world_element(&cpu, "shop", i ? "web-api" : "web", "age", "8");
    }
    world_element(&cpu, "shop", "somebody-else", "value", "7");
    w.prometheus[WORLD_CPU].result = cpu.bytes;
}

static void end(void)
{
    world_close(&w);
    buf_finish(&deployments);
    buf_finish(&cpu);
}

static void refresh_at(double monotonic_s)
{
    struct err e = {0};
    ck_assert_msg(fleet_refresh(w.fleet, monotonic_s, &e), "%s", e.message);
}

static int find(const char *name)
{
    for (int i = 0; i < fleet_count(w.fleet); i++)
        if (strcmp(fleet_view(w.fleet, i)->name, name) == 0)
            return i;
    return -1;
}

static const struct fleet_view *view_of(const char *name)
{
    int i = find(name);
    ck_assert_int_ge(i, 0);
    return fleet_view(w.fleet, i);
}

START_TEST(targets_are_found_with_all_that_the_api_says)
{
    begin();
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(fleet_count(w.fleet), 2);
    const struct fleet_view *v = view_of("web");
    ck_assert_str_eq(v->space, "shop");
    ck_assert_str_eq(v->uid, "uid-web");
    ck_assert_str_eq(v->resource_version, "17");
    ck_assert_int_eq(v->n_annotations, 2); // not "other"
    ck_assert_str_eq(v->annotations[0].key, "maestro.dev/mode");
    ck_assert_str_eq(v->annotations[0].value, "shadow");
    ck_assert_str_eq(v->annotations[1].key, "latencySoftConstraint");
    ck_assert(!v->gone && !v->rolling_out && !v->rollout_paused);
    ck_assert_int_eq(v->sample.ready, 4);
    ck_assert_int_eq(v->sample.starting, 0);
    ck_assert_double_eq(v->sample.signals[SIGNAL_REPLICAS].value, 4);
    ck_assert_int_eq(v->sample.signals[SIGNAL_CPU].validity, VALIDITY_VALID);
    ck_assert_double_eq(v->sample.signals[SIGNAL_CPU].value, 120.5);
    ck_assert_double_eq(v->sample.signals[SIGNAL_CPU].age_s, 8);
    ck_assert_int_eq(v->sample.n_pods, 1);
    ck_assert_double_eq_tol(v->sample.pods[0].cpu_request_percent, 20, 1e-9);
    ck_assert_double_eq(view_of("web-api")->sample.signals[SIGNAL_CPU].value, 50);
    ck_assert_double_lt(fabs(v->sample.time_s - clock_wall_s() - (100 - clock_monotonic_s())), 5);
    ck_assert_int_eq(w.n_queries, 5);
    end();
}
END_TEST

START_TEST(one_list_and_five_queries_however_many_targets)
{
    begin();
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "service-%d", i);
        world_deployment(&deployments, i % 2 ? "shop" : "other", name, 1 + i % 9);
    }
    w.deployments = deployments.bytes;
    w.kubernetes_settings.conflicts_every = 0;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(fleet_count(w.fleet), 202);
    ck_assert_int_eq(w.n_queries, 5);
    ck_assert_int_eq(w.n_lists, 1);
    ck_assert_double_eq(view_of("service-17")->sample.signals[SIGNAL_REPLICAS].value, 9);
    ck_assert_ptr_nonnull(strstr(w.query_body[WORLD_CPU], "shop%7Cother")); // namespaces by name
    ck_assert_ptr_null(strstr(w.query_body[WORLD_CPU], "service-17"));      // names no more
    end();
}
END_TEST

START_TEST(only_what_is_annotated_is_a_target_unless_told_otherwise)
{
    begin();
    buf_text(&deployments,
             ",{\"metadata\":{\"namespace\":\"shop\",\"name\":\"plain\",\"uid\":\"p\",\"resourceVersion\":\"1\","
             "\"annotations\":{\"latencySoftConstraint\":\"1\"}},\"spec\":{},\"status\":{}}");
    w.deployments = deployments.bytes;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(find("plain"), -1);
    fleet_close(w.fleet);
    w.kubernetes_settings.annotated = false;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_double_eq(view_of("plain")->sample.signals[SIGNAL_REPLICAS].value, 1); // what the API server defaults to
    ck_assert_int_eq(view_of("plain")->sample.signals[SIGNAL_MEMORY].validity, VALIDITY_ABSENT);
    end();
}
END_TEST

START_TEST(a_namespace_that_cannot_be_read_does_not_stop_the_others)
{
    struct live_status status;
    begin();
    snprintf(w.kubernetes_settings.namespaces, sizeof w.kubernetes_settings.namespaces, "closed,shop");
    w.closed = "namespaces/closed";
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_double_eq(view_of("web")->api_age_s, 0);
    live_status(w.fleet, &status);
    ck_assert_msg(strstr(status.api.message, "not yours"), "%s", status.api.message);
    ck_assert_int_eq(status.conflicts.code, ERR_NONE); // KEDA is not installed, which is no fault
    w.closed = "namespaces/shop";
    w.deployments = "";
    refresh_at(110); // nothing is known of shop: what is there is old, and not gone
    ck_assert(!view_of("web")->gone);
    ck_assert_double_eq_tol(view_of("web")->api_age_s, 10, 1e-9);
    w.closed = NULL;
    refresh_at(120);
    ck_assert(view_of("web")->gone);
    end();
}
END_TEST

START_TEST(namespaces_and_selector_go_into_the_list)
{
    struct buf last = {0};
    begin();
    snprintf(w.kubernetes_settings.namespaces, sizeof w.kubernetes_settings.namespaces, "shop,other");
    snprintf(w.kubernetes_settings.selector, sizeof w.kubernetes_settings.selector, "team=a,tier in (x,y)");
    w.kubernetes_settings.conflicts_every = 0;
    w.prometheus_settings.use_get = false;
    world_connect(&w, false);
    w.deployments = "";
    refresh_at(100); // nothing found, so the list is the last thing asked
    fake_http_last(w.server, &last);
    ck_assert_ptr_nonnull(strstr(last.bytes, "/apis/apps/v1/namespaces/other/deployments?"));
    ck_assert_ptr_nonnull(strstr(last.bytes, "labelSelector=team%3Da%2Ctier%20in%20%28x%2Cy%29"));
    ck_assert_int_eq(w.n_lists, 2);
    ck_assert_int_eq(w.n_queries, 0);
    buf_finish(&last);
    end();
}
END_TEST

START_TEST(a_deployment_that_vanishes_is_gone_for_a_refresh_and_its_number_free_afterwards)
{
    struct buf fewer = {0};
    begin();
    world_connect(&w, false);
    refresh_at(100);
    int web = find("web");
    world_deployment(&fewer, "shop", "web-api", 2);
    w.deployments = fewer.bytes;
    refresh_at(105);
    ck_assert(fleet_view(w.fleet, web)->gone);
    ck_assert_str_eq(fleet_view(w.fleet, web)->name, "web");
    ck_assert_int_eq(fleet_view(w.fleet, web)->sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_NO_DATA);
    ck_assert(!view_of("web-api")->gone);
    refresh_at(110);
    ck_assert(fleet_view(w.fleet, web)->gone);
    ck_assert_str_eq(fleet_view(w.fleet, web)->name, "");
    world_deployment(&fewer, "shop", "newcomer", 1);
    w.deployments = fewer.bytes;
    refresh_at(115);
    ck_assert_int_eq(find("newcomer"), web);
    ck_assert(!view_of("newcomer")->gone);
    end();
    buf_finish(&fewer);
}
END_TEST

START_TEST(an_api_that_fails_keeps_the_views_and_their_ages_grow)
{
    begin();
    world_connect(&w, false);
    refresh_at(100);
    static const int statuses[] = {403, 500, 401, 429};
    for (int i = 0; i < 4; i++) {
        struct live_status status;
        w.deployments_status = statuses[i];
        refresh_at(110 + 10 * i); // Prometheus still answers
        ck_assert_double_eq_tol(view_of("web")->api_age_s, 10 + 10 * i, 1e-9);
        ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_VALID);
        ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_CPU].validity, VALIDITY_VALID);
        live_status(w.fleet, &status);
        ck_assert_msg(strstr(status.api.message, "not today"), "%s", status.api.message);
    }
    refresh_at(161);
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_STALE);
    w.deployments_status = 0;
    refresh_at(170);
    ck_assert_double_eq(view_of("web")->api_age_s, 0);
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_VALID);
    end();
}
END_TEST

START_TEST(a_prometheus_that_fails_leaves_failed_signals_and_says_why)
{
    static const struct world_reply broken[] = {
        {.status = 503, .raw = "Service Unavailable"},
        {.status = 400,
         .raw = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: unexpected end\"}"},
        {.status = 200, .raw = "<html>login</html>"},
        {.status = 200, .raw = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{"},
    };
    begin();
    world_connect(&w, false);
    for (int i = 0; i < 4; i++) {
        struct live_status status;
        for (int q = 0; q < WORLD_PODS; q++)
            w.prometheus[q] = broken[i];
        refresh_at(100 + i);
        const struct sample *s = &view_of("web")->sample;
        ck_assert_int_eq(s->signals[SIGNAL_CPU].validity, VALIDITY_FAILED);
        ck_assert_int_eq(s->signals[SIGNAL_MEMORY].validity, VALIDITY_FAILED);
        ck_assert_int_eq(s->signals[SIGNAL_P95].validity, VALIDITY_FAILED);
        ck_assert_int_eq(s->signals[SIGNAL_RPS].validity, VALIDITY_FAILED);
        ck_assert_int_eq(s->signals[SIGNAL_REPLICAS].validity, VALIDITY_VALID);
        live_status(w.fleet, &status);
        ck_assert_int_ne(status.prometheus.code, ERR_NONE);
        ck_assert_int_eq((int)status.queries_failed, 5 * (i + 1));
        ck_assert_msg(i != 1 || strstr(status.prometheus.message, "parse error"), "%s", status.prometheus.message);
    }
    end();
}
END_TEST

/* Every query is answered, and some know nothing of the targets: each preset is named with the series that it asks for. */
START_TEST(what_no_query_finds_is_named_with_its_setting)
{
    static const char *const TRAFFIC[] = {
        [LIVE_ISTIO] = "prometheus.traffic=istio finds no series istio_requests_total",
        [LIVE_APP] = "prometheus.traffic=app finds no series http_requests_total",
        [LIVE_NGINX_INGRESS] = "prometheus.traffic=nginx-ingress finds no series nginx_ingress_controller_requests"};
    for (int traffic = LIVE_ISTIO; traffic <= LIVE_NGINX_INGRESS; traffic++) {
        CLEANUP_BUF struct buf wanted = {0};
        begin();
        w.prometheus_settings.traffic = traffic;
        world_connect(&w, false);
        refresh_at(100);
        buf_printf(&wanted,
                   "prometheus.resources=kubelet-resource finds no series container_memory_working_set_bytes; %s",
                   TRAFFIC[traffic]);
        ck_assert_str_eq(view_of("web")->lacks, wanted.bytes);
        ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_RPS].validity, VALIDITY_NO_DATA);
        ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_P95].validity, VALIDITY_NO_DATA);
        end();
    }
    begin();
    snprintf(w.prometheus_settings.rps_query, CONFIG_TEXT, "sum by (namespace, deployment, maestro_code) (x)");
    w.prometheus[WORLD_MEMORY].result = cpu.bytes;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_str_eq(view_of("web")->lacks, "prometheus.rps_query finds no series");
    w.prometheus[WORLD_RPS].status = 503; // an outage is no lack
    w.prometheus[WORLD_RPS].raw = "gone";
    refresh_at(115);
    ck_assert_str_eq(view_of("web")->lacks,
                     "prometheus.traffic=app finds no series http_request_duration_seconds_bucket");
    end();
}
END_TEST

START_TEST(nothing_read_is_a_failed_refresh_that_names_both)
{
    struct err e = {0};
    begin();
    world_connect(&w, false);
    refresh_at(100);
    w.deployments_status = 500;
    for (int q = 0; q < WORLD_PODS; q++)
        w.prometheus[q] = (struct world_reply){.status = 503, .raw = "down"};
    ck_assert(!fleet_refresh(w.fleet, 200, &e));
    ck_assert_msg(strstr(e.message, "not today") && strstr(e.message, "503"), "%s", e.message);
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_CPU].validity, VALIDITY_FAILED);
    ck_assert_double_eq_tol(view_of("web")->sample.signals[SIGNAL_CPU].age_s, 108, 1e-6);
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_STALE);
    end();
}
END_TEST

/* The kubelets of most nodes are not scraped: what the others' pods use is not what all use. Pods that have just come are no
 * sign of that. */
START_TEST(a_sum_over_few_of_the_pods_is_no_sum)
{
    CLEANUP_BUF struct buf memory = {0};
    begin();
    world_element(&memory, "shop", "web", "value", "1000");
    world_element(&memory, "shop", "web", "age", "8");
    w.prometheus[WORLD_MEMORY].result = memory.bytes;
    world_element(&cpu, "shop", "web", "pods", "1");
    world_element(&cpu, "shop", "web-api", "pods", "1");
    w.prometheus[WORLD_CPU].result = cpu.bytes;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_CPU].validity, VALIDITY_FAILED); // 1 of 4
    ck_assert_int_eq(view_of("web")->sample.signals[SIGNAL_MEMORY].validity, VALIDITY_FAILED);
    ck_assert_int_eq(view_of("web-api")->sample.signals[SIGNAL_CPU].validity, VALIDITY_VALID); // 1 of 2
    buf_clear(&deployments);
    world_deployment(&deployments, "shop", "web-api", 9);
    w.deployments = deployments.bytes;
    refresh_at(115);
    ck_assert_int_eq(view_of("web-api")->sample.signals[SIGNAL_CPU].validity, VALIDITY_VALID); // seven are new
    refresh_at(170);
    ck_assert_int_eq(view_of("web-api")->sample.signals[SIGNAL_CPU].validity, VALIDITY_FAILED); // and old by now
    end();
}
END_TEST

START_TEST(other_scalers_on_a_target_are_conflicts)
{
    begin();
    w.hpas = "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-hpa\"},\"spec\":{\"scaleTargetRef\":{\"kind\":"
             "\"Deployment\",\"name\":\"web\"}}},"
             "{\"metadata\":{\"namespace\":\"other\",\"name\":\"x\"},\"spec\":{\"scaleTargetRef\":{\"kind\":"
             "\"Deployment\",\"name\":\"web-api\"}}},"
             "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"y\"},\"spec\":{\"scaleTargetRef\":{\"kind\":"
             "\"StatefulSet\",\"name\":\"web-api\"}}}";
    w.kubernetes_settings.conflicts_every = 2;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_str_eq(view_of("web")->conflict, "HorizontalPodAutoscaler shop/web-hpa");
    ck_assert_str_eq(view_of("web-api")->conflict, "");
    w.hpas = "";
    w.scaled_objects =
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"so\"},\"spec\":{\"scaleTargetRef\":{\"name\":\"web-api\"}}}";
    refresh_at(105);
    ck_assert_str_eq(view_of("web")->conflict, "HorizontalPodAutoscaler shop/web-hpa"); // every second time only
    refresh_at(110);
    ck_assert_str_eq(view_of("web")->conflict, "");
    ck_assert_str_eq(view_of("web-api")->conflict, "ScaledObject shop/so");
    end();
}
END_TEST

START_TEST(a_look_for_other_scalers_is_not_put_off)
{
    struct live_status status;
    begin();
    w.hpas = "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-hpa\"},\"spec\":{\"scaleTargetRef\":{\"kind\":"
             "\"Deployment\",\"name\":\"web\"}}},{\"metadata\":{\"namespace\":\"shop\",\"name\":\"late-hpa\"},"
             "\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"late\"}}}";
    w.kubernetes_settings.conflicts_every = 6;
    world_connect(&w, false);
    w.deployments_status = 500;
    struct err e = {0};
    ck_assert(!fleet_refresh(w.fleet, 100, &e));
    w.deployments_status = 0;
    refresh_at(105); // not the one in six, but the first that can look
    ck_assert_str_eq(view_of("web")->conflict, "HorizontalPodAutoscaler shop/web-hpa");
    int n_lists = w.n_lists;
    refresh_at(110);
    ck_assert_int_eq(w.n_lists, n_lists + 1); // of Deployments
    world_deployment(&deployments, "shop", "late", 1);
    w.deployments = deployments.bytes;
    refresh_at(115);
    ck_assert_str_eq(view_of("late")->conflict, "HorizontalPodAutoscaler shop/late-hpa");
    live_status(w.fleet, &status);
    ck_assert_int_eq(status.conflicts.code, ERR_NONE);
    end();
}
END_TEST

START_TEST(rollouts_are_told_from_mere_scaling)
{
    static const struct {
        const char *spec, *status;
        bool rolling, paused;
        int starting;
    } rows[] = {
        {"\"replicas\":4", "\"observedGeneration\":3,\"replicas\":4,\"updatedReplicas\":4,\"readyReplicas\":4", false,
         false, 0},
        {"\"replicas\":6", "\"observedGeneration\":3,\"replicas\":6,\"updatedReplicas\":6,\"readyReplicas\":4", false,
         false, 2},
        {"\"replicas\":4", "\"observedGeneration\":2,\"replicas\":4,\"updatedReplicas\":4,\"readyReplicas\":4", true,
         false, 0},
        {"\"replicas\":4", "\"observedGeneration\":3,\"replicas\":5,\"updatedReplicas\":1,\"readyReplicas\":4", true,
         false, 1},
        {"\"replicas\":4,\"paused\":true",
         "\"observedGeneration\":3,\"replicas\":4,\"updatedReplicas\":2,\"readyReplicas\":4", true, true, 0},
        {"\"replicas\":2", "\"observedGeneration\":3,\"replicas\":4,\"updatedReplicas\":4,\"readyReplicas\":4", false,
         false, 0},
        {"\"replicas\":4", "", false, false, 0}, // no controller has ever looked
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        struct json_document d;
        struct discovered found;
        struct err e = {0};
        snprintf(text, sizeof text,
                 "{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\",\"uid\":\"c\",\"resourceVersion\":\"1\","
                 "\"generation\":3},"
                 "\"spec\":{%s},\"status\":{%s}}",
                 rows[i].spec, rows[i].status);
        ck_assert_msg(json_parse(&d, "row", text, strlen(text), &e), "%s", e.message);
        ck_assert_msg(discover_read(d.root, "maestro.dev/", &found, &e), "%s", e.message);
        ck_assert_int_eq(found.rolling_out, rows[i].rolling);
        ck_assert_int_eq(found.rollout_paused, rows[i].paused);
        ck_assert_int_eq(found.existing > found.ready ? found.existing - found.ready : 0, rows[i].starting);
        buf_finish(&found.selector);
        json_finish(&d);
    }
}
END_TEST

START_TEST(nonsense_in_a_deployment_is_skipped_and_said)
{
    struct live_status status;
    begin();
    buf_text(&deployments,
             ",{\"metadata\":{\"namespace\":\"shop\",\"name\":\"bad\",\"uid\":\"p\",\"resourceVersion\":\"1\"},"
             "\"spec\":{\"replicas\":-3},\"status\":{}}");
    w.deployments = deployments.bytes;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(fleet_count(w.fleet), 2);
    live_status(w.fleet, &status);
    ck_assert_msg(strstr(status.api.message, "shop/bad") && strstr(status.api.message, "replicas"), "%s",
                  status.api.message);
    end();
}
END_TEST

START_TEST(a_deployment_that_the_parser_refuses_does_not_hide_the_others)
{
    struct live_status status;
    begin();
    buf_text(&deployments, ",{\"metadata\":{\"namespace\":\"shop\",\"name\":\"twice\"},\"spec\":{},\"spec\":{}}");
    w.deployments = deployments.bytes;
    world_connect(&w, false);
    refresh_at(100);
    ck_assert_int_eq(fleet_count(w.fleet), 2);
    live_status(w.fleet, &status);
    ck_assert_msg(strstr(status.api.message, "shop/twice") && strstr(status.api.message, "'spec' stands twice"), "%s",
                  status.api.message);
    end();
}
END_TEST

START_TEST(a_write_carries_the_views_version_and_each_refusal_has_its_meaning)
{
    static const struct {
        int status;
        enum fleet_outcome outcome;
        enum err_code code;
    } rows[] = {{200, FLEET_DONE, ERR_NONE},    {409, FLEET_CONFLICT, ERR_AGAIN}, {404, FLEET_GONE, ERR_IO},
                {403, FLEET_FORBIDDEN, ERR_IO}, {422, FLEET_REFUSED, ERR_IO},     {429, FLEET_THROTTLED, ERR_AGAIN},
                {500, FLEET_FAILED, ERR_AGAIN}, {401, FLEET_FAILED, ERR_AGAIN},   {503, FLEET_FAILED, ERR_AGAIN}};
    begin();
    world_connect(&w, false);
    refresh_at(100);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        w.scale_status = rows[i].status;
        ck_assert_int_eq(fleet_write(w.fleet, find("web"), 5, i % 2 == 1, &e), rows[i].outcome);
        ck_assert_int_eq(e.code, rows[i].code);
        ck_assert_ptr_nonnull(strstr(w.scale_target, "/apis/apps/v1/namespaces/shop/deployments/web/scale"));
        ck_assert_ptr_nonnull(strstr(w.scale_body, "\"replicas\":5"));
        ck_assert_ptr_nonnull(strstr(w.scale_body, "\"resourceVersion\":\"17\""));
        ck_assert_int_eq(strstr(w.scale_target, "dryRun=All") != NULL, i % 2 == 1);
    }
    ck_assert(isinf(fleet_deadline_s(w.fleet))); // no election
    w.scale_status = 429;
    w.scale_headers = "Retry-After: 30\r\n";
    ck_assert_int_eq(fleet_write(w.fleet, find("web"), 5, false, NULL), FLEET_THROTTLED);
    ck_assert_double_eq(fleet_patience_s(w.fleet), 30);
    w.scale_status = 200;
    ck_assert_int_eq(fleet_write(w.fleet, find("web"), 5, false, NULL), FLEET_DONE);
    ck_assert_double_eq(fleet_patience_s(w.fleet), 0);
    end();
}
END_TEST

START_TEST(names_are_escaped_before_they_are_asked_for)
{
    struct err e = {0};
    int index;
    static const char *const hostile[] = {
        "web\"} or vector(0)", "web|.*", "Web", "../x", "web\n", "-web", "", "web{a}"};
    begin();
    world_connect(&w, true);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        ck_assert_msg(!live_add(w.fleet, "shop", hostile[i], &index, &e), "%s", hostile[i]);
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert(!live_add(w.fleet, hostile[i], "web", &index, &e));
    }
    // A dot is allowed in a Deployment's name, and means any character in a regular expression.
    struct buf one = {0};
    world_deployment(&one, "shop", "web.v2", 3);
    w.deployments = one.bytes;
    ck_assert(live_add(w.fleet, "shop", "web.v2", &index, &e));
    refresh_at(100);
    ck_assert_ptr_nonnull(strstr(live_query(w.fleet, SIGNAL_CPU), "pod=~\"(web\\\\.v2)-["));
    ck_assert_ptr_nonnull(strstr(live_query(w.fleet, SIGNAL_P95), "namespace=~\"shop\""));
    end();
    buf_finish(&one);
}
END_TEST

START_TEST(asked_targets_are_read_one_by_one_and_dropped)
{
    struct err e = {0};
    int web, again;
    struct buf one = {0};
    begin();
    world_deployment(&one, "shop", "web", 4);
    w.deployments = one.bytes;
    world_connect(&w, true);
    ck_assert_str_eq(live_namespace(w.fleet), "shop");
    refresh_at(90);
    ck_assert_int_eq(fleet_count(w.fleet), 0);
    ck_assert_int_eq(w.n_queries, 0);
    ck_assert(live_add(w.fleet, "shop", "web", &web, &e));
    ck_assert(live_add(w.fleet, "shop", "web", &again, &e));
    ck_assert_int_eq(web, again);
    refresh_at(100);
    ck_assert_double_eq(view_of("web")->sample.signals[SIGNAL_REPLICAS].value, 4);
    w.deployments = NULL; // 404
    refresh_at(105);
    ck_assert(view_of("web")->gone);
    w.deployments = one.bytes;
    refresh_at(110);
    ck_assert(!view_of("web")->gone); // it came back under its name
    live_drop(w.fleet, web);
    ck_assert_int_eq(find("web"), -1);
    end();
    buf_finish(&one);
}
END_TEST

START_TEST(custom_queries_take_placeholders)
{
    begin();
    snprintf(w.prometheus_settings.p95_query, sizeof w.prometheus_settings.p95_query, "%s",
             "x{namespace=~\"{namespaces}\",d=~\"{names}\"}[{window}] {quantile} {other} histogram_quantile {suffix}");
    world_connect(&w, false);
    refresh_at(100);
    const char *text = live_query(w.fleet, SIGNAL_P95);
    ck_assert_msg(
        strncmp(text, "x{namespace=~\"shop\",d=~\"web|web-api\"}[60s] 0.95 {other} histogram_quantile -[", 76) == 0,
        "%s", text);
    end();
}
END_TEST

START_TEST(settings_that_cannot_work_are_refused_by_name)
{
    struct err e = {0};
    begin();
    struct live_config config = world_config(&w);
    w.prometheus_settings.window_s = 20;
    ck_assert(!live_open(&config, &w.fleet, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "prometheus.window_s"));
    w.prometheus_settings.window_s = 60;
    snprintf(w.kubernetes_settings.namespaces, sizeof w.kubernetes_settings.namespaces, "shop,Not A Name");
    ck_assert(!live_open(&config, &w.fleet, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "kubernetes.namespaces"));
    w.kubernetes_settings.namespaces[0] = '\0';
    snprintf(w.prometheus_settings.token_file, sizeof w.prometheus_settings.token_file, "%s/none", w.folder);
    ck_assert(!live_open(&config, &w.fleet, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "prometheus.token_file"));
    w.fleet = NULL;
    end();
}
END_TEST

START_TEST(the_token_of_prometheus_is_read_anew)
{
    struct buf last = {0};
    struct err e = {0};
    begin();
    char *path = w.prometheus_settings.token_file;
    snprintf(path, CONFIG_TEXT, "%s/token", w.folder);
    ck_assert(file_write_atomic(path, "first\n", 6, &e));
    w.kubernetes_settings.conflicts_every = 0;
    world_connect(&w, false);
    double t = clock_monotonic_s();
    refresh_at(t);
    fake_http_last(w.server, &last);
    ck_assert_msg(strstr(last.bytes, "Authorization: Bearer first\r\n"), "%s", last.bytes);
    ck_assert(file_write_atomic(path, "Basic c2Vjb25k", 14, &e));
    refresh_at(t + 61);
    buf_clear(&last);
    fake_http_last(w.server, &last);
    ck_assert_msg(strstr(last.bytes, "Authorization: Basic c2Vjb25k\r\n"), "%s", last.bytes);
    buf_finish(&last);
    end();
}
END_TEST

START_TEST(quantities_and_times_of_kubernetes)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"500m", 0.5},         {"2", 2},      {"128Mi", 134217728},
                {"1.5Gi", 1610612736}, {"1e3", 1000}, {"12345678n", 0.012345678},
                {"100k", 1e5},         {"1E", 1e18},  {"0", 0},
                {"5E2", 500}};
    static const char *const bad[] = {"", "x", "1x", "1 Mi", "--1", "1mi", "1Mib", "1e999999", "NaN", "1..2"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(quantity_parse(good[i].text, &value), "%s", good[i].text);
        ck_assert_msg(fabs(value - good[i].value) <= 1e-12 * fabs(good[i].value), "%s is %g", good[i].text, value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!quantity_parse(bad[i], &value), "%s", bad[i]);
    ck_assert(podlist_time("1970-01-02T00:00:01.5Z", &value));
    ck_assert_double_eq(value, 86401.5);
    ck_assert(!podlist_time("1970-01-02 00:00:01Z", &value));
    ck_assert(!podlist_time("1970-01-02T00:00:01+01:00", &value));
}
END_TEST

START_TEST(events_go_out_with_the_next_refresh)
{
    struct live_status status;
    begin();
    world_connect(&w, false);
    refresh_at(clock_monotonic_s());
    fleet_event(w.fleet, find("web"), true, "ScalingConflict", "somebody else scales this too");
    ck_assert_str_eq(w.events, "");
    refresh_at(clock_monotonic_s());
    ck_assert_ptr_nonnull(strstr(w.events, "\"reason\":\"ScalingConflict\""));
    ck_assert_ptr_nonnull(strstr(w.events, "\"uid\":\"uid-web\""));
    live_status(w.fleet, &status);
    ck_assert_int_eq((int)status.events_sent, 1);
    end();
}
END_TEST

static volatile sig_atomic_t stop;

/* The Deployment changes behind the cluster's back: a count of our own is written over, another's is not. */
static void other_hand(struct cluster *c)
{
    struct buf six = {0}, nine = {0};
    struct sample s;
    struct err e = {0};
    const char *before = w.deployments;
    world_deployment(&six, "shop", "web", 6);
    world_deployment(&nine, "shop", "web", 9);
    w.deployments = six.bytes; // what was last asked for
    w.conflicts = 1;
    ck_assert_msg(cluster_scale(c, 5, &e), "%s", e.message);
    ck_assert_ptr_nonnull(strstr(w.scale_body, "\"replicas\":5"));
    w.deployments = nine.bytes;
    w.conflicts = 1;
    ck_assert(!cluster_scale(c, 7, &e));
    ck_assert_msg(strstr(e.message, "somebody else wrote: shop/web has 9 replicas, where 4"), "%s", e.message);
    ck_assert_ptr_null(strstr(w.scale_body, "\"replicas\":9"));
    ck_assert(cluster_sample(c, false, &s, &e)); // once it is known it is a count like any other
    w.conflicts = 1;
    ck_assert_msg(cluster_scale(c, 8, &e), "%s", e.message);
    w.deployments = before;
    ck_assert(cluster_sample(c, false, &s, &e));
    buf_finish(&six);
    buf_finish(&nine);
}

START_TEST(one_target_as_a_cluster_keeps_its_schedule)
{
    struct cluster *c = NULL;
    struct sample s;
    struct err e = {0};
    struct buf one = {0};
    begin();
    world_deployment(&one, "shop", "web", 4);
    w.deployments = one.bytes;
    w.scaled_objects =
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"so\"},\"spec\":{\"scaleTargetRef\":{\"name\":\"web\"}}}";
    struct live_cluster_config config = {.live = world_config(&w), .name = "web", .stop = &stop}; // our own namespace
    stop = 0;
    w.prometheus_delay_s = 0.5;
    double start = clock_monotonic_s(), least = HUGE_VAL;
    ck_assert_msg(live_cluster_open(&config, &c, &e), "%s", e.message);
    for (int i = 0; i < 4; i++) {
        double began = clock_monotonic_s();
        ck_assert_msg(cluster_sample(c, false, &s, &e), "%s", e.message);
        ck_assert_double_eq(s.signals[SIGNAL_REPLICAS].value, 4);
        ck_assert(cluster_advance(c, 0.8, &e));
        least = fmin(least, clock_monotonic_s() - began);
    }
    ck_assert_double_ge(clock_monotonic_s() - start, 3.2);
    ck_assert_msg(least < 1.2, "a step of 0.8 s took %g s", least); // added, the asking made each of them 1.3 s
    w.prometheus_delay_s = 0.05;
    ck_assert(cluster_sample(c, false, &s, &e));
    start = clock_monotonic_s();
    ck_assert(cluster_advance(c, 0, &e) && cluster_advance(c, 0.3, &e)); // the 0.05 s of asking are not part of it
    ck_assert_double_ge(clock_monotonic_s() - start, 0.3);
    ck_assert(cluster_scale(c, 5, &e));
    ck_assert_ptr_nonnull(strstr(w.scale_body, "\"replicas\":5"));
    w.conflicts = 2; // a new pod is ready: another version of the object
    ck_assert_msg(cluster_scale(c, 6, &e), "%s", e.message);
    w.conflicts = 100;
    ck_assert(!cluster_scale(c, 6, &e));
    w.conflicts = 0;
    e = (struct err){0};
    other_hand(c);
    ck_assert_str_eq(live_cluster_view(c)->name, "web");
    ck_assert_str_eq(live_cluster_view(c)->conflict, "ScaledObject shop/so");
    stop = 1;
    ck_assert(!cluster_advance(c, 100, &e));
    ck_assert_int_eq(e.code, ERR_INTERRUPTED);
    w.deployments = NULL;
    ck_assert(!cluster_sample(c, false, &s, &e));
    ck_assert_msg(strstr(e.message, "shop/web does not exist"), "%s", e.message);
    cluster_close(c);
    end();
    buf_finish(&one);
}
END_TEST

SUITE("live", what_no_query_finds_is_named_with_its_setting, targets_are_found_with_all_that_the_api_says,
      one_list_and_five_queries_however_many_targets, only_what_is_annotated_is_a_target_unless_told_otherwise,
      a_namespace_that_cannot_be_read_does_not_stop_the_others, namespaces_and_selector_go_into_the_list,
      a_deployment_that_vanishes_is_gone_for_a_refresh_and_its_number_free_afterwards,
      an_api_that_fails_keeps_the_views_and_their_ages_grow, a_prometheus_that_fails_leaves_failed_signals_and_says_why,
      nothing_read_is_a_failed_refresh_that_names_both, a_sum_over_few_of_the_pods_is_no_sum,
      other_scalers_on_a_target_are_conflicts, a_look_for_other_scalers_is_not_put_off,
      rollouts_are_told_from_mere_scaling, nonsense_in_a_deployment_is_skipped_and_said,
      a_deployment_that_the_parser_refuses_does_not_hide_the_others,
      a_write_carries_the_views_version_and_each_refusal_has_its_meaning, names_are_escaped_before_they_are_asked_for,
      asked_targets_are_read_one_by_one_and_dropped, custom_queries_take_placeholders,
      settings_that_cannot_work_are_refused_by_name, the_token_of_prometheus_is_read_anew,
      quantities_and_times_of_kubernetes, events_go_out_with_the_next_refresh,
      one_target_as_a_cluster_keeps_its_schedule)
