/* simulate: what the tests of the simulated cluster share: a model of a profile, a state, a run. */
#ifndef TESTS_SIMULATE_H
#define TESTS_SIMULATE_H

#include <maestro/sim.h>

#include <check.h>
#include <stdlib.h>

struct simulated {
    struct service_profile profile;
    struct sim_model *model;
    struct sim_state *state;
    struct sim sim;
};

/* A profile without anything random but the pods' own spread: no drift, no gaps. */
static inline void simulated_profile(struct simulated *s, const char *name)
{
    struct err e = {0};
    ck_assert_msg(profile_load(name, &s->profile, &e), "%s", e.message);
    s->profile.service.drift = 0;
    s->profile.measurement.gap_probability = 0;
}

static inline void simulated_open(struct simulated *s, int n_variants)
{
    struct err e = {0};
    struct sim_config config = {.profile = &s->profile,
                                .n_variants = n_variants,
                                .n_threads = 2,
                                .max_replicas = 20,
                                .episode_s = 3600,
                                .seed = 7};
    ck_assert_msg(sim_model_open(&config, &s->model, &e), "%s", e.message);
    s->state = aligned_alloc(64, sim_state_bytes());
    ck_assert_ptr_nonnull(s->state);
    sim_bind(&s->sim, s->model, s->state);
}

static inline void simulated_close(struct simulated *s)
{
    sim_model_close(s->model);
    free(s->state);
}

static inline void simulated_advance(struct simulated *s, double seconds)
{
    ck_assert(cluster_advance(&s->sim.cluster, seconds, NULL));
}

static inline void simulated_scale(struct simulated *s, int replicas)
{
    ck_assert(cluster_scale(&s->sim.cluster, replicas, NULL));
}

static inline struct sample simulated_sample(struct simulated *s, bool with_pods)
{
    struct sample sample = {0};
    ck_assert(cluster_sample(&s->sim.cluster, with_pods, &sample, NULL));
    return sample;
}

static inline struct sim_truth simulated_truth(struct simulated *s)
{
    struct sim_truth truth;
    sim_truth_take(&s->sim, &truth);
    return truth;
}

/* What truly happened in so many seconds, once it has settled. */
static inline struct sim_truth simulated_observe(struct sim *sim, double settle_s, double seconds)
{
    struct sim_truth truth;
    ck_assert(cluster_advance(&sim->cluster, settle_s, NULL));
    sim_truth_take(sim, &truth);
    ck_assert(cluster_advance(&sim->cluster, seconds, NULL));
    sim_truth_take(sim, &truth);
    return truth;
}

#endif
