/* client: one HTTP request to a server of ours on loopback, through libcurl, for tests of the server side. Every call opens
 * its own connection unless it gets a handle to go on with. */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <maestro/buf.h>

#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct client_answer {
    long status; /* 0: no answer */
    struct buf body, headers;
};

static inline size_t client_keep(char *bytes, size_t size, size_t n, void *out)
{
    buf_append(out, bytes, size * n);
    return size * n;
}

static inline void client_finish(struct client_answer *a)
{
    buf_finish(&a->body);
    buf_finish(&a->headers);
}

/* handle: NULL, or one of curl_easy_init whose connection is kept. body NULL: none. header: one more, or NULL. */
static inline struct client_answer client_do(CURL *handle, const char *method, const char *url, const char *body,
                                             const char *header)
{
    struct client_answer a = {0};
    CURL *h = handle ? handle : curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    ck_assert_ptr_nonnull(h);
    curl_easy_reset(h);
    if (header)
        headers = curl_slist_append(headers, header);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, 30L);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, client_keep);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &a.body);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, client_keep);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, &a.headers);
    if (body) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (curl_easy_perform(h) == CURLE_OK)
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a.status);
    curl_slist_free_all(headers);
    if (!handle)
        curl_easy_cleanup(h);
    buf_append(&a.body, "", 0);
    buf_append(&a.headers, "", 0);
    return a;
}

/* The request alone: status, with the answer's body in out (cleared first; may be NULL). */
static inline long client_ask(const char *method, const char *url, const char *body, struct buf *out)
{
    struct client_answer a = client_do(NULL, method, url, body, NULL);
    if (out) {
        buf_clear(out);
        buf_append(out, a.body.bytes, a.body.len);
    }
    client_finish(&a);
    return a.status;
}

#endif
