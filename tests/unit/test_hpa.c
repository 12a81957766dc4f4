/* The HPA's rules against the acceptance rows of ../shared/reference/autoscalers.md H.1 and H.2, as data, plus the notes of
 * its section 1.3 that are not rows. Levels are milli-cores per container, two containers a pod, request 1000 each. The
 * number of rows checked is printed. */
#include <maestro/hpa_behaviour.h>
#include <maestro/hpa_calculator.h>
#include <maestro/registry.h>

#include <math.h>
#include <stdio.h>

#include "suite.h"

#define ROW_PODS 8
#define NOW_S 100000.0

static const struct hpa_rule_settings *const rules = &hpa_rule_defaults;

enum state { OK, UNREADY, PENDING, FAILED, DELETING, LATE }; // LATE: ready, but its reading is from before it was

struct cpu_row {
    const char *name;
    int current, n_pods, n_levels, target;
    int level[ROW_PODS];
    enum state state[ROW_PODS];
    int request[ROW_PODS]; /* 0: 1000 a container; -1: none */
    int first_reading;     /* id of the pod that level[0] belongs to */
    bool fails;
    int replicas, utilization;
};

// clang-format off
static const struct cpu_row cpu_rows[] = {
    {"scale up", 3, 3, 3, 30, {300, 500, 700}, .replicas = 5, .utilization = 50},
    {"first unready, less", 3, 3, 3, 30, {300, 500, 700}, {UNREADY}, .replicas = 4, .utilization = 60},
    {"second and third unready, none", 3, 3, 3, 30, {400, 500, 700}, {OK, UNREADY, UNREADY}, .replicas = 3, .utilization = 40},
    {"two failed beside two good", 2, 4, 4, 30, {500, 700, 0, 0}, {OK, OK, FAILED, FAILED}, .replicas = 4, .utilization = 60},
    {"scale down", 5, 5, 5, 50, {100, 300, 500, 250, 250}, .replicas = 3, .utilization = 28},
    {"last two unready", 5, 5, 5, 50, {100, 300, 500, 250, 250}, {OK, OK, OK, UNREADY, UNREADY}, .replicas = 2, .utilization = 30},
    {"four of five unscheduled", 5, 5, 1, 50, {100}, {OK, PENDING, PENDING, PENDING, PENDING}, .replicas = 1, .utilization = 10},
    {"within tolerance", 3, 3, 3, 100, {1010, 1030, 1020}, .request = {900, 1000, 1100}, .replicas = 3, .utilization = 102},
    {"more readings than pods", 4, 4, 6, 100, {4000, 9500, 3000, 7000, 3200, 2000}, .replicas = 24, .utilization = 587},
    {"missing two of four", 4, 4, 2, 100, {400, 95}, .replicas = 3, .utilization = 24},
    {"missing one of two, equal", 2, 2, 1, 100, {1000}, .replicas = 2, .utilization = 100},
    {"missing one of two, above", 2, 2, 1, 100, {1900}, .replicas = 2, .utilization = 190},
    {"missing one of two, below", 2, 2, 1, 100, {600}, .replicas = 2, .utilization = 60},
    {"missing and unready, no change", 3, 3, 2, 50, {100, 450}, {UNREADY}, .replicas = 3, .utilization = 45},
    {"missing and unready, up", 3, 3, 2, 50, {100, 2000}, {UNREADY}, .replicas = 4, .utilization = 200},
    {"missing and unready, down", 4, 4, 3, 50, {100, 100, 100}, {UNREADY}, .replicas = 3, .utilization = 10},
    {"surge of a rolling update", 2, 3, 2, 50, {100, 100}, .replicas = 2, .utilization = 10},
    {"no readings", 3, 3, 0, 50, {0}, .fails = true},
    {"no request set", 3, 3, 3, 50, {200, 200, 200}, .request = {-1, -1, -1}, .fails = true},
    {"readings of other pods only", 3, 3, 3, 50, {200, 200, 200}, .first_reading = 50, .fails = true},
};

