/* The trainer against the formulas: every gradient of both networks against central differences of a plain
 * double-precision loss, over shapes, activations, masks, clipping and entropy; then what an update promises besides:
 * the same bytes for any number of threads, state that round-trips, and a refusal of numbers that are not finite. */
#include <maestro/ppo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

#define PARAMETERS 20000
#define WIDTH 128
#define ACTIONS 16

struct fixture {
    struct ppo_config config;
    struct ppo ppo;
    struct rollout rollout;
    struct arena arena;
};

static float actor[PARAMETERS], critic[PARAMETERS], actor_gradient[PARAMETERS], critic_gradient[PARAMETERS];
static double actor_exact[PARAMETERS], critic_exact[PARAMETERS];

static void carve(struct fixture *f, int obs_dim, int n_actions, struct arena *arena)
{
    ppo_carve(&f->ppo, &f->config, obs_dim, n_actions, arena);
    f->rollout = (struct rollout){
        .n_steps = f->config.n_steps, .n_envs = f->config.n_envs, .obs_dim = obs_dim, .n_actions = n_actions};
    rollout_carve(&f->rollout, arena);
}

/* A rollout of noise whose ratios, values and advantages lie on both sides of every clip. */
static void fill(struct fixture *f, bool masked, uint64_t seed)
{
    struct rollout *r = &f->rollout;
    struct rng rng;
    rng_init(&rng, seed, 77);
    const int rows = r->n_steps * r->n_envs;
    for (int i = 0; i < (rows + r->n_envs) * r->obs_dim; i++)
        r->obs[i] = (float)rng_normal(&rng);
    for (int i = 0; i < rows; i++) {
        r->actions[i] = (int32_t)rng_bounded(&rng, (uint32_t)r->n_actions);
        r->rewards[i] = (float)rng_normal(&rng);
        r->log_probs[i] = (float)(-log(r->n_actions) + 0.4 * rng_normal(&rng));
        r->advantages[i] = (float)(1.0 + 2.0 * rng_normal(&rng));
        for (int a = 0; masked && a < r->n_actions; a++)
            r->masks[i * r->n_actions + a] = a == r->actions[i] || rng_double(&rng) < 0.5;
    }
    ppo_critic(&f->ppo, r->obs, rows, r->values);
    for (int i = 0; i < rows; i++) {
        r->values[i] += (float)(0.3 * rng_normal(&rng));
        r->returns[i] = r->values[i] + r->advantages[i];
    }
}

static void open_fixture(struct fixture *f, int obs_dim, int n_actions, bool masked, uint64_t seed)
{
    struct err e = {0};
    struct arena plan = {0};
    ck_assert_msg(ppo_config_check(&f->config, obs_dim, n_actions, &e), "%s", e.message);
    carve(f, obs_dim, n_actions, &plan);
    ck_assert_msg(arena_init(&f->arena, plan.used, &e), "%s", e.message);
    carve(f, obs_dim, n_actions, &f->arena);
    ck_assert_msg(ppo_init(&f->ppo, seed, &e), "%s", e.message);
    /* larger heads than the initial ones, so that probabilities differ, and biases that are not zero */
    struct rng rng;
    rng_init(&rng, seed, 78);
    ppo_parameters_get(&f->ppo, actor, critic);
    for (size_t i = 0; i < mlp_parameter_count(&f->ppo.actor_shape); i++)
        actor[i] += (float)rng_uniform(&rng, -0.3, 0.3);
    for (size_t i = 0; i < mlp_parameter_count(&f->ppo.critic_shape); i++)
        critic[i] += (float)rng_uniform(&rng, -0.3, 0.3);
    ppo_parameters_set(&f->ppo, actor, critic);
    fill(f, masked, seed);
}

