/* ppo: acting, values and the update. In: observations, then a rollout. Out: actions with log-probabilities, values,
 * advantages, changed weights, statistics. The two networks advance minibatch by minibatch in step; what they exchange
 * are a few scalars in a slot per minibatch. Environments, files and logs are elsewhere. */
#include <maestro/dist.h>
#include <maestro/gae.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ppo_learner.h"

enum { STREAM_ACTOR = 1 << 20, STREAM_CRITIC, STREAM_SHUFFLE }; /* far from environment streams, which count from 0 */

static size_t rollout_rows(const struct ppo_config *c)
{
    return (size_t)c->n_steps * (size_t)c->n_envs;
}

static size_t minibatches(const struct ppo_config *c)
{
    return (rollout_rows(c) + (size_t)c->batch_size - 1) / (size_t)c->batch_size;
}

void ppo_carve(struct ppo *ppo, const struct ppo_config *config, int obs_dim, int n_actions, struct arena *arena)
{
    *ppo = (struct ppo){.config = *config, .obs_dim = obs_dim, .n_actions = n_actions};
    ppo_config_shapes(config, obs_dim, n_actions, &ppo->actor_shape, &ppo->critic_shape);
    /* While measuring, learners have no memory yet: they are laid out in place of the real ones. */
    struct ppo_learner plan[2] = {0};
    ppo->actor = arena_take(arena, 1, sizeof *ppo->actor);
    ppo->critic = arena_take(arena, 1, sizeof *ppo->critic);
    ppo_learner_carve(ppo->actor ? ppo->actor : &plan[0], &ppo->actor_shape, config, arena);
    ppo_learner_carve(ppo->critic ? ppo->critic : &plan[1], &ppo->critic_shape, config, arena);
    ppo->grad_norms_capacity = minibatches(config) * (size_t)config->n_epochs;
    ppo->grad_norms = arena_take(arena, ppo->grad_norms_capacity, sizeof(float));
    const size_t actor_work = mlp_initialise_work(&ppo->actor_shape);
    const size_t critic_work = mlp_initialise_work(&ppo->critic_shape);
    ppo->work = arena_take(arena, actor_work > critic_work ? actor_work : critic_work, sizeof(double));
    const size_t actor_count = mlp_parameter_count(&ppo->actor_shape);
    const size_t critic_count = mlp_parameter_count(&ppo->critic_shape);
    ppo->parameters = arena_take(arena, actor_count > critic_count ? actor_count : critic_count, sizeof(float));
}

static void initialise(struct ppo *ppo, struct ppo_learner *l, double head_gain, uint64_t seed, uint64_t stream)
{
    struct rng rng;
    rng_init(&rng, seed, stream);
    mlp_initialise(&l->net.shape, head_gain, &rng, ppo->work, ppo->parameters);
    net_pack(&l->net, ppo->parameters, l->net.weights);
    memset(l->net.moment1, 0, l->net.n_flat * sizeof(float));
    memset(l->net.moment2, 0, l->net.n_flat * sizeof(float));
    l->steps = 0;
}

bool ppo_init(struct ppo *ppo, uint64_t seed, struct err *e)
{
    const struct mat_kernels *kernels = mat_kernels_find(ppo->config.kernel, e);
    if (!kernels)
        return err_wrap(e, "ppo");
    ppo->actor->net.kernels = kernels;
    ppo->critic->net.kernels = kernels;
    initialise(ppo, ppo->actor, 0.01, seed, STREAM_ACTOR);
    initialise(ppo, ppo->critic, 1.0, seed, STREAM_CRITIC);
    rng_init(&ppo->shuffle, seed, STREAM_SHUFFLE);
    ppo->n_updates = ppo->n_calls = 0;
    return true;
}

const char *ppo_kernel(const struct ppo *ppo)
{
    return ppo->actor->net.kernels->name;
}

