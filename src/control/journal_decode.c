/* journal_decode: one line of a journal back into the struct it was written from. The line may be anything: every field is
 * checked, and a message names the one that is wrong. */
#include "journal_names.h"

#include <maestro/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool as_double(const struct json *value, double *out)
{
    const char *text;
    if (json_as_number(value, out))
        return true;
    if (!json_as_text(value, &text))
        return false;
    if (strcmp(text, "nan") == 0)
        *out = (double)NAN;
    else if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0)
        *out = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    else
        return false;
    return true;
}

static bool get_double(const struct json *object, const char *key, double *out, struct err *e)
{
    const struct json *value = json_find(object, key);
    if (!value || !as_double(value, out))
        return err_set(e, ERR_FORMAT, "journal: field '%s' is missing or no number", key);
    return true;
}

static bool get_float(const struct json *object, const char *key, float *out, struct err *e)
{
    double value;
    if (!get_double(object, key, &value, e))
        return false;
    if (isfinite(value) && fabs(value) > 3.4028234663852886e38)
        return err_set(e, ERR_FORMAT, "journal: field '%s': %g is too large", key, value);
    *out = (float)value;
    return true;
}

static bool get_int(const struct json *object, const char *key, int *out, struct err *e)
{
    long long whole;
    if (!json_whole(object, key, -1000000, 1000000, &whole, e))
        return false;
    *out = (int)whole;
    return true;
}

static bool get_text(const struct json *object, const char *key, char *out, size_t n_out, struct err *e)
{
    const char *text;
    if (!json_text(object, key, &text, e))
        return false;
    size_t n = strlen(text);
    if (n >= n_out)
        return err_set(e, ERR_FORMAT, "journal: field '%s' is longer than %zu bytes", key, n_out - 1);
    memset(out, 0, n_out);
    memcpy(out, text, n + 1);
    return true;
}

static bool get_floats(const struct json *object, const char *key, float *out, int limit, int *n, struct err *e)
{
    const struct json *list;
    int i = 0;
    if (!json_array(object, key, &list, e))
        return false;
    for (const struct json *v = json_first(list); v; v = json_next(v), i++) {
        double value = 0;
        if (i >= limit || !as_double(v, &value) || (isfinite(value) && fabs(value) > 3.4028234663852886e38))
            return err_set(e, ERR_FORMAT, "journal: field '%s', element %d: not one of at most %d numbers", key, i,
                           limit);
        out[i] = (float)value;
    }
    *n = i;
    return true;
}

static bool parse_validity(const char *text, enum validity *out)
{
    for (int i = 0; i < JOURNAL_VALIDITIES; i++)
        if (strcmp(text, journal_validity_names[i]) == 0) {
            *out = (enum validity)i;
            return true;
        }
    return false;
}

/* [value, age, "validity"] */
static bool get_reading(const struct json *object, const char *key, struct reading *out, struct err *e)
{
    const struct json *list;
    const char *text;
    if (!json_array(object, key, &list, e))
        return false;
    const struct json *value = json_first(list);
    const struct json *age = value ? json_next(value) : NULL;
    const struct json *validity = age ? json_next(age) : NULL;
    if (!validity || json_next(validity) || !as_double(value, &out->value) || !as_double(age, &out->age_s) ||
        !json_as_text(validity, &text) || !parse_validity(text, &out->validity))
        return err_set(e, ERR_FORMAT, "journal: field '%s' is not [value, age, validity]", key);
    return true;
}

static bool get_sample(const struct json *line, struct sample *out, struct err *e)
{
    const struct json *signals;
    if (!get_double(line, "t", &out->time_s, e) || !json_object(line, "signals", &signals, e))
        return false;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (!get_reading(signals, journal_signal_names[i], &out->signals[i], e))
            return false;
    return get_int(line, "ready", &out->ready, e) && get_int(line, "starting", &out->starting, e) &&
           get_int(line, "terminating", &out->terminating, e) &&
           get_reading(line, "error_ratio", &out->error_ratio, e) &&
           json_flag(line, "rolling_out", &out->rolling_out, e);
}

static bool get_target(const struct json *line, struct target *out, struct err *e)
{
    const struct json *target;
    return json_object(line, "target", &target, e) && get_text(target, "name", out->name, sizeof out->name, e) &&
           get_int(target, "min", &out->min_replicas, e) && get_int(target, "max", &out->max_replicas, e) &&
           get_double(target, "soft_ms", &out->latency_soft_ms, e) &&
           get_double(target, "hard_ms", &out->latency_hard_ms, e);
}

