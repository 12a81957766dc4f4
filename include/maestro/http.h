/* http: the client side of HTTP/1.1 over libcurl. Every phase has a deadline, answers have a size limit, connections are
 * kept alive, no proxy of the environment is used unless configured, redirects are not followed. Several requests run side
 * by side in one call. Retries: only requests that say they may be repeated, only on a broken connection, 429, 502, 503 and
 * 504, with jitter, obeying Retry-After, and never beyond the request's own time. A request of which nothing could be sent,
 * because a kept connection was dead, goes out on a fresh one whatever it is. One struct http belongs to one thread. */
#ifndef MAESTRO_HTTP_H
#define MAESTRO_HTTP_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stddef.h>
#include <stdint.h>

/* All pointers are borrowed until http_close. Zero means the default in brackets. */
struct http_config {
    const char *user_agent;                         /* [maestro] */
    double connect_timeout_s;                       /* [3] name, connection and TLS */
    double timeout_s;                               /* [10] a whole request with its retries */
    size_t limit_bytes;                             /* [16 MiB] of one answer's body, after decompression */
    int retries;                                    /* after the first attempt [2]; negative: none */
    int connections;                                /* at most at once [8] */
    const char *ca_file;                            /* PEM; read anew for each connection. NULL: the system's */
    const char *certificate_file, *key_file;        /* client certificate, PEM; NULL: none */
    const char *ca_pem, *certificate_pem, *key_pem; /* the same from memory; win over the files */
    const char *server_name; /* expected in the certificate instead of the URL's host; NULL: that one */
    const char *proxy_url;   /* NULL: none, whatever the environment says */
    bool insecure;           /* certificates are not checked */
    uint64_t seed;           /* of the jitter */
};

#define HTTP_HEADERS_LIMIT 8

struct http_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *headers[HTTP_HEADERS_LIMIT]; /* "Name: value", up to the first NULL */
    const void *body;
    size_t n_body;
    double timeout_s; /* 0: the client's */
    bool may_repeat;  /* the request changes nothing, or the same thing again */
};

/* status 0: no answer came, and why says what happened. Owned by the caller; http_response_finish. */
struct http_response {
    long status;
    struct buf body;
    char content_type[96];
    double retry_after_s; /* what the last answer asked for; 0: nothing */
    int attempts;
    struct err why;
};

struct http;

MUST_CHECK bool http_open(const struct http_config *config, struct http **out, struct err *e);
void http_close(struct http *h); /* accepts NULL */

/* One request. true: an answer came, whatever its status. false: none, e says why in terms of host and phase. out is
 * cleared first and may be used again. */
MUST_CHECK bool http_do(struct http *h, const struct http_request *request, struct http_response *out, struct err *e);

/* n requests side by side; each answer says for itself. */
void http_do_all(struct http *h, const struct http_request *requests, struct http_response *out, int n);

void http_response_finish(struct http_response *r); /* accepts NULL and zeroed */

/* Appends text percent-encoded as one value of a query or form (RFC 3986 unreserved stay). */
void http_escape(struct buf *out, const char *text);

/* "host:port" of a URL as it stands there, without user and password, cut to n - 1 bytes: for messages. */
void http_host(const char *url, char *out, size_t n);

/* The value of a header line of n bytes, without spaces around it, cut to room - 1 bytes; false: the line is another header. */
bool http_header_value(const char *line, size_t n, const char *name, char *out, size_t room);

/* Retry-After: seconds or an HTTP date, relative to now_s (wall clock); 0 for what is neither, at most 3600. */
double http_retry_after(const char *value, double now_s);

#endif
