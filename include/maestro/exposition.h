/* exposition: Prometheus' text format 0.0.4, appended to a buf. One family at a time: its head, then all its values. */
#ifndef MAESTRO_EXPOSITION_H
#define MAESTRO_EXPOSITION_H

#include <maestro/buf.h>

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* type: "counter", "gauge", "histogram". */
void exposition_family(struct buf *out, const char *name, const char *type, const char *help);
/* labels: what exposition_label made, or NULL. NaN and infinities are printed as Prometheus reads them. */
void exposition_value(struct buf *out, const char *name, const char *labels, double value);
/* Appends key="value", escaped, with a comma in front where labels is not empty. */
void exposition_label(struct buf *labels, const char *key, const char *value);

#endif
