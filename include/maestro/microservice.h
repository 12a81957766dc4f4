/* microservice: the learning environment over the simulated cluster: one episode is one service under one load, one step
 * one control period. Observation, mask, guard and reward are control's, so what is learnt here is what is served. Flat
 * state: the simulator's block, the control state and the last step. */
#ifndef MAESTRO_MICROSERVICE_H
#define MAESTRO_MICROSERVICE_H

#include <maestro/config.h>
#include <maestro/control.h>
#include <maestro/env.h>
#include <maestro/reward.h>
#include <maestro/sim.h>

enum microservice_judge { JUDGE_MEASURED, JUDGE_TRUE };

/* Section "env". Features, guard, reward and simulator have sections of their own. */
struct microservice_config {
    int max_steps;   /* episode length */
    double period_s; /* control period, whole seconds */
    struct config_list actions;
    int min_replicas;
    int max_replicas;
    int max_replicas_low;   /* the episode's max is drawn from max_replicas_low..max_replicas; 0: always max_replicas */
    double latency_soft_ms; /* 0: the service profile's; negative or NaN ("off"): unset */
    double latency_hard_ms;
    bool masks;
    bool end_on_hard; /* preset seed: a hard violation terminates the episode */
    double warm_up_s; /* virtual time before the first observation, so that windows are filled */
    int judge;        /* enum microservice_judge: reward and cost from measured signals or from the true requests */
};
extern const struct config_key microservice_config_keys[];
extern const int n_microservice_config_keys;

/* Keys that contradict each other: ERR_USAGE names them. */
MUST_CHECK bool microservice_config_check(const struct microservice_config *c, struct err *e);

/* One row of steps.csv. */
struct microservice_step {
    uint64_t stream;                     /* which copy */
    int episode, step;                   /* from 1 */
    int delta;                           /* of the action, before limits and guard */
    const struct journal_record *record; /* signals, action, guard, replicas */
    const struct reward_terms *terms;    /* measured */
    const struct reward_terms *truth;    /* without the change penalty, which is taken off what is learnt from */
};

/* Everything the environment is made of; copied, the model borrowed for the environment's life. */
struct microservice_parts {
    struct microservice_config config;
    struct observation_spec observation;
    struct guard_config guard;
    struct reward_config reward;
    const struct sim_model *model;
    void (*on_step)(void *arg, const struct microservice_step *row); /* NULL: none; called from the stepping thread */
    void *on_step_arg;
};

/* out is closed with env_ops close. ERR_USAGE names the key that does not fit. */
MUST_CHECK bool microservice_open(const struct microservice_parts *parts, struct env *out, struct err *e);

/* The control settings of the environment, for the policy file and for evaluation. */
const struct control *microservice_control(const struct env *env);

#endif
