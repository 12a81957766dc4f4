/* The HTTP client against a server that does everything wrong, phase by phase; retries, kept connections, what is left behind.
 * TLS has a file of its own. */
#include <maestro/http.h>

#include "fake_http.h"
#include "suite.h"

#include <maestro/clock.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct http *open_client(const struct http_config *config)
{
    struct http *h = NULL;
    struct err e = {0};
    ck_assert_msg(http_open(config, &h, &e), "%s", e.message);
    return h;
}

struct scene {
    struct fake_http *server;
    struct http *h;
    struct http_response r;
    struct err e;
    char url[96];
};

static struct scene open_scene(const struct fake_reply *script, int n, const struct http_config *config)
{
    struct scene s = {.server = fake_http_open(&(struct fake_http_config){.script = script, .n_script = n}),
                      .h = open_client(config)};
    snprintf(s.url, sizeof s.url, "%s/path", fake_http_url(s.server));
    return s;
}

static void close_scene(struct scene *s)
{
    http_response_finish(&s->r);
    http_close(s->h);
    fake_http_close(s->server);
}

#define LATE_S 30 /* what is given up after a second or five has taken less, on a busy machine too */

static const struct http_config plain = {.retries = -1, .timeout_s = 5};

/* One attempt against one reply fails, with a part of the message, and does not wait for the reply's own delay. */
static void fails(const struct fake_reply *reply, const struct http_config *config, const char *part)
{
    struct scene s = open_scene(reply, 1, config);
    double start_s = clock_monotonic_s();
    ck_assert(!http_do(s.h, &(struct http_request){.url = s.url}, &s.r, &s.e));
    ck_assert(s.r.status == 0 && s.r.body.len == 0 && s.r.attempts == 1);
    ck_assert_msg(strstr(s.e.message, part) && strstr(s.e.message, "127.0.0.1:"), "'%s' lacks '%s'", s.e.message, part);
    ck_assert_str_eq(s.e.message, s.r.why.message);
    ck_assert_double_lt(clock_monotonic_s() - start_s, LATE_S);
    close_scene(&s);
}

START_TEST(asks_and_is_answered)
{
    static const struct fake_reply reply = {.body = "{\"a\":1}", .headers = "Content-Type: application/json\r\n"};
    struct scene s = open_scene(&reply, 1, &plain);
    CLEANUP_BUF struct buf sent = {0};
    struct http_request request = {
        .method = "PATCH", .url = s.url, .headers = {"X-One: 1", "X-Two: 2"}, .body = "abc", .n_body = 3};
    ck_assert_msg(http_do(s.h, &request, &s.r, &s.e), "%s", s.e.message);
    ck_assert(s.r.status == 200 && s.r.attempts == 1);
    ck_assert_str_eq(s.r.body.bytes, "{\"a\":1}");
    ck_assert_str_eq(s.r.content_type, "application/json");
    fake_http_last(s.server, &sent);
    ck_assert(strncmp(sent.bytes, "PATCH /path HTTP/1.1\r\n", 22) == 0);
    ck_assert(strstr(sent.bytes, "X-One: 1\r\n") && strstr(sent.bytes, "X-Two: 2\r\n"));
    ck_assert(strstr(sent.bytes, "User-Agent: maestro\r\n") && strstr(sent.bytes, "Content-Length: 3\r\n"));
    ck_assert(strstr(sent.bytes, "\nabc") && !strstr(sent.bytes, "Expect"));
    close_scene(&s);
}
END_TEST

static struct fake_reply tell_method(void *context, const struct fake_request *r)
{
    (void)context;
    buf_printf(r->text, "%s %zu", r->method, r->n_body);
    return (struct fake_reply){.status = 201};
}

