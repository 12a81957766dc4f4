/* cluster: the seam to whatever runs the replicas: simulated, request-level simulated, live, recorded trace. Virtual or
 * real time passes only inside cluster_advance. Implementations embed struct cluster as their first member. */
#ifndef MAESTRO_CLUSTER_H
#define MAESTRO_CLUSTER_H

#include <maestro/err.h>
#include <maestro/types.h>

struct cluster;

struct cluster_ops {
    bool (*sample)(struct cluster *c, bool with_pods, struct sample *out, struct err *e);
    bool (*scale)(struct cluster *c, int replicas, struct err *e);
    bool (*advance)(struct cluster *c, double seconds, struct err *e);
    double (*now)(const struct cluster *c);
    void (*close)(struct cluster *c);
};

struct cluster {
    const struct cluster_ops *ops;
};

/* Reading never changes what a later call returns. A signal that cannot be had is a validity in out, not an error; false
 * only when the cluster itself is unusable. */
MUST_CHECK static inline bool cluster_sample(struct cluster *c, bool with_pods, struct sample *out, struct err *e)
{
    return c->ops->sample(c, with_pods, out, e);
}

/* Asks for spec.replicas = replicas (>= 0). Takes effect as time advances. */
MUST_CHECK static inline bool cluster_scale(struct cluster *c, int replicas, struct err *e)
{
    return c->ops->scale(c, replicas, e);
}

/* Lets seconds pass (whole seconds on the simulated clusters). */
MUST_CHECK static inline bool cluster_advance(struct cluster *c, double seconds, struct err *e)
{
    return c->ops->advance(c, seconds, e);
}

static inline double cluster_now(const struct cluster *c)
{
    return c->ops->now(c);
}

static inline void cluster_close(struct cluster *c)
{
    if (c && c->ops && c->ops->close)
        c->ops->close(c);
}

#endif
