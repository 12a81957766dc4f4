/* Policies by text, and the HPA, fixed and random policies behind the seam, on a cluster made of plain records: every pod is
 * ready at once and shares the load evenly, so what the HPA does is its rules and nothing else. */
#include <maestro/policyfile.h>
#include <maestro/registry.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
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
    t.sample.signals[SIGNAL_REPLICAS].validity = VALIDITY_STALE;
    struct policy_output blind;
    ck_assert(policy_act(p, &in, &blind, NULL));
    ck_assert(blind.hold);
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
    ck_assert(!control.guard.enabled); // but for the limits: its validity is its own
    ck_assert_double_eq(control.guard.tolerance, 0.0);
    ck_assert_int_eq(control.guard.rate_up, 0);
    ck_assert(registry_open("fixed:3", &control, &p, NULL));
    policy_close(p);
    ck_assert(control.guard.enabled);
}
END_TEST

/* Prometheus is down and metrics-server is not: 3 pods at 100 % of a core, target 50 %, so the HPA doubles them. */
START_TEST(hpa_does_not_need_prometheus)
{
    struct control control = plain_control();
    struct policy *p = NULL;
    struct toy t;
    struct guard_state state;
    struct guard_trace trace;
    ck_assert(registry_open("hpa:target=50", &control, &p, NULL));
    toy_look(&t, 0.0, 3, 300.0);
    policy_reset(p, 0, &t.sample);
    guard_reset(&state, 0.0, 3);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (i != SIGNAL_REPLICAS)
            t.sample.signals[i].validity = VALIDITY_FAILED;
    struct policy_output out = ask(p, &t);
    const struct guard_input in = {.target = &control.target,
                                   .sample = &t.sample,
                                   .proposal = {.replicas = out.replicas, .kind = POLICY_ABSOLUTE}};
    guard_run(&control.guard, &state, &in, &trace);
    ck_assert_int_eq(trace.replicas, 6);
    policy_close(p);
}
END_TEST

/* A network whose biases prefer the last action, whatever the features are. */
static void save_climber(const char *path)
{
    static struct policy_file f;
    const int d = 5;
    float actor[5 + 1 + 3 + 3] = {0}, critic[5 + 1 + 1 + 1] = {0}; // five features, one hidden unit
    f = (struct policy_file){
        .control = plain_control(), .obs_clip = 10, .scrape_s = 15, .window_s = 60, .quantile = 0.95};
    ck_assert(observation_spec_parse(&f.control.observation, "raw5", 15, 60, NULL));
    ck_assert_int_eq(f.control.observation.n, d);
    f.actor = (struct mlp_shape){.n_in = d, .n_hidden = 1, .hidden = {1}, .n_out = 3, .activation = MLP_TANH};
    f.critic = (struct mlp_shape){.n_in = d, .n_hidden = 1, .hidden = {1}, .n_out = 1, .activation = MLP_TANH};
    actor[mlp_bias_offset(&f.actor, 1) + 2] = 1;
    f.actor_parameters = actor;
    f.critic_parameters = critic;
    struct err e = {0};
    ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
}

/* A count that cannot be read is held, whatever garbage its value is; nothing is counted from it. */
START_TEST(a_trained_policy_counts_from_readable_replicas_only)
{
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 16], text[FOLDER_BYTES + 32];
    const float features[5] = {0};
    struct control control = plain_control();
    struct policy *p = NULL;
    struct policy_output out;
    struct toy t;
    struct err e = {0};
    folder_make(folder);
    snprintf(path, sizeof path, "%s/p.safetensors", folder);
    snprintf(text, sizeof text, "ppo:%s", path);
    save_climber(path);
    ck_assert_msg(registry_open(text, &control, &p, &e), "%s", e.message);
    toy_look(&t, 0.0, 4, 100.0);
    const struct policy_input in = {
        .sample = &t.sample, .target = &control.target, .actions = &control.actions, .features = features};
    ck_assert(policy_act(p, &in, &out, &e));
    ck_assert_int_eq(out.replicas, 5);
    ck_assert(!out.hold);
    t.sample.signals[SIGNAL_REPLICAS] = (struct reading){(double)NAN, 0.0, VALIDITY_FAILED};
    ck_assert(policy_act(p, &in, &out, &e));
    ck_assert(out.hold);
    ck_assert_int_eq(out.action, 2);
    ck_assert_int_eq(out.replicas, 0);
    policy_close(p);
    folder_remove(folder);
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
      absolute_policies_run_behind_validity_and_limits_only, hpa_does_not_need_prometheus,
      a_trained_policy_counts_from_readable_replicas_only, what_cannot_be_read_is_named)
