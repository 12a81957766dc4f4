/* quantity: Kubernetes' numbers with suffixes, "500m", "128Mi", "1.5e3", "123456789n", as doubles. */
#ifndef LIVE_QUANTITY_H
#define LIVE_QUANTITY_H

#include <stdbool.h>

/* false: not a quantity, or beyond what a double holds. Negative ones are read as they are. */
bool quantity_parse(const char *text, double *out);

#endif
