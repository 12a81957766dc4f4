/* prom_answer: what Prometheus (or a proxy in front of it) sent, turned into series or a reason. In: status and bytes; out:
 * struct prom_answer. All texts of an answer lie in one copy of its bytes, labels and series in two arrays. */
#include <maestro/prom.h>

#include "prom_read.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_LIMIT ((size_t)64 << 20)
#define LABELS_LIMIT 64 /* of one series */

struct memory {
    char *text;
    struct prom_series *series;
    struct prom_label *labels;
    struct prom_point *points;
    size_t n_series, series_room, n_labels, labels_room, n_points, points_room;
};

enum kind { KIND_UNKNOWN, KIND_VECTOR, KIND_SCALAR, KIND_MATRIX, KIND_OTHER };

struct envelope {
    struct prom_reader r;
    struct memory *m;
    struct prom_answer *out;
    bool of_range; /* a matrix is wanted, and nothing else */
    const char *status, *error_type, *error;
    const char *kind_name; /* resultType */
    enum kind kind;
    char *result; /* where it stands when it came before its type */
    bool has_result;
};

static bool grow(const struct prom_reader *r, void **array, size_t *room, size_t size)
{
    size_t wanted = *room ? 2 * *room : 64;
    void *larger = realloc(*array, wanted * size);
    if (!larger)
        return err_set(r->e, ERR_IO, "%s: no memory for the answer", r->name);
    *array = larger;
    *room = wanted;
    return true;
}

static struct prom_series *add_series(struct envelope *v)
{
    struct memory *m = v->m;
    void *array = m->series;
    if (m->n_series == m->series_room && !grow(&v->r, &array, &m->series_room, sizeof *m->series))
        return NULL;
    m->series = array;
    struct prom_series *s = &m->series[m->n_series++];
    *s = (struct prom_series){0};
    return s;
}

static struct prom_label *add_label(struct envelope *v)
{
    struct memory *m = v->m;
    void *array = m->labels;
    if (m->n_labels == m->labels_room && !grow(&v->r, &array, &m->labels_room, sizeof *m->labels))
        return NULL;
    m->labels = array;
    return &m->labels[m->n_labels++];
}

/* {"name": "value", ...} behind the labels that are there. */
static bool read_labels(struct envelope *v, struct prom_series *s)
{
    bool first = true, more = false;
    char *name = NULL, *value = NULL;
    if (!prom_want(&v->r, '{'))
        return false;
    while (prom_key(&v->r, &first, &name, &more) && more) {
        for (int i = 1; i <= s->n_labels; i++)
            if (strcmp(v->m->labels[v->m->n_labels - (size_t)i].name, name) == 0)
                return prom_refuse(&v->r, "a label stands twice in one series");
        if (s->n_labels == LABELS_LIMIT)
            return prom_refuse(&v->r, "a series with too many labels");
        struct prom_label *label = prom_text(&v->r, &value) ? add_label(v) : NULL;
        if (!label)
            return false;
        *label = (struct prom_label){.name = name, .value = value};
        s->n_labels++;
    }
    return !more;
}

