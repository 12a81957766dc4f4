/* event_limit: how much may be said. With client-go's numbers, ten sentences of one reason about one object within 600 s
 * become one, and one object gets 25 Events at once, then one in 300 s. Besides, one reason about one object is worth one call
 * in EVENT_LIMIT_WINDOW_S: a thousand targets that flap together are no flood. */
#ifndef NET_EVENT_LIMIT_H
#define NET_EVENT_LIMIT_H

#include <maestro/event.h>
#include <stdint.h>

#define EVENT_LIMIT_SETS 1024
#define EVENT_LIMIT_WAYS 8
#define EVENT_LIMIT_ALIKE 10
#define EVENT_LIMIT_WINDOW_S 15.0 /* a decision's usual interval */

/* Sentences of one type and reason about one object. key 0: free. */
struct event_alike {
    uint64_t key;
    double used_s;
    uint64_t messages[EVENT_LIMIT_ALIKE - 1];
    int n_messages;
    double next_s; /* no call about them before */
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

/* What next_s belongs to: type and reason about one object. */
uint64_t event_limit_alike(const struct event *event);
/* Whether a call about these may be made now. */
bool event_limit_is_open(struct event_limit *l, uint64_t alike, double now_s);
/* One was made: none for a window. */
void event_limit_close(struct event_limit *l, uint64_t alike, double now_s);

/* Takes one of what the object may get. */
bool event_limit_allows(struct event_limit *l, const struct event *event, double now_s);

#endif
