/* fake_http: the threads and sockets behind fake_http.h. A connection reads a whole request, asks the script or the handler
 * under the lock, and sends what it was told to. Pauses end early when the server is closed. */
#include "fake_http.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 256
#define HEAD_LIMIT ((size_t)64 << 10)
#define REQUEST_LIMIT ((size_t)64 << 20)

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "fake_http: %s:%d: %s\n", __FILE__, __LINE__, #condition);                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct connection {
    struct fake_http *server;
    pthread_t thread;
    enum { SLOT_FREE, SLOT_BUSY, SLOT_DONE } state;
    int socket, number;
    gnutls_session_t tls;
    struct buf in, text;
    size_t head_bytes; /* of the request in front of in */
};

struct fake_http {
    struct fake_http_config config;
    gnutls_certificate_credentials_t credentials;
    int listener, port;
    int stop[2]; /* a pipe: readable once the server is being closed */
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock; /* of all below */
    int n_requests, n_connections;
    struct buf last;
    struct connection slots[SLOTS];
};

/* False: the server is being closed. */
static bool pause_for(const struct fake_http *f, double seconds)
{
    struct pollfd p = {.fd = f->stop[0], .events = POLLIN};
    return seconds <= 0 || poll(&p, 1, (int)(seconds * 1e3 + 0.5)) == 0;
}

static bool send_bytes(struct connection *c, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = c->tls ? gnutls_record_send(c->tls, bytes, n) : send(c->socket, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool receive(struct connection *c)
{
    char bytes[16384];
    ssize_t got = c->tls ? gnutls_record_recv(c->tls, bytes, sizeof bytes) : recv(c->socket, bytes, sizeof bytes, 0);
    if (got <= 0 || c->in.len > REQUEST_LIMIT)
        return false;
    buf_append(&c->in, bytes, (size_t)got);
    return true;
}

static bool find_header(const char *head, const char *name, char *out, size_t n)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        line += strspn(line, " \t");
        snprintf(out, n, "%.*s", (int)strcspn(line, "\r\n"), line);
        return true;
    }
    return false;
}

bool fake_http_header(const struct fake_request *request, const char *name, char *out, size_t n)
{
    return find_header(request->head, name, out, n);
}

/* Reads until one whole request lies in c->in; its head is cut off by a NUL in place of its last line feed. */
static bool read_request(struct connection *c, size_t *n_body)
{
    char length[32];
    char *end = NULL;
    while (!c->in.bytes || !(end = strstr(c->in.bytes, "\r\n\r\n")))
        if (c->in.len > HEAD_LIMIT || !receive(c))
            return false;
    c->head_bytes = (size_t)(end - c->in.bytes) + 4;
    end[3] = '\0';
    *n_body = find_header(c->in.bytes, "Content-Length", length, sizeof length) ? strtoul(length, NULL, 10) : 0;
    if (find_header(c->in.bytes, "Expect", length, sizeof length) &&
        !send_bytes(c, "HTTP/1.1 100 Continue\r\n\r\n", 25))
        return false;
    while (c->in.len < c->head_bytes + *n_body)
        if (!receive(c))
            return false;
    return true;
}

static void forget_request(struct connection *c, size_t n_body)
{
    size_t used = c->head_bytes + n_body;
    memmove(c->in.bytes, c->in.bytes + used, c->in.len - used + 1);
    c->in.len -= used;
}

static struct fake_reply choose_reply(struct connection *c, size_t n_body)
{
    struct fake_http *f = c->server;
    char method[16] = "", target[8192] = "";
    sscanf(c->in.bytes, "%15s %8191s", method, target);
    CLEANUP_BUF struct buf body = {0};
    buf_append(&body, c->in.bytes + c->head_bytes, n_body);
    struct fake_request request = {.method = method,
                                   .target = target,
                                   .head = c->in.bytes,
                                   .body = body.bytes ? body.bytes : "",
                                   .n_body = n_body,
                                   .number = f->n_requests,
                                   .connection = c->number,
                                   .text = &c->text};
    buf_clear(&c->text);
    buf_clear(&f->last);
    buf_printf(&f->last, "%s\n%s", request.head, request.body);
    f->n_requests++;
    if (f->config.handle)
        return f->config.handle(f->config.context, &request);
    int last = f->config.n_script - 1;
    must(last >= 0);
    return f->config.script[request.number < last ? request.number : last];
}

