/* bench_learning: PPO on CartPole-v1 from the first environment step to the end of the last optimiser step of a
 * rollout, as transitions per second, and canonical inference as rows per second. Measures; judges nothing. */
#include <maestro/cartpole.h>
#include <maestro/infer.h>
#include <maestro/ppo.h>
#include <maestro/vecenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Workloads W1 to W3: environments x steps, minibatch, epochs; tanh 64 x 64, everything else Stable-Baselines3's. */
static const struct workload {
    const char *name;
    int n_envs, n_steps, batch_size, n_epochs;
} workloads[] = {
    {"1 x 2048, 64, 10 epochs", 1, 2048, 64, 10},
    {"8 x 256, 64, 10 epochs", 8, 256, 64, 10},
    {"64 x 64, 1024, 4 epochs", 64, 64, 1024, 4},
    {"64 x 64, 1024, 10 epochs", 64, 64, 1024, 10},
};

#define N_WORKLOADS ((int)(sizeof workloads / sizeof *workloads))

struct training {
    char name[64];
    struct arena arena;
    struct env env;
    struct vecenv vecenv;
    struct rollout rollout;
    struct ppo ppo;
    struct ppo_config config;
    struct rng *streams; /* [N] */
    struct team *team;
};

static bool collect(struct training *t, struct err *e)
{
    struct rollout *r = &t->rollout;
    const size_t n_envs = (size_t)r->n_envs, obs = n_envs * (size_t)r->obs_dim, masks = n_envs * (size_t)r->n_actions;
    for (int step = 0; step < r->n_steps; step++) {
        const size_t row = rollout_row(r, step, 0), at = (size_t)step;
        ppo_act(&t->ppo, r->obs + at * obs, r->masks + at * masks, r->n_envs, t->streams, r->actions + row,
                r->log_probs + row);
        const struct vecenv_slices slices = {
            .actions = r->actions + row,
            .rewards = r->rewards + row,
            .costs = r->costs + row,
            .terminated = r->terminated + row,
            .truncated = r->truncated + row,
            .final_obs = r->final_obs + at * obs,
            .next_obs = r->obs + (at + 1) * obs,
            .next_masks = r->masks + (at + 1) * masks,
        };
        if (!vecenv_step(&t->vecenv, &slices, e))
            return false;
    }
    return true;
}

static bool train_once(void *data, double *units, struct err *e)
{
    struct training *t = data;
    struct rollout *r = &t->rollout;
    struct ppo_stats stats;
    if (!collect(t, e))
        return false;
    ppo_values(&t->ppo, r);
    ppo_advantages(&t->ppo, r);
    if (!ppo_update(&t->ppo, r, 1.0, NULL, &stats, e))
        return false;
    const size_t last = (size_t)r->n_steps * (size_t)r->n_envs;
    memcpy(r->obs, r->obs + last * (size_t)r->obs_dim, (size_t)r->n_envs * (size_t)r->obs_dim * sizeof(float));
    memcpy(r->masks, r->masks + last * (size_t)r->n_actions, (size_t)r->n_envs * (size_t)r->n_actions);
    *units = (double)last;
    return true;
}

static void training_finish(void *data)
{
    struct training *t = data;
    team_close(t->team);
    arena_finish(&t->arena);
    free(t);
}

static void training_carve(struct training *t, struct arena *arena)
{
    ppo_carve(&t->ppo, &t->config, CARTPOLE_OBS, CARTPOLE_ACTIONS, arena);
    t->rollout = (struct rollout){.n_steps = t->config.n_steps,
                                  .n_envs = t->config.n_envs,
                                  .obs_dim = CARTPOLE_OBS,
                                  .n_actions = CARTPOLE_ACTIONS};
    rollout_carve(&t->rollout, arena);
    vecenv_carve(&t->vecenv, &t->env, t->config.n_envs, arena);
    t->streams = arena_take(arena, (size_t)t->config.n_envs, sizeof *t->streams);
}

static bool training_open(struct training *t, const struct workload *w, int threads, const char *kernel, struct err *e)
{
    ppo_config_defaults(&t->config);
    t->config.n_envs = w->n_envs;
    t->config.n_steps = w->n_steps;
    t->config.batch_size = w->batch_size;
    t->config.n_epochs = w->n_epochs;
    snprintf(t->config.kernel, sizeof t->config.kernel, "%s", kernel ? kernel : "auto");
    snprintf(t->name, sizeof t->name, "PPO %s, %d thread%s", w->name, threads, threads > 1 ? "s" : "");
    cartpole_env(&t->env);
    struct arena plan = {0};
    training_carve(t, &plan);
    if (!arena_init(&t->arena, plan.used, e))
        return false;
    training_carve(t, &t->arena);
    if (threads > 1 && !team_open(threads, &t->team, e))
        return false;
    if (!ppo_init(&t->ppo, 1, e))
        return false;
    t->ppo.team = t->team;
    for (int i = 0; i < w->n_envs; i++)
        rng_init(&t->streams[i], 2, (uint64_t)i);
    return vecenv_init(&t->vecenv, 1, 0, t->rollout.obs, t->rollout.masks, e);
}

