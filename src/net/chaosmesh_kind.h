/* chaosmesh_kind: the kinds of fault that both sources of chaosmesh know. */
#ifndef NET_CHAOSMESH_KIND_H
#define NET_CHAOSMESH_KIND_H

#include <stdbool.h>

struct chaosmesh_kind {
    const char *kind;   /* "PodChaos" */
    const char *plural; /* "podchaos", in paths */
    const char *key;    /* "podChaos", in a Schedule's spec; "" for the Schedule itself */
};

const struct chaosmesh_kind *chaosmesh_kind(int i); /* NULL: there are no more */

bool chaosmesh_is_label(const char *value);

#endif
