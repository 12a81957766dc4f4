/* readings: elements of Prometheus' answers become one sample a target. In: answers of the five queries. Out: signals in the
 * project's units, each valid, absent, no_data, failed or stale. The table that this follows:
 *
 *   no answer, answer with warnings                        failed: a warning may hide half the pods
 *   two elements for one target                            failed, and a configuration error: the query lacks an aggregation
 *   no element, CPU or memory                              no_data
 *   no element, rps                                        no_data: rate() needs two samples; without any series nothing
 *                                                          tells a service that was never asked from a wrong preset
 *   p95 NaN or no element                                  absent where rps is valid and 0, else no_data
 *   infinite or negative                                   failed
 *   no age, or an age beyond the limit                     stale
 *   rps and p95, most of the ready pods are not scraped    failed: what they do is missing from the sums
 *   CPU and memory, most of the ready pods have no series  failed: the same (where the query counts them)
 *
 * The value of a reading that is not valid is kept for people to see; nobody computes with it. */
#include "readings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double IDLE_RPS = 1e-9;

void readings_finish(struct readings *r)
{
    free(r->rows);
    *r = (struct readings){0};
}

bool readings_begin(struct readings *r, int n, double stale_after_s, struct err *e)
{
    if (n > r->capacity) {
        struct readings_row *rows = realloc(r->rows, (size_t)n * sizeof *rows);
        if (!rows)
            return err_set(e, ERR_IO, "live: out of memory for the readings of %d targets", n);
        r->rows = rows;
        r->capacity = n;
    }
    if (n > 0)
        memset(r->rows, 0, (size_t)n * sizeof *r->rows);
    memset(r->answers, 0, sizeof r->answers);
    r->present_for_all = false;
    r->stale_after_s = stale_after_s;
    r->problem = (struct err){0};
    return true;
}

static bool label_is(const struct prom_series *s, const char *name, const char *value)
{
    const char *found = prom_label_value(s, name);
    return found && strcmp(found, value) == 0;
}

static void put(struct readings_raw *raw, const struct prom_series *s)
{
    if (label_is(s, "maestro", "age")) {
        raw->n_ages++;
        raw->age_s = s->value;
    } else if (label_is(s, "maestro", "pods")) {
        raw->counts_pods = true;
        raw->pods = s->value;
    } else {
        raw->n_values++;
        raw->value = s->value;
    }
}

/* An element that names no target. Only presence may: then it speaks for all. */
static void gather_nameless(struct readings *r, enum query_id id, const struct prom_series *s)
{
    if (id != QUERY_PRESENCE) {
        err_set(&r->problem, ERR_USAGE,
                "prometheus: the %s query gives elements without the labels namespace and deployment", query_name(id));
        r->answers[id].answered = false;
    } else if (label_is(s, "maestro", "age")) {
        r->presence_age_s = s->value;
    } else {
        r->present_for_all = s->value > 0;
    }
}

void readings_gather(struct readings *r, const struct targets *targets, enum query_id id,
                     const struct prom_answer *answer)
{
    r->answers[id] = (struct readings_answer){answer->answered, answer->degraded};
    for (int k = 0; k < answer->n_series; k++) {
        const struct prom_series *s = &answer->series[k];
        const char *space = prom_label_value(s, "namespace"), *name = prom_label_value(s, "deployment");
        int i = space && name ? targets_find(targets, space, name) : -1;
        if (!space && !name)
            gather_nameless(r, id, s);
        if (i < 0)
            continue; // somebody else's pods
        int to = id == QUERY_RPS && label_is(s, "maestro_code", "5") ? (int)RAW_ERRORS : (int)id;
        put(&r->rows[i].raw[to], s);
        if (r->rows[i].raw[to].n_values > 1 || r->rows[i].raw[to].n_ages > 1)
            err_set(&r->problem, ERR_USAGE,
                    "prometheus: the %s query gives more than one element for %.63s/%.128s: it lacks an aggregation",
                    query_name(id), space, name);
    }
}