static void forward(const struct mlp_shape *shape, const double *parameters, const float *x, double *out)
{
    double in[WIDTH], next[WIDTH];
    for (int i = 0; i < shape->n_in; i++)
        in[i] = (double)x[i];
    for (int l = 0; l <= shape->n_hidden; l++) {
        const int n_in = mlp_layer_inputs(shape, l), n_out = mlp_layer_outputs(shape, l);
        const double *w = parameters + mlp_weight_offset(shape, l), *b = parameters + mlp_bias_offset(shape, l);
        for (int o = 0; o < n_out; o++) {
            double sum = b[o];
            for (int i = 0; i < n_in; i++)
                sum += in[i] * w[o * n_in + i];
            next[o] = l == shape->n_hidden ? sum : shape->activation == MLP_TANH ? tanh(sum) : fmax(sum, 0.0);
        }
        memcpy(in, next, sizeof in);
    }
    memcpy(out, in, (size_t)shape->n_out * sizeof *out);
}

static double advantage(const struct fixture *f, int row)
{
    const struct rollout *r = &f->rollout;
    const int n = r->n_steps * r->n_envs;
    double mean = 0.0, squares = 0.0;
    for (int i = 0; i < n; i++)
        mean += (double)r->advantages[i] / n;
    for (int i = 0; i < n; i++)
        squares += pow((double)r->advantages[i] - mean, 2.0);
    return f->config.normalize_advantage ? ((double)r->advantages[row] - mean) / (sqrt(squares / (n - 1)) + 1e-8)
                                         : (double)r->advantages[row];
}

/* -min(ratio A, clip(ratio) A) - c H of one row. */
static double actor_row(const struct fixture *f, int row, double advantage_now)
{
    const struct rollout *r = &f->rollout;
    double z[ACTIONS], sum = 0.0, entropy = 0.0;
    forward(&f->ppo.actor_shape, actor_exact, r->obs + row * r->obs_dim, z);
    const unsigned char *mask = r->masks + row * r->n_actions;
    for (int a = 0; a < r->n_actions; a++)
        sum += mask[a] ? exp(z[a]) : 0.0;
    for (int a = 0; a < r->n_actions; a++)
        entropy -= mask[a] ? exp(z[a]) / sum * (z[a] - log(sum)) : 0.0;
    const double ratio = exp(z[r->actions[row]] - log(sum) - (double)r->log_probs[row]);
    const double clipped = fmin(fmax(ratio, 1.0 - f->config.clip_range), 1.0 + f->config.clip_range);
    return -fmin(ratio * advantage_now, clipped * advantage_now) - f->config.ent_coef * entropy;
}

static double critic_row(const struct fixture *f, int row)
{
    const struct rollout *r = &f->rollout;
    double value = 0.0;
    forward(&f->ppo.critic_shape, critic_exact, r->obs + row * r->obs_dim, &value);
    const double old = (double)r->values[row], c = f->config.clip_range_vf;
    if (!isnan(c))
        value = old + fmin(fmax(value - old, -c), c);
    return f->config.vf_coef * pow((double)r->returns[row] - value, 2.0);
}

static double loss(const struct fixture *f, bool of_actor, const double *advantages)
{
    const int n = f->rollout.n_steps * f->rollout.n_envs;
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += of_actor ? actor_row(f, i, advantages[i]) : critic_row(f, i);
    return sum / n;
}

/* Central differences with h = 1e-6 are good to about 1e-9 in double; float gradients of size one to some 1e-6. A wrong
 * sign, index or missing term is far larger. */
static void compare(const struct fixture *f, bool of_actor, const float *gradient, const char *what)
{
    const struct mlp_shape *shape = of_actor ? &f->ppo.actor_shape : &f->ppo.critic_shape;
    double *exact = of_actor ? actor_exact : critic_exact;
    double advantages[256];
    for (int i = 0; i < f->rollout.n_steps * f->rollout.n_envs; i++)
        advantages[i] = advantage(f, i);
    double size = 0.0;
    for (size_t i = 0; i < mlp_parameter_count(shape); i++) {
        const double keep = exact[i];
        exact[i] = keep + 1e-6;
        const double above = loss(f, of_actor, advantages);
        exact[i] = keep - 1e-6;
        const double below = loss(f, of_actor, advantages);
        exact[i] = keep;
        const double right = (above - below) / 2e-6;
        if (!(fabs((double)gradient[i] - right) <= 5e-6 * (1.0 + fabs(right))))
            ck_abort_msg("%s, %s parameter %zu: %.9g, central difference %.9g", what, of_actor ? "actor" : "critic", i,
                         (double)gradient[i], right);
        size += fabs(right);
    }
    ck_assert_msg(size > 1e-3, "%s: the gradient is nowhere different from zero", what);
}

