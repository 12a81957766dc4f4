/* The environment over the simulated cluster: episodes, masks, determinism, presets' corners. */
#include "suite.h"

#include <maestro/microservice.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct service_profile profile;
    struct sim_model *model;
    struct microservice_parts parts;
    struct env env;
};

static struct microservice_config defaults(void)
{
    return (struct microservice_config){.max_steps = 200,
                                        .period_s = 15,
                                        .actions = {.n = 6, .v = {-2, -1, 0, 1, 2, 4}},
                                        .min_replicas = 1,
                                        .max_replicas = 20,
                                        .masks = true,
                                        .warm_up_s = 300};
}

static void open_bench(struct bench *b, const struct microservice_config *config, const char *features, bool guard)
{
    struct err e = {0};
    profile_default(&b->profile);
    struct sim_config sim = {.profile = &b->profile,
                             .n_variants = 2,
                             .max_replicas = config->max_replicas,
                             .episode_s = 200 * 15 + 400,
                             .seed = 1};
    ck_assert_msg(sim_model_open(&sim, &b->model, &e), "%s", e.message);
    b->parts = (struct microservice_parts){.config = *config,
                                           .guard = {.enabled = guard, .flap_budget = 4},
                                           .reward = {.weight_replicas = 0.3, .weight_latency = 0.7},
                                           .model = b->model};
    ck_assert(observation_spec_parse(&b->parts.observation, features, config->period_s, 45, &e));
    ck_assert_msg(microservice_open(&b->parts, &b->env, &e), "%s", e.message);
}

static void close_bench(struct bench *b)
{
    b->env.ops->close(&b->env);
    sim_model_close(b->model);
}

static void *new_state(const struct env *env, uint64_t seed, uint64_t stream)
{
    size_t bytes = (env->spec.state_bytes + 63) / 64 * 64;
    void *state = aligned_alloc(64, bytes);
    memset(state, 0, bytes);
    env->ops->init(env, state, seed, stream);
    return state;
}

static int pick(struct rng *rng, const unsigned char *mask, int n)
{
    for (;;) {
        int action = (int)rng_bounded(rng, (uint32_t)n);
        if (mask[action])
            return action;
    }
}

/* n_steps random allowed steps, resetting at ends; the sum of rewards, and the last observation in obs. */
static double walk(const struct env *env, void *state, int n_steps, uint64_t seed, float *obs)
{
    unsigned char mask[ACTIONS_LIMIT];
    struct env_result result = {.truncated = true};
    struct rng rng;
    double sum = 0;
    rng_init(&rng, seed, 9);
    for (int i = 0; i < n_steps; i++) {
        if (result.terminated || result.truncated)
            ck_assert(env->ops->reset(env, state, obs, mask, NULL));
        ck_assert(env->ops->step(env, state, pick(&rng, mask, env->spec.n_actions), obs, mask, &result, NULL));
        for (int k = 0; k < env->spec.obs_dim; k++)
            if (!isfinite(obs[k]))
                ck_abort_msg("feature %d is not finite at step %d", k, i);
        if (!(result.reward <= 1.0f && result.reward >= -0.7f) || (result.cost != 0 && result.cost != 1))
            ck_abort_msg("reward %g, cost %g", (double)result.reward, (double)result.cost);
        sum += (double)result.reward;
    }
    return sum;
}

START_TEST(an_episode_is_cut_after_its_steps)
{
    static struct bench b;
    struct microservice_config config = defaults();
    float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct env_result r;
    struct env_episode episode;
    double violations = 0;
    open_bench(&b, &config, "default", true);
    void *state = new_state(&b.env, 1, 0);
    ck_assert(b.env.ops->reset(&b.env, state, obs, mask, NULL));
    for (int i = 1; i <= 200; i++) {
        ck_assert(b.env.ops->step(&b.env, state, 2, obs, mask, &r, NULL));
        ck_assert(!r.terminated);
        ck_assert_int_eq(r.truncated, i == 200);
        violations += (double)r.cost;
    }
    b.env.ops->episode(&b.env, state, &episode);
    ck_assert_double_eq_tol(episode.slo_violation, violations / 200, 1e-12);
    ck_assert_double_eq(episode.scale_actions, 0);
    ck_assert(episode.replicas_mean >= 1 && episode.replicas_mean <= 20);
    ck_assert(episode.reward_true > -1 && episode.reward_true < 1);
    ck_assert(!b.env.ops->step(&b.env, state, 6, obs, mask, &r, NULL)); // no such action
    free(state);
    close_bench(&b);
}
END_TEST

