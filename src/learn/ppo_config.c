/* ppo_config: the settings of the trainer as a table, with Stable-Baselines3's names and defaults, and what must hold
 * between them. */
#include "ppo_learner.h"

#include <math.h>

#define ROW(field, kind, text, lowest, highest, choice, about)                                                         \
    {                                                                                                                  \
        .name = #field, .type = kind, .offset = offsetof(struct ppo_config, field), .fallback = text, .low = lowest,   \
        .high = highest, .choices = choice, .description = about                                                       \
    }

// clang-format off
const struct config_key ppo_config_keys[] = {
    ROW(learning_rate, CONFIG_DOUBLE, "3e-4", 0, 1, NULL, "Adam's step size."),
    ROW(learning_rate_schedule, CONFIG_CHOICE, "constant", 0, 0, "constant|linear", "linear: falls to 0 at the end of training."),
    ROW(n_steps, CONFIG_INT, "2048", 1, 1 << 22, NULL, "Steps per environment and rollout."),
    ROW(n_envs, CONFIG_INT, "1", 1, 65536, NULL, "Environments side by side."),
    ROW(batch_size, CONFIG_INT, "64", 1, 1 << 24, NULL, "Rows of a minibatch; the last one of an epoch may be shorter."),
    ROW(n_epochs, CONFIG_INT, "10", 1, 1000, NULL, "Passes over each rollout."),
    ROW(gamma, CONFIG_DOUBLE, "0.99", 0, 1, NULL, "Discount per step."),
    ROW(gae_lambda, CONFIG_DOUBLE, "0.95", 0, 1, NULL, "Bias against variance of the advantages."),
    ROW(clip_range, CONFIG_DOUBLE, "0.2", 0, 1e3, NULL, "How far the probability ratio counts."),
    ROW(clip_range_schedule, CONFIG_CHOICE, "constant", 0, 0, "constant|linear", "linear: falls to 0 at the end of training."),
    ROW(clip_range_vf, CONFIG_OFF_DOUBLE, "off", 0, 1e9, NULL, "How far a value may move per rollout, or off."),
    ROW(normalize_advantage, CONFIG_BOOL, "true", 0, 0, NULL, "Advantages to mean 0 and deviation 1 in each minibatch."),
    ROW(ent_coef, CONFIG_DOUBLE, "0.0", 0, 1e3, NULL, "Weight of the entropy bonus."),
    ROW(vf_coef, CONFIG_DOUBLE, "0.5", 0, 1e3, NULL, "Weight of the value loss."),
    ROW(max_grad_norm, CONFIG_DOUBLE, "0.5", 0, 1e9, NULL, "Limit of the gradient norm, actor and critic together."),
    ROW(target_kl, CONFIG_OFF_DOUBLE, "off", 0, 1e3, NULL, "An update ends when the divergence exceeds 1.5 times this, or off."),
    ROW(adam_eps, CONFIG_DOUBLE, "1e-5", 0, 1, NULL, "Adam's epsilon."),
    ROW(net_arch_pi, CONFIG_INTS, "64,64", 1, MLP_WIDTH_LIMIT, NULL, "Hidden widths of the actor, 1 to 6 layers."),
    ROW(net_arch_vf, CONFIG_INTS, "64,64", 1, MLP_WIDTH_LIMIT, NULL, "Hidden widths of the critic, 1 to 6 layers."),
    ROW(activation_fn, CONFIG_CHOICE, "tanh", 0, 0, "tanh|relu", "What follows each hidden layer."),
    ROW(critic_only_updates, CONFIG_INT, "0", 0, 1 << 30, NULL, "So many first updates train the critic alone."),
    ROW(kernel, CONFIG_STRING, "auto", 0, 0, NULL, "Matrix kernels: auto, avx512, avx2, portable, scalar, blas."),
};
// clang-format on

const int ppo_config_keys_count = (int)(sizeof ppo_config_keys / sizeof *ppo_config_keys);

void ppo_config_defaults(struct ppo_config *config)
{
    *config = (struct ppo_config){
        .learning_rate = 3e-4,
        .n_steps = 2048,
        .n_envs = 1,
        .batch_size = 64,
        .n_epochs = 10,
        .gamma = 0.99,
        .gae_lambda = 0.95,
        .clip_range = 0.2,
        .clip_range_vf = (double)NAN,
        .normalize_advantage = true,
        .vf_coef = 0.5,
        .max_grad_norm = 0.5,
        .target_kl = (double)NAN,
        .adam_eps = 1e-5,
        .net_arch_pi = {.n = 2, .v = {64, 64}},
        .net_arch_vf = {.n = 2, .v = {64, 64}},
        .activation_fn = MLP_TANH,
        .kernel = "auto",
    };
}

static void shape_of(const struct ppo_config *config, const struct config_list *widths, int n_in, int n_out,
                     struct mlp_shape *out)
{
    *out = (struct mlp_shape){.n_in = n_in, .n_hidden = widths->n, .n_out = n_out};
    out->activation = config->activation_fn == MLP_RELU ? MLP_RELU : MLP_TANH;
    for (int i = 0; i < widths->n && i < MLP_HIDDEN_LIMIT; i++)
        out->hidden[i] = (int)widths->v[i];
}

void ppo_config_shapes(const struct ppo_config *config, int obs_dim, int n_actions, struct mlp_shape *actor,
                       struct mlp_shape *critic)
{
    shape_of(config, &config->net_arch_pi, obs_dim, n_actions, actor);
    shape_of(config, &config->net_arch_vf, obs_dim, 1, critic);
}

bool ppo_config_check(const struct ppo_config *config, int obs_dim, int n_actions, struct err *e)
{
    struct mlp_shape actor, critic;
    ppo_config_shapes(config, obs_dim, n_actions, &actor, &critic);
    if (!mlp_shape_check(&actor, e))
        return err_wrap(e, "ppo.net_arch_pi");
    if (!mlp_shape_check(&critic, e))
        return err_wrap(e, "ppo.net_arch_vf");
    if (n_actions < 2)
        return err_set(e, ERR_USAGE, "ppo: %d actions, needs at least 2", n_actions);
    const long long rows = (long long)config->n_steps * config->n_envs;
    if (rows < 2 && config->normalize_advantage)
        return err_set(e, ERR_USAGE,
                       "ppo.n_steps: a rollout of one row cannot be normalised; n_steps x n_envs must be "
                       "at least 2");
    if (rows > 1 << 24)
        return err_set(e, ERR_USAGE, "ppo.n_steps: n_steps x n_envs is %lld, must be at most %d", rows, 1 << 24);
    return true;
}
