/* journal_encode: one decision, intent or state block as one JSON line. Doubles are the shortest text that reads back to the same
 * bits, floats have nine digits; what is not finite stands as a text ("nan", "inf", "-inf"), as JSON has no number for it.
 * Writes no file. */
#include "journal_names.h"

#include <maestro/text.h>

#include <math.h>
#include <string.h>

const char *const journal_signal_names[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "p95_latency_ms", "rps"};
const char *const journal_validity_names[JOURNAL_VALIDITIES] = {"no_data", "valid", "absent", "failed", "stale"};

static void put_double(struct buf *out, double value)
{
    char text[TEXT_DOUBLE];
    buf_printf(out, isfinite(value) ? "%s" : "\"%s\"", text_double(text, value));
}

static void put_float(struct buf *out, float value)
{
    if (isfinite(value))
        buf_printf(out, "%.9g", (double)value);
    else
        put_double(out, (double)value);
}

static void put_text(struct buf *out, const char *text)
{
    size_t n = strlen(text);
    buf_text(out, "\"");
    while (n) {
        char shown[TEXT_ESCAPE];
        size_t n_shown, taken = text_json_char(text, n, shown, &n_shown);
        buf_append(out, shown, n_shown);
        text += taken;
        n -= taken;
    }
    buf_text(out, "\"");
}

static void put_flag(struct buf *out, const char *key, bool value)
{
    buf_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_floats(struct buf *out, const char *key, const float *values, int n)
{
    buf_printf(out, ",\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        buf_text(out, i ? "," : "");
        put_float(out, values[i]);
    }
    buf_text(out, "]");
}

static void put_reading(struct buf *out, const char *key, const struct reading *r)
{
    buf_printf(out, "\"%s\":[", key);
    put_double(out, r->value);
    buf_text(out, ",");
    put_double(out, r->age_s);
    buf_printf(out, ",\"%s\"]", journal_validity_names[r->validity]);
}

static void put_sample(struct buf *out, const struct sample *s)
{
    buf_text(out, ",\"signals\":{");
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        buf_text(out, i ? "," : "");
        put_reading(out, journal_signal_names[i], &s->signals[i]);
    }
    buf_printf(out, "},\"ready\":%d,\"starting\":%d,\"terminating\":%d,", s->ready, s->starting, s->terminating);
    put_reading(out, "error_ratio", &s->error_ratio);
    put_flag(out, "rolling_out", s->rolling_out);
}

static void put_target(struct buf *out, const struct target *t)
{
    buf_text(out, ",\"target\":{\"name\":");
    put_text(out, t->name);
    buf_printf(out, ",\"min\":%d,\"max\":%d,\"soft_ms\":", t->min_replicas, t->max_replicas);
    put_double(out, t->latency_soft_ms);
    buf_text(out, ",\"hard_ms\":");
    put_double(out, t->latency_hard_ms);
    buf_text(out, "}");
}

static void put_policy(struct buf *out, const struct journal_record *r)
{
    buf_text(out, ",\"policy\":");
    put_text(out, r->policy);
    buf_printf(out, ",\"kind\":\"%s\"", r->kind == POLICY_ABSOLUTE ? "absolute" : "step");
    put_floats(out, "features", r->features, r->n_features);
    buf_text(out, ",\"mask\":[");
    for (int i = 0; i < r->n_actions; i++)
        buf_printf(out, "%s%d", i ? "," : "", r->mask[i]);
    buf_text(out, "]");
    put_floats(out, "logits", r->output.logits, r->n_actions);
    buf_text(out, ",\"value\":");
    put_float(out, r->output.value);
    buf_text(out, ",\"ood\":");
    put_float(out, r->output.ood);
    buf_printf(out, ",\"action\":%d,\"wanted\":%d,\"why\":", r->output.action, r->output.replicas);
    put_text(out, r->output.reason);
    put_flag(out, "hold", r->output.hold);
    put_flag(out, "failed", r->failed);
    put_flag(out, "stand_in", r->stood_in);
    put_flag(out, "own_signals", r->own_signals);
    buf_printf(out, ",\"rule\":%d", r->rule_replicas);
}

