/* checkpoint: one file with everything that a resumed run needs to go on as if nothing had happened: named parts of plain
 * bytes behind a head (magic, format, length, CRC-32C). A file that is cut, flipped, of another program or another format
 * is refused. The bytes are this machine's (byte order, struct layout): a checkpoint resumes where it was written; what
 * travels is the policy file. */
#ifndef MAESTRO_CHECKPOINT_H
#define MAESTRO_CHECKPOINT_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_FORMAT 1
#define CHECKPOINT_PARTS 64      /* most parts of a file */
#define CHECKPOINT_NAME_BYTES 32 /* with the NUL */

/* Writing: begin, put every part, end; then file_write_atomic. Reuses the buffer's memory. */
void checkpoint_begin(struct buf *out);
void checkpoint_put(struct buf *out, const char *name, const void *bytes, size_t n);
/* Room for a part that is filled afterwards, aligned to 8 bytes; NULL when memory ran out. Valid until the next put. */
void *checkpoint_room(struct buf *out, const char *name, size_t n);
MUST_CHECK bool checkpoint_end(struct buf *out, struct err *e);

struct checkpoint_part {
    char name[CHECKPOINT_NAME_BYTES];
    const unsigned char *bytes; /* inside the block, aligned to 8 bytes if the block is */
    size_t n;
};

/* A parsed block; points into the caller's bytes and owns nothing. */
struct checkpoint {
    const char *title; /* borrowed, for messages */
    struct checkpoint_part parts[CHECKPOINT_PARTS];
    int n_parts;
};

MUST_CHECK bool checkpoint_parse(struct checkpoint *c, const char *title, const void *bytes, size_t n, struct err *e);
const struct checkpoint_part *checkpoint_find(const struct checkpoint *c, const char *name); /* NULL: none */
/* Copies a part of exactly n bytes; ERR_FORMAT names it otherwise. */
MUST_CHECK bool checkpoint_copy(const struct checkpoint *c, const char *name, void *out, size_t n, struct err *e);

#endif
