/* The presets' own queries on a real Prometheus that scrapes an exporter made here: values in the right units, pods of names
 * that are prefixes of each other kept apart, pods of other kinds and namespaces left out, idle services told from missing
 * ones, ages that are the samples' own. Scraped every second, so that 5 s of window are filled soon. */
#include "suite.h"

#include "live_world.h"
#include "real_prometheus.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* What one pod does, per second. */
struct pod {
    const char *space, *name;
    double cores, mib, rps, errors, latency_s;
};

static const struct pod pods[] = {
    {"shop", "web-7d9f8b6c5d-x2x4z", 0.5, 40, 10, 1, 0.08},
    {"shop", "web-7d9f8b6c5d-bbbbb", 0.25, 24, 6, 0, 0.08},
    {"shop", "web-api-5c4d9f7b6-mmmmm", 0.2, 32, 4, 0, 0.3},
    {"shop", "web-api-canary-96c8d7f5-q5q5q", 0.1, 16, 0, 0, 0}, // never asked anything: its series do not exist
    {"shop", "idle-66c8d7f5b-z5z5z", 0.1, 16, 0, 0, 0.08},       // its series stand still
    {"shop", "web-api-x7k2p", 3, 500, 100, 50, 2},               // of a DaemonSet called web-api
    {"shop", "web-0", 3, 500, 100, 50, 2},                       // of a StatefulSet called web
    {"other", "web-7d9f8b6c5d-x2x4z", 3, 500, 100, 50, 2},
};
enum { N_PODS = sizeof pods / sizeof *pods };

static double started_s;
static double frozen_at_s; /* wall; 0: the kubelet is well */
static struct world w;
static struct real_prometheus prometheus;
static struct buf deployments;

/* As kubelet's /metrics/resource, with the samples' own times. A frozen one repeats itself. */
static void write_kubelet(struct buf *out)
{
    double wall_s = frozen_at_s > 0 ? frozen_at_s : clock_wall_s();
    double t = wall_s - started_s;
    long long ms = (long long)(wall_s * 1000);
    for (int i = 0; i < N_PODS; i++) {
        const struct pod *p = &pods[i];
        buf_printf(out, "container_cpu_usage_seconds_total{container=\"c\",namespace=\"%s\",pod=\"%s\"} %.6f %lld\n",
                   p->space, p->name, p->cores * t, ms);
        buf_printf(out, "container_memory_working_set_bytes{container=\"c\",namespace=\"%s\",pod=\"%s\"} %.0f %lld\n",
                   p->space, p->name, p->mib * 1048576, ms);
    }
}

/* As cAdvisor on cgroup v1: rows of whole pods only, and rows of groups that are no pod's. */
static void write_cadvisor(struct buf *out)
{
    double t = clock_wall_s() - started_s;
    for (int i = 0; i < N_PODS; i++)
        buf_printf(
            out,
            "container_cpu_usage_seconds_total{container=\"\",id=\"/kubepods/%d\",namespace=\"%s\",pod=\"%s\"} %.6f\n",
            i, pods[i].space, pods[i].name, pods[i].cores * t);
    buf_printf(out, "container_cpu_usage_seconds_total{container=\"\",id=\"/\",namespace=\"\",pod=\"\"} %.6f\n",
               50 * t);
}

