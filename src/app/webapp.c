/* webapp: the demo service from its start to its end: socket, threads of libmicrohttpd, getting ready, draining. What a request
 * gets stands in webapp_request.c. */
#include "webapp_state.h"

#include <maestro/clock.h>

#include "work.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPARE_CONNECTIONS 256 /* beyond places and queue: for probes, scrapes, and to say 503 */
#define STACK_BYTES ((size_t)256 << 10)
#define IDLE_S 60u
#define START_BEAT_S 0.05

bool webapp_wait(struct webapp *a, double seconds)
{
    double until_s = clock_monotonic_s() + seconds, whole_s = floor(until_s);
    struct timespec until = {.tv_sec = (time_t)whole_s, .tv_nsec = (long)((until_s - whole_s) * 1e9)};
    int late = seconds > 0 ? 0 : ETIMEDOUT;
    while (!a->closing && late == 0)
        late = pthread_cond_timedwait(&a->changed, &a->lock, &until);
    return !a->closing;
}

/* Getting ready costs CPU: a share of a core, in short beats. */
static void *get_ready(void *context)
{
    struct webapp *a = context;
    double end_s = clock_monotonic_s() + a->config.start_s;
    bool goes_on = true;
    for (double left_s; goes_on && (left_s = end_s - clock_monotonic_s()) > 0;) {
        double beat_s = fmin(START_BEAT_S, left_s), share = fmin(a->config.start_cpu_cores, 1);
        work_burn(share * beat_s);
        pthread_mutex_lock(&a->lock);
        goes_on = webapp_wait(a, (1 - share) * beat_s);
        pthread_mutex_unlock(&a->lock);
    }
    pthread_mutex_lock(&a->lock);
    a->ready_s = clock_monotonic_s();
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static bool check_config(const struct webapp_config *c, struct err *e)
{
    for (int i = 1; i < c->buckets_ms.n; i++)
        if (c->buckets_ms.v[i] <= c->buckets_ms.v[i - 1])
            return err_set(e, ERR_USAGE, "app.buckets_ms: %g does not rise above %g", c->buckets_ms.v[i],
                           c->buckets_ms.v[i - 1]);
    return true;
}

static bool listen_at(struct webapp *a, const struct sockaddr *where)
{
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC;
    if (where->sa_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK;
    // clang-format off
    a->daemon = MHD_start_daemon(flags, 0, NULL, NULL, webapp_request, a,
                                 MHD_OPTION_SOCK_ADDR, where,
                                 MHD_OPTION_NOTIFY_COMPLETED, webapp_request_done, a,
                                 MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)(a->config.concurrency + a->config.backlog + SPARE_CONNECTIONS),
                                 MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                                 MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
                                 MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES,
                                 MHD_OPTION_END);
    // clang-format on
    return a->daemon;
}

static bool start_listening(struct webapp *a, struct err *e)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%d", a->config.port);
    int wrong = getaddrinfo(a->config.address, port, &hints, &found);
    if (wrong)
        return err_set(e, ERR_USAGE, "app.address: '%.200s': %s", a->config.address, gai_strerror(wrong));
    errno = 0;
    bool done = listen_at(a, found->ai_addr);
    int reason = errno;
    freeaddrinfo(found);
    return done || err_set(e, ERR_IO, "cannot listen on '%.200s' port %d: %s", a->config.address, a->config.port,
                           strerror(reason));
}

static void init_state(struct webapp *a, const struct webapp_config *config)
{
    pthread_condattr_t monotonic;
    a->config = *config;
    gate_init(&a->gate, config->concurrency, config->backlog);
    tally_init(&a->tally, &config->buckets_ms);
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    uint64_t own = (uint64_t)(clock_wall_s() * 1e6) ^ ((uint64_t)getpid() << 40);
    rng_init(&a->rng, config->seed ? (uint64_t)config->seed : own, 0);
}

static void finish(struct webapp *a)
{
    while (a->leaks) {
        struct leak *next = a->leaks->next;
        free(a->leaks);
        a->leaks = next;
    }
    free(a->base_memory);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    tally_finish(&a->tally);
    gate_finish(&a->gate);
    free(a);
}

bool webapp_open(const struct webapp_config *config, struct webapp **out, struct err *e)
{
    if (!check_config(config, e))
        return false;
    struct webapp *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, ERR_IO, "no memory for the demo service");
    init_state(a, config);
    a->base_memory = work_memory(config->memory_base_mib * 1048576);
    if (!start_listening(a, e)) {
        finish(a);
        return false;
    }
    a->has_starter = pthread_create(&a->starter, NULL, get_ready, a) == 0;
    if (!a->has_starter) {
        a->config.linger_s = 0;
        webapp_close(a);
        return err_set(e, ERR_IO, "cannot start a thread");
    }
    *out = a;
    return true;
}

int webapp_port(const struct webapp *a)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

/* Until nothing is being answered, at most for the time of grace. */
static void wait_for_requests(struct webapp *a)
{
    double end_s = clock_monotonic_s() + a->config.grace_s, whole_s = floor(end_s);
    struct timespec end = {.tv_sec = (time_t)whole_s, .tv_nsec = (long)((end_s - whole_s) * 1e9)};
    pthread_mutex_lock(&a->lock);
    int late = 0;
    while (a->n_answering > 0 && late == 0)
        late = pthread_cond_timedwait(&a->changed, &a->lock, &end);
    a->closing = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void webapp_close(struct webapp *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->draining = true;
    (void)webapp_wait(a, a->config.linger_s);
    pthread_mutex_unlock(&a->lock);
    int listener = MHD_quiesce_daemon(a->daemon);
    wait_for_requests(a);
    MHD_stop_daemon(a->daemon);
    if (listener >= 0)
        close(listener);
    if (a->has_starter)
        pthread_join(a->starter, NULL);
    finish(a);
}
