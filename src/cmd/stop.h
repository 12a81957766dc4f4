/* stop: SIGINT and SIGTERM as a wish to end in good order, for the verbs that have a target or a run to leave as they should. */
#ifndef CMD_STOP_H
#define CMD_STOP_H

#include <signal.h>

/* From now on the first signal is a wish, and the second ends the program at once. */
void stop_watch(void);

/* Not 0: one of them has come. Never NULL; the same address at every call. */
const volatile sig_atomic_t *stop_wish(void);

#endif
