/* prom_read: a JSON reader for answers of Prometheus, which come with thousands of series every few seconds: one pass over a
 * copy of the bytes, texts decoded where they stand, no tree. Strict as json.h is. */
#ifndef NET_PROM_READ_H
#define NET_PROM_READ_H

#include <maestro/err.h>
#include <stddef.h>

struct prom_reader {
    char *start, *at, *end; /* end points at a NUL */
    struct err *e;
    const char *name; /* stands in messages */
};

bool prom_refuse(const struct prom_reader *r, const char *why); /* false; ERR_FORMAT with the place */

/* The next character that is no space; NUL at the end. */
char prom_look(struct prom_reader *r);
bool prom_take(struct prom_reader *r, char c); /* false: something else is next; no error */
MUST_CHECK bool prom_want(struct prom_reader *r, char c);

/* A text, decoded and terminated where it stands; lives as long as the bytes. */
MUST_CHECK bool prom_text(struct prom_reader *r, char **out);
MUST_CHECK bool prom_number(struct prom_reader *r, double *out);
MUST_CHECK bool prom_skip(struct prom_reader *r); /* any value */

/* Walks an object or array whose opening bracket was taken: *more says whether there is another item. */
MUST_CHECK bool prom_more(struct prom_reader *r, bool *first, char close, bool *more);
/* The same for an object, and the item's key with its colon. */
MUST_CHECK bool prom_key(struct prom_reader *r, bool *first, char **key, bool *more);

#endif
