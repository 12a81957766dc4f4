/* TLS of the HTTP client: which certificates are accepted, which are shown. */
#include <maestro/http.h>

#include "fake_http.h"
#include "fake_pki.h"
#include "folder.h"
#include "suite.h"

#include <maestro/file.h>

#include <malloc.h>
#include <stdio.h>

static char folder[FOLDER_BYTES];
static struct fake_pki pki;

static void make_pki(void)
{
    folder_make(folder);
    fake_pki_make(folder, &pki);
}

static void remove_pki(void)
{
    folder_remove(folder);
}

static struct fake_http *serve(const char *certificate, const char *client_ca)
{
    static const struct fake_reply reply = {.body = "secret"};
    return fake_http_open(&(struct fake_http_config){.script = &reply,
                                                     .n_script = 1,
                                                     .certificate_file = certificate,
                                                     .key_file = pki.server_key,
                                                     .client_ca_file = client_ca});
}

/* Part NULL: the request is answered. */
static void ask(struct fake_http *f, const char *host, struct http_config config, const char *part)
{
    struct http *h = NULL;
    struct http_response r = {0};
    struct err e = {0};
    char url[96];
    snprintf(url, sizeof url, "https://%s:%d/", host, fake_http_port(f));
    config.retries = -1;
    config.timeout_s = 5;
    ck_assert(http_open(&config, &h, &e));
    bool answered = http_do(h, &(struct http_request){.url = url}, &r, &e);
    ck_assert_msg(answered == !part, "%s", answered ? "answered" : e.message);
    ck_assert_msg(!part || strstr(e.message, part), "'%s' lacks '%s'", e.message, part);
    ck_assert(!answered || strcmp(r.body.bytes, "secret") == 0);
    http_response_finish(&r);
    http_close(h);
}

START_TEST(own_authority)
{
    make_pki();
    CLEANUP_BUF struct buf pem = {0};
    struct fake_http *f = serve(pki.server, NULL);
    ck_assert(file_read(pki.ca, 1 << 16, &pem, NULL));
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca}, NULL);
    ask(f, "localhost", (struct http_config){.ca_file = pki.ca}, NULL);
    ask(f, "127.0.0.1", (struct http_config){.ca_pem = pem.bytes}, NULL);
    ask(f, "127.0.0.1", (struct http_config){.ca_pem = pem.bytes, .ca_file = pki.other_ca}, NULL);
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(wrong_authority)
{
    make_pki();
    struct fake_http *f = serve(pki.server, NULL);
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.other_ca}, "certificate refused");
    ask(f, "127.0.0.1", (struct http_config){0}, "certificate refused");
    ask(f, "127.0.0.1", (struct http_config){.ca_file = "/nonexistent/ca.pem"}, "not readable");
    ask(f, "127.0.0.1", (struct http_config){.ca_pem = "garbage"}, "");
    ask(f, "127.0.0.1", (struct http_config){.insecure = true}, NULL);
    ck_assert_int_eq(fake_http_requests(f), 1);
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(wrong_name)
{
    make_pki();
    struct fake_http *f = serve(pki.elsewhere, NULL);
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca}, "certificate refused");
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca, .server_name = "other.test"}, "certificate refused");
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca, .server_name = "elsewhere.test"}, NULL);
    CLEANUP_BUF struct buf sent = {0};
    char host[64];
    snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%d\r\n", fake_http_port(f));
    fake_http_last(f, &sent);
    ck_assert_msg(strstr(sent.bytes, host), "%s", sent.bytes);
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(expired)
{
    make_pki();
    struct fake_http *f = serve(pki.expired, NULL);
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca}, "expired");
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(client_certificate)
{
    make_pki();
    CLEANUP_BUF struct buf certificate = {0}, key = {0};
    struct fake_http *f = serve(pki.server, pki.ca);
    ck_assert(file_read(pki.client, 1 << 16, &certificate, NULL) && file_read(pki.client_key, 1 << 16, &key, NULL));
    ask(f, "127.0.0.1", (struct http_config){.ca_file = pki.ca}, "127.0.0.1:");
    ask(f, "127.0.0.1",
        (struct http_config){.ca_file = pki.ca, .certificate_file = pki.client, .key_file = pki.client_key}, NULL);
    ask(f, "127.0.0.1",
        (struct http_config){.ca_file = pki.ca, .certificate_pem = certificate.bytes, .key_pem = key.bytes}, NULL);
    ask(f, "127.0.0.1",
        (struct http_config){.ca_file = pki.ca, .certificate_file = "/nonexistent", .key_file = pki.client_key},
        "own certificate or key");
    ck_assert_int_eq(fake_http_requests(f), 2);
    fake_http_close(f);
    remove_pki();
}
END_TEST

