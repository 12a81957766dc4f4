/* rollout: the memory of one rollout, carved from an arena. Collecting and learning are elsewhere. */
#include <maestro/rollout.h>
#include <string.h>

void rollout_carve(struct rollout *r, struct arena *arena)
{
    const size_t n_envs = (size_t)r->n_envs, obs_dim = (size_t)r->obs_dim, n_actions = (size_t)r->n_actions;
    const size_t rows = (size_t)r->n_steps * n_envs;
    r->obs = arena_take(arena, (rows + n_envs) * obs_dim, sizeof *r->obs);
    r->masks = arena_take(arena, (rows + n_envs) * n_actions, sizeof *r->masks);
    r->actions = arena_take(arena, rows, sizeof *r->actions);
    r->log_probs = arena_take(arena, rows, sizeof *r->log_probs);
    r->rewards = arena_take(arena, rows, sizeof *r->rewards);
    r->costs = arena_take(arena, rows, sizeof *r->costs);
    r->terminated = arena_take(arena, rows, sizeof *r->terminated);
    r->truncated = arena_take(arena, rows, sizeof *r->truncated);
    r->final_obs = arena_take(arena, rows * obs_dim, sizeof *r->final_obs);
    r->values = arena_take(arena, rows, sizeof *r->values);
    r->last_values = arena_take(arena, n_envs, sizeof *r->last_values);
    r->final_values = arena_take(arena, rows, sizeof *r->final_values);
    r->advantages = arena_take(arena, rows, sizeof *r->advantages);
    r->returns = arena_take(arena, rows, sizeof *r->returns);
    if (r->masks)
        memset(r->masks, 1, (rows + n_envs) * n_actions);
}

size_t rollout_row(const struct rollout *r, int step, int env)
{
    return (size_t)step * (size_t)r->n_envs + (size_t)env;
}
