/* tfevents: turns scalars into bytes that TensorBoard reads. Only the three message types that scalars need are encoded
 * (Event, Summary, Summary.Value). Opens no files. */
#include <maestro/tfevents.h>

#include <string.h>

/* Remainders of the sixteen half bytes: a small table is fast enough for a few kilobytes an update. */
static const uint32_t CRC_NIBBLE[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t tfevents_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ CRC_NIBBLE[crc & 15];
        crc = crc >> 4 ^ CRC_NIBBLE[crc & 15];
    }
    return ~crc;
}

uint32_t tfevents_masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_little_endian(struct buf *out, uint64_t value, int bytes)
{
    unsigned char raw[8];
    for (int i = 0; i < bytes; i++)
        raw[i] = (unsigned char)(value >> (8 * i));
    buf_append(out, raw, (size_t)bytes);
}

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_little_endian(out, (value & 0x7f) | 0x80, 1);
    put_little_endian(out, value, 1);
}

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    for (; value >= 0x80; value >>= 7)
        n++;
    return n;
}

/* Wire types of protocol buffers: 0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes. */
static void put_key(struct buf *out, unsigned field, unsigned wire)
{
    put_varint(out, field << 3 | wire);
}

static void put_double(struct buf *out, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, 1);
    put_little_endian(out, bits, 8);
}

static void put_string(struct buf *out, unsigned field, const char *text)
{
    put_key(out, field, 2);
    put_varint(out, strlen(text));
    buf_text(out, text);
}

static size_t counted_bytes(size_t n)
{
    return 1 + varint_bytes(n) + n;
}

static size_t value_bytes(const struct tfevents_scalar *s)
{
    return counted_bytes(strlen(s->tag)) + 5;
}

static void put_value(struct buf *out, const struct tfevents_scalar *s)
{
    uint32_t bits;
    memcpy(&bits, &s->value, sizeof bits);
    put_key(out, 1, 2);
    put_varint(out, value_bytes(s));
    put_string(out, 1, s->tag);
    put_key(out, 2, 5);
    put_little_endian(out, bits, 4);
}

/* A record is built in place: room for the length first, checksums once the data stand. */
static size_t begin_record(struct buf *out)
{
    size_t start = out->len;
    put_little_endian(out, 0, 8);
    put_little_endian(out, 0, 4);
    return start;
}

static void end_record(struct buf *out, size_t start)
{
    if (out->failed)
        return;
    uint64_t n = out->len - start - 12;
    unsigned char *head = (unsigned char *)out->bytes + start;
    for (int i = 0; i < 8; i++)
        head[i] = (unsigned char)(n >> (8 * i));
    uint32_t crc = tfevents_masked(tfevents_crc32c(0, head, 8));
    for (int i = 0; i < 4; i++)
        head[8 + i] = (unsigned char)(crc >> (8 * i));
    put_little_endian(out, tfevents_masked(tfevents_crc32c(0, head + 12, n)), 4);
}

void tfevents_head(struct buf *out, double wall_s)
{
    size_t start = begin_record(out);
    put_double(out, 1, wall_s);
    put_string(out, 3, "brain.Event:2");
    end_record(out, start);
}

void tfevents_scalars(struct buf *out, double wall_s, int64_t step, const struct tfevents_scalar *scalars, int n)
{
    size_t start = begin_record(out);
    put_double(out, 1, wall_s);
    put_key(out, 2, 0);
    put_varint(out, (uint64_t)step);
    size_t summary = 0;
    for (int i = 0; i < n; i++)
        summary += counted_bytes(value_bytes(&scalars[i]));
    put_key(out, 5, 2);
    put_varint(out, summary);
    for (int i = 0; i < n; i++)
        put_value(out, &scalars[i]);
    end_record(out, start);
}
