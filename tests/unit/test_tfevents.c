/* tfevents: CRC-32C and record bytes against published vectors and records made with tensorboard's own writer. */
#include <maestro/tfevents.h>

#include <stdio.h>
#include <string.h>

#include "suite.h"

/* RFC 3720 B.4, and tensorboard data/server/masked_crc.rs. */
START_TEST(checksums)
{
    static const unsigned char zeros[32] = {0};
    ck_assert_uint_eq(tfevents_crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(tfevents_crc32c(0, zeros, 32), 0x8a9136aau);
    ck_assert_uint_eq(tfevents_masked(tfevents_crc32c(0,
                                                      "\x1a\x11"
                                                      "CRC test, one two",
                                                      19)),
                      0x5794d08au);
    ck_assert_uint_eq(tfevents_crc32c(tfevents_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}
END_TEST

static void check_hex(const struct buf *b, const char *hex)
{
    char text[512] = "";
    for (size_t i = 0; i < b->len && i < 255; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)b->bytes[i]);
    ck_assert_str_eq(text, hex);
}

START_TEST(first_record)
{
    CLEANUP_BUF struct buf b = {0};
    tfevents_head(&b, 1.0);
    check_hex(&b, "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a");
}
END_TEST

START_TEST(one_scalar)
{
    CLEANUP_BUF struct buf b = {0};
    tfevents_scalars(&b, 1.0, 2048, &(struct tfevents_scalar){"train/loss", 0.5f}, 1);
    check_hex(&b, "2100000000000000017becf609000000000000f03f1080102a130a110a0a747261696e2f6c6f7373150000003f1c7993e3");
}
END_TEST

/* Several values share an event; records follow one another without gaps, so that each length leads to the next. */
START_TEST(records_chain)
{
    CLEANUP_BUF struct buf b = {0};
    struct tfevents_scalar s[40];
    for (int i = 0; i < 40; i++)
        s[i] = (struct tfevents_scalar){"rollout/ep_rew_mean", (float)i};
    tfevents_head(&b, 1.0);
    tfevents_scalars(&b, 2.0, 1, s, 40);
    tfevents_scalars(&b, 3.0, 1LL << 40, s, 1);
    size_t at = 0;
    int n = 0;
    while (at < b.len) {
        uint64_t length;
        memcpy(&length, b.bytes + at, 8);
        uint32_t crc;
        memcpy(&crc, b.bytes + at + 12 + length, 4);
        ck_assert_uint_eq(crc, tfevents_masked(tfevents_crc32c(0, b.bytes + at + 12, length)));
        at += 16 + length;
        n++;
    }
    ck_assert_uint_eq(at, b.len);
    ck_assert_int_eq(n, 3);
}
END_TEST

SUITE("tfevents", checksums, first_record, one_scalar, records_chain)
