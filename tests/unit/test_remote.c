/* remote: a real prediction server asked by the policy decides as the same policy file does in this process, bit for bit; a
 * server like the parent system's and a suggestion server are understood; and every answer that makes no sense, or comes too
 * late, is a failure of the policy. */
#include <maestro/http.h>
#include <maestro/httpd.h>
#include <maestro/predict.h>
#include <maestro/registry.h>

#include <stdio.h>
#include <string.h>

#include "fake_http.h"
#include "folder.h"
#include "suite.h"
#include "trained.h"

static const struct target target = {
    .name = "shop/web", .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400};

static struct control plain_control(void)
{
    struct control c = {.actions = {2, {0, 1}}, .target = target, .period_s = 30};
    ck_assert(observation_spec_parse(&c.observation, "basic5", 30, 60, NULL));
    return c;
}

static struct sample look(double time_s, double rps, int replicas)
{
    struct sample s = {.time_s = time_s, .ready = replicas};
    const double values[SIGNAL_COUNT] = {1.7 * rps, 0.25, replicas, 100 + rps, rps};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        s.signals[i] = (struct reading){values[i], 1.0, VALIDITY_VALID};
    return s;
}

static struct policy_input input_of(const struct control *c, const float *features, const unsigned char *mask,
                                    const struct sample *sample)
{
    return (struct policy_input){.sample = sample,
                                 .target = &target,
                                 .actions = &c->actions,
                                 .features = features,
                                 .mask = mask,
                                 .period_s = c->period_s};
}

/* Without features and mask. */
static bool act(struct policy *p, const struct control *c, const struct sample *sample, struct policy_output *out,
                struct err *e)
{
    const struct policy_input in = input_of(c, NULL, NULL, sample);
    return policy_act(p, &in, out, e);
}

/* maestro-serve's two paths that the policy uses. */
struct shop {
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 32], url[64];
    struct model_slot *slot;
    struct predictor *predictor;
    struct httpd *httpd;
};

static void handle_predict(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct shop *s = context;
    reply->status = predictor_answer(s->predictor, 0, r->body, r->n_body, reply->body);
}

static void handle_model(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    struct shop *s = context;
    const struct model *m = model_acquire(s->slot, 0);
    (void)r;
    buf_append(reply->body, m->text.bytes, m->text.len);
    model_release(s->slot, 0);
}

static void shop_open(struct shop *s)
{
    static const struct httpd_route routes[] = {{"POST", "/predict", handle_predict},
                                                {"GET", "/v1/model", handle_model}};
    const struct predict_config predict = {.n_threads = 1, .n_targets = 1, .memory_limit_bytes = 1e9};
    const struct httpd_config httpd = {.address = "127.0.0.1", .routes = routes, .n_routes = 2, .context = s};
    struct err e = {0};
    *s = (struct shop){0};
    folder_make(s->folder);
    snprintf(s->path, sizeof s->path, "%s/best.safetensors", s->folder);
    trained_write(s->path, "default", 9);
    ck_assert_msg(model_slot_open(s->path, 1, &s->slot, &e), "%s", e.message);
    ck_assert(predictor_open(&predict, s->slot, &s->predictor, &e));
    ck_assert_msg(httpd_open(&httpd, &s->httpd, &e), "%s", e.message);
    snprintf(s->url, sizeof s->url, "remote:http://127.0.0.1:%d/predict", httpd_port(s->httpd));
}

static void shop_close(struct shop *s)
{
    httpd_close(s->httpd, 1);
    predictor_close(s->predictor);
    model_slot_close(s->slot);
    folder_remove(s->folder);
}

