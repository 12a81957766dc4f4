/* stop: two signals, one flag. In: SIGINT, SIGTERM. Out: the flag that a run looks at. What ending means is the run's matter. */
#include "stop.h"

#include <stddef.h>

static volatile sig_atomic_t stop;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

void stop_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const volatile sig_atomic_t *stop_wish(void)
{
    return &stop;
}