START_TEST(every_method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.handle = tell_method});
    struct http *h = open_client(&plain);
    struct http_response r = {0};
    for (int i = 0; i < 10; i++) {
        char wanted[32];
        size_t n_body = i % 2 ? 4 : 0;
        struct http_request request = {
            .method = methods[i / 2], .url = fake_http_url(f), .body = "body", .n_body = n_body};
        ck_assert(http_do(h, &request, &r, NULL));
        snprintf(wanted, sizeof wanted, "%s %zu", methods[i / 2], n_body);
        ck_assert_str_eq(r.body.bytes, wanted);
        ck_assert_int_eq(r.status, 201);
    }
    ck_assert(http_do(h, &(struct http_request){.method = "HEAD", .url = fake_http_url(f)}, &r, NULL));
    ck_assert(r.status == 201 && r.body.len == 0);
    http_response_finish(&r);
    http_close(h);
    http_close(NULL);
    fake_http_close(f);
}
END_TEST

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(s >= 0 && bind(s, (struct sockaddr *)&a, n) == 0 && getsockname(s, (struct sockaddr *)&a, &n) == 0);
    close(s);
    return ntohs(a.sin_port);
}

static void fails_at(const char *url, const struct http_config *config, const char *part)
{
    struct http *h = open_client(config);
    struct http_response r = {0};
    struct err e = {0};
    double start_s = clock_monotonic_s();
    ck_assert(!http_do(h, &(struct http_request){.url = url}, &r, &e));
    ck_assert_msg(strstr(e.message, part), "'%s' lacks '%s'", e.message, part);
    ck_assert_double_lt(clock_monotonic_s() - start_s, LATE_S);
    http_response_finish(&r);
    http_close(h);
}

START_TEST(nobody_listens)
{
    char url[64], part[64];
    int port = free_port();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    snprintf(part, sizeof part, "127.0.0.1:%d: no connection", port);
    fails_at(url, &plain, part);
}
END_TEST

START_TEST(no_such_name)
{
    fails_at("http://nowhere.invalid/", &(struct http_config){.retries = -1, .timeout_s = 3}, "nowhere.invalid: n");
}
END_TEST

/* A listener whose queue is full: the kernel leaves further SYNs unanswered. */
START_TEST(connection_takes_too_long)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0), fill[4];
    char url[64];
    ck_assert(s >= 0 && bind(s, (struct sockaddr *)&a, n) == 0 && listen(s, 0) == 0);
    ck_assert_int_eq(getsockname(s, (struct sockaddr *)&a, &n), 0);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert_int_ge(fill[i], 0);
        (void)!connect(fill[i], (struct sockaddr *)&a, sizeof a);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    fails_at(url, &(struct http_config){.retries = -1, .connect_timeout_s = 0.3, .timeout_s = 5},
             "no connection within");
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(s);
}
END_TEST

START_TEST(answers_too_late)
{
    static const struct http_config brief = {.retries = -1, .timeout_s = 1};
    fails(&(struct fake_reply){.delay_s = 60}, &brief, "no answer within 1 s");
    fails(&(struct fake_reply){.body = "some text", .gap_s = 10}, &brief, "no end of the answer within");
    fails(&(struct fake_reply){.body = "some text", .body_delay_s = 60}, &brief, "no end of the answer within");
    fails(&(struct fake_reply){.endless = true, .gap_s = 0.01}, &brief, "no end of the answer within");
}
END_TEST

START_TEST(breaks_off)
{
    fails(&(struct fake_reply){.cut_at_once = true}, &plain, "closed without an answer");
    fails(&(struct fake_reply){.body = "a long answer", .cut_after = 4}, &plain, "broken off");
    fails(&(struct fake_reply){.body = "a long answer", .cut_after = 4, .chunked = true}, &plain, "broken off");
    fails(&(struct fake_reply){.raw = "HTTP/1.1 200 OK\r\nContent-Le"}, &plain, "");
}
END_TEST

