/* Tests of the measurement arithmetic: known values, and a simulated episode's scrapes given to Prometheus' own promtool with
 * the PromQL of our signals; both must agree to 1e-9. */
#include <maestro/scrape.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../envs/sim/state.h"
#include "simulate.h"
#include "suite.h"

START_TEST(rate_extrapolates_like_prometheus)
{
    /* 15 s apart, +30 each: 2/s; the window's edges lie within 1.1 intervals, so the whole window counts. */
    const double t[] = {10, 25, 40, 55}, v[] = {1000, 1030, 1060, 1090};
    ck_assert_double_eq_tol(scrape_rate_of(t, v, 4, 60, 60, 3), 2.0, 1e-12);
    ck_assert_double_eq_tol(scrape_rate_of(t, v, 4, 60, 60, 2), 2.0, 1e-12);
    /* Young counter: extrapolated back to where it was 0 (5 s before), not to the window's start. */
    const double young[] = {10, 40, 70, 100};
    ck_assert_double_eq_tol(scrape_rate_of(t, young, 4, 60, 60, 3), 90.0 / 45 * (45 + 5 + 5) / 60, 1e-12);
    /* A reset counts what came after it. */
    const double reset[] = {100, 130, 20, 50};
    ck_assert_double_eq_tol(scrape_rate_of(t, reset, 4, 60, 60, 3), 80.0 / 45 * 60 / 60, 1e-12);
    ck_assert(isnan(scrape_rate_of(t, v, 1, 60, 60, 3)));
    ck_assert(isnan(scrape_rate_of(t, v, 4, 200, 60, 3)));
}
END_TEST

START_TEST(versions_differ_at_the_window_edge)
{
    const double t[] = {0, 15, 30}, v[] = {0, 15, 45};
    /* At 30 with 15 s of window: 2.x takes both ends, 3.x only the sample at 30. */
    ck_assert_double_eq_tol(scrape_rate_of(t, v, 3, 30, 15, 2), 2.0, 1e-12);
    ck_assert(isnan(scrape_rate_of(t, v, 3, 30, 15, 3)));
}
END_TEST

START_TEST(quantiles_interpolate_and_saturate)
{
    const double bound[] = {10, 20, 50}, spread[] = {10, 30, 38, 40}, high[] = {0, 0, 1, 40}, idle[] = {0, 0, 0, 0};
    ck_assert_double_eq_tol(scrape_quantile(0.5, bound, spread, 3), 15, 1e-12);
    ck_assert_double_eq_tol(scrape_quantile(0.1, bound, spread, 3), 4, 1e-12);
    ck_assert_double_eq_tol(scrape_quantile(0.95, bound, spread, 3), 50, 1e-12);
    ck_assert_double_eq_tol(scrape_quantile(0.95, bound, high, 3), 50, 1e-12); // +Inf: highest finite bound
    ck_assert(isnan(scrape_quantile(0.95, bound, idle, 3)));
    const double broken[] = {10, 9, 20, 20}; // rounding made it fall: raised first
    ck_assert_double_eq_tol(scrape_quantile(0.75, bound, broken, 3), 20 + 30 * 0.5, 1e-12);
}
END_TEST

#define EPISODE_S 900
#define SHIFT_S 200 /* promtool's time begins at 0; ours before the episode */
#define SERIES_PODS 24

/* All scrapes of an episode: [second][series], NaN where there is none. */
struct recording {
    double bucket[EPISODE_S + SHIFT_S][SERVICE_BUCKETS + 1];
    double cpu_s[EPISODE_S + SHIFT_S][SERIES_PODS];
};

static void record(struct recording *r, const struct sim_state *s, int n_buckets)
{
    int row = (s->store.n - 1) % RING, second = (int)s->store.time_s[row] + SHIFT_S;
    for (int b = 0; b <= n_buckets; b++)
        r->bucket[second][b] = s->store.bucket[row][b];
    for (int i = 0; i < SERIES_PODS; i++)
        r->cpu_s[second][i] = i < s->n_slots ? s->store.cpu_s[row][i] : (double)NAN;
}

static void write_series(FILE *f, const char *name, const double *values, size_t stride)
{
    fprintf(f, "      - series: '%s'\n        values: '", name);
    for (int second = 0; second < EPISODE_S + SHIFT_S; second++) {
        double v = values[(size_t)second * stride];
        isnan(v) ? fprintf(f, "_ ") : fprintf(f, "%.17g ", v);
    }
    fprintf(f, "'\n");
}

