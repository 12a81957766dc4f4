/* One sequence of looks, four ways: the learning environment over the simulated cluster, replay of a journal, a prediction with
 * the history sent along, and the sampler behind /suggest. The features must be the same to the bit, and with one policy file
 * the logits too. What the environment was shown is recorded where it enters the observation, by the linker's --wrap. */
#include "suite.h"

#include "folder.h"
#include "scripted_fleet.h"
#include "trained.h"

#include "../../src/serve/predict_row.h"

#include <maestro/clock.h>
#include <maestro/json.h>
#include <maestro/json_write.h>
#include <maestro/microservice.h>
#include <maestro/registry.h>
#include <maestro/text.h>

#include <math.h>

#define LOOKS_LIMIT 64
#define STEPS 40
#define FEATURES "all"

/* What was looked at, and the features that came of it. */
struct look {
    struct sample sample;
    double cpu_request_percent; /* of the pod records; 0: none */
    float features[OBSERVATION_LIMIT];
    bool has_features;
};

static struct look looks[LOOKS_LIMIT];
static int n_looks;
static struct target target;
static bool recording;

void __real_observation_reset(const struct observation_spec *spec, struct observation_state *state,
                              const struct target *t, const struct sample *sample);
void __real_observation_update(const struct observation_spec *spec, struct observation_state *state,
                               const struct target *t, const struct sample *sample);
void __wrap_observation_reset(const struct observation_spec *spec, struct observation_state *state,
                              const struct target *t, const struct sample *sample);
void __wrap_observation_update(const struct observation_spec *spec, struct observation_state *state,
                               const struct target *t, const struct sample *sample);

static void record(const struct sample *sample)
{
    ck_assert_int_lt(n_looks, LOOKS_LIMIT);
    struct look *l = &looks[n_looks++];
    *l = (struct look){.sample = *sample};
    for (int i = 0; i < sample->n_pods && l->cpu_request_percent <= 0; i++)
        l->cpu_request_percent = sample->pods[i].cpu_request_percent;
    l->sample.pods = NULL;
    l->sample.n_pods = 0;
}

void __wrap_observation_reset(const struct observation_spec *spec, struct observation_state *state,
                              const struct target *t, const struct sample *sample)
{
    __real_observation_reset(spec, state, t, sample);
    if (!recording)
        return;
    n_looks = 0;
    target = *t;
    record(sample);
}

void __wrap_observation_update(const struct observation_spec *spec, struct observation_state *state,
                               const struct target *t, const struct sample *sample)
{
    __real_observation_update(spec, state, t, sample);
    if (recording)
        record(sample);
}

/* ---- the simulator's way ---- */

static void keep_features(const float *obs, int n)
{
    memcpy(looks[n_looks - 1].features, obs, sizeof *obs * (size_t)n);
    looks[n_looks - 1].has_features = true;
}

/* One episode of random steps, with faults, so that every validity occurs. */
static int record_episode(uint64_t seed)
{
    struct service_profile profile;
    struct sim_model *model = NULL;
    struct env env;
    struct err e = {0};
    static float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct env_result result;
    struct rng rng;
    profile_default(&profile);
    profile.measurement.gap_probability = 0.2;
    struct sim_config sim = {
        .profile = &profile, .n_variants = 1, .max_replicas = 20, .episode_s = 1200, .faults = true, .seed = seed};
    ck_assert_msg(sim_model_open(&sim, &model, &e), "%s", e.message);
    struct microservice_parts parts = {.config = {.max_steps = STEPS,
                                                  .period_s = 15,
                                                  .actions = {.n = 3, .v = {-1, 0, 1}},
                                                  .min_replicas = 1,
                                                  .max_replicas = 20,
                                                  .masks = true,
                                                  .warm_up_s = 120},
                                       .guard = {.enabled = true},
                                       .reward = {.weight_replicas = 0.3, .weight_latency = 0.7},
                                       .model = model};
    ck_assert(observation_spec_parse(&parts.observation, FEATURES, 15, 45, &e));
    ck_assert_msg(microservice_open(&parts, &env, &e), "%s", e.message);
    size_t bytes = (env.spec.state_bytes + 63) / 64 * 64;
    void *state = aligned_alloc(64, bytes);
    memset(state, 0, bytes);
    env.ops->init(&env, state, seed, 1);
    rng_init(&rng, seed, 5);
    recording = true;
    ck_assert(env.ops->reset(&env, state, obs, mask, &e));
    keep_features(obs, env.spec.obs_dim);
    for (int i = 0; i < STEPS; i++) {
        int action = (int)rng_bounded(&rng, 3);
        ck_assert_msg(env.ops->step(&env, state, mask[action] ? action : 1, obs, mask, &result, &e), "%s", e.message);
        keep_features(obs, env.spec.obs_dim);
    }
    recording = false;
    int d = env.spec.obs_dim;
    env.ops->close(&env);
    sim_model_close(model);
    free(state);
    return d;
}

