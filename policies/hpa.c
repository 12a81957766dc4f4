/* hpa: the Kubernetes HPA behind the policy seam. In: a sample with pod records. Out: an absolute replica count, or hold
 * where the metrics do not allow one. The arithmetic is hpa_calculator's, windows, rules and limits are hpa_behaviour's;
 * here are only the order of things and the history of one target. */
#include <maestro/hpa.h>

#include <maestro/hpa_behaviour.h>
#include <maestro/hpa_calculator.h>

#include "policies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY(name, type, field, fallback, low, high, unit, text)                                                        \
    {                                                                                                                  \
        name, type, offsetof(struct hpa_config, field), fallback, low, high, unit, NULL, text                          \
    }

const struct config_key hpa_config_keys[] = {
    KEY("target", CONFIG_INT, target_percent, "60", 1, 1000, "percent", "CPU utilisation to hold, percent of request."),
    KEY("window", CONFIG_DOUBLE, window_s, "300", 0, 3600, "s", "Stabilisation window of scaling down."),
    KEY("up_window", CONFIG_DOUBLE, up_window_s, "0", 0, 3600, "s", "Stabilisation window of scaling up."),
    KEY("tolerance", CONFIG_DOUBLE, tolerance, "0.1", 0, 10, NULL, "Ratios this near to 1 change nothing."),
    KEY("initialization", CONFIG_DOUBLE, initialization_s, "300", 0, 86400, "s",
        "Age below which a pod's CPU counts only if it is ready and was measured after it became so."),
    KEY("readiness_delay", CONFIG_DOUBLE, readiness_s, "30", 0, 86400, "s",
        "Age up to which a transition to unready counts as never having been ready."),
    KEY("sync", CONFIG_DOUBLE, sync_s, "15", 1, 3600, "s", "How often it decides."),
    KEY("behaviour", CONFIG_BOOL, behaviour, "on", 0, 0, NULL,
        "Off: no behavior field; scaling up is limited to max(2 x current, 4)."),
};
const int n_hpa_config_keys = sizeof hpa_config_keys / sizeof *hpa_config_keys;

/* Share of a sync period by which a live loop may miss it: three ticks of 5 s that each are up to 0.25 s off, and a look. */
static const double SYNC_SLACK = 0.06;

struct hpa {
    struct policy policy; /* first: the seam */
    int target_percent;
    struct hpa_rule_settings settings;
    struct hpa_behaviour behaviour;
    struct hpa_history history;
    double asked_s; /* when it was last asked */
    double ahead_s; /* of the history's clock before the samples' */
};

struct pod_arrays {
    struct hpa_pod pods[PODS_LIMIT];
    struct hpa_reading readings[PODS_LIMIT];
    struct hpa_view view;
};

static void hpa_reset(struct policy *policy, uint64_t seed, const struct sample *first)
{
    (void)seed;
    struct hpa *p = (struct hpa *)policy;
    int replicas;
    p->history = (struct hpa_history){0};
    p->asked_s = first->time_s;
    p->ahead_s = 0;
    if (policies_replicas(first, &replicas))
        hpa_note(&p->history, &p->behaviour, first->time_s, replicas);
}

/* What no pod can use or ask for, and what is no number at all, was not measured and not asked for. */
static bool is_cpu(double percent)
{
    return percent >= 0.0 && percent <= 1e9;
}

static bool has_cpu(const struct pod_record *r)
{
    return r->has_cpu && is_cpu(r->cpu_percent);
}

static struct hpa_pod pod_of(const struct pod_record *r, int id)
{
    return (struct hpa_pod){.id = id,
                            .phase = r->phase,
                            .deleting = r->deleting,
                            .has_ready_condition = r->has_ready_condition,
                            .ready = r->ready,
                            .has_start_time = r->has_start_time,
                            .start_time_s = r->start_time_s,
                            .ready_changed_s = r->ready_changed_s,
                            .request_milli =
                                is_cpu(r->cpu_request_percent) ? llround(10.0 * r->cpu_request_percent) : 0};
}