static void write_all_series(FILE *f, const struct recording *r, const struct config_list *bounds)
{
    char name[96];
    for (int b = 0; b <= bounds->n; b++) {
        if (b < bounds->n)
            snprintf(name, sizeof name, "lat_bucket{le=\"%.17g\"}", bounds->v[b]);
        else
            snprintf(name, sizeof name, "lat_bucket{le=\"+Inf\"}");
        write_series(f, name, &r->bucket[0][b], SERVICE_BUCKETS + 1);
    }
    for (int i = 0; i < SERIES_PODS; i++) {
        snprintf(name, sizeof name, "cpu{pod=\"%d\"}", i);
        write_series(f, name, &r->cpu_s[0][i], SERIES_PODS);
    }
}

static void expect(FILE *f, const char *expression, double value, int at_s)
{
    fprintf(f, "      - expr: abs((%s) / %.17g - 1) < bool 1e-9\n        eval_time: %ds\n", expression, value, at_s);
    fprintf(f, "        exp_samples: [{labels: '{}', value: 1}]\n");
}

static int promtool_version(void)
{
    FILE *p = popen("promtool --version 2>&1", "r");
    int major = 0;
    char line[256] = "";
    if (p && fgets(line, sizeof line, p))
        sscanf(line, "promtool, version %d.", &major);
    if (p)
        pclose(p);
    return major;
}

/* Scales about, with gaps and a bit of overload, and writes down what every sample says. */
static void simulate(struct simulated *s, struct recording *r, FILE *expressions)
{
    int n_buckets = s->profile.measurement.buckets_ms.n, seen = 0;
    for (int second = 0; second < EPISODE_S + SHIFT_S; second++) {
        for (int b = 0; b <= SERVICE_BUCKETS; b++)
            r->bucket[second][b] = (double)NAN;
        for (int i = 0; i < SERIES_PODS; i++)
            r->cpu_s[second][i] = (double)NAN;
    }
    for (int second = 1; second < EPISODE_S; second++) {
        simulated_advance(s, 1);
        if (s->state->store.n > seen)
            record(r, s->state, n_buckets);
        seen = s->state->store.n;
        if (second % 45 == 0)
            simulated_scale(s, 3 + second / 45 % 5 * 2);
        if (second < 120 || second % 7)
            continue;
        struct sample sample = simulated_sample(s, false);
        const struct reading *signals = sample.signals;
        int at_s = second + SHIFT_S;
        if (signals[SIGNAL_CPU].validity == VALIDITY_VALID)
            expect(expressions, "sum(rate(cpu[60s])) * 100", signals[SIGNAL_CPU].value, at_s);
        if (signals[SIGNAL_RPS].validity == VALIDITY_VALID)
            expect(expressions, "sum(rate(lat_bucket{le=\"+Inf\"}[60s]))", signals[SIGNAL_RPS].value, at_s);
        if (signals[SIGNAL_P95].validity == VALIDITY_VALID)
            expect(expressions, "histogram_quantile(0.95, sum by (le) (rate(lat_bucket[60s])))",
                   signals[SIGNAL_P95].value, at_s);
    }
}

static struct recording recording;

START_TEST(promtool_agrees)
{
    int major = promtool_version();
    if (major < 2) {
        printf("SKIP promtool is not installed (Debian package prometheus)\n");
        return;
    }
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.measurement.prometheus = major < 3 ? 2 : 3;
    s.profile.measurement.gap_probability = 0.1;
    simulated_open(&s, 1);
    struct sim_scenario scenario = {.replicas = 5};
    scenario.load = (struct load){
        .shape = LOAD_DIURNAL, .base_rps = 20, .peak_rps = 6 * sim_capacity_rps(s.model, 0), .length_s = 600};
    sim_begin(s.model, s.state, &scenario, 11, 0);
    char expressions_path[] = "/tmp/test_scrape_expressions_XXXXXX", path[] = "/tmp/test_scrape_XXXXXX.yaml";
    FILE *expressions = fdopen(mkstemp(expressions_path), "w+"), *file = fdopen(mkstemps(path, 5), "w");
    ck_assert(expressions && file);
    simulate(&s, &recording, expressions);
    fprintf(file, "evaluation_interval: 1s\ntests:\n  - interval: 1s\n    input_series:\n");
    write_all_series(file, &recording, &s.profile.measurement.buckets_ms);
    fprintf(file, "    promql_expr_test:\n");
    ck_assert_int_gt((int)ftell(expressions), 10000);
    rewind(expressions);
    for (int c; (c = fgetc(expressions)) != EOF;)
        fputc(c, file);
    fclose(expressions);
    fclose(file);
    char command[256];
    snprintf(command, sizeof command, "promtool test rules %s > %s 2>&1", path, expressions_path);
    int status = system(command);
    if (status != 0) {
        snprintf(command, sizeof command, "head -40 %s", expressions_path);
        (void)!system(command);
    }
    unlink(expressions_path);
    unlink(path);
    simulated_close(&s);
    ck_assert_int_eq(status, 0);
}
END_TEST

SUITE("scrape", rate_extrapolates_like_prometheus, versions_differ_at_the_window_edge,
      quantiles_interpolate_and_saturate, promtool_agrees)
