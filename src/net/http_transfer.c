/* http_transfer: settings of a curl handle for one attempt, the callbacks that take its answer in, and the words for what
 * went wrong: which host, which phase. In: config and request; out: the response. When to try, and again, is http.c's. */
#include "http_transfer.h"

#include <maestro/clock.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER_BYTES ((size_t)256 << 10) /* of all headers of an answer */
#define CONNECTION_LIFE_S 600L           /* then a new one, with the certificates and addresses of that time */

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    struct http_transfer *t = context;
    n *= size;
    if (n > t->config->limit_bytes - t->response->body.len) {
        t->too_large = true;
        return 0;
    }
    buf_append(&t->response->body, bytes, n);
    return t->response->body.failed ? 0 : n;
}

static size_t take_header(char *line, size_t size, size_t n, void *context)
{
    struct http_transfer *t = context;
    char value[64];
    n *= size;
    t->n_header_bytes += n;
    if (t->n_header_bytes > HEADER_BYTES) {
        t->too_large = true;
        return 0;
    }
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) { // perhaps behind an interim answer
        t->response->retry_after_s = 0;
        t->head_ended = false;
    }
    t->head_ended = t->head_ended || *line == '\r' || *line == '\n';
    if (http_header_value(line, n, "Retry-After", value, sizeof value))
        t->response->retry_after_s = http_retry_after(value, clock_wall_s());
    http_header_value(line, n, "Content-Type", t->response->content_type, sizeof t->response->content_type);
    return n;
}

static size_t give_body(char *bytes, size_t size, size_t n, void *context)
{
    struct http_transfer *t = context;
    const char *body = t->request->body;
    size_t left = t->request->n_body - t->n_body_sent;
    n = n * size < left ? n * size : left;
    if (n)
        memcpy(bytes, body + t->n_body_sent, n);
    t->n_body_sent += n;
    return n;
}

/* When a kept connection turns out dead, curl sends a request again by itself on a fresh one, whatever its method: at once
 * where nothing of it had been sent, else from where it is rewound to here. What must not be sent twice is not rewound. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
    struct http_transfer *t = context;
    if (!t->request->may_repeat || origin != SEEK_SET || offset < 0 || offset > (curl_off_t)t->request->n_body)
        return CURL_SEEKFUNC_FAIL;
    t->n_body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool add(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    *list = longer ? longer : *list;
    return longer;
}

static bool set_headers(struct http_transfer *t)
{
    struct err *why = &t->response->why;
    bool done = add(&t->headers, "Expect:"); // no round trip to ask whether a body is welcome
    for (int i = 0; i < HTTP_HEADERS_LIMIT && t->request->headers[i]; i++) {
        if (strpbrk(t->request->headers[i], "\r\n"))
            return err_set(why, ERR_USAGE, "%s: a header of the request holds a line break", t->host);
        done = done && add(&t->headers, t->request->headers[i]);
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    return done || err_set(why, ERR_IO, "%s: no memory for headers", t->host);
}

static void set_method(struct http_transfer *t)
{
    const char *method = t->request->method ? t->request->method : "GET";
    bool posts = strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0 || strcmp(method, "PUT") == 0;
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    if (t->request->n_body || posts) {
        curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request->n_body);
        curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
        curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, rewind_body);
        curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
    }
    // Without a body there is nothing to rewind, so only a connection of its own keeps curl from repeating it.
    if (posts && !t->request->n_body && !t->request->may_repeat)
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_pem(CURL *easy, CURLoption blob_option, CURLoption file_option, const char *pem, const char *file)
{
    if (pem) {
        struct curl_blob blob = {.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
        curl_easy_setopt(easy, blob_option, &blob);
    } else if (file) {
        curl_easy_setopt(easy, file_option, file);
    }
}

/* Certificates are read for every connection: no store and no session is kept from one to the next. */
static void set_tls(CURL *easy, const struct http_config *c)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    if (c->ca_pem || c->ca_file) { // and nobody else's
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    }
    set_pem(easy, CURLOPT_CAINFO_BLOB, CURLOPT_CAINFO, c->ca_pem, c->ca_file);
    set_pem(easy, CURLOPT_SSLCERT_BLOB, CURLOPT_SSLCERT, c->certificate_pem, c->certificate_file);
    set_pem(easy, CURLOPT_SSLKEY_BLOB, CURLOPT_SSLKEY, c->key_pem, c->key_file);
}

/* The certificate is checked against the URL's host, so the wanted name goes there, the true host where to connect, and the
 * Host header says what the URL said. */
static bool set_server_name(struct http_transfer *t, CURLU *url)
{
    char *host = NULL, *port = NULL;
    CLEANUP_BUF struct buf line = {0};
    bool done = curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_set(url, CURLUPART_HOST, t->config->server_name, 0) == CURLUE_OK;
    if (done) {
        buf_printf(&line, "::%s:%s", host, port);
        done = buf_ok(&line, NULL) && add(&t->connect_to, line.bytes);
        buf_clear(&line);
        buf_printf(&line, "Host: %s", t->host);
        done = done && buf_ok(&line, NULL) && add(&t->headers, line.bytes);
    }
    curl_free(host);
    curl_free(port);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
    return done;
}

