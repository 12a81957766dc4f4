/* Percent-encoding, hosts in messages, Retry-After. */
#include <maestro/http.h>

#include "suite.h"

START_TEST(escapes)
{
    CLEANUP_BUF struct buf out = {0};
    http_escape(&out, "aZ09-._~ /?&=+%\n\"\xc3\xa9");
    ck_assert_str_eq(out.bytes, "aZ09-._~%20%2F%3F%26%3D%2B%25%0A%22%C3%A9");
}
END_TEST

START_TEST(finds_the_host)
{
    static const char *const cases[][2] = {
        {"http://prometheus:9090/path", "prometheus:9090"},
        {"https://user:p@ss@h.test?x=@", "h.test"},
        {"http://[::1]:80#a", "[::1]:80"},
        {"plain/x", "plain"},
        {"", ""},
        {"http://a-host-that-is-very-long", "a-host-that-is-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[16];
        http_host(cases[i][0], host, sizeof host);
        ck_assert_str_eq(host, cases[i][1]);
    }
}
END_TEST

START_TEST(takes_a_header_apart)
{
    char value[8];
    static const char line[] = "Retry-After: \t 12 \r\n";
    ck_assert(http_header_value(line, sizeof line - 1, "retry-after", value, sizeof value));
    ck_assert_str_eq(value, "12");
    ck_assert(http_header_value("A:123456789", 11, "A", value, sizeof value));
    ck_assert_str_eq(value, "1234567");
    ck_assert(http_header_value("A:", 2, "A", value, sizeof value) && !*value);
    ck_assert(!http_header_value("AB: 1", 5, "A", value, sizeof value));
    ck_assert(!http_header_value("A", 1, "A", value, sizeof value));
    ck_assert(!http_header_value("", 0, "A", value, sizeof value));
}
END_TEST

#define NOW_S 784111777.0 /* Sun, 06 Nov 1994 08:49:37 GMT */

START_TEST(reads_retry_after)
{
    static const struct {
        const char *text;
        double wait_s;
    } cases[] = {
        {"0", 0},
        {"7", 7},
        {" 120 \r\n", 120},
        {"3601", 3600},
        {"99999999999999999999", 3600},
        {"Sun, 06 Nov 1994 08:50:07 GMT", 30},
        {"Sunday, 06-Nov-94 08:50:07 GMT", 30},
        {"Sun, 06 Nov 1994 08:49:07 GMT", 0},
        {"Sun, 06 Nov 2094 08:49:07 GMT", 3600},
        {"", 0},
        {"soon", 0},
        {"-5", 0},
        {"1.5", 0},
        {"7 seconds", 0},
        {"1e3", 0},
        {"nan", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double wait_s = http_retry_after(cases[i].text, NOW_S);
        ck_assert_msg(!(wait_s < cases[i].wait_s) && !(wait_s > cases[i].wait_s), "'%s': %g", cases[i].text, wait_s);
    }
}
END_TEST

SUITE("http_text", escapes, finds_the_host, takes_a_header_apart, reads_retry_after)