/* Not rows of the reference: its sections 1.2 and 1.3 where the rows above say nothing. */
static const struct cpu_row cpu_notes[] = {
    {"deleting pods do not count", 2, 3, 3, 30, {500, 700, 9000}, {OK, OK, DELETING}, .replicas = 4, .utilization = 60},
    {"a reading older than readiness is unready", 3, 3, 3, 30, {300, 500, 700}, {LATE}, .replicas = 4, .utilization = 60},
    {"truncated to whole percent: 55.9 of 50 in tolerance", 1, 1, 1, 50, {559}, .replicas = 1, .utilization = 55},
    {"56 of 50 is not", 1, 1, 1, 50, {560}, .replicas = 2, .utilization = 56},
    {"missing pods count at the target above 100", 2, 2, 1, 150, {300}, .replicas = 2, .utilization = 30},
    {"the ready count, not current", 9, 3, 3, 50, {100, 100, 100}, .replicas = 1, .utilization = 10},
};
// clang-format on

static struct hpa_pod pod_of(enum state state, int id, int request)
{
    struct hpa_pod pod = {.id = id,
                          .phase = state == PENDING  ? POD_PENDING
                                   : state == FAILED ? POD_FAILED
                                                     : POD_RUNNING,
                          .deleting = state == DELETING,
                          .has_ready_condition = state != PENDING,
                          .ready = state != UNREADY && state != PENDING,
                          .has_start_time = true,
                          .start_time_s = NOW_S - 120.0,
                          .ready_changed_s = state == LATE ? NOW_S - 5.0 : NOW_S - 100.0,
                          .request_milli = request < 0 ? 0 : 2 * (request == 0 ? 1000 : request)};
    return pod;
}

static void check_cpu_row(const struct cpu_row *row)
{
    struct hpa_pod pods[ROW_PODS];
    struct hpa_reading readings[ROW_PODS];
    for (int i = 0; i < row->n_pods; i++)
        pods[i] = pod_of(row->state[i], i, row->request[i]);
    for (int i = 0; i < row->n_levels; i++)
        readings[i] = (struct hpa_reading){row->first_reading + i, 2 * row->level[i], NOW_S - 10.0, 60.0};
    struct hpa_view view = {pods, row->n_pods, readings, row->n_levels, NOW_S};
    struct hpa_proposal p = {0};
    struct err e = {0};
    bool done = hpa_cpu_utilization(rules, &view, row->current, row->target, &p, &e);
    ck_assert_msg(done == !row->fails, "%s: %s", row->name, done ? "should fail" : e.message);
    ck_assert_msg(p.replicas == row->replicas && p.utilization_percent == row->utilization,
                  "%s: got %d at %d %%, want %d at %d %%", row->name, p.replicas, p.utilization_percent, row->replicas,
                  row->utilization);
}

START_TEST(cpu)
{
    size_t n_rows = sizeof cpu_rows / sizeof *cpu_rows;
    size_t n_notes = sizeof cpu_notes / sizeof *cpu_notes;
    for (size_t i = 0; i < n_rows; i++)
        check_cpu_row(&cpu_rows[i]);
    for (size_t i = 0; i < n_notes; i++)
        check_cpu_row(&cpu_notes[i]);
    printf("hpa rows checked: %zu cpu (and %zu notes)\n", n_rows, n_notes);
}
END_TEST

enum total_type { POD_AVERAGE, TOTAL_VALUE, TOTAL_AVERAGE };

struct metric_row {
    const char *name;
    enum total_type type;
    int current, ready;
    int64_t usage, target;
    int replicas;
    int n_levels;
    int level[ROW_PODS];
    enum state state[ROW_PODS];
};

