/* event: what is told about objects becomes core/v1 Events. In: sentences; out: a POST for a new one, a PATCH of its count
 * for one that is there. Memory is a table of fixed size: what was told longest ago and waits for nothing makes room. */
#include <maestro/event.h>

#include "event_limit.h"
#include "kube_json.h"

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS 512
#define WAYS 8
#define MESSAGE_BYTES 1024
#define ATTEMPTS_LIMIT 12
#define CALLS_A_ROUND 50 /* whatever there is to tell: the rest waits for the next round */
static const double ATTEMPT_EVERY_S = 10.0;
static const double CALL_S = 3.0, SHORTEST_CALL_S = 0.1;

enum field { API_VERSION, KIND, SPACE, NAME, UID, REASON, MESSAGE, FIELDS };

/* One sentence about one object. */
struct entry {
    uint64_t key;            /* 0: free */
    uint64_t alike;          /* type and reason about this object */
    double told_s, next_s;   /* monotonic: last told; not to be sent before */
    double first_s, last_s;  /* wall clock */
    unsigned long long mark; /* makes the Event's name unique */
    char *text;              /* owned; the fields, each with its NUL */
    const char *fields[FIELDS];
    int count, attempts;
    bool warning, stored, waiting;
};

struct event_sender {
    struct kube *kube;
    char *component, *instance;
    struct event_limit limit;
    struct entry entries[SETS * WAYS];
    int cursor; /* where the next sending goes on */
    unsigned long long n_marks, n_sent, n_dropped;
    struct kube_answer answer;
    struct err why;
};

bool event_open(const struct event_config *config, struct kube *kube, struct event_sender **out, struct err *e)
{
    struct event_sender *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_IO, "event: out of memory");
    s->kube = kube;
    s->component = strdup(config->component);
    s->instance = strdup(config->instance ? config->instance : "");
    s->n_marks = (unsigned long long)(clock_wall_s() * 1e9);
    if (!s->component || !s->instance) {
        event_close(s);
        return err_set(e, ERR_IO, "event: out of memory");
    }
    *out = s;
    return true;
}

void event_close(struct event_sender *s)
{
    if (!s)
        return;
    for (int i = 0; i < SETS * WAYS; i++)
        free(s->entries[i].text);
    kube_answer_finish(&s->answer);
    free(s->component);
    free(s->instance);
    free(s);
}

/* The bytes of text up to limit, without half a character at the end. */
static size_t cut(const char *text, size_t limit)
{
    size_t n = strlen(text);
    uint32_t code = 0;
    if (n <= limit)
        return n;
    for (size_t at = 0; at < limit;) {
        int length = text_utf8(text + at, n - at, &code);
        if (at + (length ? (size_t)length : 1) > limit)
            return at;
        at += length ? (size_t)length : 1;
    }
    return limit;
}

/* Copies of the event's texts in one piece of memory. prefix stands before the message. */
static bool keep_text(struct entry *entry, const struct event *event, const char *prefix)
{
    const char *texts[FIELDS] = {
        event->api_version ? event->api_version : "apps/v1",
        event->kind ? event->kind : "Deployment",
        event->space,
        event->name,
        event->uid ? event->uid : "",
        event->reason,
        event->message,
    };
    struct buf all = {0};
    size_t starts[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        starts[i] = all.len;
        if (i == MESSAGE)
            buf_text(&all, prefix);
        buf_append(&all, texts[i], cut(texts[i], i == MESSAGE ? MESSAGE_BYTES - strlen(prefix) : 253));
        buf_append(&all, "", 1);
    }
    if (!buf_ok(&all, NULL)) {
        buf_finish(&all);
        return false;
    }
    free(entry->text);
    entry->text = all.bytes;
    for (int i = 0; i < FIELDS; i++)
        entry->fields[i] = entry->text + starts[i];
    return true;
}

/* Whether a makes room rather than b: what is sent before what waits, then what was told longer ago. */
static bool goes_first(const struct entry *a, const struct entry *b)
{
    if ((a->key == 0) != (b->key == 0))
        return a->key == 0;
    return a->waiting != b->waiting ? !a->waiting : a->told_s < b->told_s;
}

