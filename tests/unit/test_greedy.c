/* greedy: the same bits one by one and together, masks, numbers that are none, and how far outside training is counted. */
#include <maestro/greedy.h>

#include <math.h>

#include "suite.h"
#include "trained.h"

struct net {
    struct policy_file file;
    struct arena arena;
    struct greedy greedy;
};

static void net_open(struct net *n)
{
    struct arena plan = {0};
    struct err e = {0};
    trained_make(&n->file, "default", 3);
    greedy_carve(&n->greedy, &n->file, &plan);
    ck_assert(arena_init(&n->arena, plan.used, &e));
    greedy_carve(&n->greedy, &n->file, &n->arena);
    ck_assert_msg(greedy_load(&n->greedy, &e), "%s", e.message);
}

static void net_close(struct net *n)
{
    policyfile_finish(&n->file);
    arena_finish(&n->arena);
}

START_TEST(rows_together_are_rows_alone)
{
    static struct net n;
    static float features[GREEDY_ROWS * OBSERVATION_LIMIT];
    static struct greedy_answer together[GREEDY_ROWS], alone;
    struct rng rng;
    struct err e = {0};
    rng_init(&rng, 5, 1);
    net_open(&n);
    int d = n.file.actor.n_in, n_different = 0;
    for (int i = 0; i < GREEDY_ROWS * d; i++)
        features[i] = (float)rng_normal(&rng);
    ck_assert(greedy_decide(&n.greedy, features, NULL, GREEDY_ROWS, together, &e));
    for (int row = 0; row < GREEDY_ROWS; row++) {
        ck_assert(greedy_decide(&n.greedy, features + row * d, NULL, 1, &alone, &e));
        ck_assert_mem_eq(alone.logits, together[row].logits, 3 * sizeof(float));
        ck_assert_mem_eq(&alone.value, &together[row].value, sizeof(float));
        ck_assert_int_eq(alone.action, together[row].action);
        n_different += alone.value != together[0].value;
    }
    ck_assert_int_eq(n_different, GREEDY_ROWS - 1);
    net_close(&n);
}
END_TEST

START_TEST(a_masked_action_is_not_taken)
{
    static struct net n;
    float features[OBSERVATION_LIMIT] = {0};
    struct greedy_answer free_choice, bound;
    net_open(&n);
    ck_assert(greedy_decide(&n.greedy, features, NULL, 1, &free_choice, NULL));
    for (int banned = 0; banned < 3; banned++) {
        unsigned char mask[3] = {1, 1, 1};
        if (n.file.control.actions.delta[banned] == 0)
            continue;
        mask[banned] = 0;
        ck_assert(greedy_decide(&n.greedy, features, mask, 1, &bound, NULL));
        ck_assert_int_ne(bound.action, banned);
        ck_assert(banned == free_choice.action || bound.action == free_choice.action);
        ck_assert_mem_eq(bound.logits, free_choice.logits, 3 * sizeof(float));
    }
    net_close(&n);
}
END_TEST

START_TEST(what_is_not_finite_is_no_answer)
{
    static struct net n;
    float features[OBSERVATION_LIMIT] = {0};
    struct greedy_answer a;
    struct err e = {0};
    net_open(&n);
    features[0] = NAN;
    ck_assert(!greedy_decide(&n.greedy, features, NULL, 1, &a, &e));
    ck_assert_int_eq(e.code, ERR_NUMERIC);
    net_close(&n);
}
END_TEST

static double ood(const struct greedy *g, const float *x)
{
    return (double)greedy_ood(g, x);
}

/* Distances by hand: width 4 around [-1, 3]; a constant 0.5 counts as 0.1 wide; [100, 101] as 10.1 wide. */
START_TEST(how_far_outside)
{
    static struct net n;
    float x[OBSERVATION_LIMIT] = {0};
    net_open(&n);
    struct policy_file *f = &n.file;
    f->obs_low[0] = -1, f->obs_high[0] = 3;
    f->obs_low[1] = f->obs_high[1] = 0.5f;
    f->obs_low[2] = 100, f->obs_high[2] = 101;
    ck_assert(greedy_load(&n.greedy, NULL));
    x[1] = 0.5f, x[2] = 100.5f;
    ck_assert_double_eq(ood(&n.greedy, x), 0.0);
    x[0] = 3.0f;
    ck_assert_double_eq(ood(&n.greedy, x), 0.0);
    x[0] = 5.0f;
    ck_assert_double_eq(ood(&n.greedy, x), 0.5);
    x[0] = -5.0f;
    ck_assert_double_eq(ood(&n.greedy, x), 1.0);
    x[1] = 0.75f; // 0.25 / 0.1
    ck_assert_double_eq_tol(ood(&n.greedy, x), 2.5, 1e-6);
    x[2] = 100.0f - 50.5f; // 50.5 / 10.1
    ck_assert_double_eq_tol(ood(&n.greedy, x), 5.0, 1e-5);
    net_close(&n);
}
END_TEST

/* Training that was never idle leaves p95_absent at 0 for its whole range; an idle service is none the stranger for it. */
START_TEST(a_flag_is_no_distance)
{
    static struct net n;
    float x[OBSERVATION_LIMIT] = {0};
    net_open(&n);
    struct policy_file *f = &n.file;
    int flag = observation_find(&f->control.observation, "p95_absent");
    ck_assert_int_ge(flag, 0);
    for (int i = 0; i < f->actor.n_in; i++)
        f->obs_low[i] = f->obs_high[i] = 0.0f;
    ck_assert(greedy_load(&n.greedy, NULL));
    x[flag] = 1.0f;
    ck_assert_double_eq(ood(&n.greedy, x), 0.0);
    x[flag == 0 ? 1 : 0] = 1.0f; // any other feature counts
    ck_assert_double_eq_tol(ood(&n.greedy, x), 10.0, 1e-5);
    net_close(&n);
}
END_TEST

SUITE("greedy", rows_together_are_rows_alone, a_masked_action_is_not_taken, what_is_not_finite_is_no_answer,
      how_far_outside, a_flag_is_no_distance)