START_TEST(talks_garbage)
{
    fails(&(struct fake_reply){.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"}, &plain,
          "hunk");
    fails(&(struct fake_reply){.raw = "SSH-2.0-OpenSSH_9.2\r\n"}, &plain, "no usable answer");
    fails(&(struct fake_reply){.raw = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc"}, &plain, "");
    fails(&(struct fake_reply){.raw = "\x16\x03\x01\x02\x00\x01"}, &plain, "");
    fails(&(struct fake_reply){.body = "no gzip", .headers = "Content-Encoding: gzip\r\n"}, &plain, "");
    fails(&(struct fake_reply){.body = "x", .headers = "Content-Encoding: pancake\r\n"}, &plain, "");
}
END_TEST

START_TEST(answers_too_much)
{
    static const struct http_config small = {.retries = -1, .timeout_s = 5, .limit_bytes = 1000};
    struct scene s = open_scene(&(struct fake_reply){.filler = 1000}, 1, &small);
    ck_assert(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, NULL) && s.r.body.len == 1000);
    close_scene(&s);
    fails(&(struct fake_reply){.filler = 1001}, &small, "larger than 1000 bytes");
    fails(&(struct fake_reply){.filler = 1001, .chunked = true}, &small, "larger than 1000 bytes");
    fails(&(struct fake_reply){.endless = true}, &small, "larger than 1000 bytes");
}
END_TEST

START_TEST(headers_without_end)
{
    CLEANUP_BUF struct buf raw = {0};
    buf_text(&raw, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 20000; i++)
        buf_printf(&raw, "X-Header-%d: xxxxxxxxxxxxxxxxxxxxxxxx\r\n", i);
    fails(&(struct fake_reply){.raw = raw.bytes, .n_raw = raw.len}, &plain, "");
}
END_TEST

/* 64 MiB of zeros in 64 KiB. */
START_TEST(gzip_bomb)
{
    static const struct http_config small = {.retries = -1, .timeout_s = 10, .limit_bytes = 1 << 20};
    CLEANUP_BUF struct buf packed = {0};
    char bytes[4096];
    FILE *pipe = popen("head -c 67108864 /dev/zero | gzip -9", "r"); // NOLINT(cert-env33-c)
    ck_assert_ptr_nonnull(pipe);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, pipe));)
        buf_append(&packed, bytes, n);
    ck_assert(pclose(pipe) == 0 && packed.len > 10000 && packed.len < 1 << 20);
    fails(&(struct fake_reply){.body = packed.bytes, .n_body = packed.len, .headers = "Content-Encoding: gzip\r\n"},
          &small, "larger than 1048576 bytes");
}
END_TEST

START_TEST(redirects_are_answers)
{
    static const struct fake_reply reply = {.status = 302, .headers = "Location: http://nowhere.invalid/\r\n"};
    struct scene s = open_scene(&reply, 1, &plain);
    ck_assert(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, NULL) && s.r.status == 302);
    ck_assert_int_eq(fake_http_requests(s.server), 1);
    close_scene(&s);
}
END_TEST

START_TEST(wrong_requests)
{
    static const char *const urls[] = {"", "no url", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://"};
    struct http *h = open_client(&plain);
    struct http_response r = {0};
    struct err e = {0};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        ck_assert_msg(!http_do(h, &(struct http_request){.url = urls[i]}, &r, &e) && *e.message, "%s", urls[i]);
    struct http_request split = {.url = "http://127.0.0.1:1/", .headers = {"X: a\r\nY: b"}};
    ck_assert(!http_do(h, &split, &r, &e) && e.code == ERR_USAGE && strstr(e.message, "line break"));
    http_response_finish(&r);
    http_close(h);
}
END_TEST

/* How many attempts a request makes, and what it ends with. */
static void tries(const struct fake_reply *script, int n, const struct http_request *what, int attempts, long status)
{
    struct scene s = open_scene(script, n, &(struct http_config){.timeout_s = 5, .retries = 2});
    struct http_request request = *what;
    request.url = s.url;
    bool answered = http_do(s.h, &request, &s.r, NULL);
    ck_assert_int_eq(answered, status != 0);
    ck_assert_int_eq(s.r.status, status);
    ck_assert_int_eq(s.r.attempts, attempts);
    ck_assert_int_eq(fake_http_requests(s.server), attempts);
    close_scene(&s);
}

START_TEST(retries_are_bounded)
{
    static const struct http_request get = {.may_repeat = true};
    static const long again[] = {429, 502, 503, 504}, not_again[] = {400, 401, 403, 404, 409, 422, 500, 501};
    for (size_t i = 0; i < 4; i++) {
        struct fake_reply script[2] = {{.status = (int)again[i]}, {.body = "x"}};
        tries(script, 2, &get, 2, 200);
        tries(script, 1, &get, 3, again[i]);
    }
    for (size_t i = 0; i < 8; i++)
        tries(&(struct fake_reply){.status = (int)not_again[i]}, 1, &get, 1, not_again[i]);
    tries((struct fake_reply[]){{.cut_at_once = true}, {.body = "x"}}, 2, &get, 2, 200);
    tries((struct fake_reply[]){{.body = "long", .cut_after = 1}, {.body = "x"}}, 2, &get, 2, 200);
    tries(&(struct fake_reply){.cut_at_once = true}, 1, &get, 3, 0);
}
END_TEST

START_TEST(not_repeated_unless_allowed)
{
    static const struct http_request once = {.method = "POST", .body = "x", .n_body = 1};
    static const struct http_request repeatable = {.method = "POST", .body = "x", .n_body = 1, .may_repeat = true};
    tries(&(struct fake_reply){.status = 503, .headers = "Retry-After: 0\r\n"}, 1, &once, 1, 503);
    tries(&(struct fake_reply){.cut_at_once = true}, 1, &once, 1, 0);
    tries((struct fake_reply[]){{.status = 503}, {.body = "x"}}, 2, &repeatable, 2, 200);
}
END_TEST

/* A kept connection dies under the second request: curl would send it again by itself. */
START_TEST(lost_connection_does_not_repeat_a_write)
{
    static const struct fake_reply script[] = {{.body = "x"}, {.cut_at_once = true}};
    for (int with_body = 0; with_body < 2; with_body++) {
        struct scene s = open_scene(script, 2, &plain);
        struct http_request post = {.method = "POST", .url = s.url, .body = "x", .n_body = (size_t)with_body};
        ck_assert(http_do(s.h, &post, &s.r, NULL));
        ck_assert(!http_do(s.h, &post, &s.r, &s.e));
        ck_assert_int_eq(fake_http_requests(s.server), 2);
        ck_assert_ptr_null(strstr(s.e.message, "callback"));
        ck_assert_msg(!with_body || strstr(s.e.message, "the request may have arrived, and is not sent twice"), "%s",
                      s.e.message);
        close_scene(&s);
    }
}
END_TEST

static bool socket_is_dead; // the next send fails as on a connection that the other side has reset

/* In place of the C library's, also for curl. */
ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    if (!socket_is_dead)
        return sendto(fd, bytes, n, flags, NULL, 0);
    socket_is_dead = false;
    errno = EPIPE;
    return -1;
}

