/* Action sets: what is refused, masks at the limits, ties. */
#include "suite.h"

#include <maestro/action.h>

#include <string.h>

static struct action_set set_of(int n, const double *deltas)
{
    struct config_list list = {.n = n};
    struct action_set set;
    struct err e = {0};
    memcpy(list.v, deltas, (size_t)n * sizeof *deltas);
    ck_assert_msg(action_set_init(&set, &list, &e), "%s", e.message);
    return set;
}

static const struct target TARGET = {.min_replicas = 1, .max_replicas = 20};

START_TEST(refuses_bad_sets)
{
    struct action_set set;
    struct err e;
    struct config_list bad[] = {{.n = 0},
                                {.n = 2, .v = {-1, 1}},
                                {.n = 3, .v = {-1, 0, 0}},
                                {.n = 3, .v = {1, 0, -1}},
                                {.n = 2, .v = {0, 0.5}},
                                {.n = 2, .v = {0, 1e9}},
                                {.n = ACTIONS_LIMIT + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        e = (struct err){0};
        ck_assert_msg(!action_set_init(&set, &bad[i], &e), "set %zu", i);
        ck_assert_int_eq(e.code, ERR_USAGE);
        ck_assert_str_ne(e.message, "");
    }
}
END_TEST

START_TEST(masks_steps_that_lead_nowhere)
{
    struct action_set set = set_of(6, (const double[]){-2, -1, 0, 1, 2, 4});
    static const struct {
        int replicas;
        unsigned char mask[6];
    } ROWS[] = {
        {10, {1, 1, 1, 1, 1, 1}}, {1, {0, 0, 1, 1, 1, 1}},  {2, {0, 1, 1, 1, 1, 1}},  {20, {1, 1, 1, 0, 0, 0}},
        {19, {1, 1, 1, 1, 0, 0}}, {18, {1, 1, 1, 1, 1, 0}}, {17, {1, 1, 1, 1, 1, 1}}, // +4 is carried out as +3, which no smaller step reaches
        {25, {0, 1, 1, 0, 0, 0}}, // above a lowered max: one way back
        {0, {0, 0, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        unsigned char mask[6];
        action_mask(&set, &TARGET, ROWS[i].replicas, mask);
        ck_assert_msg(memcmp(mask, ROWS[i].mask, 6) == 0, "at %d replicas: %d%d%d%d%d%d", ROWS[i].replicas, mask[0],
                      mask[1], mask[2], mask[3], mask[4], mask[5]);
    }
}
END_TEST

START_TEST(every_count_reachable_and_within_limits)
{
    struct action_set set = set_of(3, (const double[]){-3, 0, 3});
    for (int replicas = 1; replicas <= 20; replicas++) {
        unsigned char mask[3];
        action_mask(&set, &TARGET, replicas, mask);
        ck_assert_int_eq(mask[0], replicas > 1);
        ck_assert_int_eq(mask[2], replicas < 20);
        for (int a = 0; a < 3; a++) {
            int after = action_replicas(&set, &TARGET, replicas, a);
            ck_assert(after >= 1 && after <= 20);
            ck_assert(!mask[a] || a == 1 || after != replicas);
        }
    }
}
END_TEST

START_TEST(ties_go_to_keeping)
{
    struct action_set set = set_of(4, (const double[]){-1, 0, 1, 2});
    const unsigned char no_keep[4] = {1, 0, 1, 1};
    ck_assert_int_eq(action_argmax(&set, (const float[]){1, 1, 1, 1}, NULL), 1);
    ck_assert_int_eq(action_argmax(&set, (const float[]){2, 1, 2, 2}, NULL), 2);
    ck_assert_int_eq(action_argmax(&set, (const float[]){2, 1, 0, 2}, NULL), 0);
    ck_assert_int_eq(action_argmax(&set, (const float[]){0, 1, 0, 3}, NULL), 3);
    ck_assert_int_eq(action_argmax(&set, (const float[]){5, 1, 0, 3}, (const unsigned char[]){0, 1, 1, 0}), 1);
    ck_assert_int_eq(action_argmax(&set, (const float[]){0, 9, 0, 3}, no_keep), 1); // no_op is never masked away
}
END_TEST

SUITE("action", refuses_bad_sets, masks_steps_that_lead_nowhere, every_count_reachable_and_within_limits,
      ties_go_to_keeping)