// clang-format off
static const struct metric_row metric_rows[] = {
    {"pod metric", POD_AVERAGE, 3, 3, 0, 15000, 4, 3, {20000, 10000, 30000}, {OK}},
    {"pod metric down", POD_AVERAGE, 5, 5, 0, 20000, 3, 5, {10000, 10000, 10000, 10000, 10000}, {OK}},
    {"pod metric within tolerance", POD_AVERAGE, 3, 3, 0, 20666, 3, 3, {20000, 21000, 21000}, {OK}},
    {"pod metric does not look at readiness", POD_AVERAGE, 3, 3, 0, 15000, 6, 3, {50000, 15000, 25000}, {UNREADY, OK, UNREADY}},
    {"pod metric, missing going up", POD_AVERAGE, 2, 2, 0, 15000, 2, 1, {20000}, {OK}},
    {"object value", TOTAL_VALUE, 3, 3, 20000, 15000, 4, 0, {0}, {0}},
    {"object per pod", TOTAL_AVERAGE, 3, 3, 20000, 5000, 4, 0, {0}, {0}},
    {"external value", TOTAL_VALUE, 1, 1, 8600, 4400, 2, 0, {0}, {0}},
    {"external per pod", TOTAL_AVERAGE, 3, 3, 8600, 2150, 4, 0, {0}, {0}},
    {"external down", TOTAL_VALUE, 5, 5, 8600, 14334, 3, 0, {0}, {0}},
    {"external per pod down", TOTAL_AVERAGE, 5, 5, 8600, 2867, 3, 0, {0}, {0}},
    {"external tolerance", TOTAL_VALUE, 3, 3, 8600, 8888, 3, 0, {0}, {0}},
    {"external per pod tolerance", TOTAL_AVERAGE, 3, 3, 8600, 2900, 3, 0, {0}, {0}},
    {"value counts ready pods", TOTAL_VALUE, 5, 3, 20000, 10000, 6, 0, {0}, {0}},
    {"value from zero", TOTAL_VALUE, 0, 0, 20000, 15000, 2, 0, {0}, {0}},
    {"per pod from zero", TOTAL_AVERAGE, 0, 0, 20000, 15000, 2, 0, {0}, {0}},
    {"value overflow is capped", TOTAL_VALUE, 10, 10, INT64_MAX / 2, 1, 2147483647, 0, {0}, {0}},
};
// clang-format on

static int pod_average(const struct metric_row *row)
{
    struct hpa_pod pods[ROW_PODS];
    struct hpa_reading readings[ROW_PODS];
    for (int i = 0; i < row->ready; i++)
        pods[i] = pod_of(row->state[i], i, 0);
    for (int i = 0; i < row->n_levels; i++)
        readings[i] = (struct hpa_reading){i, row->level[i], NOW_S, 60.0};
    struct hpa_view view = {pods, row->ready, readings, row->n_levels, NOW_S};
    struct hpa_proposal p = {0};
    ck_assert(hpa_pod_average(rules, &view, row->current, row->target, &p, NULL));
    return p.replicas;
}

static int check_metric_rows(void)
{
    int n = (int)(sizeof metric_rows / sizeof *metric_rows);
    for (int i = 0; i < n; i++) {
        const struct metric_row *row = &metric_rows[i];
        int got = row->type == POD_AVERAGE   ? pod_average(row)
                  : row->type == TOTAL_VALUE ? hpa_total_value(rules, row->usage, row->target, row->ready, row->current)
                                             : hpa_total_average(rules, row->usage, row->target, row->current);
        ck_assert_msg(got == row->replicas, "%s: got %d, want %d", row->name, got, row->replicas);
    }
    return n;
}

START_TEST(pod_object_and_external_metrics)
{
    printf("hpa rows checked: %d pod, object and external\n", check_metric_rows());
}
END_TEST

struct rate_row {
    const char *name;
    bool unset;
    int min, max, current, desired;
    int up[3], down[3]; /* events within the period; 0: none */
    struct hpa_rules rules;
    int replicas;
};

#define PODS(v)                                                                                                        \
    {                                                                                                                  \
        HPA_PODS, v, 60.0                                                                                              \
    }
#define PERCENT(v)                                                                                                     \
    {                                                                                                                  \
        HPA_PERCENT, v, 60.0                                                                                           \
    }
#define ONE(a)                                                                                                         \
    {                                                                                                                  \
        .rule = {a}, .n_rules = 1                                                                                      \
    }
#define TWO(a, b)                                                                                                      \
    {                                                                                                                  \
        .rule = {a, b}, .n_rules = 2                                                                                   \
    }
#define LEAST(a, b)                                                                                                    \
    {                                                                                                                  \
        .rule = {a, b}, .n_rules = 2, .select = HPA_SELECT_MIN                                                         \
    }
#define NONE(a)                                                                                                        \
    {                                                                                                                  \
        .rule = {a}, .n_rules = 1, .select = HPA_SELECT_DISABLED                                                       \
    }
#define FREE                                                                                                           \
    {                                                                                                                  \
        .rule = {PERCENT(100000)}, .n_rules = 1                                                                        \
    }