/* Rows of obs, at most NET_TILE, through a network; raw outputs are in net.output. */
static void forward_rows(struct net *net, const float *obs, int rows)
{
    for (int i = 0; i < rows; i++)
        net_set_input(net, i, obs + (size_t)i * (size_t)net->shape.n_in);
    net_forward(net, rows);
}

static int draw(const float *log_probs, int n_actions, double u, float *log_prob)
{
    double sum = 0.0;
    int chosen = -1;
    for (int a = 0; a < n_actions; a++) {
        const float prob = dist_exp(log_probs[(size_t)a * NET_TILE]);
        if (!(prob > 0.0f) && chosen >= 0)
            continue;
        chosen = a;
        sum += (double)prob;
        if (u < sum)
            break;
    }
    *log_prob = log_probs[(size_t)chosen * NET_TILE];
    return chosen;
}

static void act_tile(struct ppo *ppo, const float *obs, const unsigned char *masks, int rows, struct rng *streams,
                     int32_t *actions, float *log_probs)
{
    struct ppo_learner *l = ppo->actor;
    const int n_actions = ppo->n_actions;
    forward_rows(&l->net, obs, rows);
    for (int i = 0; masks && i < rows; i++)
        for (int a = 0; a < n_actions; a++)
            l->allowed[(size_t)a * NET_TILE + (size_t)i] =
                masks[(size_t)i * (size_t)n_actions + (size_t)a] ? 1.0f : 0.0f;
    float *table = l->net.output_gradient;
    l->net.kernels->log_softmax_rows(l->net.output, masks ? l->allowed : NULL, NET_TILE, n_actions, rows, table);
    for (int i = 0; i < rows; i++)
        actions[i] = draw(table + i, n_actions, rng_double(&streams[i]), &log_probs[i]);
}

void ppo_act(struct ppo *ppo, const float *obs, const unsigned char *masks, int n, struct rng *streams,
             int32_t *actions, float *log_probs)
{
    for (int done = 0; done < n; done += NET_TILE) {
        const int rows = n - done < NET_TILE ? n - done : NET_TILE;
        act_tile(ppo, obs + (size_t)done * (size_t)ppo->obs_dim,
                 masks ? masks + (size_t)done * (size_t)ppo->n_actions : NULL, rows, streams + done, actions + done,
                 log_probs + done);
    }
}

void ppo_logits(struct ppo *ppo, const float *obs, int n, float *logits)
{
    const size_t n_actions = (size_t)ppo->n_actions;
    for (int done = 0; done < n; done += NET_TILE) {
        const int rows = n - done < NET_TILE ? n - done : NET_TILE;
        forward_rows(&ppo->actor->net, obs + (size_t)done * (size_t)ppo->obs_dim, rows);
        for (int i = 0; i < rows; i++)
            for (size_t a = 0; a < n_actions; a++)
                logits[(size_t)(done + i) * n_actions + a] = ppo->actor->net.output[a * NET_TILE + (size_t)i];
    }
}

void ppo_critic(struct ppo *ppo, const float *obs, int n, float *values)
{
    for (int done = 0; done < n; done += NET_TILE) {
        const int rows = n - done < NET_TILE ? n - done : NET_TILE;
        forward_rows(&ppo->critic->net, obs + (size_t)done * (size_t)ppo->obs_dim, rows);
        memcpy(values + done, ppo->critic->net.output, (size_t)rows * sizeof(float));
    }
}

void ppo_values(struct ppo *ppo, struct rollout *r)
{
    const int rows = r->n_steps * r->n_envs;
    const size_t obs_dim = (size_t)r->obs_dim;
    ppo_critic(ppo, r->obs, rows, r->values);
    ppo_critic(ppo, r->obs + (size_t)rows * obs_dim, r->n_envs, r->last_values);
    for (int i = 0; i < rows; i++) {
        r->final_values[i] = 0.0f;
        if (r->truncated[i] && !r->terminated[i])
            ppo_critic(ppo, r->final_obs + (size_t)i * obs_dim, 1, &r->final_values[i]);
    }
}

