/* hpa_calculator: the arithmetic of the Kubernetes HPA. In: pods, readings, a target. Out: the replica count it would ask
 * for, before stabilisation, rate rules and limits (hpa_behaviour). Knows no clock, no history and no policy seam. */
#include <maestro/hpa_calculator.h>

#include <limits.h>
#include <math.h>
#include <stddef.h>

const struct hpa_rule_settings hpa_rule_defaults = {0.1, 0.1, 300.0, 30.0};

enum group { GROUP_IGNORED, GROUP_UNREADY, GROUP_MISSING, GROUP_READY };

/* The metrics of one computation: one entry a pod that counts, real or assumed. */
struct tally {
    enum group group[PODS_LIMIT];
    int64_t value_milli[PODS_LIMIT]; /* measured; 0 where there is none */
    int n_ready, n_unready, n_missing;
};

struct totals {
    int64_t value_milli;
    int64_t request_milli;
    int n;
};

static int ceil_count(double x)
{
    if (x >= (double)INT_MAX)
        return INT_MAX;
    return x <= 0.0 ? 0 : (int)ceil(x);
}

static bool within_tolerance(const struct hpa_rule_settings *s, double ratio)
{
    return 1.0 - s->tolerance_down <= ratio && ratio <= 1.0 + s->tolerance_up;
}

static const struct hpa_reading *reading_of(const struct hpa_view *view, int pod_id)
{
    for (int i = 0; i < view->n_readings; i++)
        if (view->readings[i].pod_id == pod_id)
            return &view->readings[i];
    return NULL;
}

static bool cpu_unready(const struct hpa_rule_settings *s, const struct hpa_pod *pod, const struct hpa_reading *reading,
                        double now_s)
{
    if (!pod->has_ready_condition || !pod->has_start_time)
        return true;
    if (now_s < pod->start_time_s + s->cpu_initialization_s)
        return !pod->ready || reading->time_s < pod->ready_changed_s + reading->window_s;
    return !pod->ready && pod->ready_changed_s < pod->start_time_s + s->readiness_delay_s;
}

static enum group group_of(const struct hpa_rule_settings *s, const struct hpa_pod *pod,
                           const struct hpa_reading *reading, bool is_cpu, double now_s)
{
    if (pod->deleting || pod->phase == POD_FAILED)
        return GROUP_IGNORED;
    if (pod->phase == POD_PENDING)
        return GROUP_UNREADY;
    if (!reading)
        return GROUP_MISSING;
    return is_cpu && cpu_unready(s, pod, reading, now_s) ? GROUP_UNREADY : GROUP_READY;
}

static bool tally_pods(const struct hpa_rule_settings *s, const struct hpa_view *view, bool is_cpu, struct tally *t,
                       struct err *e)
{
    if (view->n_pods > PODS_LIMIT)
        return err_set(e, ERR_FORMAT, "hpa: %d pods are more than the %d it can hold", view->n_pods, PODS_LIMIT);
    *t = (struct tally){0};
    for (int i = 0; i < view->n_pods; i++) {
        const struct hpa_pod *pod = &view->pods[i];
        const struct hpa_reading *reading = reading_of(view, pod->id);
        if (is_cpu && pod->request_milli <= 0)
            return err_set(e, ERR_FORMAT, "hpa: pod %d has no CPU request", pod->id);
        t->group[i] = group_of(s, pod, reading, is_cpu, view->now_s);
        t->value_milli[i] = reading ? reading->value_milli : 0;
        t->n_ready += t->group[i] == GROUP_READY;
        t->n_unready += t->group[i] == GROUP_UNREADY;
        t->n_missing += t->group[i] == GROUP_MISSING;
    }
    if (t->n_ready == 0)
        return err_set(e, ERR_FORMAT, "hpa: no metrics returned matched known pods");
    return true;
}

static struct totals sum_ready(const struct hpa_view *view, const struct tally *t)
{
    struct totals sum = {0};
    for (int i = 0; i < view->n_pods; i++) {
        if (t->group[i] != GROUP_READY)
            continue;
        sum.value_milli += t->value_milli[i];
        sum.request_milli += view->pods[i].request_milli;
        sum.n++;
    }
    return sum;
}

