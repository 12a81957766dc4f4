/* prom_read: characters, texts, numbers and nesting of JSON. In: bytes that may be changed; out: values one after the other.
 * What they mean to Prometheus is prom_answer.c's. */
#include "prom_read.h"

#include <maestro/text.h>

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_LIMIT 32

bool prom_refuse(const struct prom_reader *r, const char *why)
{
    return err_set(r->e, ERR_FORMAT, "%s: not an answer of Prometheus: byte %zu: %s", r->name,
                   (size_t)(r->at - r->start), r->at >= r->end ? "the JSON ends too early" : why);
}

char prom_look(struct prom_reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')
        r->at++;
    return *r->at;
}

bool prom_take(struct prom_reader *r, char c)
{
    if (prom_look(r) != c)
        return false;
    r->at++;
    return true;
}

bool prom_want(struct prom_reader *r, char c)
{
    static const char *const wanted[] = {"a { is wanted", "a [ is wanted", "a ] is wanted", "a comma is wanted",
                                         "a colon is wanted"};
    static const char signs[] = "{[],:";
    return prom_take(r, c) || prom_refuse(r, wanted[strchr(signs, c) - signs]);
}

static bool hex4(const char *at, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)at[i];
        if (!isxdigit(c))
            return false;
        value = value * 16 + (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    *out = value;
    return true;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(lead[more] | (code >> (6 * more)));
    while (more--)
        *out++ = (char)(0x80 | ((code >> (6 * more)) & 0x3F));
    return out;
}

/* Behind "\u": one character, perhaps of two halves. */
static bool decode_code(struct prom_reader *r, char **out)
{
    uint32_t code = 0, low = 0;
    if (!hex4(r->at, &code) || code == 0)
        return prom_refuse(r, "\\u wants four hexadecimal digits that are not 0000");
    r->at += 4;
    if (code >= 0xD800 && code < 0xE000) {
        bool paired = code < 0xDC00 && r->at[0] == '\\' && r->at[1] == 'u' && hex4(r->at + 2, &low);
        if (!paired || low < 0xDC00 || low > 0xDFFF)
            return prom_refuse(r, "half a surrogate pair");
        r->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *out = put_utf8(*out, code);
    return true;
}

static bool decode_escape(struct prom_reader *r, char **out)
{
    static const char kinds[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char kind = r->at[1];
    const char *found = kind ? strchr(kinds, kind) : NULL;
    r->at++;
    if (kind == 'u') {
        r->at++;
        return decode_code(r, out);
    }
    if (!found)
        return prom_refuse(r, "an unknown escape");
    r->at++;
    *(*out)++ = meant[found - kinds];
    return true;
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Decoding never makes a text longer, so it is written over itself. */
bool prom_text(struct prom_reader *r, char **text)
{
    uint32_t code = 0;
    if (!prom_take(r, '"'))
        return prom_refuse(r, "a text in quotes is wanted");
    char *start = r->at, *out = start;
    while (*r->at != '"') {
        if (is_plain(*r->at)) {
            *out++ = *r->at++;
            continue;
        }
        if (*r->at == '\\') {
            if (!decode_escape(r, &out))
                return false;
            continue;
        }
        int length = text_utf8(r->at, (size_t)(r->end - r->at), &code);
        if (length < 2)
            return prom_refuse(r, length ? "a control character inside a text" : "bytes that are not UTF-8");
        memmove(out, r->at, (size_t)length);
        out += length;
        r->at += length;
    }
    r->at++;
    *out = '\0';
    *text = start;
    return true;
}

static size_t digits_at(const char *at)
{
    return strspn(at, "0123456789");
}

/* Length of a number by the grammar of JSON; 0: there is none. */
static size_t number_length(const char *start)
{
    const char *at = start + (*start == '-');
    size_t n = digits_at(at);
    if (n == 0 || (*at == '0' && n > 1))
        return 0;
    at += n;
    if (*at == '.') {
        n = digits_at(at + 1);
        if (n == 0)
            return 0;
        at += n + 1;
    }
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        n = digits_at(at);
        if (n == 0)
            return 0;
        at += n;
    }
    return (size_t)(at - start);
}

bool prom_number(struct prom_reader *r, double *out)
{
    prom_look(r);
    size_t n = number_length(r->at);
    if (n == 0)
        return prom_refuse(r, "a number is wanted");
    double value = strtod(r->at, NULL);
    if (!isfinite(value))
        return prom_refuse(r, "the number is too large");
    r->at += n;
    *out = value;
    return true;
}

static bool skip_plain(struct prom_reader *r)
{
    static const char *const words[] = {"true", "false", "null"};
    char *text = NULL;
    double number = 0;
    char c = prom_look(r);
    if (c == '"')
        return prom_text(r, &text);
    for (int i = 0; i < 3; i++)
        if (strncmp(r->at, words[i], strlen(words[i])) == 0) {
            r->at += strlen(words[i]);
            return true;
        }
    return prom_number(r, &number);
}

/* Opens containers that start here and skips the first plain value, or stands before a closing bracket. */
static bool skip_down(struct prom_reader *r, char *closing, int *depth)
{
    char *key = NULL;
    for (;;) {
        char c = prom_look(r);
        if (c != '{' && c != '[')
            return skip_plain(r);
        if (*depth == DEPTH_LIMIT)
            return prom_refuse(r, "nested too deep");
        r->at++;
        closing[(*depth)++] = c == '{' ? '}' : ']';
        if (prom_look(r) == closing[*depth - 1])
            return true;
        if (c == '{' && (!prom_text(r, &key) || !prom_want(r, ':')))
            return false;
    }
}

bool prom_skip(struct prom_reader *r)
{
    char closing[DEPTH_LIMIT];
    int depth = 0;
    char *key = NULL;
    for (;;) {
        if (!skip_down(r, closing, &depth))
            return false;
        while (depth > 0 && prom_take(r, closing[depth - 1]))
            depth--;
        if (depth == 0)
            return true;
        if (!prom_want(r, ',') || (closing[depth - 1] == '}' && (!prom_text(r, &key) || !prom_want(r, ':'))))
            return false;
    }
}

bool prom_more(struct prom_reader *r, bool *first, char close, bool *more)
{
    *more = !prom_take(r, close);
    if (*more && !*first && !prom_want(r, ','))
        return false;
    *first = false;
    return true;
}

bool prom_key(struct prom_reader *r, bool *first, char **key, bool *more)
{
    if (!prom_more(r, first, '}', more))
        return false;
    return !*more || (prom_text(r, key) && prom_want(r, ':'));
}
