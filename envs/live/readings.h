/* readings: what Prometheus' answers mean for each target: values to signals with validity and age. */
#ifndef LIVE_READINGS_H
#define LIVE_READINGS_H

#include "query.h"
#include "targets.h"

#include <maestro/prom.h>

/* What the elements of an answer said of one target. */
struct readings_raw {
    double value, age_s;
    double pods; /* of which it is made */
    int n_values, n_ages;
    bool counts_pods;
};

/* The last one holds the server errors of QUERY_RPS. */
enum { RAW_ERRORS = QUERIES, RAWS };

struct readings_row {
    struct readings_raw raw[RAWS];
};

/* An answer as a whole. */
struct readings_answer {
    bool answered, degraded;
};

/* One refresh's answers, gathered for all targets. */
struct readings {
    struct readings_row *rows; /* owned; [capacity], one a slot */
    int capacity;
    struct readings_answer answers[QUERIES];
    bool presence_counts; /* the value of presence is how many pods are scraped */
    bool present_for_all; /* presence without labels */
    double presence_age_s;
    double stale_after_s;
    struct err
        problem; /* configuration that cannot be right: an answer with two elements for one target, or none named */
};

void readings_finish(struct readings *r);
/* Empty, for n slots. */
MUST_CHECK bool readings_begin(struct readings *r, int n, double stale_after_s, struct err *e);
/* Spreads one answer over the rows. */
void readings_gather(struct readings *r, const struct targets *targets, enum query_id id,
                     const struct prom_answer *answer);
/* The sample of slot i at time_s on the sample clock; api_age_s: of the slot's Kubernetes part. */
void readings_fill(const struct readings *r, struct target_slot *slot, int i, double time_s, double api_age_s);
/* The query was answered and knows nothing of slot i: neither a value nor a sample's age. */
bool readings_has_no_series(const struct readings *r, int i, enum query_id id);
/* Prometheus scrapes its pods at present, as far as one can know. */
bool readings_is_scraped(const struct readings *r, int i);

#endif