/* What varies between the gradient checks. */
static const struct gradient_case {
    const char *name;
    int obs_dim, n_actions;
    struct config_list actor, critic;
    int activation;
    bool masked, normalise;
    double ent_coef, clip_range_vf;
    int n_steps, n_envs;
    const char *kernel;
} gradient_cases[] = {
    {"tanh 64x64", 5, 3, {2, {64, 64}}, {2, {64, 64}}, MLP_TANH, false, true, 0.0, -1.0, 4, 3, "auto"},
    {"tanh odd widths, masks, entropy, value clip",
     7,
     5,
     {3, {17, 9, 33}},
     {2, {50, 3}},
     MLP_TANH,
     true,
     true,
     0.02,
     0.2,
     23,
     3,
     "auto"},
    {"relu odd widths, masks, entropy, value clip",
     4,
     7,
     {2, {21, 35}},
     {3, {9, 16, 20}},
     MLP_RELU,
     true,
     true,
     0.05,
     0.3,
     40,
     2,
     "auto"},
    {"relu one layer, raw advantages", 3, 2, {1, {16}}, {1, {13}}, MLP_RELU, false, false, 0.01, -1.0, 40, 1, "auto"},
    {"tanh six layers",
     2,
     4,
     {6, {5, 6, 7, 8, 9, 10}},
     {6, {16, 1, 16, 2, 3, 4}},
     MLP_TANH,
     true,
     true,
     0.01,
     0.1,
     11,
     2,
     "auto"},
    {"tanh odd widths by the scalar twin",
     7,
     5,
     {2, {17, 33}},
     {2, {50, 3}},
     MLP_TANH,
     true,
     true,
     0.02,
     0.2,
     23,
     3,
     "scalar"},
    {"relu odd widths by the portable kernel",
     4,
     7,
     {2, {21, 35}},
     {2, {9, 20}},
     MLP_RELU,
     true,
     true,
     0.05,
     0.3,
     40,
     2,
     "portable"},
};

START_TEST(gradients_are_central_differences)
{
    const struct gradient_case *g = &gradient_cases[_i];
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct fixture f = {0};
        struct err e = {0};
        struct ppo_stats stats;
        ppo_config_defaults(&f.config);
        f.config.n_steps = g->n_steps;
        f.config.n_envs = g->n_envs;
        f.config.batch_size = g->n_steps * g->n_envs;
        f.config.n_epochs = 1;
        f.config.net_arch_pi = g->actor;
        f.config.net_arch_vf = g->critic;
        f.config.activation_fn = g->activation;
        f.config.normalize_advantage = g->normalise;
        f.config.ent_coef = g->ent_coef;
        f.config.clip_range_vf = g->clip_range_vf < 0.0 ? (double)NAN : g->clip_range_vf;
        snprintf(f.config.kernel, sizeof f.config.kernel, "%s", g->kernel);
        open_fixture(&f, g->obs_dim, g->n_actions, g->masked, seed);
        for (int i = 0; i < PARAMETERS; i++) {
            actor_exact[i] = (double)actor[i];
            critic_exact[i] = (double)critic[i];
        }
        ck_assert_msg(ppo_update(&f.ppo, &f.rollout, 1.0, NULL, &stats, &e), "%s", e.message);
        ck_assert_double_gt(stats.clip_fraction, 0.0);
        ck_assert_double_lt(stats.clip_fraction, 1.0);
        ppo_gradients_get(&f.ppo, actor_gradient, critic_gradient);
        compare(&f, true, actor_gradient, g->name);
        compare(&f, false, critic_gradient, g->name);
        arena_finish(&f.arena);
    }
}
END_TEST

