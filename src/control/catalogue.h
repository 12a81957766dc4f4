/* catalogue: rows of the catalogue, shared by observation.c (values) and catalogue.c (names, lists, hash). The order of
 * rows is private to one build; files name features, never row numbers. */
#ifndef CONTROL_CATALOGUE_H
#define CONTROL_CATALOGUE_H

#include <maestro/observation.h>

// clang-format off
/* X(ROW, name, version, description). log2r(a, b) is log2 of a ratio; "load" is rps, floored;
 * R is spec.replicas. */
#define FEATURE_ROWS(X) \
    X(RAW_CPU,        "raw_cpu", 1, "cpu, percent of one core, as read") \
    X(RAW_MEMORY,     "raw_memory", 1, "memory over limit, as read") \
    X(RAW_REPLICAS,   "raw_replicas", 1, "spec.replicas, as read") \
    X(RAW_P95,        "raw_p95", 1, "p95, ms, as read") \
    X(RAW_RPS,        "raw_rps", 1, "rps, as read") \
    X(CPU,            "cpu", 1, "log2(1 + cpu in cores) / 4") \
    X(MEMORY,         "memory", 1, "memory over limit") \
    X(REPLICAS,       "replicas", 1, "R / max") \
    X(P95,            "p95", 1, "p95 / soft limit") \
    X(RPS,            "rps", 1, "log2(1 + rps) / 8") \
    X(TO_MIN,         "to_min", 1, "(R - min) / max") \
    X(TO_MAX,         "to_max", 1, "(max - R) / max") \
    X(ONE_SHARE,      "one_share", 1, "1 / R: what one replica means") \
    X(READY,          "ready", 1, "ready / R") \
    X(STARTING,       "starting", 1, "starting / R") \
    X(TERMINATING,    "terminating", 1, "terminating / R") \
    X(P95_SOFT,       "p95_soft", 1, "log2r(p95, soft)") \
    X(P95_HARD,       "p95_hard", 1, "p95 / hard limit") \
    X(OVER_SOFT,      "over_soft", 1, "1 if p95 is over the soft limit") \
    X(P95_TREND,      "p95_trend", 1, "log2r(p95, p95 one period ago)") \
    X(RPS_READY,      "rps_ready", 1, "log2r(load / ready, its 30 min mean)") \
    X(CPU_READY,      "cpu_ready", 1, "cpu in cores / ready") \
    X(CPU_REQUEST,    "cpu_request", 1, "cpu / (request x ready); request unknown: 0") \
    X(REQUEST_KNOWN,  "request_known", 1, "1 if the CPU request is known") \
    X(CPU_TREND,      "cpu_trend", 1, "log2r(cpu per ready replica, its 5 min mean)") \
    X(HPA_GAP,        "hpa_gap", 1, "log2r(replicas for 60 % of request, R)") \
    X(DEMAND,         "demand", 1, "load in replicas (load x CPU per request / request) over R") \
    X(DEMAND_LOG,     "demand_log", 1, "log2 of demand") \
    X(DEMAND_READY,   "demand_ready", 1, "log2 of load in replicas over ready") \
    X(TREND_1,        "trend_1", 1, "log2r(load, mean rps over 1 min)") \
    X(TREND_2,        "trend_2", 1, "log2r(load, mean rps over 2 min)") \
    X(TREND_5,        "trend_5", 1, "log2r(load, mean rps over 5 min)") \
    X(TREND_10,       "trend_10", 1, "log2r(load, mean rps over 10 min)") \
    X(BURST_5,        "burst_5", 1, "log2(1 + 10 x mean relative change of the period's load, 5 min)") \
    X(BURST_30,       "burst_30", 1, "the same over 30 min") \
    X(PEAK_10,        "peak_10", 1, "log2r(load peak decaying over 10 min, load)") \
    X(PEAK_40,        "peak_40", 1, "log2r(load peak decaying over 40 min, load)") \
    X(PEAK_10_DEMAND, "peak_10_demand", 1, "log2 of that 10 min peak in replicas over R") \
    X(PEAK_40_DEMAND, "peak_40_demand", 1, "log2 of that 40 min peak in replicas over R") \
    X(PROVEN,         "proven", 1, "log2r(load / R, highest load per replica lately seen within soft)") \
    X(PROVEN_PEAK,    "proven_peak", 1, "the same for the 10 min peak") \
    X(BROKEN,         "broken", 1, "log2r(load / R, lowest load per replica lately seen over soft); none: -3") \
    X(OVER_10,        "over_10", 1, "log2(1 + 100 x share of time over soft, 10 min) / 2") \
    X(OVER_60,        "over_60", 1, "the same over 60 min: the SLO budget spent") \
    X(EXECUTED_1,     "executed_1", 1, "change of R in the last period / 4") \
    X(EXECUTED_2,     "executed_2", 1, "change of R two periods ago / 4") \
    X(EXECUTED_3,     "executed_3", 1, "change of R three periods ago / 4") \
    X(EXECUTED_4,     "executed_4", 1, "change of R four periods ago / 4") \
    X(SINCE_UP,       "since_up", 1, "4 / (4 + periods since the last increase)") \
    X(SINCE_DOWN,     "since_down", 1, "4 / (4 + periods since the last decrease)") \
    X(CPU_VALID,      "cpu_valid", 1, "1 if cpu is valid") \
    X(MEMORY_VALID,   "memory_valid", 1, "1 if memory is valid") \
    X(REPLICAS_VALID, "replicas_valid", 1, "1 if spec.replicas is valid") \
    X(P95_VALID,      "p95_valid", 1, "1 if p95 is valid") \
    X(RPS_VALID,      "rps_valid", 1, "1 if rps is valid") \
    X(P95_ABSENT,     "p95_absent", 1, "1 if there is no p95 for want of requests") \
    X(MEMORY_ABSENT,  "memory_absent", 1, "1 if there is no memory limit") \
    X(CPU_AGE,        "cpu_age", 1, "age of cpu, min") \
    X(P95_AGE,        "p95_age", 1, "age of p95, min") \
    X(RPS_AGE,        "rps_age", 1, "age of rps, min") \
    X(ERRORS,         "errors", 2, "10 x error ratio; not known or none asked: -1") \
    X(LIMIT_RATIO,    "limit_ratio", 1, "soft / hard limit") \
    X(MAX_LOG,        "max_log", 1, "log2(max replicas) / 4") \
    X(WARM,           "warm", 1, "n / (n + 20) after n periods: how far the means can be trusted") \
    X(PERIOD,         "period", 1, "control period, min") \
    FEATURE_FRAME(X, 1, "one period ago") \
    FEATURE_FRAME(X, 2, "two periods ago") \
    FEATURE_FRAME(X, 3, "three periods ago")

