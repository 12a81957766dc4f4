/* jobs: a loop over independent jobs on several threads, the caller's among them. Knows nothing of what they do. */
#include "jobs.h"

#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#define THREADS_LIMIT 256

struct pool {
    const struct jobs *jobs;
    pthread_mutex_t lock; /* of all below */
    int next;
    int done;
    int failed_job;
    struct err failure;
};

static int take_job(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    int job = p->failed_job == INT_MAX && p->next < p->jobs->n ? p->next++ : -1;
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void note_end(struct pool *p, int job, bool done, const struct err *e)
{
    pthread_mutex_lock(&p->lock);
    p->done++;
    if (!done && job < p->failed_job) {
        p->failed_job = job;
        p->failure = *e;
    }
    if (done && p->jobs->progress)
        p->jobs->progress(p->jobs->progress_arg, p->done, p->jobs->n);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    struct pool *p = arg;
    for (int job = take_job(p); job >= 0; job = take_job(p)) {
        struct err e = {0};
        bool done = p->jobs->run(p->jobs->arg, job, &e);
        note_end(p, job, done, &e);
    }
    return NULL;
}

static int count_threads(const struct jobs *jobs)
{
    long n = jobs->n_threads > 0 ? jobs->n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (n > jobs->n)
        n = jobs->n;
    if (n > THREADS_LIMIT)
        n = THREADS_LIMIT;
    return n < 1 ? 1 : (int)n;
}

bool jobs_run(const struct jobs *jobs, struct err *e)
{
    struct pool pool = {.jobs = jobs, .lock = PTHREAD_MUTEX_INITIALIZER, .failed_job = INT_MAX};
    pthread_t threads[THREADS_LIMIT];
    int n_started = 0;
    int n_wanted = count_threads(jobs) - 1; // the caller's works too
    while (n_started < n_wanted && pthread_create(&threads[n_started], NULL, work, &pool) == 0)
        n_started++;
    work(&pool);
    for (int i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&pool.lock);
    if (pool.failed_job == INT_MAX)
        return true;
    if (e)
        *e = pool.failure;
    return false;
}
