/* report_journal: the part of the verb "report" that reads decision journals. */
#ifndef CMD_REPORT_JOURNAL_H
#define CMD_REPORT_JOURNAL_H

#include <maestro/readiness.h>

struct report_journal {
    const char *path;    /* the journal being written; its older files PATH.1, PATH.2, ... are read too */
    const char *target;  /* "namespace/deployment"; NULL: every target of the journal */
    const char *policy;  /* text for registry_open: what is to be made active */
    const char *profile; /* of the twin: a name of envs/NAME.yaml or a path */
    const char *hpa;     /* the rule to compare with */
    const struct readiness_config *config;
};

/* Prints a block of checks per target. *ready: all of them may be made active. */
MUST_CHECK bool report_journal(const struct report_journal *request, bool *ready, struct err *e);

#endif
