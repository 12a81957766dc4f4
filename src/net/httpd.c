/* httpd: the HTTP server's daemon: the listening socket, libmicrohttpd's threads, and the end of it all. In: a table of
 * routes. Out: handlers called (httpd_exchange.c). Knows nothing of what is served. */
#include "httpd.h"

#include <maestro/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define HEAD_BYTES ((size_t)16 << 10) // of a request; libmicrohttpd clears as much between two requests
#define QUIET_S 0.1                   // without a new request, then kept-alive connections count as idle

static struct httpd_config with_defaults(const struct httpd_config *in)
{
    struct httpd_config c = *in;
    c.n_threads = c.n_threads > 0 ? c.n_threads : 1;
    c.connections = c.connections > 0 ? c.connections : 1024;
    if (c.connections < c.n_threads)
        c.connections = c.n_threads;
    c.body_limit = c.body_limit ? c.body_limit : (size_t)1 << 20;
    c.idle_timeout_s = c.idle_timeout_s > 0.0 ? c.idle_timeout_s : 30.0;
    return c;
}

static bool listen_on(const struct addrinfo *where, int *out)
{
    const int yes = 1, no = 0;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (where->ai_family == AF_INET6) // "::" serves IPv4 too
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return true;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return false;
}

static bool open_socket(const struct httpd_config *c, int *out, struct err *e)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%d", c->port);
    int wrong = getaddrinfo(c->address, port, &hints, &found);
    if (wrong)
        return err_set(e, ERR_USAGE, "cannot listen on '%s' port %d: %s", c->address ? c->address : "", c->port,
                       gai_strerror(wrong));
    bool done = listen_on(found, out);
    int reason = errno;
    freeaddrinfo(found);
    return done || err_set(e, ERR_IO, "cannot listen on '%s' port %d: %s", c->address, c->port, strerror(reason));
}

static int port_of(int fd)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t n = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    return ntohs(at.any.ss_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

static void count_connection(void *context, struct MHD_Connection *connection, void **state,
                             enum MHD_ConnectionNotificationCode code)
{
    struct httpd *d = context;
    (void)connection;
    (void)state;
    atomic_fetch_add(&d->n_connections, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

/* One thread has no pool: libmicrohttpd wants at least two in one. */
static bool start(struct httpd *d, int fd, struct err *e)
{
    const struct httpd_config *c = &d->config;
    const struct MHD_OptionItem more[] = {
        {c->n_threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, c->n_threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_EPOLL;
    // clang-format off
    d->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_access, d,
                                 MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->connections,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEAD_BYTES,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(c->idle_timeout_s + 0.999),
                                 MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, d,
                                 MHD_OPTION_NOTIFY_CONNECTION, count_connection, d,
                                 MHD_OPTION_ARRAY, more,
                                 MHD_OPTION_END);
    // clang-format on
    return d->daemon || err_set(e, ERR_IO, "cannot start the HTTP server on port %d: %s", d->port, strerror(errno));
}

static void finish(struct httpd *d)
{
    for (int i = 0; d->lanes && i < d->config.n_threads; i++)
        exchange_free_spare(&d->lanes[i]);
    free(d->lanes);
    free(d);
}

bool httpd_open(const struct httpd_config *config, struct httpd **out, struct err *e)
{
    struct httpd *d = calloc(1, sizeof *d);
    int fd = -1;
    if (!d)
        return err_set(e, ERR_IO, "httpd: out of memory");
    d->config = with_defaults(config);
    size_t bytes = (size_t)d->config.n_threads * sizeof *d->lanes;
    d->lanes = aligned_alloc(_Alignof(struct httpd_lane), bytes);
    if (!d->lanes) {
        finish(d);
        return err_set(e, ERR_IO, "httpd: out of memory");
    }
    memset(d->lanes, 0, bytes);
    if (!open_socket(&d->config, &fd, e)) {
        finish(d);
        return false;
    }
    d->port = port_of(fd);
    if (!start(d, fd, e)) {
        close(fd);
        finish(d);
        return false;
    }
    *out = d;
    return true;
}

int httpd_port(const struct httpd *d)
{
    return d->port;
}

static void count(const struct httpd *d, long *started, long *at_work)
{
    *started = *at_work = 0;
    for (int i = 0; i < d->config.n_threads; i++) {
        long finished = atomic_load_explicit(&d->lanes[i].finished, memory_order_acquire);
        long begun = atomic_load_explicit(&d->lanes[i].started, memory_order_relaxed);
        *started += begun;
        *at_work += begun - finished;
    }
}

/* Until every connection has closed, or nobody has asked anything for a while and nothing is at work. Replies say
 * "Connection: close" meanwhile, so busy connections end by themselves. */
static void drain(struct httpd *d, double grace_s)
{
    const struct timespec nap = {.tv_nsec = 5 * 1000 * 1000};
    double now_s = clock_monotonic_s(), quiet_since_s = now_s, end_s = now_s + grace_s;
    long started, at_work, before;
    count(d, &before, &at_work);
    while (atomic_load(&d->n_connections) > 0 && (now_s = clock_monotonic_s()) < end_s) {
        count(d, &started, &at_work);
        if (at_work > 0 || started != before)
            quiet_since_s = now_s;
        else if (now_s - quiet_since_s >= QUIET_S)
            break;
        before = started;
        nanosleep(&nap, NULL);
    }
}

void httpd_close(struct httpd *d, double grace_s)
{
    if (!d)
        return;
    atomic_store(&d->draining, true);
    int fd = MHD_quiesce_daemon(d->daemon);
    if (fd >= 0) // refuses who comes now; closed once no thread can look at it, lest it is another file's by then
        (void)shutdown(fd, SHUT_RDWR);
    drain(d, grace_s);
    MHD_stop_daemon(d->daemon);
    if (fd >= 0)
        close(fd);
    finish(d);
}
