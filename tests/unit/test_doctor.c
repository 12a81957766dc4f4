/* doctor: a healthy cluster passes every check; each illness is found by name, with what to do, and nothing is written. */
#include <maestro/doctor.h>

#include "suite.h"

#include "live_world.h"

#include <stdio.h>
#include <string.h>

static struct world world;
static struct buf deployment, cpu, memory, p95, rps, presence;
static struct doctor_report report;

static void element(struct buf *out, const char *value)
{
    world_element(out, "shop", "web", "", value);
    world_element(out, "shop", "web", "age", "7");
}

static void begin(void)
{
    world_open(&world);
    world_deployment(&deployment, "shop", "web", 3);
    element(&cpu, "120");
    element(&memory, "100000000");
    element(&p95, "80");
    element(&presence, "3");
    buf_text(&rps, "");
    element(&rps, "50");
    world.deployments = deployment.bytes;
    world.prometheus[WORLD_CPU].result = cpu.bytes;
    world.prometheus[WORLD_MEMORY].result = memory.bytes;
    world.prometheus[WORLD_P95].result = p95.bytes;
    world.prometheus[WORLD_RPS].result = rps.bytes;
    world.prometheus[WORLD_PRESENCE].result = presence.bytes;
    world.prometheus[WORLD_BOUNDS].result = "{\"metric\":{\"le\":\"0.5\"},\"value\":[1,\"3\"]},"
                                            "{\"metric\":{\"le\":\"+Inf\"},\"value\":[1,\"3\"]}";
}

static void end(void)
{
    ck_assert_str_eq(world.scale_body, "");
    ck_assert_str_eq(world.events, "");
    struct buf *all[] = {&deployment, &cpu, &memory, &p95, &rps, &presence};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        buf_finish(all[i]);
        *all[i] = (struct buf){0};
    }
    world_close(&world);
}

static void examine(const char *name, const char *policy)
{
    const struct doctor_config config = {&world.prometheus_settings, &world.kubernetes_settings, "shop", name, policy};
    struct err e = {0};
    ck_assert_msg(doctor_examine(&config, &report, &e), "%s", e.message);
}

/* The finding on subject in which part stands, or NULL. */
static const struct doctor_finding *find(const char *subject, const char *part)
{
    for (int i = 0; i < report.n; i++)
        if (strcmp(report.findings[i].subject, subject) == 0 && strstr(report.findings[i].text, part))
            return &report.findings[i];
    return NULL;
}

static void expect(enum doctor_state state, const char *subject, const char *part, const char *advice)
{
    const struct doctor_finding *f = find(subject, part);
    if (!f)
        for (int i = 0; i < report.n; i++)
            printf("%d %s: %s -> %s\n", (int)report.findings[i].state, report.findings[i].subject,
                   report.findings[i].text, report.findings[i].advice);
    fflush(stdout);
    ck_assert_msg(f, "no finding '%s' with '%s'", subject, part);
    ck_assert_int_eq(f->state, state);
    ck_assert_msg(strstr(f->advice, advice), "%s", f->advice);
}

START_TEST(a_healthy_target_passes)
{
    begin();
    examine("web", "");
    expect(DOCTOR_GOOD, "kubernetes: API", "v1.34.4", "");
    expect(DOCTOR_GOOD, "right: patch deployments/scale", "shop", "");
    expect(DOCTOR_GOOD, "target", "shop/web, 3 ready, no other scaler", "");
    expect(DOCTOR_GOOD, "annotations", "mode shadow, latency limits 200", "");
    expect(DOCTOR_GOOD, "signal: p95 latency", "80, 7 s old", "");
    expect(DOCTOR_WARNING, "limits", "no hard latency limit", "latencyHardConstraint");
    ck_assert_int_eq(report.n_bad, 0);
    end();
}
END_TEST

START_TEST(a_missing_right_is_named)
{
    begin();
    world.denied = "\"patch\"";
    examine("web", "");
    expect(DOCTOR_BAD, "right: patch deployments/scale", "missing in namespace shop", "nothing can be scaled");
    world.denied = "horizontalpodautoscalers";
    examine("web", "");
    expect(DOCTOR_WARNING, "right: list horizontalpodautoscalers", "missing", "is not noticed");
    ck_assert_int_eq(report.n_bad, 0);
    end();
}
END_TEST

START_TEST(an_api_that_is_away_is_said_first)
{
    begin();
    fake_http_close(world.server);
    world.server = NULL;
    examine("web", "");
    ck_assert_str_eq(report.findings[0].subject, "kubernetes: API");
    ck_assert_int_eq(report.findings[0].state, DOCTOR_BAD);
    ck_assert_int_ge(report.n_bad, 2);
    ck_assert_ptr_null(find("right: list deployments", ""));
    end();
}
END_TEST

START_TEST(signals_without_data_are_told_apart)
{
    begin();
    world.prometheus[WORLD_P95].result = NULL;
    world.prometheus[WORLD_RPS] = (struct world_reply){.status = 400,
                                                       .raw = "{\"status\":\"error\",\"errorType\":"
                                                              "\"bad_data\",\"error\":\"no such function\"}"};
    examine("web", "");
    expect(DOCTOR_BAD, "signal: p95 latency", "no data", "prometheus.traffic");
    expect(DOCTOR_BAD, "signal: rps", "failed", "the query itself fails");
    expect(DOCTOR_GOOD, "signal: cpu", "120, 7 s old", "");
    buf_clear(&cpu);
    world_element(&cpu, "shop", "web", "", "120");
    world_element(&cpu, "shop", "web", "age", "400");
    world.prometheus[WORLD_CPU].result = cpu.bytes;
    examine("web", "");
    expect(DOCTOR_BAD, "signal: cpu", "stale", "the newest sample is old");
    end();
}
END_TEST

