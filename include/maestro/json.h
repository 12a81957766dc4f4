/* json: strict reading of JSON that we did not write. RFC 8259 and nothing beyond it; refused besides: duplicate keys, numbers
 * that a double cannot hold, NUL characters in texts, bytes behind the value, nesting and size over the limits. Messages name
 * the document, line and column; getters name the field. Writing is json_write. */
#ifndef MAESTRO_JSON_H
#define MAESTRO_JSON_H

#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_BYTES_LIMIT ((size_t)16 << 20)
#define JSON_DEPTH_LIMIT 32
#define JSON_KEYS_LIMIT 1024 /* in one object */

struct json; /* a value inside a document, owned by the document */

struct json_document {
    struct json *root; /* owned; NULL before reading and after json_finish */
};

/* name stands in messages. ERR_FORMAT on anything refused. */
MUST_CHECK bool json_parse(struct json_document *d, const char *name, const char *text, size_t n, struct err *e);
void json_finish(struct json_document *d); /* accepts NULL and zeroed */

/* Required fields of an object: absent or of another type is ERR_FORMAT, and the message names the key. */
MUST_CHECK bool json_number(const struct json *object, const char *key, double *out, struct err *e);
MUST_CHECK bool json_whole(const struct json *object, const char *key, long long low, long long high, long long *out,
                           struct err *e); /* within +-2^53 */
MUST_CHECK bool json_flag(const struct json *object, const char *key, bool *out, struct err *e);
MUST_CHECK bool json_text(const struct json *object, const char *key, const char **out, struct err *e);
MUST_CHECK bool json_object(const struct json *object, const char *key, const struct json **out, struct err *e);
MUST_CHECK bool json_array(const struct json *object, const char *key, const struct json **out, struct err *e);

/* Numbers of an array field into out; more than limit is ERR_FORMAT. */
MUST_CHECK bool json_numbers(const struct json *object, const char *key, double *out, int limit, int *n, struct err *e);

/* For optional fields, for walking, and for values without a key. */
const struct json *json_find(const struct json *object, const char *key); /* NULL: absent, or no object */
const struct json *json_first(const struct json *container);              /* child of an object or array; NULL: none */
const struct json *json_next(const struct json *child);
const char *json_key(const struct json *child); /* NULL inside an array */
bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_null(const struct json *value);
bool json_as_number(const struct json *value, double *out);    /* false: another type */
bool json_as_flag(const struct json *value, bool *out);        /* false: another type */
bool json_as_text(const struct json *value, const char **out); /* false: another type */

#endif
