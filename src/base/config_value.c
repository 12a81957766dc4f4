/* config_value: what a key's text means. In: text and the key's row; out: a value within its range, or a sentence that says
 * what would be right. Does not know sections, files or origins. */
#include "config_value.h"
#include "config_unit.h"

#include <maestro/text.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ITEM_BYTES 128

bool config_is_list(const struct config_key *k)
{
    return k->type == CONFIG_INTS || k->type == CONFIG_DOUBLES || k->type == CONFIG_TEXTS;
}

static const char *unit_text(const struct config_key *k, char out[32])
{
    snprintf(out, 32, "%s%s", k->unit ? " " : "", k->unit ? k->unit : "");
    return out;
}

void config_range_text(const struct config_key *k, struct buf *out)
{
    char low[TEXT_DOUBLE], high[TEXT_DOUBLE], unit[32];
    if (k->type == CONFIG_CHOICE) {
        buf_text(out, "one of ");
        for (const char *p = k->choices; *p; p++)
            buf_printf(out, *p == '|' ? ", " : "%c", *p);
        return;
    }
    if (!(k->low < k->high) || (isinf(k->low) && isinf(k->high)))
        return;
    unit_text(k, unit);
    if (isinf(k->high))
        buf_printf(out, "at least %s%s", text_double(low, k->low), unit);
    else if (isinf(k->low))
        buf_printf(out, "at most %s%s", text_double(high, k->high), unit);
    else
        buf_printf(out, "%s to %s%s", text_double(low, k->low), text_double(high, k->high), unit);
}

static bool out_of_range(const struct config_key *k, const char *text, struct err *e)
{
    CLEANUP_BUF struct buf range = {0};
    config_range_text(k, &range);
    return err_set(e, ERR_USAGE, "'%.60s' is out of range: %s is wanted", text,
                   range.len ? range.bytes : "a finite number");
}

static bool in_range(const struct config_key *k, double value)
{
    if (k->low < k->high)
        return value >= k->low && value <= k->high;
    return isfinite(value);
}

static bool parse_number(const struct config_key *k, const char *text, double *out, struct err *e)
{
    struct unit_number n;
    double value = 0;
    if (!unit_read(text, &n))
        return err_set(e, ERR_USAGE, "'%.60s' is not a number", text);
    if (!unit_convert(&n, k->unit, &value, e))
        return err_wrap(e, "'%.60s'", text);
    if (!in_range(k, value))
        return out_of_range(k, text, e);
    *out = value;
    return true;
}

static bool parse_whole(const struct config_key *k, const char *text, long long *out, struct err *e)
{
    struct unit_number n;
    double value = 0;
    if (!unit_read(text, &n))
        return err_set(e, ERR_USAGE, "'%.60s' is not a whole number", text);
    if (!unit_convert(&n, k->unit, &value, e))
        return err_wrap(e, "'%.60s'", text);
    if (value < trunc(value) || value > trunc(value))
        return err_set(e, ERR_USAGE, "'%.60s' is not a whole number%s%s", text, k->unit ? " of " : "",
                       k->unit ? k->unit : "");
    bool is_int = k->type != CONFIG_LONG;
    bool fits = is_int ? value >= INT_MIN && value <= INT_MAX : value >= -0x1p63 && value < 0x1p63;
    if (!fits || !in_range(k, value))
        return out_of_range(k, text, e);
    *out = n.is_whole && !*n.suffix ? n.whole : (long long)value;
    return true;
}

