/* What the autoscaler does when something breaks. Each file of chaos/ but the schedules is headed by the reaction expected of
 * it; here the simulator's fault of the same name, with strength and duration as in that file, strikes a service under steady
 * load that the pretrained policy scales, and the reaction must be the one that the file tells:
 *
 *     # simulated: strength 50, duration 120 s
 *     # reaction: LOW..HIGH during, LOW..HIGH after
 *
 * LOW and HIGH bound spec.replicas less the count that the same service without the fault has at the same moment. During:
 * while the fault lasts and five minutes longer; after: the ten minutes behind that. The maximum is never reached. Three
 * seeds, two loads. */
#include <maestro/buf.h>
#include <maestro/data.h>
#include <maestro/file.h>
#include <maestro/registry.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"
#include "suite.h"

#define SETTLE_S 1800.0
#define LINGER_S 300.0
#define AFTER_S 600.0
#define PODS 6 // that the load would fill to its share

struct span {
    int low, high;
};

struct reaction {
    struct span during, after;
};

struct expected {
    double strength, duration_s;
    struct reaction reaction;
};

/* What the header of chaos/NAME.yaml says. */
static struct expected read_expected(const char *name)
{
    char path[96];
    struct buf place = {0}, text = {0};
    struct err e = {0};
    struct expected x = {0};
    struct reaction *r = &x.reaction;
    snprintf(path, sizeof path, "chaos/%s.yaml", name);
    ck_assert_msg(data_path(path, &place, &e), "%s", e.message);
    ck_assert_msg(file_read(place.bytes, 1 << 16, &text, &e), "%s", e.message);
    const char *simulated = strstr(text.bytes, "# simulated: ");
    const char *reaction = strstr(text.bytes, "# reaction: ");
    ck_assert_msg(simulated && reaction, "%s: has no reaction", path);
    int n = sscanf(simulated, "# simulated: strength %lf, duration %lf s", &x.strength, &x.duration_s);
    ck_assert_msg(n == 2, "%s: %.80s", path, simulated);
    n = sscanf(reaction, "# reaction: %d..%d during, %d..%d after", &r->during.low, &r->during.high, &r->after.low,
               &r->after.high);
    ck_assert_msg(n == 4, "%s: %.80s", path, reaction);
    buf_finish(&place);
    buf_finish(&text);
    return x;
}

/* A service and the loop over it. */
struct scaled {
    struct simulated s;
    struct control control;
    struct control_state state;
    struct policy *policy;
    struct journal_record record;
};

static void scaled_open(struct scaled *d)
{
    struct err e = {0};
    struct buf text = {0};
    simulated_profile(&d->s, "web-api");
    simulated_open(&d->s, 1);
    buf_text(&text, "ppo:");
    ck_assert_msg(data_path("policies/pretrained/web-api.safetensors", &text, &e), "%s", e.message);
    d->control = (struct control){.target = {.name = "web-api",
                                             .min_replicas = 1,
                                             .max_replicas = 20,
                                             .latency_soft_ms = d->s.profile.service.latency_soft_ms,
                                             .latency_hard_ms = d->s.profile.service.latency_hard_ms}};
    ck_assert_msg(registry_open(text.bytes, &d->control, &d->policy, &e), "%s", e.message);
    buf_finish(&text);
}

static void scaled_close(struct scaled *d)
{
    policy_close(d->policy);
    simulated_close(&d->s);
}

static void scaled_begin(struct scaled *d, double load, const struct sim_fault *fault, uint64_t seed)
{
    struct sim_scenario c = {.replicas = PODS};
    c.load = (struct load){.shape = LOAD_CONSTANT, .base_rps = load * PODS * sim_capacity_rps(d->s.model, 0)};
    if (fault) {
        c.n_faults = 1;
        c.faults[0] = *fault;
    }
    sim_begin(d->s.model, d->s.state, &c, seed, 0);
    struct sample first = simulated_sample(&d->s, true);
    control_begin(&d->control, &d->state, NULL, &first);
    policy_reset(d->policy, seed, &first);
}