START_TEST(same_seed_same_bytes_and_a_copy_goes_on_alike)
{
    static struct bench b;
    struct microservice_config config = defaults();
    float one[OBSERVATION_LIMIT], two[OBSERVATION_LIMIT];
    config.max_steps = 60;
    open_bench(&b, &config, "all", true);
    void *first = new_state(&b.env, 3, 4), *second = new_state(&b.env, 3, 4), *other = new_state(&b.env, 3, 5);
    double a = walk(&b.env, first, 150, 1, one), c = walk(&b.env, second, 150, 1, two);
    ck_assert_double_eq(a, c);
    ck_assert_mem_eq(one, two, sizeof(float) * (size_t)b.env.spec.obs_dim);
    ck_assert_mem_eq(first, second, b.env.spec.state_bytes);
    ck_assert_double_ne(a, walk(&b.env, other, 150, 1, two));
    memcpy(other, first, b.env.spec.state_bytes); // a checkpoint
    ck_assert_double_eq(walk(&b.env, first, 100, 2, one), walk(&b.env, other, 100, 2, two));
    ck_assert_mem_eq(first, other, b.env.spec.state_bytes);
    free(first);
    free(second);
    free(other);
    close_bench(&b);
}
END_TEST

START_TEST(masks_follow_the_limits_and_can_be_off)
{
    for (int masks = 0; masks < 2; masks++) {
        static struct bench b;
        struct microservice_config config = defaults();
        float obs[OBSERVATION_LIMIT];
        unsigned char mask[ACTIONS_LIMIT];
        struct env_result r;
        config.masks = masks;
        open_bench(&b, &config, "replicas,default", true);
        void *state = new_state(&b.env, 1, 0);
        ck_assert(b.env.ops->reset(&b.env, state, obs, mask, NULL));
        for (int i = 0; i < 20; i++)
            ck_assert(b.env.ops->step(&b.env, state, 5, obs, mask, &r, NULL));
        ck_assert_double_eq_tol((double)obs[0], 1, 1e-6); // at max, and not beyond
        ck_assert_int_eq(mask[5], !masks);
        ck_assert_int_eq(mask[0], 1);
        free(state);
        close_bench(&b);
    }
}
END_TEST

START_TEST(the_max_is_drawn_where_asked)
{
    static struct bench b;
    struct microservice_config config = defaults();
    float obs[OBSERVATION_LIMIT], low = 100, high = 0;
    unsigned char mask[ACTIONS_LIMIT];
    config.max_replicas_low = 5;
    config.warm_up_s = 90;
    open_bench(&b, &config, "max_log", true);
    void *state = new_state(&b.env, 1, 0);
    for (int i = 0; i < 30; i++) {
        ck_assert(b.env.ops->reset(&b.env, state, obs, mask, NULL));
        low = obs[0] < low ? obs[0] : low;
        high = obs[0] > high ? obs[0] : high;
    }
    ck_assert_double_ge((double)low, log2(5) / 4 - 1e-5);
    ck_assert_double_le((double)high, log2(20) / 4 + 1e-5);
    ck_assert_double_gt((double)(high - low), 0.2);
    free(state);
    close_bench(&b);
}
END_TEST

/* One replica of 15, both limits unset: 0.3 x 14/15 a step, 56.00 an episode. Within float rounding of 200 rewards. */
START_TEST(one_replica_unconstrained_gives_56)
{
    static struct bench b;
    struct microservice_config config = defaults();
    float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct env_result r;
    double sum = 0;
    config.actions = (struct config_list){.n = 3, .v = {-1, 0, 1}};
    config.max_replicas = 15;
    config.latency_soft_ms = config.latency_hard_ms = -1;
    config.masks = false;
    config.end_on_hard = true;
    open_bench(&b, &config, "raw5", false);
    void *state = new_state(&b.env, 1, 0);
    ck_assert(b.env.ops->reset(&b.env, state, obs, mask, NULL));
    for (int i = 0; i < 14; i++)
        ck_assert(b.env.ops->step(&b.env, state, 0, obs, mask, &r, NULL));
    for (int i = 0; i < 186; i++) {
        ck_assert(b.env.ops->step(&b.env, state, 0, obs, mask, &r, NULL)); // below min: clamped, not an end
        ck_assert(!r.terminated);
        sum += (double)r.reward;
    }
    ck_assert_double_eq_tol(sum / 186 * 200, 56.0, 1e-4);
    ck_assert_double_eq((double)obs[2], 1);
    free(state);
    close_bench(&b);
}
END_TEST

