/* predict_print.h: one decision as the answer's JSON object. */
#ifndef SERVE_PREDICT_PRINT_H
#define SERVE_PREDICT_PRINT_H

#include <maestro/greedy.h>
#include <maestro/model.h>

struct predict_decision {
    struct greedy_answer answer;
    unsigned char mask[ACTIONS_LIMIT];
    bool has_replicas;
    int desired_replicas;
    unsigned assumed; /* bits of enum predict_field */
};

void predict_print(const struct model *model, const struct predict_decision *d, struct buf *out);

#endif
