/* event_limit: which Events are the same, and which are too many. In: what is told and when; out: a key, yes or no. Texts are
 * remembered by their hash only. */
#include "event_limit.h"

#include <string.h>

static const double ALIKE_WITHIN_S = 600.0;
static const double BURST = 25.0, SECONDS_A_TOKEN = 300.0;

/* FNV-1a, going on from hash; the NUL keeps neighbours apart. */
static uint64_t add_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (hash ^ 0xffu) * 1099511628211u;
}

static uint64_t object_key(const struct event *event)
{
    uint64_t hash = 14695981039346656037u;
    hash = add_text(hash, event->kind);
    hash = add_text(hash, event->space);
    hash = add_text(hash, event->name);
    hash = add_text(hash, event->uid);
    return hash ? hash : 1;
}

uint64_t event_limit_alike(const struct event *event)
{
    uint64_t hash = add_text(object_key(event), event->warning ? "Warning" : "Normal");
    hash = add_text(hash, event->reason);
    return hash ? hash : 1;
}

static struct event_alike *find_alike(struct event_limit *l, uint64_t key, double now_s)
{
    struct event_alike *set = &l->alike[key % EVENT_LIMIT_SETS * EVENT_LIMIT_WAYS], *oldest = set;
    for (struct event_alike *at = set; at < set + EVENT_LIMIT_WAYS; at++) {
        if (at->key == key)
            return at;
        if (at->key == 0 || (oldest->key != 0 && at->used_s < oldest->used_s))
            oldest = at;
    }
    *oldest = (struct event_alike){.key = key, .used_s = now_s};
    return oldest;
}

static struct event_bucket *find_bucket(struct event_limit *l, uint64_t key, double now_s)
{
    struct event_bucket *set = &l->buckets[key % EVENT_LIMIT_SETS * EVENT_LIMIT_WAYS], *oldest = set;
    for (struct event_bucket *at = set; at < set + EVENT_LIMIT_WAYS; at++) {
        if (at->key == key)
            return at;
        if (at->key == 0 || (oldest->key != 0 && at->used_s < oldest->used_s))
            oldest = at;
    }
    *oldest = (struct event_bucket){.key = key, .used_s = now_s, .tokens = BURST};
    return oldest;
}

static bool knows(const struct event_alike *alike, uint64_t message)
{
    for (int i = 0; i < alike->n_messages; i++)
        if (alike->messages[i] == message)
            return true;
    return false;
}

uint64_t event_limit_key(struct event_limit *l, const struct event *event, double now_s, bool *combined)
{
    uint64_t key = event_limit_alike(event), message = add_text(key, event->message);
    struct event_alike *alike = find_alike(l, key, now_s);
    if (now_s - alike->used_s > ALIKE_WITHIN_S)
        alike->n_messages = 0;
    alike->used_s = now_s;
    *combined = !knows(alike, message) && alike->n_messages == EVENT_LIMIT_ALIKE - 1;
    if (*combined)
        return key;
    if (!knows(alike, message))
        alike->messages[alike->n_messages++] = message;
    return message ? message : 1;
}

bool event_limit_is_open(struct event_limit *l, uint64_t alike, double now_s)
{
    return find_alike(l, alike, now_s)->next_s <= now_s;
}

void event_limit_close(struct event_limit *l, uint64_t alike, double now_s)
{
    find_alike(l, alike, now_s)->next_s = now_s + EVENT_LIMIT_WINDOW_S;
}

bool event_limit_allows(struct event_limit *l, const struct event *event, double now_s)
{
    struct event_bucket *bucket = find_bucket(l, object_key(event), now_s);
    double tokens = bucket->tokens + (now_s - bucket->used_s) / SECONDS_A_TOKEN;
    bucket->tokens = tokens < BURST ? tokens : BURST;
    bucket->used_s = now_s;
    if (bucket->tokens < 1.0)
        return false;
    bucket->tokens -= 1.0;
    return true;
}