static void write_pod(struct buf *out, const struct pod *p)
{
    static const double bounds[] = {0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
    double t = clock_wall_s() - started_s;
    if (p->rps <= 0 && p->latency_s <= 0)
        return;
    buf_printf(out, "http_requests_total{code=\"200\"} %.4f\nhttp_requests_total{code=\"503\"} %.4f\n",
               (p->rps - p->errors) * t, p->errors * t);
    for (int b = 0; b < 7; b++)
        buf_printf(out, "http_request_duration_seconds_bucket{le=\"%g\"} %.4f\n", bounds[b],
                   p->latency_s <= bounds[b] ? p->rps * t : 0.0);
    buf_printf(out, "http_request_duration_seconds_bucket{le=\"+Inf\"} %.4f\n", p->rps * t);
}

/* Two sources of requests that tell the Deployment by a label: a mesh (ms, both ends report) and an ingress (s). What the other
 * end of the mesh reports must not count twice. */
static void write_mesh(struct buf *out, const char *reporter, const char *name, double n)
{
    static const char *const bounds[] = {"50", "100", "+Inf"};
    char labels[160];
    snprintf(labels, sizeof labels,
             "reporter=\"%s\",destination_workload=\"%s\",destination_workload_namespace=\"shop\"", reporter, name);
    buf_printf(out, "istio_requests_total{%s,response_code=\"200\"} %.4f\n", labels, n / 2);
    buf_printf(out, "istio_requests_total{%s,response_code=\"503\"} %.4f\n", labels, n / 2);
    for (int b = 0; b < 3; b++)
        buf_printf(out, "istio_request_duration_milliseconds_bucket{%s,le=\"%s\"} %.4f\n", labels, bounds[b],
                   b ? n : 0.0);
}

static void write_ingress(struct buf *out, const char *name, double n)
{
    static const char *const bounds[] = {"0.2", "0.4", "+Inf"};
    char labels[96];
    snprintf(labels, sizeof labels, "exported_namespace=\"shop\",exported_service=\"%s\"", name);
    buf_printf(out, "nginx_ingress_controller_requests{%s,status=\"200\"} %.4f\n", labels, n);
    for (int b = 0; b < 3; b++)
        buf_printf(out, "nginx_ingress_controller_request_duration_seconds_bucket{%s,le=\"%s\"} %.4f\n", labels,
                   bounds[b], b ? n : 0.0);
}

static void write_labelled(struct buf *out)
{
    double t = clock_wall_s() - started_s;
    write_mesh(out, "destination", "web", 16 * t);
    write_mesh(out, "source", "web", 16 * t);
    write_mesh(out, "destination", "web-api", 4 * t);
    write_mesh(out, "destination", "idle", 7000);
    write_ingress(out, "web", 16 * t);
    write_ingress(out, "web-api", 4 * t);
    write_ingress(out, "idle", 7000);
    buf_text(out, "nginx_ingress_controller_config_last_reload_successful 1\n");
}

/* When each path was scraped last, newest first. A value is counted when it is written, and stamped when its scrape began: on
 * a machine that holds one of the two up, a rate is wrong by that much, and nobody can be blamed for it. */
#define EVEN_S 200 /* for a window of them, on a machine that has more to do */
#define SCRAPES 7  /* a window of 5 s and its ends */
static struct path {
    char name[16];
    double asked_s[SCRAPES];
} paths[N_PODS + 4];
static pthread_mutex_t paths_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_scrape(const char *name)
{
    struct path *p = paths;
    pthread_mutex_lock(&paths_lock);
    while (p->name[0] && strcmp(p->name, name) != 0)
        p++;
    if (p < paths + sizeof paths / sizeof *paths - 1) {
        snprintf(p->name, sizeof p->name, "%s", name);
        memmove(&p->asked_s[1], &p->asked_s[0], sizeof p->asked_s - sizeof p->asked_s[0]);
        p->asked_s[0] = clock_monotonic_s();
    }
    pthread_mutex_unlock(&paths_lock);
}

static void forget_scrapes(void)
{
    pthread_mutex_lock(&paths_lock);
    memset(paths, 0, sizeof paths);
    pthread_mutex_unlock(&paths_lock);
}

/* A window of scrapes of every path, each a second behind the one before. */
static bool scrapes_are_even(void)
{
    bool even = true;
    pthread_mutex_lock(&paths_lock);
    double now_s = clock_monotonic_s();
    for (const struct path *p = paths; p->name[0]; p++) {
        even = even && now_s - p->asked_s[0] < 1.3;
        for (int i = 1; i < SCRAPES; i++)
            even = even && fabs(p->asked_s[i - 1] - p->asked_s[i] - 1) < 0.2; // 5 % of a window's 4 s
    }
    pthread_mutex_unlock(&paths_lock);
    return even && paths[0].name[0];
}

static struct fake_reply export(void *context, const struct fake_request *r)
{
    (void)context;
    int i = 0;
    note_scrape(r->target);
    buf_text(r->text, "# one exporter for all\n");
    if (strcmp(r->target, "/kubelet") == 0)
        write_kubelet(r->text);
    else if (strcmp(r->target, "/labelled") == 0)
        write_labelled(r->text);
    else if (strcmp(r->target, "/cadvisor") == 0)
        write_cadvisor(r->text);
    else if (strncmp(r->target, "/pod/", 5) == 0 && (i = r->target[5] - '0') >= 0 && i < N_PODS)
        write_pod(r->text, &pods[i]);
    else
        return (struct fake_reply){.status = 404};
    return (struct fake_reply){.headers = "Content-Type: text/plain; version=0.0.4\r\n"};
}

static struct fake_http *exporter;

/* resources: path of CPU and memory. */
static void begin(const char *resources)
{
    struct buf config = {0};
    started_s = clock_wall_s() - 1000;
    frozen_at_s = 0;
    forget_scrapes();
    exporter = fake_http_open(&(struct fake_http_config){.handle = export});
    int port = fake_http_port(exporter);
    buf_printf(
        &config,
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        "- {job_name: kubelet, honor_labels: true, metrics_path: %s, static_configs: [{targets: ['127.0.0.1:%d']}]}\n"
        "- {job_name: labelled, metrics_path: /labelled, static_configs: [{targets: ['127.0.0.1:%d']}]}\n"
        "- job_name: pods\n  static_configs:\n",
        resources, port, port);
    for (int i = 0; i < N_PODS; i++)
        buf_printf(&config,
                   "  - {targets: ['127.0.0.1:%d'], labels: {namespace: %s, pod: %s, __metrics_path__: /pod/%d}}\n",
                   port, pods[i].space, pods[i].name, i);
    real_prometheus_open(&prometheus, config.bytes);
    buf_finish(&config);
    world_open(&w);
    world_deployment(&deployments, "shop", "web", 2);
    world_deployment(&deployments, "shop", "web-api", 1);
    world_deployment(&deployments, "shop", "web-api-canary", 1);
    world_deployment(&deployments, "shop", "idle", 1);
    world_deployment(&deployments, "shop", "absent", 1);
    w.deployments = deployments.bytes;
    w.prometheus_settings.window_s = 5;
    w.prometheus_settings.scrape_s = 1;
    snprintf(w.prometheus_settings.url, sizeof w.prometheus_settings.url, "%s", prometheus.url);
}

static void end(void)
{
    world_close(&w);
    fake_http_close(exporter);
    real_prometheus_close(&prometheus);
    buf_finish(&deployments);
}

static const struct fleet_view *view_of(const char *name)
{
    struct err e = {0};
    ck_assert_msg(fleet_refresh(w.fleet, clock_monotonic_s(), &e), "%s", e.message);
    for (int i = 0; i < fleet_count(w.fleet); i++)
        if (strcmp(fleet_view(w.fleet, i)->name, name) == 0)
            return fleet_view(w.fleet, i);
    ck_abort_msg("%s was not found", name);
    return NULL;
}

static const struct sample *look(const char *name)
{
    return &view_of(name)->sample;
}

/* Until the windows of web are full. */
static void fill(void)
{
    struct live_status status;
    double until_s = clock_monotonic_s() + EVEN_S;
    bool full = false;
    world_connect(&w, false);
    while (!full && clock_monotonic_s() < until_s) {
        real_prometheus_nap();
        full = look("web")->signals[SIGNAL_CPU].validity == VALIDITY_VALID &&
               look("web")->signals[SIGNAL_P95].validity == VALIDITY_VALID && scrapes_are_even();
    }
    live_status(w.fleet, &status);
    ck_assert_msg(full, "no signals from even scrapes within %d s: %s", EVEN_S, status.prometheus.message);
    ck_assert_msg(status.prometheus.code == ERR_NONE, "%s", status.prometheus.message);
}

/* A look with even scrapes before and behind it. */
static const struct sample *even_look(const char *name)
{
    double until_s = clock_monotonic_s() + EVEN_S;
    for (; clock_monotonic_s() < until_s; real_prometheus_nap()) {
        bool even = scrapes_are_even();
        const struct sample *s = look(name);
        if (even && scrapes_are_even())
            return s;
    }
    ck_abort_msg("no even scrapes for %d s", EVEN_S);
    return NULL;
}

static void expect(const char *name, enum signal_id signal, double low, double high)
{
    const struct reading *r = &even_look(name)->signals[signal];
    ck_assert_msg(r->validity == VALIDITY_VALID, "%s, signal %d: validity %d", name, (int)signal, (int)r->validity);
    ck_assert_msg(r->value >= low && r->value <= high, "%s, signal %d: %g is not within %g..%g", name, (int)signal,
                  r->value, low, high);
    ck_assert_msg(r->age_s >= 0 && r->age_s < 3, "%s, signal %d: %g s old", name, (int)signal, r->age_s);
}

static void expect_validity(const char *name, enum signal_id signal, enum validity validity)
{
    const struct reading *r = &look(name)->signals[signal];
    ck_assert_msg(r->validity == validity, "%s, signal %d: validity %d, value %g", name, (int)signal, (int)r->validity,
                  r->value);
}

/* Idle is told from unknown, and of the unknown the setting and the series are named. */
static void expect_idle_and_unknown(const char *lacks)
{
    expect("idle", SIGNAL_RPS, 0, 0);
    expect_validity("idle", SIGNAL_P95, VALIDITY_ABSENT);
    expect_validity("web-api-canary", SIGNAL_RPS, VALIDITY_NO_DATA);
    expect_validity("web-api-canary", SIGNAL_P95, VALIDITY_NO_DATA);
    ck_assert_str_eq(view_of("web-api-canary")->lacks, lacks);
    ck_assert_str_eq(view_of("idle")->lacks, "");
    ck_assert_str_eq(view_of("web")->lacks, "");
}

/* Counters grow evenly, so rates are right but for the scrapes' jitter: 10 % are allowed, a mixed-up pod is worth 100 %. */
START_TEST(each_target_gets_its_own_pods_and_no_others)
{
    begin("/kubelet");
    fill();
    expect("web", SIGNAL_CPU, 67, 83);
    expect("web-api", SIGNAL_CPU, 18, 22);
    expect("web-api-canary", SIGNAL_CPU, 9, 11);
    expect("web", SIGNAL_MEMORY, 0.2499, 0.2501); // 64 MiB of 2 x 128
    expect("web-api", SIGNAL_MEMORY, 0.2499, 0.2501);
    expect("web", SIGNAL_RPS, 14.4, 17.6);
    expect("web-api", SIGNAL_RPS, 3.6, 4.4);
    expect("web", SIGNAL_P95, 97, 98); // 0.05 + 0.95 x 0.05 s
    expect("web-api", SIGNAL_P95, 389, 391);
    ck_assert_double_eq_tol(even_look("web")->error_ratio.value, 1.0 / 16, 0.01);
    ck_assert_double_eq_tol(even_look("web-api")->error_ratio.value, 0, 1e-9);
    expect_idle_and_unknown("prometheus.traffic=app finds no series http_requests_total, though it is scraped");
    ck_assert_str_eq(view_of("absent")->lacks,
                     "prometheus.resources=kubelet-resource finds no series container_cpu_usage_seconds_total; "
                     "prometheus.traffic=app finds no series http_requests_total");
    for (int s = 0; s < SIGNAL_COUNT; s++)
        if (s != SIGNAL_REPLICAS)
            expect_validity("absent", (enum signal_id)s, VALIDITY_NO_DATA);
    expect("absent", SIGNAL_REPLICAS, 1, 1);
    end();
}
END_TEST

static void make_web(int replicas)
{
    fleet_close(w.fleet);
    buf_clear(&deployments);
    world_deployment(&deployments, "shop", "web", replicas);
    w.deployments = deployments.bytes;
    world_connect(&w, false);
}

/* Two pods of web are known: half of four will do, of five they are too few. */
START_TEST(pods_without_series_are_missed)
{
    begin("/kubelet");
    fill();
    make_web(4);
    expect("web", SIGNAL_CPU, 67, 83);
    make_web(5);
    expect_validity("web", SIGNAL_CPU, VALIDITY_FAILED);
    expect_validity("web", SIGNAL_MEMORY, VALIDITY_FAILED);
    end();
}
END_TEST

START_TEST(an_age_is_the_samples_own)
{
    begin("/kubelet");
    fill();
    expect("web", SIGNAL_MEMORY, 0.2499, 0.2501);
    frozen_at_s = clock_wall_s(); // answers go on, the samples' times do not
    double until_s = clock_monotonic_s() + 30;
    while (look("web")->signals[SIGNAL_CPU].validity == VALIDITY_VALID && clock_monotonic_s() < until_s)
        real_prometheus_nap();
    const struct sample *s = look("web");
    ck_assert_int_eq(s->signals[SIGNAL_CPU].validity, VALIDITY_NO_DATA); // no two samples in the window
    ck_assert_double_ge(s->signals[SIGNAL_CPU].age_s, 4);
    ck_assert_double_ge(s->signals[SIGNAL_MEMORY].age_s, 4); // Prometheus serves the old value for five minutes
    s = even_look("web");
    ck_assert_int_eq(s->signals[SIGNAL_RPS].validity, VALIDITY_VALID);
    ck_assert_double_lt(s->signals[SIGNAL_RPS].age_s, 3);
    end();
}
END_TEST

START_TEST(pod_rows_stand_in_where_cadvisor_has_no_container_rows)
{
    begin("/cadvisor");
    w.prometheus_settings.resources = LIVE_CADVISOR;
    fill();
    expect("web", SIGNAL_CPU, 67, 83);
    expect("web-api", SIGNAL_CPU, 18, 22);
    fleet_close(w.fleet);
    w.prometheus_settings.resources = LIVE_KUBELET_RESOURCE; // insists on container!=""
    world_connect(&w, false);
    expect_validity("web", SIGNAL_CPU, VALIDITY_NO_DATA);
    end();
}
END_TEST

START_TEST(mesh_and_ingress_tell_deployments_by_label)
{
    begin("/kubelet");
    w.prometheus_settings.traffic = LIVE_ISTIO;
    fill();
    expect("web", SIGNAL_RPS, 14.4, 17.6);
    expect("web-api", SIGNAL_RPS, 3.6, 4.4);
    expect("web", SIGNAL_P95, 97, 98);
    ck_assert_double_eq_tol(even_look("web")->error_ratio.value, 0.5, 0.01);
    expect_idle_and_unknown("prometheus.traffic=istio finds no series istio_requests_total, though it is scraped");
    fleet_close(w.fleet);
    w.prometheus_settings.traffic = LIVE_NGINX_INGRESS;
    world_connect(&w, false);
    expect("web", SIGNAL_RPS, 14.4, 17.6);
    expect("web-api", SIGNAL_P95, 389, 391);
    expect_idle_and_unknown(
        "prometheus.traffic=nginx-ingress finds no series nginx_ingress_controller_requests, though "
        "it is scraped");
    end();
}
END_TEST

START_TEST(a_typing_mistake_in_a_query_is_said_in_prometheus_words)
{
    struct live_status status;
    begin("/kubelet");
    snprintf(w.prometheus_settings.p95_query, sizeof w.prometheus_settings.p95_query, "histogram_quantil(0.95, x)");
    world_connect(&w, false);
    expect_validity("web", SIGNAL_P95, VALIDITY_FAILED);
    live_status(w.fleet, &status);
    ck_assert_msg(strstr(status.prometheus.message, "unknown function"), "%s", status.prometheus.message);
    end();
}
END_TEST

int main(void)
{
    if (!real_prometheus_exists()) {
        puts("SKIP prometheus is not installed");
        return 77;
    }
    const TTest *const cases[] = {each_target_gets_its_own_pods_and_no_others,
                                  pods_without_series_are_missed,
                                  an_age_is_the_samples_own,
                                  pod_rows_stand_in_where_cadvisor_has_no_container_rows,
                                  mesh_and_ingress_tell_deployments_by_label,
                                  a_typing_mistake_in_a_query_is_said_in_prometheus_words};
    TCase *group = tcase_create("live_prometheus");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tcase_add_test(group, cases[i]);
    return suite_run("live_prometheus", group);
}
