/* httpd: the server side of HTTP over libmicrohttpd: a table of routes, plain requests in, plain answers out. Bodies are
 * limited (413), unknown paths are 404, wrong methods 405 with Allow, and a handler never sees half a body. Handlers run on
 * the server's threads, several at once. Shutdown is graceful: no new connections, those at work are answered. */
#ifndef MAESTRO_HTTPD_H
#define MAESTRO_HTTPD_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

struct httpd_request {
    const char *method, *path;
    const char *body; /* [n_body] and a NUL behind it */
    size_t n_body;
    const void *connection; /* for httpd_query and httpd_header */
    int thread;             /* 0 .. n_threads - 1: for memory of one's own */
};
/* Decoded value of ?key=; NULL: absent. Valid until the handler returns. */
const char *httpd_query(const struct httpd_request *r, const char *key);
const char *httpd_header(const struct httpd_request *r, const char *name);

struct httpd_reply {
    int status;               /* [200] */
    const char *content_type; /* [application/json]; static */
    struct buf *body;         /* the server's, empty at first and used again; fill it */
    double retry_after_s;     /* > 0: header Retry-After */
};

struct httpd_route {
    const char *method; /* "GET" (answers HEAD too), "POST" */
    const char *path;   /* whole */
    void (*handle)(void *context, const struct httpd_request *request, struct httpd_reply *reply);
};

struct httpd_config {
    const char *address;              /* "0.0.0.0", "::", "127.0.0.1" */
    int port;                         /* 0: any free one */
    int n_threads;                    /* [1] */
    int connections;                  /* at most [1024] */
    size_t body_limit;                /* [1 MiB] */
    double idle_timeout_s;            /* [30] */
    const struct httpd_route *routes; /* [n_routes], borrowed */
    int n_routes;
    void *context; /* of all handlers */
};

struct httpd;

/* A port that is taken is ERR_IO and names it. */
MUST_CHECK bool httpd_open(const struct httpd_config *config, struct httpd **out, struct err *e);
int httpd_port(const struct httpd *d);
/* Stops accepting, waits until what is being answered is answered (at most grace_s), closes. Accepts NULL. */
void httpd_close(struct httpd *d, double grace_s);

/* {"error": message} with that status. */
void httpd_refuse(struct httpd_reply *reply, int status, const char *format, ...) PRINTF(3, 4);

#endif