START_TEST(a_hard_violation_ends_where_configured)
{
    for (int ends = 0; ends < 2; ends++) {
        static struct bench b;
        struct microservice_config config = defaults();
        float obs[OBSERVATION_LIMIT];
        unsigned char mask[ACTIONS_LIMIT];
        struct env_result r = {0};
        config.latency_soft_ms = 0.1; // no request is that fast
        config.latency_hard_ms = 0.2;
        config.end_on_hard = ends;
        open_bench(&b, &config, "default", true);
        void *state = new_state(&b.env, 1, 0);
        ck_assert(b.env.ops->reset(&b.env, state, obs, mask, NULL));
        for (int i = 0; i < 10 && !r.terminated; i++)
            ck_assert(b.env.ops->step(&b.env, state, 2, obs, mask, &r, NULL));
        ck_assert_int_eq(r.terminated, ends);
        ck_assert(!r.truncated);
        ck_assert_double_eq((double)r.cost, 1);
        free(state);
        close_bench(&b);
    }
}
END_TEST

static void count_rows(void *arg, const struct microservice_step *row)
{
    int *n = arg;
    ck_assert_int_eq(row->step, *n + 1);
    ck_assert_int_gt(row->record->n_features, 0);
    ck_assert(isfinite(row->terms->reward) && isfinite(row->truth->reward));
    ++*n;
}

START_TEST(steps_are_reported_when_asked)
{
    static struct bench b;
    struct microservice_config config = defaults();
    struct env env;
    float obs[OBSERVATION_LIMIT];
    int n = 0;
    open_bench(&b, &config, "default", true);
    b.parts.on_step = count_rows;
    b.parts.on_step_arg = &n;
    ck_assert(microservice_open(&b.parts, &env, NULL));
    void *state = new_state(&env, 1, 0);
    walk(&env, state, 40, 1, obs);
    ck_assert_int_eq(n, 40);
    free(state);
    env.ops->close(&env);
    close_bench(&b);
}
END_TEST

struct first_steps {
    int n;
};

/* No request is within the soft limit here: whatever was seen last before the first step, if anything, was over it. */
static void check_first_step(void *arg, const struct microservice_step *row)
{
    struct first_steps *found = arg;
    if (row->step != 1 || row->record->sample.signals[SIGNAL_P95].validity != VALIDITY_VALID)
        return;
    found->n++;
    ck_assert_msg(row->terms->cost > 0, "episode %d: an unseen latency counts as a good one", row->episode);
}

/* Prometheus goes down some times a minute. A first step that sees no latency is judged by the last look before it. */
START_TEST(blindness_at_the_start_is_not_rewarded)
{
    static struct bench b;
    struct microservice_config config = defaults();
    struct first_steps found = {0};
    float obs[OBSERVATION_LIMIT];
    struct env env;
    config.max_steps = 2;
    config.warm_up_s = 120;
    config.latency_soft_ms = 1e-6;
    config.latency_hard_ms = 1e7;
    open_bench(&b, &config, "default", true);
    sim_model_close(b.model);
    b.profile.faults.kinds[FAULT_PROMETHEUS_DOWN] = (struct fault_rate){.probability = 1, .duration_s = 30};
    struct sim_config sim = {
        .profile = &b.profile, .n_variants = 1, .max_replicas = 20, .episode_s = 400, .faults = true, .seed = 1};
    ck_assert(sim_model_open(&sim, &b.model, NULL));
    b.parts.model = b.model;
    b.parts.on_step = check_first_step;
    b.parts.on_step_arg = &found;
    ck_assert(microservice_open(&b.parts, &env, NULL));
    void *state = new_state(&env, 1, 0);
    walk(&env, state, 400, 1, obs);
    ck_assert_int_gt(found.n, 50);
    free(state);
    env.ops->close(&env);
    close_bench(&b);
}
END_TEST

