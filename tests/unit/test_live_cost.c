/* What a refresh of a thousand targets costs this process: CPU of the refreshing thread alone, so that the servers of the
 * test, which run beside it, do not count. Printed; the bound is loose, a tenth of it is usual. */
#include "suite.h"

#include "live_world.h"

#include <maestro/clock.h>

#include <stdio.h>
#include <time.h>

static struct world w;
static struct buf deployments, answers[WORLD_PODS];

static double thread_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Objects as big as real ones: what managedFields, probes and the like add is some 4 KiB of text that nobody reads. */
static void add_ballast(struct buf *out)
{
    out->len--; // the closing brace
    buf_text(out, ",\"managed\":[");
    for (int i = 0; i < 60; i++)
        buf_printf(out, "%s{\"f:k%d\":{\"f:spec\":{\"f:template\":{}}},\"time\":\"2026-03-01T12:00:00Z\"}",
                   i ? "," : "", i);
    buf_text(out, "]}");
}

static void fill(int n)
{
    buf_clear(&deployments);
    for (int q = 0; q < WORLD_PODS; q++)
        buf_clear(&answers[q]);
    for (int i = 0; i < n; i++) {
        char space[32], name[32], value[32];
        snprintf(space, sizeof space, "team-%d", i % 40);
        snprintf(name, sizeof name, "service-%d", i);
        snprintf(value, sizeof value, "%d.%03d", 10 + i % 300, i % 1000);
        world_deployment(&deployments, space, name, 1 + i % 20);
        add_ballast(&deployments);
        for (int q = 0; q < WORLD_PODS; q++) {
            world_element(&answers[q], space, name, "value", value);
            world_element(&answers[q], space, name, "age", "7.25");
        }
    }
    w.deployments = deployments.bytes;
    for (int q = 0; q < WORLD_PODS; q++)
        w.prometheus[q].result = answers[q].bytes;
}

static double cost_of(int n, int refreshes)
{
    struct err e = {0};
    world_open(&w);
    w.kubernetes_settings.conflicts_every = 0;
    fill(n);
    world_connect(&w, false);
    ck_assert_msg(fleet_refresh(w.fleet, 100, &e), "%s", e.message);
    double before_s = thread_cpu_s();
    for (int i = 0; i < refreshes; i++)
        ck_assert_msg(fleet_refresh(w.fleet, 105 + 5 * i, &e), "%s", e.message);
    double cost_s = (thread_cpu_s() - before_s) / refreshes;
    ck_assert_int_eq(fleet_count(w.fleet), n);
    ck_assert_int_eq(w.n_queries, 5 * (refreshes + 1));
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(fleet_view(w.fleet, i)->sample.signals[SIGNAL_P95].validity, VALIDITY_VALID);
    world_close(&w);
    w.fleet = NULL;
    return cost_s;
}

START_TEST(a_thousand_targets_are_cheap)
{
    static const int sizes[] = {10, 100, 1000};
    double cost_s[3];
    for (int i = 0; i < 3; i++) {
        cost_s[i] = cost_of(sizes[i], 5);
        printf("%d targets: %.1f ms CPU a refresh\n", sizes[i], 1e3 * cost_s[i]);
    }
    fflush(stdout);
    ck_assert_double_lt(cost_s[2], 2.0);
    ck_assert_double_lt(cost_s[2], 30 * cost_s[1] + 0.05); // linear would be 10
    buf_finish(&deployments);
    for (int q = 0; q < WORLD_PODS; q++)
        buf_finish(&answers[q]);
}
END_TEST

SUITE("live_cost", a_thousand_targets_are_cheap)
