/* calibrate_record: a history as a file. In: rows. Out: CSV, a line of '#' and JSON with the facts before it; and back. So a fit
 * can be made again without measuring again. */
#include <maestro/calibrate.h>

#include <maestro/csv.h>
#include <maestro/json.h>
#include <maestro/json_write.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FACT(field)                                                                                                    \
    {                                                                                                                  \
#field, offsetof(struct calibrate_facts, field)                                                                \
    }
static const struct {
    const char *name;
    size_t offset;
} FACTS[] = {FACT(cpu_request_cores), FACT(cpu_limit_cores), FACT(memory_limit_mib),
             FACT(node_cores),        FACT(timeout_ms),      FACT(window_s),
             FACT(quantile),          FACT(latency_soft_ms), FACT(latency_hard_ms)};

enum { FIXED = 12 };
static const char *const COLUMNS[FIXED] = {"time_s",   "step",   "offered_rps", "spec",  "ready",      "starting",
                                           "requests", "failed", "latency_s",   "cpu_s", "memory_mib", "cpu_fresh"};

static void put_facts(const struct history *h, const struct calibrate_facts *facts, struct buf *out)
{
    struct json_writer w = {.out = out};
    buf_text(out, "#");
    json_begin_object(&w);
    for (size_t i = 0; i < sizeof FACTS / sizeof *FACTS; i++) {
        double value;
        memcpy(&value, (const char *)facts + FACTS[i].offset, sizeof value);
        json_put_key(&w, FACTS[i].name);
        json_put_double(&w, value);
    }
    json_put_key(&w, "scrape_s");
    json_put_double(&w, h->scrape_s);
    json_put_key(&w, "bounds_ms");
    json_begin_array(&w);
    for (int i = 0; i < h->n_bounds; i++)
        json_put_double(&w, h->bound_ms[i]);
    json_end_array(&w);
    json_end_object(&w);
    buf_text(out, "\n");
}

static struct csv_cell real(double value)
{
    return isnan(value) ? (struct csv_cell){CSV_EMPTY, 0} : (struct csv_cell){CSV_REAL, value};
}

static struct csv_cell whole(int value)
{
    return (struct csv_cell){CSV_WHOLE, value};
}

static double rounded(double value)
{
    return floor(value * 1e4 + 0.5) / 1e4;
}

void calibrate_write_record(const struct history *h, const struct calibrate_facts *facts, struct buf *out)
{
    const char *names[FIXED + HISTORY_BUCKETS];
    char buckets[HISTORY_BUCKETS][16];
    memcpy(names, COLUMNS, sizeof COLUMNS);
    for (int i = 0; i <= h->n_bounds; i++) {
        snprintf(buckets[i], sizeof buckets[i], "bucket_%d", i);
        names[FIXED + i] = buckets[i];
    }
    put_facts(h, facts, out);
    csv_header(out, names, FIXED + h->n_bounds + 1, CSV_LF);
    for (int i = 0; i < h->n; i++) {
        const struct history_row *r = &h->rows[i];
        struct csv_cell cells[FIXED + HISTORY_BUCKETS] = {real(rounded(r->time_s - h->rows[0].time_s)),
                                                          whole(r->step),
                                                          real(r->offered_rps),
                                                          whole(r->spec),
                                                          whole(r->ready),
                                                          whole(r->starting),
                                                          real(rounded(r->requests)),
                                                          real(rounded(r->failed)),
                                                          real(rounded(r->latency_s)),
                                                          real(rounded(r->cpu_s)),
                                                          real(rounded(r->memory_mib)),
                                                          whole(r->cpu_fresh)};
        for (int b = 0; b <= h->n_bounds; b++)
            cells[FIXED + b] = real(rounded(r->bucket[b]));
        csv_row(out, cells, FIXED + h->n_bounds + 1, CSV_LF);
    }
}

