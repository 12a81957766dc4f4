/* board: what the HTTP side may see of the autoscaler: the last decisions of every target and the counters. Written by the
 * thread that decides, read by others at any time. */
#ifndef MAESTRO_BOARD_H
#define MAESTRO_BOARD_H

#include <maestro/buf.h>
#include <maestro/explain.h>

#define BOARD_LAST 6          /* decisions kept of each target */
#define BOARD_CONDITIONS 1536 /* bytes of a target's conditions, with the NUL */

struct board;

/* Of the whole process, as of the last tick. */
struct board_tick {
    double seconds;  /* how long it took, on the clock */
    double cpu_s;    /* of this thread */
    double wall_s;   /* when it ended */
    double period_s; /* between ticks, to judge liveness by */
    bool refreshed;  /* the fleet could be read */
    bool leader;
    bool journal_ok;
    int n_targets;
    int n_due;
};

MUST_CHECK bool board_open(struct board **out, struct err *e);
void board_close(struct board *b); /* accepts NULL */

/* One tick of one target, with its one final reason. ERR_IO: no memory for another target. */
MUST_CHECK bool board_note(struct board *b, int target, const char *name, const struct explain_entry *entry,
                           struct err *e);
/* conditions: words such as "another scaler: ...", one a line; "" none. */
void board_conditions(struct board *b, int target, const char *conditions);
/* What troubles the whole process, such as "prometheus: ..."; "" nothing. /why tells it with every target. */
void board_trouble(struct board *b, const char *text);
void board_drop(struct board *b, int target);
void board_tick(struct board *b, const struct board_tick *tick);
void board_reload(struct board *b, bool done); /* of a policy file */

/* Prometheus' text. */
void board_metrics(struct board *b, struct buf *out);
/* false: no such target. */
bool board_why(struct board *b, const char *space, const char *name, bool json, struct buf *out);
void board_targets(struct board *b, struct buf *out); /* JSON list of names, for /why without a name */
struct board_tick board_last_tick(struct board *b);
long long board_finals(struct board *b, int final); /* ticks that ended with this final reason */

#endif