/* One decision and the period behind it; the count that was asked for. */
static int scaled_tick(struct scaled *d)
{
    struct control_loop loop = {
        .control = &d->control, .state = &d->state, .cluster = &d->s.sim.cluster, .policy = d->policy};
    ck_assert(control_tick(&loop, &d->record, NULL));
    simulated_advance(&d->s, d->control.period_s);
    return d->record.guard.replicas;
}

static void widen(struct span *s, int value)
{
    s->low = value < s->low ? value : s->low;
    s->high = value > s->high ? value : s->high;
}

#define TICKS_LIMIT 1024

/* The counts of one run, tick by tick. */
static int scaled_run(struct scaled *d, double load, const struct sim_fault *fault, uint64_t seed, double seconds,
                      int *counts)
{
    int n = (int)(seconds / d->control.period_s);
    ck_assert_int_le(n, TICKS_LIMIT);
    scaled_begin(d, load, fault, seed);
    for (int i = 0; i < n; i++)
        counts[i] = scaled_tick(d);
    return n;
}

/* Adds what the fault changed in one run to seen. */
static void strike(struct scaled *d, const struct sim_fault *fault, double load, uint64_t seed, struct reaction *seen)
{
    int usual[TICKS_LIMIT], struck[TICKS_LIMIT];
    double lasts_s = fault->duration_s + LINGER_S;
    int n = scaled_run(d, load, NULL, seed, SETTLE_S + lasts_s + AFTER_S, usual);
    (void)scaled_run(d, load, fault, seed, SETTLE_S + lasts_s + AFTER_S, struck);
    for (int i = 0; i < n; i++) {
        double time_s = i * d->control.period_s - SETTLE_S;
        if (time_s < 0)
            ck_assert_int_eq(usual[i], struck[i]);
        ck_assert_int_lt(struck[i], d->control.target.max_replicas);
        if (time_s >= 0)
            widen(time_s < lasts_s ? &seen->during : &seen->after, struck[i] - usual[i]);
    }
}

static bool inside(const struct span *seen, const struct span *expected)
{
    return seen->low >= expected->low && seen->high <= expected->high;
}

static void check_reaction(int kind, const char *name)
{
    static struct scaled d;
    const double loads[] = {0.5, 0.9};
    struct expected x = read_expected(name);
    struct sim_fault fault = {.kind = kind, .start_s = SETTLE_S, .duration_s = x.duration_s, .strength = x.strength};
    struct reaction seen = {0};
    scaled_open(&d);
    for (uint64_t seed = 1; seed <= 3; seed++)
        for (int i = 0; i < 2; i++)
            strike(&d, &fault, loads[i], seed, &seen);
    scaled_close(&d);
    ck_assert_msg(inside(&seen.during, &x.reaction.during) && inside(&seen.after, &x.reaction.after),
                  "%s: %+d..%+d during, %+d..%+d after", name, seen.during.low, seen.during.high, seen.after.low,
                  seen.after.high);
}

START_TEST(pod_kill)
{
    check_reaction(FAULT_POD_KILL, "pod-kill");
}
END_TEST

START_TEST(pod_failure)
{
    check_reaction(FAULT_POD_FAILURE, "pod-failure");
}
END_TEST

START_TEST(cpu_stress)
{
    check_reaction(FAULT_CPU_STRESS, "cpu-stress");
}
END_TEST

START_TEST(memory_stress)
{
    check_reaction(FAULT_MEMORY_STRESS, "memory-stress");
}
END_TEST

START_TEST(network_delay)
{
    check_reaction(FAULT_NETWORK_DELAY, "network-delay");
}
END_TEST

START_TEST(network_loss)
{
    check_reaction(FAULT_NETWORK_LOSS, "network-loss");
}
END_TEST

START_TEST(http_abort)
{
    check_reaction(FAULT_HTTP_ABORT, "http-abort");
}
END_TEST

SUITE("chaos", pod_kill, pod_failure, cpu_stress, memory_stress, network_delay, network_loss, http_abort)