static struct sample with_request(const struct look *l, struct pod_record *pod)
{
    struct sample s = l->sample;
    *pod = (struct pod_record){.cpu_request_percent = l->cpu_request_percent};
    s.pods = l->cpu_request_percent > 0 ? pod : NULL;
    s.n_pods = l->cpu_request_percent > 0;
    return s;
}

static void expect_features(const char *way, int i, const float *features, int d)
{
    for (int k = 0; looks[i].has_features && k < d; k++)
        ck_assert_msg(memcmp(&features[k], &looks[i].features[k], sizeof *features) == 0,
                      "%s, look %d, feature %d: %.9g, and %.9g in the simulator", way, i, k, (double)features[k],
                      (double)looks[i].features[k]);
}

/* ---- the others ---- */

static char folder[FOLDER_BYTES], policy_text[FOLDER_BYTES + 40];
static float logits[LOOKS_LIMIT][3]; /* of replay */

static void make_policy(void)
{
    char path[FOLDER_BYTES + 32];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, FEATURES, 11);
    snprintf(policy_text, sizeof policy_text, "ppo:%s", path);
}

/* Each look through a line of a journal, the beginning through its state record. */
static void replay_journal(int d)
{
    static struct control_state state;
    static struct journal_record r;
    static struct journal_line line;
    struct control control = {.target = target, .period_s = 15};
    struct policy *policy = NULL;
    struct pod_record pod;
    struct err e = {0};
    ck_assert_msg(registry_open(policy_text, &control, &policy, &e), "%s", e.message);
    struct sample first = with_request(&looks[0], &pod);
    control_begin(&control, &state, &target, &first);
    struct buf text = {0};
    struct journal_opening opening = control_opening(&control, &state, policy_text, "");
    journal_encode_state(first.time_s, &opening, &text);
    ck_assert_msg(journal_decode(text.bytes, text.len - 1, &line, &e), "%s", e.message);
    memcpy(&state, line.state, sizeof state);
    for (int i = 1; i < n_looks; i++) {
        struct control_deciders who = {.policy = policy};
        r.sample = looks[i].sample;
        r.target = target;
        r.n_actions = 3;
        r.n_features = d;
        buf_clear(&text);
        journal_encode(&r, &text);
        ck_assert_msg(journal_decode(text.bytes, text.len - 1, &line, &e), "%s", e.message);
        ck_assert_msg(control_plan(&control, &state, &line.record.sample, &who, &r, &e), "%s", e.message);
        expect_features("replay", i, r.features, d);
        memcpy(logits[i], r.output.logits, sizeof logits[i]);
    }
    buf_finish(&text);
    policy_close(policy);
}

static void put_number(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_double(w, value);
}

static void put_look(struct json_writer *w, const struct look *l)
{
    static const char *const fields[] = {"cpu_usage", "memory_ratio", "replicas", "latency", "rps"};
    static const char *const names[] = {"cpu", "memory", "replicas", "latency", "rps"};
    static const char *const validities[] = {"no_data", "valid", "absent", "failed", "stale"};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        enum validity v = l->sample.signals[i].validity;
        json_put_key(w, fields[i]);
        json_put_double_or_null(w,
                                v == VALIDITY_VALID || v == VALIDITY_STALE ? l->sample.signals[i].value : (double)NAN);
    }
    put_number(w, "timestamp", l->sample.time_s);
    put_number(w, "ready", l->sample.ready);
    put_number(w, "starting", l->sample.starting);
    put_number(w, "terminating", l->sample.terminating);
    if (l->sample.error_ratio.validity == VALIDITY_VALID)
        put_number(w, "error_ratio", l->sample.error_ratio.value);
    if (l->cpu_request_percent > 0)
        put_number(w, "cpu_request_percent", l->cpu_request_percent);
    json_put_key(w, "validity");
    json_begin_object(w);
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        json_put_key(w, names[i]);
        json_put_text(w, validities[l->sample.signals[i].validity]);
    }
    json_end_object(w);
    json_put_key(w, "age_s");
    json_begin_object(w);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        put_number(w, names[i], l->sample.signals[i].age_s);
    json_end_object(w);
}

