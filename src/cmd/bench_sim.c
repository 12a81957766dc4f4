/* bench_sim: how fast the simulated cluster and the environment over it run on one core, at 10, 20 and 50 pods with 30 s
 * periods. A step of "sim" is 30 simulated seconds and one look; of "env" also observation, action, guard and reward. */
#include "bench.h"

#include <maestro/microservice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int PODS[] = {10, 20, 50};
enum { SIZES = 3, STEPS = 400 };
static const double PERIOD_S = 30;
static const double SHARE_OF_CAPACITY = 0.6;

/* One size: a model, a cluster that keeps its replicas, and an environment that must. */
struct sim_bench {
    struct service_profile profile;
    struct sim_model *model;
    struct env env;
    void *env_state;
    struct sim_state *state;
    struct sim sim;
    float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    char sim_name[32], env_name[32];
    int users; /* figures that still need it */
};

static void release(void *data)
{
    struct sim_bench *b = data;
    if (--b->users > 0)
        return;
    if (b->env.ops)
        b->env.ops->close(&b->env);
    sim_model_close(b->model);
    free(b->env_state);
    free(b->state);
    free(b);
}

static bool run_sim(void *data, double *units, struct err *e)
{
    struct sim_bench *b = data;
    struct sample sample;
    for (int i = 0; i < STEPS; i++) {
        if (!cluster_advance(&b->sim.cluster, PERIOD_S, e) || !cluster_sample(&b->sim.cluster, false, &sample, e))
            return false;
    }
    *units = STEPS;
    return true;
}

static bool run_env(void *data, double *units, struct err *e)
{
    struct sim_bench *b = data;
    struct env_result result = {0};
    int keep = action_no_op(&microservice_control(&b->env)->actions);
    for (int i = 0; i < STEPS; i++) {
        if (!b->env.ops->step(&b->env, b->env_state, keep, b->obs, b->mask, &result, e))
            return false;
        if ((result.terminated || result.truncated) && !b->env.ops->reset(&b->env, b->env_state, b->obs, b->mask, e))
            return false;
    }
    *units = STEPS;
    return true;
}

static bool open_env(struct sim_bench *b, int pods, struct err *e)
{
    struct microservice_parts parts = {.model = b->model};
    struct config_section sections[] = {
        {"env", "", microservice_config_keys, n_microservice_config_keys, &parts.config},
        {"guard", "", guard_config_keys, n_guard_config_keys, &parts.guard},
        {"reward", "", reward_config_keys, n_reward_config_keys, &parts.reward},
    };
    struct config config;
    if (!config_init(&config, sections, (int)(sizeof sections / sizeof *sections), e))
        return false;
    config_finish(&config);
    parts.config.period_s = PERIOD_S;
    parts.config.min_replicas = parts.config.max_replicas = pods;
    if (!observation_spec_parse(&parts.observation, "default", PERIOD_S, b->profile.measurement.window_s, e) ||
        !microservice_open(&parts, &b->env, e))
        return false;
    b->env_state = aligned_alloc(64, (b->env.spec.state_bytes + 63) / 64 * 64);
    if (!b->env_state)
        return err_set(e, ERR_IO, "out of memory");
    memset(b->env_state, 0, b->env.spec.state_bytes);
    b->env.ops->init(&b->env, b->env_state, 1, 0);
    return b->env.ops->reset(&b->env, b->env_state, b->obs, b->mask, e);
}

static bool open_sim(struct sim_bench *b, int pods, struct err *e)
{
    const struct sim_config config = {.profile = &b->profile,
                                      .n_variants = 1,
                                      .n_threads = 1,
                                      .max_replicas = pods,
                                      .episode_s = 200 * PERIOD_S,
                                      .seed = 1};
    if (!profile_load("web-api", &b->profile, e) || !sim_model_open(&config, &b->model, e))
        return false;
    b->state = aligned_alloc(64, (sim_state_bytes() + 63) / 64 * 64);
    if (!b->state)
        return err_set(e, ERR_IO, "out of memory");
    memset(b->state, 0, sim_state_bytes());
    const struct sim_scenario scenario = {
        .load = {.shape = LOAD_CONSTANT, .base_rps = SHARE_OF_CAPACITY * pods * sim_capacity_rps(b->model, 0)},
        .replicas = pods};
    sim_begin(b->model, b->state, &scenario, 1, 0);
    sim_bind(&b->sim, b->model, b->state);
    return true;
}

bool bench_simulation(struct bench_figure *figures, int *n_figures, struct err *e)
{
    for (int i = 0; i < SIZES; i++) {
        struct sim_bench *b = calloc(1, sizeof *b);
        if (!b)
            return err_set(e, ERR_IO, "out of memory");
        b->users = 2;
        snprintf(b->sim_name, sizeof b->sim_name, "simulation %d pods", PODS[i]);
        snprintf(b->env_name, sizeof b->env_name, "environment %d pods", PODS[i]);
        figures[(*n_figures)++] = (struct bench_figure){b->sim_name, "steps/s", 1, 0, run_sim, release, b};
        figures[(*n_figures)++] = (struct bench_figure){b->env_name, "steps/s", 1, 0, run_env, release, b};
        if (!open_sim(b, PODS[i], e) || !open_env(b, PODS[i], e))
            return false;
    }
    return true;
}
