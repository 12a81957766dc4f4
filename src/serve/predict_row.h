/* predict_row.h: a row of a request as the domain sees it: a sample, the target's settings, and what had to be assumed. */
#ifndef SERVE_PREDICT_ROW_H
#define SERVE_PREDICT_ROW_H

#include "predict_parse.h"

#include <maestro/predict.h>

/* What a row is read with. */
struct predict_view {
    const struct predict_config *config;
    const struct policy_file *file;
    const struct predict_request *request;
};

/* Whether the row says enough and does not contradict itself. ERR_FORMAT names the field; place stands in front of it. */
MUST_CHECK bool predict_row_check(const struct predict_view *view, const struct predict_row *row, const char *place,
                                  struct err *e);

/* The target's settings: the policy file's, with what the row says over them. */
struct target predict_row_target(const struct predict_view *view, const struct predict_row *row);

/* The sample of a row that was checked; pod: room for the one record that carries the CPU request. */
struct sample predict_row_sample(const struct predict_view *view, const struct predict_row *row, double time_s,
                                 struct pod_record *pod);

/* Bit of each field that was not sent and matters; PREDICT_HISTORY: nothing was known of before. */
unsigned predict_row_assumed(const struct predict_row *row);

#endif