static void put_orders(struct buf *out, const struct guard_orders *o)
{
    buf_text(out, ",\"orders\":{\"standing\":true");
    if (o->has_max)
        buf_printf(out, ",\"max\":%d", o->max_replicas);
    if (o->has_pause)
        buf_printf(out, ",\"pause\":%d", o->pause_replicas);
    if (o->has_restore)
        buf_printf(out, ",\"restore\":%d", o->restore_replicas);
    if (o->no_down)
        buf_text(out, ",\"no_down\":true");
    buf_text(out, "}");
}

static void put_guard(struct buf *out, const struct guard_trace *g)
{
    buf_text(out, ",\"guard\":{");
    for (int i = 0; i < GUARD_STEPS; i++)
        buf_printf(out, "%s\"%s\":[%d,%d,%s]", i ? "," : "", guard_step_name((enum guard_step)i), g->before[i],
                   g->after[i], g->ran[i] ? "true" : "false");
    buf_printf(out, "},\"from\":%d,\"replicas\":%d,\"reason\":\"%s\"", g->from, g->replicas,
               guard_reason_name(g->reason));
}

void journal_encode(const struct journal_record *r, struct buf *out)
{
    buf_text(out, "{\"record\":\"decision\",\"t\":");
    put_double(out, r->sample.time_s);
    put_target(out, &r->target);
    put_sample(out, &r->sample);
    buf_text(out, ",\"cpu_request\":");
    put_double(out, r->cpu_request_percent);
    put_policy(out, r);
    if (r->orders.has_max || r->orders.has_pause || r->orders.has_restore || r->orders.no_down)
        put_orders(out, &r->orders);
    put_guard(out, &r->guard);
    put_flag(out, "written", r->written);
    buf_printf(out, ",\"outcome\":\"%s\",\"final\":\"%s\"}\n", outcome_name(r->outcome),
               final_reason_name(final_reason(r->guard.reason, r->outcome)));
}

void journal_encode_intent(const struct journal_record *r, struct buf *out)
{
    buf_text(out, "{\"record\":\"intent\",\"t\":");
    put_double(out, r->sample.time_s);
    buf_text(out, ",\"target\":");
    put_text(out, r->target.name);
    buf_printf(out, ",\"from\":%d,\"replicas\":%d,\"reason\":\"%s\"}\n", r->guard.from, r->guard.replicas,
               guard_reason_name(r->guard.reason));
}

static void put_block(struct buf *out, const char *key, const unsigned char *bytes, size_t n)
{
    static const char DIGITS[] = "0123456789abcdef";
    char text[256];
    buf_printf(out, ",\"%s_bytes\":%zu,\"%s\":\"", key, n, key);
    for (size_t i = 0; i < n; i += sizeof text / 2) {
        size_t part = n - i < sizeof text / 2 ? n - i : sizeof text / 2;
        for (size_t k = 0; k < part; k++) {
            text[2 * k] = DIGITS[bytes[i + k] >> 4];
            text[2 * k + 1] = DIGITS[bytes[i + k] & 15];
        }
        buf_append(out, text, 2 * part);
    }
    buf_text(out, "\"");
}

void journal_encode_state(double time_s, const struct journal_opening *o, struct buf *out)
{
    buf_text(out, "{\"record\":\"state\",\"t\":");
    put_double(out, time_s);
    buf_text(out, ",\"target\":");
    put_text(out, o->target);
    buf_text(out, ",\"policy\":");
    put_text(out, o->policy);
    buf_text(out, ",\"policy_hash\":");
    put_text(out, o->policy_hash);
    put_block(out, "control", o->control, o->n_control);
    put_block(out, "state", o->state, o->n_state);
    buf_text(out, "}\n");
}
