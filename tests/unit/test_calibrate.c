/* Calibration on data that the request-level simulator makes from a known profile: each parameter must come back within its
 * stated error. Refusals; records written and read; the twin against itself. */
#include <maestro/calibrate.h>

#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct service_profile small_service(void)
{
    struct service_profile p;
    static const double bounds[] = {25, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 500, 750, 1000, 1500, 2500, 5000};
    profile_default(&p);
    struct service_model *m = &p.service.model;
    m->cpu_ms = 2.5;
    m->cpu_cv = 0.5;
    m->wait_ms = 95;
    m->wait_cv = 0.3;
    m->concurrency = 4;
    m->backlog = 64;
    m->timeout_ms = 5000;
    m->cpu_limit_cores = 0.25;
    m->node_cores = 2;
    m->balancing = BALANCE_REQUEST;
    p.pods.cpu_request_cores = 0.1;
    p.pods.memory_base_mib = 8;
    p.pods.memory_per_request_mib = 0.05;
    p.pods.memory_limit_mib = 96;
    p.pods.start_s = 4;
    p.pods.start_cv = 0.2;
    p.pods.start_cpu_cores = 0.1;
    p.pods.warm_up_s = 0;
    p.pods.warm_up_speed = 1;
    p.pods.grace_s = 2;
    p.measurement.scrape_s = 1;
    p.measurement.window_s = 10;
    p.measurement.buckets_ms.n = (int)(sizeof bounds / sizeof *bounds);
    memcpy(p.measurement.buckets_ms.v, bounds, sizeof bounds);
    return p;
}

static struct calibrate_facts facts_of(const struct service_profile *p)
{
    return (struct calibrate_facts){.cpu_request_cores = p->pods.cpu_request_cores,
                                    .cpu_limit_cores = p->service.model.cpu_limit_cores,
                                    .memory_limit_mib = p->pods.memory_limit_mib,
                                    .node_cores = p->service.model.node_cores,
                                    .timeout_ms = p->service.model.timeout_ms,
                                    .window_s = 10,
                                    .quantile = 0.95,
                                    .latency_soft_ms = 250,
                                    .latency_hard_ms = 1000};
}

static void add(struct history *h, int seconds, int step, double rate_rps, int spec)
{
    for (int i = 0; i < seconds; i++) {
        const struct history_row row = {.time_s = h->n, .step = step, .offered_rps = rate_rps, .spec = spec, .ready = spec};
        ck_assert(history_add(h, &row, NULL));
    }
}

/* At rest, a staircase, then starts under light load. */
static struct history schedule(double top_rps)
{
    struct history h = {0};
    add(&h, 15, 0, 0, 1);
    for (int step = 1; step <= 6; step++)
        add(&h, 30, step, step * top_rps / 6, 1);
    add(&h, 20, 0, 0, 1);
    for (int i = 0; i < 4; i++) {
        add(&h, 30, 0, top_rps / 4, 4);
        add(&h, 12, 0, top_rps / 4, 1);
    }
    return h;
}

static struct history play(const struct service_profile *p, const struct history *s, bool exact, uint64_t seed)
{
    struct history h;
    struct err e = {0};
    const struct calibrate_twin twin = {p, exact, seed};
    ck_assert_msg(calibrate_run_twin(&twin, s, &h, &e), "%s", e.message);
    return h;
}

static void print(const struct calibrate_fit *f)
{
    for (int i = 0; i < CALIBRATE_PARAMETERS; i++)
        printf("  %-24s %10.4g +- %-8.2g %d %s\n", calibrate_name((enum calibrate_parameter)i), f->values[i].value,
               f->values[i].error, (int)f->values[i].state, f->values[i].source);
    printf("  misfit %.3f chi %.2f\n", f->misfit, f->chi_dof);
    fflush(stdout);
}

/* Within three standard errors, and a share of the value that what is discrete (bins, seconds) costs. */
static void near_value(const struct calibrate_fit *f, enum calibrate_parameter p, double truth, double share)
{
    const struct calibrate_value *v = &f->values[p];
    ck_assert_msg(v->state == CALIBRATE_MEASURED, "%s: %s", calibrate_name(p), v->source);
    ck_assert_msg(fabs(v->value - truth) <= 3 * v->error + share * truth, "%s: %g +- %g, truth %g", calibrate_name(p), v->value,
                  v->error, truth);
    ck_assert_msg(v->error <= 0.5 * truth + 0.02, "%s: an error of %g says nothing about %g", calibrate_name(p), v->error, truth);
}

START_TEST(finds_the_service_again)
{
    const struct service_profile p = small_service();
    const struct calibrate_facts facts = facts_of(&p);
    struct history s = schedule(60);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct calibrate_fit fit;
        struct err e = {0};
        struct history h = play(&p, &s, true, seed);
        ck_assert_msg(calibrate_fit(&h, &facts, &fit, &e), "%s", e.message);
        print(&fit);
        near_value(&fit, CALIBRATE_CPU_MS, 2.5, 0.02);
        near_value(&fit, CALIBRATE_WAIT_MS, 95, 0.02);
        near_value(&fit, CALIBRATE_WAIT_CV, 0.3, 0.05);
        near_value(&fit, CALIBRATE_CONCURRENCY, 4, 0);
        near_value(&fit, CALIBRATE_BACKLOG, 64, 0.1);
        near_value(&fit, CALIBRATE_MEMORY_BASE_MIB, 8, 0.03);
        near_value(&fit, CALIBRATE_START_S, 4, 0.15);
        near_value(&fit, CALIBRATE_START_CPU_CORES, 0.1, 0.3);
        ck_assert_double_eq(fit.values[CALIBRATE_CONCURRENCY].value, 4);
        ck_assert_int_eq(fit.values[CALIBRATE_CPU_CV].state, CALIBRATE_UNKNOWN);
        ck_assert_double_eq(fit.values[CALIBRATE_WARM_UP_S].value, 0);
        history_finish(&h);
    }
    history_finish(&s);
}
END_TEST

SUITE("calibrate", finds_the_service_again)
