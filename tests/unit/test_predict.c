/* predict: requests as clients send them, every way of saying something wrong, and that what is decided is what the control
 * loop would decide on the same samples, bit for bit. */
#include <maestro/json.h>
#include <maestro/predict.h>

#include <math.h>
#include <pthread.h>

#include "folder.h"
#include "suite.h"
#include "trained.h"

struct shop {
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 32];
    struct model_slot *slot;
    struct predictor *predictor;
    struct buf out;
};

static void shop_open(struct shop *s, const char *features, bool cpu_in_cores)
{
    const struct predict_config config = {
        .n_threads = 2, .n_targets = 4, .cpu_in_cores = cpu_in_cores, .memory_limit_bytes = 512 << 20};
    struct err e = {0};
    *s = (struct shop){0};
    folder_make(s->folder);
    snprintf(s->path, sizeof s->path, "%s/best.safetensors", s->folder);
    trained_write(s->path, features, 5);
    ck_assert_msg(model_slot_open(s->path, 2, &s->slot, &e), "%s", e.message);
    ck_assert_msg(predictor_open(&config, s->slot, &s->predictor, &e), "%s", e.message);
}

static void shop_close(struct shop *s)
{
    predictor_close(s->predictor);
    model_slot_close(s->slot);
    buf_finish(&s->out);
    folder_remove(s->folder);
}

static int ask(struct shop *s, const char *body)
{
    buf_clear(&s->out);
    return predictor_answer(s->predictor, 0, body, strlen(body), &s->out);
}

static void expect(struct shop *s, const char *body, const char *part)
{
    int status = ask(s, body);
    ck_assert_msg(status == 200, "%s: %d %s", body, status, s->out.bytes);
    ck_assert_msg(strstr(s->out.bytes, part), "%s: %s has no %s", body, s->out.bytes, part);
}

#define FIVE "\"cpu_usage\":240,\"memory_usage\":1100000000,\"latency\":180,\"rps\":95,\"replicas\":3"

START_TEST(the_parent_systems_request_and_answer)
{
    struct shop s;
    shop_open(&s, "raw5", false);
    struct json_document d = {0};
    const struct json *model = NULL;
    const char *name = NULL;
    long long action = -1, delta = -9, replicas = -1;
    double p[ACTIONS_LIMIT], value;
    int n = 0;
    struct err e = {0};
    ck_assert_int_eq(ask(&s, "{" FIVE "}"), 200);
    ck_assert_msg(json_parse(&d, "answer", s.out.bytes, s.out.len, &e), "%s", e.message);
    ck_assert(json_whole(d.root, "action", 0, 2, &action, &e));
    ck_assert(json_whole(d.root, "delta", -1, 1, &delta, &e) && delta == action - 1);
    ck_assert(json_whole(d.root, "desired_replicas", 2, 4, &replicas, &e) && replicas == 3 + delta);
    ck_assert(json_text(d.root, "action_name", &name, &e));
    ck_assert_str_eq(name, action_name((int)delta));
    ck_assert(json_numbers(d.root, "probabilities", p, ACTIONS_LIMIT, &n, &e) && n == 3);
    ck_assert_double_eq_tol(p[0] + p[1] + p[2], 1.0, 1e-6);
    ck_assert(json_number(d.root, "value", &value, &e) && json_number(d.root, "ood", &value, &e));
    ck_assert_double_gt(value, 1.0); // raw features up to 240 beside a range of -10..10
    ck_assert(json_object(d.root, "model", &model, &e) && json_text(model, "id", &name, &e));
    ck_assert_ptr_nonnull(strstr(s.out.bytes, "\"assumed\":[\"ready\",\"starting\",\"terminating\","
                                              "\"cpu_request_percent\",\"memory_limit\",\"min_replicas\","
                                              "\"max_replicas\",\"latency_soft_ms\",\"latency_hard_ms\",\"history\"]"));
    json_finish(&d);
    shop_close(&s);
}
END_TEST