static bool get_mask(const struct json *line, struct journal_record *r, struct err *e)
{
    float mask[ACTIONS_LIMIT] = {0};
    if (!get_floats(line, "mask", mask, ACTIONS_LIMIT, &r->n_actions, e))
        return false;
    for (int i = 0; i < r->n_actions; i++) {
        if (mask[i] != 0 && mask[i] != 1)
            return err_set(e, ERR_FORMAT, "journal: field 'mask', element %d is neither 0 nor 1", i);
        r->mask[i] = mask[i] == 1;
    }
    return true;
}

static bool get_policy(const struct json *line, struct journal_record *r, struct err *e)
{
    char kind[16] = {0};
    int n_logits = 0;
    if (!get_text(line, "policy", r->policy, sizeof r->policy, e) || !get_text(line, "kind", kind, sizeof kind, e) ||
        !get_floats(line, "features", r->features, OBSERVATION_LIMIT, &r->n_features, e) || !get_mask(line, r, e) ||
        !get_floats(line, "logits", r->output.logits, ACTIONS_LIMIT, &n_logits, e) ||
        !get_float(line, "value", &r->output.value, e) || !get_float(line, "ood", &r->output.ood, e) ||
        !get_int(line, "action", &r->output.action, e) || !get_int(line, "wanted", &r->output.replicas, e) ||
        !get_text(line, "why", r->output.reason, sizeof r->output.reason, e) ||
        !json_flag(line, "hold", &r->output.hold, e) || !json_flag(line, "failed", &r->failed, e) ||
        !json_flag(line, "stand_in", &r->stood_in, e) || !json_flag(line, "own_signals", &r->own_signals, e) ||
        !get_int(line, "rule", &r->rule_replicas, e))
        return false;
    if (n_logits != r->n_actions)
        return err_set(e, ERR_FORMAT, "journal: field 'logits' has %d numbers for %d actions", n_logits, r->n_actions);
    if (strcmp(kind, "step") != 0 && strcmp(kind, "absolute") != 0)
        return err_set(e, ERR_FORMAT, "journal: field 'kind' is neither step nor absolute");
    r->kind = kind[0] == 's' ? POLICY_STEP : POLICY_ABSOLUTE;
    return true;
}

static bool get_order(const struct json *orders, const char *key, bool *has, int *out, struct err *e)
{
    *has = json_find(orders, key) != NULL;
    return !*has || get_int(orders, key, out, e);
}

static bool get_orders(const struct json *line, struct guard_orders *out, struct err *e)
{
    const struct json *orders = json_find(line, "orders");
    if (!orders)
        return true;
    return get_order(orders, "max", &out->has_max, &out->max_replicas, e) &&
           get_order(orders, "pause", &out->has_pause, &out->pause_replicas, e) &&
           get_order(orders, "restore", &out->has_restore, &out->restore_replicas, e) &&
           (!json_find(orders, "no_down") || json_flag(orders, "no_down", &out->no_down, e));
}

/* [before, after, ran] */
static bool get_step(const struct json *guard, enum guard_step step, struct guard_trace *out, struct err *e)
{
    const char *name = guard_step_name(step);
    const struct json *list;
    double before, after;
    if (!json_array(guard, name, &list, e))
        return false;
    const struct json *first = json_first(list);
    const struct json *second = first ? json_next(first) : NULL;
    const struct json *third = second ? json_next(second) : NULL;
    if (!third || json_next(third) || !json_as_number(first, &before) || !json_as_number(second, &after) ||
        !(fabs(before) <= 1e6) || !(fabs(after) <= 1e6) || !json_as_flag(third, &out->ran[step]))
        return err_set(e, ERR_FORMAT, "journal: field 'guard.%s' is not [before, after, ran]", name);
    out->before[step] = (int)before;
    out->after[step] = (int)after;
    return true;
}

/* What came of the guard's steps. */
static bool get_result(const struct json *line, struct guard_trace *out, struct err *e)
{
    const char *reason;
    if (!get_int(line, "from", &out->from, e) || !get_int(line, "replicas", &out->replicas, e) ||
        !json_text(line, "reason", &reason, e))
        return false;
    if (!guard_reason_parse(reason, &out->reason))
        return err_set(e, ERR_FORMAT, "journal: field 'reason': '%.40s' is unknown", reason);
    return true;
}

