/* log: events with typed pairs, one line each, as logfmt (for people) or JSON (for machines):
 *
 *     log_info("scale", kv("target", name), kv("from", 3), kv("to", 4));
 *     ts=2026-03-01T12:00:00.250Z level=info event=scale target=web from=3 to=4
 *
 * A line is built on the stack (no allocation) and written in one call, so lines of threads do not mix. Keys and events are
 * plain words of the program; values may be anything. A text over LOG_TEXT bytes is cut and ends in "..."; pairs that do not
 * fit the line are left out and truncated=true stands at its end. */
#ifndef MAESTRO_LOG_H
#define MAESTRO_LOG_H

#include <stdbool.h>
#include <stdio.h>

#define LOG_LINE 2048 /* bytes, with the line feed */
#define LOG_TEXT 512

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_type { LOG_END, LOG_BOOL, LOG_WHOLE, LOG_UNSIGNED, LOG_DOUBLE, LOG_STRING };

struct log_pair {
    const char *key; /* NULL ends the list */
    enum log_type type;
    union {
        bool flag;
        long long whole;
        unsigned long long positive;
        double number;
        const char *text; /* NULL is written as null */
    } as;
};

/* Before the first thread starts. file NULL: stderr. Without a call: info and above, logfmt, stderr. */
void log_setup(enum log_level least, enum log_format format, FILE *file);
void log_least(enum log_level least); /* format and file stay */

void log_write(enum log_level level, const char *event, const struct log_pair *pairs);

/* clang-format off */
#define kv(key, value) _Generic((value), \
    bool: log_bool, float: log_float, double: log_double, char *: log_text, const char *: log_text, \
    char: log_whole, signed char: log_whole, short: log_whole, int: log_whole, long: log_whole, long long: log_whole, \
    unsigned char: log_unsigned, unsigned short: log_unsigned, unsigned: log_unsigned, unsigned long: log_unsigned, \
    unsigned long long: log_unsigned)(key, value)
/* clang-format on */

#define LOG_LAST ((struct log_pair){.key = NULL})
#define LOG_CALL(level, event, ...) log_write(level, event, (const struct log_pair[]){__VA_ARGS__})
#define log_debug(...) LOG_CALL(LOG_DEBUG, __VA_ARGS__, LOG_LAST)
#define log_info(...) LOG_CALL(LOG_INFO, __VA_ARGS__, LOG_LAST)
#define log_warn(...) LOG_CALL(LOG_WARN, __VA_ARGS__, LOG_LAST)
#define log_error(...) LOG_CALL(LOG_ERROR, __VA_ARGS__, LOG_LAST)

static inline struct log_pair log_bool(const char *key, bool value)
{
    return (struct log_pair){.key = key, .type = LOG_BOOL, .as.flag = value};
}

static inline struct log_pair log_whole(const char *key, long long value)
{
    return (struct log_pair){.key = key, .type = LOG_WHOLE, .as.whole = value};
}

static inline struct log_pair log_unsigned(const char *key, unsigned long long value)
{
    return (struct log_pair){.key = key, .type = LOG_UNSIGNED, .as.positive = value};
}

static inline struct log_pair log_double(const char *key, double value)
{
    return (struct log_pair){.key = key, .type = LOG_DOUBLE, .as.number = value};
}

static inline struct log_pair log_float(const char *key, float value)
{
    return log_double(key, (double)value);
}

static inline struct log_pair log_text(const char *key, const char *value)
{
    return (struct log_pair){.key = key, .type = LOG_STRING, .as.text = value};
}

#endif
