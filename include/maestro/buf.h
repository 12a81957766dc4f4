/* buf: a byte string that grows up to a stated limit. Always NUL-terminated behind its last byte. */
#ifndef MAESTRO_BUF_H
#define MAESTRO_BUF_H

#include <maestro/err.h>
#include <stddef.h>

struct buf {
    char *bytes; /* owned; NULL while empty and untouched */
    size_t len;
    size_t capacity;
    bool failed; /* memory ran out or the limit was passed: later appends do nothing, buf_ok says so once at the end */
};

#define BUF_LIMIT ((size_t)1 << 30) /* bytes; no string of ours is larger */

void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) PRINTF(2, 3);
void buf_clear(struct buf *b);  /* empty again, memory kept */
void buf_finish(struct buf *b); /* accepts NULL and zeroed */
MUST_CHECK bool buf_ok(const struct buf *b, struct err *e);

#define CLEANUP_BUF __attribute__((cleanup(buf_finish)))

#endif
