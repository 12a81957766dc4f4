/* Any bytes as the body of POST /predict: an answer or a refusal, either way JSON that our own strict reader takes; what is
 * answered is a list where the body was one, with actions inside the set, probabilities that add up, and counts within limits. */
#include "fuzz.h"

#include <maestro/data.h>
#include <maestro/json.h>
#include <maestro/predict.h>

#include <math.h>
#include <string.h>

static struct predictor *predictor;

static void open_once(void)
{
    const struct predict_config config = {.n_threads = 1, .n_targets = 8, .memory_limit_bytes = 512 << 20};
    static struct model_slot *slot;
    struct buf path = {0};
    if (predictor)
        return;
    fuzz_must(data_path("policies/pretrained/web-api.safetensors", &path, NULL));
    fuzz_must(model_slot_open(path.bytes, 1, &slot, NULL));
    fuzz_must(predictor_open(&config, slot, &predictor, NULL));
    buf_finish(&path);
}

static void check_decision(const struct json *row)
{
    double p[ACTIONS_LIMIT], value, sum = 0;
    long long action;
    int n = 0;
    struct err e = {0};
    fuzz_must(json_numbers(row, "probabilities", p, ACTIONS_LIMIT, &n, &e));
    fuzz_must(json_whole(row, "action", 0, n - 1, &action, &e));
    for (int i = 0; i < n; i++)
        sum += p[i];
    fuzz_must(fabs(sum - 1.0) < 1e-5);
    fuzz_must(p[action] > 0);
    fuzz_must(json_number(row, "value", &value, &e) && json_number(row, "ood", &value, &e) && value >= 0);
    const struct json *replicas = json_find(row, "desired_replicas");
    fuzz_must(json_is_null(replicas) || json_whole(row, "desired_replicas", 0, 1100000, &action, &e));
}

static void check_answer(const struct buf *out)
{
    struct json_document d = {0};
    fuzz_must(json_parse(&d, "answer", out->bytes, out->len, NULL));
    if (json_is_array(d.root))
        for (const struct json *row = json_first(d.root); row; row = json_next(row))
            check_decision(row);
    else
        check_decision(d.root);
    json_finish(&d);
}

static void check_refusal(const struct buf *out)
{
    struct json_document d = {0};
    const char *text = NULL;
    fuzz_must(json_parse(&d, "refusal", out->bytes, out->len, NULL) && json_text(d.root, "error", &text, NULL));
    fuzz_must(text[0] != '\0');
    json_finish(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf body = {0}, out = {0};
    open_once();
    buf_append(&body, bytes, n);
    int status = predictor_answer(predictor, 0, body.bytes, body.len, &out);
    fuzz_must(status == 200 || status == 400);
    if (status == 200)
        check_answer(&out);
    else
        check_refusal(&out);
    buf_finish(&body);
    buf_finish(&out);
    return 0;
}
