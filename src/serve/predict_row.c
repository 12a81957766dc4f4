/* predict_row: what the fields of a request mean. In: a parsed row. Out: sample and target settings as every other part of
 * the program knows them. All rules of what may be left out, what goes with what, and what a null is, stand here. */
#include "predict_row.h"

#include <stdio.h>

#define IDLE_RPS 0.05 // below this a missing latency is not missing: there is none

/* The fields that a signal may come in. */
static const enum predict_field SIGNAL_FIELDS[SIGNAL_COUNT][2] = {
    [SIGNAL_CPU] = {PREDICT_CPU_USAGE, PREDICT_CPU_CORES},
    [SIGNAL_MEMORY] = {PREDICT_MEMORY_USAGE, PREDICT_MEMORY_RATIO},
    [SIGNAL_REPLICAS] = {PREDICT_REPLICAS, PREDICT_REPLICAS},
    [SIGNAL_P95] = {PREDICT_LATENCY, PREDICT_LATENCY},
    [SIGNAL_RPS] = {PREDICT_RPS, PREDICT_RPS},
};

static bool is_null(const struct predict_row *row, enum predict_field field)
{
    return (row->nulls >> field & 1u) != 0;
}

static bool signal_given(const struct predict_row *row, int signal,
                         bool (*how)(const struct predict_row *, enum predict_field))
{
    return how(row, SIGNAL_FIELDS[signal][0]) || how(row, SIGNAL_FIELDS[signal][1]);
}

static bool wrong(struct err *e, const char *place, const char *field, const char *what)
{
    return err_set(e, ERR_FORMAT, "%s%s: %s", place, field, what);
}

static bool check_signal(const struct predict_row *row, int signal, const char *place, struct err *e)
{
    const enum predict_field *fields = SIGNAL_FIELDS[signal];
    const char *name = predict_field_name(fields[0], NULL);
    if (fields[0] != fields[1] && predict_given(row, fields[0]) && predict_given(row, fields[1]))
        return err_set(e, ERR_FORMAT, "%s%s: not together with %s", place, name, predict_field_name(fields[1], NULL));
    bool said = (row->validity_given >> signal & 1u) != 0;
    bool wants_value = said && (row->validity[signal] == VALIDITY_VALID || row->validity[signal] == VALIDITY_STALE);
    if (wants_value && !signal_given(row, signal, predict_known))
        return wrong(e, place, name, "there is no value, but its validity says so");
    if (!said && !signal_given(row, signal, predict_given))
        return wrong(e, place, name, "missing");
    if (!said && signal == SIGNAL_REPLICAS && is_null(row, PREDICT_REPLICAS))
        return wrong(e, place, name, "a number is wanted, not null");
    return true;
}

static bool check_signals(const struct predict_row *row, const char *place, struct err *e)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (!check_signal(row, i, place, e))
            return false;
    return true;
}

/* The network's own inputs: with them only what limits the action goes along. */
static bool check_features(const struct predict_view *view, const struct predict_row *row, const char *place,
                           struct err *e)
{
    const unsigned along =
        1u << PREDICT_FEATURES | 1u << PREDICT_REPLICAS | 1u << PREDICT_MIN | 1u << PREDICT_MAX | 1u << PREDICT_MASK;
    for (int i = 0; i < PREDICT_FIELDS; i++)
        if (predict_given(row, (enum predict_field)i) && !(along >> i & 1u))
            return wrong(e, place, predict_field_name((enum predict_field)i, NULL), "not together with features");
    if (row->n_features != view->file->actor.n_in)
        return err_set(e, ERR_FORMAT, "%sfeatures: %d numbers, but the policy has %d inputs", place, row->n_features,
                       view->file->actor.n_in);
    return true;
}