static bool read_facts(const char *name, const char *text, struct history *h, struct calibrate_facts *facts,
                       struct err *e)
{
    struct json_document d = {0};
    if (!text)
        return err_set(e, ERR_FORMAT, "%s: is no record: the line of '#' and JSON is missing", name);
    bool done = json_parse(&d, name, text, strlen(text), e);
    for (size_t i = 0; i < sizeof FACTS / sizeof *FACTS && done; i++) {
        double value = 0;
        done = json_number(d.root, FACTS[i].name, &value, e);
        memcpy((char *)facts + FACTS[i].offset, &value, sizeof value);
    }
    done = done && json_number(d.root, "scrape_s", &h->scrape_s, e) &&
           json_numbers(d.root, "bounds_ms", h->bound_ms, HISTORY_BUCKETS - 1, &h->n_bounds, e);
    json_finish(&d);
    for (int i = 1; i < h->n_bounds && done; i++)
        if (!(h->bound_ms[i] > h->bound_ms[i - 1]))
            return err_set(e, ERR_FORMAT, "%s: bounds_ms do not rise", name);
    if (done && (h->n_bounds < 2 || !(facts->node_cores > 0) || !(facts->timeout_ms > 0) || !(facts->quantile > 0)))
        return err_set(e, ERR_FORMAT, "%s: its first line lacks bounds, node_cores, timeout_ms or quantile", name);
    return done;
}

static bool check_row(const char *name, const struct history *h, const struct history_row *row, struct err *e)
{
    const struct history_row *before = h->n > 0 ? &h->rows[h->n - 1] : NULL;
    double sum = row->time_s + row->requests + row->failed + row->latency_s + row->cpu_s;
    for (int i = 0; i <= h->n_bounds; i++)
        sum += row->bucket[i];
    if (!isfinite(sum))
        return err_set(e, ERR_FORMAT, "%s: row %d: a number is missing", name, h->n + 1);
    if (before && (!(row->time_s > before->time_s) || row->requests < before->requests || row->cpu_s < before->cpu_s))
        return err_set(e, ERR_FORMAT, "%s: row %d: time must rise and counters must not fall", name, h->n + 1);
    return true;
}

static int count_of(double value)
{
    return value >= 0 && value <= REPLICAS_LIMIT ? (int)value : 0;
}

static int step_of(double value)
{
    return value >= 0 && value <= CALIBRATE_REPLICAS * CALIBRATE_STAIRS ? (int)value : 0;
}

static bool read_row(const char *name, const struct csv *c, size_t at, struct history *h, struct err *e)
{
    const double *v = c->values + at * (size_t)c->n_columns;
    struct history_row row = {.time_s = v[0],
                              .step = step_of(v[1]),
                              .offered_rps = v[2],
                              .spec = count_of(v[3]),
                              .ready = count_of(v[4]),
                              .starting = count_of(v[5]),
                              .requests = v[6],
                              .failed = v[7],
                              .latency_s = v[8],
                              .cpu_s = v[9],
                              .memory_mib = v[10],
                              .cpu_fresh = v[11] > 0};
    memcpy(row.bucket, v + FIXED, (size_t)(h->n_bounds + 1) * sizeof *v);
    return check_row(name, h, &row, e) && history_add(h, &row, e);
}

bool calibrate_parse_record(const char *name, const char *text, size_t n, struct history *h,
                            struct calibrate_facts *facts, struct err *e)
{
    struct csv c = {0};
    *h = (struct history){0};
    if (!csv_parse(name, text, n, CSV_NUMERIC, &c, e))
        return false;
    bool done = read_facts(name, c.comment, h, facts, e);
    if (done && c.n_columns != FIXED + h->n_bounds + 1)
        done = err_set(e, ERR_FORMAT, "%s: %d columns, wanted %d", name, c.n_columns, FIXED + h->n_bounds + 1);
    for (int i = 0; i < FIXED && done; i++)
        if (strcmp(c.names[i], COLUMNS[i]) != 0)
            done = err_set(e, ERR_FORMAT, "%s: column %d is '%.40s', wanted %s", name, i + 1, c.names[i], COLUMNS[i]);
    for (size_t i = 0; i < c.n_rows && done; i++)
        done = read_row(name, &c, i, h, e);
    csv_finish(&c);
    if (!done)
        history_finish(h);
    return done;
}