/* One percent of a core is ten milli-cores. */
static void read_pods(const struct sample *sample, struct pod_arrays *a)
{
    int n = sample->pods ? sample->n_pods : 0;
    if (n > PODS_LIMIT)
        n = PODS_LIMIT;
    a->view = (struct hpa_view){a->pods, n, a->readings, 0, sample->time_s};
    for (int i = 0; i < n; i++) {
        const struct pod_record *r = &sample->pods[i];
        a->pods[i] = pod_of(r, i);
        if (has_cpu(r))
            a->readings[a->view.n_readings++] =
                (struct hpa_reading){i, llround(10.0 * r->cpu_percent), r->cpu_sample_time_s, r->cpu_window_s};
    }
}

static bool hold(struct policy_output *out, int current, const char *why)
{
    *out = (struct policy_output){.replicas = current, .hold = true};
    snprintf(out->reason, sizeof out->reason, "%.95s", why);
    return true;
}

/* The history's time: a step that is nearly a sync period is one. The controller counts its period from the end of a sync, so
 * that what it did in one is always a whole period old in the next. */
static double history_time(struct hpa *p, double now_s)
{
    double short_s = p->policy.sync_s - (now_s - p->asked_s);
    p->asked_s = now_s;
    if (fabs(short_s) <= SYNC_SLACK * p->policy.sync_s)
        p->ahead_s += short_s;
    return now_s + p->ahead_s;
}

/* From the raw recommendation through window, rules and limits; keeps the history. */
static int settle(struct hpa *p, const struct target *target, double now_s, int current, int recommended)
{
    int stabilised = hpa_stabilise(&p->behaviour, &p->history, now_s, current, recommended);
    hpa_note(&p->history, &p->behaviour, now_s, recommended);
    int limited = hpa_rate(&p->behaviour, &p->history, now_s, current, stabilised);
    int result = hpa_clamp(limited, target->min_replicas, target->max_replicas);
    hpa_note_scaled(&p->history, &p->behaviour, now_s, current, result);
    return result;
}

static bool hpa_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)e; // missing metrics are no failure of the policy: it holds and says why
    struct hpa *p = (struct hpa *)policy;
    const struct target *target = in->target;
    double now_s = history_time(p, in->sample->time_s);
    int current;
    if (!policies_replicas(in->sample, &current))
        return hold(out, 0, "spec.replicas is unknown");
    if (current == 0 && target->min_replicas != 0)
        return hold(out, 0, "autoscaling is disabled at 0 replicas");
    int inside = hpa_clamp(current, target->min_replicas, target->max_replicas);
    if (inside != current) {
        *out = (struct policy_output){.replicas = inside, .reason = "outside the limits"};
        return true;
    }
    struct pod_arrays arrays;
    struct hpa_proposal raw;
    struct err why = {0};
    read_pods(in->sample, &arrays);
    if (!hpa_cpu_utilization(&p->settings, &arrays.view, current, p->target_percent, &raw, &why))
        return hold(out, current, why.message);
    *out = (struct policy_output){.replicas = settle(p, target, now_s, current, raw.replicas)};
    snprintf(out->reason, sizeof out->reason, "cpu %d %% of %d %%: %d wanted", raw.utilization_percent,
             p->target_percent, raw.replicas);
    return true;
}

static void hpa_close(struct policy *policy)
{
    free(policy);
}

static const struct policy_ops hpa_ops = {"hpa", POLICY_ABSOLUTE, true, hpa_reset, hpa_act, hpa_close};

bool hpa_open(const struct hpa_config *config, struct policy **out, struct err *e)
{
    struct hpa *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "hpa: out of memory");
    p->policy = (struct policy){&hpa_ops, config->sync_s};
    p->target_percent = config->target_percent;
    p->settings =
        (struct hpa_rule_settings){config->tolerance, config->tolerance, config->initialization_s, config->readiness_s};
    p->behaviour = hpa_behaviour_default();
    p->behaviour.unset = !config->behaviour;
    p->behaviour.down.window_s = config->window_s;
    p->behaviour.up.window_s = config->up_window_s;
    *out = &p->policy;
    return true;
}