/* The raw features are the sample: what a field means can be read off them through the network's first answer. */
static void same_answer(struct shop *s, const char *a, const char *b)
{
    CLEANUP_BUF struct buf first = {0};
    ck_assert_msg(ask(s, a) == 200, "%s: %s", a, s->out.bytes);
    buf_append(&first, s->out.bytes, s->out.len);
    ck_assert_msg(ask(s, b) == 200, "%s: %s", b, s->out.bytes);
    const char *from = strstr(first.bytes, "\"logits\""), *to = strstr(from, "\"assumed\"");
    const char *other = strstr(s->out.bytes, "\"logits\"");
    ck_assert_msg(strncmp(from, other, (size_t)(to - from)) == 0, "%s\n%s\n%s%s", a, b, first.bytes, s->out.bytes);
}

START_TEST(units_and_other_names)
{
    struct shop s;
    shop_open(&s, "raw5", false);
    same_answer(&s, "{" FIVE "}",
                "{\"cpu_cores\":2.4,\"memory_usage\":1100000000,\"latency\":180,\"rps\":95,\"replicas\":3}");
    same_answer(&s, "{" FIVE ",\"memory_limit\":1e9}",
                "{\"cpu_usage\":240,\"memory_ratio\":0.36666666666666664,\"latency\":180,\"rps\":95,\"replicas\":3}");
    same_answer(&s, "{" FIVE "}", "{" FIVE ",\"memory_limit\":536870912}");
    same_answer(&s, "{" FIVE "}", "{\"features\":[240,0.682969888051351,3,180,95],\"replicas\":3}");
    shop_close(&s);
    shop_open(&s, "raw5", true);
    same_answer(&s, "{\"cpu_usage\":2.4,\"memory_usage\":0,\"latency\":180,\"rps\":95,\"replicas\":3}",
                "{\"cpu_cores\":2.4,\"memory_usage\":0,\"latency\":180,\"rps\":95,\"replicas\":3}");
    shop_close(&s);
}
END_TEST

START_TEST(nulls_are_validities)
{
    struct shop s;
    shop_open(&s, "p95_valid,p95_absent,memory_valid,memory_absent,cpu_valid,rps_valid", false);
    same_answer(&s, "{\"cpu_usage\":1,\"memory_usage\":5,\"latency\":null,\"rps\":0,\"replicas\":3}",
                "{\"features\":[0,1,1,0,1,1]}");
    same_answer(&s, "{\"cpu_usage\":1,\"memory_usage\":5,\"latency\":null,\"rps\":7,\"replicas\":3}",
                "{\"features\":[0,0,1,0,1,1]}");
    same_answer(&s, "{\"cpu_usage\":null,\"memory_usage\":null,\"latency\":9,\"rps\":null,\"replicas\":3}",
                "{\"features\":[1,0,0,1,0,0]}");
    same_answer(&s, "{\"cpu_usage\":1,\"memory_usage\":5,\"memory_limit\":null,\"latency\":9,\"rps\":1,\"replicas\":3}",
                "{\"features\":[1,0,0,1,1,1]}");
    same_answer(&s,
                "{\"cpu_usage\":1,\"memory_usage\":5,\"latency\":9,\"rps\":1,\"replicas\":3,"
                "\"validity\":{\"cpu\":\"stale\",\"latency\":\"absent\",\"rps\":\"failed\"}}",
                "{\"features\":[0,1,1,0,0,0]}");
    same_answer(&s, "{\"memory_usage\":5,\"latency\":9,\"rps\":1,\"replicas\":3,\"validity\":{\"cpu\":\"no_data\"}}",
                "{\"features\":[1,0,1,0,0,1]}");
    shop_close(&s);
}
END_TEST

START_TEST(limits_bind_the_answer)
{
    struct shop s;
    shop_open(&s, "raw5", false);
    expect(&s, "{" FIVE ",\"min_replicas\":3,\"max_replicas\":3}", "\"desired_replicas\":3,\"probabilities\":[0,1,0]");
    expect(&s, "{" FIVE ",\"mask\":[0,1,0]}", "\"action\":1,\"action_name\":\"no_op\",\"delta\":0");
    expect(&s, "{\"features\":[1,1,1,1,1]}", "\"desired_replicas\":null");
    expect(&s, "{\"features\":[1,1,1,1,1]}", "\"assumed\":[]");
    expect(&s, "{\"features\":[1,1,1,1,1],\"replicas\":null}", "\"desired_replicas\":null");
    expect(&s, "{\"features\":[1,1,1,1,1],\"replicas\":null}", "\"assumed\":[]");
    same_answer(&s, "{\"features\":[1,1,1,1,1],\"replicas\":null}", "{\"features\":[1,1,1,1,1]}");
    expect(&s, "{\"features\":[1,1,20,1,1],\"replicas\":20}", "\"assumed\":[\"min_replicas\",\"max_replicas\"]");
    shop_close(&s);
}
END_TEST