void ppo_advantages(const struct ppo *ppo, struct rollout *r)
{
    gae_compute(r, ppo->config.gamma, ppo->config.gae_lambda);
}

/* What the two networks tell each other about one minibatch. */
struct slot {
    struct mat_policy_sums policy; /* sums over its rows */
    double value_loss;             /* sum */
    double actor_squares, critic_squares;
};

enum outcome { OUTCOME_STEP, OUTCOME_STOP, OUTCOME_BAD };

/* One call of ppo_update. Slots alternate, so that a fast thread never writes what the other still reads. */
struct update {
    struct ppo *ppo;
    struct ppo_pass pass;
    double learning_rate;
    bool train_actor;
    const int32_t *permutation;
    struct rng shuffle[2]; /* both threads draw the same order for themselves */
    struct slot slots[2];
    struct team_barrier barrier;
    struct ppo_stats *stats; /* written by the critic's side only */
    double kl_sum;           /* of the epoch */
    int kl_count;
    const char *bad_term;
};

/* Unbiased multiply-and-shift draw in [0, bound) (Lemire 2019): no division in the common case. */
static uint32_t below(struct rng *rng, uint32_t bound)
{
    uint64_t product = (uint64_t)rng_u32(rng) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t threshold = (0u - bound) % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)rng_u32(rng) * bound;
    }
    return (uint32_t)(product >> 32);
}

/* Rows of the rollout in this epoch's order: Fisher and Yates from the identity, or the given permutation of env * T +
 * step. */