static void standard(struct fixture *f, const char *kernel)
{
    *f = (struct fixture){0};
    ppo_config_defaults(&f->config);
    f->config.n_steps = 50;
    f->config.n_envs = 4;
    f->config.batch_size = 48;
    f->config.n_epochs = 3;
    f->config.ent_coef = 0.01;
    snprintf(f->config.kernel, sizeof f->config.kernel, "%s", kernel);
    open_fixture(f, 6, 5, true, 11);
}

START_TEST(any_number_of_threads_gives_the_same_bytes)
{
    static const int sizes[] = {2, 4};
    struct fixture alone, together;
    struct err e = {0};
    struct ppo_stats a, b;
    for (int i = 0; i < 2; i++) {
        standard(&alone, "auto");
        standard(&together, "auto");
        ck_assert(team_open(sizes[i], &together.ppo.team, &e));
        for (int update = 0; update < 3; update++) {
            ck_assert(ppo_update(&alone.ppo, &alone.rollout, 1.0, NULL, &a, &e));
            ck_assert(ppo_update(&together.ppo, &together.rollout, 1.0, NULL, &b, &e));
        }
        const size_t n = ppo_state_bytes(&alone.ppo);
        void *x = calloc(1, n), *y = calloc(1, n);
        ppo_state_get(&alone.ppo, x);
        ppo_state_get(&together.ppo, y);
        ck_assert_mem_eq(x, y, n);
        ck_assert_double_eq(a.loss, b.loss);
        ck_assert_double_eq(a.approx_kl, b.approx_kl);
        ck_assert_double_eq(a.grad_norm_mean, b.grad_norm_mean);
        free(x);
        free(y);
        team_close(together.ppo.team);
        arena_finish(&alone.arena);
        arena_finish(&together.arena);
    }
}
END_TEST

START_TEST(state_round_trips_and_continues_alike)
{
    struct fixture f, g;
    struct err e = {0};
    struct ppo_stats a, b;
    standard(&f, "auto");
    standard(&g, "auto");
    ck_assert(ppo_update(&f.ppo, &f.rollout, 1.0, NULL, &a, &e));
    const size_t n = ppo_state_bytes(&f.ppo);
    void *saved = calloc(1, n), *other = calloc(1, n);
    ppo_state_get(&f.ppo, saved);
    ck_assert_msg(ppo_state_set(&g.ppo, saved, n, &e), "%s", e.message);
    ck_assert(ppo_update(&f.ppo, &f.rollout, 0.5, NULL, &a, &e));
    ck_assert(ppo_update(&g.ppo, &g.rollout, 0.5, NULL, &b, &e));
    ppo_state_get(&f.ppo, saved);
    ppo_state_get(&g.ppo, other);
    ck_assert_mem_eq(saved, other, n);
    ck_assert(!ppo_state_set(&g.ppo, saved, n - 4, &e));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    free(saved);
    free(other);
    arena_finish(&f.arena);
    arena_finish(&g.arena);
}
END_TEST

START_TEST(a_number_that_is_not_finite_stops_before_the_step)
{
    static const char *terms[] = {"policy loss", "value loss"};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct err e = {0};
        struct ppo_stats stats = {.loss = 42.0};
        standard(&f, "auto");
        if (i == 0)
            f.rollout.log_probs[7] = NAN;
        else
            f.rollout.returns[7] = INFINITY;
        /* row 7 is in the first minibatch: nothing may have changed */
        int32_t *order = calloc(3 * 200, sizeof *order);
        for (int k = 0; k < 600; k++)
            order[k] = k % 200;
        const size_t n = mlp_parameter_count(&f.ppo.actor_shape), m = mlp_parameter_count(&f.ppo.critic_shape);
        ppo_parameters_get(&f.ppo, actor, critic);
        const int first = 7 % f.config.n_envs * f.config.n_steps + 7 / f.config.n_envs;
        order[0] = first;
        order[first] = 0;
        ck_assert(!ppo_update(&f.ppo, &f.rollout, 1.0, order, &stats, &e));
        ck_assert_int_eq(e.code, ERR_NUMERIC);
        ck_assert_msg(strstr(e.message, terms[i]) != NULL, "%s", e.message);
        ppo_parameters_get(&f.ppo, actor_gradient, critic_gradient);
        ck_assert_mem_eq(actor, actor_gradient, n * sizeof *actor);
        ck_assert_mem_eq(critic, critic_gradient, m * sizeof *critic);
        ck_assert_double_eq(stats.loss, 42.0);
        free(order);
        arena_finish(&f.arena);
    }
}
END_TEST

