/* stop: SIGINT, SIGTERM, SIGHUP and SIGPIPE as a wish to end in good order, for the verbs that have a target or a run to
 * leave as they should. */
#ifndef CMD_STOP_H
#define CMD_STOP_H

#include <signal.h>

/* From now on the first signal is a wish. A second SIGINT or SIGTERM ends the program at once, a second SIGHUP or SIGPIPE
 * does not. Where one of these two is ignored, as SIGHUP under nohup, it stays so. */
void stop_watch(void);

/* Not 0: one of them has come. Never NULL; the same address at every call. */
const volatile sig_atomic_t *stop_wish(void);

#endif
