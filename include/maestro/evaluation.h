/* evaluation: the folder that judging policies leaves (columns as in evaluate.h), read and indexed, and the questions that
 * the verdict and the page ask it. */
#ifndef MAESTRO_EVALUATION_H
#define MAESTRO_EVALUATION_H

#include <maestro/csv.h>
#include <maestro/err.h>
#include <maestro/json.h>

#define EVALUATION_LIMIT 32 /* most policies, traces and faults that are shown */

/* An evaluation folder that was read. */
struct evaluation {
    struct csv summary;
    struct csv timeline;         /* no rows where the file is missing */
    struct json_document detail; /* root NULL where evaluation.json is missing */
    bool has_timeline;

    const char *policies[EVALUATION_LIMIT]; /* in order of appearance; texts inside summary */
    const char *kinds[EVALUATION_LIMIT];
    int n_policies;
    const char *traces[EVALUATION_LIMIT]; /* without ALL */
    int n_traces;
    const char *faults[EVALUATION_LIMIT]; /* without "none" */
    int n_faults;
    int subject;  /* the first trained policy; -1: none */
    int baseline; /* what evaluate paired the subject with, else the first HPA; -1: none */
};

MUST_CHECK bool evaluation_read(const char *folder, struct evaluation *out, struct err *e);
void evaluation_finish(struct evaluation *v); /* accepts NULL and zeroed */

/* Row of summary.csv, -1 if there is none. fault NULL: without fault. */
long evaluation_row(const struct evaluation *v, const char *policy, const char *trace, const char *fault);
/* A column of that row; NaN if row is negative, or the column missing or empty. */
double evaluation_value(const struct evaluation *v, long row, const char *column);
bool evaluation_slo_holds(const struct evaluation *v, long row);
bool evaluation_is_bound(const struct evaluation *v, int policy);
/* On a live target: one policy after another, judged by what was measured. false also without evaluation.json. */
bool evaluation_is_live(const struct evaluation *v);

#endif
