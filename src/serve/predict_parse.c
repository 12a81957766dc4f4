/* predict_parse: the body of POST /predict in one pass, without a tree: values go from the text straight into the fields of
 * a row. In: bytes that anybody may have sent. Out: rows, or which field is wrong. Knows names, types and ranges; what a
 * missing field means is predict.c's matter. */
#include "predict_parse.h"

#include <maestro/number.h>
#include <maestro/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES_LIMIT (PREDICT_ROWS * 128)

struct cursor {
    const char *body, *at, *end;
    struct predict_request *out;
    struct err *e;
    int row, past; /* where it stands, for messages; past: in a history */
};

/* Ranges of numbers; whole ones are counts. */
struct field {
    const char *name;
    unsigned char n_name;
    bool whole, may_be_null, in_history;
    double low, high;
};

#define NAME(text) text, sizeof text - 1
// clang-format off
static const struct field FIELDS[PREDICT_FIELDS] = {
    [PREDICT_CPU_USAGE]    = {NAME("cpu_usage"), false, true, true, 0, 1e12},
    [PREDICT_MEMORY_USAGE] = {NAME("memory_usage"), false, true, true, 0, 1e18},
    [PREDICT_REPLICAS]     = {NAME("replicas"), true, true, true, 0, 1e6},
    [PREDICT_LATENCY]      = {NAME("latency"), false, true, true, 0, 1e12},
    [PREDICT_RPS]          = {NAME("rps"), false, true, true, 0, 1e12},
    [PREDICT_CPU_CORES]    = {NAME("cpu_cores"), false, true, true, 0, 1e10},
    [PREDICT_MEMORY_RATIO] = {NAME("memory_ratio"), false, true, true, 0, 1e6},
    [PREDICT_TIMESTAMP]    = {NAME("timestamp"), false, false, true, 0, 1e12},
    [PREDICT_READY]        = {NAME("ready"), true, false, true, 0, 1e6},
    [PREDICT_STARTING]     = {NAME("starting"), true, false, true, 0, 1e6},
    [PREDICT_TERMINATING]  = {NAME("terminating"), true, false, true, 0, 1e6},
    [PREDICT_ERROR_RATIO]  = {NAME("error_ratio"), false, true, true, 0, 1},
    [PREDICT_CPU_REQUEST]  = {NAME("cpu_request_percent"), false, true, true, 0, 1e6},
    [PREDICT_MEMORY_LIMIT] = {NAME("memory_limit"), false, true, true, 1, 1e18},
    [PREDICT_MIN]          = {NAME("min_replicas"), true, false, false, 0, 1e5},
    [PREDICT_MAX]          = {NAME("max_replicas"), true, false, false, 1, 1e5},
    [PREDICT_SOFT]         = {NAME("latency_soft_ms"), false, false, false, -1, 1e9},
    [PREDICT_HARD]         = {NAME("latency_hard_ms"), false, false, false, -1, 1e9},
    [PREDICT_TARGET]       = {NAME("target"), false, false, false, 0, 0},
    [PREDICT_MASK]         = {NAME("mask"), false, false, false, 0, 0},
    [PREDICT_FEATURES]     = {NAME("features"), false, false, false, 0, 0},
    [PREDICT_HISTORY]      = {NAME("history"), false, false, false, 0, 0},
    [PREDICT_VALIDITY]     = {NAME("validity"), false, false, true, 0, 0},
    [PREDICT_AGE]          = {NAME("age_s"), false, false, true, 0, 0},
};
static const char *const SIGNALS[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "latency", "rps"};
static const char *const VALIDITIES[] = {
    [VALIDITY_NO_DATA] = "no_data", [VALIDITY_VALID] = "valid", [VALIDITY_ABSENT] = "absent",
    [VALIDITY_FAILED] = "failed", [VALIDITY_STALE] = "stale",
};
// clang-format on

const char *predict_field_name(enum predict_field field, size_t *n)
{
    if (n)
        *n = FIELDS[field].n_name;
    return FIELDS[field].name;
}

/* "[3].history[1].", as far as it applies. */
static const char *place(const struct cursor *c, char out[64])
{
    char past[32] = "";
    if (c->past >= 0)
        snprintf(past, sizeof past, "history[%d].", c->past);
    if (c->out->is_list)
        snprintf(out, 64, "[%d].%s", c->row, past);
    else
        snprintf(out, 64, "%s", past);
    return out;
}