static bool set_url(struct http_transfer *t)
{
    CURLU *url = curl_url();
    char *whole = NULL;
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, t->request->url, 0) : CURLUE_OUT_OF_MEMORY;
    bool done = code == CURLUE_OK && (!t->config->server_name || set_server_name(t, url)) &&
                curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK;
    if (done)
        done = curl_easy_setopt(t->easy, CURLOPT_URL, whole) == CURLE_OK;
    curl_free(whole);
    curl_url_cleanup(url);
    return done || err_set(&t->response->why, ERR_USAGE, "'%.200s' is not a URL that can be asked: %s", t->request->url,
                           code ? curl_url_strerror(code) : "server name or memory");
}

static long whole_ms(double seconds)
{
    return seconds < 0.001 ? 1L : seconds > 1e6 ? 1000000000L : (long)(seconds * 1e3);
}

static void set_limits(CURL *easy, const struct http_config *c, double attempt_s)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // a late name server is not waited for behind the deadline
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, whole_ms(attempt_s));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     whole_ms(c->connect_timeout_s < attempt_s ? c->connect_timeout_s : attempt_s));
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->limit_bytes);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void set_manners(CURL *easy, const struct http_config *c)
{
    curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(easy, CURLOPT_PROXY, c->proxy_url ? c->proxy_url : ""); // "": not the environment's either
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

static void set_callbacks(struct http_transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
}

bool http_transfer_begin(struct http_transfer *t, CURL *easy, double attempt_s)
{
    struct http_response *r = t->response;
    buf_clear(&r->body);
    *r = (struct http_response){.body = r->body, .attempts = r->attempts + 1};
    t->easy = easy;
    t->attempt_s = attempt_s;
    t->n_body_sent = t->n_header_bytes = 0;
    t->too_large = t->head_ended = false;
    *t->detail = '\0';
    http_host(t->request->url, t->host, sizeof t->host);
    set_callbacks(t);
    set_manners(easy, t->config);
    set_limits(easy, t->config, attempt_s);
    set_tls(easy, t->config);
    set_method(t);
    return set_url(t) && set_headers(t);
}

static bool reached(CURL *easy, CURLINFO phase)
{
    curl_off_t us = 0;
    return curl_easy_getinfo(easy, phase, &us) == CURLE_OK && us > 0;
}

/* curl tells the time of the connection only with that of the TLS session. */
static bool is_connected(CURL *easy)
{
    long port = 0;
    return reached(easy, CURLINFO_CONNECT_TIME_T) ||
           (curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port) == CURLE_OK && port > 0);
}

static const char *late_phase(const struct http_transfer *t)
{
    if (!reached(t->easy, CURLINFO_NAMELOOKUP_TIME_T))
        return "no address for the name";
    if (!is_connected(t->easy))
        return "no connection";
    if (strncasecmp(t->request->url, "https:", 6) == 0 && !reached(t->easy, CURLINFO_APPCONNECT_TIME_T))
        return "no TLS session";
    return reached(t->easy, CURLINFO_STARTTRANSFER_TIME_T) ? "no end of the answer" : "no answer";
}

static const char *phase_of(const struct http_transfer *t, CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "name not found";
    case CURLE_COULDNT_CONNECT:
        return "no connection";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "certificate refused";
    case CURLE_SSL_CACERT_BADFILE:
        return "certificates of the authority not readable";
    case CURLE_SSL_CERTPROBLEM:
        return "own certificate or key not usable";
    case CURLE_SSL_CONNECT_ERROR:
        return "no TLS session";
    case CURLE_SEND_ERROR:
        return "connection lost while sending";
    case CURLE_GOT_NOTHING:
        return "connection closed without an answer";
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
        return reached(t->easy, CURLINFO_STARTTRANSFER_TIME_T) ? "answer broken off" : "connection lost";
    default:
        return "no usable answer";
    }
}

static void say_why(struct http_transfer *t, CURLcode code)
{
    struct err *why = &t->response->why;
    const char *detail = *t->detail ? t->detail : curl_easy_strerror(code);
    if (t->too_large || code == CURLE_FILESIZE_EXCEEDED)
        err_set(why, ERR_FORMAT, "%s: the answer is larger than %zu bytes", t->host,
                t->n_header_bytes > HEADER_BYTES ? HEADER_BYTES : t->config->limit_bytes);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        err_set(why, ERR_IO, "%s: %s within %.3g s", t->host, late_phase(t), t->attempt_s);
    else if (code == CURLE_SEND_FAIL_REWIND)
        err_set(why, ERR_IO, "%s: connection lost while sending: the request may have arrived, and is not sent twice",
                t->host);
    else
        err_set(why, ERR_IO, "%s: %s: %.200s", t->host, phase_of(t, code), detail);
}

static bool is_broken(const struct http_transfer *t, CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
        return true;
    case CURLE_OPERATION_TIMEDOUT:
        return !reached(t->easy, CURLINFO_PRETRANSFER_TIME_T);
    default:
        return false;
    }
}

bool http_transfer_end(struct http_transfer *t, CURLcode code)
{
    long status = 0;
    if (code == CURLE_OK && !t->head_ended) // curl takes half a head for an answer without a body
        code = CURLE_PARTIAL_FILE;
    if (code == CURLE_OK && curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status) {
        t->response->status = status;
        return false;
    }
    say_why(t, code);
    bool broken = is_broken(t, code);
    buf_clear(&t->response->body);
    return broken;
}

void http_transfer_release(struct http_transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    t->headers = t->connect_to = NULL;
    t->easy = NULL;
}
