/* http_text: the small texts of HTTP: percent-encoding of a value, and a URL's host, a header's value,
 * Retry-After. No socket, no clock. */
#include <maestro/http.h>

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGEST_WAIT_S 3600.0

void http_escape(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~", c))
            buf_append(out, text, 1);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void http_host(const char *url, char *out, size_t n)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t length = strcspn(start, "/?#");
    for (size_t i = length; i > 0; i--)
        if (start[i - 1] == '@') {
            start += i;
            length -= i;
            break;
        }
    length = length < n - 1 ? length : n - 1;
    memcpy(out, start, length);
    out[length] = '\0';
}

bool http_header_value(const char *line, size_t n, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    if (n <= length || line[length] != ':' || strncasecmp(line, name, length) != 0)
        return false;
    line += length + 1;
    n -= length + 1;
    while (n && is_blank(line[n - 1]))
        n--;
    while (n && is_blank(*line)) {
        line++;
        n--;
    }
    n = n < room - 1 ? n : room - 1;
    memcpy(out, line, n);
    out[n] = '\0';
    return true;
}

static double bounded_wait_s(double wait_s)
{
    if (!(wait_s > 0.0))
        return 0.0;
    return wait_s < LONGEST_WAIT_S ? wait_s : LONGEST_WAIT_S;
}

double http_retry_after(const char *value, double now_s)
{
    while (*value == ' ' || *value == '\t')
        value++;
    size_t digits = strspn(value, "0123456789");
    if (digits && strspn(value + digits, " \t\r\n") == strlen(value + digits))
        return digits > 6 ? LONGEST_WAIT_S : bounded_wait_s(strtod(value, NULL));
    time_t date = digits ? -1 : curl_getdate(value, NULL);
    return date == -1 ? 0.0 : bounded_wait_s((double)date - now_s);
}
