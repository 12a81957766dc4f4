/* chaosmesh: faults on purpose, as objects of Chaos Mesh (chaos-mesh.org/v1alpha1): made from a YAML file for one target,
 * watched until they are injected, deleted and seen to be gone. Everything made here carries two labels, so that what a
 * killed process left behind is found and deleted at the next start. What the faults do is Chaos Mesh's matter. */
#ifndef MAESTRO_CHAOSMESH_H
#define MAESTRO_CHAOSMESH_H

#include <maestro/kube.h>

#define CHAOSMESH_MANAGED_LABEL "app.kubernetes.io/managed-by" /* =maestro */
#define CHAOSMESH_SESSION_LABEL "maestro.dev/session"

/* Whom a fault is for. Pointers are borrowed during the call. */
struct chaosmesh_target {
    const char *space;    /* namespace of the object and of the pods */
    const char *selector; /* the pods' labels, "app=web,tier=front"; NULL: as the file says */
    const char *session;  /* label value, the same at the next start: leftovers are found by it */
};

/* One object. Plain data: may be written down and used again. */
struct chaosmesh_experiment {
    char plural[24]; /* "podchaos" */
    char space[64];
    char name[128];
};

enum chaosmesh_phase {
    CHAOSMESH_WAITING,   /* there, not injected everywhere */
    CHAOSMESH_INJECTED,  /* condition AllInjected; a Schedule as soon as it is there */
    CHAOSMESH_RECOVERED, /* it was injected, and its duration is over */
    CHAOSMESH_GONE,      /* no such object */
};

/* The object that a file makes for a target, as JSON appended to body. file stands in messages and is read. experiment gets
 * the name it will have, which no other has. ERR_FORMAT names file and line: no Chaos Mesh object, a kind that is not
 * supported (there are PodChaos, StressChaos, NetworkChaos, HTTPChaos, IOChaos, DNSChaos and Schedule), a selector that
 * Chaos Mesh cannot express. Asks nobody. */
MUST_CHECK bool chaosmesh_read(const char *file, const struct chaosmesh_target *target, struct buf *body,
                               struct chaosmesh_experiment *experiment, struct err *e);

/* The same of a text. */
MUST_CHECK bool chaosmesh_parse(const char *name, const struct buf *text, const struct chaosmesh_target *target,
                                struct buf *body, struct chaosmesh_experiment *experiment, struct err *e);

/* Creates what the file says. On failure experiment is set where the object may yet exist (an answer was lost): stop it. Zero
 * it before. dry_run: checked by the server, not stored. */
MUST_CHECK bool chaosmesh_start(struct kube *kube, const char *file, const struct chaosmesh_target *target,
                                bool dry_run, struct chaosmesh_experiment *experiment, struct err *e);

MUST_CHECK bool chaosmesh_look(struct kube *kube, const struct chaosmesh_experiment *experiment,
                               enum chaosmesh_phase *phase, struct err *e);

/* Looks twice a second until the phase is reached. RECOVERED also counts as INJECTED. ERR_IO after timeout_s says which
 * condition is missing. */
MUST_CHECK bool chaosmesh_wait(struct kube *kube, const struct chaosmesh_experiment *experiment,
                               enum chaosmesh_phase phase, double timeout_s, struct err *e);

/* Deletes and waits until it is gone, which Chaos Mesh delays until it has healed the pods. One that is gone already, or an
 * empty experiment, is fine. */
MUST_CHECK bool chaosmesh_stop(struct kube *kube, const struct chaosmesh_experiment *experiment, double timeout_s,
                               struct err *e);

/* The same without waiting: asks for the deletion and looks once whether it is gone; either takes a second at most. false: it
 * was not heard, or could not be seen. */
MUST_CHECK bool chaosmesh_end(struct kube *kube, const struct chaosmesh_experiment *experiment, bool *gone,
                              struct err *e);

/* Deletes what carries our labels in a namespace: of one session, or with session NULL of all. n: how many there were. A
 * cluster without Chaos Mesh has none. */
MUST_CHECK bool chaosmesh_sweep(struct kube *kube, const char *space, const char *session, double timeout_s, int *n,
                                struct err *e);

#endif
