/* kubeconfig_text: what the two readers of credentials share: owned copies and the token's file. */
#ifndef NET_KUBECONFIG_TEXT_H
#define NET_KUBECONFIG_TEXT_H

#include <maestro/kubeconfig.h>

/* *to becomes an owned copy; text NULL: it stays as it is. */
MUST_CHECK bool kubeconfig_keep(char **to, const char *text, struct err *e);
MUST_CHECK bool kubeconfig_keep_printf(char **to, struct err *e, const char *format, ...) PRINTF(3, 4);

/* A token that can stand in a header: visible ASCII. */
bool kubeconfig_is_token(const char *text);

/* token becomes what token_file holds, without white space at its ends. */
MUST_CHECK bool kubeconfig_read_token(struct kubeconfig *c, struct err *e);

#endif