// clang-format off
static const struct rate_row rate_rows[] = {
    {"inside the limits", false, 3, 8, 5, 7, {0}, {0}, FREE, 7},
    {"below min", false, 2, 10, 3, 1, {0}, {0}, ONE(PERCENT(100)), 2},
    {"min 0", false, 0, 10, 1, 0, {0}, {0}, ONE(PERCENT(100)), 0},
    {"above max", false, 1, 10, 20, 1000, {0}, {0}, FREE, 10},
    {"no behaviour", true, 1, 2000, 3, 1000, {0}, {0}, FREE, 6},
    {"default up", false, 1, 1000, 10, 50, {0}, {0}, TWO(PODS(4), PERCENT(100)), 20},
    {"100 pods and 100 %", false, 1, 1000, 10, 500, {0}, {0}, TWO(PODS(100), PERCENT(100)), 110},
    {"2 pods and 100 %", false, 1, 1000, 10, 500, {0}, {0}, TWO(PODS(2), PERCENT(100)), 20},
    {"30 pods", false, 1, 1000, 10, 50, {0}, {0}, ONE(PODS(30)), 40},
    {"200 %", false, 1, 1000, 10, 50, {0}, {0}, ONE(PERCENT(200)), 30},
    {"1 %", false, 1, 1000, 3, 1000, {0}, {0}, ONE(PERCENT(1)), 4},
    {"down 20 pods and 1 %", false, 1, 1000, 100, 2, {0}, {0}, TWO(PODS(20), PERCENT(1)), 80},
    {"down 2 pods and 1 %", false, 1, 1000, 100, 2, {0}, {0}, TWO(PODS(2), PERCENT(1)), 98},
    {"down 5 pods", false, 1, 1000, 10, 2, {0}, {0}, ONE(PODS(5)), 5},
    {"down 100 %, min 5", false, 5, 1000, 10, 2, {0}, {0}, ONE(PERCENT(100)), 5},
    {"down 100 pods, min 1", false, 1, 1000, 10, 0, {0}, {0}, ONE(PODS(100)), 1},
    {"up events, 5 pods", false, 1, 1000, 100, 500, {1, 5, 9}, {0}, ONE(PODS(5)), 100},
    {"up events, 150 pods", false, 1, 1000, 100, 500, {1, 5, 9}, {0}, ONE(PODS(150)), 235},
    {"up events, 200 %", false, 1, 1000, 100, 500, {1, 5, 9}, {0}, ONE(PERCENT(200)), 255},
    {"up 4 and down 2, 300 %", false, 1, 1000, 6, 24, {4}, {2}, ONE(PERCENT(300)), 16},
    {"down events, 50 %", false, 1, 1000, 100, 0, {0}, {2, 4, 6}, ONE(PERCENT(50)), 56},
    {"down events, 115 pods", false, 1, 1000, 100, 0, {0}, {1, 5, 9}, ONE(PODS(115)), 1},
    {"down events, 130 pods, min 5", false, 5, 1000, 100, 0, {0}, {1, 5, 9}, ONE(PODS(130)), 5},
    {"down events, 5 pods", false, 1, 1000, 100, 0, {0}, {1, 5, 9}, ONE(PODS(5)), 100},
    {"up 2, down 4, 50 %", false, 1, 1000, 10, 1, {2}, {4}, ONE(PERCENT(50)), 6},
    {"least, up", false, 1, 1000, 1, 10, {0}, {0}, LEAST(PODS(2), PERCENT(50)), 2},
    {"least, down", false, 1, 1000, 5, 1, {0}, {0}, LEAST(PODS(2), PERCENT(50)), 3},
};
static const struct rate_row rate_notes[] = {
    {"disabled up", false, 1, 1000, 5, 9, {0}, {0}, NONE(PODS(2)), 5},
    {"disabled down", false, 1, 1000, 5, 1, {0}, {0}, NONE(PODS(2)), 5},
    {"no behaviour, at least 4", true, 1, 1000, 1, 1000, {0}, {0}, FREE, 4},
    {"no behaviour, down at once", true, 1, 1000, 50, 3, {0}, {0}, FREE, 3},
};
// clang-format on