START_TEST(a_list_is_a_batch)
{
    struct shop s;
    CLEANUP_BUF struct buf body = {0};
    shop_open(&s, "default", false);
    buf_text(&body, "[");
    for (int i = 0; i < 30; i++)
        buf_printf(&body, "%s{\"cpu_usage\":%d,\"memory_usage\":5e8,\"latency\":%d,\"rps\":95,\"replicas\":%d}",
                   i ? "," : "", 40 * i, 10 * i, 1 + i % 7);
    buf_text(&body, "]");
    ck_assert_int_eq(ask(&s, body.bytes), 200);
    struct json_document together = {0};
    ck_assert(json_parse(&together, "batch", s.out.bytes, s.out.len, NULL));
    const struct json *row = json_first(together.root);
    for (int i = 0; i < 30; i++, row = json_next(row)) {
        char one[160];
        double batch[3], alone[3];
        int n;
        struct json_document single = {0};
        snprintf(one, sizeof one, "{\"cpu_usage\":%d,\"memory_usage\":5e8,\"latency\":%d,\"rps\":95,\"replicas\":%d}",
                 40 * i, 10 * i, 1 + i % 7);
        ck_assert_int_eq(ask(&s, one), 200);
        ck_assert(json_parse(&single, "single", s.out.bytes, s.out.len, NULL));
        ck_assert(json_numbers(row, "logits", batch, 3, &n, NULL) &&
                  json_numbers(single.root, "logits", alone, 3, &n, NULL));
        ck_assert_mem_eq(batch, alone, sizeof batch);
        json_finish(&single);
    }
    ck_assert_ptr_null(row);
    json_finish(&together);
    shop_close(&s);
}
END_TEST

/* What observation.c and greedy.c make of a sequence of samples. */
static void decide_alone(const struct shop *s, const struct sample *samples, int n, struct greedy_answer *out)
{
    const struct model *m = model_acquire(s->slot, 1);
    struct observation_state state;
    float features[OBSERVATION_LIMIT];
    observation_reset(&m->file.control.observation, &state, &m->file.control.target, &samples[0]);
    for (int i = 1; i < n; i++)
        observation_update(&m->file.control.observation, &state, &m->file.control.target, &samples[i]);
    observation_features(&m->file.control.observation, &state, features);
    ck_assert(greedy_decide(&m->greedy[1], features, NULL, 1, out, NULL));
    model_release(s->slot, 1);
}

static void write_look(struct buf *out, const struct sample *s)
{
    buf_printf(out,
               "\"timestamp\":%.17g,\"cpu_usage\":%.17g,\"memory_ratio\":%.17g,\"replicas\":%.17g,"
               "\"latency\":%.17g,\"rps\":%.17g,\"ready\":%d,\"starting\":%d,\"age_s\":{\"cpu\":%.17g}",
               s->time_s, s->signals[SIGNAL_CPU].value, s->signals[SIGNAL_MEMORY].value,
               s->signals[SIGNAL_REPLICAS].value, s->signals[SIGNAL_P95].value, s->signals[SIGNAL_RPS].value, s->ready,
               s->starting, s->signals[SIGNAL_CPU].age_s);
    if (s->signals[SIGNAL_P95].validity == VALIDITY_STALE)
        buf_text(out, ",\"validity\":{\"latency\":\"stale\"}");
}

static void expect_decision(struct shop *s, const char *body, const struct greedy_answer *wanted)
{
    struct json_document d = {0};
    double logits[3], value, ood;
    int n;
    ck_assert_msg(ask(s, body) == 200, "%s: %s", body, s->out.bytes);
    ck_assert(json_parse(&d, "answer", s->out.bytes, s->out.len, NULL));
    ck_assert(json_numbers(d.root, "logits", logits, 3, &n, NULL) && json_number(d.root, "value", &value, NULL));
    ck_assert(json_number(d.root, "ood", &ood, NULL));
    for (int a = 0; a < 3; a++)
        ck_assert((float)logits[a] == wanted->logits[a]);
    ck_assert((float)value == wanted->value && (float)ood == wanted->ood);
    json_finish(&d);
}

