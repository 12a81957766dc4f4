/* kube: one call to the API server and what its answer means. In: verb, path, body; out: a parsed object or a reason that a
 * caller can branch on. Lists are kube_list's, the scale subresource and access reviews are kube_scale's. */
#include <maestro/kube.h>

#include "kube_ask.h"

#include <maestro/base64.h>
#include <maestro/clock.h>
#include <maestro/kubeconfig.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_LIMIT ((size_t)64 << 20) /* a page of the largest objects that etcd stores */
static const double TIMEOUT_S = 10.0;

struct kube {
    struct kubeconfig config;
    struct http *http;
    char *user_agent;
    double timeout_s;
};

static const char *const VERBS[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

static bool open_http(struct kube *k, struct err *e)
{
    const struct kubeconfig *c = &k->config;
    struct http_config http = {
        .user_agent = k->user_agent,
        .timeout_s = k->timeout_s,
        .limit_bytes = ANSWER_BYTES_LIMIT,
        .ca_file = c->ca_file,
        .ca_pem = c->ca_pem,
        .certificate_file = c->certificate_file,
        .certificate_pem = c->certificate_pem,
        .key_file = c->key_file,
        .key_pem = c->key_pem,
        .server_name = c->server_name,
        .proxy_url = c->proxy_url,
        .insecure = c->insecure,
        .seed = (uint64_t)(clock_wall_s() * 1e6),
    };
    return http_open(&http, &k->http, e);
}

bool kube_open(const struct kube_config *config, struct kube **out, struct err *e)
{
    struct kubeconfig_wish wish = {.path = config->kubeconfig, .context = config->context, .account = config->account};
    struct kube *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(e, ERR_IO, "kube: out of memory");
    k->timeout_s = config->timeout_s > 0.0 ? config->timeout_s : TIMEOUT_S;
    k->user_agent = strdup(config->user_agent ? config->user_agent : "maestro");
    bool fine = k->user_agent ? kubeconfig_find(&wish, &k->config, e) : err_set(e, ERR_IO, "kube: out of memory");
    if (!fine || !open_http(k, e)) {
        kube_close(k);
        return false;
    }
    *out = k;
    return true;
}

void kube_close(struct kube *k)
{
    if (!k)
        return;
    http_close(k->http);
    kubeconfig_finish(&k->config);
    free(k->user_agent);
    free(k);
}

const char *kube_namespace(const struct kube *k)
{
    return k->config.space;
}

const char *kube_server(const struct kube *k)
{
    return k->config.server;
}

void kube_answer_finish(struct kube_answer *a)
{
    if (!a)
        return;
    json_finish(&a->object);
    *a = (struct kube_answer){0};
}

const char *kube_outcome_name(enum kube_outcome outcome)
{
    static const char *const names[] = {
        [KUBE_DONE] = "done",           [KUBE_UNREACHABLE] = "unreachable", [KUBE_UNAUTHORIZED] = "unauthorized",
        [KUBE_FORBIDDEN] = "forbidden", [KUBE_NOT_FOUND] = "not-found",     [KUBE_CONFLICT] = "conflict",
        [KUBE_EXPIRED] = "expired",     [KUBE_INVALID] = "invalid",         [KUBE_THROTTLED] = "throttled",
        [KUBE_BROKEN] = "broken",
    };
    return (size_t)outcome < sizeof names / sizeof *names ? names[outcome] : "unknown";
}

char *kube_what(char out[KUBE_WHAT], const struct kube_call *call)
{
    snprintf(out, KUBE_WHAT, "%s %.*s", VERBS[call->verb], (int)strcspn(call->path, "?"), call->path);
    return out;
}

static enum kube_outcome outcome_of(long status)
{
    switch (status) {
    case 401:
        return KUBE_UNAUTHORIZED;
    case 403:
        return KUBE_FORBIDDEN;
    case 404:
        return KUBE_NOT_FOUND;
    case 409:
        return KUBE_CONFLICT;
    case 410:
        return KUBE_EXPIRED;
    case 429:
        return KUBE_THROTTLED;
    default:
        break;
    }
    if (status >= 200 && status < 300)
        return KUBE_DONE;
    return status >= 400 && status < 500 ? KUBE_INVALID : KUBE_BROKEN;
}

/* The start of a body that is no Status, on one line. */
static void quote_body(char *out, size_t n, const struct buf *body)
{
    size_t length = 0;
    for (; length < n - 1 && length < body->len && body->bytes[length] != '\n'; length++)
        out[length] = isprint((unsigned char)body->bytes[length]) ? body->bytes[length] : '?';
    out[length] = '\0';
}

/* A long sentence loses its middle: a refused patch is quoted whole before the reason. */
static void shorten(char *out, size_t n, const char *message)
{
    size_t length = strlen(message), half = n / 2 - 4;
    if (length < n)
        memcpy(out, message, length + 1);
    else
        snprintf(out, n, "%.*s ... %s", (int)half, message, message + length - half);
}

/* The server's own sentence, and how long it asks to wait. */
static const char *status_message(struct kube_answer *out)
{
    const char *message = NULL;
    double wait_s = 0.0;
    if (json_as_number(json_find(json_find(out->object.root, "details"), "retryAfterSeconds"), &wait_s) &&
        wait_s > out->retry_after_s)
        out->retry_after_s = wait_s < 3600.0 ? wait_s : 3600.0;
    return json_as_text(json_find(out->object.root, "message"), &message) ? message : NULL;
}

void kube_judge(struct kube_answer *out, const char *what, const struct http_response *response)
{
    char quoted[96], shown[256];
    const struct buf *body = &response->body;
    out->outcome = outcome_of(response->status);
    out->status = response->status;
    out->retry_after_s = response->retry_after_s;
    if (body->len && !json_parse(&out->object, "the answer", body->bytes, body->len, NULL))
        out->object.root = NULL;
    const char *message = json_is_object(out->object.root) ? status_message(out) : NULL;
    quote_body(quoted, sizeof quoted, body);
    shorten(shown, sizeof shown, message && *message ? message : *quoted ? quoted : "no reason given");
    err_set(&out->why, out->outcome == KUBE_FORBIDDEN || out->outcome == KUBE_UNAUTHORIZED ? ERR_USAGE : ERR_IO,
            "%s: %ld: %s", what, out->status, shown);
}

bool kube_broken(struct kube_answer *out, const char *what, const char *why)
{
    out->outcome = KUBE_BROKEN;
    return err_set(&out->why, ERR_FORMAT, "%s: %s", what, why);
}

bool kube_read(struct kube_answer *out, const char *what, const struct http_response *response)
{
    struct err e = {0};
    const struct buf *body = &response->body;
    if (json_parse(&out->object, "the answer", body->len ? body->bytes : "", body->len, &e))
        return true;
    kube_broken(out, what, e.message);
    if (!strstr(response->content_type, "json"))
        err_set(&out->why, ERR_FORMAT, "%s: the answer is not JSON but '%.60s': is this an API server?", what,
                response->content_type);
    return false;
}

/* server + path + what every write says about itself. */
static void put_url(struct buf *out, const struct kube *k, const struct kube_call *call)
{
    const char *join = strchr(call->path, '?') ? "&" : "?";
    buf_printf(out, "%s%s", k->config.server, call->path);
    if (call->verb == KUBE_GET)
        return;
    if (call->verb != KUBE_DELETE) {
        buf_printf(out, "%sfieldManager=maestro&fieldValidation=Strict", join);
        join = "&";
    }
    if (call->dry_run)
        buf_printf(out, "%sdryRun=All", join);
}

static void put_authorization(struct buf *out, const struct kubeconfig *c)
{
    CLEANUP_BUF struct buf pair = {0};
    if (c->token) {
        buf_printf(out, "Authorization: Bearer %s", c->token);
        return;
    }
    if (!c->username)
        return;
    buf_printf(&pair, "%s:%s", c->username, c->password ? c->password : "");
    buf_text(out, "Authorization: Basic ");
    base64_encode(out, pair.len ? pair.bytes : "", pair.len);
}

static bool send_once(struct kube *k, const struct kube_call *call, struct http_response *response, struct err *e)
{
    CLEANUP_BUF struct buf url = {0}, authorization = {0};
    put_url(&url, k, call);
    put_authorization(&authorization, &k->config);
    if (!buf_ok(&url, e) || !buf_ok(&authorization, e))
        return false;
    struct http_request request = {
        .method = VERBS[call->verb],
        .url = url.bytes,
        .headers = {"Accept: application/json"},
        .body = call->body,
        .n_body = call->body ? strlen(call->body) : 0,
        .timeout_s = call->timeout_s,
        .may_repeat = call->verb == KUBE_GET || call->dry_run,
    };
    int n = 1;
    if (call->body)
        request.headers[n++] = call->verb == KUBE_MERGE_PATCH ? "Content-Type: application/merge-patch+json"
                                                              : "Content-Type: application/json";
    if (authorization.len)
        request.headers[n] = authorization.bytes;
    return http_do(k->http, &request, response, e);
}

/* The API server stores texts with a NUL (a pod's arguments may hold one). No object that we read, nor any list that it stands
 * in, may fail for that: \u0000 becomes \ufffd. A backslash stands in texts only, and what it escapes is skipped. */
static void replace_nul(struct buf *json)
{
    char *end = json->len ? json->bytes + json->len : NULL;
    for (char *at = json->bytes; at && at + 1 < end; at++)
        if (*at == '\\' && *++at == 'u' && end - at > 4 && memcmp(at + 1, "0000", 4) == 0)
            memcpy(at + 1, "fffd", 4);
}

static bool ask_once(struct kube *k, const struct kube_call *call, struct http_response *response,
                     struct kube_answer *out)
{
    char what[KUBE_WHAT];
    kube_answer_finish(out);
    if (!send_once(k, call, response, &out->why)) {
        out->outcome = KUBE_UNREACHABLE;
        out->retry_after_s = response->retry_after_s;
        return err_wrap(&out->why, "%s", kube_what(what, call));
    }
    out->status = response->status;
    replace_nul(&response->body);
    if (outcome_of(response->status) == KUBE_DONE)
        return true;
    kube_judge(out, kube_what(what, call), response);
    return false;
}

bool kube_ask(struct kube *k, const struct kube_call *call, struct http_response *response, struct kube_answer *out)
{
    kubeconfig_token(&k->config, clock_monotonic_s(), false);
    if (ask_once(k, call, response, out))
        return true;
    if (out->outcome != KUBE_UNAUTHORIZED)
        return false;
    if (kubeconfig_token(&k->config, clock_monotonic_s(), true))
        return ask_once(k, call, response, out);
    return err_wrap(&out->why, "the credentials of %.150s are refused", k->config.origin);
}

bool kube_do(struct kube *k, const struct kube_call *call, struct kube_answer *out)
{
    struct http_response response = {0};
    char what[KUBE_WHAT];
    bool done = kube_ask(k, call, &response, out) && kube_read(out, kube_what(what, call), &response);
    http_response_finish(&response);
    return done;
}
