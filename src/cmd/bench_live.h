/* bench_live: what a tick of the live autoscaler costs, by number of targets. */
#ifndef CMD_BENCH_LIVE_H
#define CMD_BENCH_LIVE_H

#include <maestro/buf.h>
#include <maestro/err.h>

/* Ticks (0: 24) of each size of fleet; appends a table, or JSON, to out. */
MUST_CHECK bool bench_live_run(int ticks, bool json, struct buf *out, struct err *e);

#endif
