/* live_record: the count that a live target was found with, on disk before it is changed, so that a session that is killed is
 * made up for by the next one. */
#ifndef CMD_LIVE_RECORD_H
#define CMD_LIVE_RECORD_H

#include <maestro/config.h>
#include <maestro/err.h>

struct live_record {
    char path[2 * CONFIG_TEXT]; /* "": none is kept */
    char uid[48];               /* of the Deployment: one that was made anew is another */
    bool written;               /* by this process, or by one before it and found */
};

/* The file is beside the run, named by the target, so that also another run's session finds it. target: "namespace/name". */
void live_record_name(struct live_record *r, const char *run, const char *target, const char *uid);
/* 0: there is none, or it is of another Deployment. */
MUST_CHECK bool live_record_read(struct live_record *r, int *replicas, struct err *e);
/* On the disk when it returns. */
MUST_CHECK bool live_record_write(struct live_record *r, int replicas, struct err *e);
/* Where it is written: the target has its count again. */
MUST_CHECK bool live_record_drop(struct live_record *r, struct err *e);

#endif