static bool check_mask(const struct predict_view *view, const struct predict_row *row, const char *place, struct err *e)
{
    const struct action_set *set = &view->file->control.actions;
    if (!predict_given(row, PREDICT_MASK))
        return true;
    if (row->n_mask != set->n)
        return err_set(e, ERR_FORMAT, "%smask: %d actions, but the policy has %d", place, row->n_mask, set->n);
    if (!row->mask[action_no_op(set)])
        return wrong(e, place, "mask", "keeping the count cannot be forbidden");
    return true;
}

static bool check_limits(const struct predict_view *view, const struct predict_row *row, const char *place,
                         struct err *e)
{
    struct target t = predict_row_target(view, row);
    if (t.min_replicas > t.max_replicas)
        return err_set(e, ERR_FORMAT, "%smin_replicas: %d is above max_replicas, %d", place, t.min_replicas,
                       t.max_replicas);
    return true;
}

static bool check_later(const struct predict_row *before, const struct predict_row *row, const char *place,
                        struct err *e)
{
    double then = before->value[PREDICT_TIMESTAMP], now = row->value[PREDICT_TIMESTAMP];
    return now > then || err_set(e, ERR_FORMAT, "%stimestamp: %.15g is not after %.15g, that of the observation before",
                                 place, now, then);
}

static bool check_past(const struct predict_row *past, int i, const char *place, struct err *e)
{
    char inner[96];
    snprintf(inner, sizeof inner, "%shistory[%d].", place, i);
    if (!check_signals(past, inner, e))
        return false;
    if (!predict_given(past, PREDICT_TIMESTAMP))
        return wrong(e, inner, "timestamp", "missing");
    return i == 0 || check_later(past - 1, past, inner, e);
}

static bool check_history(const struct predict_view *view, const struct predict_row *row, const char *place,
                          struct err *e)
{
    const struct predict_row *past = view->request->history;
    if (predict_given(row, PREDICT_TARGET) && predict_given(row, PREDICT_HISTORY))
        return wrong(e, place, "history", "not together with target, whose history is remembered here");
    if (row->n_history == 0)
        return true;
    past += row->first_history;
    for (int i = 0; i < row->n_history; i++)
        if (!check_past(&past[i], i, place, e))
            return false;
    return !predict_given(row, PREDICT_TIMESTAMP) || check_later(&past[row->n_history - 1], row, place, e);
}

bool predict_row_check(const struct predict_view *view, const struct predict_row *row, const char *place, struct err *e)
{
    if (!check_mask(view, row, place, e) || !check_limits(view, row, place, e))
        return false;
    if (predict_given(row, PREDICT_FEATURES))
        return check_features(view, row, place, e);
    return check_signals(row, place, e) && check_history(view, row, place, e);
}

static void override_int(const struct predict_row *row, enum predict_field field, int *out)
{
    if (predict_given(row, field))
        *out = (int)row->value[field];
}

static void override_double(const struct predict_row *row, enum predict_field field, double *out)
{
    if (predict_given(row, field))
        *out = row->value[field];
}

struct target predict_row_target(const struct predict_view *view, const struct predict_row *row)
{
    const struct target *trained = &view->file->control.target;
    struct target t; // its name is nobody's matter here, and long
    t.name[0] = '\0';
    t.min_replicas = trained->min_replicas;
    t.max_replicas = trained->max_replicas;
    t.latency_soft_ms = trained->latency_soft_ms;
    t.latency_hard_ms = trained->latency_hard_ms;
    override_int(row, PREDICT_MIN, &t.min_replicas);
    override_int(row, PREDICT_MAX, &t.max_replicas);
    override_double(row, PREDICT_SOFT, &t.latency_soft_ms);
    override_double(row, PREDICT_HARD, &t.latency_hard_ms);
    return t;
}

static double cpu_percent(const struct predict_view *view, const struct predict_row *row)
{
    if (predict_known(row, PREDICT_CPU_CORES))
        return 100.0 * row->value[PREDICT_CPU_CORES];
    return (view->config->cpu_in_cores ? 100.0 : 1.0) * row->value[PREDICT_CPU_USAGE];
}

