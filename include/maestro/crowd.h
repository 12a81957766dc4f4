/* crowd: many simulated targets shown as if they ran in a Kubernetes cluster: the series that kubelet, kube-state-metrics and the
 * services themselves would give to Prometheus, and a way to scale them. Simulated time follows the wall clock, as many times
 * faster as wished; counters are per simulated second, so rates over the wall clock's seconds come out as if it were not.
 * All calls may come from any thread. */
#ifndef MAESTRO_CROWD_H
#define MAESTRO_CROWD_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/sim.h>

#define CROWD_TARGETS 5000
#define CROWD_NAME 64    /* bytes of a namespace or a deployment */
#define CROWD_WORK 20000 /* simulated seconds, of all targets together, in one call: a moment's work */

/* Section "exporter". */
struct crowd_config {
    char address[CONFIG_TEXT];
    int port;
    char profile[CONFIG_TEXT];
    int targets;    /* that no --target names */
    int namespaces; /* over which those are spread */
    int shape;      /* enum load_shape, LOAD_TRACE excepted */
    double base_rps, peak_rps, length_s;
    bool stagger; /* each of them begins elsewhere in the shape */
    int replicas; /* at first */
    double speed; /* simulated seconds a second */
    long long seed;
};

struct config_section crowd_section(struct crowd_config *c);

struct crowd;

/* wishes: targets of their own, [n], each "NAMESPACE/NAME=SHAPE:BASE:PEAK[:LENGTH_S]" or "NAMESPACE/NAME=FILE.csv:PEAK".
 * Measures the profile's latency first, which takes a moment. */
MUST_CHECK bool crowd_open(const struct crowd_config *config, const char *const *wishes, int n, struct crowd **out,
                           struct err *e);
void crowd_close(struct crowd *c); /* accepts NULL */

/* Brings all targets to now_s of a clock that began at 0; never back. One call simulates about CROWD_WORK seconds and no more;
 * returned is how many seconds of the clock are left then, 0 where it keeps up. What is shown at a moment of the clock is the
 * same however many calls led there. */
double crowd_advance(struct crowd *c, double now_s);

void crowd_expose(struct crowd *c, struct buf *out); /* Prometheus' text format */
void crowd_list(struct crowd *c, struct buf *out);   /* JSON: namespace, deployment, replicas, ready of each */

/* ns NULL: the only target of that name, wherever it is. ERR_USAGE: there is none, or several. */
MUST_CHECK bool crowd_scale(struct crowd *c, const char *ns, const char *deployment, int replicas, struct err *e);

#endif