/* The entry of key, or the one that makes room for it (then with another key). */
static struct entry *find_entry(struct event_sender *s, uint64_t key)
{
    struct entry *set = &s->entries[key % SETS * WAYS], *room = set;
    for (struct entry *at = set; at < set + WAYS; at++) {
        if (at->key == key)
            return at;
        if (goes_first(at, room))
            room = at;
    }
    return room;
}

void event_tell(struct event_sender *s, const struct event *event, double now_s)
{
    bool combined = false;
    uint64_t key = event_limit_key(&s->limit, event, now_s, &combined);
    struct entry *entry = find_entry(s, key);
    bool allowed = event_limit_allows(&s->limit, event, now_s);
    double wall_s = clock_wall_s();
    if (entry->key != key) {
        s->n_dropped += entry->waiting;
        free(entry->text);
        *entry = (struct entry){.mark = ++s->n_marks, .first_s = wall_s};
    }
    if (!keep_text(entry, event, combined ? "(combined from similar events): " : "")) {
        s->n_dropped++;
        return;
    }
    entry->key = key;
    entry->alike = event_limit_alike(event);
    entry->warning = event->warning;
    entry->told_s = now_s;
    entry->last_s = wall_s;
    entry->count++;
    s->n_dropped += !allowed;
    if (allowed && !entry->waiting) {
        entry->waiting = true;
        entry->attempts = 0;
    }
}

static void put_field(struct json_writer *w, const struct entry *entry, const char *key, enum field field)
{
    kube_json_field(w, key, entry->fields[field]);
}

static void put_object(struct json_writer *w, const struct entry *entry)
{
    json_put_key(w, "involvedObject");
    json_begin_object(w);
    put_field(w, entry, "apiVersion", API_VERSION);
    put_field(w, entry, "kind", KIND);
    put_field(w, entry, "namespace", SPACE);
    put_field(w, entry, "name", NAME);
    put_field(w, entry, "uid", UID);
    json_end_object(w);
}

static void put_last(struct json_writer *w, const struct entry *entry)
{
    char time[KUBE_TIME];
    put_field(w, entry, "message", MESSAGE);
    kube_json_field(w, "lastTimestamp", kube_time(time, entry->last_s));
    json_put_key(w, "count");
    json_put_whole(w, entry->count);
}

static void put_name(char *out, size_t n, const struct entry *entry)
{
    snprintf(out, n, "%.200s.%llx", entry->fields[NAME], entry->mark);
}

static bool put_event(const struct event_sender *s, const struct entry *entry, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    char text[256];
    json_begin_object(&w);
    kube_json_field(&w, "apiVersion", "v1");
    kube_json_field(&w, "kind", "Event");
    json_put_key(&w, "metadata");
    json_begin_object(&w);
    put_name(text, sizeof text, entry);
    kube_json_field(&w, "name", text);
    put_field(&w, entry, "namespace", SPACE);
    json_end_object(&w);
    put_object(&w, entry);
    put_field(&w, entry, "reason", REASON);
    kube_json_field(&w, "type", entry->warning ? "Warning" : "Normal");
    json_put_key(&w, "source");
    json_begin_object(&w);
    kube_json_field(&w, "component", s->component);
    json_end_object(&w);
    kube_json_field(&w, "reportingComponent", s->component);
    kube_json_field(&w, "reportingInstance", s->instance);
    kube_json_field(&w, "firstTimestamp", kube_time(text, entry->first_s));
    put_last(&w, entry);
    json_end_object(&w);
    return json_write_end(&w, e);
}

static bool put_patch(const struct entry *entry, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    put_last(&w, entry);
    json_end_object(&w);
    return json_write_end(&w, e);
}

