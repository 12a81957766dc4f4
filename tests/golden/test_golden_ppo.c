/* Whole PPO updates against Stable-Baselines3: every ppo_*.json of MAESTRO_GOLDEN_DIR (default: golden in
 * MAESTRO_SHARED), with every kernel, on one and on two threads. Tolerances are the recipe's: 1e-5 for what is computed
 * once from given weights, 2e-4 for weights after tens of Adam steps in another order of additions. */
#include <dirent.h>
#include <maestro/dist.h>
#include <maestro/file.h>
#include <maestro/json.h>
#include <maestro/mat.h>
#include <maestro/mat_blas.h>
#include <maestro/ppo.h>
#include <maestro/safetensors.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include <stdlib.h>

#define CASES_LIMIT 64

static char folder[512];
static char cases[CASES_LIMIT][256];
static int n_cases;

struct golden {
    struct json_document json;
    struct buf json_text, tensor_bytes;
    struct safetensors tensors;
    struct ppo_config config;
    int obs_dim, n_actions, epochs_started, optimiser_steps;
    struct ppo ppo;
    struct rollout rollout;
    struct arena arena;
    int32_t *permutation; /* [n_epochs][N*T] */
};

static void must(bool done, const struct err *e)
{
    ck_assert_msg(done, "%s", e->message);
}

static double number(const struct golden *g, const char *key)
{
    struct err e = {0};
    double x = 0.0;
    must(json_number(g->json.root, key, &x, &e), &e);
    return x;
}

static double number_or_nan(const struct golden *g, const char *key)
{
    const struct json *value = json_find(g->json.root, key);
    return !value || json_is_null(value) ? (double)NAN : number(g, key);
}

static void read_config(struct golden *g)
{
    struct err e = {0};
    struct ppo_config *c = &g->config;
    ppo_config_defaults(c);
    double widths[MLP_HIDDEN_LIMIT];
    int n = 0;
    must(json_numbers(g->json.root, "hidden", widths, MLP_HIDDEN_LIMIT, &n, &e), &e);
    c->net_arch_pi.n = c->net_arch_vf.n = n;
    for (int i = 0; i < n; i++)
        c->net_arch_pi.v[i] = c->net_arch_vf.v[i] = widths[i];
    const char *activation = "tanh";
    must(json_text(g->json.root, "activation", &activation, &e), &e);
    c->activation_fn = strcmp(activation, "relu") == 0 ? MLP_RELU : MLP_TANH;
    c->n_steps = (int)number(g, "n_steps");
    c->n_envs = (int)number(g, "n_envs");
    c->batch_size = (int)number(g, "batch_size");
    c->n_epochs = (int)number(g, "n_epochs");
    c->learning_rate = number(g, "learning_rate");
    c->adam_eps = number(g, "adam_eps");
    c->gamma = number(g, "gamma");
    c->gae_lambda = number(g, "gae_lambda");
    c->clip_range = number(g, "clip_range");
    c->clip_range_vf = number_or_nan(g, "clip_range_vf");
    c->ent_coef = number(g, "ent_coef");
    c->vf_coef = number(g, "vf_coef");
    c->max_grad_norm = number(g, "max_grad_norm");
    c->target_kl = number_or_nan(g, "target_kl");
    must(json_flag(g->json.root, "normalize_advantage", &c->normalize_advantage, &e), &e);
    g->obs_dim = (int)number(g, "obs_dim");
    g->n_actions = (int)number(g, "n_actions");
    g->epochs_started = (int)number(g, "epochs_started");
    g->optimiser_steps = (int)number(g, "optimiser_steps");
}

static void floats(const struct golden *g, const char *name, size_t count, float *out)
{
    const struct safetensor *t = safetensors_find(&g->tensors, name);
    ck_assert_msg(t && t->type == SAFETENSOR_F32 && t->count == count, "tensor %s is missing or of another size", name);
    memcpy(out, t->data, count * sizeof *out);
}