START_TEST(far_and_near_decide_the_same_bits)
{
    struct shop s;
    struct control far_control = plain_control(), near_control = plain_control();
    struct policy *far_policy = NULL, *near_policy = NULL;
    struct observation_state state;
    char text[128];
    struct err e = {0};
    shop_open(&s);
    snprintf(text, sizeof text, "ppo:%s", s.path);
    ck_assert_msg(registry_open(text, &near_control, &near_policy, &e), "%s", e.message);
    ck_assert_msg(registry_open(s.url, &far_control, &far_policy, &e), "%s", e.message);
    ck_assert_int_eq(far_control.observation.n, near_control.observation.n);
    ck_assert_mem_eq(&far_control.actions, &near_control.actions, sizeof far_control.actions);
    ck_assert_mem_eq(&far_control.guard, &near_control.guard, sizeof far_control.guard);
    ck_assert(far_control.period_s == near_control.period_s && far_control.masks == near_control.masks);
    for (int i = 0; i < 50; i++) {
        float features[OBSERVATION_LIMIT];
        unsigned char mask[ACTIONS_LIMIT];
        struct policy_output far_out, near_out;
        struct sample sample = look(100 + 15 * i, 20 + 17 * (i % 9), 1 + i % 20);
        if (i == 0)
            observation_reset(&near_control.observation, &state, &target, &sample);
        else
            observation_update(&near_control.observation, &state, &target, &sample);
        observation_features(&near_control.observation, &state, features);
        action_mask(&near_control.actions, &target, 1 + i % 20, mask);
        const struct policy_input in = input_of(&near_control, features, mask, &sample);
        ck_assert(policy_act(near_policy, &in, &near_out, &e));
        ck_assert_msg(policy_act(far_policy, &in, &far_out, &e), "%s", e.message);
        ck_assert_int_eq(far_out.action, near_out.action);
        ck_assert_int_eq(far_out.replicas, near_out.replicas);
        ck_assert_mem_eq(far_out.logits, near_out.logits, sizeof far_out.logits);
        ck_assert(far_out.value == near_out.value && far_out.ood == near_out.ood);
        ck_assert_str_eq(far_out.reason, near_out.reason);
    }
    policy_close(near_policy);
    policy_close(far_policy);
    shop_close(&s);
}
END_TEST

/* The server got a policy that looks at something else: its answers are refused, not believed. */
START_TEST(another_policy_over_there_is_noticed)
{
    struct shop s;
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct policy_output out;
    float features[OBSERVATION_LIMIT] = {0};
    struct sample sample = look(100, 50, 3);
    struct err e = {0};
    shop_open(&s);
    ck_assert_msg(registry_open(s.url, &control, &policy, &e), "%s", e.message);
    trained_write(s.path, "basic5", 1);
    model_reload(s.slot);
    const struct policy_input in = input_of(&control, features, NULL, &sample);
    ck_assert(!policy_act(policy, &in, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "features"));
    policy_close(policy);
    shop_close(&s);
}
END_TEST

START_TEST(a_server_of_five_signals)
{
    static const struct fake_reply script[] = {
        {.status = 404}, {.body = "{\"action\": 2}"}, {.body = "{\"action\": 3}"}, {.body = "{\"action\": 0}"}};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 4});
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct policy_output out;
    struct sample sample = look(100, 50, 4);
    CLEANUP_BUF struct buf last = {0};
    char text[128];
    struct err e = {0};
    snprintf(text, sizeof text, "remote:%s/predict", fake_http_url(f));
    ck_assert_msg(registry_open(text, &control, &policy, &e), "%s", e.message);
    ck_assert_int_eq(control.actions.n, 3);
    ck_assert_msg(act(policy, &control, &sample, &out, &e), "%s", e.message);
    ck_assert_int_eq(out.replicas, 5);
    fake_http_last(f, &last);
    ck_assert_ptr_nonnull(strstr(last.bytes, "{\"cpu_usage\":85,\"memory_usage\":536870912,\"replicas\":4,"
                                             "\"latency\":150,\"rps\":50}"));
    ck_assert(!act(policy, &control, &sample, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "action"));
    int n = fake_http_requests(f);
    sample.signals[SIGNAL_P95].validity = VALIDITY_ABSENT; // it would be a zero there
    ck_assert(act(policy, &control, &sample, &out, &e));
    ck_assert(out.hold);
    ck_assert_ptr_nonnull(strstr(out.reason, "latency"));
    ck_assert_int_eq(fake_http_requests(f), n);
    policy_close(policy);
    fake_http_close(f);
}
END_TEST