static bool get_guard(const struct json *line, struct guard_trace *out, struct err *e)
{
    const struct json *guard;
    if (!json_object(line, "guard", &guard, e))
        return false;
    for (int i = 0; i < GUARD_STEPS; i++)
        if (!get_step(guard, (enum guard_step)i, out, e))
            return false;
    return get_result(line, out, e);
}

static bool get_outcome(const struct json *line, struct journal_record *r, struct err *e)
{
    const char *name;
    if (!json_flag(line, "written", &r->written, e) || !json_text(line, "outcome", &name, e))
        return false;
    if (!outcome_parse(name, &r->outcome))
        return err_set(e, ERR_FORMAT, "journal: field 'outcome': '%.40s' is unknown", name);
    return true;
}

static bool get_decision(const struct json *line, struct journal_record *r, struct err *e)
{
    memset(r, 0, sizeof *r);
    return get_sample(line, &r->sample, e) && get_double(line, "cpu_request", &r->cpu_request_percent, e) &&
           get_target(line, &r->target, e) && get_policy(line, r, e) && get_orders(line, &r->orders, e) &&
           get_guard(line, &r->guard, e) && get_outcome(line, r, e);
}

static bool get_intent(const struct json *line, struct journal_record *r, struct err *e)
{
    return get_double(line, "t", &r->sample.time_s, e) &&
           get_text(line, "target", r->target.name, sizeof r->target.name, e) && get_result(line, &r->guard, e);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits into at most limit bytes. */
static bool get_block(const struct json *line, const char *key, unsigned char *out, size_t limit, size_t *n_out,
                      struct err *e)
{
    long long n;
    const char *text;
    char bytes_key[32];
    snprintf(bytes_key, sizeof bytes_key, "%s_bytes", key);
    if (!json_whole(line, bytes_key, 0, (long long)limit, &n, e) || !json_text(line, key, &text, e))
        return false;
    if (strlen(text) != 2 * (size_t)n)
        return err_set(e, ERR_FORMAT, "journal: field '%s' has %zu digits for %lld bytes", key, strlen(text), n);
    for (long long i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return err_set(e, ERR_FORMAT, "journal: field '%s', byte %lld is not hexadecimal", key, i);
        out[i] = (unsigned char)(high * 16 + low);
    }
    *n_out = (size_t)n;
    return true;
}

static bool get_state(const struct json *line, struct journal_line *out, struct err *e)
{
    return get_double(line, "t", &out->time_s, e) && get_text(line, "target", out->target, sizeof out->target, e) &&
           get_text(line, "policy", out->policy, sizeof out->policy, e) &&
           get_text(line, "policy_hash", out->policy_hash, sizeof out->policy_hash, e) &&
           get_block(line, "control", out->control, sizeof out->control, &out->n_control, e) &&
           get_block(line, "state", out->state, sizeof out->state, &out->n_state, e);
}

static bool get_line(const struct json *root, struct journal_line *out, struct err *e)
{
    const char *kind;
    if (!json_is_object(root))
        return err_set(e, ERR_FORMAT, "journal: the line is no JSON object");
    if (!json_text(root, "record", &kind, e))
        return false;
    if (strcmp(kind, "decision") == 0) {
        out->kind = JOURNAL_DECISION;
        if (!get_decision(root, &out->record, e))
            return false;
        out->time_s = out->record.sample.time_s;
        return true;
    }
    if (strcmp(kind, "intent") == 0) {
        out->kind = JOURNAL_INTENT;
        if (!get_intent(root, &out->record, e))
            return false;
        out->time_s = out->record.sample.time_s;
        return true;
    }
    if (strcmp(kind, "state") != 0)
        return err_set(e, ERR_FORMAT, "journal: field 'record': '%.40s' is neither decision, intent nor state", kind);
    out->kind = JOURNAL_STATE;
    return get_state(root, out, e);
}

bool journal_decode(const char *line, size_t n, struct journal_line *out, struct err *e)
{
    struct json_document d = {0};
    struct journal_line *decoded = calloc(1, sizeof *decoded);
    if (!decoded)
        return err_set(e, ERR_IO, "journal: out of memory");
    bool done = json_parse(&d, "journal", line, n, e) && get_line(d.root, decoded, e);
    if (done)
        *out = *decoded;
    json_finish(&d);
    free(decoded);
    return done;
}
