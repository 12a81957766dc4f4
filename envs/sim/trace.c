/* trace: reads recorded loads and answers what the load was at a time. In: bytes of a CSV. Out: struct trace. Strict: what
 * is not a number in order is an error with its line. Knows nothing of services or scaling. */
#include <maestro/trace.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <maestro/buf.h>
#include <maestro/file.h>

static const size_t TRACE_BYTES = (size_t)64 << 20; /* largest file: 64 MiB */
static const double TRACE_LATEST_S = 1e12; /* Unix time fits many times over; sums of such times stay exact enough */

struct trace_reader {
    const char *name;
    const char *at, *end;
    int line;
    int capacity;
};

/* The next line without its end (LF or CR LF) in [*from, *to); false at the end of the text. */
static bool next_line(struct trace_reader *r, const char **from, const char **to)
{
    if (r->at == r->end)
        return false;
    const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
    *from = r->at;
    *to = stop ? stop : r->end;
    r->at = stop ? stop + 1 : r->end;
    if (*to > *from && (*to)[-1] == '\r')
        (*to)--;
    r->line++;
    return true;
}

static bool is_header(const char *from, const char *to)
{
    size_t n = (size_t)(to - from);
    return (n == 13 && memcmp(from, "t_seconds,rps", 13) == 0) || (n == 15 && memcmp(from, "t_seconds,value", 15) == 0);
}

/* A whole field as a finite number. Copied first: strtod needs an end. */
static bool read_number(const struct trace_reader *r, const char *column, const char *from, const char *to, double *out,
                        struct err *e)
{
    char text[64];
    size_t n = (size_t)(to - from);
    if (n == 0 || n >= sizeof text || memchr(from, '\0', n))
        return err_set(e, ERR_FORMAT, "%s:%d: %s must be a number", r->name, r->line, column);
    memcpy(text, from, n);
    text[n] = '\0';
    char *stop;
    double value = strtod(text, &stop);
    if (*stop != '\0' || text[0] == ' ' || text[0] == '\t' || strpbrk(text, "xXpP"))
        return err_set(e, ERR_FORMAT, "%s:%d: %s must be a number, not \"%s\"", r->name, r->line, column, text);
    if (!isfinite(value))
        return err_set(e, ERR_FORMAT, "%s:%d: %s must be finite, not \"%s\"", r->name, r->line, column, text);
    *out = value;
    return true;
}

static bool read_row(const struct trace_reader *r, const char *from, const char *to, double row[2], struct err *e)
{
    const char *comma = memchr(from, ',', (size_t)(to - from));
    if (!comma || memchr(comma + 1, ',', (size_t)(to - comma - 1)))
        return err_set(e, ERR_FORMAT, "%s:%d: a row has two fields, t_seconds and the load", r->name, r->line);
    return read_number(r, "t_seconds", from, comma, &row[0], e) &&
           read_number(r, "the load", comma + 1, to, &row[1], e);
}

static bool check_row(const struct trace_reader *r, const struct trace *t, const double row[2], struct err *e)
{
    if (row[1] < 0)
        return err_set(e, ERR_FORMAT, "%s:%d: the load must not be negative (%g)", r->name, r->line, row[1]);
    if (t->n > 0 && !(row[0] > t->time_s[t->n - 1]))
        return err_set(e, ERR_FORMAT, "%s:%d: t_seconds must rise from row to row (%g after %g)", r->name, r->line,
                       row[0], t->time_s[t->n - 1]);
    if (fabs(row[0]) > TRACE_LATEST_S)
        return err_set(e, ERR_FORMAT, "%s:%d: t_seconds %g must lie within %g of 0", r->name, r->line, row[0],
                       TRACE_LATEST_S);
    return true;
}

static bool grow(struct trace_reader *r, struct trace *t, struct err *e)
{
    if (t->n < r->capacity)
        return true;
    int capacity = r->capacity ? 2 * r->capacity : 1024;
    double *time_s = realloc(t->time_s, (size_t)capacity * sizeof *time_s);
    if (time_s)
        t->time_s = time_s;
    double *value = realloc(t->value, (size_t)capacity * sizeof *value);
    if (value)
        t->value = value;
    if (!time_s || !value)
        return err_set(e, ERR_IO, "%s: out of memory for the trace", r->name);
    r->capacity = capacity;
    return true;
}

