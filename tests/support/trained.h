/* trained: a small policy file with random weights, for tests of what serves one. */
#ifndef TESTS_TRAINED_H
#define TESTS_TRAINED_H

#include <maestro/policyfile.h>
#include <maestro/rng.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline float *trained_weights(const struct mlp_shape *shape, struct rng *rng)
{
    size_t n = mlp_parameter_count(shape);
    float *p = malloc(n * sizeof *p);
    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < n; i++)
        p[i] = 0.3f * (float)rng_normal(rng);
    return p;
}

/* One policy per seed over these features; three actions, 1 to 20 replicas, soft 200 ms, hard 400 ms, every 15 s. */
static inline void trained_make(struct policy_file *f, const char *features, uint64_t seed)
{
    struct rng rng;
    struct err e = {0};
    rng_init(&rng, seed, 1);
    *f = (struct policy_file){.obs_clip = 10, .scrape_s = 15, .window_s = 60, .quantile = 0.95, .seed = seed};
    ck_assert_msg(observation_spec_parse(&f->control.observation, features, 15, 45, &e), "%s", e.message);
    f->control.actions = (struct action_set){.n = 3, .delta = {-1, 0, 1}};
    f->control.target = (struct target){
        .name = "web-api", .min_replicas = 1, .max_replicas = 20, .latency_soft_ms = 200, .latency_hard_ms = 400};
    f->control.guard = (struct guard_config){.enabled = true, .rate_up = 4};
    f->control.period_s = 15;
    f->control.masks = true;
    int d = f->control.observation.n;
    f->actor = (struct mlp_shape){.n_in = d, .n_hidden = 2, .hidden = {64, 64}, .n_out = 3};
    f->critic = (struct mlp_shape){.n_in = d, .n_hidden = 2, .hidden = {64, 64}, .n_out = 1};
    f->actor_parameters = trained_weights(&f->actor, &rng);
    f->critic_parameters = trained_weights(&f->critic, &rng);
    for (int i = 0; i < d; i++) {
        f->obs_var[i] = 1.0f;
        f->obs_low[i] = -10.0f;
        f->obs_high[i] = 10.0f;
    }
    snprintf(f->version, sizeof f->version, "0.1.0");
}

/* The same, written to path. */
static inline void trained_write(const char *path, const char *features, uint64_t seed)
{
    struct policy_file f;
    struct err e = {0};
    trained_make(&f, features, seed);
    ck_assert_msg(policyfile_save(&f, path, &e), "%s", e.message);
    policyfile_finish(&f);
}

#endif
