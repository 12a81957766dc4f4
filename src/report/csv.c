/* csv: writes and reads the tables of a run as text. In: numbers, or bytes of a file. Out: lines in a buffer, or a checked
 * table. Does not decide which columns there are, and opens files only to read them whole. */
#include <maestro/csv.h>
#include <maestro/file.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t FILE_LIMIT = (size_t)512 << 20;

/* Significant digits ("15", "3") and the power of ten of the first, shortest that read back to the same double. */
static int shortest_digits(double value, char digits[20], int *exponent)
{
    char text[40];
    // Down to DBL_MIN fifteen digits always survive; below it fewer may be enough.
    for (int precision = value < DBL_MIN ? 0 : 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value) // NOLINT(clang-diagnostic-float-equal): the very same double is wanted
            break;
    }
    int n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    }
    *exponent = (int)strtol(p + 1, NULL, 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    return n;
}

/* Digits with the point behind the first exponent + 1 of them, and at least one digit on either side. */
static void write_fixed(char *out, const char *digits, int n, int exponent)
{
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = -1; i > exponent; i--)
            *out++ = '0';
    }
    int whole = exponent + 1;
    for (int i = 0; i < n || i < whole; i++) {
        if (i == whole && whole > 0)
            *out++ = '.';
        *out++ = i < n ? digits[i] : '0';
    }
    if (n <= whole) {
        *out++ = '.';
        *out++ = '0';
    }
    *out = '\0';
}

char *csv_number(char out[CSV_NUMBER], double value)
{
    if (!isfinite(value)) {
        snprintf(out, CSV_NUMBER, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return out;
    }
    char digits[20];
    int exponent;
    int n = shortest_digits(fabs(value), digits, &exponent);
    char *p = out;
    if (signbit(value))
        *p++ = '-';
    if (exponent >= -4 && exponent < 16)
        write_fixed(p, digits, n, exponent);
    else
        snprintf(p, CSV_NUMBER - 1, "%c%s%se%c%02u", digits[0], n > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+',
                 (unsigned)abs(exponent) % 1000u);
    return out;
}

void csv_header(struct buf *out, const char *const *names, int n, const char *line_end)
{
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? "," : "", names[i]);
    buf_text(out, line_end);
}

void csv_row(struct buf *out, const struct csv_cell *cells, int n, const char *line_end)
{
    char number[CSV_NUMBER];
    for (int i = 0; i < n; i++) {
        if (i)
            buf_text(out, ",");
        if (cells[i].kind == CSV_WHOLE)
            buf_printf(out, "%.0f", cells[i].value);
        else if (cells[i].kind == CSV_REAL)
            buf_text(out, csv_number(number, cells[i].value));
    }
    buf_text(out, line_end);
}

void csv_monitor_head(struct buf *out, double t_start_s, const char *env_id, const char *const *extras, int n_extras)
{
    char number[CSV_NUMBER];
    buf_printf(out, "#{\"t_start\": %s, \"env_id\": \"%s\"}\n", csv_number(number, t_start_s), env_id);
    buf_text(out, "r,l,t");
    for (int i = 0; i < n_extras; i++)
        buf_printf(out, ",%s", extras[i]);
    buf_text(out, CSV_CRLF);
}

/* Python's round(value, 6) to the last bit: decimal text, correctly rounded, read back. */
static double round_6(double value)
{
    char text[400];
    snprintf(text, sizeof text, "%.6f", value);
    return strtod(text, NULL);
}

void csv_monitor_row(struct buf *out, double sum, long long length, double t_s, const double *extras, int n_extras)
{
    char number[CSV_NUMBER];
    buf_printf(out, "%s,%lld,", csv_number(number, round_6(sum)), length);
    buf_text(out, csv_number(number, round_6(t_s)));
    for (int i = 0; i < n_extras; i++)
        buf_printf(out, ",%s", isnan(extras[i]) ? "" : csv_number(number, round_6(extras[i])));
    buf_text(out, CSV_CRLF);
}

/* One line of text being cut up; at is where it begins, line its number. */
struct cursor {
    const char *title;
    char *at;
    char *end;
    size_t line;
};

/* Ends the next line with NUL and returns it; NULL at the end, or where the last line is torn. */
static char *next_line(struct cursor *c)
{
    char *line = c->at;
    char *stop = line < c->end ? memchr(line, '\n', (size_t)(c->end - line)) : NULL;
    if (!stop)
        return NULL;
    c->at = stop + 1;
    c->line++;
    *stop = '\0';
    if (stop > line && stop[-1] == '\r')
        stop[-1] = '\0';
    return line;
}

/* Cuts a line at its commas; at most limit cells. Returns their count, limit + 1 where there are more. */
static int split(char *line, const char **cells, int limit)
{
    int n = 0;
    for (;;) {
        char *comma = strchr(line, ',');
        if (n == limit)
            return limit + 1;
        cells[n++] = line;
        if (!comma)
            return n;
        *comma = '\0';
        line = comma + 1;
    }
}

