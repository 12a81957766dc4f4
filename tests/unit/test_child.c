/* child: programs start with what they are given, end when told to, with all they started, and say how they ended. */
#include <maestro/child.h>

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/file.h>

#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void nap(void)
{
    static const struct timespec span = {.tv_nsec = 5000000};
    nanosleep(&span, NULL);
}

static int wait_for_end(struct child *c)
{
    int status = -1;
    double until_s = clock_monotonic_s() + 60;
    while (child_runs(c, &status)) {
        ck_assert_double_lt(clock_monotonic_s(), until_s);
        nap();
    }
    return status;
}

static char log_path[] = "/tmp/maestro-child-XXXXXX";

static void make_log(void)
{
    memcpy(log_path + strlen(log_path) - 6, "XXXXXX", 6);
    int fd = mkstemp(log_path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void read_log(struct buf *out)
{
    buf_clear(out);
    ck_assert(file_read(log_path, 4096, out, NULL));
}

START_TEST(runs_with_arguments_environment_and_log)
{
    CLEANUP_BUF struct buf text = {0};
    const char *const argv[] = {"sh", "-c", "echo \"$1 $RATE\"; echo worse >&2; cat; exit 7", "sh", "ramp", NULL};
    const char *const environment[] = {"RATE=50", NULL};
    struct child *c;
    struct err e;
    make_log();
    ck_assert_msg(child_open(argv, environment, log_path, &c, &e), "%s", e.message);
    ck_assert_int_eq(wait_for_end(c), 7);
    read_log(&text);
    ck_assert_str_eq(text.bytes, "ramp 50\nworse\n");
    child_close(c, 1);
    unlink(log_path);
}
END_TEST

START_TEST(a_missing_program_is_an_error)
{
    const char *const argv[] = {"maestro-no-such-program", NULL};
    struct child *c = NULL;
    struct err e;
    ck_assert(!child_open(argv, NULL, NULL, &c, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "maestro-no-such-program: cannot be started: No such file"));
}
END_TEST

START_TEST(closing_ends_all_of_it)
{
    CLEANUP_BUF struct buf text = {0};
    const char *const argv[] = {"sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait", NULL};
    struct child *c;
    make_log();
    ck_assert(child_open(argv, NULL, log_path, &c, NULL));
    double until_s = clock_monotonic_s() + 60;
    while (text.len == 0 && clock_monotonic_s() < until_s) {
        nap();
        read_log(&text);
    }
    pid_t grandchild = (pid_t)strtol(text.bytes, NULL, 10);
    ck_assert_int_gt(grandchild, 1);
    double began_s = clock_monotonic_s();
    child_close(c, 0.3); // it ignores SIGTERM
    ck_assert_double_lt(clock_monotonic_s() - began_s, 60);
    char stat[64] = "";
    until_s = clock_monotonic_s() + 60;
    for (;;) { // gone, or dead and not yet collected by whoever inherits it
        snprintf(stat, sizeof stat, "/proc/%d/stat", (int)grandchild);
        FILE *f = fopen(stat, "r");
        char state = 'X';
        if (f && fscanf(f, "%*d %*s %c", &state) != 1)
            state = 'X';
        if (f)
            fclose(f);
        if (state == 'X' || state == 'Z' || clock_monotonic_s() > until_s)
            break;
        nap();
    }
    ck_assert_double_lt(clock_monotonic_s(), until_s);
    unlink(log_path);
}
END_TEST

START_TEST(signals_show_in_the_status)
{
    const char *const argv[] = {"sh", "-c", "kill -9 $$", NULL};
    struct child *c;
    ck_assert(child_open(argv, NULL, NULL, &c, NULL));
    ck_assert_int_eq(wait_for_end(c), 128 + 9);
    child_close(c, 1);
    child_close(NULL, 1);
}
END_TEST

SUITE("child", runs_with_arguments_environment_and_log, a_missing_program_is_an_error, closing_ends_all_of_it,
      signals_show_in_the_status)
