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

/* The policy that is shipped, fed by one service every 15 s. */
struct service {
    struct policy_file file;
    struct arena arena;
    struct greedy greedy;
    struct observation_state state;
    double time_s;
};

static double look(struct service *s, double rps)
{
    const struct control *c = &s->file.control;
    bool idle = rps <= 0;
    float features[OBSERVATION_LIMIT];
    struct pod_record pod = {.cpu_request_percent = 50};
    struct sample sample = {.time_s = s->time_s += 15, .ready = 3, .pods = &pod, .n_pods = 1};
    const double values[SIGNAL_COUNT] = {1 + 0.5 * rps, 0.3, 3, idle ? 0 : 80, rps};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        sample.signals[i] = (struct reading){values[i], 7, VALIDITY_VALID};
    if (idle)
        sample.signals[SIGNAL_P95] = (struct reading){.age_s = 7, .validity = VALIDITY_ABSENT};
    sample.error_ratio = sample.signals[SIGNAL_P95];
    if (s->state.n_updates)
        observation_update(&c->observation, &s->state, &c->target, &sample);
    else
        observation_reset(&c->observation, &s->state, &c->target, &sample);
    observation_features(&c->observation, &s->state, features);
    return (double)greedy_ood(&s->greedy, features);
}

static void service_open(struct service *s)
{
    static char bytes[1 << 20];
    char path[512];
    struct arena plan = {0};
    struct err e = {0};
    snprintf(path, sizeof path, "%s/policies/pretrained/web-api.safetensors", getenv("MAESTRO_SOURCE"));
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    *s = (struct service){.time_s = 1.7e9};
    ck_assert_msg(policyfile_parse(path, bytes, n, &s->file, &e), "%s", e.message);
    greedy_carve(&s->greedy, &s->file, &plan);
    ck_assert(arena_init(&s->arena, plan.used, &e));
    greedy_carve(&s->greedy, &s->file, &s->arena);
    ck_assert_msg(greedy_load(&s->greedy, &e), "%s", e.message);
}

static void service_close(struct service *s)
{
    policyfile_finish(&s->file);
    arena_finish(&s->arena);
}

/* 1 is the limit from which the HPA's rule decides and nothing is scaled down. */
START_TEST(the_shipped_policy_knows_an_idle_service)
{
    static struct service s;
    service_open(&s);
    ck_assert_double_lt(look(&s, 0), 0.85); // idle from the start: the history is short, and that is all
    for (int i = 0; i < 40; i++)
        ck_assert_double_lt(look(&s, 0), 0.85);
    ck_assert_double_lt(look(&s, 0), 0.3);
    service_close(&s);
}
END_TEST

START_TEST(the_shipped_policy_gets_over_a_load_that_stops)
{
    static const double LOADS[] = {1, 20, 150, 3000};
    for (size_t k = 0; k < 4; k++) {
        static struct service s;
        int n_outside = 0;
        service_open(&s);
        for (int i = 0; i < 240; i++)
            (void)look(&s, LOADS[k]);
        for (int i = 0; i < 240; i++) {
            double ood = look(&s, 0);
            ck_assert_double_lt(ood, 1.1);
            n_outside += ood > 1;
            ck_assert(i < 20 || ood < 1); // five minutes
        }
        ck_assert(k < 2 ? n_outside == 0 : n_outside > 0); // a big load that vanishes is strange, for a while
        ck_assert_double_lt(look(&s, 0), 0.4);
        service_close(&s);
    }
}
END_TEST

SUITE("greedy", rows_together_are_rows_alone, a_masked_action_is_not_taken, what_is_not_finite_is_no_answer,
      how_far_outside, a_flag_is_no_distance, the_shipped_policy_knows_an_idle_service,
      the_shipped_policy_gets_over_a_load_that_stops)