START_TEST(a_suggestion_server)
{
    static const struct fake_reply script[] = {
        {.body = "{\"desired_replicas\": 7, \"signals\": {\"cpu\": {\"validity\": \"valid\"}}}"},
        {.body = "{\"desired_replicas\": 2, \"signals\": {\"cpu\": {\"validity\": \"valid\"}, "
                 "\"rps\": {\"validity\": \"stale\"}}}"},
        {.body = "{\"desired_replicas\": 2, \"signals\": {\"cpu\": {\"validity\": \"absent\"}}}"},
        {.body = "{\"action\": 0}"},
        {.body = "{\"desired_replicas\": -1}"},
        {.status = 404, .body = "{\"error\":\"no such deployment\"}"},
    };
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 6});
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct policy_output out;
    struct sample sample = look(100, 50, 4);
    CLEANUP_BUF struct buf last = {0};
    char text[128];
    struct err e = {0};
    snprintf(text, sizeof text, "remote:%s/suggest", fake_http_url(f));
    ck_assert_msg(registry_open(text, &control, &policy, &e), "%s", e.message);
    ck_assert_int_eq(policy->ops->kind, POLICY_ABSOLUTE);
    ck_assert(act(policy, &control, &sample, &out, &e) && out.replicas == 7 && !out.hold);
    fake_http_last(f, &last);
    ck_assert_ptr_nonnull(strstr(last.bytes, "GET /suggest?deployment=web&namespace=shop "));
    ck_assert(act(policy, &control, &sample, &out, &e) && out.hold);
    ck_assert_ptr_nonnull(strstr(out.reason, "rps"));
    ck_assert(act(policy, &control, &sample, &out, &e) && out.replicas == 2 && !out.hold);
    for (int i = 0; i < 3; i++)
        ck_assert(!act(policy, &control, &sample, &out, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "no such deployment"));
    policy_close(policy);
    fake_http_close(f);
}
END_TEST

START_TEST(trouble_is_a_failure)
{
    static const struct fake_reply script[] = {{.status = 404},
                                               {.status = 500, .body = "{\"error\":\"out of order\"}"},
                                               {.body = "garbage"},
                                               {.body = "{\"action\": 1, \"delta\": 5}"},
                                               {.body = "{\"action\": 1, \"logits\": [1]}"},
                                               {.body = "{\"action\": \"up\"}"},
                                               {.body = "[]"},
                                               {.cut_at_once = true}};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 8});
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct policy_output out;
    struct sample sample = look(100, 50, 4);
    char text[128];
    struct err e = {0};
    snprintf(text, sizeof text, "remote:%s/predict", fake_http_url(f));
    ck_assert_msg(registry_open(text, &control, &policy, &e), "%s", e.message);
    for (int i = 0; i < 7; i++) {
        e = (struct err){0};
        ck_assert_msg(!act(policy, &control, &sample, &out, &e), "reply %d", i);
        ck_assert_ptr_nonnull(strstr(e.message, "/predict"));
    }
    fake_http_close(f);
    ck_assert(!act(policy, &control, &sample, &out, &e)); // nobody there
    policy_close(policy);
    ck_assert(!registry_open(text, &control, &policy, &e));
}
END_TEST

/* Each silence costs its whole patience: the targets of one look together wait for two of them. */
START_TEST(a_silent_server_is_asked_twice_a_look)
{
    static const struct fake_reply script[] = {
        {.status = 404}, {.delay_s = 30}, {.delay_s = 30}, {.body = "{\"action\": 2}"}};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 4});
    struct control control = plain_control();
    struct policy *policy = NULL;
    struct policy_output out;
    struct sample sample = look(100, 50, 4);
    char text[128];
    struct err e = {0};
    snprintf(text, sizeof text, "remote:%s/predict", fake_http_url(f));
    ck_assert_msg(registry_open(text, &control, &policy, &e), "%s", e.message);
    for (int i = 0; i < 5; i++) {
        e = (struct err){0};
        ck_assert(!act(policy, &control, &sample, &out, &e));
        ck_assert_msg((strstr(e.message, "not asked") != NULL) == (i >= 2), "%d: %s", i, e.message);
    }
    ck_assert_int_eq(fake_http_requests(f), 3);
    sample.time_s += 15;
    ck_assert_msg(act(policy, &control, &sample, &out, &e), "%s", e.message);
    ck_assert_int_eq(out.replicas, 5);
    policy_close(policy);
    fake_http_close(f);
}
END_TEST

START_TEST(urls_are_checked)
{
    static const char *const bad[] = {"remote",
                                      "remote:",
                                      "remote:host/predict",
                                      "remote:ftp://host/predict",
                                      "remote:http://host/other",
                                      "remote:http://host/predict?x=1",
                                      "remote:http://a b/predict"};
    struct err e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!registry_check(bad[i], &e), "%s", bad[i]);
        ck_assert_int_eq(e.code, ERR_USAGE);
    }
    ck_assert(registry_check("remote:https://host:8443/a/predict", &e));
    ck_assert(registry_check("remote:http://maestro-suggest/suggestion", &e));
}
END_TEST

SUITE("remote", far_and_near_decide_the_same_bits, another_policy_over_there_is_noticed, a_server_of_five_signals,
      a_suggestion_server, trouble_is_a_failure, a_silent_server_is_asked_twice_a_look, urls_are_checked)
