/* vecenv: an ended episode leaves its final observation and record behind and starts anew; any number of threads gives
 * the same bytes; errors and numbers that are not finite are reported with the copy. */
#include <maestro/cartpole.h>
#include <maestro/vecenv.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

enum { N = 6, D = 3, A = 2 };

/* A toy: counts its steps; odd copies are cut off after 3, even ones end by themselves after 2. Heavy, so that threads are
 * used. */
struct toy {
    int count;
    int episode;
    int stream;
    char ballast[4096];
};

static void toy_init(const struct env *env, void *state, uint64_t seed, uint64_t stream)
{
    (void)env;
    (void)seed;
    ((struct toy *)state)->stream = (int)stream;
}

static void toy_look(const struct toy *t, float *obs, unsigned char *mask)
{
    obs[0] = (float)t->stream;
    obs[1] = (float)t->episode;
    obs[2] = (float)t->count;
    mask[0] = 1;
    mask[1] = t->count % 2 == 0;
}

static bool toy_reset(const struct env *env, void *state, float *obs, unsigned char *mask, struct err *e)
{
    (void)env;
    (void)e;
    struct toy *t = state;
    t->count = 0;
    t->episode++;
    toy_look(t, obs, mask);
    return true;
}

static bool toy_step(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                     struct env_result *out, struct err *e)
{
    (void)env;
    struct toy *t = state;
    if (action == 9)
        return err_set(e, ERR_IO, "refused");
    t->count++;
    toy_look(t, obs, mask);
    *out = (struct env_result){.reward = action == 8 ? (float)NAN : (float)t->count,
                               .cost = 0.5f,
                               .terminated = t->stream % 2 == 0 && t->count == 2,
                               .truncated = t->stream % 2 == 1 && t->count == 3};
    return true;
}

static void toy_episode(const struct env *env, const void *state, struct env_episode *out)
{
    (void)env;
    *out = (struct env_episode){.replicas_mean = ((const struct toy *)state)->count};
}

static const struct env_ops TOY_OPS = {.init = toy_init, .reset = toy_reset, .step = toy_step, .episode = toy_episode};

struct fixture {
    struct arena arena;
    struct vecenv v;
    int32_t actions[N];
    float rewards[N], costs[N], final_obs[N][D], obs[N][D];
    unsigned char terminated[N], truncated[N], masks[N][A];
    struct vecenv_slices slices;
};

static void open_fixture(struct fixture *f, const struct env *env, struct team *team)
{
    struct arena plan = {0};
    *f = (struct fixture){0};
    vecenv_carve(&f->v, env, N, &plan);
    ck_assert(arena_init(&f->arena, plan.used, NULL));
    vecenv_carve(&f->v, env, N, &f->arena);
    f->v.team = team;
    f->slices = (struct vecenv_slices){f->actions,   f->rewards,          f->costs,      f->terminated,
                                       f->truncated, &f->final_obs[0][0], &f->obs[0][0], &f->masks[0][0]};
    ck_assert(vecenv_init(&f->v, 1, 0, &f->obs[0][0], &f->masks[0][0], NULL));
}

static const struct env TOY = {.ops = &TOY_OPS,
                               .spec = {.id = "toy", .obs_dim = D, .n_actions = A, .state_bytes = sizeof(struct toy)}};