/* Judges a value by its answer and its age. */
static struct reading judge(const struct readings *r, struct readings_answer answer, const struct readings_raw *raw)
{
    bool aged = raw->n_ages == 1 && isfinite(raw->age_s);
    struct reading out = {.value = raw->n_values && isfinite(raw->value) ? raw->value : 0,
                          .age_s = aged && raw->age_s > 0 ? raw->age_s : 0,
                          .validity = VALIDITY_VALID};
    bool nothing = raw->n_values == 0 || isnan(raw->value);
    bool impossible = !nothing && (isinf(raw->value) || raw->value < 0);
    if (!answer.answered || answer.degraded || raw->n_values > 1 || raw->n_ages > 1 || impossible)
        out.validity = VALIDITY_FAILED;
    else if (nothing)
        out.validity = VALIDITY_NO_DATA;
    else if (!aged || raw->age_s > r->stale_after_s)
        out.validity = VALIDITY_STALE;
    return out;
}

bool readings_is_scraped(const struct readings *r, int i)
{
    const struct readings_raw *raw = &r->rows[i].raw[QUERY_PRESENCE];
    struct readings_answer answer = r->answers[QUERY_PRESENCE];
    if (!answer.answered || answer.degraded)
        return false;
    if (r->present_for_all && raw->n_values == 0)
        return r->presence_age_s <= r->stale_after_s;
    return raw->n_values == 1 && raw->n_ages == 1 && raw->value > 0 && raw->age_s <= r->stale_after_s;
}

bool readings_has_no_series(const struct readings *r, int i, enum query_id id)
{
    const struct readings_raw *raw = r->rows[i].raw;
    bool errors = id == QUERY_RPS && raw[RAW_ERRORS].n_values > 0;
    return r->answers[id].answered && !r->answers[id].degraded && raw[id].n_values == 0 && raw[id].n_ages == 0 &&
           !errors;
}

static struct reading rps_reading(const struct readings *r, const struct readings_row *row)
{
    struct readings_raw all = row->raw[QUERY_RPS];
    const struct readings_raw *errors = &row->raw[RAW_ERRORS];
    if (errors->n_values == 1 && all.n_values <= 1) {
        all.value = errors->value + (all.n_values ? all.value : 0);
        all.n_values = 1;
    } else if (errors->n_values > 1) {
        all.n_values = 2;
    }
    return judge(r, r->answers[QUERY_RPS], &all);
}

/* Pods that Prometheus should know: no more than were ready at any time since samples now old were young. */
static void settle(const struct readings *r, struct target_slot *slot, double time_s)
{
    int ready = slot->view.sample.ready;
    bool late = time_s - slot->settled_s >= r->stale_after_s;
    if (ready > slot->settled && slot->settled_s > 0 && !late)
        return;
    slot->settled = ready;
    slot->settled_s = time_s;
}

/* Fewer than half of them can be scraped. */
static bool misses_pods(const struct readings *r, const struct target_slot *slot, const struct readings_row *row)
{
    const struct readings_raw *raw = &row->raw[QUERY_PRESENCE];
    return r->presence_counts && r->answers[QUERY_PRESENCE].answered && raw->n_values == 1 &&
           2 * raw->value < slot->settled;
}

/* Fewer than half of them have CPU, and so memory, which the same scrape brings. */
static bool misses_resources(const struct target_slot *slot, const struct readings_row *row)
{
    const struct readings_raw *raw = &row->raw[QUERY_CPU];
    return raw->counts_pods && 2 * raw->pods < slot->settled;
}

static bool is_idle(const struct reading *rps)
{
    return rps->validity == VALIDITY_VALID && rps->value < IDLE_RPS;
}

static struct reading p95_reading(const struct readings *r, const struct readings_row *row, const struct reading *rps)
{
    struct reading out = judge(r, r->answers[QUERY_P95], &row->raw[QUERY_P95]);
    if (out.validity == VALIDITY_NO_DATA && is_idle(rps))
        out = (struct reading){.age_s = rps->age_s, .validity = VALIDITY_ABSENT};
    return out;
}

