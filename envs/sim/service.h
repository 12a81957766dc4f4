/* service: one service variant, ready to be simulated: its profile, its measured latency table, and what the fluid kernel,
 * the histogram buckets and the capacity question need from them. Private to envs/sim; immutable once built. */
#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "fluid.h"
#include <maestro/err.h>
#include <maestro/latency.h>
#include <maestro/profile.h>

#define BOUND_GRID 512     /* steps of load per pod in the bound's tables */
#define SERVICE_BUCKETS 30 /* finite histogram bounds at most */

/* Where a latency lies among the bins of a mix: requests within it = low_share * mix[low] + high_share * mix[high]. */
struct latency_place {
    int low, high;
    float low_share, high_share;
};

struct service {
    struct service_profile profile;
    struct latency_table latency;
    struct fluid_table fluid;
    struct latency_place buckets[SERVICE_BUCKETS];
    struct latency_place soft;
    double soft_ms;
    double capacity_rps;                   /* of one warm pod with p95 at most soft_ms */
    float bound[LATENCY_BINS][BOUND_GRID]; /* bound.c */
    float bound_l[LATENCY_BINS];           /* bound.c */
};

/* seed, effort: of the table's measurement. soft_ms <= 0: the profile's. */
MUST_CHECK bool service_build(const struct service_profile *profile, double soft_ms, uint64_t seed, int effort,
                              struct service *out, struct err *e);

/* Everything but the measurement, for tables that come from elsewhere: out->latency is there already. */
void service_derive(const struct service_profile *profile, double soft_ms, struct service *out);

/* Requests of a mix within a place; failed ones never are, except at the time-out. */
static inline double service_within(const float *mix, const struct latency_place *place)
{
    return (double)(place->low_share * mix[place->low] + place->high_share * mix[place->high]);
}

double service_speed(int level);
int service_level(double speed); /* the nearest level, 0 for speeds of 1 and above */

/* bound.c: the tables of sim_bound_p95. */
void bound_build(struct service *s);

/* Where added latency moves a mix: out[LATENCY_BINS] is mix with delay_ms added to every request. */
void service_delay(const struct latency_table *t, const float *mix, double delay_ms, float *out);

#endif
