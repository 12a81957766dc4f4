/* normalise: keeps running moments and scales by them. In: batches of raw numbers, always in the order of the copies. Out:
 * the same rows scaled in place. Does not know what a feature means; the frozen moments go into the policy file. */
#include <maestro/normalise.h>

#include <math.h>
#include <string.h>

static const double FIRST_COUNT = 1e-4;

/* Merges a batch of rows numbers at x, stride apart, into (count, mean, var); count itself is left to the caller. */
static void merge(double count, double *mean, double *var, const float *x, int rows, size_t stride)
{
    double batch_mean = 0;
    double batch_var = 0;
    for (int i = 0; i < rows; i++)
        batch_mean += (double)x[(size_t)i * stride];
    batch_mean /= rows;
    for (int i = 0; i < rows; i++) {
        double off = (double)x[(size_t)i * stride] - batch_mean;
        batch_var += off * off;
    }
    batch_var /= rows;
    double delta = batch_mean - *mean;
    double total = count + rows;
    double squares = *var * count + batch_var * rows + delta * delta * count * rows / total;
    *mean += delta * rows / total;
    *var = squares / total;
}

void normaliser_carve(struct normaliser *n, int dim, struct arena *arena)
{
    n->dim = dim;
    n->count = arena_take(arena, 1, sizeof *n->count);
    n->mean = arena_take(arena, (size_t)dim, sizeof *n->mean);
    n->var = arena_take(arena, (size_t)dim, sizeof *n->var);
    n->low = arena_take(arena, (size_t)dim, sizeof *n->low);
    n->high = arena_take(arena, (size_t)dim, sizeof *n->high);
}

void normaliser_init(struct normaliser *n, bool on, double clip)
{
    n->on = on;
    n->clip = clip;
    *n->count = FIRST_COUNT;
    for (int k = 0; k < n->dim; k++) {
        n->mean[k] = 0;
        n->var[k] = 1;
        n->low[k] = (double)INFINITY;
        n->high[k] = (double)-INFINITY;
    }
}

void normaliser_update(struct normaliser *n, const float *x, int rows)
{
    size_t d = (size_t)n->dim;
    for (int i = 0; i < rows; i++) {
        for (size_t k = 0; k < d; k++) {
            double value = (double)x[(size_t)i * d + k];
            n->low[k] = value < n->low[k] ? value : n->low[k];
            n->high[k] = value > n->high[k] ? value : n->high[k];
        }
    }
    if (!n->on)
        return;
    for (size_t k = 0; k < d; k++)
        merge(*n->count, &n->mean[k], &n->var[k], x + k, rows, d);
    *n->count += rows;
}

static double clamp(double value, double bound)
{
    return value > bound ? bound : value < -bound ? -bound : value;
}

void normaliser_apply(const struct normaliser *n, float *x, int rows)
{
    if (!n->on)
        return;
    for (int k = 0; k < n->dim; k++) {
        double divisor = sqrt(n->var[k] + NORMALISE_EPSILON);
        for (int i = 0; i < rows; i++) {
            float *value = &x[(size_t)i * (size_t)n->dim + (size_t)k];
            *value = (float)clamp(((double)*value - n->mean[k]) / divisor, n->clip);
        }
    }
}

size_t normaliser_state_bytes(const struct normaliser *n)
{
    return (1 + 4 * (size_t)n->dim) * sizeof(double);
}

void normaliser_state_get(const struct normaliser *n, void *out)
{
    size_t row = (size_t)n->dim * sizeof(double);
    unsigned char *p = out;
    memcpy(p, n->count, sizeof(double));
    p += sizeof(double);
    memcpy(p, n->mean, row);
    memcpy(p + row, n->var, row);
    memcpy(p + 2 * row, n->low, row);
    memcpy(p + 3 * row, n->high, row);
}

void normaliser_state_set(struct normaliser *n, const void *bytes)
{
    size_t row = (size_t)n->dim * sizeof(double);
    const unsigned char *p = bytes;
    memcpy(n->count, p, sizeof(double));
    p += sizeof(double);
    memcpy(n->mean, p, row);
    memcpy(n->var, p + row, row);
    memcpy(n->low, p + 2 * row, row);
    memcpy(n->high, p + 3 * row, row);
}

void reward_normaliser_carve(struct reward_normaliser *n, int n_envs, struct arena *arena)
{
    n->n_envs = n_envs;
    n->moments = arena_take(arena, 3, sizeof *n->moments);
    n->returns = arena_take(arena, (size_t)n_envs, sizeof *n->returns);
}

void reward_normaliser_init(struct reward_normaliser *n, bool on, double gamma, double clip)
{
    n->on = on;
    n->gamma = gamma;
    n->clip = clip;
    n->moments[0] = FIRST_COUNT;
    n->moments[1] = 0;
    n->moments[2] = 1;
    memset(n->returns, 0, (size_t)n->n_envs * sizeof *n->returns);
}

/* Moments of the returns, then the division: the order of VecNormalize.step_wait. */
void reward_normaliser_step(struct reward_normaliser *n, float *rewards, const unsigned char *terminated,
                            const unsigned char *truncated)
{
    if (!n->on)
        return;
    double mean = 0;
    double var = 0;
    for (int i = 0; i < n->n_envs; i++) {
        n->returns[i] = n->returns[i] * n->gamma + (double)rewards[i];
        mean += n->returns[i];
    }
    mean /= n->n_envs;
    for (int i = 0; i < n->n_envs; i++)
        var += (n->returns[i] - mean) * (n->returns[i] - mean);
    double count = n->moments[0];
    double total = count + n->n_envs;
    double delta = mean - n->moments[1];
    n->moments[2] = (n->moments[2] * count + var + delta * delta * count * n->n_envs / total) / total;
    n->moments[1] += delta * n->n_envs / total;
    n->moments[0] = total;
    double divisor = sqrt(n->moments[2] + NORMALISE_EPSILON);
    for (int i = 0; i < n->n_envs; i++) {
        rewards[i] = (float)clamp((double)rewards[i] / divisor, n->clip);
        if (terminated[i] || truncated[i])
            n->returns[i] = 0;
    }
}

size_t reward_normaliser_state_bytes(const struct reward_normaliser *n)
{
    return (3 + (size_t)n->n_envs) * sizeof(double);
}

void reward_normaliser_state_get(const struct reward_normaliser *n, void *out)
{
    memcpy(out, n->moments, 3 * sizeof(double));
    memcpy((unsigned char *)out + 3 * sizeof(double), n->returns, (size_t)n->n_envs * sizeof(double));
}

void reward_normaliser_state_set(struct reward_normaliser *n, const void *bytes)
{
    memcpy(n->moments, bytes, 3 * sizeof(double));
    memcpy(n->returns, (const unsigned char *)bytes + 3 * sizeof(double), (size_t)n->n_envs * sizeof(double));
}
