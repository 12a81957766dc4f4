/* The HPA's arithmetic over sums, against rows of the reference's calculator table whose pods are all alike. */
#include "suite.h"

#include <maestro/rule.h>

#include <math.h>

static struct sample of(double cpu, int replicas, int ready, int starting)
{
    struct sample s = {.ready = ready, .starting = starting};
    s.signals[SIGNAL_CPU] = (struct reading){cpu, 10, VALIDITY_VALID};
    s.signals[SIGNAL_REPLICAS] = (struct reading){replicas, 0, VALIDITY_VALID};
    return s;
}

START_TEST(it_scales_with_the_ratio)
{
    static const struct {
        double cpu; // percent of a core, all pods; a request is 50
        int replicas, ready, starting, expected;
    } ROWS[] = {
        {90, 3, 3, 0, 3},  // 60 %: as it should be
        {98, 3, 3, 0, 3},  // 65 %: within the tolerance
        {82, 3, 3, 0, 3},  // 55 %
        {100, 3, 3, 0, 4}, // 67 %
        {180, 3, 3, 0, 6}, // 120 %
        {30, 3, 3, 0, 1},  // 20 %
        {0, 3, 3, 0, 1},   // never below one
        {180, 6, 3, 3, 6}, // three more are on their way and will do
        {240, 6, 3, 3, 8}, // and here they will not
        {30, 6, 3, 3, 1},  // starting pods are no reason to stay
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sample s = of(ROWS[i].cpu, ROWS[i].replicas, ROWS[i].ready, ROWS[i].starting);
        ck_assert_msg(rule_replicas(&s, 50) == ROWS[i].expected, "row %zu: %d", i, rule_replicas(&s, 50));
    }
}
END_TEST

START_TEST(what_is_not_known_is_not_guessed)
{
    struct sample s = of(90, 3, 3, 0);
    ck_assert_int_eq(rule_replicas(&s, 0), RULE_UNKNOWN);
    ck_assert_int_eq(rule_replicas(&s, (double)NAN), RULE_UNKNOWN);
    s.ready = 0;
    ck_assert_int_eq(rule_replicas(&s, 50), RULE_UNKNOWN);
    s.ready = 3;
    for (int v = 0; v < 5; v++) {
        s.signals[SIGNAL_CPU].validity = (enum validity)v;
        ck_assert_int_eq(rule_replicas(&s, 50) == RULE_UNKNOWN, v != VALIDITY_VALID);
    }
    s = of((double)NAN, 3, 3, 0);
    ck_assert_int_eq(rule_replicas(&s, 50), RULE_UNKNOWN);
    s = of(90, 3, 3, 0);
    s.signals[SIGNAL_REPLICAS].validity = VALIDITY_FAILED;
    ck_assert_int_eq(rule_replicas(&s, 50), RULE_UNKNOWN);
}
END_TEST

SUITE("rule", it_scales_with_the_ratio, what_is_not_known_is_not_guessed)