/* A POST, or a PATCH of what is stored. */
static bool call_once(struct event_sender *s, const struct entry *entry, double timeout_s)
{
    CLEANUP_BUF struct buf path = {0}, body = {0};
    struct err e = {0};
    char name[256];
    buf_text(&path, "/api/v1/namespaces/");
    http_escape(&path, entry->fields[SPACE]);
    buf_text(&path, "/events");
    if (entry->stored) {
        put_name(name, sizeof name, entry);
        buf_text(&path, "/");
        http_escape(&path, name);
    }
    bool written = entry->stored ? put_patch(entry, &body, &e) : put_event(s, entry, &body, &e);
    if (!written || !buf_ok(&path, &e)) {
        s->answer.outcome = KUBE_INVALID;
        return false;
    }
    struct kube_call call = {.verb = entry->stored ? KUBE_MERGE_PATCH : KUBE_CREATE,
                             .path = path.bytes,
                             .body = body.bytes,
                             .timeout_s = timeout_s};
    return kube_do(s->kube, &call, &s->answer);
}

static void drop(struct event_sender *s, struct entry *entry)
{
    entry->waiting = false;
    s->n_dropped++;
}

static void put_off(struct event_sender *s, struct entry *entry, double now_s)
{
    double wait_s = s->answer.retry_after_s > ATTEMPT_EVERY_S ? s->answer.retry_after_s : ATTEMPT_EVERY_S;
    entry->next_s = now_s + wait_s;
    if (++entry->attempts >= ATTEMPTS_LIMIT)
        drop(s, entry);
}

/* What a refusal means for the entry. True: the same call again makes sense now. */
static bool settle(struct event_sender *s, struct entry *entry, double now_s)
{
    enum kube_outcome outcome = s->answer.outcome;
    s->why = s->answer.why;
    if (outcome == KUBE_NOT_FOUND && entry->stored) { // its hour is over: the server forgot it
        entry->stored = false;
        return true;
    }
    if (outcome == KUBE_CONFLICT && !entry->stored) { // an answer was lost: it is there
        entry->stored = true;
        return true;
    }
    bool again = outcome == KUBE_UNREACHABLE || outcome == KUBE_THROTTLED || outcome == KUBE_BROKEN ||
                 outcome == KUBE_UNAUTHORIZED || outcome == KUBE_CONFLICT;
    if (again)
        put_off(s, entry, now_s);
    else
        drop(s, entry);
    return false;
}

static bool send_entry(struct event_sender *s, struct entry *entry, double now_s, double timeout_s)
{
    bool done = call_once(s, entry, timeout_s) || (settle(s, entry, now_s) && call_once(s, entry, timeout_s));
    if (done) {
        entry->stored = true;
        entry->waiting = false;
        event_limit_close(&s->limit, entry->alike, now_s);
        s->n_sent++;
    } else if (entry->waiting && entry->next_s <= now_s)
        put_off(s, entry, now_s);
    return done;
}

int event_send(struct event_sender *s, double now_s, double budget_s)
{
    double end_s = clock_monotonic_s() + budget_s;
    bool going = true;
    int n_waiting = 0, n_calls = 0;
    for (int i = 0; i < SETS * WAYS && going; i++) {
        struct entry *entry = &s->entries[(s->cursor + i) % (SETS * WAYS)];
        if (!entry->waiting || entry->next_s > now_s || !event_limit_is_open(&s->limit, entry->alike, now_s))
            continue;
        double left_s = end_s - clock_monotonic_s();
        going = left_s > 0.0 && n_calls++ < CALLS_A_ROUND;
        if (going && !send_entry(s, entry, now_s, fmin(fmax(left_s, SHORTEST_CALL_S), CALL_S)))
            going = s->answer.outcome != KUBE_UNREACHABLE && s->answer.outcome != KUBE_THROTTLED;
        if (!going)
            s->cursor = (s->cursor + i) % (SETS * WAYS);
    }
    kube_answer_finish(&s->answer);
    for (int i = 0; i < SETS * WAYS; i++)
        n_waiting += s->entries[i].waiting;
    return n_waiting;
}

unsigned long long event_sent(const struct event_sender *s)
{
    return s->n_sent;
}

unsigned long long event_dropped(const struct event_sender *s)
{
    return s->n_dropped;
}

const char *event_why(const struct event_sender *s)
{
    return s->why.message;
}