/* Rollout: actor once per step, critic once per step; each epoch: forward, gradients of all weights, and of all inputs
 * but the first layer's. */
static double flop_per_step(const struct ppo *ppo, int n_epochs)
{
    const struct mlp_shape *shapes[] = {&ppo->actor_shape, &ppo->critic_shape};
    double flop = 0.0;
    for (int i = 0; i < 2; i++) {
        const double forward = 2.0 * (double)mlp_multiplications(shapes[i]);
        const double first = 2.0 * (double)shapes[i]->n_in * (double)shapes[i]->hidden[0];
        flop += forward + n_epochs * (3.0 * forward - first);
    }
    return flop;
}

static bool add_training(struct bench_figure *figures, int *n_figures, const struct workload *w, int threads,
                         const char *kernel, struct err *e)
{
    struct training *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_IO, "bench: out of memory");
    if (!training_open(t, w, threads, kernel, e)) {
        training_finish(t);
        return false;
    }
    figures[(*n_figures)++] = (struct bench_figure){.name = t->name,
                                                    .unit = "steps/s",
                                                    .cores = threads,
                                                    .flop_per_unit = flop_per_step(&t->ppo, w->n_epochs),
                                                    .run = train_once,
                                                    .finish = training_finish,
                                                    .data = t};
    return true;
}

/* Inference of a policy as it is served: 12 features, 64 x 64, 7 actions. */
struct inference {
    char name[64];
    struct arena arena;
    struct infer net;
    float *x, *y;
    int rows;
};

static bool infer_once(void *data, double *units, struct err *e)
{
    (void)e;
    const struct inference *f = data;
    const int calls = 4096 / f->rows;
    for (int i = 0; i < calls; i++)
        infer_forward(&f->net, f->x, f->rows, f->y);
    *units = (double)calls * f->rows;
    return true;
}

static void inference_finish(void *data)
{
    struct inference *f = data;
    arena_finish(&f->arena);
    free(f);
}

static void inference_carve(struct inference *f, const struct mlp_shape *shape, struct arena *arena)
{
    infer_carve(&f->net, shape, arena);
    f->x = arena_take(arena, (size_t)f->rows * (size_t)shape->n_in, sizeof(float));
    f->y = arena_take(arena, (size_t)f->rows * (size_t)shape->n_out, sizeof(float));
}

static bool inference_open(struct inference *f, const struct mlp_shape *shape, const char *kernel, struct err *e)
{
    struct arena plan = {0};
    inference_carve(f, shape, &plan);
    if (!arena_init(&f->arena, plan.used, e))
        return false;
    inference_carve(f, shape, &f->arena);
    struct rng rng;
    rng_init(&rng, 1, 1);
    double *work = calloc(mlp_initialise_work(shape), sizeof *work);
    float *parameters = calloc(mlp_parameter_count(shape), sizeof *parameters);
    bool done = work && parameters;
    if (done) {
        mlp_initialise(shape, 0.01, &rng, work, parameters);
        for (int i = 0; i < f->rows * shape->n_in; i++)
            f->x[i] = (float)rng_normal(&rng);
        done = infer_load(&f->net, parameters, kernel, e);
    } else {
        (void)err_set(e, ERR_IO, "bench: out of memory");
    }
    free(work);
    free(parameters);
    return done;
}

static bool add_inference(struct bench_figure *figures, int *n_figures, int rows, const char *kernel, struct err *e)
{
    const struct mlp_shape shape = {.n_in = 12, .n_hidden = 2, .hidden = {64, 64}, .n_out = 7, .activation = MLP_TANH};
    struct inference *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_IO, "bench: out of memory");
    f->rows = rows;
    snprintf(f->name, sizeof f->name, "inference, batch %d", rows);
    if (!inference_open(f, &shape, kernel, e)) {
        inference_finish(f);
        return false;
    }
    figures[(*n_figures)++] = (struct bench_figure){.name = f->name,
                                                    .unit = "rows/s",
                                                    .cores = 1,
                                                    .flop_per_unit = 2.0 * (double)mlp_multiplications(&shape),
                                                    .run = infer_once,
                                                    .finish = inference_finish,
                                                    .data = f};
    return true;
}

bool bench_learning(struct bench_figure *figures, int *n_figures, const char *kernel, struct err *e)
{
    for (int i = 0; i < N_WORKLOADS; i++)
        for (int threads = 1; threads <= 2; threads++)
            if (!add_training(figures, n_figures, &workloads[i], threads, kernel, e))
                return false;
    return add_inference(figures, n_figures, 1, kernel, e) && add_inference(figures, n_figures, 64, kernel, e);
}
