/* remote: a policy that another server decides. In: a URL ending in /predict (maestro-serve, or a server that takes five
 * signals and answers an action index) or /suggest. Out: its proposal, checked; anything that is not a sensible answer in
 * time is a failure of the policy, which the guard knows how to survive. Has no memory of its own. */
#include "remote.h"
#include "policies.h"

#include <maestro/http.h>
#include <maestro/number.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES ((size_t)1 << 20)
#define CONNECT_S 1.0
#define PATIENCE_S 3.0
#define SILENCES 2                      // in one look; after so many the other targets of it do not wait as well
#define PARENT_MEMORY_BYTES 536870912.0 // what the memory of a replica is counted in where a server wants bytes

struct remote {
    struct policy policy; /* first: the seam */
    enum remote_kind kind;
    struct http *http;
    char *url;
    char hash[OBSERVATION_HASH_BYTES];
    int n_features;
    struct buf text; /* of the request */
    double look_s;   /* samples of one look have one time */
    int n_silent;    /* requests of that look without an answer */
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool remote_check(const char *url, struct err *e)
{
    bool known = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (!known || strlen(url) < 10)
        return err_set(e, ERR_USAGE, "policy 'remote': '%s' is no http or https URL", url);
    if (strpbrk(url, "?# \t\r\n"))
        return err_set(e, ERR_USAGE, "policy 'remote': '%s': a URL without query and spaces is wanted", url);
    if (!ends_with(url, "/predict") && !ends_with(url, "/suggest") && !ends_with(url, "/suggestion"))
        return err_set(e, ERR_USAGE, "policy 'remote': '%s' ends neither in /predict nor in /suggest", url);
    return true;
}

static bool parse_answer(const struct http_response *response, struct json_document *d, struct err *e)
{
    const char *body = response->body.bytes ? response->body.bytes : "";
    if (response->status != 200)
        return err_set(e, ERR_IO, "status %ld: %.160s", response->status, body);
    return json_parse(d, "its answer", body, response->body.len, e);
}

/* Asks and parses; status 200 only. missing (or NULL): whether it was 404, which then is no error and gives no document. */
static bool ask(struct remote *p, const struct http_request *request, struct json_document *d, bool *missing,
                struct err *e)
{
    struct http_response response = {0};
    bool done = http_do(p->http, request, &response, e);
    p->n_silent += !done;
    bool absent = done && missing && response.status == 404;
    if (missing)
        *missing = absent;
    if (done && !absent)
        done = parse_answer(&response, d, e);
    http_response_finish(&response);
    return done || err_wrap(e, "%.200s", request->url);
}

/* What the server says of its model; a server that has no such path speaks of five signals and three actions. */
static bool learn(struct remote *p, struct control *control, struct err *e)
{
    CLEANUP_BUF struct buf url = {0};
    struct json_document d = {0};
    bool missing = false;
    buf_append(&url, p->url, strlen(p->url) - strlen("/predict"));
    buf_text(&url, "/v1/model");
    const struct http_request request = {.url = url.bytes, .may_repeat = true};
    if (!buf_ok(&url, e) || !ask(p, &request, &d, &missing, e))
        return false;
    if (missing) {
        p->kind = REMOTE_SIGNALS;
        control->actions = (struct action_set){.n = 3, .delta = {-1, 0, 1}};
        return true;
    }
    bool done = remote_read_model(d.root, control, p->hash, e) || err_wrap(e, "%.200s", url.bytes);
    p->n_features = control->observation.n;
    json_finish(&d);
    return done;
}

static void put_number(struct buf *out, const char *key, double value)
{
    buf_printf(out, "%s\"%s\":%.17g", out->len > 1 ? "," : "", key, value);
}

static void write_features(struct remote *p, const struct policy_input *in, int present)
{
    struct buf *out = &p->text;
    char number[NUMBER_FLOAT];
    put_number(out, "replicas", present);
    put_number(out, "min_replicas", in->target->min_replicas);
    put_number(out, "max_replicas", in->target->max_replicas);
    buf_text(out, ",\"features\":[");
    for (int i = 0; i < p->n_features; i++) {
        buf_text(out, i ? "," : "");
        buf_append(out, number, number_float(number, in->features[i]));
    }
    buf_text(out, "],\"mask\":[");
    for (int i = 0; i < in->actions->n; i++)
        buf_printf(out, "%s%d", i ? "," : "", !in->mask || in->mask[i] ? 1 : 0);
    buf_text(out, "]");
}

/* All five, as the parent system names them; false names the one that cannot be sent. */
static bool write_signals(struct remote *p, const struct sample *s, const char **lacking)
{
    static const char *const names[SIGNAL_COUNT] = {"cpu_usage", "memory_usage", "replicas", "latency", "rps"};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        const struct reading *r = &s->signals[i];
        *lacking = names[i];
        if (r->validity != VALIDITY_VALID)
            return false;
        double value = r->value;
        if (i == SIGNAL_MEMORY)
            value *= PARENT_MEMORY_BYTES * s->signals[SIGNAL_REPLICAS].value;
        put_number(&p->text, names[i], value);
    }
    return true;
}

