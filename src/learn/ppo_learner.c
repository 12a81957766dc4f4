/* ppo_learner: losses and gradients of one minibatch for one network. In: a rollout with advantages and returns, and
 * which of its rows. Out: the gradient, ready for the optimiser, and the sums that are logged. Does not know the other
 * network, epochs or threads. Minibatches are worked off in tiles of NET_TILE rows. */
#include "ppo_learner.h"

#include <math.h>

void ppo_learner_carve(struct ppo_learner *l, const struct mlp_shape *shape, const struct ppo_config *config,
                       struct arena *arena)
{
    const size_t rows = (size_t)config->n_steps * (size_t)config->n_envs;
    net_carve(&l->net, shape, arena);
    l->actions = arena_take(arena, NET_TILE, sizeof(float));
    l->old_log_probs = arena_take(arena, NET_TILE, sizeof(float));
    l->allowed = arena_take(arena, NET_TILE * (size_t)shape->n_out, sizeof(float));
    l->old_values = arena_take(arena, NET_TILE, sizeof(float));
    l->returns = arena_take(arena, NET_TILE, sizeof(float));
    const size_t batch = (size_t)config->batch_size < rows ? (size_t)config->batch_size : rows;
    l->advantages = arena_take(arena, batch + NET_TILE, sizeof(float));
    l->order = arena_take(arena, rows, sizeof(int32_t));
}

/* (A - mean) / (deviation + 1e-8), the deviation with n - 1. */
static void normalise(float *x, int n)
{
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i];
    const double mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double scale = 1.0 / (sqrt(squares / (n - 1)) + 1e-8);
    for (int i = 0; i < n; i++)
        x[i] = (float)(((double)x[i] - mean) * scale);
}

static void gather_inputs(struct ppo_learner *l, const struct rollout *r, const int32_t *rows, int n)
{
    const size_t obs_dim = (size_t)r->obs_dim;
    for (int i = 0; i < n; i++)
        net_set_input(&l->net, i, r->obs + (size_t)rows[i] * obs_dim);
}

static void gather_actor(struct ppo_learner *l, const struct ppo_pass *pass, const int32_t *rows, int n)
{
    const struct rollout *r = pass->rollout;
    gather_inputs(l, r, rows, n);
    for (int i = 0; i < n; i++) {
        l->actions[i] = (float)r->actions[rows[i]];
        l->old_log_probs[i] = r->log_probs[rows[i]];
    }
    if (!pass->masked)
        return;
    for (int i = 0; i < n; i++) {
        const unsigned char *mask = r->masks + (size_t)rows[i] * (size_t)r->n_actions;
        for (int a = 0; a < r->n_actions; a++)
            l->allowed[(size_t)a * NET_TILE + (size_t)i] = mask[a] ? 1.0f : 0.0f;
    }
}

struct mat_policy_sums ppo_learner_actor(struct ppo_learner *l, const struct ppo_pass *pass, const int32_t *rows, int n)
{
    struct mat_policy_sums total = {0};
    for (int i = 0; i < n; i++)
        l->advantages[i] = pass->rollout->advantages[rows[i]];
    if (pass->config->normalize_advantage && n > 1)
        normalise(l->advantages, n);
    net_prepare_backward(&l->net);
    for (int done = 0; done < n; done += NET_TILE) {
        const int tile = n - done < NET_TILE ? n - done : NET_TILE;
        gather_actor(l, pass, rows + done, tile);
        net_forward(&l->net, tile);
        const struct mat_policy_loss loss = {
            .logits = l->net.output,
            .allowed = pass->masked ? l->allowed : NULL,
            .row = NET_TILE,
            .n_actions = l->net.shape.n_out,
            .rows = tile,
            .actions = l->actions,
            .old_log_probs = l->old_log_probs,
            .advantages = l->advantages + done,
            .clip = (float)pass->clip_range,
            .entropy_weight = (float)(pass->config->ent_coef / n),
            .weight = (float)(1.0 / n),
            .gradient = l->net.output_gradient,
        };
        const struct mat_policy_sums sums = l->net.kernels->policy_loss(&loss);
        total.loss += sums.loss;
        total.entropy += sums.entropy;
        total.kl += sums.kl;
        total.clipped += sums.clipped;
        net_backward(&l->net, tile, done > 0);
    }
    return total;
}

double ppo_learner_critic(struct ppo_learner *l, const struct ppo_pass *pass, const int32_t *rows, int n)
{
    const struct rollout *r = pass->rollout;
    double total = 0.0;
    net_prepare_backward(&l->net);
    for (int done = 0; done < n; done += NET_TILE) {
        const int tile = n - done < NET_TILE ? n - done : NET_TILE;
        gather_inputs(l, r, rows + done, tile);
        for (int i = 0; i < tile; i++) {
            l->old_values[i] = r->values[rows[done + i]];
            l->returns[i] = r->returns[rows[done + i]];
        }
        net_forward(&l->net, tile);
        const struct mat_value_loss loss = {
            .values = l->net.output,
            .old_values = l->old_values,
            .returns = l->returns,
            .rows = tile,
            .clip = isnan(pass->clip_range_vf) ? -1.0f : (float)pass->clip_range_vf,
            .weight = (float)(2.0 * pass->config->vf_coef / n),
            .gradient = l->net.output_gradient,
        };
        total += l->net.kernels->value_loss(&loss);
        net_backward(&l->net, tile, done > 0);
    }
    return total;
}

void ppo_learner_step(struct ppo_learner *l, const struct ppo_config *config, double learning_rate, double scale)
{
    l->steps++;
    const struct adam_step step = adam_step_make(l->steps, learning_rate, config->adam_eps, scale);
    net_step(&l->net, &step);
}
