/* remote_read: answers of other servers, believed only as far as they make sense: every number has a range, a step must be
 * one of ours, a set of features must be the one that was asked with. In: parsed JSON. Out: settings or a proposal. */
#include "remote.h"

#include <maestro/policyfile.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool read_control(const struct json *root, struct control *out, struct err *e)
{
    struct policy_file file = {0};
    const struct json *control = NULL;
    const char *features = NULL;
    if (!json_object(root, "control", &control, e) || !json_text(root, "features", &features, e))
        return false;
    if (!policyfile_control_read(control, &file, e))
        return false;
    double window_s = file.control.observation.window_s;
    if (!observation_spec_parse(&file.control.observation, features, file.control.period_s, window_s, e))
        return false;
    file.control.target = out->target;
    *out = file.control;
    return true;
}

bool remote_read_model(const struct json *root, struct control *out, char hash[OBSERVATION_HASH_BYTES], struct err *e)
{
    struct control control = *out;
    const struct json *model = NULL;
    const char *said = NULL;
    char ours[OBSERVATION_HASH_BYTES];
    if (!read_control(root, &control, e) || !json_object(root, "model", &model, e) ||
        !json_text(model, "features", &said, e))
        return false;
    observation_hash(&control.observation, ours);
    if (strcmp(ours, said) != 0)
        return err_set(e, ERR_FORMAT, "its features have the hash %.20s, the same ones here %s", said, ours);
    memcpy(hash, ours, sizeof ours);
    *out = control;
    return true;
}

static bool check_hash(const struct json *root, const char *hash, struct err *e)
{
    const struct json *model = NULL;
    const char *said = NULL;
    if (!hash)
        return true;
    if (!json_object(root, "model", &model, e) || !json_text(model, "features", &said, e))
        return false;
    return strcmp(said, hash) == 0 ||
           err_set(e, ERR_FORMAT, "it has another policy by now, with features %.20s instead of %s", said, hash);
}

static bool optional_float(const struct json *root, const char *key, float *out, struct err *e)
{
    double value = 0.0;
    if (!json_find(root, key))
        return true;
    if (!json_number(root, key, &value, e))
        return false;
    *out = (float)value;
    return true;
}

static bool read_logits(const struct json *root, const struct action_set *set, float *out, struct err *e)
{
    double logits[ACTIONS_LIMIT];
    int n = 0;
    if (!json_find(root, "logits"))
        return true;
    if (!json_numbers(root, "logits", logits, ACTIONS_LIMIT, &n, e))
        return false;
    if (n != set->n)
        return err_set(e, ERR_FORMAT, "logits: %d numbers for %d actions", n, set->n);
    for (int i = 0; i < n; i++)
        out[i] = (float)logits[i];
    return true;
}

bool remote_read_decision(const struct json *root, const struct action_set *set, const char *hash,
                          struct policy_output *out, struct err *e)
{
    struct policy_output got = {0};
    long long action = 0, delta = 0;
    if (!check_hash(root, hash, e) || !json_whole(root, "action", 0, set->n - 1, &action, e))
        return false;
    if (json_find(root, "delta") && !json_whole(root, "delta", -REPLICAS_LIMIT, REPLICAS_LIMIT, &delta, e))
        return false;
    if (json_find(root, "delta") && delta != set->delta[action])
        return err_set(e, ERR_FORMAT, "action %lld is a step of %lld there and of %d here", action, delta,
                       set->delta[action]);
    got.action = (int)action;
    if (!read_logits(root, set, got.logits, e) || !optional_float(root, "value", &got.value, e) ||
        !optional_float(root, "ood", &got.ood, e))
        return false;
    *out = got;
    return true;
}

/* The first signal of the reply that is not known well enough to go down on; NULL: none. */
static const char *doubtful(const struct json *root)
{
    const struct json *signals = json_find(root, "signals");
    for (const struct json *s = json_first(signals); s; s = json_next(s)) {
        const char *validity = NULL;
        if (!json_as_text(json_find(s, "validity"), &validity))
            continue;
        if (strcmp(validity, "valid") != 0 && strcmp(validity, "absent") != 0)
            return json_key(s);
    }
    return NULL;
}

bool remote_read_suggestion(const struct json *root, int present, struct policy_output *out, struct err *e)
{
    struct policy_output got = {0};
    long long wanted = 0;
    const char *why = doubtful(root);
    if (!json_whole(root, "desired_replicas", 0, 1000000, &wanted, e))
        return false;
    got.replicas = (int)wanted;
    got.hold = present < 0 || (wanted < present && why);
    if (present < 0)
        snprintf(got.reason, sizeof got.reason, "suggested %lld, but spec.replicas is unknown", wanted);
    else if (got.hold)
        snprintf(got.reason, sizeof got.reason, "suggested %lld, but without a usable %.30s", wanted, why);
    else
        snprintf(got.reason, sizeof got.reason, "suggested %lld", wanted);
    *out = got;
    return true;
}
