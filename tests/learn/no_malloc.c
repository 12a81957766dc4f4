/* no_malloc: between the first and the last step nothing is allocated or freed: collecting, pricing, advantages, updates,
 * rows of all three files, evaluations and checkpoints. Calls are counted through the linker's --wrap; only the saving of a
 * policy file, an event of its own, is left out of the count. */
#include "cartpole_run.h"

#include <maestro/microservice.h>

#include <stdatomic.h>

static atomic_int counting;
static atomic_long calls;

static void note(void)
{
    if (atomic_load(&counting))
        atomic_fetch_add(&calls, 1);
}

// The names are the linker's.
// NOLINTBEGIN(bugprone-reserved-identifier)
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
int __real_posix_memalign(void **out, size_t alignment, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
int __wrap_posix_memalign(void **out, size_t alignment, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    note();
    return __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t size)
{
    note();
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    note();
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    note();
    return __real_aligned_alloc(alignment, n);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t n)
{
    note();
    return __real_posix_memalign(out, alignment, n);
}

void __wrap_free(void *p)
{
    note();
    __real_free(p);
}
// NOLINTEND(bugprone-reserved-identifier)

static int saves;

static bool save_uncounted(void *arg, const char *path, const struct train_policy *policy, struct err *e)
{
    int before = atomic_exchange(&counting, 0);
    bool done = train_save(arg, path, policy, e);
    atomic_store(&counting, before);
    saves++;
    return done;
}

static bool run_counted(struct train *t, struct err *e)
{
    bool done = false;
    while (!done) {
        if (!train_step(t, &done, e))
            return false;
    }
    return true;
}

/* Ten updates of 1024 steps, counted. Returns whether nothing was allocated. */
static bool count_run(struct cartpole_run *run, const char *what)
{
    struct train *t = NULL;
    struct err e = {0};
    saves = 0;
    atomic_store(&calls, 0);
    run->setup.ppo.n_envs = 4;
    run->setup.ppo.n_steps = 256;
    run->setup.config.total_timesteps = 10240;
    run->setup.config.threads = 2;
    run->setup.config.normalize_obs = true;
    run->setup.config.normalize_reward = true;
    run->setup.config.eval_freq = 2000;
    run->setup.config.eval_episodes = 10;
    run->setup.config.checkpoint_interval_s = 0;
    run->setup.save = save_uncounted;
    bool done = train_open(&run->setup, &t, &e);
    atomic_store(&counting, 1);
    done = done && run_counted(t, &e);
    atomic_store(&counting, 0);
    done = done && train_finish(t, &e);
    train_close(t);
    if (!done)
        fprintf(stderr, "%s\n", e.message);
    printf("%s: %ld allocations in ten updates with %d policies saved\n", what, atomic_load(&calls), saves);
    return done && saves >= 2 && atomic_load(&calls) == 0;
}

static bool count_cartpole(void)
{
    struct cartpole_run run;
    char folder[512];
    cartpole_folder(folder, "malloc");
    cartpole_run_defaults(&run, folder);
    bool none = count_run(&run, "cartpole");
    cartpole_remove(folder);
    return none;
}

/* Short episodes, so that many begin and end; faults, the budget and the guard take part. */
static bool count_microservice(void)
{
    struct service_profile profile;
    struct microservice_parts parts = {.config = {.max_steps = 20,
                                                  .period_s = 15,
                                                  .actions = {.n = 3, .v = {-1, 0, 1}},
                                                  .min_replicas = 1,
                                                  .max_replicas = 10,
                                                  .masks = true,
                                                  .warm_up_s = 120},
                                       .guard = {.enabled = true},
                                       .reward = {.weight_replicas = 0.3, .weight_latency = 0.7}};
    struct sim_config config = {
        .profile = &profile, .n_variants = 2, .max_replicas = 10, .episode_s = 600, .faults = true, .seed = 1};
    struct sim_model *model = NULL;
    struct cartpole_run run;
    struct err e = {0};
    char folder[512];
    cartpole_folder(folder, "malloc");
    cartpole_run_defaults(&run, folder);
    run.setup.slo.slo_budget = 0.01;
    profile_default(&profile);
    bool none = observation_spec_parse(&parts.observation, "all", 15, 60, &e) && sim_model_open(&config, &model, &e);
    parts.model = model;
    if (none && microservice_open(&parts, &run.env, &e)) {
        none = count_run(&run, "microservice");
        run.env.ops->close(&run.env);
    }
    if (e.code != ERR_NONE)
        fprintf(stderr, "%s\n", e.message);
    sim_model_close(model);
    cartpole_remove(folder);
    return none && e.code == ERR_NONE;
}

int main(void)
{
    atomic_store(&counting, 1);
    void *volatile one = malloc(1); // proves that the count counts
    free(one);
    atomic_store(&counting, 0);
    long proof = atomic_load(&calls);
    printf("%ld calls in a malloc and a free\n", proof);
    bool none = count_cartpole();
    return count_microservice() && none && proof == 2 ? 0 : 1;
}
