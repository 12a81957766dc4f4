/* settings_live: the part of settings that opens a live session. */
#ifndef CMD_SETTINGS_LIVE_H
#define CMD_SETTINGS_LIVE_H

#include "settings.h"

/* Opens cluster and environment of one target into out, which keeps what was opened also where it failed. ERR_USAGE: a key
 * that does not fit, or a target that another scaler holds. */
MUST_CHECK bool settings_live_open(const struct settings *s, const volatile sig_atomic_t *stop,
                                   struct settings_world *out, struct err *e);

#endif