static void make_order(const struct update *u, struct rng *rng, int epoch, int32_t *order)
{
    const struct rollout *r = u->pass.rollout;
    const int n = r->n_steps * r->n_envs;
    for (int i = 0; i < n; i++)
        order[i] = i;
    if (!u->permutation) {
        for (int i = n - 1; i > 0; i--) {
            const uint32_t j = below(rng, (uint32_t)i + 1);
            const int32_t swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        return;
    }
    const int32_t *given = u->permutation + (size_t)epoch * (size_t)n;
    for (int i = 0; i < n; i++)
        order[i] = given[i] % r->n_steps * r->n_envs + given[i] / r->n_steps;
}

static void actor_gradient(struct update *u, struct slot *slot, const int32_t *rows, int n)
{
    struct ppo_learner *actor = u->ppo->actor;
    if (!u->train_actor) {
        slot->policy = (struct mat_policy_sums){0};
        slot->actor_squares = 0.0;
        return;
    }
    slot->policy = ppo_learner_actor(actor, &u->pass, rows, n);
    slot->actor_squares = net_gradient_squares(&actor->net);
}

static void critic_gradient(struct update *u, struct slot *slot, const int32_t *rows, int n)
{
    slot->value_loss = ppo_learner_critic(u->ppo->critic, &u->pass, rows, n);
    slot->critic_squares = net_gradient_squares(&u->ppo->critic->net);
}

static const char *bad_term(const struct slot *s)
{
    if (!isfinite(s->policy.loss))
        return "policy loss";
    if (!isfinite(s->policy.entropy))
        return "entropy";
    if (!isfinite(s->value_loss))
        return "value loss";
    if (!isfinite(s->actor_squares))
        return "gradient of the actor";
    if (!isfinite(s->critic_squares))
        return "gradient of the critic";
    return NULL;
}

/* Both threads decide alone and alike. */
static enum outcome decide(const struct update *u, const struct slot *s, int n)
{
    const double target = u->pass.config->target_kl;
    if (bad_term(s))
        return OUTCOME_BAD;
    return !isnan(target) && s->policy.kl / n > 1.5 * target ? OUTCOME_STOP : OUTCOME_STEP;
}

static double clip_factor(const struct update *u, const struct slot *s)
{
    return adam_clip_factor(sqrt(s->actor_squares + s->critic_squares), u->pass.config->max_grad_norm);
}

/* Sums now, means in finish_stats. */
static void record(struct update *u, const struct slot *s, int n, enum outcome outcome)
{
    struct ppo_stats *stats = u->stats;
    const struct ppo_config *c = u->pass.config;
    const double policy = s->policy.loss / n, entropy = -s->policy.entropy / n, value = s->value_loss / n;
    stats->policy_gradient_loss += policy;
    stats->entropy_loss += entropy;
    stats->value_loss += value;
    stats->clip_fraction += s->policy.clipped / n;
    stats->loss = policy + c->ent_coef * entropy + c->vf_coef * value;
    u->kl_sum += s->policy.kl / n;
    u->kl_count++;
    stats->minibatches++;
    if (outcome != OUTCOME_STEP)
        return;
    const double norm = sqrt(s->actor_squares + s->critic_squares);
    u->ppo->grad_norms[stats->optimiser_steps++] = (float)norm;
    stats->grad_norm_mean += norm;
}

/* One minibatch by one thread for both networks, or by two threads for one each. */
enum side { SIDE_ACTOR, SIDE_CRITIC, SIDE_BOTH };

static enum outcome minibatch(struct update *u, enum side side, unsigned index, const int32_t *rows, int n)
{
    struct slot *slot = &u->slots[index % 2];
    if (side != SIDE_CRITIC)
        actor_gradient(u, slot, rows, n);
    if (side != SIDE_ACTOR)
        critic_gradient(u, slot, rows, n);
    if (side != SIDE_BOTH)
        team_wait(&u->barrier, 2);
    const enum outcome outcome = decide(u, slot, n);
    if (side != SIDE_ACTOR) {
        u->bad_term = bad_term(slot);
        if (outcome != OUTCOME_BAD)
            record(u, slot, n, outcome);
    }
    if (outcome != OUTCOME_STEP)
        return outcome;
    const double scale = clip_factor(u, slot);
    if (side != SIDE_CRITIC && u->train_actor)
        ppo_learner_step(u->ppo->actor, u->pass.config, u->learning_rate, scale);
    if (side != SIDE_ACTOR)
        ppo_learner_step(u->ppo->critic, u->pass.config, u->learning_rate, scale);
    return outcome;
}

static void all_epochs(struct update *u, enum side side)
{
    const struct ppo_config *c = u->pass.config;
    const int n = u->pass.rollout->n_steps * u->pass.rollout->n_envs;
    int32_t *order = side == SIDE_CRITIC ? u->ppo->critic->order : u->ppo->actor->order;
    unsigned index = 0;
    for (int epoch = 0; epoch < c->n_epochs; epoch++) {
        make_order(u, &u->shuffle[side == SIDE_CRITIC], epoch, order);
        if (side != SIDE_ACTOR) {
            u->kl_sum = u->kl_count = 0;
            u->stats->epochs++;
        }
        for (int start = 0; start < n; start += c->batch_size) {
            const int rows = n - start < c->batch_size ? n - start : c->batch_size;
            const enum outcome outcome = minibatch(u, side, index++, order + start, rows);
            if (outcome == OUTCOME_STEP)
                continue;
            if (side != SIDE_ACTOR)
                u->stats->stopped_early = outcome == OUTCOME_STOP;
            return;
        }
    }
}

static void update_side(void *arg, int part)
{
    all_epochs(arg, part == 0 ? SIDE_CRITIC : SIDE_ACTOR);
}

static double explained_variance(const struct rollout *r)
{
    const int n = r->n_steps * r->n_envs;
    double mean = 0.0, off_mean = 0.0, variance = 0.0, off_variance = 0.0;
    for (int i = 0; i < n; i++) {
        mean += (double)r->returns[i] / n;
        off_mean += ((double)r->returns[i] - (double)r->values[i]) / n;
    }
    for (int i = 0; i < n; i++) {
        const double a = (double)r->returns[i] - mean;
        const double b = (double)r->returns[i] - (double)r->values[i] - off_mean;
        variance += a * a;
        off_variance += b * b;
    }
    return variance > 0.0 ? 1.0 - off_variance / variance : (double)NAN;
}

static void finish_stats(const struct update *u)
{
    struct ppo_stats *s = u->stats;
    const double n = s->minibatches > 0 ? s->minibatches : 1;
    s->policy_gradient_loss /= n;
    s->entropy_loss /= n;
    s->value_loss /= n;
    s->clip_fraction /= n;
    s->approx_kl = u->kl_count > 0 ? u->kl_sum / u->kl_count : 0.0;
    s->grad_norm_first = s->optimiser_steps > 0 ? (double)u->ppo->grad_norms[0] : 0.0;
    s->grad_norm_mean = s->optimiser_steps > 0 ? s->grad_norm_mean / s->optimiser_steps : 0.0;
    s->explained_variance = explained_variance(u->pass.rollout);
    s->learning_rate = u->learning_rate;
    s->clip_range = u->pass.clip_range;
    s->clip_range_vf = u->pass.clip_range_vf;
    s->n_updates = u->ppo->n_updates;
}

static double scheduled(double value, int schedule, double progress_remaining)
{
    return schedule == PPO_LINEAR ? value * progress_remaining : value;
}

bool ppo_update(struct ppo *ppo, const struct rollout *r, double progress_remaining, const int32_t *permutation,
                struct ppo_stats *stats, struct err *e)
{
    const struct ppo_config *c = &ppo->config;
    const size_t mask_bytes = (size_t)r->n_steps * (size_t)r->n_envs * (size_t)r->n_actions;
    struct ppo_stats own = {0};
    struct update u = {
        .ppo = ppo,
        .pass = {.config = c,
                 .rollout = r,
                 .clip_range = scheduled(c->clip_range, c->clip_range_schedule, progress_remaining),
                 .clip_range_vf = c->clip_range_vf,
                 .masked = memchr(r->masks, 0, mask_bytes) != NULL},
        .learning_rate = scheduled(c->learning_rate, c->learning_rate_schedule, progress_remaining),
        .train_actor = ppo->n_calls >= c->critic_only_updates,
        .permutation = permutation,
        .shuffle = {ppo->shuffle, ppo->shuffle},
        .barrier = TEAM_BARRIER,
        .stats = &own,
    };
    if (team_size(ppo->team) >= 2)
        team_run(ppo->team, 2, update_side, &u);
    else
        all_epochs(&u, SIDE_BOTH);
    ppo->shuffle = u.shuffle[0];
    if (u.bad_term)
        return err_set(e, ERR_NUMERIC, "update %lld, epoch %d, minibatch %d: the %s is not a finite number",
                       ppo->n_calls + 1, own.epochs, u.kl_count + 1, u.bad_term);
    ppo->n_updates += own.epochs;
    ppo->n_calls++;
    finish_stats(&u);
    *stats = own;
    return true;
}

void ppo_parameters_get(const struct ppo *ppo, float *actor, float *critic)
{
    net_unpack(&ppo->actor->net, ppo->actor->net.weights, actor);
    net_unpack(&ppo->critic->net, ppo->critic->net.weights, critic);
}

void ppo_parameters_set(struct ppo *ppo, const float *actor, const float *critic)
{
    net_pack(&ppo->actor->net, actor, ppo->actor->net.weights);
    net_pack(&ppo->critic->net, critic, ppo->critic->net.weights);
}

void ppo_gradients_get(const struct ppo *ppo, float *actor, float *critic)
{
    net_unpack(&ppo->actor->net, ppo->actor->net.gradient, actor);
    net_unpack(&ppo->critic->net, ppo->critic->net.gradient, critic);
}
