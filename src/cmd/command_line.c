/* command_line: arguments into decisions, and the log set up by them before anything can be logged. In: a verb's table and its
 * arguments. Out: struct cli. Reads no configuration. */
#include "command_line.h"

#include <stdlib.h>

bool command_line_read(struct cli *c, const struct cli_verb *verb, int argc, char *const *argv, struct err *e)
{
    enum log_format usual = getenv("KUBERNETES_SERVICE_HOST") ? LOG_JSON : LOG_LOGFMT;
    if (!cli_parse(c, verb, argc, argv, e))
        return false;
    log_setup(LOG_INFO, c->has_log_format ? c->log_format : usual, NULL);
    return true;
}
