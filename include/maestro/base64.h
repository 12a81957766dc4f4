/* base64: RFC 4648 with padding, as kubeconfig files and Authorization headers carry it. */
#ifndef MAESTRO_BASE64_H
#define MAESTRO_BASE64_H

#include <maestro/buf.h>
#include <stddef.h>

void base64_encode(struct buf *out, const void *bytes, size_t n);

/* Appends what text stands for. White space between the letters is skipped, padding may be missing; anything else is false,
 * and out may then hold part of it. */
MUST_CHECK bool base64_decode(struct buf *out, const char *text, size_t n);

#endif
