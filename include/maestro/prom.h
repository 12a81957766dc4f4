/* prom: queries to Prometheus, of an instant or over a range. Several queries are asked side by side; each answer is a list of series or a reason
 * why there is none. A value is what Prometheus printed (NaN and infinities included): what it means for a signal is the
 * caller's matter. */
#ifndef MAESTRO_PROM_H
#define MAESTRO_PROM_H

#include <maestro/err.h>
#include <maestro/http.h>
#include <stdbool.h>
#include <stddef.h>

struct prom_label {
    const char *name, *value;
};

struct prom_point {
    double time_s; /* of the evaluation, not of the sample */
    double value;  /* may be NaN or infinite */
};

struct prom_series {
    const struct prom_label *labels; /* [n_labels] */
    int n_labels;
    double time_s;                   /* of the evaluation, not of the sample */
    double value;                    /* may be NaN or infinite */
    const struct prom_point *points; /* [n_points], times rising; of a range only */
    int n_points;
};

/* One answer. Owns everything in it; prom_answer_finish. Not answered: n_series = 0 and why is set. */
struct prom_answer {
    bool answered;
    bool degraded; /* came with warnings: perhaps partial (Thanos, Mimir); warning holds the first */
    char warning[256];
    const struct prom_series *series; /* [n_series]; a scalar is one series without labels */
    int n_series;
    struct err why;
    void *memory; /* owned */
};

struct prom_config {
    const char *url;                             /* "http://prometheus:9090", a path prefix allowed */
    const char *headers[HTTP_HEADERS_LIMIT - 2]; /* for authentication, "Authorization: Bearer ..." */
    double timeout_s;                            /* [8]; Prometheus is told to give up a little earlier */
    bool use_get;                                /* GET instead of form POST */
    struct http_config http;                     /* TLS and limits */
};

struct prom;

MUST_CHECK bool prom_open(const struct prom_config *config, struct prom **out, struct err *e);
void prom_close(struct prom *p); /* accepts NULL */

/* Evaluates n queries at time_s (wall clock; 0: the server's now). */
void prom_query_all(struct prom *p, const char *const *queries, int n, double time_s, struct prom_answer *out);

/* A range: evaluated at from_s, from_s + step_s, ... up to to_s (wall clock); at most 11,000 points a series. */
struct prom_range {
    double from_s, to_s, step_s;
};

/* The same over a range: series with points. */
void prom_query_range(struct prom *p, const char *const *queries, int n, const struct prom_range *range,
                      struct prom_answer *out);

/* An answer from bytes; status: of HTTP. name stands in messages. Never fails: what cannot be read is not answered. */
void prom_answer_parse(const char *name, long status, const char *text, size_t n, struct prom_answer *out);
/* The same for an answer about a range. */
void prom_range_parse(const char *name, long status, const char *text, size_t n, struct prom_answer *out);
void prom_answer_finish(struct prom_answer *a); /* accepts NULL and zeroed */

const char *prom_label_value(const struct prom_series *s, const char *name); /* NULL: has none */

/* Appends text as it must stand between the quotes of a PromQL string, and of a PromQL regular expression in quotes. */
void prom_escape_text(struct buf *out, const char *text);
void prom_escape_pattern(struct buf *out, const char *text);

#endif
