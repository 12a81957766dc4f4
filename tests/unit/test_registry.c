/* Policies by text, and the HPA, fixed and random policies behind the seam, on a cluster made of plain records: every pod is
 * ready at once and shares the load evenly, so what the HPA does is its rules and nothing else. */
#include <maestro/registry.h>

#include <stdio.h>
#include <string.h>

#include "suite.h"

static struct control plain_control(void)
{
    return (struct control){
        .actions = {3, {-1, 0, 1}}, .target = {.min_replicas = 1, .max_replicas = 20}, .period_s = 15.0};
}

static struct policy *open_policy(const char *text)
{
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct err e = {0};
    ck_assert_msg(registry_open(text, &control, &policy, &e), "%s: %s", text, e.message);
    return policy;
}

struct toy {
    struct pod_record pods[20];
    struct sample sample;
};

/* replicas pods of one core request share load_percent; measured just now over 15 s. */
static void toy_look(struct toy *t, double time_s, int replicas, double load_percent)
{
    t->sample = (struct sample){.time_s = time_s, .ready = replicas, .n_pods = replicas, .pods = t->pods};
    t->sample.signals[SIGNAL_REPLICAS] = (struct reading){replicas, 0.0, VALIDITY_VALID};
    for (int i = 0; i < replicas; i++)
        t->pods[i] = (struct pod_record){.cpu_percent = load_percent / replicas,
                                         .has_cpu = true,
                                         .cpu_sample_time_s = time_s,
                                         .cpu_window_s = 15.0,
                                         .cpu_request_percent = 100.0,
                                         .phase = POD_RUNNING,
                                         .has_start_time = true,
                                         .start_time_s = time_s - 3600.0,
                                         .has_ready_condition = true,
                                         .ready = true,
                                         .ready_changed_s = time_s - 3500.0};
}

static struct policy_output ask(struct policy *p, struct toy *t)
{
    struct control control = plain_control();
    struct policy_input in = {
        .sample = &t->sample, .target = &control.target, .actions = &control.actions, .period_s = 15.0};
    struct policy_output out;
    ck_assert(policy_act(p, &in, &out, NULL));
    ck_assert(out.reason[0] != '\0');
    return out;
}

/* 100 % of a core on 2 pods, target 50: steady. A step to 600 %: 2 -> 6 (4 pods a sync beats 100 %), then 12. Down to
 * 100 % again: nothing for 300 s, then 2 at once. */
START_TEST(hpa_follows_a_step)
{
    struct policy *p = open_policy("hpa:target=50");
    struct toy t;
    int replicas = 2;
    int seen[64];
    toy_look(&t, 0.0, replicas, 100.0);
    policy_reset(p, 0, &t.sample);
    for (int i = 0; i < 64; i++) {
        double load_percent = i >= 4 && i < 20 ? 600.0 : 100.0;
        toy_look(&t, 15.0 * i, replicas, load_percent);
        seen[i] = replicas = ask(p, &t).replicas;
    }
    ck_assert_double_eq(p->sync_s, 15.0);
    policy_close(p);
    ck_assert_int_eq(seen[3], 2);
    ck_assert_int_eq(seen[4], 6);
    ck_assert_int_eq(seen[5], 12);
    ck_assert_int_eq(seen[19], 12);
    ck_assert_int_eq(seen[38], 12); // the last wish for 12 was at 19 x 15 s; 20 syncs later it leaves the window
    ck_assert_int_eq(seen[39], 2);
    ck_assert_int_eq(seen[63], 2);
}
END_TEST

START_TEST(a_restart_does_not_scale_down)
{
    struct policy *p = open_policy("hpa:target=50");
    struct toy t;
    toy_look(&t, 1000.0, 10, 50.0);
    policy_reset(p, 0, &t.sample);
    ck_assert_int_eq(ask(p, &t).replicas, 10);
    policy_close(p);
}
END_TEST

START_TEST(hpa_holds_where_it_cannot_know)
{
    struct policy *p = open_policy("hpa");
    struct toy t;
    toy_look(&t, 0.0, 4, 400.0);
    policy_reset(p, 0, &t.sample);
    for (int i = 0; i < 4; i++)
        t.pods[i].has_cpu = false;
    struct policy_output out = ask(p, &t);
    ck_assert(out.hold);
    ck_assert_int_eq(out.replicas, 4);
    toy_look(&t, 15.0, 4, 400.0);
    t.sample.signals[SIGNAL_REPLICAS].validity = VALIDITY_FAILED;
    ck_assert(ask(p, &t).hold);
    toy_look(&t, 30.0, 0, 0.0);
    out = ask(p, &t);
    ck_assert(out.hold);
    ck_assert_ptr_nonnull(strstr(out.reason, "disabled"));
    policy_close(p);
}
END_TEST

