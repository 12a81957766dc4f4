/* team: threads that wait for jobs, and a barrier. A waiter spins for some microseconds, because jobs of a trainer
 * follow each other that closely, then sleeps, so that a crowded machine runs somebody who works. Knows nothing of what
 * the jobs do. */
#include <maestro/team.h>
#include <stdlib.h>

#define SPINS 1000 /* pauses before sleeping: about 10 to 40 us, several times what partners differ by */

struct member {
    struct team *team;
    int index;
    pthread_t thread;
};

struct team {
    int size;
    int started; /* members whose thread runs */
    struct member members[TEAM_LIMIT];
    struct team_gate job;     /* counts jobs; a change starts the members */
    struct team_gate working; /* members not yet done with the job */
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

static unsigned gate_value(const struct team_gate *g)
{
    return atomic_load_explicit(&g->value, memory_order_acquire);
}

static void gate_await_change(struct team_gate *g, unsigned old)
{
    for (int i = 0; i < SPINS; i++) {
        if (gate_value(g) != old)
            return;
        pause_core();
    }
    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) == old)
        pthread_cond_wait(&g->wake, &g->lock);
    atomic_fetch_sub(&g->sleepers, 1);
    pthread_mutex_unlock(&g->lock);
}

/* Sequentially consistent: either this sees the sleeper or the sleeper sees the new value. */
static void gate_add(struct team_gate *g, unsigned n)
{
    atomic_fetch_add(&g->value, n);
    if (atomic_load(&g->sleepers) == 0)
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static void gate_init(struct team_gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->wake, NULL);
}

static void gate_finish(struct team_gate *g)
{
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
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
        gate_await_change(&team->job, seen);
        if (atomic_load_explicit(&team->closing, memory_order_acquire))
            return NULL;
        run_parts(team, member->index);
        gate_add(&team->working, 0u - 1u);
    }
}

static void start_job(struct team *team)
{
    atomic_store(&team->working.value, (unsigned)team->started);
    gate_add(&team->job, 1);
}

bool team_open(int n_threads, struct team **out, struct err *e)
{
    if (n_threads < 1 || n_threads > TEAM_LIMIT)
        return err_set(e, ERR_USAGE, "threads: %d, must be 1 to %d", n_threads, TEAM_LIMIT);
    struct team *team = calloc(1, sizeof *team);
    if (!team)
        return err_set(e, ERR_IO, "threads: out of memory");
    team->size = n_threads;
    gate_init(&team->job);
    gate_init(&team->working);
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
    gate_finish(&team->job);
    gate_finish(&team->working);
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
    for (unsigned left; (left = gate_value(&team->working)) != 0;)
        gate_await_change(&team->working, left);
}

void team_wait(struct team_barrier *b, unsigned n_parts)
{
    const unsigned phase = gate_value(&b->phase);
    if (atomic_fetch_add(&b->arrived, 1) + 1 < n_parts) {
        gate_await_change(&b->phase, phase);
        return;
    }
    atomic_store(&b->arrived, 0);
    gate_add(&b->phase, 1);
}