START_TEST(ended_episodes_leave_their_last_look)
{
    struct fixture f;
    open_fixture(&f, &TOY, NULL);
    for (int t = 0; t < 3; t++)
        ck_assert(vecenv_step(&f.v, &f.slices, NULL));
    // even copies: episode 1 ended at step 2, now one step into episode 2; odd ones were cut off just now
    ck_assert(!f.terminated[0] && !f.truncated[0] && f.obs[0][1] == 2 && f.obs[0][2] == 1);
    ck_assert(!f.terminated[1] && f.truncated[1]);
    ck_assert(f.final_obs[1][0] == 1 && f.final_obs[1][1] == 1 && f.final_obs[1][2] == 3);
    ck_assert(f.obs[1][1] == 2 && f.obs[1][2] == 0 && f.masks[1][1] == 1);
    ck_assert(f.final_obs[0][2] == 2); // left from the step before
    ck_assert(!f.v.episodes[0].ended && f.v.episodes[0].length == 1 && f.v.episodes[0].sum == 1.0);
    ck_assert(f.v.episodes[1].ended && f.v.episodes[1].ended_length == 3 && f.v.episodes[1].ended_sum == 6.0);
    ck_assert(f.v.episodes[1].extra.replicas_mean == 3.0);
    ck_assert(f.costs[5] == 0.5f);
    arena_finish(&f.arena);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    static struct fixture f[3];
    static const int sizes[3] = {1, 2, 4};
    for (int k = 0; k < 3; k++) {
        struct team *team = NULL;
        ck_assert(team_open(sizes[k], &team, NULL));
        open_fixture(&f[k], &TOY, team);
        for (int t = 0; t < 50; t++)
            ck_assert(vecenv_step(&f[k].v, &f[k].slices, NULL));
        team_close(team);
        ck_assert_int_eq(memcmp(f[0].v.states, f[k].v.states, N * f[0].v.stride), 0);
        ck_assert_int_eq(memcmp(f[0].obs, f[k].obs, sizeof f[0].obs), 0);
        ck_assert_int_eq(memcmp(f[0].rewards, f[k].rewards, sizeof f[0].rewards), 0);
    }
    for (int k = 0; k < 3; k++)
        arena_finish(&f[k].arena);
}
END_TEST

START_TEST(errors_name_the_copy)
{
    struct fixture f;
    struct err e = {0};
    open_fixture(&f, &TOY, NULL);
    f.actions[4] = 9;
    ck_assert(!vecenv_step(&f.v, &f.slices, &e));
    ck_assert_str_eq(e.message, "toy: copy 4: refused");
    arena_finish(&f.arena);
    open_fixture(&f, &TOY, NULL);
    f.actions[2] = 8;
    ck_assert(!vecenv_step(&f.v, &f.slices, &e));
    ck_assert_int_eq(e.code, ERR_NUMERIC);
    ck_assert_str_eq(e.message, "toy: copy 2: a reward, cost or observation is not finite");
    arena_finish(&f.arena);
}
END_TEST

/* Saved, stepped, restored, stepped: the same steps again. */
START_TEST(state_round_trip)
{
    struct env cartpole;
    cartpole_env(&cartpole);
    struct arena plan = {0};
    struct arena arena = {0};
    struct vecenv v = {0};
    vecenv_carve(&v, &cartpole, N, &plan);
    ck_assert(arena_init(&arena, plan.used, NULL));
    vecenv_carve(&v, &cartpole, N, &arena);
    int32_t actions[N] = {0, 1, 0, 1, 0, 1};
    float rewards[N], costs[N], final_obs[N * 4], obs[N * 4], first[N * 4];
    unsigned char terminated[N], truncated[N], masks[N * 2];
    struct vecenv_slices s = {actions, rewards, costs, terminated, truncated, final_obs, obs, masks};
    ck_assert(vecenv_init(&v, 5, 0, obs, masks, NULL));
    unsigned char *saved = malloc(vecenv_state_bytes(&v));
    vecenv_state_get(&v, saved);
    for (int t = 0; t < 40; t++)
        ck_assert(vecenv_step(&v, &s, NULL));
    memcpy(first, obs, sizeof first);
    vecenv_state_set(&v, saved);
    for (int t = 0; t < 40; t++)
        ck_assert(vecenv_step(&v, &s, NULL));
    ck_assert_int_eq(memcmp(first, obs, sizeof first), 0);
    free(saved);
    arena_finish(&arena);
}
END_TEST

SUITE("vecenv", ended_episodes_leave_their_last_look, threads_do_not_matter, errors_name_the_copy, state_round_trip)