static void note_change(void *arg, const struct microservice_step *row)
{
    const struct journal_record *r = row->record;
    *(int *)arg = r->written ? abs(r->guard.replicas - r->guard.from) : 0;
}

/* The same steps without and with a penalty, judged by the truth: only what is learnt from differs, by the penalty. */
START_TEST(changes_cost_under_the_true_judge_too)
{
    static struct bench b;
    struct microservice_config config = defaults();
    float obs[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct env dear;
    struct env_result free_step, dear_step;
    struct env_episode one, two;
    int change = 0, n_changed = 0;
    config.judge = JUDGE_TRUE;
    open_bench(&b, &config, "default", true);
    b.parts.reward.change_penalty = 0.5;
    b.parts.on_step = note_change;
    b.parts.on_step_arg = &change;
    ck_assert(microservice_open(&b.parts, &dear, NULL));
    void *first = new_state(&b.env, 1, 0), *second = new_state(&dear, 1, 0);
    ck_assert(b.env.ops->reset(&b.env, first, obs, mask, NULL) && dear.ops->reset(&dear, second, obs, mask, NULL));
    for (int i = 0; i < 40; i++) {
        int action = i % 2 ? 4 : 1; // up by 2, down by 1
        ck_assert(b.env.ops->step(&b.env, first, action, obs, mask, &free_step, NULL));
        ck_assert(dear.ops->step(&dear, second, action, obs, mask, &dear_step, NULL));
        /* 1e-6: rewards are floats */
        ck_assert_double_eq_tol((double)(free_step.reward - dear_step.reward), 0.5 * change / 20, 1e-6);
        n_changed += change > 0;
    }
    b.env.ops->episode(&b.env, first, &one);
    dear.ops->episode(&dear, second, &two);
    ck_assert_double_eq(one.reward_true, two.reward_true);
    ck_assert_int_gt(n_changed, 10);
    free(first);
    free(second);
    dear.ops->close(&dear);
    close_bench(&b);
}
END_TEST

START_TEST(bad_settings_are_refused_by_key)
{
    static const char *const KEYS[] = {"period_s", "min_replicas",    "max_replicas_low", "latency_soft_ms",
                                       "actions",  "latency_soft_ms", "latency_hard_ms",  "guard.rate_period_s"};
    static struct bench b;
    struct microservice_config config = defaults();
    open_bench(&b, &config, "default", true);
    for (int i = 0; i < 8; i++) {
        struct microservice_parts parts = b.parts;
        struct env env;
        struct err e = {0};
        parts.config.period_s = i == 0 ? 15.5 : 15;
        parts.config.min_replicas = i == 1 ? 21 : 1;
        parts.config.max_replicas_low = i == 2 ? 30 : 0;
        parts.config.latency_soft_ms = i == 3 ? 500 : i == 5 ? 501 : 0; // the profile: 150 and 500
        parts.config.latency_hard_ms = i == 3 ? 400 : i == 6 ? 149 : 0;
        parts.config.actions.n = i == 4 ? 1 : 6; // {-2}: no 0
        parts.guard.rate_period_s = i == 7 ? 961 : 960;
        ck_assert_msg(!microservice_open(&parts, &env, &e), "%s was taken", KEYS[i]);
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert_msg(strstr(e.message, KEYS[i]), "'%s' does not name %s", e.message, KEYS[i]);
    }
    ck_assert_int_eq(microservice_control(&b.env)->guard.flap_budget, 4); // kept for serving
    close_bench(&b);
}
END_TEST

SUITE("microservice", an_episode_is_cut_after_its_steps, same_seed_same_bytes_and_a_copy_goes_on_alike,
      masks_follow_the_limits_and_can_be_off, the_max_is_drawn_where_asked, one_replica_unconstrained_gives_56,
      a_hard_violation_ends_where_configured, steps_are_reported_when_asked, blindness_at_the_start_is_not_rewarded,
      changes_cost_under_the_true_judge_too, bad_settings_are_refused_by_key)
