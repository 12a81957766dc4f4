/* The pods of one target, read for the HPA's rule: whose they are, what of them is known, and how many are too many. */
#include "suite.h"

#include "live_world.h"

#include <maestro/clock.h>
#include <maestro/json.h>
#include <maestro/pod_shape.h>
#include <math.h>
#include <string.h>

static struct world w;
static struct buf deployments;

static void begin(void)
{
    world_open(&w);
    buf_clear(&deployments);
    world_deployment(&deployments, "shop", "web-api", 2);
    world_deployment(&deployments, "shop", "web", 4);
    w.deployments = deployments.bytes;
}

static void end(void)
{
    world_close(&w);
    buf_finish(&deployments);
}

/* The target's number after one look. */
static int find_web(void)
{
    struct err e = {0};
    world_connect(&w, false);
    ck_assert_msg(fleet_refresh(w.fleet, clock_monotonic_s(), &e), "%s", e.message);
    int i = 0;
    while (i < fleet_count(w.fleet) && strcmp(fleet_view(w.fleet, i)->name, "web") != 0)
        i++;
    ck_assert_int_lt(i, fleet_count(w.fleet));
    return i;
}

#define OWNED "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"web-7d9f8b6c5d\"}]"
#define POD_SPEC "\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"250m\"}}}]}"
#define POD_READY                                                                                                      \
    "\"status\":{\"phase\":\"Running\",\"startTime\":\"2026-03-01T12:00:00Z\",\"conditions\":[{\"type\":\"Ready\","    \
    "\"status\":\"True\",\"lastTransitionTime\":\"2026-03-01T12:00:09Z\"}]}"

START_TEST(pods_come_with_metrics_servers_view_and_only_by_their_owner)
{
    struct sample s;
    struct err e = {0};
    begin();
    w.pods = "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-x2x4z\"," OWNED "}," POD_SPEC "," POD_READY "},"
             "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-bbbbb\"," OWNED
             ",\"deletionTimestamp\":\"2026-03-01T12:00:00Z\"}," POD_SPEC ",\"status\":{\"phase\":\"Pending\"}},"
             "{\"metadata\":{\"name\":\"web-api-7d9f8b6c5d-ccccc\",\"ownerReferences\":[{\"kind\":\"ReplicaSet\","
             "\"name\":\"web-api-7d9f8b6c5d\"}]}," POD_SPEC "," POD_READY "},"
             "{\"metadata\":{\"name\":\"bare\"}," POD_SPEC "," POD_READY "}";
    w.pod_metrics =
        "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-x2x4z\"},\"timestamp\":\"2026-03-01T12:01:00Z\",\"window\":\"15.5s\","
        "\"containers\":[{\"usage\":{\"cpu\":\"123456789n\"}},{\"usage\":{\"cpu\":\"10m\"}}]},"
        "{\"metadata\":{\"name\":\"bare\"},\"timestamp\":\"2026-03-01T12:01:00Z\",\"window\":\"15s\",\"containers\":[{"
        "\"usage\":{\"cpu\":\"5\"}}]}";
    int web = find_web();
    ck_assert_msg(fleet_read_pods(w.fleet, web, &s, &e), "%s", e.message);
    ck_assert_int_eq(s.n_pods, 2);
    ck_assert(s.pods[0].ready && s.pods[0].has_cpu && s.pods[0].has_start_time && !s.pods[0].deleting);
    ck_assert_double_eq_tol(s.pods[0].cpu_percent, 13.3456789, 1e-9);
    ck_assert_double_eq_tol(s.pods[0].cpu_window_s, 15.5, 1e-9);
    ck_assert_double_eq_tol(s.pods[0].cpu_request_percent, 25, 1e-9);
    ck_assert_double_eq_tol(s.pods[0].cpu_sample_time_s - s.pods[0].start_time_s, 60, 1e-3);
    ck_assert_double_eq_tol(s.pods[0].ready_changed_s - s.pods[0].start_time_s, 9, 1e-3);
    ck_assert_double_lt(fabs(s.pods[0].start_time_s - 1772366400), 1); // the wall clock's, as the sample's is here
    ck_assert(s.pods[1].deleting && !s.pods[1].has_cpu && s.pods[1].phase == POD_PENDING);
    w.pod_metrics = NULL; // metrics-server is not there
    ck_assert(!fleet_read_pods(w.fleet, web, &s, &e));
    ck_assert_msg(strstr(e.message, "shop/web"), "%s", e.message);
    end();
}
END_TEST

static void put_pods(struct buf *out, int n, const char *status)
{
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s{\"metadata\":{\"name\":\"web-7d9f8b6c5d-%d\"," OWNED "}," POD_SPEC ",%s}",
                   out->len ? "," : "", i, status);
}

