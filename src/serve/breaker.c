/* breaker: counts of failures and successes in a row. */
#include <maestro/breaker.h>

enum breaker_change breaker_note(struct breaker *b, bool worked, int n_failures, int n_successes)
{
    b->failures = worked ? 0 : b->failures + (b->failures < n_failures);
    b->successes = worked ? b->successes + (b->successes < n_successes) : 0;
    if (!b->open && n_failures > 0 && b->failures >= n_failures) {
        *b = (struct breaker){.open = true};
        return BREAKER_OPENED;
    }
    if (b->open && b->successes >= n_successes) {
        *b = (struct breaker){0};
        return BREAKER_CLOSED;
    }
    return BREAKER_SAME;
}
