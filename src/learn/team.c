/* team: threads that wait for jobs, and a barrier. A waiter spins for some microseconds, because jobs of a trainer follow
 * each other that closely, then yields, then sleeps. Knows nothing of what the jobs do. */
#include <maestro/team.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define SPINS 2000 /* pauses before giving the core away: about 20 to 80 us */
#define YIELDS 200 /* times the core is given away before sleeping */

struct member {
    struct team *team;
    int index;
    pthread_t thread;
};

struct team {
    int size;
    int started; /* members whose thread runs */
    struct member members[TEAM_LIMIT];
    pthread_mutex_t lock; /* of the sleepers */
    pthread_cond_t wake;
    atomic_uint job;     /* counts jobs; a change starts the members */
    atomic_uint working; /* members not yet done with the job */
    atomic_bool closing;
    void (*work)(void *arg, int part);
    void *arg;
    int n_parts;
};

static void pause_core(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* True as soon as *value differs from old; false when it is time to sleep. */
static bool await_change(const atomic_uint *value, unsigned old)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(value, memory_order_acquire) != old)
            return true;
        pause_core();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load_explicit(value, memory_order_acquire) != old)
            return true;
        sched_yield();
    }
    return false;
}

static void await_job(struct team *team, unsigned seen)
{
    if (await_change(&team->job, seen))
        return;
    pthread_mutex_lock(&team->lock);
    while (atomic_load_explicit(&team->job, memory_order_acquire) == seen)
        pthread_cond_wait(&team->wake, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

static void run_parts(const struct team *team, int index)
{
    for (int part = index; part < team->n_parts; part += team->size)
        team->work(team->arg, part);
}

static void *member_main(void *arg)
{
    struct member *member = arg;
    struct team *team = member->team;
    for (unsigned seen = 0;; seen++) {
        await_job(team, seen);
        if (atomic_load_explicit(&team->closing, memory_order_acquire))
            return NULL;
        run_parts(team, member->index);
        atomic_fetch_sub_explicit(&team->working, 1, memory_order_release);
    }
}

static void start_job(struct team *team)
{
    atomic_store_explicit(&team->working, (unsigned)team->started, memory_order_relaxed);
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add_explicit(&team->job, 1, memory_order_release);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
}

bool team_open(int n_threads, struct team **out, struct err *e)
{
    if (n_threads < 1 || n_threads > TEAM_LIMIT)
        return err_set(e, ERR_USAGE, "threads: %d, must be 1 to %d", n_threads, TEAM_LIMIT);
    struct team *team = calloc(1, sizeof *team);
    if (!team)
        return err_set(e, ERR_IO, "threads: out of memory");
    team->size = n_threads;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    for (int i = 1; i < n_threads; i++) {
        struct member *member = &team->members[i];
        *member = (struct member){.team = team, .index = i};
        if (pthread_create(&member->thread, NULL, member_main, member) != 0) {
            team_close(team);
            return err_set(e, ERR_IO, "threads: the system refuses thread %d of %d", i + 1, n_threads);
        }
        team->started++;
    }
    *out = team;
    return true;
}

void team_close(struct team *team)
{
    if (!team)
        return;
    atomic_store_explicit(&team->closing, true, memory_order_release);
    start_job(team);
    for (int i = 1; i <= team->started; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->lock);
    free(team);
}

int team_size(const struct team *team)
{
    return team ? team->size : 1;
}

void team_run(struct team *team, int n_parts, void (*work)(void *arg, int part), void *arg)
{
    if (team_size(team) == 1 || n_parts == 1) {
        for (int part = 0; part < n_parts; part++)
            work(arg, part);
        return;
    }
    team->work = work;
    team->arg = arg;
    team->n_parts = n_parts;
    start_job(team);
    run_parts(team, 0);
    for (unsigned left; (left = atomic_load_explicit(&team->working, memory_order_acquire)) != 0;)
        (void)await_change(&team->working, left);
}

void team_wait(struct team_barrier *b, unsigned n_parts)
{
    const unsigned phase = atomic_load_explicit(&b->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 == n_parts) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&b->phase, 1, memory_order_release);
        return;
    }
    while (!await_change(&b->phase, phase))
        continue;
}
