/* text: numbers that read back, UTF-8 one character at a time, and "did you mean". */
#include <maestro/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISTANCE_LIMIT 64

char *text_double(char out[TEXT_DOUBLE], double value)
{
    if (!isfinite(value))
        snprintf(out, TEXT_DOUBLE, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    for (int digits = 15; digits <= 17 && isfinite(value); digits++) {
        snprintf(out, TEXT_DOUBLE, "%.*g", digits, value);
        double back = strtod(out, NULL);
        if (back >= value && back <= value)
            break;
    }
    return out;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0u) == 0x80u;
}

int text_utf8(const char *bytes, size_t n, uint32_t *code_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; // by length: anything below is overlong
    if (n == 0)
        return 0;
    unsigned first = (unsigned char)bytes[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || (size_t)length > n)
        return 0;
    uint32_t code = first & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if (!is_continuation(bytes[i]))
            return 0;
        code = code << 6 | ((unsigned char)bytes[i] & 0x3fu);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *code_point = code;
    return length;
}

/* What of a long path's end stays: the file's name, where that is not all of it, else as much as there is room for. */
static size_t tail_of(const char *path, size_t n)
{
    const size_t head = 16, most = TEXT_PATH - head - 3;
    size_t name = 0;
    while (name < n && path[n - 1 - name] != '/')
        name++;
    return name + 1 > most && name + head + 3 < n ? name : most;
}

char *text_shorten(char *out, size_t n, const char *text)
{
    size_t at = 0;
    while (*text && at + 1 < n) {
        size_t word = strcspn(text, " '\""), head = 16;
        bool is_path = word > TEXT_PATH && memchr(text, '/', word);
        size_t tail = is_path ? tail_of(text, word) : 0;
        while (is_path && head > 0 && is_continuation(text[head]))
            head--;
        while (is_path && tail > 0 && is_continuation(text[word - tail]))
            tail--;
        size_t rest = word + (text[word] != '\0');
        int written = is_path ? snprintf(out + at, n - at, "%.*s...%.*s", (int)head, text, (int)(tail + rest - word),
                                         text + word - tail)
                              : snprintf(out + at, n - at, "%.*s", (int)rest, text);
        at += (size_t)written;
        text += rest;
    }
    if (n > 0 && at == 0)
        out[0] = '\0';
    return out;
}

size_t text_json_char(const char *bytes, size_t n, char out[TEXT_ESCAPE], size_t *n_out)
{
    static const char named[] = "\"\"\\\\\nn\rr\tt\bb\ff"; // a character and what follows its backslash
    uint32_t code = 0;
    int length = text_utf8(bytes, n, &code);
    if (length == 0)
        code = 0xfffd;
    *n_out = 0;
    for (const char *p = named; *p; p += 2)
        if (code == (unsigned char)*p) {
            out[0] = '\\';
            out[1] = p[1];
            *n_out = 2;
        }
    if (*n_out == 0 && (length == 0 || code < 0x20 || code == 0x7f || code == 0x2028 || code == 0x2029))
        *n_out = (size_t)snprintf(out, TEXT_ESCAPE, "\\u%04x", code & 0xffffu);
    if (*n_out == 0) {
        memcpy(out, bytes, (size_t)length);
        *n_out = (size_t)length;
    }
    return length ? (size_t)length : 1;
}

static int least_of(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Optimal string alignment distance, three rows at a time. */
int text_distance(const char *a, const char *b)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a >= DISTANCE_LIMIT || n_b >= DISTANCE_LIMIT)
        return TEXT_FAR;
    int rows[3][DISTANCE_LIMIT] = {{0}};
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n_a; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= n_b; j++) {
            row[j] = least_of(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && above2[j - 2] + 1 < row[j])
                row[j] = above2[j - 2] + 1;
        }
    }
    return rows[n_a % 3][n_b];
}

bool text_suggests(const char *typed, const char *candidate, int *best)
{
    int far = (int)strlen(typed) / 3;
    int limit = far < 2 ? 2 : far > 4 ? 4 : far;
    int distance = text_distance(typed, candidate);
    if (distance > limit || distance >= *best || distance >= (int)strlen(typed))
        return false;
    *best = distance;
    return true;
}