/* The body of a request about look i with all before it. */
static void put_request(struct buf *out, int i, bool remembered)
{
    struct json_writer w = {.out = out};
    struct err e = {0};
    json_begin_object(&w);
    put_look(&w, &looks[i]);
    put_number(&w, "min_replicas", target.min_replicas);
    put_number(&w, "max_replicas", target.max_replicas);
    put_number(&w, "latency_soft_ms", target.latency_soft_ms);
    put_number(&w, "latency_hard_ms", target.latency_hard_ms);
    if (remembered) {
        json_put_key(&w, "target");
        json_put_text(&w, "shop/web");
    }
    for (int k = 0; k < i && !remembered; k++) {
        if (k == 0) {
            json_put_key(&w, "history");
            json_begin_array(&w);
        }
        json_begin_object(&w);
        put_look(&w, &looks[k]);
        json_end_object(&w);
    }
    if (i > 0 && !remembered)
        json_end_array(&w);
    json_end_object(&w);
    ck_assert_msg(json_write_end(&w, &e), "%s", e.message);
}

/* The features as predict.c makes them of a parsed request. */
static void features_of_request(const struct buf *body, const struct policy_file *file, float *features)
{
    static struct predict_request request;
    const struct predict_config config = {.memory_limit_bytes = 1};
    const struct predict_view view = {&config, file, &request};
    struct observation_state state;
    struct pod_record pod;
    struct err e = {0};
    ck_assert_msg(predict_parse(&request, body->bytes, body->len, &e), "%s", e.message);
    ck_assert_int_eq(request.n_rows, 1);
    ck_assert_msg(predict_row_check(&view, &request.rows[0], "", &e), "%s", e.message);
    struct target t = predict_row_target(&view, &request.rows[0]);
    for (int k = 0; k <= request.n_history; k++) {
        const struct predict_row *row = k < request.n_history ? &request.history[k] : &request.rows[0];
        struct sample s = predict_row_sample(&view, row, row->value[PREDICT_TIMESTAMP], &pod);
        if (k == 0)
            observation_reset(&file->control.observation, &state, &t, &s);
        else
            observation_update(&file->control.observation, &state, &t, &s);
    }
    observation_features(&file->control.observation, &state, features);
    predict_request_finish(&request);
    request = (struct predict_request){0};
}

static void expect_logits(const char *way, int i, const struct buf *answer)
{
    struct json_document d;
    struct err e = {0};
    double values[3];
    int n = 0;
    ck_assert_msg(json_parse(&d, way, answer->bytes, answer->len, &e), "%s", e.message);
    ck_assert_msg(json_numbers(d.root, "logits", values, 3, &n, &e), "%s: %s", e.message, answer->bytes);
    for (int a = 0; a < 3; a++) {
        float value = (float)values[a];
        ck_assert_msg(memcmp(&value, &logits[i][a], sizeof value) == 0,
                      "%s, look %d, logit %d: %.9g, and %.9g in replay", way, i, a, (double)value,
                      (double)logits[i][a]);
    }
    json_finish(&d);
}

static void ask_server(int d)
{
    static float features[OBSERVATION_LIMIT];
    const struct predict_config config = {.n_threads = 1, .n_targets = 4, .memory_limit_bytes = 1};
    struct policy_file file = {0};
    struct model_slot *slot = NULL;
    struct predictor *predictor = NULL;
    struct buf body = {0}, answer = {0};
    struct err e = {0};
    ck_assert_msg(policyfile_load(policy_text + 4, &file, &e), "%s", e.message);
    ck_assert_msg(model_slot_open(policy_text + 4, 1, &slot, &e), "%s", e.message);
    ck_assert_msg(predictor_open(&config, slot, &predictor, &e), "%s", e.message);
    for (int i = 0; i < n_looks; i++) {
        for (int remembered = 0; remembered < 2; remembered++) {
            buf_clear(&body);
            buf_clear(&answer);
            put_request(&body, i, remembered);
            if (!remembered) {
                features_of_request(&body, &file, features);
                expect_features("serve", i, features, d);
            }
            ck_assert_msg(predictor_answer(predictor, 0, body.bytes, body.len, &answer) == 200, "%s", answer.bytes);
            if (i > 0)
                expect_logits(remembered ? "serve, remembered" : "serve, sent", i, &answer);
        }
    }
    buf_finish(&body);
    buf_finish(&answer);
    predictor_close(predictor);
    model_slot_close(slot);
    policyfile_finish(&file);
}

