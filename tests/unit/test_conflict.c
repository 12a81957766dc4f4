/* Signs of others, and the breaker: small machines of counts and times. */
#include "suite.h"

#include <maestro/breaker.h>
#include <maestro/conflict.h>

START_TEST(own_writes_are_no_signs)
{
    struct conflict c = {0};
    ck_assert_int_eq(conflict_look(&c, 3, false, true, 0, 300), CONFLICT_NONE);
    conflict_wrote(&c, 5);
    ck_assert_int_eq(conflict_look(&c, 5, false, true, 5, 300), CONFLICT_NONE);
    ck_assert_int_eq(conflict_look(&c, -1, false, true, 10, 300), CONFLICT_NONE); // unreadable: no sign
    ck_assert_int_eq(conflict_look(&c, 5, false, true, 15, 300), CONFLICT_NONE);
    conflict_unsure(&c);
    ck_assert_int_eq(conflict_look(&c, 9, false, true, 20, 300), CONFLICT_NONE);
}
END_TEST

START_TEST(a_foreign_write_counts_from_its_last_sign)
{
    struct conflict c = {0};
    (void)conflict_look(&c, 3, false, true, 0, 300);
    ck_assert_int_eq(conflict_look(&c, 4, false, true, 10, 300), CONFLICT_FOREIGN);
    ck_assert_int_eq(conflict_look(&c, 5, false, true, 200, 300), CONFLICT_NONE); // again, told once
    ck_assert(conflict_is_foreign(&c));
    ck_assert_int_eq(conflict_look(&c, 5, false, true, 499, 300), CONFLICT_NONE);
    ck_assert_int_eq(conflict_look(&c, 5, false, true, 500, 300), CONFLICT_ENDED);
    ck_assert(!conflict_is_foreign(&c));
}
END_TEST

START_TEST(who_does_not_act_has_no_rival)
{
    struct conflict c = {0};
    (void)conflict_look(&c, 3, false, false, 0, 300);
    ck_assert_int_eq(conflict_look(&c, 9, false, false, 5, 300), CONFLICT_NONE);
    ck_assert_int_eq(conflict_look(&c, 9, true, true, 10, 300), CONFLICT_SCALER);
    ck_assert_int_eq(conflict_look(&c, 9, true, true, 15, 300), CONFLICT_NONE);
    ck_assert_int_eq(conflict_look(&c, 9, false, true, 20, 300), CONFLICT_ENDED);
}
END_TEST

START_TEST(the_breaker_counts_in_a_row)
{
    struct breaker b = {0};
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(breaker_note(&b, false, 3, 2), BREAKER_SAME);
        ck_assert_int_eq(breaker_note(&b, false, 3, 2), BREAKER_SAME);
        ck_assert_int_eq(breaker_note(&b, true, 3, 2), BREAKER_SAME);
    }
    (void)breaker_note(&b, false, 3, 2);
    (void)breaker_note(&b, false, 3, 2);
    ck_assert_int_eq(breaker_note(&b, false, 3, 2), BREAKER_OPENED);
    ck_assert_int_eq(breaker_note(&b, true, 3, 2), BREAKER_SAME);
    ck_assert_int_eq(breaker_note(&b, false, 3, 2), BREAKER_SAME);
    ck_assert_int_eq(breaker_note(&b, true, 3, 2), BREAKER_SAME);
    ck_assert(b.open);
    ck_assert_int_eq(breaker_note(&b, true, 3, 2), BREAKER_CLOSED);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(breaker_note(&b, false, 0, 2), BREAKER_SAME); // never opens
}
END_TEST

SUITE("conflict", own_writes_are_no_signs, a_foreign_write_counts_from_its_last_sign, who_does_not_act_has_no_rival,
      the_breaker_counts_in_a_row)
