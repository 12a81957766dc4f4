/* checkpoint: the container of a training run's state. In: named bytes. Out: one block that proves itself, and back. Does
 * not know what the parts mean and opens no files. */
#include <maestro/checkpoint.h>
#include <maestro/tfevents.h>

#include <string.h>

/* Layout: magic[8], u32 format, u32 CRC-32C of all that follows it, u64 bytes that follow, then parts: name[32], u64 n,
 * bytes[n], each part beginning at a multiple of 8 so that its bytes may be read in place. Numbers are little-endian. */
static const char MAGIC[8] = {'M', 'A', 'E', 'S', 'T', 'R', 'O', 'C'};
enum { CRC_AT = 12, LENGTH_AT = 16, HEAD_BYTES = 24, PART_HEAD_BYTES = CHECKPOINT_NAME_BYTES + 8 };

static void store(unsigned char *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t fetch(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

void checkpoint_begin(struct buf *out)
{
    unsigned char head[HEAD_BYTES] = {0};
    buf_clear(out);
    memcpy(head, MAGIC, sizeof MAGIC);
    store(head + sizeof MAGIC, CHECKPOINT_FORMAT, 4);
    buf_append(out, head, sizeof head);
}

static size_t round_up(size_t at)
{
    return (at + 7) / 8 * 8;
}

static void put_head(struct buf *out, const char *name, size_t n)
{
    unsigned char head[PART_HEAD_BYTES] = {0};
    size_t length = strnlen(name, CHECKPOINT_NAME_BYTES - 1);
    memcpy(head, name, length);
    store(head + CHECKPOINT_NAME_BYTES, n, 8);
    buf_append(out, "\0\0\0\0\0\0\0", round_up(out->len) - out->len);
    buf_append(out, head, sizeof head);
}

void checkpoint_put(struct buf *out, const char *name, const void *bytes, size_t n)
{
    put_head(out, name, n);
    buf_append(out, bytes, n);
}

void *checkpoint_room(struct buf *out, const char *name, size_t n)
{
    static const unsigned char zeros[1024];
    put_head(out, name, n);
    size_t at = out->len;
    for (size_t left = n; left > 0; left -= left < sizeof zeros ? left : sizeof zeros)
        buf_append(out, zeros, left < sizeof zeros ? left : sizeof zeros);
    return out->failed ? NULL : out->bytes + at;
}

bool checkpoint_end(struct buf *out, struct err *e)
{
    if (!buf_ok(out, e))
        return false;
    unsigned char *head = (unsigned char *)out->bytes;
    store(head + LENGTH_AT, out->len - HEAD_BYTES, 8);
    store(head + CRC_AT, tfevents_crc32c(0, head + LENGTH_AT, out->len - LENGTH_AT), 4);
    return true;
}

static bool parse_part(struct checkpoint *c, const unsigned char *p, size_t left, struct err *e)
{
    struct checkpoint_part *part = &c->parts[c->n_parts];
    if (c->n_parts == CHECKPOINT_PARTS || left < PART_HEAD_BYTES)
        return err_set(e, ERR_FORMAT, "%s: corrupt checkpoint: part %d does not fit", c->title, c->n_parts);
    uint64_t n = fetch(p + CHECKPOINT_NAME_BYTES, 8);
    if (n > left - PART_HEAD_BYTES || p[0] == '\0' || p[CHECKPOINT_NAME_BYTES - 1] != '\0')
        return err_set(e, ERR_FORMAT, "%s: corrupt checkpoint: part %d has an impossible head", c->title, c->n_parts);
    memcpy(part->name, p, CHECKPOINT_NAME_BYTES);
    if (checkpoint_find(c, part->name))
        return err_set(e, ERR_FORMAT, "%s: corrupt checkpoint: part \"%s\" appears twice", c->title, part->name);
    part->bytes = p + PART_HEAD_BYTES;
    part->n = (size_t)n;
    c->n_parts++;
    return true;
}

static bool check_head(const char *title, const unsigned char *bytes, size_t n, struct err *e)
{
    if (n < HEAD_BYTES || memcmp(bytes, MAGIC, sizeof MAGIC) != 0)
        return err_set(e, ERR_FORMAT, "%s: not a checkpoint of maestro", title);
    uint64_t format = fetch(bytes + sizeof MAGIC, 4);
    if (format != CHECKPOINT_FORMAT)
        return err_set(e, ERR_FORMAT, "%s: checkpoint of format %llu, this program reads format %d", title,
                       (unsigned long long)format, CHECKPOINT_FORMAT);
    uint64_t length = fetch(bytes + LENGTH_AT, 8);
    if (length != n - HEAD_BYTES)
        return err_set(e, ERR_FORMAT, "%s: checkpoint is %zu bytes long and should be %llu (truncated?)", title, n,
                       (unsigned long long)length + HEAD_BYTES);
    if (fetch(bytes + CRC_AT, 4) != tfevents_crc32c(0, bytes + LENGTH_AT, n - LENGTH_AT))
        return err_set(e, ERR_FORMAT, "%s: corrupt checkpoint: its checksum does not match", title);
    return true;
}

bool checkpoint_parse(struct checkpoint *c, const char *title, const void *bytes, size_t n, struct err *e)
{
    const unsigned char *all = bytes;
    if (!check_head(title, all, n, e))
        return false;
    *c = (struct checkpoint){.title = title};
    for (size_t at = HEAD_BYTES; at < n;) {
        if (!parse_part(c, all + at, n - at, e))
            return false;
        at = round_up(at + PART_HEAD_BYTES + c->parts[c->n_parts - 1].n);
    }
    return true;
}

const struct checkpoint_part *checkpoint_find(const struct checkpoint *c, const char *name)
{
    for (int i = 0; i < c->n_parts; i++) {
        if (strcmp(c->parts[i].name, name) == 0)
            return &c->parts[i];
    }
    return NULL;
}

bool checkpoint_copy(const struct checkpoint *c, const char *name, void *out, size_t n, struct err *e)
{
    const struct checkpoint_part *part = checkpoint_find(c, name);
    if (!part)
        return err_set(e, ERR_FORMAT, "%s: checkpoint has no part \"%s\"", c->title, name);
    if (part->n != n)
        return err_set(e, ERR_FORMAT, "%s: checkpoint part \"%s\" has %zu bytes, this run needs %zu", c->title, name,
                       part->n, n);
    if (n)
        memcpy(out, part->bytes, n);
    return true;
}