START_TEST(the_first_updates_can_be_the_critics_alone)
{
    struct fixture f;
    struct err e = {0};
    struct ppo_stats stats;
    standard(&f, "auto");
    f.ppo.config.critic_only_updates = 1;
    ppo_parameters_get(&f.ppo, actor, critic);
    const size_t n = mlp_parameter_count(&f.ppo.actor_shape), m = mlp_parameter_count(&f.ppo.critic_shape);
    ck_assert(ppo_update(&f.ppo, &f.rollout, 1.0, NULL, &stats, &e));
    ppo_parameters_get(&f.ppo, actor_gradient, critic_gradient);
    ck_assert_mem_eq(actor, actor_gradient, n * sizeof *actor);
    ck_assert_mem_ne(critic, critic_gradient, m * sizeof *critic);
    ck_assert(ppo_update(&f.ppo, &f.rollout, 1.0, NULL, &stats, &e));
    ppo_parameters_get(&f.ppo, actor_gradient, critic_gradient);
    ck_assert_mem_ne(actor, actor_gradient, n * sizeof *actor);
    arena_finish(&f.arena);
}
END_TEST

START_TEST(schedules_scale_what_they_should)
{
    struct fixture f;
    struct err e = {0};
    struct ppo_stats stats;
    standard(&f, "auto");
    f.ppo.config.learning_rate_schedule = f.ppo.config.clip_range_schedule = PPO_LINEAR;
    ck_assert(ppo_update(&f.ppo, &f.rollout, 0.25, NULL, &stats, &e));
    ck_assert_double_eq_tol(stats.learning_rate, 0.25 * 3e-4, 1e-15);
    ck_assert_double_eq_tol(stats.clip_range, 0.25 * 0.2, 1e-15);
    ck_assert_int_eq(stats.optimiser_steps, 3 * 5); /* 200 rows in minibatches of 48: the last has 8 */
    arena_finish(&f.arena);
}
END_TEST

/* 3000 draws of each of two rows; the deviation of a share is below 0.0092, five of them 0.046. */
START_TEST(actions_follow_the_masked_policy)
{
    struct fixture f;
    standard(&f, "auto");
    const unsigned char masks[10] = {1, 0, 1, 1, 0, 1, 1, 1, 1, 1};
    struct rng streams[2];
    float logits[10], log_probs[2];
    int counts[2][5] = {{0}}, last[2] = {0};
    float last_log_prob[2] = {0};
    ppo_logits(&f.ppo, f.rollout.obs, 2, logits);
    for (int i = 0; i < 2; i++)
        rng_init(&streams[i], 5, (uint64_t)i);
    for (int n = 0; n < 3000; n++) {
        int32_t actions[2];
        ppo_act(&f.ppo, f.rollout.obs, masks, 2, streams, actions, log_probs);
        for (int i = 0; i < 2; i++) {
            counts[i][actions[i]]++;
            last[i] = actions[i];
            last_log_prob[i] = log_probs[i];
        }
    }
    for (int i = 0; i < 2; i++) {
        double sum = 0.0;
        for (int a = 0; a < 5; a++)
            sum += masks[i * 5 + a] ? exp((double)logits[i * 5 + a]) : 0.0;
        for (int a = 0; a < 5; a++) {
            const double p = masks[i * 5 + a] ? exp((double)logits[i * 5 + a]) / sum : 0.0;
            ck_assert_double_eq_tol(counts[i][a] / 3000.0, p, p > 0.0 ? 0.046 : 0.0 + 1e-12);
        }
        ck_assert_double_eq_tol((double)last_log_prob[i], (double)logits[i * 5 + last[i]] - log(sum), 1e-5);
    }
    arena_finish(&f.arena);
}
END_TEST