START_TEST(what_was_never_sent_goes_out_on_a_fresh_connection)
{
    static const struct fake_reply script[] = {{.body = "x"}};
    struct scene s = open_scene(script, 1, &plain);
    struct http_request post = {.method = "POST", .url = s.url, .body = "x", .n_body = 1};
    ck_assert(http_do(s.h, &post, &s.r, NULL));
    socket_is_dead = true;
    ck_assert_msg(http_do(s.h, &post, &s.r, &s.e), "%s", s.e.message);
    ck_assert(!socket_is_dead);
    ck_assert_int_eq(fake_http_requests(s.server), 2);
    ck_assert_int_eq(fake_http_connections(s.server), 2);
    close_scene(&s);
}
END_TEST

START_TEST(obeys_retry_after)
{
    static const struct http_request get = {.may_repeat = true};
    struct fake_reply script[] = {{.status = 429, .headers = "Retry-After: 1\r\n"}, {.body = "x"}};
    double start_s = clock_monotonic_s();
    tries(script, 2, &get, 2, 200);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 0.999);

    char header[96];
    time_t later = time(NULL) + 2;
    struct tm tm;
    strftime(header, sizeof header, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&later, &tm));
    script[0].headers = header;
    start_s = clock_monotonic_s();
    tries(script, 2, &get, 2, 200);
    ck_assert_double_ge(clock_monotonic_s() - start_s, 0.9); // the date has whole seconds
}
END_TEST

START_TEST(never_beyond_its_own_time)
{
    static const struct fake_reply reply = {.status = 429, .headers = "Retry-After: 60\r\n"};
    struct scene s = open_scene(&reply, 1, &(struct http_config){.timeout_s = 30});
    double start_s = clock_monotonic_s();
    ck_assert(http_do(s.h, &(struct http_request){.url = s.url, .may_repeat = true}, &s.r, NULL));
    ck_assert_double_lt(clock_monotonic_s() - start_s, 25); // it does not wait for an end that is too soon
    ck_assert(s.r.status == 429 && s.r.attempts == 1);
    ck_assert_double_eq(s.r.retry_after_s, 60);
    close_scene(&s);

    s = open_scene(&(struct fake_reply){.status = 503, .delay_s = 0.4}, 1,
                   &(struct http_config){.timeout_s = 1, .retries = 1000});
    start_s = clock_monotonic_s();
    (void)!http_do(s.h, &(struct http_request){.url = s.url, .may_repeat = true}, &s.r, NULL);
    ck_assert_double_lt(clock_monotonic_s() - start_s, LATE_S);
    ck_assert_int_le(s.r.attempts, 3);
    close_scene(&s);
}
END_TEST