/* As Go prints and Prometheus sends it. */
static bool value_of(const char *text, double *out)
{
    static const char *const names[] = {"NaN", "+Inf", "-Inf", "Inf"};
    const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, (double)INFINITY};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = values[i];
            return true;
        }
    char *end = NULL;
    if (!*text || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

/* [seconds, "value"] */
static bool read_point(struct envelope *v, double *time_s, double *value)
{
    char *text = NULL;
    if (!prom_want(&v->r, '[') || !prom_number(&v->r, time_s) || !prom_want(&v->r, ',') || !prom_text(&v->r, &text) ||
        !prom_want(&v->r, ']'))
        return false;
    return value_of(text, value) || prom_refuse(&v->r, "a value that is no number");
}

static bool read_sample(struct envelope *v, struct prom_series *s)
{
    return read_point(v, &s->time_s, &s->value);
}

/* [[seconds, "value"], ...] */
static bool read_points(struct envelope *v, struct prom_series *s)
{
    struct memory *m = v->m;
    bool first = true, more = false;
    if (!prom_want(&v->r, '['))
        return false;
    while (prom_more(&v->r, &first, ']', &more) && more) {
        void *array = m->points;
        if (m->n_points == m->points_room && !grow(&v->r, &array, &m->points_room, sizeof *m->points))
            return false;
        m->points = array;
        struct prom_point *point = &m->points[m->n_points];
        if (!read_point(v, &point->time_s, &point->value))
            return false;
        if (s->n_points > 0 && !(point->time_s > point[-1].time_s))
            return prom_refuse(&v->r, "times of a series that do not rise");
        m->n_points++;
        s->n_points++;
    }
    return !more;
}

static bool refuse_histogram(const struct envelope *v)
{
    return err_set(v->r.e, ERR_USAGE,
                   "%s: the query returns native histograms; it must make numbers of them (histogram_quantile, "
                   "histogram_count)",
                   v->r.name);
}

/* {"metric": {...}, "value": [...]}, of a range "values": [[...], ...] */
static bool read_element(struct envelope *v)
{
    bool first = true, more = false, has_metric = false, has_value = false;
    char *key = NULL;
    struct prom_series *s = add_series(v);
    if (!s || !prom_want(&v->r, '{'))
        return false;
    while (prom_key(&v->r, &first, &key, &more) && more) {
        bool is_metric = strcmp(key, "metric") == 0;
        bool is_value = strcmp(key, v->of_range ? "values" : "value") == 0;
        if (strcmp(key, v->of_range ? "histograms" : "histogram") == 0)
            return refuse_histogram(v);
        if ((is_metric && has_metric) || (is_value && has_value))
            return prom_refuse(&v->r, "a key stands twice in one series");
        bool (*read)(struct envelope *, struct prom_series *) = is_metric     ? read_labels
                                                                : v->of_range ? read_points
                                                                              : read_sample;
        if (!(is_metric || is_value ? read(v, s) : prom_skip(&v->r)))
            return false;
        has_metric = has_metric || is_metric;
        has_value = has_value || is_value;
    }
    return !more && ((has_metric && has_value) || prom_refuse(&v->r, "a series without metric or value"));
}

static bool read_vector(struct envelope *v)
{
    bool first = true, more = false;
    if (!prom_want(&v->r, '['))
        return false;
    while (prom_more(&v->r, &first, ']', &more) && more)
        if (!read_element(v))
            return false;
    return !more;
}

static bool read_result(struct envelope *v)
{
    v->has_result = true;
    if (v->kind == KIND_UNKNOWN) {
        prom_look(&v->r);
        v->result = v->r.at;
        return true;
    }
    if (v->kind == KIND_VECTOR || v->kind == KIND_MATRIX)
        return read_vector(v);
    if (v->kind == KIND_OTHER)
        return err_set(v->r.e, ERR_USAGE, "%s: the query returns a %.40s; %s is wanted", v->r.name, v->kind_name,
                       v->of_range ? "a matrix" : "an instant vector or a scalar");
    struct prom_series *s = add_series(v);
    return s && read_sample(v, s);
}

static enum kind kind_of(const char *name, bool of_range)
{
    if (of_range)
        return strcmp(name, "matrix") == 0 ? KIND_MATRIX : KIND_OTHER;
    return strcmp(name, "vector") == 0 ? KIND_VECTOR : strcmp(name, "scalar") == 0 ? KIND_SCALAR : KIND_OTHER;
}

static bool read_kind(struct envelope *v)
{
    char *name = NULL;
    if (!prom_text(&v->r, &name))
        return false;
    if (v->kind != KIND_UNKNOWN)
        return prom_refuse(&v->r, "resultType stands twice");
    v->kind_name = name;
    v->kind = kind_of(name, v->of_range);
    return true;
}

/* The type nearly always comes first. Where it does not, the result is skipped in a copy, so that its texts are whole when it
 * is read for good. */
static bool skip_result(struct envelope *v)
{
    size_t left = (size_t)(v->r.end - v->r.at);
    char *copy = malloc(left + 1);
    if (!copy)
        return err_set(v->r.e, ERR_IO, "%s: no memory for the answer", v->r.name);
    memcpy(copy, v->r.at, left + 1);
    struct prom_reader r = {.start = copy, .at = copy, .end = copy + left, .e = v->r.e, .name = v->r.name};
    bool done = prom_skip(&r);
    v->r.at += r.at - copy;
    free(copy);
    return done;
}

static bool read_data(struct envelope *v)
{
    bool first = true, more = false, done = true;
    char *key = NULL;
    if (v->has_result)
        return prom_refuse(&v->r, "data stands twice");
    if (!prom_want(&v->r, '{'))
        return false;
    while (done && prom_key(&v->r, &first, &key, &more) && more) {
        if (strcmp(key, "resultType") == 0)
            done = read_kind(v);
        else if (strcmp(key, "result") == 0 && v->has_result)
            done = prom_refuse(&v->r, "result stands twice");
        else if (strcmp(key, "result") == 0)
            done = read_result(v) && (!v->result || skip_result(v));
        else
            done = prom_skip(&v->r);
    }
    if (!done || more || !v->result)
        return done && !more;
    if (v->kind == KIND_UNKNOWN)
        return prom_refuse(&v->r, "a result without resultType");
    char *behind = v->r.at;
    v->r.at = v->result;
    done = read_result(v);
    v->r.at = done ? behind : v->r.at;
    return done;
}

static bool read_warnings(struct envelope *v)
{
    bool first = true, more = false;
    char *text = NULL;
    if (!prom_take(&v->r, '['))
        return prom_skip(&v->r);
    while (prom_more(&v->r, &first, ']', &more) && more) {
        if (!prom_text(&v->r, &text))
            return false;
        if (!v->out->degraded)
            snprintf(v->out->warning, sizeof v->out->warning, "%s", text);
        v->out->degraded = true;
    }
    return !more;
}

static bool read_word(struct envelope *v, const char **out)
{
    char *text = NULL;
    if (!prom_text(&v->r, &text))
        return false;
    *out = text;
    return true;
}

static bool read_field(struct envelope *v, const char *key)
{
    if (strcmp(key, "status") == 0)
        return read_word(v, &v->status);
    if (strcmp(key, "errorType") == 0)
        return read_word(v, &v->error_type);
    if (strcmp(key, "error") == 0)
        return read_word(v, &v->error);
    if (strcmp(key, "warnings") == 0)
        return read_warnings(v);
    return strcmp(key, "data") == 0 ? read_data(v) : prom_skip(&v->r);
}

static bool read_envelope(struct envelope *v)
{
    bool first = true, more = false;
    char *key = NULL;
    if (!prom_want(&v->r, '{'))
        return false;
    while (prom_key(&v->r, &first, &key, &more) && more)
        if (!read_field(v, key))
            return false;
    if (more)
        return false;
    prom_look(&v->r);
    return v->r.at == v->r.end || prom_refuse(&v->r, "something stands behind the answer");
}

static bool refuse_error(const struct envelope *v, long status)
{
    const char *type = v->error_type ? v->error_type : "error";
    bool of_query = strcmp(type, "bad_data") == 0 || strcmp(type, "execution") == 0;
    return err_set(v->r.e, of_query ? ERR_USAGE : ERR_IO, "%s: Prometheus says %.40s (status %ld): %.300s", v->r.name,
                   type, status, v->error ? v->error : "without a reason");
}

/* Labels in any order give the same number. */
static uint64_t labels_sum(const struct prom_series *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < s->n_labels; i++) {
        uint64_t hash = 14695981039346656037u; // FNV-1a
        for (const char *c = s->labels[i].name; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        hash = (hash ^ 0xFF) * 1099511628211u;
        for (const char *c = s->labels[i].value; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        sum += hash;
    }
    return sum;
}

static bool same_labels(const struct prom_series *a, const struct prom_series *b)
{
    if (a->n_labels != b->n_labels)
        return false;
    for (int i = 0; i < a->n_labels; i++) {
        const char *value = prom_label_value(b, a->labels[i].name);
        if (!value || strcmp(value, a->labels[i].value) != 0)
            return false;
    }
    return true;
}

/* Open addressing over the sums; slots hold index + 1. */
static bool check_twins(const struct envelope *v)
{
    const struct memory *m = v->m;
    size_t room = 64;
    while (room < 2 * m->n_series)
        room *= 2;
    uint32_t *slots = calloc(room, sizeof *slots);
    if (!slots)
        return err_set(v->r.e, ERR_IO, "%s: no memory for the answer", v->r.name);
    bool twins = false;
    for (size_t i = 0; i < m->n_series && !twins; i++) {
        size_t at = (size_t)labels_sum(&m->series[i]) & (room - 1);
        for (; slots[at] && !twins; at = (at + 1) & (room - 1))
            twins = same_labels(&m->series[slots[at] - 1], &m->series[i]);
        slots[at] = (uint32_t)i + 1;
    }
    free(slots);
    return !twins || err_set(v->r.e, ERR_FORMAT, "%s: two series of the answer have the same labels", v->r.name);
}

static void tie_series(struct memory *m)
{
    size_t label = 0, point = 0;
    for (size_t i = 0; i < m->n_series; i++) {
        struct prom_series *s = &m->series[i];
        s->labels = s->n_labels ? m->labels + label : NULL;
        s->points = s->n_points ? m->points + point : NULL;
        label += (size_t)s->n_labels;
        point += (size_t)s->n_points;
    }
}

static bool read_answer(struct envelope *v, long status)
{
    if (!read_envelope(v))
        return false;
    if (v->status && strcmp(v->status, "error") == 0)
        return refuse_error(v, status);
    if (!v->status || strcmp(v->status, "success") != 0)
        return prom_refuse(&v->r, "neither success nor error");
    if (status < 200 || status > 299)
        return err_set(v->r.e, ERR_IO, "%s: status %ld, though the answer says success", v->r.name, status);
    if (!v->has_result)
        return prom_refuse(&v->r, "success without a result");
    tie_series(v->m);
    return check_twins(v);
}

/* What a proxy or an unready server sends: its first line, unless it is a web page. */
static void refuse_text(const char *name, long status, const char *text, size_t n, struct err *why)
{
    char line[121] = "";
    size_t length = 0;
    while (n && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    while (length < n && length < sizeof line - 1 && isprint((unsigned char)text[length])) {
        line[length] = text[length];
        length++;
    }
    enum err_code code = status == 200 ? ERR_FORMAT : ERR_IO;
    if (*line == '<')
        err_set(why, code, "%s: status %ld with a web page: not Prometheus, or a proxy in front of it", name, status);
    else
        err_set(why, code, "%s: status %ld: %s", name, status, *line ? line : "no readable answer");
}

static void free_memory(struct memory *m)
{
    if (!m)
        return;
    free(m->text);
    free(m->series);
    free(m->labels);
    free(m->points);
    free(m);
}

static struct memory *copy_text(const char *text, size_t n)
{
    struct memory *m = calloc(1, sizeof *m);
    char *copy = m && n <= ANSWER_LIMIT ? malloc(n + 1) : NULL;
    if (!copy) {
        free(m);
        return NULL;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    m->text = copy;
    return m;
}

/* An answer of JSON. */
static void parse_json(const char *name, long status, struct memory *m, size_t n, bool of_range,
                       struct prom_answer *out)
{
    struct envelope v = {.r = {.start = m->text, .at = m->text, .end = m->text + n, .e = &out->why, .name = name},
                         .m = m,
                         .of_range = of_range,
                         .out = out};
    if (!read_answer(&v, status)) {
        free_memory(m);
        return;
    }
    out->answered = true;
    out->series = m->series;
    out->n_series = (int)m->n_series;
    out->memory = m;
}

static void parse(const char *name, long status, const char *text, size_t n, bool of_range, struct prom_answer *out)
{
    *out = (struct prom_answer){0};
    size_t space = 0;
    while (space < n && isspace((unsigned char)text[space]))
        space++;
    if (space == n || text[space] != '{') {
        refuse_text(name, status, text, n, &out->why);
        return;
    }
    struct memory *m = copy_text(text, n);
    if (m)
        parse_json(name, status, m, n, of_range, out);
    else
        err_set(&out->why, ERR_IO, "%s: no memory for an answer of %zu bytes", name, n);
}

void prom_answer_parse(const char *name, long status, const char *text, size_t n, struct prom_answer *out)
{
    parse(name, status, text, n, false, out);
}

void prom_range_parse(const char *name, long status, const char *text, size_t n, struct prom_answer *out)
{
    parse(name, status, text, n, true, out);
}

void prom_answer_finish(struct prom_answer *a)
{
    if (!a)
        return;
    free_memory(a->memory);
    *a = (struct prom_answer){0};
}

const char *prom_label_value(const struct prom_series *s, const char *name)
{
    for (int i = 0; i < s->n_labels; i++)
        if (strcmp(s->labels[i].name, name) == 0)
            return s->labels[i].value;
    return NULL;
}
