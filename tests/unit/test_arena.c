/* arena: planning and carving take the same bytes; blocks are aligned, zeroed and apart; taking too much is caught. */
#include <maestro/arena.h>

#include "suite.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#endif
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void carve(struct arena *a, unsigned char *out[3])
{
    out[0] = arena_take(a, 3, 1);
    out[1] = arena_take(a, 5, sizeof(double));
    out[2] = arena_take(a, 0, 8);
}

START_TEST(a_plan_is_what_is_carved)
{
    struct arena plan = {0}, a;
    struct err e = {0};
    unsigned char *p[3];
    carve(&plan, p);
    ck_assert_ptr_null(p[0]);
    ck_assert_uint_eq(plan.used, 2 * ARENA_ALIGN);
    ck_assert(arena_init(&a, plan.used, &e));
    carve(&a, p);
    ck_assert_uint_eq(a.used, plan.used);
    arena_finish(&a);
}
END_TEST

START_TEST(blocks_are_aligned_zeroed_and_apart)
{
    struct arena a;
    struct err e = {0};
    unsigned char *p[3];
    ck_assert(arena_init(&a, 1024, &e));
    carve(&a, p);
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq((uintptr_t)p[i] % ARENA_ALIGN, 0);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(p[1][i], 0);
    memset(p[0], 0xff, 3);
    ck_assert_int_eq(p[1][0], 0);
    ck_assert(p[1] >= p[0] + 3);
    arena_finish(&a);
}
END_TEST

/* Under AddressSanitizer even the padding behind a block is out of bounds, and so is what nobody took. */
START_TEST(what_was_not_taken_is_poisoned)
{
#ifdef ARENA_POISONS
    struct arena a;
    ck_assert(arena_init(&a, 256, NULL));
    const unsigned char *p = arena_take(&a, 3, 1);
    ck_assert(!__asan_address_is_poisoned(p + 2));
    ck_assert(__asan_address_is_poisoned(p + 8)); // poison is set in eights
    ck_assert(__asan_address_is_poisoned(p + ARENA_ALIGN));
    arena_finish(&a);
#endif
}
END_TEST

START_TEST(finish_accepts_null_and_zeroed)
{
    struct arena a = {0};
    struct err e = {0};
    arena_finish(NULL);
    arena_finish(&a);
    ck_assert(arena_init(&a, 0, &e));
    arena_finish(&a);
    ck_assert_ptr_null(a.base);
    arena_finish(&a);
}
END_TEST

static void take_too_much(void)
{
    struct arena a;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    fclose(stderr);
    if (arena_init(&a, 64, NULL))
        arena_take(&a, 65, 1);
    _exit(0);
}

START_TEST(taking_more_than_planned_aborts)
{
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        take_too_much();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

SUITE("arena", a_plan_is_what_is_carved, blocks_are_aligned_zeroed_and_apart, what_was_not_taken_is_poisoned,
      finish_accepts_null_and_zeroed, taking_more_than_planned_aborts)
