/* doctor: what the parts of the examination share. */
#ifndef SERVE_DOCTOR_H
#define SERVE_DOCTOR_H

#include <maestro/annotations.h>
#include <maestro/doctor.h>
#include <maestro/kube.h>

struct doctor {
    const struct doctor_config *config;
    struct doctor_report *report;
    struct kube *kube;               /* NULL: could not be opened */
    const char *space;               /* in force */
    struct target_settings settings; /* of the target; zeroed: it was not found */
};

/* Adds a finding. advice NULL: none. */
void doctor_say(struct doctor *d, enum doctor_state state, const char *subject, const char *advice, const char *format,
                ...) PRINTF(5, 6);

void doctor_rights(struct doctor *d);  /* SelfSubjectAccessReview for what the autoscaler does */
void doctor_signals(struct doctor *d); /* the target, its signals, limits and other scalers */
void doctor_policy(struct doctor *d);

#endif