static void weights(const struct golden *g, const char *when, const char *who, const struct mlp_shape *shape,
                    float *out)
{
    for (int i = 0; i <= shape->n_hidden; i++) {
        char name[128];
        const size_t n_out = (size_t)mlp_layer_outputs(shape, i);
        snprintf(name, sizeof name, "%s.%s.%d.weight", when, who, i);
        floats(g, name, n_out * (size_t)mlp_layer_inputs(shape, i), out + mlp_weight_offset(shape, i));
        snprintf(name, sizeof name, "%s.%s.%d.bias", when, who, i);
        floats(g, name, n_out, out + mlp_bias_offset(shape, i));
    }
}

static size_t rows(const struct golden *g)
{
    return (size_t)g->config.n_steps * (size_t)g->config.n_envs;
}

static void carve(struct golden *g, struct arena *arena)
{
    ppo_carve(&g->ppo, &g->config, g->obs_dim, g->n_actions, arena);
    g->rollout = (struct rollout){
        .n_steps = g->config.n_steps, .n_envs = g->config.n_envs, .obs_dim = g->obs_dim, .n_actions = g->n_actions};
    rollout_carve(&g->rollout, arena);
    g->permutation = arena_take(arena, rows(g) * (size_t)g->config.n_epochs, sizeof *g->permutation);
}

static void bytes_of(const struct golden *g, const char *name, enum safetensor_type type, size_t count, size_t size,
                     void *out)
{
    const struct safetensor *t = safetensors_find(&g->tensors, name);
    ck_assert_msg(t && t->type == type && t->count == count, "tensor %s is missing or of another size", name);
    memcpy(out, t->data, count * size);
}

static void read_rollout(struct golden *g)
{
    struct rollout *r = &g->rollout;
    const size_t n = rows(g), d = (size_t)g->obs_dim, n_envs = (size_t)g->config.n_envs;
    floats(g, "rollout.obs", (n + n_envs) * d, r->obs);
    floats(g, "rollout.log_probs", n, r->log_probs);
    floats(g, "rollout.rewards", n, r->rewards);
    floats(g, "rollout.final_obs", n * d, r->final_obs);
    bytes_of(g, "rollout.actions", SAFETENSOR_I32, n, 4, r->actions);
    bytes_of(g, "rollout.terminated", SAFETENSOR_U8, n, 1, r->terminated);
    bytes_of(g, "rollout.truncated", SAFETENSOR_U8, n, 1, r->truncated);
    bytes_of(g, "minibatch.permutation", SAFETENSOR_I32, n * (size_t)g->epochs_started, 4, g->permutation);
}

static void open_case(struct golden *g, const char *name, const char *kernel)
{
    char path[1024];
    struct err e = {0};
    *g = (struct golden){0};
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    must(file_read(path, 1 << 24, &g->json_text, &e), &e);
    must(json_parse(&g->json, name, g->json_text.bytes, g->json_text.len, &e), &e);
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    must(file_read(path, 1 << 28, &g->tensor_bytes, &e), &e);
    must(safetensors_parse(&g->tensors, name, g->tensor_bytes.bytes, g->tensor_bytes.len, &e), &e);
    read_config(g);
    snprintf(g->config.kernel, sizeof g->config.kernel, "%s", kernel);
    must(ppo_config_check(&g->config, g->obs_dim, g->n_actions, &e), &e);
    struct arena plan = {0};
    carve(g, &plan);
    must(arena_init(&g->arena, plan.used, &e), &e);
    carve(g, &g->arena);
    must(ppo_init(&g->ppo, 1, &e), &e);
    float *actor = malloc(mlp_parameter_count(&g->ppo.actor_shape) * sizeof *actor);
    float *critic = malloc(mlp_parameter_count(&g->ppo.critic_shape) * sizeof *critic);
    weights(g, "initial", "actor", &g->ppo.actor_shape, actor);
    weights(g, "initial", "critic", &g->ppo.critic_shape, critic);
    ppo_parameters_set(&g->ppo, actor, critic);
    free(actor);
    free(critic);
    read_rollout(g);
}

