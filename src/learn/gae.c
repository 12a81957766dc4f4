/* gae: advantages and returns of a rollout, backward in time, one environment after the other. */
#include <maestro/gae.h>
#include <maestro/rollout.h>
#include <stdbool.h>

static double next_value(const struct rollout *r, int step, int env)
{
    const size_t row = rollout_row(r, step, env);
    if (r->terminated[row])
        return 0.0;
    if (r->truncated[row])
        return (double)r->final_values[row];
    return (double)(step + 1 == r->n_steps ? r->last_values[env] : r->values[row + (size_t)r->n_envs]);
}

void gae_compute(struct rollout *r, double gamma, double lambda)
{
    for (int env = 0; env < r->n_envs; env++) {
        double later = 0.0;
        for (int step = r->n_steps - 1; step >= 0; step--) {
            const size_t row = rollout_row(r, step, env);
            const bool ended = r->terminated[row] || r->truncated[row];
            const double value = (double)r->values[row];
            const double delta = (double)r->rewards[row] + gamma * next_value(r, step, env) - value;
            later = delta + (ended ? 0.0 : gamma * lambda * later);
            r->advantages[row] = (float)later;
            r->returns[row] = (float)(later + value);
        }
    }
}