START_TEST(proxies_of_the_environment_are_ignored)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"};
    struct fake_http *proxy =
        fake_http_open(&(struct fake_http_config){.script = &(struct fake_reply){.status = 407}, .n_script = 1});
    struct scene s = open_scene(&(struct fake_reply){.body = "x"}, 1, &plain);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], fake_http_url(proxy), 1);
    ck_assert(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, NULL) && s.r.status == 200);
    ck_assert_int_eq(fake_http_connections(proxy), 0);
    close_scene(&s);

    setenv("no_proxy", "*", 1); // and a configured one is used, whatever it says
    struct http *h = open_client(&(struct http_config){.retries = -1, .proxy_url = fake_http_url(proxy)});
    struct http_response r = {0};
    ck_assert(http_do(h, &(struct http_request){.url = "http://nowhere.invalid/"}, &r, NULL) && r.status == 407);
    http_response_finish(&r);
    http_close(h);
    fake_http_close(proxy);
}
END_TEST

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

START_TEST(thousand_requests_leave_nothing)
{
    static const struct fake_reply script[] = {{.body = "{\"a\":[1,2,3]}"}};
    struct scene s = open_scene(script, 1, &plain);
    int descriptors = 0;
    size_t bytes = 0;
    for (int i = 0; i < 1100; i++) {
        ck_assert(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, NULL));
        ck_assert_int_eq(s.r.status, 200);
        if (i == 100) {
            descriptors = count_descriptors();
            bytes = in_use();
        }
    }
    ck_assert_int_eq(count_descriptors(), descriptors);
    ck_assert_uint_le(in_use(), bytes + 4096); // the fake's thread works in the same heap
    ck_assert_int_eq(fake_http_connections(s.server), 1);
    ck_assert_int_eq(fake_http_requests(s.server), 1100);
    close_scene(&s);
}
END_TEST

START_TEST(thousand_failures_leave_nothing)
{
    static const struct fake_reply script[] = {{.status = 500, .body = "no", .close = true}};
    struct scene s = open_scene(script, 1, &plain);
    int descriptors = count_descriptors();
    for (int i = 0; i < 1000; i++)
        ck_assert(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, NULL) && s.r.status == 500);
    ck_assert_int_eq(fake_http_connections(s.server), 1000);
    ck_assert_int_le(count_descriptors(), descriptors + 8);
    close_scene(&s);
}
END_TEST

/* A server that is never twice the same. */
static struct fake_reply flap(void *context, const struct fake_request *r)
{
    static const struct fake_reply moods[] = {
        {.body = "fine"},
        {.status = 503, .headers = "Retry-After: 0\r\n"},
        {.cut_at_once = true},
        {.body = "some text", .cut_after = 3},
        {.filler = 200000, .chunked = true},
        {.raw = "nonsense\r\n"},
        {.body = "no gzip", .headers = "Content-Encoding: gzip\r\n"},
        {.body = "late", .delay_s = 0.2},
        {.body = "slow", .gap_s = 0.1},
        {.body = "fine", .close = true},
    };
    (void)context;
    return moods[r->number % (int)(sizeof moods / sizeof *moods)];
}