static struct reading memory_reading(const struct readings *r, const struct target_slot *slot,
                                     const struct readings_row *row)
{
    struct reading out = judge(r, r->answers[QUERY_MEMORY], &row->raw[QUERY_MEMORY]);
    double whole = slot->memory_limit_bytes * slot->spec_replicas;
    if (!(slot->memory_limit_bytes > 0))
        return (struct reading){.validity = VALIDITY_ABSENT};
    if (whole > 0)
        out.value /= whole;
    else if (out.validity == VALIDITY_VALID)
        out = (struct reading){.age_s = out.age_s, .validity = VALIDITY_NO_DATA};
    return out;
}

static struct reading error_reading(const struct readings_row *row, const struct reading *rps)
{
    if (rps->validity != VALIDITY_VALID)
        return *rps;
    if (is_idle(rps))
        return (struct reading){.age_s = rps->age_s, .validity = VALIDITY_ABSENT};
    double errors = row->raw[RAW_ERRORS].n_values ? row->raw[RAW_ERRORS].value : 0;
    return (struct reading){.value = fmin(errors / rps->value, 1.0), .age_s = rps->age_s, .validity = VALIDITY_VALID};
}

static struct reading replicas_reading(const struct readings *r, const struct target_slot *slot, double api_age_s)
{
    struct reading out = {.value = slot->spec_replicas, .age_s = api_age_s, .validity = VALIDITY_VALID};
    if (slot->view.gone || !(slot->api_time_s > 0) || !slot->view.uid[0])
        out = (struct reading){.age_s = api_age_s, .validity = VALIDITY_NO_DATA};
    else if (api_age_s > r->stale_after_s)
        out.validity = VALIDITY_STALE;
    return out;
}

static void distrust(struct reading *r)
{
    if (r->validity == VALIDITY_VALID)
        r->validity = VALIDITY_FAILED;
}

/* Where no age came, the time since the last sample that had one. */
static void keep_age(double *sampled_s, double time_s, bool aged, struct reading *r)
{
    if (aged)
        *sampled_s = time_s - r->age_s;
    else if (r->age_s <= 0 && *sampled_s > 0 && r->validity != VALIDITY_ABSENT)
        r->age_s = time_s > *sampled_s ? time_s - *sampled_s : 0;
}

void readings_fill(const struct readings *r, struct target_slot *slot, int i, double time_s, double api_age_s)
{
    static const enum query_id SOURCE[SIGNAL_COUNT] = {
        [SIGNAL_CPU] = QUERY_CPU, [SIGNAL_MEMORY] = QUERY_MEMORY, [SIGNAL_P95] = QUERY_P95, [SIGNAL_RPS] = QUERY_RPS};
    const struct readings_row *row = &r->rows[i];
    struct sample *sample = &slot->view.sample;
    struct reading *signals = sample->signals;
    sample->time_s = time_s;
    sample->rolling_out = slot->view.rolling_out;
    sample->n_pods = slot->shape.cpu_request_percent > 0;
    sample->pods = sample->n_pods ? &slot->shape : NULL;
    signals[SIGNAL_CPU] = judge(r, r->answers[QUERY_CPU], &row->raw[QUERY_CPU]);
    signals[SIGNAL_MEMORY] = memory_reading(r, slot, row);
    signals[SIGNAL_REPLICAS] = replicas_reading(r, slot, api_age_s);
    signals[SIGNAL_RPS] = rps_reading(r, row);
    signals[SIGNAL_P95] = p95_reading(r, row, &signals[SIGNAL_RPS]);
    sample->error_ratio = error_reading(row, &signals[SIGNAL_RPS]);
    settle(r, slot, time_s);
    if (misses_pods(r, slot, row))
        signals[SIGNAL_RPS].validity = signals[SIGNAL_P95].validity = sample->error_ratio.validity = VALIDITY_FAILED;
    if (misses_resources(slot, row)) {
        distrust(&signals[SIGNAL_CPU]);
        distrust(&signals[SIGNAL_MEMORY]);
    }
    for (int s = 0; s < SIGNAL_COUNT; s++)
        if (s != SIGNAL_REPLICAS)
            keep_age(&slot->sampled_s[s], time_s, row->raw[SOURCE[s]].n_ages == 1, &signals[s]);
}