static void check_rate_row(const struct rate_row *row)
{
    struct hpa_behaviour b = {.unset = row->unset, .up = row->rules, .down = row->rules};
    struct hpa_history h = {0};
    hpa_note_scaled(&h, &b, NOW_S - 200.0, 1, 500); // long before the period: must not count
    for (int i = 0; i < 3; i++) {
        hpa_note_scaled(&h, &b, NOW_S - 10.0 - i, 0, row->up[i]);
        hpa_note_scaled(&h, &b, NOW_S - 20.0 - i, row->down[i], 0);
    }
    int got = hpa_clamp(hpa_rate(&b, &h, NOW_S, row->current, row->desired), row->min, row->max);
    ck_assert_msg(got == row->replicas, "%s: got %d, want %d", row->name, got, row->replicas);
}

START_TEST(limits_and_rates)
{
    size_t n_rows = sizeof rate_rows / sizeof *rate_rows;
    size_t n_notes = sizeof rate_notes / sizeof *rate_notes;
    for (size_t i = 0; i < n_rows; i++)
        check_rate_row(&rate_rows[i]);
    for (size_t i = 0; i < n_notes; i++)
        check_rate_row(&rate_notes[i]);
    printf("hpa rows checked: %zu limits and rates (and %zu notes)\n", n_rows, n_notes);
}
END_TEST

struct window_row {
    const char *name;
    bool unset;
    double up_window_s, down_window_s;
    int current, desired;
    int past[4];
    double minutes_ago[4];
    int replicas;
};

// clang-format off
static const struct window_row window_rows[] = {
    {"the largest of the window", true, 0, 300, 100, 3, {4, 5}, {2, 1}, 5},
    {"all outside", true, 0, 300, 100, 3, {10, 9}, {10, 9}, 3},
    {"some outside", true, 0, 300, 100, 3, {10, 4, 5, 9}, {10, 1, 2, 9}, 5},
    {"up window", false, 300, 0, 1, 7, {4, 5}, {2, 1}, 4},
    {"down window", false, 0, 180, 100, 3, {4, 5}, {2, 1}, 5},
    {"both windows, down", false, 300, 300, 2, 1, {2, 3}, {100, 3}, 2},
    {"both windows, up", false, 300, 300, 2, 3, {2, 1}, {100, 3}, 2},
};
static const struct window_row window_notes[] = {
    {"default up window is none", false, 0, 300, 2, 9, {1, 1}, {1, 2}, 9},
    {"a greater wish of the past does not scale up", false, 0, 300, 4, 3, {9}, {1}, 4},
};
// clang-format on

static void check_window_row(const struct window_row *row)
{
    struct hpa_behaviour b = hpa_behaviour_default();
    b.unset = row->unset;
    b.up.window_s = row->up_window_s;
    b.down.window_s = row->down_window_s;
    struct hpa_history h = {0};
    for (int i = 0; i < 4 && row->past[i] > 0; i++)
        hpa_note(&h, &b, NOW_S - 60.0 * row->minutes_ago[i], row->past[i]);
    int got = hpa_stabilise(&b, &h, NOW_S, row->current, row->desired);
    ck_assert_msg(got == row->replicas, "%s: got %d, want %d", row->name, got, row->replicas);
}

START_TEST(stabilisation)
{
    size_t n_rows = sizeof window_rows / sizeof *window_rows;
    size_t n_notes = sizeof window_notes / sizeof *window_notes;
    for (size_t i = 0; i < n_rows; i++)
        check_window_row(&window_rows[i]);
    for (size_t i = 0; i < n_notes; i++)
        check_window_row(&window_notes[i]);
    printf("hpa rows checked: %zu stabilisation (and %zu notes)\n", n_rows, n_notes);
}
END_TEST

/* An hour at a recommendation a second: the first of 3600 is still the highest. */
START_TEST(a_long_window_is_kept_whole)
{
    struct hpa_behaviour b = hpa_behaviour_default();
    struct hpa_history h = {0};
    b.down.window_s = 3600.0;
    for (int t = 0; t < 3600; t++)
        hpa_note(&h, &b, t, t == 0 ? 9 : t == 1 ? 7 : 5 + t % 2);
    ck_assert_int_eq(hpa_stabilise(&b, &h, 3599.0, 9, 5), 9);
    ck_assert_int_eq(hpa_stabilise(&b, &h, 3600.0, 9, 5), 7);
    ck_assert_int_eq(hpa_stabilise(&b, &h, 3601.0, 9, 5), 6);
}
END_TEST

START_TEST(obsolete_slots_are_used_again)
{
    struct hpa_behaviour b = hpa_behaviour_default();
    struct hpa_history h = {0};
    for (int i = 0; i < 100000; i++)
        hpa_note(&h, &b, 15.0 * i, i);
    ck_assert_int_le(h.n_recommendations, 22); // 300 s / 15 s + this one + one obsolete
}
END_TEST

