/* suggest_print: a watched target's last decision as the JSON that suggest.h describes, and the routes of maestro-suggest.
 * In: an entry. Out: a reply. Decides nothing. */
#include "suggest_entry.h"

#include <maestro/clock.h>
#include <maestro/exposition.h>
#include <maestro/json_write.h>

#include <math.h>
#include <string.h>

static const double OLD_PERIODS = 3, OLD_S = 60; /* a decision older than both is none any more */

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_text(w, value);
}

static void put_whole(struct json_writer *w, const char *key, long long value)
{
    json_put_key(w, key);
    json_put_whole(w, value);
}

static void put_double(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_double_or_null(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

static const char *validity_name(enum validity v)
{
    static const char *const names[] = {"no_data", "valid", "absent", "failed", "stale"};
    return names[v];
}

/* A value that is not valid is not told; an old one is, as what it is. */
static void put_reading(struct json_writer *w, const char *key, const char *unit, const struct reading *r,
                        const char *query)
{
    bool told = r->validity == VALIDITY_VALID || r->validity == VALIDITY_STALE;
    json_put_key(w, key);
    json_begin_object(w);
    put_double(w, "value", told ? r->value : (double)NAN);
    put_text(w, "unit", unit);
    put_text(w, "validity", validity_name(r->validity));
    put_double(w, "age_s", r->age_s);
    put_text(w, "query", query);
    json_end_object(w);
}

static void put_signals(struct json_writer *w, const struct sample *sample, const struct suggest_queries *queries)
{
    static const char *const names[] = {"cpu", "memory", "replicas", "p95_latency_ms", "rps"};
    static const char *const units[] = {"percent of one core", "share of the limit", "replicas", "ms", "requests/s"};
    json_put_key(w, "signals");
    json_begin_object(w);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        put_reading(w, names[i], units[i], &sample->signals[i], queries->text[i].bytes ? queries->text[i].bytes : "");
    put_reading(w, "error_ratio", "share of requests", &sample->error_ratio,
                queries->text[SIGNAL_RPS].bytes ? queries->text[SIGNAL_RPS].bytes : "");
    json_end_object(w);
    put_whole(w, "ready", sample->ready);
    put_whole(w, "starting", sample->starting);
    put_whole(w, "terminating", sample->terminating);
    put_bool(w, "rolling_out", sample->rolling_out);
}

static void put_limit(struct json_writer *w, const char *key, double value, bool annotated)
{
    json_put_key(w, key);
    json_begin_object(w);
    put_double(w, "value", value);
    put_text(w, "source", annotated ? "annotation" : "configuration");
    json_end_object(w);
}

static double or_none(double limit_ms)
{
    return limit_ms > 0 ? limit_ms : (double)NAN;
}

static void put_limits(struct json_writer *w, const struct suggest_shown *s)
{
    json_put_key(w, "limits");
    json_begin_object(w);
    put_limit(w, "min_replicas", s->settings.min_replicas, s->annotated[0]);
    put_limit(w, "max_replicas", s->settings.max_replicas, s->annotated[1]);
    put_limit(w, "latency_soft_ms", or_none(s->settings.latency_soft_ms), s->annotated[2]);
    put_limit(w, "latency_hard_ms", or_none(s->settings.latency_hard_ms), s->annotated[3]);
    json_end_object(w);
    put_bool(w, "paused", s->settings.paused || s->settings.has_paused_replicas);
}

static void put_floats(struct json_writer *w, const char *key, const float *values, int n)
{
    json_put_key(w, key);
    json_begin_array(w);
    for (int i = 0; i < n; i++)
        json_put_double_or_null(w, (double)values[i]);
    json_end_array(w);
}

/* Of the allowed actions; the others have none. */
static void softmax(const struct journal_record *r, float *out)
{
    double largest = -HUGE_VAL, sum = 0, p[ACTIONS_LIMIT] = {0};
    for (int a = 0; a < r->n_actions; a++)
        if (r->mask[a] && (double)r->output.logits[a] > largest)
            largest = (double)r->output.logits[a];
    for (int a = 0; a < r->n_actions; a++) {
        p[a] = r->mask[a] ? exp((double)r->output.logits[a] - largest) : 0;
        sum += p[a];
    }
    for (int a = 0; a < r->n_actions; a++)
        out[a] = (float)(sum > 0 ? p[a] / sum : 0);
}

static void put_proposal(struct json_writer *w, const struct suggest_shown *s)
{
    const struct journal_record *r = &s->record;
    float probabilities[ACTIONS_LIMIT];
    json_put_key(w, "proposal");
    json_begin_object(w);
    if (r->kind == POLICY_STEP) {
        softmax(r, probabilities);
        json_put_key(w, "actions");
        json_begin_array(w);
        for (int a = 0; a < s->actions.n; a++)
            json_put_whole(w, s->actions.delta[a]);
        json_end_array(w);
        put_floats(w, "probabilities", probabilities, r->n_actions);
        put_floats(w, "logits", r->output.logits, r->n_actions);
        put_double(w, "value", (double)r->output.value);
    }
    put_double(w, "ood", (double)r->output.ood);
    json_put_key(w, "replicas");
    if (r->output.hold)
        json_put_null(w);
    else
        json_put_whole(w, r->output.replicas);
    put_text(w, "reason", r->output.reason);
    json_end_object(w);
}

static void put_decision(struct json_writer *w, const struct suggest_shown *s)
{
    const struct guard_trace *g = &s->record.guard;
    int delta = g->replicas - g->from;
    put_whole(w, "action", delta < 0 ? 0 : delta > 0 ? 2 : 1);
    put_text(w, "action_name", action_name(delta));
    put_whole(w, "delta", delta);
    put_whole(w, "desired_replicas", g->replicas);
    put_whole(w, "replicas", g->from);
    put_text(w, "reason", guard_reason_name(g->reason));
    put_text(w, "explanation", s->record.output.reason);
}

static void put_policy(struct json_writer *w, const struct suggest_shown *s)
{
    json_put_key(w, "policy");
    json_begin_object(w);
    put_text(w, "text", s->policy);
    put_text(w, "kind", s->record.policy);
    put_text(w, "hash", s->hash[0] ? s->hash : NULL);
    json_end_object(w);
}

static void put_assumed(struct json_writer *w, const struct suggest_shown *s)
{
    json_put_key(w, "assumed");
    json_begin_array(w);
    if (s->assumed[0])
        json_put_text(w, s->assumed);
    json_end_array(w);
}

static void put_answer(struct json_writer *w, const struct suggest_entry *entry, const struct suggest_queries *queries,
                       double now_s)
{
    const struct suggest_shown *s = &entry->shown;
    char time[CLOCK_TEXT];
    json_begin_object(w);
    put_text(w, "namespace", entry->space);
    put_text(w, "deployment", entry->name);
    put_text(w, "time", clock_text(time, s->record.sample.time_s));
    put_double(w, "decision_age_s", now_s > s->decided_s ? now_s - s->decided_s : 0);
    put_double(w, "period_s", s->period_s);
    put_decision(w, s);
    put_proposal(w, s);
    put_signals(w, &s->record.sample, queries);
    put_text(w, "lacks", s->lacks);
    put_limits(w, s);
    put_policy(w, s);
    put_assumed(w, s);
    json_end_object(w);
}

void suggest_print(const struct suggest_entry *entry, const struct suggest_queries *queries, double now_s,
                   struct httpd_reply *reply)
{
    struct json_writer w = {.out = reply->body};
    const struct suggest_shown *s = &entry->shown;
    struct err e = {0};
    double age_s = now_s - s->decided_s;
    if (s->status == 200 && age_s > fmax(OLD_PERIODS * s->period_s, OLD_S)) {
        reply->retry_after_s = s->period_s;
        httpd_refuse(reply, 503, "the last look at %s/%s is %.0f s old", entry->space, entry->name, age_s);
        return;
    }
    if (s->status == 200) {
        put_answer(&w, entry, queries, now_s);
        if (!json_write_end(&w, &e))
            httpd_refuse(reply, 500, "%s", e.message);
        return;
    }
    bool later = s->status == 0 || s->status >= 500;
    reply->retry_after_s = !later ? 0 : s->status == 0 ? 1 : s->retry_s;
    if (s->status == 0)
        httpd_refuse(reply, 503, "not enough data yet: %s/%s is being looked at for the first time", entry->space,
                     entry->name);
    else
        httpd_refuse(reply, s->status, "%s", s->why.message);
}

static void answer_suggest(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    suggest_answer(context, httpd_query(r, "namespace"), httpd_query(r, "deployment"), reply);
}

static void answer_health(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    (void)context;
    (void)r;
    buf_text(reply->body, "{\"status\":\"ok\"}");
}

static void answer_metrics(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    (void)r;
    reply->content_type = EXPOSITION_TYPE;
    suggest_metrics(context, reply->body);
}

const struct httpd_route suggest_routes[] = {
    {"GET", "/suggest", answer_suggest}, {"GET", "/suggestion", answer_suggest}, {"GET", "/healthz", answer_health},
    {"GET", "/readyz", answer_health},   {"GET", "/metrics", answer_metrics},
};
const int n_suggest_routes = sizeof suggest_routes / sizeof suggest_routes[0];
