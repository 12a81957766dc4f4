/* fleet: the seam between the autoscaler and the many targets that it scales. One refresh reads all of them in a handful of
 * questions; between refreshes, views do not change. Implementations: live (Prometheus in, Kubernetes out), and made-up
 * ones in tests. They embed struct fleet as their first member. Times: time_s is the wall clock of samples; monotonic_s is
 * for deadlines. */
#ifndef MAESTRO_FLEET_H
#define MAESTRO_FLEET_H

#include <maestro/err.h>
#include <maestro/types.h>

#define FLEET_ANNOTATIONS 24

struct fleet_annotation {
    const char *key, *value; /* key as it stands on the Deployment, prefix and all */
};

/* One target as of the last refresh that could read it. Pointers are the fleet's, valid until the next refresh. */
struct fleet_view {
    char space[64];
    char name[128];
    char uid[48];
    char resource_version[32];
    struct fleet_annotation annotations[FLEET_ANNOTATIONS]; /* those under the prefix, and the latency constraints */
    int n_annotations;
    double api_age_s; /* since the Kubernetes API last confirmed this view; 0: in the last refresh */
    bool gone;        /* it was here, and is no more */
    bool rolling_out; /* observedGeneration or updatedReplicas behind, or surplus pods */
    bool rollout_paused;
    char conflict[160];   /* another scaler on the same target, "HorizontalPodAutoscaler shop/web"; "": none */
    char lacks[256];      /* which queries find no series of it at all, with their settings; "": each finds some */
    struct sample sample; /* name and replicas from the API, signals from Prometheus */
};

enum fleet_outcome {
    FLEET_DONE,
    FLEET_CONFLICT, /* resourceVersion is old: somebody else wrote */
    FLEET_GONE,
    FLEET_FORBIDDEN,
    FLEET_REFUSED,   /* by validation or admission */
    FLEET_THROTTLED, /* try again later */
    FLEET_FAILED,    /* unreachable or broken */
};

struct fleet;

struct fleet_ops {
    bool (*refresh)(struct fleet *f, double monotonic_s, struct err *e);
    int (*count)(const struct fleet *f);
    const struct fleet_view *(*view)(const struct fleet *f, int i);
    bool (*read_pods)(struct fleet *f, int i, struct sample *out, struct err *e); /* sample with pod records */
    enum fleet_outcome (*write)(struct fleet *f, int i, int replicas, bool dry_run, struct err *e);
    void (*event)(struct fleet *f, int i, bool warning, const char *reason, const char *message);
    double (*deadline_s)(const struct fleet *f); /* monotonic; no write may start later; 0: not the leader */
    void (*close)(struct fleet *f);
    double (*patience_s)(const struct fleet *f); /* NULL: nobody ever asks for any */
};

struct fleet {
    const struct fleet_ops *ops;
};

/* false: nothing could be read anew; views stay, with growing ages. Signals that could not be had are validities. */
MUST_CHECK static inline bool fleet_refresh(struct fleet *f, double monotonic_s, struct err *e)
{
    return f->ops->refresh(f, monotonic_s, e);
}

/* Targets are numbered 0 .. count - 1; a number belongs to one target until it has been gone for a refresh. */
static inline int fleet_count(const struct fleet *f)
{
    return f->ops->count(f);
}

static inline const struct fleet_view *fleet_view(const struct fleet *f, int i)
{
    return f->ops->view(f, i);
}

MUST_CHECK static inline bool fleet_read_pods(struct fleet *f, int i, struct sample *out, struct err *e)
{
    return f->ops->read_pods(f, i, out, e);
}

/* Asks for spec.replicas = replicas, under the view's resourceVersion. e names what went wrong unless FLEET_DONE: ERR_AGAIN
 * where it may be otherwise in a moment. */
static inline enum fleet_outcome fleet_write(struct fleet *f, int i, int replicas, bool dry_run, struct err *e)
{
    return f->ops->write(f, i, replicas, dry_run, e);
}

/* After FLEET_THROTTLED: seconds that the server asked to be left alone; 0: it named none. */
static inline double fleet_patience_s(const struct fleet *f)
{
    return f->ops->patience_s ? f->ops->patience_s(f) : 0;
}

/* A Kubernetes Event on the target; repeated ones are aggregated; never fails loudly. */
static inline void fleet_event(struct fleet *f, int i, bool warning, const char *reason, const char *message)
{
    f->ops->event(f, i, warning, reason, message);
}

static inline double fleet_deadline_s(const struct fleet *f)
{
    return f->ops->deadline_s(f);
}

static inline void fleet_close(struct fleet *f)
{
    if (f && f->ops && f->ops->close)
        f->ops->close(f);
}

#endif
