/* targets: the live fleet's memory of its targets: stable numbers, looked up by namespace and name. Each target owns one
 * block of text (annotations, selector), kept as long as the object's resourceVersion stays. */
#ifndef LIVE_TARGETS_H
#define LIVE_TARGETS_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <maestro/fleet.h>
#include <stddef.h>
#include <stdint.h>

/* What one Deployment object says; texts are borrowed from the object. */
struct discovered {
    const char *space, *name, *uid, *resource_version;
    struct fleet_annotation annotations[FLEET_ANNOTATIONS];
    int n_annotations;
    bool has_prefixed;          /* an annotation under the prefix */
    struct buf selector;        /* owned; "a=b,c=d" as a query wants it, "": cannot be said so */
    double memory_limit_bytes;  /* of one pod; 0: a container has none */
    double cpu_request_percent; /* the same */
    int spec_replicas;
    int existing, ready, terminating;
    bool rolling_out, rollout_paused;
};

struct target_slot {
    struct fleet_view view;
    bool used;
    unsigned round; /* of the listing that saw it last */
    unsigned conflict_round;
    double api_time_s; /* monotonic, when the API last showed it */
    double memory_limit_bytes;
    int spec_replicas;
    struct pod_record shape;        /* the CPU request of a pod and nothing else */
    double sampled_s[SIGNAL_COUNT]; /* sample clock: newest sample of each signal so far; 0: none yet */
    int settled;                    /* pods that have been ready for so long that Prometheus should know them */
    double settled_s;               /* sample clock: when no more than those were ready; 0: never looked */
    char *text;                     /* owned: annotations and selector */
    const char *selector;           /* in text */
};

struct targets {
    struct target_slot *slots; /* [n] */
    int n, capacity;
    int n_used;
    uint32_t *index; /* [n_index] slot + 1; 0: empty; open addressing */
    size_t n_index;
    bool changed; /* which targets there are, since the caller last cleared it */
    bool grown;   /* a new target, the same */
};

void targets_finish(struct targets *t);
int targets_find(const struct targets *t, const char *space, const char *name); /* -1: none */
/* The slot of that name, a new one if need be. Names are cut to nothing else: too long ones are ERR_FORMAT. */
MUST_CHECK bool targets_take(struct targets *t, const char *space, const char *name, int *index, struct err *e);
void targets_free(struct targets *t, int index); /* the number becomes free: view gone, name "" */
/* Puts what the API showed into the view; not the sample's readings. */
MUST_CHECK bool targets_store(struct targets *t, int index, const struct discovered *found, struct err *e);

#endif