static void close_case(struct golden *g)
{
    safetensors_finish(&g->tensors);
    json_finish(&g->json);
    buf_finish(&g->json_text);
    buf_finish(&g->tensor_bytes);
    arena_finish(&g->arena);
}

/* tolerance grows with the size of what is expected, beyond 1 */
static void near(const char *what, const float *got, const float *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        const double scale = fmax(1.0, fabs((double)expected[i]));
        ck_assert_msg(fabs((double)got[i] - (double)expected[i]) <= tolerance * scale, "%s[%zu]: %.9g, expected %.9g",
                      what, i, (double)got[i], (double)expected[i]);
    }
}

static void expect(const struct golden *g, const char *name, const float *got, size_t n, double tolerance)
{
    float *expected = malloc(n * sizeof *expected);
    floats(g, name, n, expected);
    near(name, got, expected, n, tolerance);
    free(expected);
}

static void check_forward(struct golden *g)
{
    const size_t n = rows(g), n_actions = (size_t)g->n_actions;
    float *logits = malloc(n * n_actions * sizeof *logits);
    float *entropy = malloc(n * sizeof *entropy);
    ppo_logits(&g->ppo, g->rollout.obs, (int)n, logits);
    for (size_t i = 0; i < n; i++) {
        entropy[i] = dist_entropy(logits + i * n_actions, NULL, g->n_actions);
        dist_log_softmax(logits + i * n_actions, NULL, g->n_actions, logits + i * n_actions);
    }
    expect(g, "expected.logits", logits, n * n_actions, 1e-5);
    expect(g, "expected.entropy", entropy, n, 1e-5);
    ppo_values(&g->ppo, &g->rollout);
    expect(g, "expected.values", g->rollout.values, n, 1e-5);
    expect(g, "rollout.values", g->rollout.values, n, 1e-5);
    expect(g, "rollout.last_values", g->rollout.last_values, (size_t)g->config.n_envs, 1e-5);
    free(logits);
    free(entropy);
}

static void check_advantages(struct golden *g)
{
    floats(g, "rollout.values", rows(g), g->rollout.values);
    ppo_advantages(&g->ppo, &g->rollout);
    expect(g, "expected.advantages", g->rollout.advantages, rows(g), 1e-5);
    expect(g, "expected.returns", g->rollout.returns, rows(g), 1e-5);
}

static void check_weights(const struct golden *g, const char *who, const struct mlp_shape *shape, const float *got)
{
    const size_t n = mlp_parameter_count(shape);
    float *expected = malloc(n * sizeof *expected);
    weights(g, "final", who, shape, expected);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(got[i] - expected[i]) <= 2e-4f, "final.%s parameter %zu: %.7g, expected %.7g", who, i,
                      (double)got[i], (double)expected[i]);
    free(expected);
}

static void check_log(const struct golden *g, const struct ppo_stats *s)
{
    const struct json *log = json_find(g->json.root, "expected_log");
    const struct {
        const char *key;
        double got;
        double tolerance; /* absolute; means of float sums, one flipped clip is 1 / rows */
    } rows_of_log[] = {
        {"train/learning_rate", s->learning_rate, 1e-12},
        {"train/entropy_loss", s->entropy_loss, 2e-5},
        {"train/policy_gradient_loss", s->policy_gradient_loss, 2e-5},
        {"train/value_loss", s->value_loss, 2e-4},
        {"train/approx_kl", s->approx_kl, 2e-5},
        {"train/clip_fraction", s->clip_fraction, 2e-3},
        {"train/loss", s->loss, 2e-4},
        {"train/explained_variance", s->explained_variance, 1e-5},
        {"train/clip_range", s->clip_range, 1e-12},
    };
    for (size_t i = 0; i < sizeof rows_of_log / sizeof *rows_of_log; i++) {
        struct err e = {0};
        double expected = 0.0;
        must(json_number(log, rows_of_log[i].key, &expected, &e), &e);
        ck_assert_msg(fabs(rows_of_log[i].got - expected) <= rows_of_log[i].tolerance, "%s: %.9g, expected %.9g",
                      rows_of_log[i].key, rows_of_log[i].got, expected);
    }
}