#define LOOKS 40

static void make_looks(struct sample looks[LOOKS])
{
    struct rng rng;
    rng_init(&rng, 4, 1);
    for (int i = 0; i < LOOKS; i++) {
        double rps = 80 + 60 * rng_double(&rng);
        struct sample *s = &looks[i];
        *s = (struct sample){.time_s = 1e9 + 15 * i + rng_double(&rng), .ready = 2 + i / 9, .starting = i % 3};
        const double values[SIGNAL_COUNT] = {2.2 * rps, rng_double(&rng), 3 + i / 10, 90 + 100 * rng_double(&rng), rps};
        for (int k = 0; k < SIGNAL_COUNT; k++)
            s->signals[k] = (struct reading){values[k], k == SIGNAL_CPU ? rng_double(&rng) : 0, VALIDITY_VALID};
        if (i % 7 == 3)
            s->signals[SIGNAL_P95].validity = VALIDITY_STALE;
    }
}

/* The same sequence sent as a history, and one by one under a name: the bits of the control loop's own decisions. */
START_TEST(sequences_decide_as_the_control_loop)
{
    static struct sample looks[LOOKS];
    struct shop s;
    CLEANUP_BUF struct buf history = {0};
    shop_open(&s, "all", false);
    make_looks(looks);
    for (int i = 0; i < LOOKS; i++) {
        CLEANUP_BUF struct buf named = {0};
        CLEANUP_BUF struct buf whole = {0};
        struct greedy_answer wanted;
        decide_alone(&s, looks, i + 1, &wanted);
        buf_text(&named, "{\"target\":\"shop/web\",");
        write_look(&named, &looks[i]);
        buf_text(&named, "}");
        expect_decision(&s, named.bytes, &wanted);
        buf_text(&whole, "{\"history\":[");
        buf_append(&whole, history.bytes ? history.bytes : "", history.len);
        buf_text(&whole, "],");
        write_look(&whole, &looks[i]);
        buf_text(&whole, "}");
        expect_decision(&s, whole.bytes, &wanted);
        buf_text(&history, i ? ",{" : "{");
        write_look(&history, &looks[i]);
        buf_text(&history, "}");
    }
    shop_close(&s);
}
END_TEST