static int cpu_at_30(void)
{
    struct cpu_row row = {"", 3, 3, 3, 30, {300, 400, 500}, .replicas = 0};
    struct hpa_pod pods[3];
    struct hpa_reading readings[3];
    for (int i = 0; i < 3; i++) {
        pods[i] = pod_of(OK, i, 0);
        readings[i] = (struct hpa_reading){i, 2 * row.level[i], NOW_S, 60.0};
    }
    struct hpa_view view = {pods, 3, readings, 3, NOW_S};
    struct hpa_proposal p = {0};
    ck_assert(hpa_cpu_utilization(rules, &view, 3, 30, &p, NULL));
    return p.replicas;
}

START_TEST(several_metrics)
{
    bool valid = false;
    struct hpa_metric_result up[] = {{true, cpu_at_30()}, {false, 0}};
    ck_assert_int_eq(hpa_combine(up, 2, 3, &valid), 4);
    ck_assert(valid);
    struct hpa_metric_result down[] = {{false, 0}, {true, 2}};
    ck_assert_int_eq(hpa_combine(down, 2, 5, &valid), 5);
    ck_assert(valid);
    printf("hpa rows checked: 2 several metrics\n");
    struct hpa_metric_result none[] = {{false, 9}, {false, 9}};
    ck_assert_int_eq(hpa_combine(none, 2, 5, &valid), 5);
    ck_assert(!valid);
    struct hpa_metric_result both[] = {{true, 2}, {true, 3}};
    ck_assert_int_eq(hpa_combine(both, 2, 5, &valid), 3);
}
END_TEST

/* What the operator's guide says of a count handed to an HPA as an external metric with AverageValue 1 (KEDA's metrics-api
 * scaler on GET /suggest): the tolerance of 0.1 swallows steps of one from ten replicas on, and 0 lets all of them through. */
START_TEST(a_tolerance_swallows_steps_of_one)
{
    static const struct {
        int current, suggested, usual, exact;
    } rows[] = {{9, 10, 10, 10},  {9, 8, 8, 8},     {10, 9, 10, 9},   {10, 12, 12, 12},
                {11, 12, 11, 12}, {11, 10, 11, 10}, {20, 22, 20, 22}, {20, 17, 17, 17}};
    struct hpa_rule_settings exact = hpa_rule_defaults;
    exact.tolerance_up = exact.tolerance_down = 0.0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t usage_milli = 1000 * rows[i].suggested;
        ck_assert_int_eq(hpa_total_average(rules, usage_milli, 1000, rows[i].current), rows[i].usual);
        ck_assert_int_eq(hpa_total_average(&exact, usage_milli, 1000, rows[i].current), rows[i].exact);
    }
    for (int current = 1; current <= 100; current++)
        for (int suggested = 1; suggested <= 100; suggested++)
            ck_assert_int_eq(hpa_total_average(&exact, 1000 * (int64_t)suggested, 1000, current), suggested);
}
END_TEST

static int proposal(struct policy *hpa, const struct sample *sample)
{
    const struct target target = {.name = "shop/web", .min_replicas = 1, .max_replicas = 20};
    struct policy_input in = {.sample = sample, .target = &target, .period_s = 15};
    struct policy_output out;
    struct err e = {0};
    policy_reset(hpa, 1, sample);
    ck_assert_msg(policy_act(hpa, &in, &out, &e), "%s", e.message);
    return out.hold ? -1 : out.replicas;
}

