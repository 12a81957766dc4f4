/* train_evaluate: how good the policy is now, greedily, on copies of the environment that training never touches, and the
 * saving of policies with that score. The same episodes every time: two evaluations differ by the policy alone. */
#include "train_run.h"

#include <maestro/file.h>

#include <math.h>
#include <string.h>

void train_evaluate_carve(struct train *t, struct arena *arena)
{
    int wanted = t->setup.config.eval_episodes;
    size_t d = (size_t)t->ppo.obs_dim;
    size_t a = (size_t)t->ppo.n_actions;
    t->eval_copies = wanted < TRAIN_EVAL_COPIES ? wanted : TRAIN_EVAL_COPIES;
    size_t n = (size_t)(t->eval_copies > 0 ? t->eval_copies : 1);
    vecenv_carve(&t->eval_envs, t->setup.env, (int)n, arena);
    infer_carve(&t->greedy, &t->ppo.actor_shape, arena);
    t->actor = arena_take(arena, mlp_parameter_count(&t->ppo.actor_shape), sizeof *t->actor);
    t->critic = arena_take(arena, mlp_parameter_count(&t->ppo.critic_shape), sizeof *t->critic);
    t->eval_obs = arena_take(arena, n * d, sizeof *t->eval_obs);
    t->eval_next = arena_take(arena, n * d, sizeof *t->eval_next);
    t->eval_final = arena_take(arena, n * d, sizeof *t->eval_final);
    t->eval_logits = arena_take(arena, n * a, sizeof *t->eval_logits);
    t->eval_numbers = arena_take(arena, 2 * n, sizeof *t->eval_numbers);
    t->eval_masks = arena_take(arena, n * a, 1);
    t->eval_ends = arena_take(arena, 2 * n, 1);
    t->eval_actions = arena_take(arena, n, sizeof *t->eval_actions);
    t->eval_left = arena_take(arena, n, sizeof *t->eval_left);
}

/* The highest allowed logit; the first of equals. */
static int32_t argmax(const float *logits, const unsigned char *mask, int n)
{
    int best = -1;
    for (int k = 0; k < n; k++) {
        if (mask[k] && (best < 0 || logits[k] > logits[best]))
            best = k;
    }
    return best < 0 ? 0 : best;
}

static void choose(struct train *t)
{
    int n = t->eval_copies;
    int a = t->ppo.n_actions;
    memcpy(t->eval_obs, t->eval_next, (size_t)n * (size_t)t->ppo.obs_dim * sizeof *t->eval_obs);
    normaliser_apply(&t->normaliser, t->eval_obs, n);
    infer_forward(&t->greedy, t->eval_obs, n, t->eval_logits);
    for (int i = 0; i < n; i++) {
        size_t row = (size_t)i * (size_t)a;
        t->eval_actions[i] = argmax(t->eval_logits + row, t->eval_masks + row, a);
    }
}

struct tally {
    int episodes;
    double steps;
    double costs;
    struct train_evaluation sums;
};

/* Counts the copies that still owe episodes; returns how many episodes are still owed. */
static int count(struct train *t, struct tally *tally)
{
    int owed = 0;
    for (int i = 0; i < t->eval_copies; i++) {
        const struct vecenv_episode *p = &t->eval_envs.episodes[i];
        if (t->eval_left[i] == 0)
            continue;
        tally->steps++;
        tally->costs += (double)t->eval_numbers[t->eval_copies + i];
        if (p->ended) {
            const double extras[TRAIN_EXTRAS] = {p->extra.slo_violation, p->extra.replicas_mean, p->extra.scale_actions,
                                                 p->extra.reward_true};
            tally->episodes++;
            tally->sums.mean_reward += p->ended_sum;
            tally->sums.mean_length += (double)p->ended_length;
            for (int k = 0; k < TRAIN_EXTRAS; k++)
                tally->sums.extras[k] += extras[k];
            t->eval_left[i]--;
        }
        owed += t->eval_left[i];
    }
    return owed;
}

static bool play(struct train *t, struct tally *tally, struct err *e)
{
    const struct vecenv_slices slices = {.actions = t->eval_actions,
                                         .rewards = t->eval_numbers,
                                         .costs = t->eval_numbers + t->eval_copies,
                                         .terminated = t->eval_ends,
                                         .truncated = t->eval_ends + t->eval_copies,
                                         .final_obs = t->eval_final,
                                         .next_obs = t->eval_next,
                                         .next_masks = t->eval_masks};
    int owed = t->setup.config.eval_episodes;
    for (int i = 0; i < t->eval_copies; i++)
        t->eval_left[i] = owed / t->eval_copies + (i < owed % t->eval_copies);
    uint64_t seed = (uint64_t)t->setup.config.seed;
    if (!vecenv_init(&t->eval_envs, seed, STREAM_EVALUATION, t->eval_next, t->eval_masks, e))
        return false;
    while (owed > 0) {
        choose(t);
        if (!vecenv_step(&t->eval_envs, &slices, e))
            return false;
        owed = count(t, tally);
    }
    return true;
}

/* Within the budget that is aimed at beats over it; within it the higher reward wins, over it the lower cost. Without a budget only the
 * reward counts. */
static bool better(const struct train *t, const struct train_evaluation *a, const struct train_evaluation *b)
{
    if (isnan(b->mean_reward))
        return true;
    if (lagrange_on(&t->setup.slo)) {
        double budget = lagrange_aim(&t->setup.slo);
        bool a_within = a->mean_cost <= budget;
        bool b_within = b->mean_cost <= budget;
        if (a_within != b_within)
            return a_within;
        if (!a_within)
            return a->mean_cost < b->mean_cost;
    }
    return a->mean_reward > b->mean_reward;
}

bool train_save_as(struct train *t, const char *name, const struct train_evaluation *evaluation, struct err *e)
{
    char path[RUN_PATH];
    run_path(path, t->setup.config.out, name);
    ppo_parameters_get(&t->ppo, t->actor, t->critic);
    const struct train_policy policy = {.ppo = &t->ppo,
                                        .actor = t->actor,
                                        .critic = t->critic,
                                        .normaliser = &t->normaliser,
                                        .training_text = t->setup.policy_text,
                                        .seed = t->setup.config.seed,
                                        .steps = t->now.steps,
                                        .evaluation = *evaluation};
    return t->setup.save(t->setup.arg, path, &policy, e);
}

bool train_evaluate(struct train *t, struct err *e)
{
    struct tally tally = {0};
    if (t->eval_copies == 0)
        return true;
    ppo_parameters_get(&t->ppo, t->actor, t->critic);
    if (!infer_load(&t->greedy, t->actor, NULL, e) || !play(t, &tally, e))
        return err_wrap(e, "evaluation at step %lld", t->now.steps);
    struct train_evaluation *last = &t->now.last;
    *last = tally.sums;
    last->mean_reward /= tally.episodes;
    last->mean_length /= tally.episodes;
    last->mean_cost = tally.costs / tally.steps;
    for (int k = 0; k < TRAIN_EXTRAS; k++)
        last->extras[k] /= tally.episodes;
    t->now.last_is_new = true;
    t->now.evaluated_at = t->now.steps;
    if (!better(t, last, &t->now.best))
        return true;
    t->now.best = *last;
    return train_save_as(t, "best.safetensors", last, e);
}
