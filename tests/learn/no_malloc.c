/* no_malloc: between the first and the last step nothing is allocated or freed: collecting, pricing, advantages, updates,
 * rows of all three files, evaluations and checkpoints. Calls are counted through the linker's --wrap; only the saving of a
 * policy file, an event of its own, is left out of the count. */
#include "cartpole_run.h"

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

int main(void)
{
    struct cartpole_run run;
    struct train *t = NULL;
    struct err e = {0};
    char folder[512];
    cartpole_folder(folder, "malloc");
    cartpole_run_defaults(&run, folder);
    run.setup.ppo.n_envs = 4;
    run.setup.ppo.n_steps = 256;
    run.setup.config.total_timesteps = 10240;
    run.setup.config.threads = 2;
    run.setup.config.normalize_obs = true;
    run.setup.config.eval_freq = 2000;
    run.setup.config.eval_episodes = 10;
    run.setup.config.checkpoint_interval_s = 0;
    run.setup.save = save_uncounted;
    bool done = train_open(&run.setup, &t, &e);
    atomic_store(&counting, 1);
    void *volatile one = malloc(1); // proves that the count counts
    free(one);
    long proof = atomic_exchange(&calls, 0);
    done = done && run_counted(t, &e);
    atomic_store(&counting, 0);
    done = done && train_finish(t, &e);
    train_close(t);
    cartpole_remove(folder);
    if (!done)
        fprintf(stderr, "%s\n", e.message);
    printf("%ld allocations in ten updates with %d policies saved; %ld in a malloc and a free\n", atomic_load(&calls),
           saves, proof);
    return done && proof == 2 && saves >= 2 && atomic_load(&calls) == 0 ? 0 : 1;
}
