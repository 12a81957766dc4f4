/* explain: entries to words. In: what a tick left. Out: text and JSON. Decides nothing. */
#include <maestro/explain.h>

#include <maestro/clock.h>
#include <maestro/rule.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const SIGNAL_NAMES[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "p95", "rps"};
static const char *const SIGNAL_KEYS[SIGNAL_COUNT] = {"cpu_percent", "memory", "replicas", "p95_latency_ms", "rps"};
static const char *const SIGNAL_UNITS[SIGNAL_COUNT] = {" % of a core", " of the limit", "", " ms", "/s"};
static const char *const VALIDITY_WORDS[] = {"no data", "valid", "absent", "failed", "stale"};
static const char *const VALIDITY_KEYS[] = {"no_data", "valid", "absent", "failed", "stale"};

void explain_nothing(struct explain_entry *out, double time_s, enum target_mode mode, enum outcome outcome,
                     const char *note)
{
    *out = (struct explain_entry){.time_s = time_s, .mode = mode, .outcome = outcome, .rule_replicas = RULE_UNKNOWN};
    snprintf(out->note, sizeof out->note, "%s", note);
}

void explain_decision(struct explain_entry *out, const struct journal_record *r, enum target_mode mode,
                      const char *note)
{
    explain_nothing(out, r->sample.time_s, mode, r->outcome, note);
    out->decided = true;
    memcpy(out->policy, r->policy, sizeof out->policy);
    memcpy(out->why, r->output.reason, sizeof out->why);
    memcpy(out->signals, r->sample.signals, sizeof out->signals);
    out->ready = r->sample.ready;
    out->starting = r->sample.starting;
    out->rolling_out = r->sample.rolling_out;
    out->hold = r->output.hold;
    out->failed = r->failed;
    out->stood_in = r->stood_in;
    out->min_replicas = r->target.min_replicas;
    out->max_replicas = r->target.max_replicas;
    out->wanted = r->output.replicas;
    out->rule_replicas = r->rule_replicas;
    out->ood = r->output.ood;
    out->guard = r->guard;
}

const char *explain_final(const struct explain_entry *e)
{
    return e->decided ? final_reason_name(final_reason(e->guard.reason, e->outcome)) : outcome_name(e->outcome);
}

static void put_signal(const struct explain_entry *e, int i, struct buf *out)
{
    const struct reading *r = &e->signals[i];
    if (r->validity == VALIDITY_VALID)
        buf_printf(out, "%s %.4g%s (%.0f s old)", SIGNAL_NAMES[i], r->value, SIGNAL_UNITS[i], r->age_s);
    else if (r->validity == VALIDITY_STALE)
        buf_printf(out, "%s stale (%.0f s old)", SIGNAL_NAMES[i], r->age_s);
    else
        buf_printf(out, "%s %s", SIGNAL_NAMES[i], VALIDITY_WORDS[r->validity]);
}

static void put_signals(const struct explain_entry *e, struct buf *out)
{
    buf_text(out, "  saw      ");
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        buf_text(out, i ? ", " : "");
        put_signal(e, i, out);
    }
    buf_printf(out, "; %d ready, %d starting%s\n", e->ready, e->starting,
               e->rolling_out ? ", a rollout under way" : "");
}

static void put_wish(const struct explain_entry *e, struct buf *out)
{
    buf_printf(out, "  wanted   %s%s: ", e->policy, e->stood_in ? " (in the policy's place)" : "");
    if (e->failed || e->hold)
        buf_printf(out, "no proposal (%s)", e->why);
    else
        buf_printf(out, "%d (%s)", e->wanted, e->why);
    if (e->rule_replicas != RULE_UNKNOWN)
        buf_printf(out, "; the HPA rule: %d", e->rule_replicas);
    if (e->ood > 0)
        buf_printf(out, "; %.2g widths outside the training range", (double)e->ood);
    buf_text(out, "\n");
}

static void put_guard(const struct explain_entry *e, struct buf *out)
{
    const struct guard_trace *g = &e->guard;
    bool any = false;
    buf_text(out, "  guard    ");
    for (int i = 0; i < GUARD_STEPS; i++)
        if (g->ran[i] && g->before[i] != g->after[i]) {
            buf_printf(out, "%s%s: %d to %d", any ? ", " : "", guard_step_name((enum guard_step)i), g->before[i],
                       g->after[i]);
            any = true;
        }
    buf_text(out, any ? "\n" : "cut nothing\n");
}

