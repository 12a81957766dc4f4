/* csv: the tables of a run. Writers follow Stable-Baselines3's files to the byte: progress.csv (plain LF) and monitor.csv
 * (first line '#' and JSON ending in LF, header and rows ending in CRLF, as its load_results reads). Numbers are Python's
 * repr of a float: the shortest digits that read back to the same double. The reader is strict and names file and line. */
#ifndef MAESTRO_CSV_H
#define MAESTRO_CSV_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stddef.h>

#define CSV_NUMBER 32   /* bytes that any number needs, with the NUL */
#define CSV_COLUMNS 256 /* most columns of a table that is read */
#define CSV_LF "\n"
#define CSV_CRLF "\r\n"

/* Python's repr(float): 1.0, 0.0003, 1e-05, 1e+16, nan, inf. Returns out. */
char *csv_number(char out[CSV_NUMBER], double value);

enum csv_kind { CSV_EMPTY, CSV_WHOLE, CSV_REAL };

struct csv_cell {
    enum csv_kind kind;
    double value;
};

/* Both append one line to out and allocate nothing but its growth. */
void csv_header(struct buf *out, const char *const *names, int n, const char *line_end);
void csv_row(struct buf *out, const struct csv_cell *cells, int n, const char *line_end);

/* The first two lines of a monitor.csv; extras (may be none) follow r,l,t. */
void csv_monitor_head(struct buf *out, double t_start_s, const char *env_id, const char *const *extras, int n_extras);

/* One episode: sum of rewards and seconds since t_start are rounded to 6 decimals. Extras that are NaN stay empty. */
void csv_monitor_row(struct buf *out, double sum, long long length, double t_s, const double *extras, int n_extras);

/* A table that was read. Text pointers live until csv_finish. */
struct csv {
    char *comment;      /* first line if it began with '#', without that; else NULL */
    const char **names; /* [n_columns] */
    const char **texts; /* [n_rows][n_columns] cells as they stand */
    double *values;     /* [n_rows][n_columns]; NaN where empty or text */
    int n_columns;
    size_t n_rows;
    bool torn;   /* the last line had no end and was left out */
    char *bytes; /* owned */
};

enum csv_strictness {
    CSV_NUMERIC, /* every cell is a number or empty */
    CSV_MIXED,   /* cells may be text */
};

/* LF or CRLF lines. Refuses: an empty file, repeated or empty column names, rows of another width, quotes, NUL bytes. */
MUST_CHECK bool csv_read(const char *path, enum csv_strictness strictness, struct csv *out, struct err *e);
MUST_CHECK bool csv_parse(const char *title, const char *text, size_t n, enum csv_strictness strictness,
                          struct csv *out, struct err *e);
void csv_finish(struct csv *c);                        /* accepts NULL and zeroed */
int csv_column(const struct csv *c, const char *name); /* -1: none */

static inline double csv_value(const struct csv *c, size_t row, int column)
{
    return c->values[row * (size_t)c->n_columns + (size_t)column];
}

static inline const char *csv_text(const struct csv *c, size_t row, int column)
{
    return c->texts[row * (size_t)c->n_columns + (size_t)column];
}

#endif
