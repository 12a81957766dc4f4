/* checkpoint: parts come back as they went in; every cut, every flipped bit, every foreign file is refused. */
#include <maestro/checkpoint.h>

#include <stdio.h>
#include <string.h>

#include "suite.h"

static void write_example(struct buf *b)
{
    static const double numbers[3] = {1, 2, 3};
    checkpoint_begin(b);
    checkpoint_put(b, "numbers", numbers, sizeof numbers);
    checkpoint_put(b, "empty", NULL, 0);
    checkpoint_put(b, "odd", numbers, 5);
    unsigned char *room = checkpoint_room(b, "room", 2000);
    ck_assert_ptr_nonnull(room);
    memset(room, 7, 2000);
    ck_assert(checkpoint_end(b, NULL));
}

START_TEST(parts_come_back)
{
    CLEANUP_BUF struct buf b = {0};
    struct checkpoint c;
    struct err e = {0};
    double numbers[3];
    write_example(&b);
    ck_assert_msg(checkpoint_parse(&c, "x", b.bytes, b.len, &e), "%s", e.message);
    ck_assert_int_eq(c.n_parts, 4);
    ck_assert(checkpoint_copy(&c, "numbers", numbers, sizeof numbers, &e));
    ck_assert(numbers[2] == 3.0);
    ck_assert_uint_eq((size_t)(checkpoint_find(&c, "room")->bytes - (const unsigned char *)b.bytes) % 8, 0);
    ck_assert(checkpoint_copy(&c, "empty", NULL, 0, &e));
    ck_assert_uint_eq(checkpoint_find(&c, "room")->bytes[1999], 7);
    ck_assert(!checkpoint_copy(&c, "numbers", numbers, 8, &e));
    ck_assert_str_eq(e.message, "x: checkpoint part \"numbers\" has 24 bytes, this run needs 8");
    ck_assert(!checkpoint_copy(&c, "nothing", numbers, 8, &e));
    ck_assert_str_eq(e.message, "x: checkpoint has no part \"nothing\"");
}
END_TEST

/* Beginning again in the same buffer gives the same bytes: the loop's buffer grows once. */
START_TEST(buffer_is_reused)
{
    CLEANUP_BUF struct buf a = {0};
    CLEANUP_BUF struct buf b = {0};
    write_example(&a);
    write_example(&b);
    write_example(&b);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_int_eq(memcmp(a.bytes, b.bytes, a.len), 0);
}
END_TEST

START_TEST(every_cut_and_every_flip_is_refused)
{
    CLEANUP_BUF struct buf b = {0};
    struct checkpoint c;
    write_example(&b);
    for (size_t n = 0; n < b.len; n++)
        ck_assert_msg(!checkpoint_parse(&c, "x", b.bytes, n, NULL), "%zu of %zu bytes were accepted", n, b.len);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.bytes[bit / 8] = (char)(b.bytes[bit / 8] ^ (1 << (bit % 8)));
        ck_assert_msg(!checkpoint_parse(&c, "x", b.bytes, b.len, NULL), "bit %zu flipped was accepted", bit);
        b.bytes[bit / 8] = (char)(b.bytes[bit / 8] ^ (1 << (bit % 8)));
    }
}
END_TEST

START_TEST(messages_say_what_is_wrong)
{
    CLEANUP_BUF struct buf b = {0};
    struct checkpoint c;
    struct err e = {0};
    write_example(&b);
    ck_assert(!checkpoint_parse(&c, "x", "safetensors or whatever else it may be", 38, &e));
    ck_assert_str_eq(e.message, "x: not a checkpoint of maestro");
    ck_assert(!checkpoint_parse(&c, "x", b.bytes, b.len - 1, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "truncated?"));
    b.bytes[8] = 9;
    ck_assert(!checkpoint_parse(&c, "x", b.bytes, b.len, &e));
    ck_assert_str_eq(e.message, "x: checkpoint of format 9, this program reads format 1");
}
END_TEST

/* A block with a right checksum may still be nonsense inside. */
START_TEST(well_summed_nonsense_is_refused)
{
    CLEANUP_BUF struct buf b = {0};
    struct checkpoint c;
    struct err e = {0};
    checkpoint_begin(&b);
    checkpoint_put(&b, "a", "1234", 4);
    b.bytes[24 + CHECKPOINT_NAME_BYTES + 7] = 0x7f; // length of the part: 2^62
    ck_assert(checkpoint_end(&b, &e));
    ck_assert(!checkpoint_parse(&c, "x", b.bytes, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "impossible head"));
    checkpoint_begin(&b);
    checkpoint_put(&b, "a", "1", 1);
    checkpoint_put(&b, "a", "2", 1);
    ck_assert(checkpoint_end(&b, &e));
    ck_assert(!checkpoint_parse(&c, "x", b.bytes, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "twice"));
}
END_TEST

SUITE("checkpoint", parts_come_back, buffer_is_reused, every_cut_and_every_flip_is_refused, messages_say_what_is_wrong,
      well_summed_nonsense_is_refused)