static bool wrong(const struct cursor *c, const char *field, const char *what)
{
    char where[64];
    return err_set(c->e, ERR_FORMAT, "%s%s: %s", place(c, where), field, what);
}

static bool syntax(const struct cursor *c, const char *wanted)
{
    if (c->at >= c->end)
        return err_set(c->e, ERR_FORMAT, "the body ends where %s is wanted", wanted);
    return err_set(c->e, ERR_FORMAT, "byte %zu: %s is wanted", (size_t)(c->at - c->body) + 1, wanted);
}

static void skip(struct cursor *c)
{
    while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip(c);
    if (*c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_literal(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* Behind an element: a comma (*more), or the end of the list or object. */
static bool go_on(struct cursor *c, char end, bool *more)
{
    *more = take(c, ',');
    if (*more || take(c, end))
        return true;
    return syntax(c, end == '}' ? "',' or '}'" : "',' or ']'");
}

/* A text without escapes: [n] at *out. */
static bool take_text(struct cursor *c, const char *wanted, const char **out, int *n)
{
    if (!take(c, '"'))
        return syntax(c, wanted);
    const char *first = c->at;
    while (*c->at != '"') {
        if ((unsigned char)*c->at < 0x20 || *c->at == '\\')
            return *c->at == '\\' ? syntax(c, "a text without escapes") : syntax(c, "'\"'");
        c->at++;
    }
    *out = first;
    *n = (int)(c->at - first);
    c->at++;
    return true;
}

static const char *what_stands(const struct cursor *c)
{
    switch (*c->at) {
    case '"':
        return "a number is wanted, not a text";
    case '{':
        return "a number is wanted, not an object";
    case '[':
        return "a number is wanted, not a list";
    case 't':
    case 'f':
        return "a number is wanted, not true or false";
    case 'n':
        return "a number is wanted, not null";
    case 'N':
    case 'I':
        return "NaN and Infinity are no JSON numbers; null says that there is none";
    default:
        break;
    }
    if (strncmp(c->at, "-I", 2) == 0 || strncmp(c->at, "-N", 2) == 0)
        return "NaN and Infinity are no JSON numbers; null says that there is none";
    return "a number is wanted";
}

static bool take_number(struct cursor *c, const char *field, double *out)
{
    skip(c);
    size_t n = number_read(c->at, out);
    if (!n)
        return wrong(c, field, what_stands(c));
    if (!isfinite(*out))
        return wrong(c, field, "the number is too large");
    c->at += n;
    return true;
}

static bool out_of_range(const struct cursor *c, const struct field *f, double value)
{
    char text[96];
    if (f->low == 0 && value < 0)
        return wrong(c, f->name, "must not be negative");
    if (f->whole && value != floor(value))
        snprintf(text, sizeof text, "%g is not a whole number", value);
    else
        snprintf(text, sizeof text, "%g is not within %g..%g", value, f->low, f->high);
    return wrong(c, f->name, text);
}

static bool number_field(struct cursor *c, struct predict_row *row, enum predict_field id)
{
    const struct field *f = &FIELDS[id];
    double value;
    skip(c);
    if (f->may_be_null && take_literal(c, "null")) {
        row->nulls |= 1u << id;
        return true;
    }
    if (!take_number(c, f->name, &value))
        return false;
    if (!(value >= f->low && value <= f->high) || (f->whole && value != floor(value)))
        return out_of_range(c, f, value);
    row->value[id] = value;
    return true;
}

static bool target_field(struct cursor *c, struct predict_row *row)
{
    if (!take_text(c, "the text of 'target'", &row->target, &row->n_target))
        return false;
    if (row->n_target == 0 || row->n_target >= TARGET_NAME)
        return wrong(c, "target", row->n_target ? "the name is too long" : "the name is empty");
    return true;
}

static bool mask_field(struct cursor *c, struct predict_row *row)
{
    bool more = true;
    if (!take(c, '['))
        return wrong(c, "mask", "a list of 0 and 1 is wanted");
    while (more) {
        double value;
        if (row->n_mask == ACTIONS_LIMIT)
            return wrong(c, "mask", "the list is longer than any set of actions");
        if (!take_number(c, "mask", &value))
            return false;
        if (value != 0 && value != 1)
            return wrong(c, "mask", "a list of 0 and 1 is wanted");
        row->mask[row->n_mask++] = value != 0;
        if (!go_on(c, ']', &more))
            return false;
    }
    return true;
}

/* Room for one more element; limits are checked by the caller. */
static bool grow(void **list, int n, int *capacity, size_t size, struct err *e)
{
    if (n < *capacity)
        return true;
    int wider = *capacity ? *capacity * 2 : 8;
    void *moved = realloc(*list, (size_t)wider * size);
    if (!moved)
        return err_set(e, ERR_IO, "out of memory for a request of %d observations", n);
    *list = moved;
    *capacity = wider;
    return true;
}

static bool features_field(struct cursor *c, struct predict_row *row)
{
    struct predict_request *out = c->out;
    bool more = true;
    row->first_feature = out->n_features;
    if (!take(c, '['))
        return wrong(c, "features", "a list of numbers is wanted");
    while (more) {
        double value;
        void *list = out->features;
        if (out->n_features == FEATURES_LIMIT)
            return wrong(c, "features", "too many numbers");
        if (!take_number(c, "features", &value))
            return false;
        if (!grow(&list, out->n_features, &out->features_capacity, sizeof(float), c->e))
            return false;
        out->features = list;
        if (fabs(value) > 1e30)
            return wrong(c, "features", "the number is too large");
        out->features[out->n_features++] = (float)value;
        if (!go_on(c, ']', &more))
            return false;
    }
    row->n_features = out->n_features - row->first_feature;
    return true;
}

static bool find_signal(const struct cursor *c, const char *field, const char *name, int n, int *out)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (strlen(SIGNALS[i]) == (size_t)n && memcmp(SIGNALS[i], name, (size_t)n) == 0) {
            *out = i;
            return true;
        }
    return wrong(c, field, "the signals are cpu, memory, replicas, latency, rps");
}

static bool take_validity(struct cursor *c, struct predict_row *row, int signal)
{
    const char *word;
    int n;
    if (!take_text(c, "a validity", &word, &n))
        return false;
    for (size_t v = 0; v < sizeof VALIDITIES / sizeof *VALIDITIES; v++)
        if (strlen(VALIDITIES[v]) == (size_t)n && memcmp(VALIDITIES[v], word, (size_t)n) == 0) {
            row->validity[signal] = (enum validity)v;
            return true;
        }
    return wrong(c, "validity", "one of valid, absent, no_data, failed, stale is wanted");
}

static bool take_age(struct cursor *c, struct predict_row *row, int signal)
{
    if (!take_number(c, "age_s", &row->age_s[signal]))
        return false;
    return row->age_s[signal] >= 0 || wrong(c, "age_s", "must not be negative");
}

/* {"cpu": ..., "latency": ...}: a validity or an age of each signal named. */
static bool signals_field(struct cursor *c, struct predict_row *row, enum predict_field id)
{
    unsigned *given = id == PREDICT_VALIDITY ? &row->validity_given : &row->age_given;
    bool more = true;
    if (!take(c, '{'))
        return wrong(c, FIELDS[id].name, "an object is wanted");
    if (take(c, '}'))
        return true;
    while (more) {
        const char *name;
        int n = 0, signal = 0;
        if (!take_text(c, "the name of a signal", &name, &n) || !find_signal(c, FIELDS[id].name, name, n, &signal))
            return false;
        if (*given >> signal & 1u)
            return wrong(c, FIELDS[id].name, "a signal is given twice");
        *given |= 1u << signal;
        if (!take(c, ':'))
            return syntax(c, "':'");
        if (!(id == PREDICT_VALIDITY ? take_validity(c, row, signal) : take_age(c, row, signal)))
            return false;
        if (!go_on(c, '}', &more))
            return false;
    }
    return true;
}

static bool unknown_field(const struct cursor *c, const char *name, int n)
{
    char key[64], text[160];
    int best = TEXT_FAR;
    const char *near = NULL;
    snprintf(key, sizeof key, "%.*s", n, name);
    for (int i = 0; i < PREDICT_FIELDS; i++)
        if (text_suggests(key, FIELDS[i].name, &best))
            near = FIELDS[i].name;
    snprintf(text, sizeof text, "no such field%s%s%s", near ? "; did you mean '" : "", near ? near : "",
             near ? "'?" : "");
    return wrong(c, key, text);
}

static bool find_field(const struct cursor *c, const char *name, int n, enum predict_field *out)
{
    for (int i = 0; i < PREDICT_FIELDS; i++)
        if (FIELDS[i].n_name == n && memcmp(FIELDS[i].name, name, (size_t)n) == 0) {
            *out = (enum predict_field)i;
            return true;
        }
    return unknown_field(c, name, n);
}

static bool take_row(struct cursor *c, struct predict_row *row, bool in_history);

static bool history_field(struct cursor *c, struct predict_row *row)
{
    struct predict_request *out = c->out;
    bool more = true;
    row->first_history = out->n_history;
    if (!take(c, '['))
        return wrong(c, "history", "a list of observations is wanted");
    if (take(c, ']'))
        return true;
    for (c->past = 0; more; c->past++) {
        void *list = out->history;
        if (out->n_history + out->n_rows >= PREDICT_ROWS)
            return wrong(c, "history", "too many observations in one request");
        if (!grow(&list, out->n_history, &out->history_capacity, sizeof *out->history, c->e))
            return false;
        out->history = list;
        if (!take_row(c, &out->history[out->n_history], true))
            return false;
        out->n_history++;
        if (!go_on(c, ']', &more))
            return false;
    }
    c->past = -1;
    row->n_history = out->n_history - row->first_history;
    return true;
}

static bool take_value(struct cursor *c, struct predict_row *row, enum predict_field id)
{
    if (id < PREDICT_NUMBERS)
        return number_field(c, row, id);
    if (id == PREDICT_TARGET)
        return target_field(c, row);
    if (id == PREDICT_MASK)
        return mask_field(c, row);
    if (id == PREDICT_FEATURES)
        return features_field(c, row);
    return id == PREDICT_HISTORY ? history_field(c, row) : signals_field(c, row, id);
}

static bool take_pair(struct cursor *c, struct predict_row *row, bool in_history)
{
    const char *name;
    int n = 0;
    enum predict_field id = PREDICT_FIELDS;
    if (!take_text(c, "the name of a field", &name, &n) || !find_field(c, name, n, &id))
        return false;
    if (predict_given(row, id))
        return wrong(c, FIELDS[id].name, "given twice");
    if (in_history && !FIELDS[id].in_history)
        return wrong(c, FIELDS[id].name, "not inside a history");
    if (!take(c, ':'))
        return syntax(c, "':'");
    row->given |= 1u << id;
    return take_value(c, row, id);
}

static bool take_row(struct cursor *c, struct predict_row *row, bool in_history)
{
    bool more = true;
    memset(row, 0, sizeof *row);
    if (!take(c, '{'))
        return syntax(c, "an observation, '{'");
    if (take(c, '}'))
        return true;
    while (more)
        if (!take_pair(c, row, in_history) || !go_on(c, '}', &more))
            return false;
    return true;
}

static bool take_rows(struct cursor *c)
{
    struct predict_request *out = c->out;
    bool more = true;
    while (more) {
        void *list = out->rows;
        if (out->n_rows + out->n_history >= PREDICT_ROWS)
            return err_set(c->e, ERR_FORMAT, "more than %d observations in one request", PREDICT_ROWS);
        c->row = out->n_rows;
        if (!grow(&list, out->n_rows, &out->rows_capacity, sizeof *out->rows, c->e))
            return false;
        out->rows = list;
        if (!take_row(c, &out->rows[out->n_rows], false))
            return false;
        out->n_rows++;
        more = false;
        if (out->is_list && !go_on(c, ']', &more))
            return false;
    }
    return true;
}

bool predict_parse(struct predict_request *out, const char *body, size_t n, struct err *e)
{
    struct cursor c = {.body = body, .at = body, .end = body + n, .out = out, .e = e, .past = -1};
    out->is_list = false;
    out->n_rows = out->n_history = out->n_features = 0;
    skip(&c);
    if (c.at == c.end)
        return err_set(e, ERR_FORMAT, "the body is empty; an observation is wanted, as in {\"cpu_usage\": 80, ...}");
    out->is_list = take(&c, '[');
    if (out->is_list && take(&c, ']'))
        return err_set(e, ERR_FORMAT, "the list of observations is empty");
    if (!take_rows(&c))
        return false;
    skip(&c);
    return c.at == c.end || syntax(&c, "the end of the body");
}

void predict_request_finish(struct predict_request *r)
{
    free(r->rows);
    free(r->history);
    free(r->features);
    *r = (struct predict_request){0};
}