START_TEST(cpu_that_is_no_number_is_missing)
{
    static const double nonsense[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -5.0, 1e300};
    struct pod_record pods[2];
    struct sample sample = {.time_s = 10000, .ready = 2, .n_pods = 2, .pods = pods};
    struct control control = {.target = {.min_replicas = 1, .max_replicas = 20}};
    struct policy *hpa;
    struct err e = {0};
    ck_assert_msg(registry_open("hpa:target=50", &control, &hpa, &e), "%s", e.message);
    sample.signals[SIGNAL_REPLICAS] = (struct reading){2, 0, VALIDITY_VALID};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        for (int k = 0; k < 2; k++)
            pods[k] = (struct pod_record){.cpu_percent = 180,
                                          .cpu_sample_time_s = 9995,
                                          .cpu_window_s = 15,
                                          .cpu_request_percent = 100,
                                          .start_time_s = 1000,
                                          .ready_changed_s = 1100,
                                          .phase = POD_RUNNING,
                                          .has_cpu = true,
                                          .has_start_time = true,
                                          .has_ready_condition = true,
                                          .ready = true};
        int both = proposal(hpa, &sample);
        pods[1].has_cpu = false;
        int one = proposal(hpa, &sample);
        ck_assert_int_ne(one, both);
        pods[1].has_cpu = true;
        pods[1].cpu_percent = nonsense[i];
        ck_assert_int_eq(proposal(hpa, &sample), one);
        pods[1].cpu_percent = 180;
        pods[1].cpu_request_percent = nonsense[i]; // as with none set: no utilisation, so no proposal
        ck_assert_int_eq(proposal(hpa, &sample), -1);
    }
    policy_close(hpa);
}
END_TEST

/* The count after one more decision: all pods as busy as can be. */
static int decide_at(struct policy *hpa, double time_s, int replicas)
{
    static struct pod_record pods[32];
    const struct target target = {.name = "shop/web", .min_replicas = 1, .max_replicas = 20};
    struct sample sample = {.time_s = time_s, .ready = replicas, .n_pods = replicas, .pods = pods};
    struct policy_input in = {.sample = &sample, .target = &target, .period_s = 15};
    struct policy_output out;
    struct err e = {0};
    sample.signals[SIGNAL_REPLICAS] = (struct reading){replicas, 0, VALIDITY_VALID};
    for (int i = 0; i < replicas; i++)
        pods[i] = (struct pod_record){.cpu_percent = 900,
                                      .cpu_sample_time_s = time_s - 5,
                                      .cpu_window_s = 15,
                                      .cpu_request_percent = 100,
                                      .start_time_s = 1000,
                                      .ready_changed_s = 1100,
                                      .phase = POD_RUNNING,
                                      .has_cpu = true,
                                      .has_start_time = true,
                                      .has_ready_condition = true,
                                      .ready = true};
    if (replicas == 1)
        policy_reset(hpa, 1, &sample);
    ck_assert_msg(policy_act(hpa, &in, &out, &e), "%s", e.message);
    return out.replicas;
}

/* At most four more or twice as many in 15 s. What was done a period ago is no part of this one, though the loop's clock ran
 * a little short; what was done well within it is. */
START_TEST(a_period_a_little_short_is_a_period)
{
    static const struct {
        double steps_s[2];
        int counts[2];
    } rows[] = {{{15, 15}, {10, 20}},
                {{14.9, 14.2}, {10, 20}},
                {{14.1, 15.9}, {10, 20}},
                {{14.0, 15.0}, {5, 10}},
                {{10.0, 5.0}, {5, 10}}};
    struct control control = {.target = {.min_replicas = 1, .max_replicas = 20}};
    struct policy *hpa;
    struct err e = {0};
    ck_assert_msg(registry_open("hpa:target=50", &control, &hpa, &e), "%s", e.message);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double time_s = 10000;
        int replicas = decide_at(hpa, time_s, 1);
        ck_assert_int_eq(replicas, 5);
        for (int k = 0; k < 2; k++) {
            time_s += rows[i].steps_s[k];
            replicas = decide_at(hpa, time_s, replicas);
            ck_assert_msg(replicas == rows[i].counts[k], "row %zu, step %d: %d", i, k, replicas);
        }
    }
    policy_close(hpa);
}
END_TEST

START_TEST(at_least_68_rows)
{
    size_t n = sizeof cpu_rows / sizeof *cpu_rows + sizeof metric_rows / sizeof *metric_rows +
               sizeof rate_rows / sizeof *rate_rows + sizeof window_rows / sizeof *window_rows + 2;
    printf("hpa rows checked: %zu in all\n", n);
    ck_assert_uint_ge(n, 68);
}
END_TEST

SUITE("hpa", cpu, pod_object_and_external_metrics, limits_and_rates, stabilisation, a_long_window_is_kept_whole,
      obsolete_slots_are_used_again, several_metrics, a_tolerance_swallows_steps_of_one,
      cpu_that_is_no_number_is_missing, a_period_a_little_short_is_a_period, at_least_68_rows)
