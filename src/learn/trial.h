/* trial: one policy on one window, start to end. Used by evaluate only. */
#ifndef LEARN_TRIAL_H
#define LEARN_TRIAL_H

#include <maestro/control.h>
#include <maestro/evaluate.h>
#include <maestro/sim.h>

#include "judge.h"

struct trial {
    const char *policy; /* text for registry_open */
    const struct sim_model *model;
    const struct sim_scenario *scenario; /* time 0 is the start of the warm-up */
    const struct control *control;       /* of policies that bring none; its target holds for all */
    const struct judge_rules *rules;
    const struct evaluate_window *window;
    double warm_up_s;
    int n_periods;
    bool exact;
    int flap_budget;             /* 0: none */
    struct evaluate_tile *tiles; /* decisions are added to it; NULL: not wanted */
};

/* rows: [n_periods] filled, or NULL. */
MUST_CHECK bool trial_run(const struct trial *t, struct evaluate_run *out, struct evaluate_period *rows, struct err *e);

#endif
