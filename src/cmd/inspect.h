/* inspect: what the verb knows how to show, one function a kind of file. All append text to out. */
#ifndef CMD_INSPECT_H
#define CMD_INSPECT_H

#include <maestro/buf.h>
#include <maestro/csv.h>
#include <maestro/err.h>

#define INSPECT_SPARK 60  /* columns of a sparkline, at most */
#define INSPECT_WIDTH 110 /* columns of a line, where it can be helped */
#define INSPECT_LAST 5    /* rows and decisions shown from the end */

/* title names the file; every numeric column with its course, then the last rows. */
void inspect_table(const char *title, const struct csv *table, struct buf *out);
/* brief: beside a run's other files, so without tensor by tensor and the training configuration. */
MUST_CHECK bool inspect_safetensors(const char *path, bool brief, struct buf *out, struct err *e);

/* Which decisions of a journal are looked at. */
struct inspect_filter {
    const char *target;      /* NULL: all */
    double since_s, until_s; /* wall clock, as in the journal */
};
MUST_CHECK bool inspect_journal(const char *path, const struct inspect_filter *filter, struct buf *out, struct err *e);
/* "2026-03-01T12:00:00Z", or seconds as they stand in the journal. ERR_USAGE names the option. */
MUST_CHECK bool inspect_moment(const char *option, const char *text, double *out, struct err *e);

#endif