static void ask_suggest(int d)
{
    static struct scripted_fleet fleet;
    static struct journal_record r;
    struct suggest_config config;
    struct config_section section = {"suggest", "", suggest_config_keys, n_suggest_config_keys, &config};
    struct config c = {0};
    struct suggest *s = NULL;
    struct pod_record pod;
    struct buf body = {0};
    struct err e = {0};
    char soft[TEXT_DOUBLE], hard[TEXT_DOUBLE], least[16], most[16];
    double base_s = clock_monotonic_s();
    ck_assert(config_init(&c, &section, 1, &e));
    config_finish(&c);
    snprintf(config.policy, sizeof config.policy, "%s", policy_text);
    config.wait_s = 0;
    config.idle_s = 86400;
    fleet = (struct scripted_fleet){0};
    struct suggest_source source = scripted_source(&fleet);
    ck_assert_msg(suggest_open(&config, &source, &s, &e), "%s", e.message);
    snprintf(least, sizeof least, "%d", target.min_replicas);
    snprintf(most, sizeof most, "%d", target.max_replicas);
    fleet.views[0].annotations[0] = (struct fleet_annotation){"maestro.dev/min-replicas", least};
    fleet.views[0].annotations[1] = (struct fleet_annotation){"maestro.dev/max-replicas", most};
    fleet.views[0].annotations[2] =
        (struct fleet_annotation){"latencySoftConstraint", text_double(soft, target.latency_soft_ms)};
    fleet.views[0].annotations[3] =
        (struct fleet_annotation){"latencyHardConstraint", text_double(hard, target.latency_hard_ms)};
    fleet.views[0].n_annotations = 4;
    struct httpd_reply reply = {.body = &body};
    suggest_answer(s, NULL, "web", &reply);
    for (int i = 0; i < n_looks; i++) {
        fleet.views[0].sample = with_request(&looks[i], &pod);
        suggest_tick(s, base_s + 15 * i);
        if (!suggest_look(s, "shop", "web", &r))
            continue; // blind: an error in place of a decision, but the look was taken
        expect_features("suggest", i, r.features, d);
        ck_assert(i == 0 || memcmp(logits[i], r.output.logits, sizeof logits[i]) == 0);
    }
    ck_assert_int_eq(fleet.n_refreshes, n_looks);
    suggest_close(s);
    buf_finish(&body);
}

START_TEST(four_ways_to_the_same_bits)
{
    int seen[VALIDITY_STALE + 1] = {0};
    make_policy();
    for (uint64_t seed = 1; seed <= 4; seed++) {
        int d = record_episode(seed);
        ck_assert_int_gt(n_looks, STEPS);
        for (int i = 0; i < n_looks; i++)
            seen[looks[i].sample.signals[SIGNAL_P95].validity]++;
        replay_journal(d);
        ask_server(d);
        ask_suggest(d);
    }
    ck_assert_int_gt(seen[VALIDITY_VALID], 100);
    ck_assert_int_gt(seen[VALIDITY_NO_DATA] + seen[VALIDITY_FAILED] + seen[VALIDITY_STALE] + seen[VALIDITY_ABSENT], 0);
    folder_remove(folder);
}
END_TEST

/* The comparison itself must be able to fail: a look whose CPU is told in another unit is another look. */
START_TEST(another_unit_shows)
{
    static float features[OBSERVATION_LIMIT];
    struct policy_file file = {0};
    struct buf body = {0};
    struct err e = {0};
    make_policy();
    int d = record_episode(1), differ = 0;
    ck_assert(policyfile_load(policy_text + 4, &file, &e));
    for (int i = 0; i < n_looks; i++)
        looks[i].sample.signals[SIGNAL_CPU].value /= 100; // cores
    put_request(&body, n_looks - 1, false);
    features_of_request(&body, &file, features);
    for (int k = 0; k < d; k++)
        differ += memcmp(&features[k], &looks[n_looks - 1].features[k], sizeof *features) != 0;
    ck_assert_int_gt(differ, 0);
    buf_finish(&body);
    policyfile_finish(&file);
    folder_remove(folder);
}
END_TEST

SUITE("parity", four_ways_to_the_same_bits, another_unit_shows)
