/* http_transfer: one attempt of one request: its settings on a curl handle, what comes in, and the outcome in words. */
#ifndef NET_HTTP_TRANSFER_H
#define NET_HTTP_TRANSFER_H

#include <maestro/http.h>

#include <curl/curl.h>

struct http_transfer {
    const struct http_config *config; /* without zeros */
    const struct http_request *request;
    struct http_response *response;
    CURL *easy; /* NULL: not at work */
    struct curl_slist *headers, *connect_to;
    char host[160]; /* of the URL with its port, for messages */
    char detail[CURL_ERROR_SIZE];
    size_t n_body_sent, n_header_bytes;
    bool too_large, head_ended;
    double attempt_s; /* what this attempt may take */
};

/* Clears the response but its count of attempts, and prepares easy (a reset handle). False: the request itself is wrong, and
 * response->why says so. */
MUST_CHECK bool http_transfer_begin(struct http_transfer *t, CURL *easy, double attempt_s);

/* Fills the response from what came of it. True: the connection broke (or never was), so trying again makes sense. */
bool http_transfer_end(struct http_transfer *t, CURLcode code);

void http_transfer_release(struct http_transfer *t); /* everything but easy */

#endif
