/* event: Kubernetes Events, the sentences that "kubectl describe" shows beneath an object. The same sentence again raises a
 * count, ten alike become one, and one object gets 25 at once and then one in 300 s, as client-go's recorder does; one reason
 * about one object is sent once in 15 s at most, and one round sends 50. Telling only remembers; sending is a step of its own
 * with its own time. Nothing here fails loudly: what cannot be sent is tried again for some minutes, counted and forgotten. */
#ifndef MAESTRO_EVENT_H
#define MAESTRO_EVENT_H

#include <maestro/kube.h>

struct event_config {
    const char *component; /* who says so: "maestro-autoscaler" */
    const char *instance;  /* which of them: the pod's name; NULL: none */
};

/* What is said about what. Pointers are the caller's, during the call. */
struct event {
    const char *api_version, *kind; /* NULL: "apps/v1", "Deployment" */
    const char *space, *name;       /* of the object; the Event lies in the same namespace */
    const char *uid;                /* ties the Event to this object and no later one of its name; NULL: unknown */
    bool warning;                   /* type Warning instead of Normal */
    const char *reason;             /* one word in capitals, "SuccessfulRescale" */
    const char *message;            /* cut at 1024 bytes */
};

struct event_sender;

MUST_CHECK bool event_open(const struct event_config *config, struct kube *kube, struct event_sender **out,
                           struct err *e);
void event_close(struct event_sender *s); /* accepts NULL; what waits is lost */

/* Remembers, at monotonic now_s; asks nobody. Of at most 4096 sentences is known that they were told; the oldest that waits
 * for nothing makes room. */
void event_tell(struct event_sender *s, const struct event *event, double now_s);

/* Sends what waits, for about budget_s at most. Returns how many still wait. */
int event_send(struct event_sender *s, double now_s, double budget_s);

unsigned long long event_sent(const struct event_sender *s); /* requests that were accepted */
unsigned long long
event_dropped(const struct event_sender *s);         /* told, but not sent: too many, refused, or too often tried */
const char *event_why(const struct event_sender *s); /* last failure in words; "" none */

#endif