/* The authority's file is replaced while the client lives: the next connection knows. */
START_TEST(rotated_authority)
{
    make_pki();
    static const struct fake_reply reply = {.body = "x", .close = true};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){
        .script = &reply, .n_script = 1, .certificate_file = pki.server, .key_file = pki.server_key});
    struct http *h = NULL;
    struct http_response r = {0};
    CLEANUP_BUF struct buf good = {0}, bad = {0};
    char url[96], path[128];
    snprintf(url, sizeof url, "%s/", fake_http_url(f));
    snprintf(path, sizeof path, "%s/now.pem", folder);
    ck_assert(file_read(pki.ca, 1 << 16, &good, NULL) && file_read(pki.other_ca, 1 << 16, &bad, NULL));
    ck_assert(http_open(&(struct http_config){.ca_file = path, .retries = -1}, &h, NULL));
    for (int i = 0; i < 4; i++) {
        const struct buf *now = i % 2 ? &good : &bad;
        ck_assert(file_write_atomic(path, now->bytes, now->len, NULL));
        ck_assert_int_eq(http_do(h, &(struct http_request){.url = url}, &r, NULL), i % 2);
    }
    http_response_finish(&r);
    http_close(h);
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(connections_leave_nothing)
{
    make_pki();
    static const struct fake_reply reply = {.body = "x", .close = true};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){
        .script = &reply, .n_script = 1, .certificate_file = pki.server, .key_file = pki.server_key});
    struct http *h = NULL;
    struct http_response r = {0};
    size_t bytes = 0;
    ck_assert(http_open(&(struct http_config){.ca_file = pki.ca, .retries = -1}, &h, NULL));
    for (int i = 0; i < 150; i++) {
        ck_assert(http_do(h, &(struct http_request){.url = fake_http_url(f)}, &r, NULL));
        struct mallinfo2 m = mallinfo2();
        bytes = i == 50 ? m.uordblks : bytes;
        ck_assert_msg(i <= 50 || m.uordblks < bytes + 262144, "%d: %zu bytes more", i, m.uordblks - bytes);
    }
    ck_assert_int_eq(fake_http_connections(f), 150);
    http_response_finish(&r);
    http_close(h);
    fake_http_close(f);
    remove_pki();
}
END_TEST

START_TEST(plain_text_on_a_tls_port)
{
    make_pki();
    static const struct fake_reply reply = {.raw = "HTTP/1.1 400 Bad Request\r\n\r\n"};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.script = &reply, .n_script = 1});
    struct http *h = NULL;
    struct http_response r = {0};
    struct err e = {0};
    char url[96];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", fake_http_port(f));
    ck_assert(http_open(&(struct http_config){.ca_file = pki.ca, .retries = -1, .timeout_s = 1}, &h, NULL));
    ck_assert(!http_do(h, &(struct http_request){.url = url}, &r, &e));
    ck_assert_msg(strstr(e.message, "no TLS session"), "%s", e.message);
    http_response_finish(&r);
    http_close(h);
    fake_http_close(f);
    remove_pki();
}
END_TEST

SUITE("http_tls", own_authority, wrong_authority, wrong_name, expired, client_certificate, rotated_authority,
      connections_leave_nothing, plain_text_on_a_tls_port)
