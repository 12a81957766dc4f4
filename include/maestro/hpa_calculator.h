/* hpa_calculator: how the Kubernetes HorizontalPodAutoscaler turns metrics into a wanted replica count, as pure functions
 * over plain arrays. The rules are those of k/k pkg/controller/podautoscaler (about 1.31 to 1.34), described in own words:
 *
 *   ignored  deletion timestamp or phase Failed;   unready  phase Pending;   missing  no reading
 *   CPU only: no Ready condition or no start time -> unready. Younger than cpu_initialization_s: unready if Ready is false
 *   or the reading is older than the last transition plus its window. Older: unready if Ready is false and the last
 *   transition came before start + readiness_delay_s (it was never ready).
 *
 *   ratio = integer percent of usage over requests / target; inside the tolerance -> current; else ceil(ratio x ready).
 *   With missing pods, or unready ones and ratio > 1, the ratio is taken again with careful assumptions: going down, each
 *   missing pod uses max(100, target) percent of its request (raw metrics: the target); going up, missing and unready
 *   ones use nothing. If that lands in the tolerance, or turns the direction round -> current. */
#ifndef MAESTRO_HPA_CALCULATOR_H
#define MAESTRO_HPA_CALCULATOR_H

#include <maestro/err.h>
#include <maestro/types.h>

struct hpa_pod {
    int id;
    enum pod_phase phase;
    bool deleting;
    bool has_ready_condition;
    bool ready;
    bool has_start_time;
    double start_time_s;
    double ready_changed_s;
    int64_t request_milli; /* sum over its containers; 0: some container has none */
};

struct hpa_reading {
    int pod_id;
    int64_t value_milli;
    double time_s;
    double window_s;
};

struct hpa_view {
    const struct hpa_pod *pods; /* [n_pods] that the selector matches */
    int n_pods;
    const struct hpa_reading *readings; /* [n_readings]; at most one a pod; those of unknown pods are skipped */
    int n_readings;
    double now_s;
};

struct hpa_rule_settings {
    double tolerance_up;
    double tolerance_down;
    double cpu_initialization_s;
    double readiness_delay_s;
};

struct hpa_proposal {
    int replicas;
    int utilization_percent; /* CPU; before any assumption */
    int64_t value_milli;     /* mean per pod or the total, as measured */
};

/* What one metric of several had to say. */
struct hpa_metric_result {
    bool valid;
    int replicas;
};

extern const struct hpa_rule_settings hpa_rule_defaults; /* tolerance 0.1, 300 s, 30 s */

/* CPU utilisation over request. Errors: a pod without request, no reading of a pod that counts, n_pods > PODS_LIMIT. */
MUST_CHECK bool hpa_cpu_utilization(const struct hpa_rule_settings *settings, const struct hpa_view *view, int current,
                                    int target_percent, struct hpa_proposal *out, struct err *e);

/* A metric of each pod, averaged against target_milli (type Pods, or Resource with AverageValue). */
MUST_CHECK bool hpa_pod_average(const struct hpa_rule_settings *settings, const struct hpa_view *view, int current,
                                int64_t target_milli, struct hpa_proposal *out, struct err *e);

/* Object and External metrics with target type Value: the total against the target, times the ready pods. */
int hpa_total_value(const struct hpa_rule_settings *settings, int64_t usage_milli, int64_t target_milli, int ready,
                    int current);

/* Object and External metrics with target type AverageValue: the total shared by all replicas. */
int hpa_total_average(const struct hpa_rule_settings *settings, int64_t usage_milli, int64_t target_milli, int current);

/* Several metrics: the largest wish; where one failed and the others would go down, nothing. All failed: current and
 * *any_valid false. */
int hpa_combine(const struct hpa_metric_result *results, int n_results, int current, bool *any_valid);

#endif