static bool parse_bool(const char *text, bool *out, struct err *e)
{
    static const char *const words[] = {"false", "true", "off", "on", "no", "yes"};
    for (int i = 0; i < 6; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return err_set(e, ERR_USAGE, "'%.60s' is neither true nor false", text);
}

/* The choice at *p as text; advances *p behind it and its bar. */
static void next_choice(const char **p, char out[ITEM_BYTES])
{
    size_t n = strcspn(*p, "|");
    snprintf(out, ITEM_BYTES, "%.*s", (int)n, *p);
    *p += n + ((*p)[n] == '|');
}

static bool parse_choice(const struct config_key *k, const char *text, long long *out, struct err *e)
{
    char choice[ITEM_BYTES], nearest[ITEM_BYTES] = "";
    int best = TEXT_FAR;
    long long index = 0;
    for (const char *p = k->choices; *p; index++) {
        next_choice(&p, choice);
        if (strcmp(choice, text) == 0) {
            *out = index;
            return true;
        }
        if (text_suggests(text, choice, &best))
            memcpy(nearest, choice, sizeof nearest);
    }
    CLEANUP_BUF struct buf range = {0};
    config_range_text(k, &range);
    return err_set(e, ERR_USAGE, "'%.60s' is not %s%s%s%s", text, range.bytes, *nearest ? "; did you mean " : "",
                   nearest, *nearest ? "?" : "");
}

static bool check_utf8(const char *text, struct err *e)
{
    uint32_t code = 0;
    for (size_t at = 0, n = strlen(text); at < n;) {
        int length = text_utf8(text + at, n - at, &code);
        if (length == 0)
            return err_set(e, ERR_USAGE, "the text is not UTF-8 at byte %zu", at + 1);
        at += (size_t)length;
    }
    return true;
}

static bool parse_string(const char *text, char out[CONFIG_TEXT], struct err *e)
{
    if (strlen(text) >= CONFIG_TEXT)
        return err_set(e, ERR_USAGE, "'%.60s...' is longer than %d bytes", text, CONFIG_TEXT - 1);
    if (!check_utf8(text, e))
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* The next comma-separated item, trimmed; false at the end. Advances *p. */
static bool next_item(const char **p, const char *end, const char **item, size_t *n)
{
    if (!*p)
        return false;
    const char *comma = memchr(*p, ',', (size_t)(end - *p));
    const char *stop = comma ? comma : end;
    *item = *p;
    while (*item < stop && (**item == ' ' || **item == '\t'))
        (*item)++;
    while (stop > *item && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    *n = (size_t)(stop - *item);
    *p = comma ? comma + 1 : NULL;
    return true;
}

static bool add_text(const char *item, size_t n, char out[CONFIG_TEXT], struct err *e)
{
    size_t used = strlen(out);
    if (used + (used > 0) + n >= CONFIG_TEXT)
        return err_set(e, ERR_USAGE, "the list is longer than %d bytes", CONFIG_TEXT - 1);
    snprintf(out + used, CONFIG_TEXT - used, "%s%.*s", used ? "," : "", (int)n, item);
    return true;
}

static bool add_number(const struct config_key *k, const char *text, size_t n, struct config_list *list, struct err *e)
{
    char item[ITEM_BYTES];
    if (n >= sizeof item)
        return err_set(e, ERR_USAGE, "'%.60s...' is too long for a number", text);
    snprintf(item, sizeof item, "%.*s", (int)n, text);
    if (list->n >= CONFIG_LIST)
        return err_set(e, ERR_USAGE, "the list has more than %d items", CONFIG_LIST);
    long long whole = 0;
    double number = 0;
    if (k->type == CONFIG_INTS ? !parse_whole(k, item, &whole, e) : !parse_number(k, item, &number, e))
        return false;
    list->v[list->n++] = k->type == CONFIG_INTS ? (double)whole : number;
    return true;
}

/* "1, 2" or "[1, 2]" -> the text between the brackets. */
static void strip_brackets(const char **text, const char **end)
{
    *end = *text + strlen(*text);
    while (**text == ' ')
        (*text)++;
    while (*end > *text && (*end)[-1] == ' ')
        (*end)--;
    if (*end - *text >= 2 && **text == '[' && (*end)[-1] == ']') {
        (*text)++;
        (*end)--;
    }
}

static bool parse_list(const struct config_key *k, const char *text, struct config_value *out, struct err *e)
{
    const char *end, *item;
    size_t n;
    strip_brackets(&text, &end);
    if (strspn(text, " ") >= (size_t)(end - text))
        return true; // an empty list
    for (const char *p = text; next_item(&p, end, &item, &n);) {
        if (n == 0)
            return err_set(e, ERR_USAGE, "an item of the list is empty");
        bool done = k->type == CONFIG_TEXTS ? add_text(item, n, out->text, e) : add_number(k, item, n, &out->list, e);
        if (!done)
            return false;
    }
    return k->type != CONFIG_TEXTS || check_utf8(out->text, e);
}

static bool parse_typed(const struct config_key *k, const char *text, struct config_value *v, struct err *e)
{
    switch (k->type) {
    case CONFIG_BOOL:
        return parse_bool(text, &v->flag, e);
    case CONFIG_INT:
    case CONFIG_LONG:
        return parse_whole(k, text, &v->whole, e);
    case CONFIG_OFF_DOUBLE:
        if (strcmp(text, "off") == 0) {
            v->number = (double)NAN;
            return true;
        }
        return parse_number(k, text, &v->number, e) || err_wrap(e, "neither 'off' nor a number in range");
    case CONFIG_DOUBLE:
        return parse_number(k, text, &v->number, e);
    case CONFIG_CHOICE:
        return parse_choice(k, text, &v->whole, e);
    case CONFIG_STRING:
        return parse_string(text, v->text, e);
    case CONFIG_INTS:
    case CONFIG_DOUBLES:
    case CONFIG_TEXTS:
        return parse_list(k, text, v, e);
    }
    return false;
}

bool config_value_parse(const struct config_key *k, const char *text, struct config_value *out, struct err *e)
{
    struct config_value v = {0};
    if (!parse_typed(k, text, &v, e))
        return false;
    *out = v;
    return true;
}

void config_value_store(const struct config_key *k, const struct config_value *v, void *target)
{
    void *at = (char *)target + k->offset;
    switch (k->type) {
    case CONFIG_BOOL:
        *(bool *)at = v->flag;
        break;
    case CONFIG_INT:
    case CONFIG_CHOICE:
        *(int *)at = (int)v->whole;
        break;
    case CONFIG_LONG:
        *(long long *)at = v->whole;
        break;
    case CONFIG_DOUBLE:
    case CONFIG_OFF_DOUBLE:
        *(double *)at = v->number;
        break;
    case CONFIG_STRING:
    case CONFIG_TEXTS:
        memcpy(at, v->text, CONFIG_TEXT);
        break;
    case CONFIG_INTS:
    case CONFIG_DOUBLES:
        *(struct config_list *)at = v->list;
        break;
    }
}

void config_value_load(const struct config_key *k, const void *target, struct config_value *out)
{
    const void *at = (const char *)target + k->offset;
    *out = (struct config_value){0};
    switch (k->type) {
    case CONFIG_BOOL:
        out->flag = *(const bool *)at;
        break;
    case CONFIG_INT:
    case CONFIG_CHOICE:
        out->whole = *(const int *)at;
        break;
    case CONFIG_LONG:
        out->whole = *(const long long *)at;
        break;
    case CONFIG_DOUBLE:
    case CONFIG_OFF_DOUBLE:
        out->number = *(const double *)at;
        break;
    case CONFIG_STRING:
    case CONFIG_TEXTS:
        snprintf(out->text, CONFIG_TEXT, "%s", (const char *)at);
        break;
    case CONFIG_INTS:
    case CONFIG_DOUBLES:
        out->list = *(const struct config_list *)at;
        break;
    }
}

static bool is_plain_word(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.-";
    return *text && *text != '-' && *text != '.' && strspn(text, safe) == strlen(text) && strcmp(text, "null") != 0;
}

/* A double-quoted YAML scalar; everything that a YAML reader would fold or refuse is escaped. */
static void quote_text(const char *text, size_t n, struct buf *out)
{
    buf_text(out, "\"");
    for (size_t at = 0; at < n;) {
        uint32_t code = 0;
        int length = text_utf8(text + at, n - at, &code);
        bool special = code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe || code == 0xffff;
        if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (int)code);
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0) || special)
            buf_printf(out, "\\U%08X", code);
        else
            buf_append(out, text + at, length ? (size_t)length : 1);
        at += length ? (size_t)length : 1;
    }
    buf_text(out, "\"");
}

