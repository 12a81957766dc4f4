/* Any bytes as a header line, a Retry-After, a URL and a text to be escaped. */
#include "fuzz.h"

#include <maestro/http.h>

#include <ctype.h>
#include <string.h>

static int from_hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10;
}

/* What was escaped holds only harmless characters and decodes to what it was. */
static void check_escape(const char *text)
{
    struct buf out = {0};
    size_t at = 0;
    http_escape(&out, text);
    for (const char *c = out.bytes ? out.bytes : ""; *c; c++, at++) {
        char meant = *c;
        fuzz_must(isalnum((unsigned char)*c) || strchr("-._~%", *c));
        if (*c == '%') {
            meant = (char)(from_hex(c[1]) * 16 + from_hex(c[2]));
            c += 2;
        }
        fuzz_must(meant == text[at]);
    }
    fuzz_must(text[at] == '\0');
    buf_finish(&out);
}

static void check_header(const char *line, size_t n)
{
    char value[16];
    if (!http_header_value(line, n, "Retry-After", value, sizeof value))
        return;
    fuzz_must(memchr(value, '\0', sizeof value));
    double wait_s = http_retry_after(value, 784111777.0);
    fuzz_must(wait_s >= 0 && wait_s <= 3600);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char host[24];
    char *exact = malloc(n + 1), *text = malloc(n + 1);
    fuzz_must(exact && text);
    memcpy(exact, bytes, n);
    memcpy(text, bytes, n);
    text[n] = '\0';
    check_header(exact, n);
    double wait_s = http_retry_after(text, 784111777.0);
    fuzz_must(wait_s >= 0 && wait_s <= 3600);
    http_host(text, host, sizeof host);
    fuzz_must(memchr(host, '\0', sizeof host) && !strpbrk(host, "/?#"));
    check_escape(text);
    free(exact);
    free(text);
    return 0;
}
