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
MUST_CHECK bool inspect_journal(const char *path, struct buf *out, struct err *e);

#endif