static void word_text(const char *text, bool quote, struct buf *out)
{
    if (quote && !is_plain_word(text))
        quote_text(text, strlen(text), out);
    else
        buf_text(out, text);
}

static void texts_text(const char *texts, bool quote, struct buf *out)
{
    const char *item;
    size_t n;
    bool later = false;
    buf_text(out, "[");
    for (const char *p = *texts ? texts : NULL, *end = texts + strlen(texts); next_item(&p, end, &item, &n);) {
        char word[CONFIG_TEXT];
        snprintf(word, sizeof word, "%.*s", (int)n, item);
        buf_text(out, later ? ", " : "");
        word_text(word, quote, out);
        later = true;
    }
    buf_text(out, "]");
}

static void number_text(double value, struct buf *out)
{
    char digits[TEXT_DOUBLE];
    if (isinf(value))
        buf_text(out, value > 0 ? ".inf" : "-.inf");
    else
        buf_text(out, text_double(digits, value));
}

static void choice_text(const struct config_key *k, long long index, struct buf *out)
{
    char choice[ITEM_BYTES] = "";
    const char *p = k->choices;
    for (long long i = 0; i <= index && *p; i++)
        next_choice(&p, choice);
    buf_text(out, choice);
}

void config_value_text(const struct config_key *k, const struct config_value *v, bool quote, struct buf *out)
{
    switch (k->type) {
    case CONFIG_BOOL:
        buf_text(out, v->flag ? "true" : "false");
        break;
    case CONFIG_INT:
    case CONFIG_LONG:
        buf_printf(out, "%lld", v->whole);
        break;
    case CONFIG_CHOICE:
        choice_text(k, v->whole, out);
        break;
    case CONFIG_OFF_DOUBLE:
    case CONFIG_DOUBLE:
        if (isnan(v->number))
            buf_text(out, "off");
        else
            number_text(v->number, out);
        break;
    case CONFIG_STRING:
        word_text(v->text, quote, out);
        break;
    case CONFIG_TEXTS:
        texts_text(v->text, quote, out);
        break;
    case CONFIG_INTS:
    case CONFIG_DOUBLES:
        for (int i = 0; i < v->list.n; i++) {
            buf_text(out, i ? ", " : "[");
            number_text(v->list.v[i], out);
        }
        buf_text(out, v->list.n ? "]" : "[]");
        break;
    }
}
