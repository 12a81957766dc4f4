/* Tests of the load shapes at the times where they turn. */
#include <maestro/load.h>

#include <math.h>

#include "suite.h"

static double at(int shape, double time_s)
{
    struct load l = {.shape = shape, .base_rps = 10, .peak_rps = 110, .start_s = 100, .length_s = 80};
    return load_at(&l, NULL, time_s);
}

START_TEST(shapes_turn_where_they_say)
{
    const struct {
        int shape;
        double time_s, rps;
    } rows[] = {
        {LOAD_CONSTANT, 0, 10},   {LOAD_CONSTANT, 1e6, 10},
        {LOAD_RAMP, 100, 10},     {LOAD_RAMP, 140, 60},
        {LOAD_RAMP, 180, 110},    {LOAD_RAMP, 1e6, 110},
        {LOAD_STEP, 99.9, 10},    {LOAD_STEP, 100, 110},
        {LOAD_STEP, 1e6, 110},    {LOAD_SPIKE, 99.9, 10},
        {LOAD_SPIKE, 100, 110},   {LOAD_SPIKE, 179.9, 110},
        {LOAD_SPIKE, 180, 10},    {LOAD_DIURNAL, 100, 10},
        {LOAD_DIURNAL, 140, 110}, {LOAD_DIURNAL, 180, 10},
        {LOAD_DIURNAL, 120, 60},  {LOAD_FLASH, 100, 10},
        {LOAD_FLASH, 110, 110},   {LOAD_FLASH, 150, 10 + 100 * 0.36787944117},
        {LOAD_ON_OFF, 99, 10},    {LOAD_ON_OFF, 100, 110},
        {LOAD_ON_OFF, 139, 110},  {LOAD_ON_OFF, 140, 10},
        {LOAD_ON_OFF, 180, 110},  {LOAD_FLASH, 50, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(fabs(at(rows[i].shape, rows[i].time_s) - rows[i].rps) < 1e-6, "%s at %g: %g, not %g",
                      load_shape_name(rows[i].shape), rows[i].time_s, at(rows[i].shape, rows[i].time_s), rows[i].rps);
}
END_TEST

START_TEST(a_trace_window_peaks_where_asked)
{
    double time_s[] = {0, 10, 20, 30}, value[] = {1, 9, 3, 5};
    struct trace trace = {.n = 4, .time_s = time_s, .value = value, .max = 9};
    struct load l;
    load_trace(&l, &trace, 0, 20, 10, 500);
    ck_assert_double_eq_tol(load_at(&l, &trace, 10), 500, 1e-9);
    ck_assert_double_eq_tol(load_at(&l, &trace, 0), 300, 1e-9);
    load_trace(&l, &trace, 0, 0, 60, 90); // twice its length: mirrored
    ck_assert_double_eq_tol(load_at(&l, &trace, 10), 90, 1e-9);
    ck_assert_double_eq_tol(load_at(&l, &trace, 50), 90, 1e-9);
}
END_TEST

SUITE("load", shapes_turn_where_they_say, a_trace_window_peaks_where_asked)
