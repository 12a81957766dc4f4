/* Cold starts: pods need 60 s until they are ready, decisions come every 15 s. A rule that looks at what is ready only asks
 * for one more pod until it sees relief, and so for half a dozen too many; where starting pods count on the way up, it
 * ends at most one over what the load needs. */
#include "simulate.h"
#include "suite.h"

#include <maestro/control.h>

#include <stdio.h>

#define NEEDED 8 /* pods that the load fills to 60 % of their capacity */
#define FULL 0.7 /* CPU of a ready pod over its request, above which the rule wants one more */

/* One more while the ready pods are full; never down. */
static bool eager_act(struct policy *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    const struct sample *s = in->sample;
    double request = 0;
    int present = (int)s->signals[SIGNAL_REPLICAS].value;
    (void)p;
    (void)e;
    for (int i = 0; i < s->n_pods; i++)
        request = s->pods[i].cpu_request_percent > 0 ? s->pods[i].cpu_request_percent : request;
    bool full = s->ready > 0 && s->signals[SIGNAL_CPU].value / (request * s->ready) > FULL;
    *out = (struct policy_output){.action = full ? 2 : 1, .replicas = present + full};
    snprintf(out->reason, sizeof out->reason, "%s", full ? "full" : "enough");
    return true;
}

static const struct policy_ops EAGER = {.name = "eager", .kind = POLICY_STEP, .wants_pods = true, .act = eager_act};

/* The highest count that ten minutes of a load for NEEDED pods lead to, from half as many. */
static int peak(bool starting_counts, uint64_t seed)
{
    static struct control_state state;
    static struct journal_record record;
    struct simulated s;
    struct policy policy = {.ops = &EAGER};
    struct sim_scenario scene = {.replicas = NEEDED / 2};
    struct control control = {.actions = {.n = 3, .delta = {-1, 0, 1}},
                              .guard = {.enabled = true, .starting_counts = starting_counts},
                              .target = {.name = "web-api", .min_replicas = 1, .max_replicas = 20},
                              .period_s = 15};
    int highest = 0;
    ck_assert(observation_spec_parse(&control.observation, "raw5", 15, 60, NULL));
    simulated_profile(&s, "web-api");
    s.profile.pods.start_s = 60;
    s.profile.pods.start_cv = 0;
    simulated_open(&s, 1);
    scene.load = (struct load){.shape = LOAD_CONSTANT, .base_rps = 0.6 * NEEDED * sim_capacity_rps(s.model, 0)};
    sim_begin(s.model, s.state, &scene, seed, 0);
    struct sample first = simulated_sample(&s, true);
    control_begin(&control, &state, NULL, &first);
    struct control_loop loop = {.control = &control, .state = &state, .cluster = &s.sim.cluster, .policy = &policy};
    for (int i = 0; i < 60; i++) {
        simulated_advance(&s, 15);
        ck_assert(control_tick(&loop, &record, NULL));
        highest = record.guard.replicas > highest ? record.guard.replicas : highest;
    }
    simulated_close(&s);
    return highest;
}

START_TEST(starting_pods_are_not_asked_for_again)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        int counted = peak(true, seed), blind = peak(false, seed);
        printf("seed %d: %d pods where starting ones count, %d where they do not\n", (int)seed, counted, blind);
        ck_assert_int_ge(counted, NEEDED - 1);
        ck_assert_int_le(counted, NEEDED + 1);
        ck_assert_int_ge(blind, counted + 2);
    }
}
END_TEST

SUITE("starting", starting_pods_are_not_asked_for_again)
