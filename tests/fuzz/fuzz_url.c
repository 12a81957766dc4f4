/* Any bytes in a request's line, through a real server on loopback: as a query's value, percent-encoded by http_escape, they
 * arrive as they were; as they are, they do no harm and the server goes on answering. */
#include "fuzz.h"

#include <maestro/http.h>
#include <maestro/httpd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct httpd *server;

static void handle(void *context, const struct httpd_request *r, struct httpd_reply *reply)
{
    const char *value = httpd_query(r, "name");
    (void)context;
    fuzz_must(strcmp(r->path, "/echo") == 0);
    buf_text(reply->body, value ? value : "(none)");
}

static void open_once(void)
{
    static const struct httpd_route routes[] = {{"GET", "/echo", handle}};
    const struct httpd_config config = {.address = "127.0.0.1", .routes = routes, .n_routes = 1};
    sigset_t alarm; // libFuzzer's, which would break off system calls here and in the server
    if (server)
        return;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    fuzz_must(pthread_sigmask(SIG_BLOCK, &alarm, NULL) == 0);
    fuzz_must(httpd_open(&config, &server, NULL));
}

static int connect_once(void)
{
    const struct timeval patience = {.tv_sec = 20};
    const struct linger at_once = {.l_onoff = 1}; // no port is kept waiting behind a connection that is over
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)httpd_port(server))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    fuzz_must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    fuzz_must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    fuzz_must(connect(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

/* Reads until the head and n_body bytes behind it are there; false: the server closed before. */
static bool receive(int fd, size_t n_body, struct buf *out)
{
    char bytes[4096];
    buf_append(out, "", 0);
    for (;;) {
        const char *body = strstr(out->bytes, "\r\n\r\n");
        if (body && strlen(body + 4) >= n_body)
            return true;
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        buf_append(out, bytes, (size_t)n);
    }
}

/* On one connection that is kept. */
static void must_come_back(const char *text)
{
    static int fd = -1;
    struct buf request = {0}, answer = {0};
    if (fd < 0)
        fd = connect_once();
    buf_text(&request, "GET /echo?a=1&name=");
    http_escape(&request, text);
    buf_text(&request, "&b HTTP/1.1\r\nHost: x\r\n\r\n");
    fuzz_must(send(fd, request.bytes, request.len, MSG_NOSIGNAL) == (ssize_t)request.len);
    fuzz_must(receive(fd, strlen(text), &answer));
    fuzz_must(strncmp(answer.bytes, "HTTP/1.1 200", 12) == 0);
    fuzz_must(strcmp(strstr(answer.bytes, "\r\n\r\n") + 4, text) == 0);
    buf_finish(&request);
    buf_finish(&answer);
}

static void must_do_no_harm(const uint8_t *bytes, size_t n)
{
    struct buf request = {0}, answer = {0};
    int fd = connect_once();
    buf_text(&request, "GET /echo?");
    buf_append(&request, bytes, n);
    buf_text(&request, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\r\n");
    (void)send(fd, request.bytes, request.len, MSG_NOSIGNAL);
    (void)receive(fd, 0, &answer);
    fuzz_must(answer.len == 0 || strncmp(answer.bytes, "HTTP/1.", 7) == 0);
    close(fd);
    buf_finish(&request);
    buf_finish(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char text[1024];
    open_once();
    if (n >= sizeof text)
        return 0;
    if (!memchr(bytes, '\n', n)) // a line feed would end the head, and the server wait for a body that never comes
        must_do_no_harm(bytes, n);
    if (n)
        memcpy(text, bytes, n);
    text[n] = '\0';
    must_come_back(text);
    return 0;
}