START_TEST(the_table_and_the_defaults_agree)
{
    struct ppo_config table, plain;
    struct config config = {0};
    struct err e = {0};
    struct config_section section = {
        .name = "ppo", .keys = ppo_config_keys, .n_keys = ppo_config_keys_count, .target = &table};
    memset(&table, 0, sizeof table);
    ck_assert_msg(config_init(&config, &section, 1, &e), "%s", e.message);
    ppo_config_defaults(&plain);
    ck_assert_double_eq(table.learning_rate, plain.learning_rate);
    ck_assert_int_eq(table.learning_rate_schedule, plain.learning_rate_schedule);
    ck_assert_int_eq(table.n_steps, plain.n_steps);
    ck_assert_int_eq(table.n_envs, plain.n_envs);
    ck_assert_int_eq(table.batch_size, plain.batch_size);
    ck_assert_int_eq(table.n_epochs, plain.n_epochs);
    ck_assert_double_eq(table.gamma, plain.gamma);
    ck_assert_double_eq(table.gae_lambda, plain.gae_lambda);
    ck_assert_double_eq(table.clip_range, plain.clip_range);
    ck_assert_int_eq(table.clip_range_schedule, plain.clip_range_schedule);
    ck_assert(isnan(table.clip_range_vf) && isnan(plain.clip_range_vf));
    ck_assert(table.normalize_advantage && plain.normalize_advantage);
    ck_assert_double_eq(table.ent_coef, plain.ent_coef);
    ck_assert_double_eq(table.vf_coef, plain.vf_coef);
    ck_assert_double_eq(table.max_grad_norm, plain.max_grad_norm);
    ck_assert(isnan(table.target_kl) && isnan(plain.target_kl));
    ck_assert_double_eq(table.adam_eps, plain.adam_eps);
    ck_assert_mem_eq(&table.net_arch_pi, &plain.net_arch_pi, sizeof table.net_arch_pi);
    ck_assert_mem_eq(&table.net_arch_vf, &plain.net_arch_vf, sizeof table.net_arch_vf);
    ck_assert_int_eq(table.activation_fn, plain.activation_fn);
    ck_assert_int_eq(table.critic_only_updates, plain.critic_only_updates);
    ck_assert_str_eq(table.kernel, plain.kernel);
    config_finish(&config);
}
END_TEST

START_TEST(an_impossible_configuration_is_refused)
{
    struct ppo_config c;
    struct err e = {0};
    ppo_config_defaults(&c);
    ck_assert(ppo_config_check(&c, 4, 2, &e));
    ck_assert(!ppo_config_check(&c, 4, 1, &e));
    c.net_arch_vf.n = MLP_HIDDEN_LIMIT + 1;
    ck_assert(!ppo_config_check(&c, 4, 2, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.message, "net_arch_vf"));
    ppo_config_defaults(&c);
    c.n_steps = 1;
    ck_assert(!ppo_config_check(&c, 4, 2, &e));
}
END_TEST

int main(void)
{
    TCase *group = tcase_create("ppo");
    tcase_add_loop_test(group, gradients_are_central_differences, 0,
                        (int)(sizeof gradient_cases / sizeof *gradient_cases));
    tcase_add_test(group, any_number_of_threads_gives_the_same_bytes);
    tcase_add_test(group, state_round_trips_and_continues_alike);
    tcase_add_test(group, a_number_that_is_not_finite_stops_before_the_step);
    tcase_add_test(group, the_first_updates_can_be_the_critics_alone);
    tcase_add_test(group, schedules_scale_what_they_should);
    tcase_add_test(group, actions_follow_the_masked_policy);
    tcase_add_test(group, the_table_and_the_defaults_agree);
    tcase_add_test(group, an_impossible_configuration_is_refused);
    return suite_run("ppo", group);
}
