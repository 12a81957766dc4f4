/* command_line: how every program and verb of ours reads its arguments: what logs are to look like counts from then on. */
#ifndef CMD_COMMAND_LINE_H
#define CMD_COMMAND_LINE_H

#include <maestro/cli.h>

/* cli_parse; then log lines have the format that was asked for, without a wish JSON in a pod and logfmt elsewhere. */
MUST_CHECK bool command_line_read(struct cli *c, const struct cli_verb *verb, int argc, char *const *argv,
                                  struct err *e);

#endif