static void put_result(const struct explain_entry *e, struct buf *out)
{
    const struct guard_trace *g = &e->guard;
    if (g->from < 0 && g->replicas < 0)
        buf_printf(out, "  result   the present count is unknown: %s", outcome_words(e->outcome));
    else if (g->from < 0)
        buf_printf(out, "  result   to %d: %s", g->replicas, outcome_words(e->outcome));
    else if (g->from == g->replicas)
        buf_printf(out, "  result   stays at %d", g->from);
    else
        buf_printf(out, "  result   %d to %d: %s", g->from, g->replicas, outcome_words(e->outcome));
    buf_printf(out, "%s%s\n", *e->note ? "; " : "", e->note);
}

void explain_text(const struct explain_entry *e, struct buf *out)
{
    char time[CLOCK_TEXT];
    buf_printf(out, "%s  %s  mode %s\n", clock_text(time, e->time_s), explain_final(e), target_mode_name(e->mode));
    if (!e->decided) {
        buf_printf(out, "  result   %s%s%s\n", outcome_words(e->outcome), *e->note ? "; " : "", e->note);
        return;
    }
    put_signals(e, out);
    put_wish(e, out);
    put_guard(e, out);
    put_result(e, out);
}

static void json_text_field(struct json_writer *w, const char *key, const char *text)
{
    json_put_key(w, key);
    json_put_text(w, text);
}

static void json_signals(const struct explain_entry *e, struct json_writer *w)
{
    json_put_key(w, "signals");
    json_begin_object(w);
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        bool has_value = e->signals[i].validity == VALIDITY_VALID || e->signals[i].validity == VALIDITY_STALE;
        json_put_key(w, SIGNAL_KEYS[i]);
        json_begin_object(w);
        json_put_key(w, "value");
        json_put_double_or_null(w, has_value ? e->signals[i].value : (double)NAN);
        json_put_key(w, "age_s");
        json_put_double_or_null(w, has_value ? e->signals[i].age_s : (double)NAN);
        json_text_field(w, "validity", VALIDITY_KEYS[e->signals[i].validity]);
        json_end_object(w);
    }
    json_end_object(w);
}

static void json_count(struct json_writer *w, const char *key, int count, bool known)
{
    json_put_key(w, key);
    if (known)
        json_put_whole(w, count);
    else
        json_put_null(w);
}

static void json_guard(const struct explain_entry *e, struct json_writer *w)
{
    json_put_key(w, "guard");
    json_begin_array(w);
    for (int i = 0; i < GUARD_STEPS; i++) {
        if (!e->guard.ran[i])
            continue;
        json_begin_object(w);
        json_text_field(w, "step", guard_step_name((enum guard_step)i));
        json_count(w, "before", e->guard.before[i], true);
        json_count(w, "after", e->guard.after[i], true);
        json_end_object(w);
    }
    json_end_array(w);
}

static void json_decision(const struct explain_entry *e, struct json_writer *w)
{
    bool proposed = !e->hold && !e->failed;
    json_signals(e, w);
    json_count(w, "ready", e->ready, true);
    json_count(w, "starting", e->starting, true);
    json_put_key(w, "rolling_out");
    json_put_bool(w, e->rolling_out);
    json_text_field(w, "policy", e->policy);
    json_put_key(w, "stand_in");
    json_put_bool(w, e->stood_in);
    json_count(w, "wanted", e->wanted, proposed);
    json_text_field(w, "why", e->why);
    json_count(w, "hpa_rule", e->rule_replicas, e->rule_replicas != RULE_UNKNOWN);
    json_put_key(w, "ood");
    json_put_double_or_null(w, (double)e->ood);
    json_guard(e, w);
    json_text_field(w, "guard_reason", guard_reason_name(e->guard.reason));
    json_count(w, "from", e->guard.from, e->guard.from >= 0);
    json_count(w, "to", e->guard.replicas, e->guard.replicas >= 0);
}

void explain_json(const struct explain_entry *e, struct json_writer *w)
{
    char time[CLOCK_TEXT];
    json_begin_object(w);
    json_text_field(w, "time", clock_text(time, e->time_s));
    json_text_field(w, "mode", target_mode_name(e->mode));
    json_text_field(w, "final", explain_final(e));
    json_text_field(w, "outcome", outcome_name(e->outcome));
    json_text_field(w, "note", e->note);
    if (e->decided)
        json_decision(e, w);
    json_end_object(w);
}