static int count_threads(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

START_TEST(flapping_leaves_nothing)
{
    fake_http_close(
        fake_http_open(&(struct fake_http_config){.handle = flap})); // sanitizers start a thread of their own
    int threads = count_threads();
    struct fake_http *f = fake_http_open(&(struct fake_http_config){.handle = flap});
    struct http *h = open_client(&(struct http_config){.timeout_s = 0.1, .limit_bytes = 100000});
    struct http_response r = {0};
    int descriptors = 0, n_answered = 0, n_failed = 0;
    size_t bytes = 0;
    for (int i = 0; i < 240; i++) {
        struct http_request request = {.url = i % 20 ? fake_http_url(f) : "http://nowhere.invalid/",
                                       .may_repeat = i % 3 == 0};
        if (http_do(h, &request, &r, NULL))
            n_answered++;
        else
            n_failed++;
        if (i == 100) {
            descriptors = count_descriptors();
            bytes = in_use();
        }
    }
    ck_assert(n_answered > 30 && n_failed > 30);
    ck_assert_int_le(count_descriptors(), descriptors + 8); // the server may not yet have closed what it will
    ck_assert_uint_le(in_use(), bytes + 65536);
    http_response_finish(&r);
    http_close(h);
    fake_http_close(f);
    double deadline_s = clock_monotonic_s() + 60; // a name server may keep a look-up that we gave up for so long
    while (count_threads() > threads && clock_monotonic_s() < deadline_s) // those that look up names
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert_int_le(count_threads(), threads);
}
END_TEST

START_TEST(side_by_side)
{
    enum { N = 16 };
    struct scene s = open_scene(&(struct fake_reply){.body = "x", .delay_s = 0.5}, 1,
                                &(struct http_config){.timeout_s = 20, .connections = 8});
    struct http_request requests[N];
    struct http_response r[N] = {0};
    for (int i = 0; i < N; i++)
        requests[i] = (struct http_request){.url = s.url};
    double start_s = clock_monotonic_s();
    http_do_all(s.h, requests, r, N);
    double took_s = clock_monotonic_s() - start_s;
    ck_assert_double_ge(took_s, 1.0); // two rounds of eight
    ck_assert_double_lt(took_s, 7.5); // one after the other: 8 s
    ck_assert_int_eq(fake_http_connections(s.server), 8);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(r[i].status, 200);
        http_response_finish(&r[i]);
    }
    http_do_all(s.h, requests, r, 0);
    close_scene(&s);
}
END_TEST

START_TEST(waiting_for_a_connection_counts)
{
    struct scene s = open_scene(&(struct fake_reply){.delay_s = 60}, 1,
                                &(struct http_config){.timeout_s = 0.3, .connections = 1, .retries = -1});
    struct http_request requests[2] = {{.url = s.url}, {.url = s.url}};
    struct http_response r[2] = {0};
    double start_s = clock_monotonic_s();
    http_do_all(s.h, requests, r, 2);
    ck_assert_double_lt(clock_monotonic_s() - start_s, LATE_S);
    ck_assert(strstr(r[0].why.message, " within ") && strstr(r[1].why.message, " within "));
    http_response_finish(&r[0]);
    http_response_finish(&r[1]);
    close_scene(&s);
}
END_TEST

static volatile sig_atomic_t heard;

static void hear(int signal_number)
{
    heard = signal_number;
}

/* Sent to this thread alone, which has it blocked while it asks: the server's own does not take it. */
START_TEST(a_sigpipe_of_somebody_else_is_passed_on)
{
    struct sigaction action = {.sa_handler = hear}, before;
    sigset_t only, mask;
    sigemptyset(&action.sa_mask);
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    sigaction(SIGPIPE, &action, &before);
    pthread_sigmask(SIG_BLOCK, &only, &mask);
    struct scene s = open_scene(&(struct fake_reply){.delay_s = 0.6}, 1, &plain);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        kill(getppid(), SIGPIPE);
        _exit(0);
    }
    ck_assert_msg(http_do(s.h, &(struct http_request){.url = s.url}, &s.r, &s.e), "%s", s.e.message);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(heard, SIGPIPE);
    sigaction(SIGPIPE, &before, NULL);
    close_scene(&s);
}
END_TEST

SUITE("http", asks_and_is_answered, every_method, nobody_listens, no_such_name, connection_takes_too_long,
      answers_too_late, breaks_off, talks_garbage, answers_too_much, headers_without_end, gzip_bomb,
      redirects_are_answers, wrong_requests, retries_are_bounded, not_repeated_unless_allowed,
      lost_connection_does_not_repeat_a_write, what_was_never_sent_goes_out_on_a_fresh_connection, obeys_retry_after,
      never_beyond_its_own_time, proxies_of_the_environment_are_ignored, thousand_requests_leave_nothing,
      thousand_failures_leave_nothing, flapping_leaves_nothing, side_by_side, waiting_for_a_connection_counts,
      a_sigpipe_of_somebody_else_is_passed_on)
