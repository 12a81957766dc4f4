/* event_limit: how much may be said, with client-go's numbers: ten sentences of one reason about one object within 600 s
 * become one, and one object gets 25 Events at once, then one in 300 s. */
#ifndef NET_EVENT_LIMIT_H
#define NET_EVENT_LIMIT_H

#include <maestro/event.h>
#include <stdint.h>

#define EVENT_LIMIT_SETS 128
#define EVENT_LIMIT_WAYS 8
#define EVENT_LIMIT_ALIKE 10

/* Sentences of one type and reason about one object. key 0: free. */
struct event_alike {
    uint64_t key;
    double used_s;
    uint64_t messages[EVENT_LIMIT_ALIKE - 1];
    int n_messages;
};

/* What one object may still get. */
struct event_bucket {
    uint64_t key;
    double used_s, tokens;
};

/* Fixed size: what was used longest ago is forgotten, which lets more through, never less. Zero is a fresh one. */
struct event_limit {
    struct event_alike alike[EVENT_LIMIT_SETS * EVENT_LIMIT_WAYS];
    struct event_bucket buckets[EVENT_LIMIT_SETS * EVENT_LIMIT_WAYS];
};

/* Events with the same key are one Event with a count; never 0. combined: it stands for several sentences alike. */
uint64_t event_limit_key(struct event_limit *l, const struct event *event, double now_s, bool *combined);

/* Takes one of what the object may get. */
bool event_limit_allows(struct event_limit *l, const struct event *event, double now_s);

#endif
