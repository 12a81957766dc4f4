/* term: what a run looks like in a terminal, as pure functions from numbers to text: nothing here writes or asks the
 * terminal anything. UTF-8 out. */
#ifndef MAESTRO_TERM_H
#define MAESTRO_TERM_H

#include <maestro/buf.h>
#include <stdbool.h>
#include <stddef.h>

/* A line of at most width block characters, the values averaged into as many bins; NaN leaves a gap. A course that does
 * not vary is drawn at half height. */
void term_sparkline(struct buf *out, const double *values, size_t n, int width);

/* One line of a table; key is "section/name" or just "name". */
struct term_row {
    const char *key;
    const char *value; /* see term_number */
};

/* The boxed table that Stable-Baselines3 prints: a line for each section where it begins, its names indented below. Rows
 * of one section must stand together. */
void term_table(struct buf *out, const struct term_row *rows, size_t n);

#define TERM_NUMBER 32

/* As Stable-Baselines3 prints numbers: whole ones as they are, others with three significant digits. Returns out. */
char *term_number(char out[TERM_NUMBER], double value);

/* "3 s", "2 min 05 s", "1 h 02 min". Returns out. */
char *term_duration(char out[TERM_NUMBER], double seconds);

struct term_progress {
    long long done, total;
    double steps_per_s; /* <= 0: not known yet, then no time to go either */
    double reward_mean; /* of the last episodes; NaN: none ended yet */
};

/* One line without a line end, at most width columns: bar, share, steps/s, time to go, mean reward; parts that do not fit
 * are left out, the bar first. */
void term_bar(struct buf *out, const struct term_progress *progress, int width);

/* Columns that a UTF-8 text takes, one a character. */
int term_columns(const char *text);

#endif