/* True for a decimal number or nan, inf, -inf, and nothing else around it. */
static bool parse_number(const char *text, double *out)
{
    if (strspn(text, "+-.0123456789eE") != strlen(text) && strcmp(text, "nan") != 0 && strcmp(text, "inf") != 0 &&
        strcmp(text, "-inf") != 0)
        return false;
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool check_names(const struct csv *t, const struct cursor *c, struct err *e)
{
    for (int i = 0; i < t->n_columns; i++) {
        if (!t->names[i][0])
            return err_set(e, ERR_FORMAT, "%s:%zu: column %d has no name", c->title, c->line, i + 1);
        for (int k = 0; k < i; k++) {
            if (strcmp(t->names[i], t->names[k]) == 0)
                return err_set(e, ERR_FORMAT, "%s:%zu: column \"%.60s\" appears twice", c->title, c->line, t->names[i]);
        }
    }
    return true;
}

static bool parse_head(struct csv *t, struct cursor *c, struct err *e)
{
    char *line = next_line(c);
    if (line && line[0] == '#') {
        t->comment = line + 1;
        line = next_line(c);
    }
    if (!line || !line[0])
        return err_set(e, ERR_FORMAT, "%s:%zu: no line of column names", c->title, c->line + (line ? 0 : 1));
    t->names = calloc(CSV_COLUMNS, sizeof *t->names);
    if (!t->names)
        return err_set(e, ERR_IO, "%s: out of memory", c->title);
    t->n_columns = split(line, t->names, CSV_COLUMNS);
    if (t->n_columns > CSV_COLUMNS)
        return err_set(e, ERR_FORMAT, "%s:%zu: more than %d columns", c->title, c->line, CSV_COLUMNS);
    return check_names(t, c, e);
}

static bool parse_row(struct csv *t, struct cursor *c, char *line, enum csv_strictness strictness, struct err *e)
{
    const char **cells = t->texts + t->n_rows * (size_t)t->n_columns;
    double *values = t->values + t->n_rows * (size_t)t->n_columns;
    int n = split(line, cells, t->n_columns);
    if (n != t->n_columns)
        return err_set(e, ERR_FORMAT, "%s:%zu: %s than the %d columns named above", c->title, c->line,
                       n < t->n_columns ? "fewer cells" : "more cells", t->n_columns);
    for (int i = 0; i < n; i++) {
        values[i] = (double)NAN;
        if (cells[i][0] && !parse_number(cells[i], &values[i]) && strictness == CSV_NUMERIC)
            return err_set(e, ERR_FORMAT, "%s:%zu: %s: \"%.40s\" is not a number", c->title, c->line, t->names[i],
                           cells[i]);
    }
    t->n_rows++;
    return true;
}

static bool parse_rows(struct csv *t, struct cursor *c, enum csv_strictness strictness, struct err *e)
{
    size_t lines = 0;
    for (const char *p = c->at; p < c->end; p++)
        lines += *p == '\n';
    size_t cells = lines * (size_t)t->n_columns;
    t->texts = calloc(cells ? cells : 1, sizeof *t->texts);
    t->values = calloc(cells ? cells : 1, sizeof *t->values);
    if (!t->texts || !t->values)
        return err_set(e, ERR_IO, "%s: out of memory", c->title);
    for (char *line = next_line(c); line; line = next_line(c)) {
        if (!parse_row(t, c, line, strictness, e))
            return false;
    }
    t->torn = c->at < c->end;
    return true;
}

static bool parse_table(struct csv *t, const char *title, const char *text, size_t n, enum csv_strictness strictness,
                        struct err *e)
{
    if (n == 0)
        return err_set(e, ERR_FORMAT, "%s: the file is empty", title);
    // A comment is JSON and may hold quotes; cells may not.
    const char *comment_end = text[0] == '#' ? memchr(text, '\n', n) : NULL;
    size_t skip = comment_end ? (size_t)(comment_end - text) : 0;
    if (memchr(text, '\0', n) || memchr(text + skip, '"', n - skip))
        return err_set(e, ERR_FORMAT, "%s: NUL bytes and quoted cells are not read", title);
    t->bytes = malloc(n + 1);
    if (!t->bytes)
        return err_set(e, ERR_IO, "%s: out of memory", title);
    memcpy(t->bytes, text, n);
    t->bytes[n] = '\0';
    struct cursor c = {.title = title, .at = t->bytes, .end = t->bytes + n};
    return parse_head(t, &c, e) && parse_rows(t, &c, strictness, e);
}

bool csv_parse(const char *title, const char *text, size_t n, enum csv_strictness strictness, struct csv *out,
               struct err *e)
{
    struct csv t = {0};
    if (!parse_table(&t, title, text, n, strictness, e)) {
        csv_finish(&t);
        return false;
    }
    *out = t;
    return true;
}

bool csv_read(const char *path, enum csv_strictness strictness, struct csv *out, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    return file_read(path, FILE_LIMIT, &text, e) && csv_parse(path, text.bytes, text.len, strictness, out, e);
}

void csv_finish(struct csv *c)
{
    if (!c)
        return;
    free(c->names);
    free(c->texts);
    free(c->values);
    free(c->bytes);
    *c = (struct csv){0};
}

int csv_column(const struct csv *c, const char *name)
{
    for (int i = 0; i < c->n_columns; i++) {
        if (strcmp(c->names[i], name) == 0)
            return i;
    }
    return -1;
}
