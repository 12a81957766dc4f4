/* A day of flapping: Prometheus and the API fail and come back for 24 simulated hours, targets come and go, policy files
 * change, the process is started again. Memory and descriptors at the end are what they were after the first hour, to the
 * allocator's own grain. MAESTRO_DAY_HOURS: how long [2 in the default run]. */
#include "suite.h"
#include "weather.h"

#include <maestro/log.h>

#include <dirent.h>
#include <malloc.h>

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static size_t bytes_in_use(void)
{
    return mallinfo2().uordblks;
}

/* Ten minutes without anything, then ten with everything failing by turns. */
static void hour(struct weather *w)
{
    for (int tick = 0; tick < 720 && !*w->problem; tick++) {
        toy_pass(&w->s.toy, 5);
        if (tick % 240 < 120)
            weather_world(w);
        w->s.toy.refresh_fails = tick % 240 < 120 && tick % 7 == 0;
        for (int i = 0; i < WEATHER_TARGETS; i++)
            weather_target(w, i);
        weather_tick(w);
        if (tick % 200 == 0) {
            trained_write(w->policy, tick % 400 ? "default" : "basic5", (uint64_t)tick);
            autoscaler_reload(w->s.autoscaler);
        }
    }
    weather_restart(w, false);
    weather_replay(w);
    weather_open_journal(w);
    weather_restart(w, false);
}

START_TEST(a_day_of_flapping_leaves_nothing_behind)
{
    static struct weather w;
    const char *text = getenv("MAESTRO_DAY_HOURS");
    int n_hours = text ? (int)strtol(text, NULL, 10) : 2;
    log_setup(LOG_ERROR, LOG_LOGFMT, NULL);
    weather_open(&w, 7);
    hour(&w);
    size_t bytes = bytes_in_use(), most = 0;
    int descriptors = open_descriptors();
    for (int h = 1; h < n_hours; h++) {
        hour(&w);
        most = bytes_in_use() > most ? bytes_in_use() : most;
        ck_assert_int_eq(open_descriptors(), descriptors);
    }
    printf("%d hours: %lld ticks, %zu bytes after the first hour, at most %zu later, %d descriptors\n", n_hours,
           w.n_ticks, bytes, most, descriptors);
    weather_close(&w);
    ck_assert_msg(!*w.problem, "%s", w.problem);
    if (bytes > 0) // a sanitizer's allocator does not say; it finds leaks itself
        ck_assert_uint_lt(most, bytes + bytes / 4);
}
END_TEST

SUITE("autoscaler_day", a_day_of_flapping_leaves_nothing_behind)