/* The main signals, in the order of observation_state.main. */
#define FEATURE_FRAME(X, LAG, AGO) \
    X(LAG_##LAG##_DEMAND,   "demand_log." #LAG, 1, "demand_log " AGO) \
    X(LAG_##LAG##_P95,      "p95_soft." #LAG, 1, "p95_soft " AGO) \
    X(LAG_##LAG##_CPU,      "cpu_ready." #LAG, 1, "cpu_ready " AGO) \
    X(LAG_##LAG##_REPLICAS, "replicas." #LAG, 1, "replicas " AGO) \
    X(LAG_##LAG##_READY,    "ready." #LAG, 1, "ready " AGO) \
    X(LAG_##LAG##_STARTING, "starting." #LAG, 1, "starting " AGO) \
    X(LAG_##LAG##_LOAD,     "load." #LAG, 1, "log2r(load " AGO ", load now)") \
    X(LAG_##LAG##_OVER,     "over_soft." #LAG, 1, "over_soft " AGO)
// clang-format on

#define FEATURE_ENUM(ROW, name, version, description) FEATURE_##ROW,
enum feature_row { FEATURE_ROWS(FEATURE_ENUM) FEATURE_COUNT };
#undef FEATURE_ENUM

_Static_assert(FEATURE_COUNT <= OBSERVATION_LIMIT, "the catalogue does not fit observation_state.value");

#endif
