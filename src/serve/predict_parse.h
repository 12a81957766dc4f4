/* predict_parse.h: the request of POST /predict as it was sent: what is given and what is not, nothing assumed yet. */
#ifndef SERVE_PREDICT_PARSE_H
#define SERVE_PREDICT_PARSE_H

#include <maestro/err.h>
#include <maestro/types.h>
#include <stddef.h>

#define PREDICT_ROWS 4096 /* observations of one request, those of histories included */

enum predict_field {
    PREDICT_CPU_USAGE, /* of the whole target: percent of one core, or cores (serve.cpu_unit) */
    PREDICT_MEMORY_USAGE,
    PREDICT_REPLICAS,
    PREDICT_LATENCY,
    PREDICT_RPS,
    PREDICT_CPU_CORES,
    PREDICT_MEMORY_RATIO,
    PREDICT_TIMESTAMP,
    PREDICT_READY,
    PREDICT_STARTING,
    PREDICT_TERMINATING,
    PREDICT_ERROR_RATIO,
    PREDICT_CPU_REQUEST,
    PREDICT_MEMORY_LIMIT,
    PREDICT_MIN,
    PREDICT_MAX,
    PREDICT_SOFT,
    PREDICT_HARD,
    PREDICT_NUMBERS, /* those above are numbers */
    PREDICT_TARGET = PREDICT_NUMBERS,
    PREDICT_MASK,
    PREDICT_FEATURES,
    PREDICT_HISTORY,
    PREDICT_VALIDITY,
    PREDICT_AGE,
    PREDICT_FIELDS
};

struct predict_row {
    unsigned given; /* bit of each field that was sent; null counts as sent */
    unsigned nulls; /* bit of each that was sent as null */
    double value[PREDICT_NUMBERS];
    enum validity validity[SIGNAL_COUNT]; /* meaningful where validity_given */
    unsigned validity_given, age_given;   /* bit of each signal */
    double age_s[SIGNAL_COUNT];
    const char *target; /* [n_target] inside the body */
    int n_target;
    int n_mask;
    unsigned char mask[ACTIONS_LIMIT];
    int first_history, n_history;  /* in history */
    int first_feature, n_features; /* in features */
};

/* Memory is kept from request to request; zeroed, then predict_request_finish. */
struct predict_request {
    bool is_list;
    int n_rows, n_history, n_features;
    struct predict_row *rows;    /* [n_rows] */
    struct predict_row *history; /* [n_history] of all rows, one row's after another's */
    float *features;             /* [n_features], likewise */
    int rows_capacity, history_capacity, features_capacity;
};

static inline bool predict_given(const struct predict_row *row, enum predict_field field)
{
    return (row->given >> field & 1u) != 0;
}

/* Sent, and not as null. */
static inline bool predict_known(const struct predict_row *row, enum predict_field field)
{
    return ((row->given & ~row->nulls) >> field & 1u) != 0;
}

const char *predict_field_name(enum predict_field field, size_t *n /* its length; NULL: not wanted */);

/* body ends with a NUL and outlives the result. ERR_FORMAT names the field or the byte; ERR_IO: out of memory. */
MUST_CHECK bool predict_parse(struct predict_request *out, const char *body, size_t n, struct err *e);
void predict_request_finish(struct predict_request *r);

#endif
