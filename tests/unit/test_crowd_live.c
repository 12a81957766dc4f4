/* The simulated cluster through a real Prometheus and the live fleet's own queries: what the fleet reads is what the simulator
 * did, and scaling shows. Skipped where no prometheus is installed. */
#include "suite.h"

#include "live_world.h"
#include "real_prometheus.h"

#include <maestro/crowd.h>

#include <math.h>

#define SPEED 4.0

static double started_s;
static struct crowd *crowd;
static struct world w;
static struct real_prometheus prometheus;

static struct fake_reply export(void *context, const struct fake_request *r)
{
    (void)context;
    crowd_advance(crowd, clock_monotonic_s() - started_s);
    crowd_expose(crowd, r->text);
    return (struct fake_reply){.headers = "Content-Type: text/plain; version=0.0.4\r\n"};
}

static void open_crowd(void)
{
    static const char *const wishes[] = {"shop/web=constant:100:100", "shop/cart=constant:700:700",
                                         "shop/idle=constant:0:0"};
    struct crowd_config config;
    struct config_section section = crowd_section(&config);
    struct config all;
    struct err e = {0};
    ck_assert(config_init(&all, &section, 1, &e));
    config_finish(&all);
    config.targets = 0;
    config.speed = SPEED;
    ck_assert_msg(crowd_open(&config, wishes, 3, &crowd, &e), "%s", e.message);
    started_s = clock_monotonic_s();
}

static void open_fleet(const struct fake_http *exporter, struct buf *deployments)
{
    CLEANUP_BUF struct buf config = {0};
    buf_printf(&config,
               "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
               "- {job_name: crowd, honor_labels: true, static_configs: [{targets: ['127.0.0.1:%d']}]}\n",
               fake_http_port(exporter));
    real_prometheus_open(&prometheus, config.bytes);
    world_open(&w);
    world_deployment(deployments, "shop", "web", 2);
    world_deployment(deployments, "shop", "cart", 2);
    world_deployment(deployments, "shop", "idle", 2);
    w.deployments = deployments->bytes;
    w.prometheus_settings.traffic = LIVE_APP;
    w.prometheus_settings.window_s = 8;
    w.prometheus_settings.scrape_s = 1;
    snprintf(w.prometheus_settings.url, sizeof w.prometheus_settings.url, "%s", prometheus.url);
    world_connect(&w, false);
}

static const struct reading *look(const char *name, enum signal_id signal)
{
    struct err e = {0};
    ck_assert_msg(fleet_refresh(w.fleet, clock_monotonic_s(), &e), "%s", e.message);
    for (int i = 0; i < fleet_count(w.fleet); i++)
        if (strcmp(fleet_view(w.fleet, i)->name, name) == 0)
            return &fleet_view(w.fleet, i)->sample.signals[signal];
    ck_abort_msg("%s was not found", name);
    return NULL;
}

/* Before long: the window fills, pods start. */
static void expect(const char *name, enum signal_id signal, double low, double high)
{
    double until_s = clock_monotonic_s() + 60;
    for (;;) {
        const struct reading *r = look(name, signal);
        if (r->validity == VALIDITY_VALID && r->value >= low && r->value <= high && r->age_s < 5)
            return;
        ck_assert_msg(clock_monotonic_s() < until_s, "%s, signal %d: validity %d, %g is not within %g..%g", name,
                      (int)signal, (int)r->validity, r->value, low, high);
        real_prometheus_nap();
    }
}

START_TEST(the_fleet_reads_what_the_simulator_did)
{
    struct buf deployments = {0};
    struct err e = {0};
    if (!real_prometheus_exists()) {
        printf("SKIP prometheus is not installed (Debian package prometheus)\n");
        return;
    }
    open_crowd();
    struct fake_http *exporter = fake_http_open(&(struct fake_http_config){.handle = export});
    open_fleet(exporter, &deployments);
    expect("web", SIGNAL_RPS, 70, 130);
    expect("web", SIGNAL_CPU, 8, 18);        // percent of a core: 100 x 1.2 ms a second
    expect("web", SIGNAL_MEMORY, 0.46, 0.5); // 60 MiB of 128, twice
    expect("web", SIGNAL_P95, 4, 40);
    expect("idle", SIGNAL_RPS, 0, 0);
    ck_assert_int_eq(look("idle", SIGNAL_P95)->validity, VALIDITY_ABSENT);
    expect("cart", SIGNAL_P95, 45, 10000); // 840 ms of CPU a second in two pods of 500
    ck_assert(crowd_scale(crowd, "shop", "cart", 6, &e));
    expect("cart", SIGNAL_P95, 4, 40);
    expect("cart", SIGNAL_RPS, 500, 900);
    world_close(&w);
    fake_http_close(exporter);
    real_prometheus_close(&prometheus);
    crowd_close(crowd);
    buf_finish(&deployments);
}
END_TEST

SUITE("crowd_live", the_fleet_reads_what_the_simulator_did)
