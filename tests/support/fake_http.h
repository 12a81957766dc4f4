/* fake_http: an HTTP/1.1 server for tests, in this process, on a free port of 127.0.0.1: one thread a connection, raw
 * sockets, so that it can do what no honest server does: answer late, byte by byte, half, wrong or endlessly. Replies come
 * from a list (in order, the last one again and again) or from a handler. What cannot be set up aborts the test.
 *
 *     static const struct fake_reply script[] = {{.status = 503}, {.body = "{}"}};
 *     struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = script, .n_script = 2});
 *     ... fake_http_url(f) ... fake_http_requests(f) ...
 *     fake_http_close(f); */
#ifndef TESTS_FAKE_HTTP_H
#define TESTS_FAKE_HTTP_H

#include <maestro/buf.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_request {
    const char *method, *target; /* target: path and query as they came */
    const char *head;            /* request line and headers, as they came */
    const char *body;            /* [n_body] and a NUL */
    size_t n_body;
    int number;       /* of this request, from 0 */
    int connection;   /* of its connection, from 0 */
    struct buf *text; /* the handler's room for a body: sent where the reply has none */
};

/* Zero means nothing special. Pointers must live until the server is closed. */
struct fake_reply {
    int status;          /* [200] */
    const char *headers; /* more header lines, each with its \r\n */
    const char *body;    /* [n_body], or up to its NUL */
    size_t n_body;
    size_t filler;       /* so many bytes 'x' instead of a body */
    double delay_s;      /* before the first byte */
    double body_delay_s; /* between headers and body */
    double gap_s;        /* between any two bytes of the body */
    size_t cut_after;    /* ends the connection behind so many bytes of the body */
    bool cut_at_once;    /* ends the connection instead of answering */
    bool chunked;        /* Transfer-Encoding: chunked */
    bool close;          /* ends the connection behind the answer, and says so */
    bool endless;        /* sends 'x' until the client goes away */
    const char *raw;     /* [n_raw], or up to its NUL: these bytes instead of everything, then the end */
    size_t n_raw;
};

struct fake_http_config {
    struct fake_reply (*handle)(void *context,
                                const struct fake_request *request); /* one call at a time; NULL: script */
    void *context;
    const struct fake_reply *script; /* [n_script] */
    int n_script;
    const char *certificate_file, *key_file; /* TLS where given; PEM */
    const char *client_ca_file;              /* a client certificate of this authority is demanded */
};

struct fake_http;

struct fake_http *fake_http_open(const struct fake_http_config *config);
void fake_http_close(struct fake_http *f); /* accepts NULL; ends what is being answered */

int fake_http_port(const struct fake_http *f);
const char *fake_http_url(const struct fake_http *f);      /* "http://127.0.0.1:PORT", https with TLS */
int fake_http_requests(struct fake_http *f);               /* whole requests so far */
int fake_http_connections(struct fake_http *f);            /* accepted so far */
void fake_http_last(struct fake_http *f, struct buf *out); /* head and body of the last request */

/* Value of a header of the request's head, copied; false: it has none. name without the colon. */
bool fake_http_header(const struct fake_request *request, const char *name, char *out, size_t n);

#endif
