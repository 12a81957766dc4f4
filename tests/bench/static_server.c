/* static_server: the least that libmicrohttpd can do with a POST: the body is taken and thrown away, the answer was made
 * beforehand. What tests/bench/serve compares maestro-serve with. In: port (0: any), threads, file with the answer. Prints the
 * port. The daemon is set up as src/net/httpd.c sets up its own. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct MHD_Response *response;

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *n_upload, void **state)
{
    static char seen;
    (void)context, (void)url, (void)method, (void)version, (void)upload;
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    if (*n_upload) {
        *n_upload = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

static void forget(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    *state = NULL;
}

static int listen_on(int *port)
{
    const int yes = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return -1;
    *port = ntohs(at.sin_port);
    return fd;
}

static struct MHD_Daemon *start(int fd, int n_threads)
{
    const struct MHD_OptionItem pool[] = {
        {n_threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, n_threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_EPOLL, 0, NULL, NULL, answer, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, 1024u,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 << 10, MHD_OPTION_CONNECTION_TIMEOUT, 60u,
                            MHD_OPTION_NOTIFY_COMPLETED, forget, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
}

static struct MHD_Response *make_response(const char *path)
{
    static char bytes[65536];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    struct MHD_Response *r = n ? MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_PERSISTENT) : NULL;
    if (r)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    return r;
}

int main(int argc, char **argv)
{
    int port = argc == 4 ? (int)strtol(argv[1], NULL, 10) : 0, number;
    response = argc == 4 ? make_response(argv[3]) : NULL;
    if (!response) {
        fprintf(stderr, "usage: static_server PORT THREADS ANSWER_FILE\n");
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = listen_on(&port);
    struct MHD_Daemon *daemon = fd >= 0 ? start(fd, (int)strtol(argv[2], NULL, 10)) : NULL;
    if (!daemon) {
        perror("static_server");
        return 1;
    }
    printf("%d\n", port);
    fflush(stdout);
    sigwait(&set, &number);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
