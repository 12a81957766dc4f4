/* breaker: when a policy has failed so often in a row that a stand-in decides, and when it is trusted again. */
#ifndef MAESTRO_BREAKER_H
#define MAESTRO_BREAKER_H

#include <stdbool.h>

struct breaker {
    int failures, successes; /* in a row */
    bool open;               /* the stand-in decides */
};

enum breaker_change { BREAKER_SAME, BREAKER_OPENED, BREAKER_CLOSED };

/* n_failures 0: never opens. */
enum breaker_change breaker_note(struct breaker *b, bool worked, int n_failures, int n_successes);

#endif
