/* buf: grows, stays terminated, remembers failure. */
#include <maestro/buf.h>

#include "suite.h"

#include <string.h>

START_TEST(appends_add_up_and_stay_terminated)
{
    struct buf b = {0};
    buf_text(&b, "a");
    buf_append(&b, "b\0c", 3);
    buf_printf(&b, "%d-%s", 12, "x");
    ck_assert_uint_eq(b.len, 8);
    ck_assert_mem_eq(b.bytes, "ab\0c12-x", 9);
    ck_assert(buf_ok(&b, NULL));
    buf_finish(&b);
    ck_assert_ptr_null(b.bytes);
}
END_TEST

START_TEST(growth_keeps_what_is_there)
{
    struct buf b = {0};
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%c", 'a' + i % 26);
    ck_assert_uint_eq(b.len, 20000);
    for (size_t i = 0; i < b.len; i++)
        ck_assert_int_eq(b.bytes[i], 'a' + (int)(i % 26));
    ck_assert_int_eq(b.bytes[b.len], '\0');
    buf_finish(&b);
}
END_TEST

START_TEST(an_empty_append_still_terminates)
{
    struct buf b = {0};
    buf_append(&b, NULL, 0);
    ck_assert_str_eq(b.bytes, "");
    buf_finish(&b);
}
END_TEST

START_TEST(passing_the_limit_is_remembered_until_cleared)
{
    struct buf b = {0};
    struct err e = {0};
    buf_text(&b, "kept");
    buf_append(&b, "x", BUF_LIMIT + 1);
    ck_assert(b.failed && !buf_ok(&b, &e));
    ck_assert_int_eq(e.code, ERR_IO);
    buf_text(&b, "more");
    ck_assert_str_eq(b.bytes, "kept");
    buf_clear(&b);
    buf_text(&b, "again");
    ck_assert(buf_ok(&b, &e));
    ck_assert_str_eq(b.bytes, "again");
    buf_finish(&b);
    buf_finish(NULL);
}
END_TEST

SUITE("buf", appends_add_up_and_stay_terminated, growth_keeps_what_is_there, an_empty_append_still_terminates,
      passing_the_limit_is_remembered_until_cleared)