static double memory_ratio(const struct predict_view *view, const struct predict_row *row)
{
    if (predict_known(row, PREDICT_MEMORY_RATIO))
        return row->value[PREDICT_MEMORY_RATIO];
    double limit =
        predict_known(row, PREDICT_MEMORY_LIMIT) ? row->value[PREDICT_MEMORY_LIMIT] : view->config->memory_limit_bytes;
    double replicas = predict_known(row, PREDICT_REPLICAS) ? row->value[PREDICT_REPLICAS] : 1.0;
    return row->value[PREDICT_MEMORY_USAGE] / (limit * (replicas > 1.0 ? replicas : 1.0));
}

/* Where the row does not say how valid a signal is. */
static enum validity natural_validity(const struct predict_row *row, int signal)
{
    bool limitless = !predict_known(row, PREDICT_MEMORY_RATIO) && is_null(row, PREDICT_MEMORY_LIMIT);
    if (signal == SIGNAL_MEMORY && limitless)
        return VALIDITY_ABSENT;
    if (signal_given(row, signal, predict_known))
        return VALIDITY_VALID;
    bool idle = predict_known(row, PREDICT_RPS) && row->value[PREDICT_RPS] < IDLE_RPS;
    return signal == SIGNAL_MEMORY || (signal == SIGNAL_P95 && idle) ? VALIDITY_ABSENT : VALIDITY_NO_DATA;
}

static double signal_value(const struct predict_view *view, const struct predict_row *row, int signal)
{
    if (!signal_given(row, signal, predict_known))
        return 0.0;
    if (signal == SIGNAL_CPU)
        return cpu_percent(view, row);
    return signal == SIGNAL_MEMORY ? memory_ratio(view, row) : row->value[SIGNAL_FIELDS[signal][0]];
}

static int count_or(const struct predict_row *row, enum predict_field field, int otherwise)
{
    return predict_given(row, field) ? (int)row->value[field] : otherwise;
}

struct sample predict_row_sample(const struct predict_view *view, const struct predict_row *row, double time_s,
                                 struct pod_record *pod)
{
    struct sample s = {.time_s = time_s};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        bool said = (row->validity_given >> i & 1u) != 0;
        s.signals[i] = (struct reading){.value = signal_value(view, row, i),
                                        .age_s = row->age_s[i],
                                        .validity = said ? row->validity[i] : natural_validity(row, i)};
    }
    s.ready = count_or(row, PREDICT_READY, (int)s.signals[SIGNAL_REPLICAS].value);
    s.starting = count_or(row, PREDICT_STARTING, 0);
    s.terminating = count_or(row, PREDICT_TERMINATING, 0);
    if (predict_known(row, PREDICT_ERROR_RATIO))
        s.error_ratio = (struct reading){.value = row->value[PREDICT_ERROR_RATIO], .validity = VALIDITY_VALID};
    if (predict_known(row, PREDICT_CPU_REQUEST)) {
        *pod = (struct pod_record){.cpu_request_percent = row->value[PREDICT_CPU_REQUEST]};
        s.pods = pod;
        s.n_pods = 1;
    }
    return s;
}

unsigned predict_row_assumed(const struct predict_row *row)
{
    unsigned wanted = 1u << PREDICT_MIN | 1u << PREDICT_MAX;
    if (predict_given(row, PREDICT_FEATURES))
        return predict_known(row, PREDICT_REPLICAS) ? wanted & ~row->given : 0;
    wanted |= 1u << PREDICT_SOFT | 1u << PREDICT_HARD | 1u << PREDICT_READY | 1u << PREDICT_STARTING |
              1u << PREDICT_TERMINATING;
    if (predict_known(row, PREDICT_MEMORY_USAGE))
        wanted |= 1u << PREDICT_MEMORY_LIMIT;
    if (predict_given(row, PREDICT_TARGET) || row->n_history > 0)
        wanted |= 1u << PREDICT_TIMESTAMP;
    else
        wanted |= 1u << PREDICT_HISTORY | 1u << PREDICT_CPU_REQUEST;
    return wanted & ~row->given;
}
