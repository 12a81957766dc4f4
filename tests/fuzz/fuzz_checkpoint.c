/* Any bytes into the checkpoint reader, once as they are and once with a head that fits them, so that the fuzzer gets past
 * the checksum: what is accepted lies inside the block. */
#include "fuzz.h"

#include <maestro/checkpoint.h>

#include <string.h>

enum { HEAD_BYTES = 24 };

static void read_block(const unsigned char *bytes, size_t n)
{
    struct checkpoint c;
    struct err e = {0};
    if (!checkpoint_parse(&c, "input", bytes, n, &e)) {
        fuzz_must(e.code == ERR_FORMAT && strncmp(e.message, "input:", 6) == 0);
        return;
    }
    for (int i = 0; i < c.n_parts; i++) {
        const struct checkpoint_part *p = &c.parts[i];
        fuzz_must(p->bytes >= bytes && p->n <= (size_t)(bytes + n - p->bytes));
        fuzz_must(strlen(p->name) > 0 && checkpoint_find(&c, p->name) == p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf block = {0};
    read_block(bytes, n);
    checkpoint_begin(&block);
    if (n > HEAD_BYTES)
        buf_append(&block, bytes + HEAD_BYTES, n - HEAD_BYTES);
    fuzz_must(checkpoint_end(&block, NULL));
    read_block((const unsigned char *)block.bytes, block.len);
    buf_finish(&block);
    return 0;
}
