/* err: one line sets and fails, context goes in front, nothing overflows. */
#include <maestro/err.h>

#include "suite.h"

#include <string.h>

START_TEST(set_fills_and_is_false)
{
    struct err e = {0};
    ck_assert(!err_set(&e, ERR_FORMAT, "%s:%d: %s", "a.yaml", 3, "no"));
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_str_eq(e.message, "a.yaml:3: no");
}
END_TEST

START_TEST(wrap_puts_context_in_front_and_keeps_the_code)
{
    struct err e = {0};
    err_set(&e, ERR_IO, "full");
    ck_assert(!err_wrap(&e, "run %d", 7));
    ck_assert_str_eq(e.message, "run 7: full");
    ck_assert_int_eq(e.code, ERR_IO);
}
END_TEST

START_TEST(null_is_allowed)
{
    ck_assert(!err_set(NULL, ERR_IO, "x"));
    ck_assert(!err_wrap(NULL, "x"));
}
END_TEST

START_TEST(long_messages_are_cut)
{
    struct err e = {0};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1);
    err_wrap(&e, "front");
    ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1);
    ck_assert_int_eq(strncmp(e.message, "front: xxx", 10), 0);
    err_wrap(&e, "%s", text);
    ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1);
}
END_TEST

SUITE("err", set_fills_and_is_false, wrap_puts_context_in_front_and_keeps_the_code, null_is_allowed,
      long_messages_are_cut)