static void check_update(struct golden *g)
{
    struct err e = {0};
    struct ppo_stats stats;
    must(ppo_update(&g->ppo, &g->rollout, 1.0, g->permutation, &stats, &e), &e);
    ck_assert_int_eq(stats.epochs, g->epochs_started);
    ck_assert_int_eq(stats.optimiser_steps, g->optimiser_steps);
    float *norms = malloc((size_t)g->optimiser_steps * sizeof *norms);
    floats(g, "expected.grad_norm", (size_t)g->optimiser_steps, norms);
    ck_assert_double_le(fabs((double)g->ppo.grad_norms[0] - (double)norms[0]), 1e-5 * (double)norms[0]);
    near("expected.grad_norm", g->ppo.grad_norms, norms, (size_t)g->optimiser_steps, 2e-3);
    free(norms);
    float *actor = malloc(mlp_parameter_count(&g->ppo.actor_shape) * sizeof *actor);
    float *critic = malloc(mlp_parameter_count(&g->ppo.critic_shape) * sizeof *critic);
    ppo_parameters_get(&g->ppo, actor, critic);
    check_weights(g, "actor", &g->ppo.actor_shape, actor);
    check_weights(g, "critic", &g->ppo.critic_shape, critic);
    free(actor);
    free(critic);
    check_log(g, &stats);
}

static void run_case(const char *name, const char *kernel, struct team *team)
{
    struct golden g;
    open_case(&g, name, kernel);
    g.ppo.team = team;
    check_forward(&g);
    check_advantages(&g);
    check_update(&g);
    printf("%-32s %-8s %d thread(s): as expected\n", name, kernel, team_size(team));
    close_case(&g);
}

START_TEST(every_case_with_every_kernel)
{
    for (int i = 0; i < n_cases; i++)
        for (int k = 0; mat_kernels_at(k); k++)
            run_case(cases[i], mat_kernels_at(k)->name, NULL);
}
END_TEST

START_TEST(every_case_on_two_threads)
{
    struct err e = {0};
    struct team *team = NULL;
    must(team_open(2, &team, &e), &e);
    for (int i = 0; i < n_cases; i++)
        run_case(cases[i], "auto", team);
    team_close(team);
}
END_TEST

/* Names without ".json" of the cases in the folder. */
static void list_cases(void)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) && n_cases < CASES_LIMIT;) {
        const size_t n = strlen(entry->d_name);
        if (strncmp(entry->d_name, "ppo_", 4) != 0 || n < 10 || strcmp(entry->d_name + n - 5, ".json") != 0)
            continue;
        snprintf(cases[n_cases++], sizeof cases[0], "%.*s", (int)n - 5, entry->d_name);
    }
    closedir(dir);
}

int main(void)
{
    mat_blas_offer();
    const char *given = getenv("MAESTRO_GOLDEN_DIR"), *shared = getenv("MAESTRO_SHARED");
    if (given)
        snprintf(folder, sizeof folder, "%s", given);
    else
        snprintf(folder, sizeof folder, "%s/golden", shared ? shared : "../shared");
    list_cases();
    if (n_cases == 0) {
        printf("%s golden_ppo: no ppo_*.json in %s\n", given ? "FAIL" : "SKIP", folder);
        return given ? EXIT_FAILURE : 77; // a folder that was asked for must hold something
    }
    TCase *group = tcase_create("golden_ppo");
    tcase_add_test(group, every_case_with_every_kernel);
    tcase_add_test(group, every_case_on_two_threads);
    return suite_run("golden_ppo", group);
}
