/* vecenv: collects experience. In: one action per copy. Out: rewards, costs, ends, next observations, in the caller's
 * slices, and the record of each ended episode. Does not choose actions, normalise or log. */
#include <maestro/vecenv.h>

#include <maestro/clock.h>
#include <math.h>
#include <string.h>

/* Starting a team costs about as much as a hundred steps of a toy; a block of this size means a real simulation. */
static const size_t HEAVY_STATE_BYTES = 1024;
static const int PARALLEL_FROM_TOYS = 256;

void vecenv_carve(struct vecenv *v, const struct env *env, int n_envs, struct arena *arena)
{
    v->env = env;
    v->n_envs = n_envs;
    v->stride = (env->spec.state_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    v->states = arena_take(arena, (size_t)n_envs, v->stride);
    v->episodes = arena_take(arena, (size_t)n_envs, sizeof *v->episodes);
    v->errors = arena_take(arena, (size_t)n_envs, sizeof *v->errors);
}

static void *state_of(const struct vecenv *v, int i)
{
    return v->states + (size_t)i * v->stride;
}

static bool finite_row(const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}

bool vecenv_init(struct vecenv *v, uint64_t seed, uint64_t first_stream, float *obs, unsigned char *masks,
                 struct err *e)
{
    size_t d = (size_t)v->env->spec.obs_dim;
    size_t a = (size_t)v->env->spec.n_actions;
    memset(v->states, 0, (size_t)v->n_envs * v->stride);
    memset(v->episodes, 0, (size_t)v->n_envs * sizeof *v->episodes);
    for (int i = 0; i < v->n_envs; i++) {
        size_t at = (size_t)i;
        v->env->ops->init(v->env, state_of(v, i), seed, first_stream + at);
        if (!v->env->ops->reset(v->env, state_of(v, i), obs + at * d, masks + at * a, e))
            return err_wrap(e, "%s: copy %d", v->env->spec.id, i);
    }
    return true;
}

/* Closes the episode of copy i: its record, its final observation, its successor's first observation. */
static bool end_episode(struct vecenv *v, const struct vecenv_slices *s, int i)
{
    const struct env *env = v->env;
    size_t d = (size_t)env->spec.obs_dim;
    struct vecenv_episode *p = &v->episodes[i];
    float *next = s->next_obs + (size_t)i * d;
    memcpy(s->final_obs + (size_t)i * d, next, d * sizeof *next);
    p->ended = true;
    p->ended_sum = p->sum;
    p->ended_length = p->length;
    env->ops->episode(env, state_of(v, i), &p->extra);
    p->sum = 0;
    p->length = 0;
    return env->ops->reset(env, state_of(v, i), next, s->next_masks + (size_t)i * (size_t)env->spec.n_actions,
                           &v->errors[i]);
}

static bool step_one(struct vecenv *v, const struct vecenv_slices *s, int i)
{
    const struct env *env = v->env;
    size_t at = (size_t)i;
    float *next = s->next_obs + at * (size_t)env->spec.obs_dim;
    unsigned char *mask = s->next_masks + at * (size_t)env->spec.n_actions;
    struct env_result r = {0};
    v->episodes[i].ended = false;
    if (!env->ops->step(env, state_of(v, i), s->actions[i], next, mask, &r, &v->errors[i]))
        return false;
    if (!isfinite(r.reward) || !isfinite(r.cost) || !finite_row(next, env->spec.obs_dim))
        return err_set(&v->errors[i], ERR_NUMERIC, "a reward, cost or observation is not finite");
    s->rewards[i] = r.reward;
    s->costs[i] = r.cost;
    s->terminated[i] = r.terminated;
    s->truncated[i] = r.truncated && !r.terminated;
    v->episodes[i].sum += (double)r.reward;
    v->episodes[i].length++;
    return !(r.terminated || r.truncated) || end_episode(v, s, i);
}

struct job {
    struct vecenv *v;
    const struct vecenv_slices *s;
    int n_parts;
};

/* Part p steps a run of neighbours; a copy that fails stops only its own part. */
static void step_part(void *arg, int part)
{
    const struct job *job = arg;
    int begin = (int)((long long)job->v->n_envs * part / job->n_parts);
    int end = (int)((long long)job->v->n_envs * (part + 1) / job->n_parts);
    for (int i = begin; i < end; i++) {
        job->v->errors[i].code = ERR_NONE;
        if (!step_one(job->v, job->s, i))
            return;
    }
}

bool vecenv_step(struct vecenv *v, const struct vecenv_slices *s, struct err *e)
{
    bool alone = v->env->spec.state_bytes < HEAVY_STATE_BYTES && v->n_envs < PARALLEL_FROM_TOYS;
    int parts = alone ? 1 : team_size(v->team);
    struct job job = {v, s, parts < v->n_envs ? parts : v->n_envs};
    double begin_s = clock_monotonic_s();
    team_run(job.n_parts > 1 ? v->team : NULL, job.n_parts, step_part, &job);
    v->spent_s += clock_monotonic_s() - begin_s;
    for (int i = 0; i < v->n_envs; i++) {
        if (v->errors[i].code != ERR_NONE) {
            if (e)
                *e = v->errors[i];
            return err_wrap(e, "%s: copy %d", v->env->spec.id, i);
        }
    }
    return true;
}

size_t vecenv_state_bytes(const struct vecenv *v)
{
    return (size_t)v->n_envs * (v->stride + sizeof *v->episodes);
}

void vecenv_state_get(const struct vecenv *v, void *out)
{
    size_t blocks = (size_t)v->n_envs * v->stride;
    memcpy(out, v->states, blocks);
    memcpy((unsigned char *)out + blocks, v->episodes, (size_t)v->n_envs * sizeof *v->episodes);
}

void vecenv_state_set(struct vecenv *v, const void *bytes)
{
    size_t blocks = (size_t)v->n_envs * v->stride;
    memcpy(v->states, bytes, blocks);
    memcpy(v->episodes, (const unsigned char *)bytes + blocks, (size_t)v->n_envs * sizeof *v->episodes);
}