static bool read_rows(struct trace_reader *r, struct trace *t, struct err *e)
{
    const char *from, *to;
    while (next_line(r, &from, &to)) {
        double row[2];
        if (!read_row(r, from, to, row, e) || !check_row(r, t, row, e) || !grow(r, t, e))
            return false;
        t->time_s[t->n] = row[0];
        t->value[t->n] = row[1];
        t->max = fmax(t->max, row[1]);
        t->n++;
    }
    if (t->n < 2)
        return err_set(e, ERR_FORMAT, "%s:%d: a trace needs at least two rows after the header", r->name, r->line);
    if (!isfinite(trace_span_s(t)))
        return err_set(e, ERR_FORMAT, "%s: t_seconds spans more than a number can hold", r->name);
    if (!(t->max > 0))
        return err_set(e, ERR_FORMAT, "%s: the load is zero everywhere", r->name);
    return true;
}

static void trace_name(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    if (n > 4 && strcmp(base + n - 4, ".csv") == 0)
        n -= 4;
    snprintf(out, size, "%.*s", (int)n, base);
}

/* Spreadsheets write a byte order mark before UTF-8 text. */
static size_t mark_bytes(const char *text, size_t n)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t length = sizeof mark - 1;
    return n >= length && memcmp(text, mark, length) == 0 ? length : 0;
}

bool trace_parse(const char *name, const char *text, size_t n, struct trace *out, struct err *e)
{
    struct trace_reader r = {.name = name, .at = text + mark_bytes(text, n), .end = text + n};
    const char *from, *to;
    if (!next_line(&r, &from, &to))
        return err_set(e, ERR_FORMAT, "%s: the file is empty; it must begin with \"t_seconds,rps\"", name);
    if (!is_header(from, to))
        return err_set(e, ERR_FORMAT, "%s:1: the header must be \"t_seconds,rps\" or \"t_seconds,value\"", name);
    struct trace t = {0};
    if (!read_rows(&r, &t, e)) {
        trace_finish(&t);
        return false;
    }
    trace_name(name, t.name, sizeof t.name);
    *out = t;
    return true;
}

bool trace_read(const char *path, struct trace *out, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!file_read(path, TRACE_BYTES, &text, e))
        return false;
    return trace_parse(path, text.len ? text.bytes : "", text.len, out, e);
}

void trace_finish(struct trace *t)
{
    if (!t)
        return;
    free(t->time_s);
    free(t->value);
    *t = (struct trace){0};
}

double trace_span_s(const struct trace *t)
{
    return t->time_s[t->n - 1] - t->time_s[0];
}

/* Folds a time into [0, span]: forwards, backwards, forwards, ... */
static double mirror(double time_s, double span_s)
{
    double folded = fmod(fabs(time_s), 2.0 * span_s);
    return folded <= span_s ? folded : 2.0 * span_s - folded;
}

/* Last row at or before a time inside the trace, never the very last. */
static int row_before(const struct trace *t, double time_s)
{
    int low = 0, high = t->n - 1;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (t->time_s[middle] <= time_s)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double trace_at(const struct trace *t, double time_s)
{
    int row = 0;
    return trace_at_hint(t, time_s, &row);
}

double trace_at_hint(const struct trace *t, double time_s, int *hint)
{
    double span = trace_span_s(t);
    double at = t->time_s[0] + (time_s >= 0 && time_s <= span ? time_s : mirror(time_s, span));
    at = fmin(at, t->time_s[t->n - 1]); // the sum may round to behind the last row
    int row = *hint;
    if (row < 0 || row >= t->n - 1 || !(t->time_s[row] <= at && at <= t->time_s[row + 1])) {
        row = row >= 0 && row + 1 < t->n - 1 && t->time_s[row + 1] <= at && at <= t->time_s[row + 2]
                  ? row + 1
                  : row_before(t, at);
        *hint = row;
    }
    double share = (at - t->time_s[row]) / (t->time_s[row + 1] - t->time_s[row]);
    return t->value[row] + share * (t->value[row + 1] - t->value[row]);
}

/* Largest value in [from, to] inside the trace: the ends and every row between. */
static double peak_inside(const struct trace *t, double from_s, double to_s)
{
    double peak = fmax(trace_at(t, from_s), trace_at(t, to_s));
    for (int row = row_before(t, t->time_s[0] + from_s) + 1; row < t->n && t->time_s[row] < t->time_s[0] + to_s; row++)
        peak = fmax(peak, t->value[row]);
    return peak;
}

double trace_peak(const struct trace *t, double from_s, double to_s)
{
    double span = trace_span_s(t);
    double peak = 0.0;
    if (to_s - from_s >= 2.0 * span)
        return t->max;
    for (double at = from_s; at < to_s;) {
        double leg_end = (floor(at / span) + 1.0) * span;
        double stop = fmin(leg_end, to_s);
        double a = mirror(at, span), b = mirror(stop, span);
        peak = fmax(peak, peak_inside(t, fmin(a, b), fmax(a, b)));
        at = stop > at ? stop : to_s;
    }
    return peak;
}
