/* Any bytes in a request's line, through a real server on loopback: as a query's value, percent-encoded by http_escape, they
 * arrive as they were; as they are, they do no harm and the server goes on answering. */
#include "fuzz.h"

#include <maestro/http.h>
#include <maestro/httpd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
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
    if (!server)
        fuzz_must(httpd_open(&config, &server, NULL));
}

/* The whole answer; the server closes. */
static void ask(const struct buf *request, struct buf *out)
{
    const struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)httpd_port(server))};
    char bytes[4096];
    ssize_t n;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    fuzz_must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    fuzz_must(connect(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    (void)send(fd, request->bytes, request->len, MSG_NOSIGNAL);
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        buf_append(out, bytes, (size_t)n);
    if (n < 0)
        perror("fuzz_url: recv");
    buf_append(out, "", 0);
    close(fd);
}

static void must_come_back(const char *text)
{
    struct buf request = {0}, answer = {0};
    buf_text(&request, "GET /echo?a=1&name=");
    http_escape(&request, text);
    buf_text(&request, "&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask(&request, &answer);
    const char *body = strstr(answer.bytes, "\r\n\r\n");
    bool came_back = body && strncmp(answer.bytes, "HTTP/1.1 200", 12) == 0 && strcmp(body + 4, text) == 0;
    if (!came_back)
        fprintf(stderr, "asked:\n%s\nanswered, %zu bytes:\n%s\n", request.bytes, answer.len, answer.bytes);
    fuzz_must(came_back);
    buf_finish(&request);
    buf_finish(&answer);
}

static void must_do_no_harm(const uint8_t *bytes, size_t n)
{
    struct buf request = {0}, answer = {0};
    buf_text(&request, "GET /echo?");
    buf_append(&request, bytes, n);
    buf_text(&request, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\r\n");
    ask(&request, &answer);
    fuzz_must(answer.len == 0 || strncmp(answer.bytes, "HTTP/1.", 7) == 0);
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