/* The mean of some of them is not the mean of all. */
START_TEST(more_pods_than_can_be_held_are_an_error)
{
    CLEANUP_BUF struct buf pods = {0};
    struct sample s;
    struct err e = {0};
    begin();
    put_pods(&pods, 50, "\"status\":{\"phase\":\"Failed\"}"); // evicted ones stay
    put_pods(&pods, PODS_LIMIT, POD_READY);
    w.pods = pods.bytes;
    w.pod_metrics = "";
    int web = find_web();
    ck_assert_msg(fleet_read_pods(w.fleet, web, &s, &e), "%s", e.message);
    ck_assert_int_eq(s.n_pods, PODS_LIMIT);
    put_pods(&pods, 1, POD_READY);
    w.pods = pods.bytes;
    ck_assert(!fleet_read_pods(w.fleet, web, &s, &e));
    ck_assert_msg(strstr(e.message, "more than 160"), "%s", e.message);
    end();
}
END_TEST

START_TEST(pods_cpu_may_come_from_prometheus)
{
    struct sample s;
    struct err e = {0};
    begin();
    w.pods = "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-x2x4z\"," OWNED "}," POD_SPEC "," POD_READY "}";
    w.prometheus[WORLD_PODS].result = "{\"metric\":{\"namespace\":\"shop\",\"pod\":\"web-7d9f8b6c5d-x2x4z\","
                                      "\"maestro\":\"value\"},\"value\":[1,\"33.5\"]},"
                                      "{\"metric\":{\"namespace\":\"shop\",\"pod\":\"web-7d9f8b6c5d-x2x4z\","
                                      "\"maestro\":\"age\"},\"value\":[1,\"12\"]}";
    w.kubernetes_settings.pod_metrics = LIVE_PROMETHEUS;
    int web = find_web();
    ck_assert_msg(fleet_read_pods(w.fleet, web, &s, &e), "%s", e.message);
    ck_assert_int_eq(s.n_pods, 1);
    ck_assert_double_eq(s.pods[0].cpu_percent, 33.5);
    ck_assert_double_lt(fabs(clock_wall_s() - 12 - s.pods[0].cpu_sample_time_s), 2);
    end();
}
END_TEST

/* As the API server fills requests in, and as the HPA adds them up. */
START_TEST(a_pod_asks_for_what_its_containers_and_sidecars_do)
{
    static const struct {
        const char *spec;
        double percent;
    } ROWS[] = {
        {"{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"500m\"}}}]}", 50},
        {"{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"250m\"}"
         ","
         "\"limits\":{\"cpu\":\"2\"}}}]}",
         125},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"200m\"}}}],\"initContainers\":[{\"restartPolicy\":"
         "\"Always\",\"resources\":{\"limits\":{\"cpu\":\"100m\"}}},{\"resources\":{\"requests\":{\"cpu\":\"4\"}}}]}",
         30},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"200m\"}}}],\"initContainers\":[{\"restartPolicy\":"
         "\"Always\"}]}",
         0},
        {"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"200m\"}}},{\"name\":\"bare\"}]}", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        CLEANUP_BUF struct buf text = {0};
        struct json_document d = {0};
        struct err e = {0};
        buf_printf(&text, "{\"spec\":{\"template\":{\"spec\":%s}}}", ROWS[i].spec);
        ck_assert_msg(json_parse(&d, "deployment", text.bytes, text.len, &e), "%s", e.message);
        ck_assert_double_eq_tol(100 * pod_shape_of(d.root).cpu_request_cores, ROWS[i].percent, 1e-9);
        json_finish(&d);
    }
    struct sample s;
    struct err e = {0};
    begin();
    w.pods = "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-x2x4z\"," OWNED "},\"spec\":{\"containers\":[{\"resources\":"
             "{\"limits\":{\"cpu\":\"500m\"}}}],\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{"
             "\"requests\":{\"cpu\":\"100m\"}}}]}," POD_READY "}";
    w.pod_metrics = "{\"metadata\":{\"name\":\"web-7d9f8b6c5d-x2x4z\"},\"timestamp\":\"2026-03-01T12:01:00Z\","
                    "\"window\":\"15s\",\"containers\":[{\"usage\":{\"cpu\":\"10m\"}}]}";
    int web = find_web();
    ck_assert_msg(fleet_read_pods(w.fleet, web, &s, &e), "%s", e.message);
    ck_assert_double_eq_tol(s.pods[0].cpu_request_percent, 60, 1e-9);
    end();
}
END_TEST

SUITE("live_pods", pods_come_with_metrics_servers_view_and_only_by_their_owner,
      a_pod_asks_for_what_its_containers_and_sidecars_do, more_pods_than_can_be_held_are_an_error,
      pods_cpu_may_come_from_prometheus)