START_TEST(pods_that_are_not_scraped_are_told)
{
    begin();
    buf_clear(&presence);
    element(&presence, "1"); // of three
    world.prometheus[WORLD_PRESENCE].result = presence.bytes;
    examine("web", "");
    expect(DOCTOR_BAD, "signal: rps", "failed", "fewer than half of the pods");
    expect(DOCTOR_GOOD, "signal: cpu", "120, 7 s old", "");
    end();
}
END_TEST

START_TEST(another_scaler_is_found)
{
    begin();
    world.hpas = "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-hpa\"},\"spec\":{\"scaleTargetRef\":{"
                 "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"}}}";
    examine("web", "");
    expect(DOCTOR_BAD, "target", "HorizontalPodAutoscaler", "two writers fight");
    end();
}
END_TEST

static void annotate(const char *old, const char *new)
{
    CLEANUP_BUF struct buf text = {0};
    char *at = strstr(deployment.bytes, old);
    ck_assert_ptr_nonnull(at);
    buf_append(&text, deployment.bytes, (size_t)(at - deployment.bytes));
    buf_text(&text, new);
    buf_text(&text, at + strlen(old));
    buf_clear(&deployment);
    buf_append(&deployment, text.bytes, text.len);
    world.deployments = deployment.bytes;
}

START_TEST(a_limit_out_of_the_histograms_reach_is_found)
{
    begin();
    annotate("\"other\":\"x\"", "\"latencyHardConstraint\":\"800\"");
    examine("web", "");
    expect(DOCTOR_BAD, "limits", "hard limit 800 ms, highest finite bucket of the histogram 500 ms", "lower the limit");
    annotate("\"800\"", "\"500\"");
    examine("web", "");
    expect(DOCTOR_BAD, "limits", "hard limit 500 ms", "lower the limit"); // p95 is 500 ms at most, and so never over it
    annotate("\"500\"", "\"400\"");
    examine("web", "");
    expect(DOCTOR_GOOD, "limits", "hard limit 400 ms", "");
    annotate("\"400\"", "\"-4x\"");
    examine("web", "");
    expect(DOCTOR_BAD, "annotations", "latencyHardConstraint", "mend it");
    end();
}
END_TEST

START_TEST(a_deployment_that_nobody_watches_is_found)
{
    begin();
    annotate("\"maestro.dev/mode\":\"shadow\",", "");
    examine("web", "");
    expect(DOCTOR_WARNING, "annotations", "does not watch a Deployment without an annotation under maestro.dev/",
           "shadow");
    world.kubernetes_settings.annotated = false;
    examine("web", "");
    ck_assert_ptr_null(find("annotations", "does not watch"));
    end();
}
END_TEST

START_TEST(a_wrong_preset_of_requests_is_found)
{
    begin();
    world.prometheus[WORLD_BOUNDS].result = world.prometheus[WORLD_RPS].result = NULL;
    world.prometheus[WORLD_P95].result = NULL;
    examine("web", "");
    expect(DOCTOR_BAD, "signal: rps", "no data", "prometheus.traffic");
    expect(DOCTOR_BAD, "signal: p95 latency", "no data", "prometheus.traffic");
    expect(DOCTOR_BAD, "prometheus: traffic", "has no series in namespace shop", "without series the target is held");
    end();
}
END_TEST

START_TEST(a_missing_deployment_is_found)
{
    begin();
    world.deployments = NULL;
    examine("web", "");
    ck_assert_int_ge(report.n_bad, 1);
    const struct doctor_finding *f = find("target", "");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(f->state, DOCTOR_BAD);
    end();
}
END_TEST

START_TEST(a_policy_that_does_not_fit_is_found)
{
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/policies/pretrained/web-api.safetensors", getenv("MAESTRO_SOURCE"));
    begin();
    world.prometheus_settings.window_s = 120;
    world.prometheus_settings.scrape_s = 30;
    examine("web", path.bytes);
    expect(DOCTOR_BAD, "policy", "scrape interval, s: trained with 15, here 30", "prometheus.scrape_s");
    expect(DOCTOR_GOOD, "policy", "period, s: trained with 15, here 15", "");
    expect(DOCTOR_BAD, "policy", "rate window, s: trained with 60, here 120", "prometheus.window_s");
    annotate("\"other\":\"x\"", "\"maestro.dev/interval\":\"30s\"");
    examine("web", path.bytes);
    expect(DOCTOR_BAD, "policy", "period, s: trained with 15, here 30", "interval");
    examine("web", "missing.safetensors");
    expect(DOCTOR_BAD, "policy", "missing.safetensors", "name a policy file");
    end();
}
END_TEST

SUITE("doctor", a_healthy_target_passes, a_missing_right_is_named, an_api_that_is_away_is_said_first,
      signals_without_data_are_told_apart, pods_that_are_not_scraped_are_told, another_scaler_is_found,
      a_limit_out_of_the_histograms_reach_is_found, a_deployment_that_nobody_watches_is_found,
      a_wrong_preset_of_requests_is_found, a_missing_deployment_is_found, a_policy_that_does_not_fit_is_found)
