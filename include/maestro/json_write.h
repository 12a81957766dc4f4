/* json_write: JSON appended to a buf, value by value. Texts are escaped (bytes that are not UTF-8 become U+FFFD), doubles are
 * the shortest that read back. Errors are remembered and asked for once, by json_write_end.
 *
 *     struct json_writer w = {.out = &text};
 *     json_begin_object(&w);
 *     json_put_key(&w, "reward");
 *     json_put_double(&w, 56.0);
 *     json_end_object(&w);
 *     return json_write_end(&w, e); */
#ifndef MAESTRO_JSON_WRITE_H
#define MAESTRO_JSON_WRITE_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_WRITE_DEPTH 16

struct json_writer {
    struct buf *out; /* the caller's */
    int depth;
    bool has_items[JSON_WRITE_DEPTH + 1];
    bool after_key;
    bool not_finite;    /* a NaN or infinity was refused */
    char last_key[64];  /* for that message */
    const char *spaces; /* "": all on one line with no space (default NULL is the same); " ": a space behind , and : */
};

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);

void json_put_key(struct json_writer *w, const char *key);
void json_put_text(struct json_writer *w, const char *text); /* NULL: null */
void json_put_double(struct json_writer *w, double value);   /* not finite: json_write_end fails */
void json_put_double_or_null(struct json_writer *w, double value);
void json_put_whole(struct json_writer *w, long long value); /* beyond +-2^53 readers lose digits: write a text */
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);

/* ERR_NUMERIC names the key of the first number that was not finite. */
MUST_CHECK bool json_write_end(const struct json_writer *w, struct err *e);

#endif