static const char *reason(int status)
{
    return status < 300 ? "OK" : status < 400 ? "Elsewhere" : "Not so";
}

static bool send_head(struct connection *c, const struct fake_reply *r, size_t n_body)
{
    CLEANUP_BUF struct buf head = {0};
    int status = r->status ? r->status : 200;
    buf_printf(&head, "HTTP/1.1 %d %s\r\n%s", status, reason(status), r->headers ? r->headers : "");
    if (r->chunked || r->endless)
        buf_text(&head, "Transfer-Encoding: chunked\r\n");
    else if (status != 204 && status != 304)
        buf_printf(&head, "Content-Length: %zu\r\n", n_body);
    buf_printf(&head, "%s\r\n", r->close ? "Connection: close\r\n" : "");
    return send_bytes(c, head.bytes, head.len);
}

static bool send_piece(struct connection *c, const struct fake_reply *r, const char *bytes, size_t n)
{
    char size[32];
    bool chunked = r->chunked || r->endless;
    snprintf(size, sizeof size, "%zx\r\n", n);
    return (!chunked || send_bytes(c, size, strlen(size))) && send_bytes(c, bytes, n) &&
           (!chunked || send_bytes(c, "\r\n", 2));
}

/* False: the connection must end. */
static bool send_body(struct connection *c, const struct fake_reply *r, const char *body, size_t n_body)
{
    char filler[4096];
    memset(filler, 'x', sizeof filler);
    bool cut = r->cut_after && r->cut_after < n_body;
    size_t n = cut ? r->cut_after : n_body;
    for (size_t at = 0; r->endless || at < n;) {
        size_t piece = r->gap_s > 0 ? 1 : !body ? sizeof filler : n;
        piece = r->endless || piece < n - at ? piece : n - at;
        if (!send_piece(c, r, body ? body + at : filler, piece) || !pause_for(c->server, r->gap_s))
            return false;
        at += piece;
    }
    return !cut && (!r->chunked || send_bytes(c, "0\r\n\r\n", 5)) && !r->close;
}

/* False: the connection must end. */
static bool send_reply(struct connection *c, const struct fake_reply *r, bool is_head)
{
    const char *body = r->filler || r->endless ? NULL : r->body ? r->body : c->text.bytes ? c->text.bytes : "";
    size_t n_body = !body ? r->filler : r->n_body ? r->n_body : r->body ? strlen(body) : c->text.len;
    if (!pause_for(c->server, r->delay_s) || r->cut_at_once)
        return false;
    if (r->raw) {
        (void)send_bytes(c, r->raw, r->n_raw ? r->n_raw : strlen(r->raw));
        return false;
    }
    if (!send_head(c, r, n_body) || !pause_for(c->server, r->body_delay_s))
        return false;
    return is_head || send_body(c, r, body, n_body);
}

static bool shake_hands(struct connection *c)
{
    const struct fake_http *f = c->server;
    int result = 0;
    if (!f->credentials)
        return true;
    must(gnutls_init(&c->tls, GNUTLS_SERVER) == 0 && gnutls_set_default_priority(c->tls) == 0);
    must(gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, f->credentials) == 0);
    if (f->config.client_ca_file) {
        gnutls_certificate_server_set_request(c->tls, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(c->tls, NULL, 0);
    }
    gnutls_transport_set_int(c->tls, c->socket);
    do
        result = gnutls_handshake(c->tls);
    while (result < 0 && !gnutls_error_is_fatal(result));
    if (result < 0)
        gnutls_alert_send_appropriate(c->tls, result);
    return result == 0;
}

static void serve(struct connection *c)
{
    struct fake_http *f = c->server;
    size_t n_body = 0;
    bool goes_on = shake_hands(c);
    while (goes_on && read_request(c, &n_body)) {
        bool is_head = strncmp(c->in.bytes, "HEAD ", 5) == 0;
        pthread_mutex_lock(&f->lock);
        struct fake_reply reply = choose_reply(c, n_body);
        pthread_mutex_unlock(&f->lock);
        forget_request(c, n_body);
        goes_on = send_reply(c, &reply, is_head);
    }
}