/* Adds the pods that only an assumption can speak for. missing_milli is per 100 milli of request where by_request. */
static void assume(const struct hpa_view *view, const struct tally *t, double ratio, int64_t missing_milli,
                   bool by_request, struct totals *sum)
{
    for (int i = 0; i < view->n_pods; i++) {
        bool missing = t->group[i] == GROUP_MISSING && ratio != 1.0;
        bool unready = t->group[i] == GROUP_UNREADY && ratio > 1.0;
        if (!missing && !unready)
            continue;
        int64_t request_milli = view->pods[i].request_milli;
        if (missing && ratio < 1.0)
            sum->value_milli += by_request ? request_milli * missing_milli / 100 : missing_milli;
        sum->request_milli += request_milli;
        sum->n++;
    }
}

static bool has_turned(double ratio, double new_ratio)
{
    return (ratio < 1.0 && new_ratio > 1.0) || (ratio > 1.0 && new_ratio < 1.0);
}

/* The count from a ratio taken again with n metrics, real and assumed. */
static int careful_count(const struct hpa_rule_settings *s, double ratio, double new_ratio, int n, int current)
{
    if (within_tolerance(s, new_ratio) || has_turned(ratio, new_ratio))
        return current;
    int wanted = ceil_count(new_ratio * n);
    bool against = (new_ratio < 1.0 && wanted > current) || (new_ratio > 1.0 && wanted < current);
    return against ? current : wanted;
}

static bool is_simple(const struct tally *t, double ratio)
{
    return t->n_missing == 0 && !(t->n_unready > 0 && ratio > 1.0);
}

static double utilization_ratio(const struct totals *sum, int target_percent, int *percent)
{
    int64_t whole = 100 * sum->value_milli / sum->request_milli; // truncated, as the original does
    *percent = (int)whole;
    return (double)whole / target_percent;
}

bool hpa_cpu_utilization(const struct hpa_rule_settings *settings, const struct hpa_view *view, int current,
                         int target_percent, struct hpa_proposal *out, struct err *e)
{
    struct tally t;
    if (!tally_pods(settings, view, true, &t, e))
        return false;
    struct totals sum = sum_ready(view, &t);
    struct hpa_proposal p = {.replicas = current, .value_milli = sum.value_milli / sum.n};
    double ratio = utilization_ratio(&sum, target_percent, &p.utilization_percent);
    if (is_simple(&t, ratio)) {
        if (!within_tolerance(settings, ratio))
            p.replicas = ceil_count(ratio * t.n_ready);
    } else {
        int ignored;
        assume(view, &t, ratio, target_percent > 100 ? target_percent : 100, true, &sum);
        double new_ratio = utilization_ratio(&sum, target_percent, &ignored);
        p.replicas = careful_count(settings, ratio, new_ratio, sum.n, current);
    }
    *out = p;
    return true;
}

bool hpa_pod_average(const struct hpa_rule_settings *settings, const struct hpa_view *view, int current,
                     int64_t target_milli, struct hpa_proposal *out, struct err *e)
{
    struct tally t;
    if (!tally_pods(settings, view, false, &t, e))
        return false;
    struct totals sum = sum_ready(view, &t);
    struct hpa_proposal p = {.replicas = current, .value_milli = sum.value_milli / sum.n};
    double ratio = (double)p.value_milli / (double)target_milli;
    if (is_simple(&t, ratio)) {
        if (!within_tolerance(settings, ratio))
            p.replicas = ceil_count(ratio * t.n_ready);
    } else {
        assume(view, &t, ratio, target_milli, false, &sum);
        int64_t new_mean_milli = sum.value_milli / sum.n;
        p.replicas = careful_count(settings, ratio, (double)new_mean_milli / (double)target_milli, sum.n, current);
    }
    *out = p;
    return true;
}

int hpa_total_value(const struct hpa_rule_settings *settings, int64_t usage_milli, int64_t target_milli, int ready,
                    int current)
{
    double ratio = (double)usage_milli / (double)target_milli;
    if (current == 0)
        return ceil_count(ratio);
    return within_tolerance(settings, ratio) ? current : ceil_count(ratio * ready);
}

int hpa_total_average(const struct hpa_rule_settings *settings, int64_t usage_milli, int64_t target_milli, int current)
{
    double wanted = (double)usage_milli / (double)target_milli;
    if (current > 0 && within_tolerance(settings, wanted / current))
        return current;
    return ceil_count(wanted);
}

int hpa_combine(const struct hpa_metric_result *results, int n_results, int current, bool *any_valid)
{
    int largest = 0;
    int n_valid = 0;
    for (int i = 0; i < n_results; i++) {
        if (!results[i].valid)
            continue;
        if (n_valid++ == 0 || results[i].replicas > largest)
            largest = results[i].replicas;
    }
    *any_valid = n_valid > 0;
    if (n_valid == 0 || (n_valid < n_results && largest < current))
        return current;
    return largest;
}
