/* trace: a recorded load, `t_seconds,rps` or `t_seconds,value`, linear between points. */
#ifndef MAESTRO_TRACE_H
#define MAESTRO_TRACE_H

#include <maestro/err.h>
#include <stddef.h>

#define TRACE_NAME 256 /* of a file's name nothing is cut */

struct trace {
    char name[TRACE_NAME]; /* file name without folder and .csv */
    int n;
    double *time_s; /* [n] rising, owned */
    double *value;  /* [n] >= 0, owned */
    double max;     /* of value over the whole trace */
};

/* Strict: header, two finite numbers a row, times rising, values >= 0, at least two rows; errors name file and line.
 * A UTF-8 byte order mark before the header is passed over. */
MUST_CHECK bool trace_read(const char *path, struct trace *out, struct err *e);
MUST_CHECK bool trace_parse(const char *name, const char *text, size_t n, struct trace *out, struct err *e);
void trace_finish(struct trace *t); /* accepts NULL and zeroed */

double trace_span_s(const struct trace *t);

/* Value at a time. Before 0 and after the end the trace is mirrored: it runs backwards, then forwards again. */
double trace_at(const struct trace *t, double time_s);

/* The same for times that mostly rise: *hint is the row of the last answer, 0 at first. */
double trace_at_hint(const struct trace *t, double time_s, int *hint);

/* Largest value in [from, to], mirrored likewise. */
double trace_peak(const struct trace *t, double from_s, double to_s);

#endif
