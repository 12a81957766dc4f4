/* live_cluster: one target of the live fleet as a cluster in real time, for training and evaluation. Steps last exactly what
 * they are asked to, on a schedule that does not drift with the time that questions take. In: a fleet of one. Out: samples.
 * Waiting for readiness, pausing and restoring are the session's. */
#include <maestro/live.h>

#include <maestro/clock.h>

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { SCALE_TRIES = 4 };
static const double SLICE_S = 0.2; /* longest sleep before the flag is looked at: a signal may wake another thread */

struct live_cluster {
    struct cluster cluster; /* first: the seam */
    struct fleet *fleet;
    const volatile sig_atomic_t *stop;
    int index;
    bool sampled;
    int seen, asked; /* replicas at the last look, and those last asked for, done or not; -1: none */
    double offset_s; /* sample clock minus monotonic */
    double due_s;    /* monotonic: where the schedule stands */
};

static bool stopped(const struct live_cluster *c)
{
    return c->stop && *c->stop;
}

static int count_of(const struct fleet_view *v)
{
    const struct reading *replicas = &v->sample.signals[SIGNAL_REPLICAS];
    return replicas->validity == VALIDITY_VALID ? (int)replicas->value : -1;
}

static bool sample(struct cluster *cluster, bool with_pods, struct sample *out, struct err *e)
{
    struct live_cluster *c = (struct live_cluster *)cluster;
    struct err why = {0};
    double now_s = clock_monotonic_s();
    (void)!fleet_refresh(c->fleet, now_s, &why); // what could not be read is a validity of the sample
    const struct fleet_view *v = fleet_view(c->fleet, c->index);
    if (v->gone)
        return err_set(e, ERR_IO, "Deployment %s/%s does not exist", v->space, v->name);
    c->sampled = true;
    c->seen = count_of(v);
    c->offset_s = v->sample.time_s - now_s;
    if (!with_pods || !fleet_read_pods(c->fleet, c->index, out, &why))
        *out = v->sample;
    return true;
}

/* Looks again after a conflict. An object whose count is the one that was known has only changed its status. */
static bool look_again(struct live_cluster *c, struct err *e)
{
    const struct fleet_view *v = fleet_view(c->fleet, c->index);
    (void)!fleet_refresh(c->fleet, clock_monotonic_s(), e);
    int fresh = count_of(v);
    if (fresh >= 0 && fresh != c->seen && fresh != c->asked)
        return err_set(e, ERR_IO, "somebody else wrote: %s/%s has %d replicas, where %d were known", v->space, v->name,
                       fresh, c->seen);
    return true;
}

static bool scale(struct cluster *cluster, int replicas, struct err *e)
{
    struct live_cluster *c = (struct live_cluster *)cluster;
    enum fleet_outcome got = fleet_write(c->fleet, c->index, replicas, false, e);
    for (int tries = 1; got == FLEET_CONFLICT && tries < SCALE_TRIES; tries++) {
        if (!look_again(c, e))
            return false;
        got = fleet_write(c->fleet, c->index, replicas, false, e);
    }
    c->asked = replicas; // an answer that was lost may have been a yes
    return got == FLEET_DONE;
}

/* Sleeps until the monotonic time or the flag. */
static bool sleep_until(const struct live_cluster *c, double until_s)
{
    double left_s = until_s - clock_monotonic_s();
    while (left_s > 0 && !stopped(c)) {
        struct timespec t = {.tv_nsec = (long)(fmin(left_s, SLICE_S) * 1e9)};
        nanosleep(&t, NULL);
        left_s = until_s - clock_monotonic_s();
    }
    return !stopped(c);
}

static bool advance(struct cluster *cluster, double seconds, struct err *e)
{
    struct live_cluster *c = (struct live_cluster *)cluster;
    double now_s = clock_monotonic_s();
    c->due_s += seconds;
    if (now_s > c->due_s + seconds)
        c->due_s = now_s; // more than a step behind: catching up would make steps without length
    return sleep_until(c, c->due_s) || err_set(e, ERR_INTERRUPTED, "live: stopped while waiting for the next step");
}

static double now(const struct cluster *cluster)
{
    const struct live_cluster *c = (const struct live_cluster *)cluster;
    return clock_monotonic_s() + c->offset_s;
}

static void close_cluster(struct cluster *cluster)
{
    struct live_cluster *c = (struct live_cluster *)cluster;
    if (!c)
        return;
    fleet_close(c->fleet);
    free(c);
}

static const struct cluster_ops OPS = {sample, scale, advance, now, close_cluster};

bool live_cluster_open(const struct live_cluster_config *config, struct cluster **out, struct err *e)
{
    struct live_cluster *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_IO, "live: out of memory");
    struct live_config live = config->live;
    c->cluster.ops = &OPS;
    c->stop = config->stop;
    c->seen = c->asked = -1;
    c->due_s = clock_monotonic_s();
    c->offset_s = clock_wall_s() - c->due_s;
    live.asked = true;
    if (!live_open(&live, &c->fleet, e) ||
        !live_add(c->fleet, config->space ? config->space : live_namespace(c->fleet), config->name, &c->index, e)) {
        close_cluster(&c->cluster);
        return false;
    }
    *out = &c->cluster;
    return true;
}

const struct fleet_view *live_cluster_view(const struct cluster *cluster)
{
    const struct live_cluster *c = (const struct live_cluster *)cluster;
    return c->sampled ? fleet_view(c->fleet, c->index) : NULL;
}

const struct fleet *live_cluster_fleet(const struct cluster *cluster)
{
    return ((const struct live_cluster *)cluster)->fleet;
}
