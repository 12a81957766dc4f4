/* Teams of one to more threads than cores: every part runs once, phases do not overlap. */
#include <maestro/team.h>
#include <string.h>

#include "suite.h"

#define PARTS 37

struct count {
    atomic_int runs[PARTS];
};

static void add(void *arg, int part)
{
    struct count *c = arg;
    atomic_fetch_add(&c->runs[part], 1);
}

START_TEST(every_part_runs_once_per_job)
{
    static const int sizes[] = {1, 2, 4, 7};
    struct err e = {0};
    struct team *team = NULL;
    ck_assert_msg(team_open(sizes[_i], &team, &e), "%s", e.message);
    ck_assert_int_eq(team_size(team), sizes[_i]);
    struct count c = {0};
    for (int job = 0; job < 300; job++)
        team_run(team, 1 + job % PARTS, add, &c);
    for (int part = 0; part < PARTS; part++) {
        int expected = 0;
        for (int job = 0; job < 300; job++)
            expected += part < 1 + job % PARTS;
        ck_assert_int_eq(atomic_load(&c.runs[part]), expected);
    }
    team_close(team);
}
END_TEST

#define PHASES 500
#define SIDES 3

struct phases {
    struct team_barrier barrier;
    atomic_int arrived[PHASES];
    atomic_int early;
};

static void walk(void *arg, int part)
{
    struct phases *p = arg;
    (void)part;
    for (int i = 0; i < PHASES; i++) {
        atomic_fetch_add(&p->arrived[i], 1);
        team_wait(&p->barrier, SIDES);
        if (atomic_load(&p->arrived[i]) != SIDES)
            atomic_fetch_add(&p->early, 1);
    }
}

START_TEST(nobody_passes_a_barrier_early)
{
    struct err e = {0};
    struct team *team = NULL;
    static struct phases p = {.barrier = TEAM_BARRIER};
    ck_assert_msg(team_open(SIDES, &team, &e), "%s", e.message);
    team_run(team, SIDES, walk, &p);
    ck_assert_int_eq(atomic_load(&p.early), 0);
    ck_assert_int_eq(atomic_load(&p.arrived[PHASES - 1]), SIDES);
    team_close(team);
}
END_TEST

START_TEST(a_wrong_size_is_refused)
{
    struct err e = {0};
    struct team *team = NULL;
    ck_assert(!team_open(0, &team, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert(!team_open(TEAM_LIMIT + 1, &team, &e));
    ck_assert_ptr_null(team);
    team_close(NULL);
    ck_assert_int_eq(team_size(NULL), 1);
}
END_TEST

int main(void)
{
    TCase *group = tcase_create("team");
    tcase_add_loop_test(group, every_part_runs_once_per_job, 0, 4);
    tcase_add_test(group, nobody_passes_a_barrier_early);
    tcase_add_test(group, a_wrong_size_is_refused);
    return suite_run("team", group);
}