static void *run_connection(void *argument)
{
    struct connection *c = argument;
    struct fake_http *f = c->server;
    serve(c);
    if (c->tls) {
        gnutls_bye(c->tls, GNUTLS_SHUT_WR);
        gnutls_deinit(c->tls);
    }
    buf_finish(&c->in);
    buf_finish(&c->text);
    pthread_mutex_lock(&f->lock);
    close(c->socket);
    c->state = SLOT_DONE;
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* A free slot; under the lock. */
static struct connection *take_slot(struct fake_http *f)
{
    struct connection *found = NULL;
    for (int i = 0; i < SLOTS; i++) {
        struct connection *c = &f->slots[i];
        if (c->state == SLOT_DONE) {
            must(pthread_join(c->thread, NULL) == 0);
            c->state = SLOT_FREE;
        }
        if (c->state == SLOT_FREE)
            found = c;
    }
    must(found);
    return found;
}

static void start_connection(struct fake_http *f, int socket)
{
    static const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_mutex_lock(&f->lock);
    struct connection *c = take_slot(f);
    *c = (struct connection){.server = f, .state = SLOT_BUSY, .socket = socket, .number = f->n_connections++};
    must(pthread_create(&c->thread, NULL, run_connection, c) == 0);
    pthread_mutex_unlock(&f->lock);
}

static void *run_acceptor(void *argument)
{
    struct fake_http *f = argument;
    sigset_t pipe_signal; // TLS writes to sockets that the client has closed; the connections' threads inherit the mask
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    struct pollfd p[2] = {{.fd = f->stop[0], .events = POLLIN}, {.fd = f->listener, .events = POLLIN}};
    while (poll(p, 2, -1) > 0 && !p[0].revents) {
        int socket = accept(f->listener, NULL, NULL);
        if (socket >= 0)
            start_connection(f, socket);
    }
    return NULL;
}

static void listen_somewhere(struct fake_http *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(f->listener >= 0 && bind(f->listener, (struct sockaddr *)&address, sizeof address) == 0);
    must(listen(f->listener, 128) == 0 && getsockname(f->listener, (struct sockaddr *)&address, &n) == 0);
    f->port = ntohs(address.sin_port);
    snprintf(f->url, sizeof f->url, "%s://127.0.0.1:%d", f->credentials ? "https" : "http", f->port);
}

struct fake_http *fake_http_open(const struct fake_http_config *config)
{
    struct fake_http *f = calloc(1, sizeof *f);
    must(f && pipe(f->stop) == 0 && pthread_mutex_init(&f->lock, NULL) == 0);
    f->config = *config;
    if (config->certificate_file) {
        must(gnutls_certificate_allocate_credentials(&f->credentials) == 0);
        must(gnutls_certificate_set_x509_key_file(f->credentials, config->certificate_file, config->key_file,
                                                  GNUTLS_X509_FMT_PEM) == 0);
        must(!config->client_ca_file ||
             gnutls_certificate_set_x509_trust_file(f->credentials, config->client_ca_file, GNUTLS_X509_FMT_PEM) > 0);
    }
    listen_somewhere(f);
    must(pthread_create(&f->acceptor, NULL, run_acceptor, f) == 0);
    return f;
}

void fake_http_close(struct fake_http *f)
{
    if (!f)
        return;
    must(write(f->stop[1], "x", 1) == 1 && pthread_join(f->acceptor, NULL) == 0);
    bool started[SLOTS];
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < SLOTS; i++) {
        started[i] = f->slots[i].state != SLOT_FREE;
        if (f->slots[i].state == SLOT_BUSY)
            shutdown(f->slots[i].socket, SHUT_RDWR);
    }
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < SLOTS; i++)
        must(!started[i] || pthread_join(f->slots[i].thread, NULL) == 0);
    if (f->credentials)
        gnutls_certificate_free_credentials(f->credentials);
    buf_finish(&f->last);
    close(f->listener);
    close(f->stop[0]);
    close(f->stop[1]);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fake_http_port(const struct fake_http *f)
{
    return f->port;
}

const char *fake_http_url(const struct fake_http *f)
{
    return f->url;
}

static int locked(struct fake_http *f, const int *count)
{
    pthread_mutex_lock(&f->lock);
    int value = *count;
    pthread_mutex_unlock(&f->lock);
    return value;
}

int fake_http_requests(struct fake_http *f)
{
    return locked(f, &f->n_requests);
}

int fake_http_connections(struct fake_http *f)
{
    return locked(f, &f->n_connections);
}

void fake_http_last(struct fake_http *f, struct buf *out)
{
    pthread_mutex_lock(&f->lock);
    buf_append(out, f->last.bytes ? f->last.bytes : "", f->last.len);
    pthread_mutex_unlock(&f->lock);
}