/* Each row: a body, and what the refusal must name. */
static const struct {
    const char *body, *word;
} refusals[] = {
    {"", "empty"},
    {" \n ", "empty"},
    {"[]", "empty"},
    {"5", "an observation"},
    {"null", "an observation"},
    {"{", "the name of a field"},
    {"{}", "cpu_usage: missing"},
    {"{" FIVE "", "',' or '}'"},
    {"{" FIVE "}}", "the end of the body"},
    {"{" FIVE "} x", "the end of the body"},
    {"{" FIVE ",}", "the name of a field"},
    {"{'cpu_usage':1}", "the name of a field"},
    {"{\"cpu_usage\" 1}", "':'"},
    {"{" FIVE ",\"rps\":95}", "rps: given twice"},
    {"{" FIVE ",\"rpm\":95}", "rpm: no such field; did you mean 'rps'?"},
    {"{" FIVE ",\"colour\":1}", "colour: no such field"},
    {"{\"cpu_usage\":NaN}", "cpu_usage: NaN"},
    {"{\"cpu_usage\":Infinity}", "cpu_usage: NaN and Infinity"},
    {"{\"cpu_usage\":-Infinity}", "cpu_usage: NaN and Infinity"},
    {"{\"cpu_usage\":1e999}", "cpu_usage: the number is too large"},
    {"{\"cpu_usage\":-1}", "cpu_usage: must not be negative"},
    {"{\"cpu_usage\":\"1\"}", "cpu_usage: a number is wanted, not a text"},
    {"{\"cpu_usage\":true}", "cpu_usage: a number is wanted, not true or false"},
    {"{\"cpu_usage\":[1]}", "cpu_usage: a number is wanted, not a list"},
    {"{\"cpu_usage\":01}", "cpu_usage: a number is wanted"},
    {"{\"cpu\\u005fusage\":1}", "without escapes"},
    {"{\"cpu_usage\":1,\"cpu_cores\":1,\"memory_usage\":1,\"latency\":1,\"rps\":1,\"replicas\":1}",
     "cpu_usage: not together with cpu_cores"},
    {"{\"memory_usage\":1,\"latency\":1,\"rps\":1,\"replicas\":1}", "cpu_usage: missing"},
    {"{\"cpu_usage\":1,\"latency\":1,\"rps\":1,\"replicas\":1}", "memory_usage: missing"},
    {"{\"cpu_usage\":1,\"memory_usage\":1,\"latency\":1,\"rps\":1}", "replicas: missing"},
    {"{\"cpu_usage\":1,\"memory_usage\":1,\"rps\":1,\"replicas\":1}", "latency: missing"},
    {"{\"cpu_usage\":1,\"memory_usage\":1,\"latency\":1,\"replicas\":1}", "rps: missing"},
    {"{\"cpu_usage\":1,\"memory_usage\":1,\"latency\":1,\"rps\":1,\"replicas\":null}", "replicas: a number"},
    {"{\"cpu_usage\":1,\"memory_usage\":1,\"latency\":1,\"rps\":1,\"replicas\":2.5}", "replicas: 2.5 is not a whole"},
    {"{" FIVE ",\"min_replicas\":9,\"max_replicas\":4}", "min_replicas: 9 is above max_replicas, 4"},
    {"{" FIVE ",\"min_replicas\":25}", "min_replicas: 25 is above max_replicas, 20"},
    {"{" FIVE ",\"mask\":[1,1]}", "mask: 2 actions, but the policy has 3"},
    {"{" FIVE ",\"mask\":[1,0,1]}", "mask: keeping"},
    {"{" FIVE ",\"mask\":[1,2,1]}", "mask: a list of 0 and 1"},
    {"{" FIVE ",\"mask\":[]}", "mask: "},
    {"{" FIVE ",\"mask\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "mask: the list is longer"},
    {"{" FIVE ",\"features\":[1,2,3,4,5]}", "cpu_usage: not together with features"},
    {"{\"features\":[1,2,3,4]}", "features: 4 numbers, but the policy has 5 inputs"},
    {"{\"features\":[1,2,3,4,null]}", "features: a number is wanted"},
    {"{\"features\":[1,2,3,4,1e35]}", "features: the number is too large"},
    {"{" FIVE ",\"target\":\"\"}", "target: the name is empty"},
    {"{" FIVE ",\"target\":5}", "the text of 'target'"},
    {"{" FIVE ",\"target\":\"a\",\"history\":[]}", "history: not together with target"},
    {"{" FIVE ",\"history\":[{" FIVE "}]}", "history[0].timestamp: missing"},
    {"{" FIVE ",\"history\":[{" FIVE ",\"timestamp\":1},{\"timestamp\":2}]}", "history[1].cpu_usage: missing"},
    {"{" FIVE ",\"history\":[{" FIVE ",\"timestamp\":20},{" FIVE ",\"timestamp\":5}]}",
     "history[1].timestamp: 5 is not after 20"},
    {"{" FIVE ",\"history\":[{" FIVE ",\"timestamp\":20},{" FIVE ",\"timestamp\":20}]}",
     "history[1].timestamp: 20 is not after 20"},
    {"[{" FIVE ",\"timestamp\":19,\"history\":[{" FIVE ",\"timestamp\":20}]}]", "[0].timestamp: 19 is not after 20"},
    {"{" FIVE ",\"history\":[{" FIVE ",\"min_replicas\":1}]}", "history[0].min_replicas: not inside a history"},
    {"{" FIVE ",\"history\":[{" FIVE ",\"history\":[]}]}", "history[0].history: not inside a history"},
    {"[{" FIVE "},{\"cpu_usage\":-3}]", "[1].cpu_usage: must not be negative"},
    {"[{" FIVE "},{\"cpu_usage\":3}]", "[1].memory_usage: missing"},
    {"[{" FIVE "} {" FIVE "}]", "',' or ']'"},
    {"[[{" FIVE "}]]", "an observation"},
    {"{" FIVE ",\"validity\":{\"cpu\":\"good\"}}", "validity: one of"},
    {"{" FIVE ",\"validity\":{\"gpu\":\"valid\"}}", "validity: the signals are"},
    {"{" FIVE ",\"validity\":{\"cpu\":\"valid\",\"cpu\":\"valid\"}}", "validity: a signal is given twice"},
    {"{\"memory_usage\":5,\"latency\":9,\"rps\":1,\"replicas\":3,\"validity\":{\"cpu\":\"stale\"}}",
     "cpu_usage: there is no value"},
    {"{" FIVE ",\"age_s\":{\"cpu\":-1}}", "age_s: must not be negative"},
    {"{" FIVE ",\"error_ratio\":2}", "error_ratio: 2 is not within 0..1"},
    {"{" FIVE ",\"target\":\"", "'\"'"},
};

START_TEST(what_is_wrong_is_named)
{
    struct shop s;
    shop_open(&s, "raw5", false);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct json_document d = {0};
        const char *text = NULL;
        int status = ask(&s, refusals[i].body);
        ck_assert_msg(status == 400, "%s: %d %s", refusals[i].body, status, s.out.bytes);
        ck_assert(json_parse(&d, "refusal", s.out.bytes, s.out.len, NULL) && json_text(d.root, "error", &text, NULL));
        ck_assert_msg(strstr(text, refusals[i].word), "%s: '%s' has no '%s'", refusals[i].body, text, refusals[i].word);
        json_finish(&d);
    }
    struct predict_counts counts;
    predictor_counts(s.predictor, &counts);
    ck_assert_int_eq(counts.n_refused, (long)(sizeof refusals / sizeof *refusals));
    ck_assert_int_eq(counts.n_answered, 0);
    expect(&s, "{" FIVE "}", "\"action\"");
    shop_close(&s);
}
END_TEST