static bool predict(struct remote *p, const struct policy_input *in, int present, struct policy_output *out,
                    struct err *e)
{
    struct json_document d = {0};
    const char *lacking = NULL;
    bool can_say = true;
    buf_clear(&p->text);
    buf_text(&p->text, "{");
    if (p->kind == REMOTE_FEATURES)
        write_features(p, in, present);
    else
        can_say = write_signals(p, in->sample, &lacking);
    if (!can_say) {
        *out = (struct policy_output){.hold = true, .action = action_no_op(in->actions)};
        snprintf(out->reason, sizeof out->reason, "%s is not known, and that server takes nothing less", lacking);
        return true;
    }
    buf_text(&p->text, "}");
    const struct http_request request = {.method = "POST",
                                         .url = p->url,
                                         .headers = {"Content-Type: application/json"},
                                         .body = p->text.bytes,
                                         .n_body = p->text.len,
                                         .may_repeat = true};
    if (!buf_ok(&p->text, e) || !ask(p, &request, &d, NULL, e))
        return false;
    bool done = remote_read_decision(d.root, in->actions, p->kind == REMOTE_FEATURES ? p->hash : NULL, out, e) ||
                err_wrap(e, "%.200s", p->url);
    json_finish(&d);
    return done;
}

static bool act_predict(struct remote *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    int present = 0;
    bool counted = policies_replicas(in->sample, &present);
    if (p->kind == REMOTE_FEATURES && (!in->features || !counted)) {
        *out = (struct policy_output){.hold = true, .action = action_no_op(in->actions)};
        snprintf(out->reason, sizeof out->reason, "spec.replicas is unknown");
        return true;
    }
    if (!predict(p, in, present, out, e))
        return false;
    if (out->hold)
        return true;
    if (p->kind == REMOTE_FEATURES && in->mask && !in->mask[out->action]) // it was told
        return err_set(e, ERR_FORMAT, "%.200s: action %d, which is not possible now", p->url, out->action);
    int delta = in->actions->delta[out->action];
    out->replicas = present + delta;
    snprintf(out->reason, sizeof out->reason, "%s %+d", action_name(delta), delta);
    return true;
}

static bool act_suggest(struct remote *p, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    struct json_document d = {0};
    char space[TARGET_NAME] = "";
    const char *name = strchr(in->target->name, '/');
    int present = -1;
    if (!policies_replicas(in->sample, &present))
        present = -1;
    if (name)
        snprintf(space, sizeof space, "%.*s", (int)(name - in->target->name), in->target->name);
    buf_clear(&p->text);
    buf_printf(&p->text, "%s?deployment=", p->url);
    http_escape(&p->text, name ? name + 1 : in->target->name);
    if (name) {
        buf_text(&p->text, "&namespace=");
        http_escape(&p->text, space);
    }
    const struct http_request request = {.url = p->text.bytes, .may_repeat = true};
    if (!buf_ok(&p->text, e) || !ask(p, &request, &d, NULL, e))
        return false;
    bool done = remote_read_suggestion(d.root, present, out, e) || err_wrap(e, "%.200s", p->url);
    json_finish(&d);
    return done;
}

/* False: this look has waited long enough. */
static bool is_patient(struct remote *p, double look_s, struct err *e)
{
    if (p->look_s != look_s)
        p->n_silent = 0;
    p->look_s = look_s;
    return p->n_silent < SILENCES ||
           err_set(e, ERR_IO, "%.200s: not asked, %d requests of this look had no answer", p->url, p->n_silent);
}

static bool remote_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    struct remote *p = (struct remote *)policy;
    if (!is_patient(p, in->sample->time_s, e))
        return err_wrap(e, "remote");
    bool done = p->kind == REMOTE_SUGGEST ? act_suggest(p, in, out, e) : act_predict(p, in, out, e);
    return done || err_wrap(e, "remote");
}

static void remote_close(struct policy *policy)
{
    struct remote *p = (struct remote *)policy;
    if (!p)
        return;
    http_close(p->http);
    buf_finish(&p->text);
    free(p->url);
    free(p);
}

static const struct policy_ops predict_ops = {"remote", POLICY_STEP, false, NULL, remote_act, remote_close};
static const struct policy_ops suggest_ops = {"remote", POLICY_ABSOLUTE, false, NULL, remote_act, remote_close};

static bool prepare(struct remote *p, const char *url, struct control *control, struct err *e)
{
    const struct http_config config = {.user_agent = "maestro-remote",
                                       .connect_timeout_s = CONNECT_S,
                                       .timeout_s = PATIENCE_S,
                                       .limit_bytes = ANSWER_BYTES,
                                       .retries = 1,
                                       .connections = 1};
    p->url = strdup(url);
    if (!p->url)
        return err_set(e, ERR_IO, "out of memory");
    if (!http_open(&config, &p->http, e))
        return false;
    return p->kind == REMOTE_SUGGEST || learn(p, control, e);
}

bool remote_open(const char *url, struct control *control, struct policy **out, struct err *e)
{
    struct remote *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "remote: out of memory");
    p->kind = ends_with(url, "/predict") ? REMOTE_FEATURES : REMOTE_SUGGEST;
    p->policy = (struct policy){p->kind == REMOTE_SUGGEST ? &suggest_ops : &predict_ops, 0.0};
    struct control wanted = *control;
    if (!prepare(p, url, &wanted, e)) {
        remote_close(&p->policy);
        return err_wrap(e, "remote");
    }
    *control = wanted;
    *out = &p->policy;
    return true;
}
