/* doctor: everything that a first run on a cluster needs, asked one thing after another: is the API there, what may this
 * account do, does each query return data and how old is it, who else scales the target, does the policy fit. Changes
 * nothing. What is wrong comes with what to do about it. */
#ifndef MAESTRO_DOCTOR_H
#define MAESTRO_DOCTOR_H

#include <maestro/live.h>

struct doctor_config {
    const struct live_prometheus *prometheus;
    const struct live_kubernetes *kubernetes;
    const char *space;  /* "": that of the account or context */
    const char *name;   /* the Deployment; "": only what needs none */
    const char *policy; /* file; "": none */
};

enum doctor_state { DOCTOR_GOOD, DOCTOR_WARNING, DOCTOR_BAD };

struct doctor_finding {
    enum doctor_state state;
    char subject[48]; /* "prometheus: cpu" */
    char text[240];   /* what was seen */
    char advice[320]; /* what to do; "" where it is good */
};

#define DOCTOR_FINDINGS 64
struct doctor_report {
    struct doctor_finding findings[DOCTOR_FINDINGS];
    int n;
    int n_bad, n_warnings;
};

/* false: not even a question could be asked (memory); everything else is a finding. */
MUST_CHECK bool doctor_examine(const struct doctor_config *config, struct doctor_report *out, struct err *e);

#endif