/* A NUL inside the body is no end of it. */
START_TEST(a_nul_is_no_end)
{
    static const char body[] = "{" FIVE "}\0{";
    struct shop s;
    shop_open(&s, "raw5", false);
    ck_assert_int_eq(predictor_answer(s.predictor, 0, body, sizeof body - 1, &s.out), 400);
    shop_close(&s);
}
END_TEST

START_TEST(too_many_observations_are_refused)
{
    struct shop s;
    CLEANUP_BUF struct buf body = {0};
    shop_open(&s, "raw5", false);
    for (int i = 0; i < 4097; i++)
        buf_text(&body, i ? ",{" FIVE "}" : "[{" FIVE "}");
    buf_text(&body, "]");
    ck_assert_int_eq(ask(&s, body.bytes), 400);
    ck_assert_ptr_nonnull(strstr(s.out.bytes, "more than 4096 observations"));
    shop_close(&s);
}
END_TEST

START_TEST(what_happened_is_counted)
{
    struct shop s;
    struct predict_counts counts;
    long requests = 0;
    shop_open(&s, "raw5", false);
    expect(&s, "[{" FIVE ",\"mask\":[0,1,0]},{" FIVE ",\"mask\":[0,1,0],\"target\":\"a\",\"timestamp\":5}]", "no_op");
    expect(&s, "{" FIVE ",\"target\":\"a\",\"timestamp\":5}", "action");
    predictor_counts(s.predictor, &counts);
    for (int i = 0; i <= PREDICT_BUCKETS; i++)
        requests += counts.buckets[i];
    ck_assert_int_eq(requests, 2);
    ck_assert_int_eq(counts.n_answered, 2);
    ck_assert_int_eq(counts.n_down + counts.n_keep + counts.n_up, 3);
    ck_assert_int_ge(counts.n_keep, 2);
    ck_assert_int_eq(counts.n_outside, 3);
    ck_assert_int_eq(counts.track.n_targets, 1);
    ck_assert_int_eq(counts.track.n_ignored, 1);
    shop_close(&s);
}
END_TEST

SUITE("predict", the_parent_systems_request_and_answer, units_and_other_names, nulls_are_validities,
      limits_bind_the_answer, a_list_is_a_batch, sequences_decide_as_the_control_loop, what_is_wrong_is_named,
      a_nul_is_no_end, too_many_observations_are_refused, what_happened_is_counted)
