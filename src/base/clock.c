/* clock: the only place that asks the operating system for the time. */
#include <maestro/clock.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double YEAR_1_S = -62135596800.0;
static const double YEAR_10000_S = 253402300800.0;

static double read_clock(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double clock_monotonic_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_wall_s(void)
{
    return read_clock(CLOCK_REALTIME);
}

char *clock_text(char out[CLOCK_TEXT], double wall_s)
{
    struct tm tm;
    bool known = wall_s >= YEAR_1_S && wall_s < YEAR_10000_S; // false for NaN
    double second = known ? floor(wall_s) : 0;
    time_t t = (time_t)second;
    if (!known || !gmtime_r(&t, &tm)) {
        memcpy(out, "-", 2);
        return out;
    }
    size_t n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_TEXT - n, ".%03dZ", (int)((wall_s - second) * 1000.0));
    return out;
}
