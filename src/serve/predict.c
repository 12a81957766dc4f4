/* predict: a request's bytes to an answer's bytes. In: a body and the model of the moment. Out: a status and JSON. Threads
 * share the model and the remembered targets, nothing else; after the first requests nothing is allocated. No sockets. */
#include "predict_parse.h"
#include "predict_print.h"
#include "predict_row.h"

#include <maestro/clock.h>
#include <maestro/json_write.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double predict_bucket_s[PREDICT_BUCKETS] = {5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 1e-1};

/* One thread's counters: written by it alone, read by whoever asks. */
struct tally {
    _Atomic long answered, refused, failed, down, keep, up, outside;
    _Atomic long buckets[PREDICT_BUCKETS + 1];
    _Atomic long nanoseconds;
};

/* What a thread has to itself. */
struct lane {
    _Alignas(64) struct predict_request request;
    float features[GREEDY_ROWS * OBSERVATION_LIMIT];
    unsigned char masks[GREEDY_ROWS * ACTIONS_LIMIT];
    struct greedy_answer answers[GREEDY_ROWS];
    struct tally tally;
};

struct predictor {
    struct predict_config config;
    struct model_slot *slot;
    struct track *track;
    struct lane *lanes; /* [n_threads] */
    double
        clock_offset_s; /* wall clock minus monotonic at the start: a wall clock that is set later moves no history */
};

/* One request on its way. */
struct work {
    struct predictor *predictor;
    struct lane *lane;
    const struct model *model;
    struct predict_view view;
    struct greedy *greedy;
};

bool predictor_open(const struct predict_config *config, struct model_slot *slot, struct predictor **out, struct err *e)
{
    struct predictor *p = calloc(1, sizeof *p);
    size_t bytes = (size_t)config->n_threads * sizeof *p->lanes;
    if (p)
        p->lanes = aligned_alloc(_Alignof(struct lane), bytes);
    if (!p || !p->lanes) {
        free(p);
        return err_set(e, ERR_IO, "predict: out of memory");
    }
    memset(p->lanes, 0, bytes);
    p->config = *config;
    p->clock_offset_s = clock_wall_s() - clock_monotonic_s();
    p->slot = slot;
    if (!track_open(config->n_targets, &p->track, e)) {
        predictor_close(p);
        return false;
    }
    *out = p;
    return true;
}

void predictor_close(struct predictor *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->config.n_threads; i++)
        predict_request_finish(&p->lanes[i].request);
    track_close(p->track);
    free(p->lanes);
    free(p);
}

