/* calibrate_measure: puts one live target under the loads and replica counts that a calibration needs, and reads what
 * Prometheus kept of it. */
#ifndef CMD_CALIBRATE_MEASURE_H
#define CMD_CALIBRATE_MEASURE_H

#include <maestro/calibrate.h>
#include <maestro/config.h>
#include <maestro/disturb.h>

#include "live_site.h"

/* Section "calibrate". */
struct calibrate_plan {
    double rate_rps; /* of the highest step, for one pod */
    int steps;
    double step_s;
    int replicas, starts; /* counts that are started, and how often */
    double hold_s, light_rps, idle_s, settle_s, wait_s;
    double node_cores, timeout_ms;
    int check_replicas;
    double window_s;
};
extern const struct config_key calibrate_plan_keys[];
extern const int n_calibrate_plan_keys;

/* All borrowed. */
struct measure_wish {
    const struct calibrate_plan *plan;
    const struct settings_live *live;
    const struct live_prometheus *prometheus;
    const struct live_kubernetes *kubernetes;
    const struct disturb_load *load;
    const char *log; /* of the load program */
    const char *out; /* beside this file lies the record of the count that the target gets back */
    bool check;      /* staircases at 1, 2, ... pods instead of one staircase and starts */
    const volatile sig_atomic_t *stop;
    void (*tell)(const char *what); /* what begins now */
};

/* However it ends, load is ended and the target has its replica count again; where it has not, e says so. A killed one
 * is made up for by the next one with the same record. */
MUST_CHECK bool measure_target(const struct measure_wish *wish, struct history *out, struct calibrate_facts *facts,
                               struct err *e);

#endif