START_TEST(hpa_obeys_limits_without_metrics)
{
    struct policy *p = open_policy("hpa");
    struct control control = plain_control();
    struct toy t;
    toy_look(&t, 0.0, 8, 0.0);
    t.sample.n_pods = 0;
    control.target.max_replicas = 5;
    struct policy_input in = {.sample = &t.sample, .target = &control.target, .actions = &control.actions};
    struct policy_output out;
    ck_assert(policy_act(p, &in, &out, NULL));
    ck_assert_int_eq(out.replicas, 5);
    ck_assert(!out.hold);
    policy_close(p);
}
END_TEST

START_TEST(fixed_is_fixed)
{
    struct policy *p = open_policy("fixed:7");
    struct toy t;
    toy_look(&t, 0.0, 3, 100.0);
    ck_assert_int_eq(ask(p, &t).replicas, 7);
    policy_close(p);
}
END_TEST

/* Every allowed action comes, no other does, and the same seed draws the same. */
START_TEST(random_draws_allowed_actions)
{
    struct policy *p = open_policy("random");
    struct control control = plain_control();
    const unsigned char mask[] = {0, 1, 1};
    struct toy t;
    int count[3] = {0};
    int first[100];
    toy_look(&t, 0.0, 1, 10.0);
    struct policy_input in = {
        .sample = &t.sample, .target = &control.target, .actions = &control.actions, .mask = mask};
    for (int round = 0; round < 2; round++) {
        policy_reset(p, 9, &t.sample);
        for (int i = 0; i < 100; i++) {
            struct policy_output out;
            ck_assert(policy_act(p, &in, &out, NULL));
            count[out.action]++;
            ck_assert_int_eq(out.replicas, 1 + control.actions.delta[out.action]);
            if (round == 0)
                first[i] = out.action;
            ck_assert_int_eq(out.action, first[i]);
        }
    }
    policy_close(p);
    ck_assert_int_eq(count[0], 0);
    ck_assert_int_gt(count[1], 60); // 200 fair draws: 60 is five standard deviations away
    ck_assert_int_gt(count[2], 60);
}
END_TEST

START_TEST(absolute_policies_run_behind_validity_and_limits_only)
{
    struct control control = plain_control();
    control.guard.tolerance = 0.5;
    control.guard.rate_up = 1;
    struct policy *p = NULL;
    ck_assert(registry_open("hpa:target=70,window=60", &control, &p, NULL));
    policy_close(p);
    ck_assert(control.guard.enabled);
    ck_assert_double_eq(control.guard.tolerance, 0.0);
    ck_assert_int_eq(control.guard.rate_up, 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    static const struct {
        const char *text, *names;
    } rows[] = {{"", "hpa, fixed, random, ppo"},
                {"hpaa", "hpaa"},
                {"fixed", "fixed:5"},
                {"fixed:x", "fixed:x"},
                {"fixed:65", "64"},
                {"fixed:-1", "fixed:-1"},
                {"hpa:target", "target"},
                {"hpa:target=0", "target"},
                {"hpa:target=sixty", "target"},
                {"hpa:aim=60", "aim"},
                {"hpa:window=4000", "window"},
                {"ppo", "policy file"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct control control = plain_control();
        struct policy *p = NULL;
        struct err e = {0};
        ck_assert_msg(!registry_open(rows[i].text, &control, &p, &e), "'%s' was taken", rows[i].text);
        ck_assert_ptr_null(p);
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert_msg(strstr(e.message, rows[i].names) != NULL, "'%s': %s", rows[i].text, e.message);
        ck_assert(!registry_check(rows[i].text, NULL));
    }
    ck_assert(registry_check("hpa:target=60,window=300", NULL));
    struct control control = plain_control();
    struct policy *p = NULL;
    struct err e = {0};
    ck_assert(!registry_open("ppo:/nonexistent.safetensors", &control, &p, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "/nonexistent.safetensors"));
}
END_TEST

SUITE("registry", hpa_follows_a_step, a_restart_does_not_scale_down, hpa_holds_where_it_cannot_know,
      hpa_obeys_limits_without_metrics, fixed_is_fixed, random_draws_allowed_actions,
      absolute_policies_run_behind_validity_and_limits_only, what_cannot_be_read_is_named)
