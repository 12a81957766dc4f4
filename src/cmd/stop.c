/* stop: four signals, one flag. In: SIGINT, SIGTERM, SIGHUP, SIGPIPE. Out: the flag that a run looks at. What ending
 * means is the run's matter. */
#include "stop.h"

#include <stddef.h>

static volatile sig_atomic_t stop;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

/* Whoever listened is gone. That is said more than once, by shell, by kernel, at every line that is written to nobody:
 * none of it is a second wish. */
static void watch_listener(int signal_number)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(signal_number, &action, NULL);
}

void stop_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    watch_listener(SIGHUP);
    watch_listener(SIGPIPE);
}

const volatile sig_atomic_t *stop_wish(void)
{
    return &stop;
}