static void add(_Atomic long *counter, long n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static void count_decision(struct tally *t, int delta, float ood)
{
    add(delta < 0 ? &t->down : delta > 0 ? &t->up : &t->keep, 1);
    if (ood > 1.0f)
        add(&t->outside, 1);
}

static void count_request(struct tally *t, int status, double seconds)
{
    int bucket = 0;
    while (bucket < PREDICT_BUCKETS && seconds > predict_bucket_s[bucket])
        bucket++;
    add(status < 400 ? &t->answered : status < 500 ? &t->refused : &t->failed, 1);
    add(&t->buckets[bucket], 1);
    add(&t->nanoseconds, (long)(seconds * 1e9));
}

static bool check_rows(const struct work *w, struct err *e)
{
    const struct predict_request *r = &w->lane->request;
    char place[32] = "";
    for (int i = 0; i < r->n_rows; i++) {
        if (r->is_list)
            snprintf(place, sizeof place, "[%d].", i);
        if (!predict_row_check(&w->view, &r->rows[i], place, e))
            return false;
    }
    return true;
}

/* When the row was looked at, if it does not say: one period behind its history, or now. */
static double time_of(const struct work *w, const struct predict_row *row)
{
    if (predict_given(row, PREDICT_TIMESTAMP))
        return row->value[PREDICT_TIMESTAMP];
    if (row->n_history > 0) {
        const struct predict_row *last = &w->lane->request.history[row->first_history + row->n_history - 1];
        return last->value[PREDICT_TIMESTAMP] + w->model->file.control.period_s;
    }
    return predict_given(row, PREDICT_TARGET) ? clock_monotonic_s() + w->predictor->clock_offset_s : 0.0;
}

static double remember(const struct work *w, const struct predict_row *row, const struct target *target,
                       float *features)
{
    struct pod_record pod;
    struct sample sample = predict_row_sample(&w->view, row, time_of(w, row), &pod);
    const struct track_input in = {.key = row->target,
                                   .n_key = row->n_target,
                                   .spec = &w->model->file.control.observation,
                                   .target = target,
                                   .sample = &sample};
    double replicas;
    track_take(w->predictor->track, &in, features, &replicas);
    return replicas;
}

static double observe(const struct work *w, const struct predict_row *row, const struct target *target, float *features)
{
    const struct observation_spec *spec = &w->model->file.control.observation;
    struct observation_state state;
    struct pod_record pod;
    for (int i = 0; i <= row->n_history; i++) {
        const struct predict_row *now = i < row->n_history ? &w->lane->request.history[row->first_history + i] : row;
        struct sample sample = predict_row_sample(&w->view, now, time_of(w, now), &pod);
        if (i == 0)
            observation_reset(spec, &state, target, &sample);
        else
            observation_update(spec, &state, target, &sample);
    }
    observation_features(spec, &state, features);
    return state.signals[SIGNAL_REPLICAS].value;
}

/* The row's features; returns the count that a step starts from. */
static double fill_features(const struct work *w, const struct predict_row *row, const struct target *target,
                            float *features)
{
    if (predict_given(row, PREDICT_FEATURES)) {
        memcpy(features, w->lane->request.features + row->first_feature, (size_t)row->n_features * sizeof *features);
        return row->value[PREDICT_REPLICAS];
    }
    return predict_given(row, PREDICT_TARGET) ? remember(w, row, target, features) : observe(w, row, target, features);
}

static void fill_mask(const struct work *w, const struct predict_row *row, const struct target *target, int replicas,
                      unsigned char *mask)
{
    const struct control *c = &w->model->file.control;
    bool counted = !predict_given(row, PREDICT_FEATURES) || predict_known(row, PREDICT_REPLICAS);
    if (c->masks && counted)
        action_mask(&c->actions, target, replicas, mask);
    else
        memset(mask, 1, (size_t)c->actions.n);
    for (int i = 0; i < row->n_mask; i++)
        mask[i] &= row->mask[i];
}

static void print_row(const struct work *w, const struct predict_row *row, int i, int replicas, struct buf *out)
{
    const struct action_set *set = &w->model->file.control.actions;
    const struct target target = predict_row_target(&w->view, row);
    struct predict_decision d = {.answer = w->lane->answers[i], .assumed = predict_row_assumed(row)};
    bool said = (row->validity_given >> SIGNAL_REPLICAS & 1u) != 0;
    d.has_replicas = said ? row->validity[SIGNAL_REPLICAS] == VALIDITY_VALID : predict_known(row, PREDICT_REPLICAS);
    memcpy(d.mask, w->lane->masks + i * set->n, (size_t)set->n);
    if (d.has_replicas)
        d.desired_replicas = action_replicas(set, &target, replicas, d.answer.action);
    count_decision(&w->lane->tally, set->delta[d.answer.action], d.answer.ood);
    predict_print(w->model, &d, out);
}

/* Up to GREEDY_ROWS rows go through the networks together. */
static bool answer_some(const struct work *w, int first, int n, struct buf *out, struct err *e)
{
    const struct policy_file *file = &w->model->file;
    const struct predict_row *rows = w->lane->request.rows + first;
    int replicas[GREEDY_ROWS];
    for (int i = 0; i < n; i++) {
        const struct target target = predict_row_target(&w->view, &rows[i]);
        replicas[i] = (int)fill_features(w, &rows[i], &target, w->lane->features + i * file->actor.n_in);
        fill_mask(w, &rows[i], &target, replicas[i], w->lane->masks + i * file->actor.n_out);
    }
    if (!greedy_decide(w->greedy, w->lane->features, w->lane->masks, n, w->lane->answers, e))
        return false;
    for (int i = 0; i < n; i++) {
        buf_text(out, first + i ? "," : "");
        print_row(w, &rows[i], i, replicas[i], out);
    }
    return true;
}

static bool answer_all(struct work *w, struct buf *out, struct err *e)
{
    const struct predict_request *r = &w->lane->request;
    buf_text(out, r->is_list ? "[" : "");
    for (int done = 0; done < r->n_rows; done += GREEDY_ROWS) {
        int n = r->n_rows - done < GREEDY_ROWS ? r->n_rows - done : GREEDY_ROWS;
        if (!answer_some(w, done, n, out, e))
            return false;
    }
    buf_text(out, r->is_list ? "]\n" : "\n");
    return buf_ok(out, e);
}

static bool answer(struct work *w, const char *body, size_t n, struct buf *out, struct err *e)
{
    if (!predict_parse(&w->lane->request, body, n, e) || !check_rows(w, e))
        return false;
    return answer_all(w, out, e);
}

static int refuse(const struct err *why, struct buf *out)
{
    struct json_writer w = {.out = out};
    buf_clear(out);
    json_begin_object(&w);
    json_put_key(&w, "error");
    json_put_text(&w, why->message);
    json_end_object(&w);
    buf_text(out, "\n");
    return why->code == ERR_FORMAT ? 400 : 500;
}

int predictor_answer(struct predictor *p, int thread, const char *body, size_t n, struct buf *out)
{
    struct lane *lane = &p->lanes[thread];
    double began_s = clock_monotonic_s();
    const struct model *m = model_acquire(p->slot, thread);
    struct work w = {.predictor = p,
                     .lane = lane,
                     .model = m,
                     .view = {&p->config, &m->file, &lane->request},
                     .greedy = &m->greedy[thread]};
    struct err why = {0};
    int status = answer(&w, body, n, out, &why) ? 200 : refuse(&why, out);
    model_release(p->slot, thread);
    count_request(&lane->tally, status, clock_monotonic_s() - began_s);
    return status;
}

static void sum(const struct tally *t, struct predict_counts *out)
{
    out->n_answered += atomic_load(&t->answered);
    out->n_refused += atomic_load(&t->refused);
    out->n_failed += atomic_load(&t->failed);
    out->n_down += atomic_load(&t->down);
    out->n_keep += atomic_load(&t->keep);
    out->n_up += atomic_load(&t->up);
    out->n_outside += atomic_load(&t->outside);
    out->seconds += 1e-9 * (double)atomic_load(&t->nanoseconds);
    for (int i = 0; i <= PREDICT_BUCKETS; i++)
        out->buckets[i] += atomic_load(&t->buckets[i]);
}

void predictor_counts(struct predictor *p, struct predict_counts *out)
{
    *out = (struct predict_counts){0};
    for (int i = 0; i < p->config.n_threads; i++)
        sum(&p->lanes[i].tally, out);
    track_counts(p->track, &out->track);
}
