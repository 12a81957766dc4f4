/* prom: queries, of an instant or over a range, asked side by side over the HTTP client. In: PromQL; out: an answer each, read by prom_answer.c. */
#include <maestro/prom.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_SHARE 0.9 /* of our time-out: Prometheus gives up first, and says so */

struct prom {
    struct prom_config config;
    struct http *http;
    char *url; /* of the query API */
    char *range_url;
    char host[160]; /* stands in messages */
};

/* The caller frees; NULL: no memory. */
static char *make_url(const char *base, const char *path)
{
    struct buf url = {0};
    size_t n = strlen(base);
    while (n && base[n - 1] == '/')
        n--;
    buf_append(&url, base, n);
    buf_text(&url, path);
    if (buf_ok(&url, NULL))
        return url.bytes;
    buf_finish(&url);
    return NULL;
}

bool prom_open(const struct prom_config *config, struct prom **out, struct err *e)
{
    struct prom *p = calloc(1, sizeof *p);
    if (p) {
        p->url = make_url(config->url, "/api/v1/query");
        p->range_url = make_url(config->url, "/api/v1/query_range");
    }
    if (!p || !p->url || !p->range_url) {
        prom_close(p);
        return err_set(e, ERR_IO, "prometheus: no memory");
    }
    p->config = *config;
    p->config.timeout_s = config->timeout_s > 0 ? config->timeout_s : 8.0;
    http_host(config->url, p->host, sizeof p->host);
    struct http_config http = config->http;
    http.timeout_s = p->config.timeout_s;
    if (!http_open(&http, &p->http, e)) {
        prom_close(p);
        return false;
    }
    *out = p;
    return true;
}

void prom_close(struct prom *p)
{
    if (!p)
        return;
    http_close(p->http);
    free(p->url);
    free(p->range_url);
    free(p);
}

/* One question: of an instant (range NULL; time_s 0: the server's now) or over a range. */
struct question {
    const char *query;
    double time_s;
    const struct prom_range *range;
};

static void write_form(const struct prom *p, const struct question *q, struct buf *out)
{
    buf_text(out, "query=");
    http_escape(out, q->query);
    if (q->range)
        buf_printf(out, "&start=%.3f&end=%.3f&step=%.3f", q->range->from_s, q->range->to_s, q->range->step_s);
    else if (q->time_s > 0)
        buf_printf(out, "&time=%.3f", q->time_s);
    buf_printf(out, "&timeout=%.3f", SERVER_SHARE * p->config.timeout_s);
}

/* The request of one question; text holds its body or URL. */
static struct http_request make_request(const struct prom *p, const struct question *q, struct buf *text)
{
    struct http_request r = {.method = "GET", .may_repeat = true};
    const char *url = q->range ? p->range_url : p->url;
    int n = 0;
    r.headers[n++] = "Accept: application/json";
    if (p->config.use_get) {
        buf_printf(text, "%s?", url);
        write_form(p, q, text);
        r.url = text->bytes;
    } else {
        write_form(p, q, text);
        r.method = "POST";
        r.url = url;
        r.body = text->bytes;
        r.n_body = text->len;
        r.headers[n++] = "Content-Type: application/x-www-form-urlencoded";
    }
    for (int i = 0; i < HTTP_HEADERS_LIMIT - 2 && p->config.headers[i]; i++)
        r.headers[n++] = p->config.headers[i];
    return r;
}

static void read_response(const struct prom *p, bool of_range, struct http_response *r, struct prom_answer *out)
{
    void (*parse)(const char *, long, const char *, size_t, struct prom_answer *) =
        of_range ? prom_range_parse : prom_answer_parse;
    *out = (struct prom_answer){0};
    if (r->status)
        parse(p->host, r->status, r->body.bytes ? r->body.bytes : "", r->body.len, out);
    else
        out->why = r->why;
    http_response_finish(r);
}

/* common: all questions' time or range. */
static void ask_all(struct prom *p, const char *const *queries, int n, const struct question *common,
                    struct prom_answer *out)
{
    size_t count = (size_t)n;
    struct http_request *requests = calloc(count, sizeof *requests);
    struct http_response *responses = calloc(count, sizeof *responses);
    struct buf *texts = calloc(count, sizeof *texts);
    bool ready = requests && responses && texts;
    for (int i = 0; i < n && ready; i++) {
        const struct question q = {queries[i], common->time_s, common->range};
        requests[i] = make_request(p, &q, &texts[i]);
        ready = buf_ok(&texts[i], NULL);
    }
    if (ready)
        http_do_all(p->http, requests, responses, n);
    for (int i = 0; i < n; i++) {
        if (ready) {
            read_response(p, common->range != NULL, &responses[i], &out[i]);
        } else {
            out[i] = (struct prom_answer){0};
            err_set(&out[i].why, ERR_IO, "prometheus: no memory");
        }
        if (texts)
            buf_finish(&texts[i]);
    }
    free(requests);
    free(responses);
    free(texts);
}

void prom_query_all(struct prom *p, const char *const *queries, int n, double time_s, struct prom_answer *out)
{
    ask_all(p, queries, n, &(struct question){.time_s = time_s}, out);
}

void prom_query_range(struct prom *p, const char *const *queries, int n, const struct prom_range *range,
                      struct prom_answer *out)
{
    ask_all(p, queries, n, &(struct question){.range = range}, out);
}

static void escape_char(struct buf *out, char c)
{
    unsigned char byte = (unsigned char)c;
    if (c == '\n')
        buf_text(out, "\\n");
    else if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (byte < 0x20 || byte == 0x7F)
        buf_printf(out, "\\x%02x", byte);
    else
        buf_append(out, &c, 1);
}

void prom_escape_text(struct buf *out, const char *text)
{
    for (; *text; text++)
        escape_char(out, *text);
}

void prom_escape_pattern(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("\\.+*?()|[]{}^$", *text))
            escape_char(out, '\\');
        escape_char(out, *text);
    }
}
