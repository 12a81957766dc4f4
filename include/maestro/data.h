/* data: where the files that come with the program are: profiles, presets, traces. */
#ifndef MAESTRO_DATA_H
#define MAESTRO_DATA_H

#include <maestro/buf.h>
#include <maestro/err.h>

/* Appends the path of a data file ("envs/web-api.yaml", "policies/default.yaml", "envs/traces/x.csv") to out. A name that
 * exists as given wins; else it is looked for below $MAESTRO_DATA, the source tree this was built from, and the installed
 * data folder. ERR_USAGE lists the places. */
MUST_CHECK bool data_path(const char *name, struct buf *out, struct err *e);

#endif
