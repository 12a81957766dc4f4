/* log: pairs become one line. In: a level, an event, typed pairs; out: bytes to one FILE. Decides nothing about what is worth
 * saying. */
#include <maestro/log.h>

#include <maestro/clock.h>
#include <maestro/text.h>

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define TAIL_BYTES 24 // kept free for the mark of a cut line and its end

struct line {
    char bytes[LOG_LINE];
    size_t n;
    bool full; /* something did not fit */
};

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_LOGFMT;
static FILE *_Atomic line_file;

void log_setup(enum log_level least, enum log_format format, FILE *file)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
    atomic_store(&line_file, file);
}

void log_least(enum log_level least)
{
    atomic_store(&least_level, (int)least);
}

static void put(struct line *l, const char *bytes, size_t n)
{
    if (l->full || n > sizeof l->bytes - TAIL_BYTES - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->bytes + l->n, bytes, n);
    l->n += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static bool is_bare(const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned c = (unsigned char)*p;
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return *text && strcmp(text, "null") != 0;
}

static void put_quoted(struct line *l, const char *text)
{
    size_t n = strlen(text), at = 0, n_out;
    char out[TEXT_ESCAPE];
    put_text(l, "\"");
    while (at < n && at < LOG_TEXT) {
        at += text_json_char(text + at, n - at, out, &n_out);
        put(l, out, n_out);
    }
    put_text(l, at < n ? "...\"" : "\"");
}

static void put_string(struct line *l, const char *text, enum log_format format)
{
    if (!text)
        put_text(l, "null");
    else if (format == LOG_LOGFMT && is_bare(text) && strlen(text) <= LOG_TEXT)
        put_text(l, text);
    else
        put_quoted(l, text);
}

static void put_number(struct line *l, double value, enum log_format format)
{
    char digits[TEXT_DOUBLE];
    put_text(l, format == LOG_JSON && !isfinite(value) ? "null" : text_double(digits, value));
}

static void put_value(struct line *l, const struct log_pair *p, enum log_format format)
{
    char digits[TEXT_DOUBLE];
    switch (p->type) {
    case LOG_BOOL:
        put_text(l, p->as.flag ? "true" : "false");
        break;
    case LOG_WHOLE:
        put(l, digits, (size_t)snprintf(digits, sizeof digits, "%lld", p->as.whole));
        break;
    case LOG_UNSIGNED:
        put(l, digits, (size_t)snprintf(digits, sizeof digits, "%llu", p->as.positive));
        break;
    case LOG_DOUBLE:
        put_number(l, p->as.number, format);
        break;
    case LOG_STRING:
        put_string(l, p->as.text, format);
        break;
    case LOG_END:
        break;
    }
}

static void put_pair(struct line *l, const struct log_pair *p, enum log_format format)
{
    size_t before = l->n;
    if (l->full)
        return;
    if (format == LOG_JSON) {
        put_text(l, before ? "," : "{");
        put_quoted(l, p->key);
        put_text(l, ":");
    } else {
        put_text(l, before ? " " : "");
        put_text(l, p->key);
        put_text(l, "=");
    }
    put_value(l, p, format);
    if (l->full)
        l->n = before; // whole pairs or none
}

static void end_line(struct line *l, enum log_format format)
{
    const char *mark = format == LOG_JSON ? ",\"truncated\":true" : " truncated=true";
    const char *end = format == LOG_JSON ? "}\n" : "\n";
    if (l->full) {
        memcpy(l->bytes + l->n, mark, strlen(mark));
        l->n += strlen(mark);
    }
    memcpy(l->bytes + l->n, end, strlen(end));
    l->n += strlen(end);
}

void log_write(enum log_level level, const char *event, const struct log_pair *pairs)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load(&least_level))
        return;
    enum log_format format = (enum log_format)atomic_load(&line_format);
    FILE *file = atomic_load(&line_file);
    char time[CLOCK_TEXT];
    struct line l;
    l.n = 0;
    l.full = false;
    const struct log_pair head[] = {log_text("ts", clock_text(time, clock_wall_s())), log_text("level", names[level]),
                                    log_text("event", event)};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        put_pair(&l, &head[i], format);
    for (const struct log_pair *p = pairs; p->key; p++)
        put_pair(&l, p, format);
    end_line(&l, format);
    fwrite(l.bytes, 1, l.n, file ? file : stderr);
    fflush(file ? file : stderr);
}
