/* pool: the policies that targets use, by text. One object serves all targets where a policy has no memory, else each
 * target opens its own. Files come by name out of one folder, so that an annotation can neither read other files nor reach
 * addresses, unless the configuration lists that very text. A changed file is taken over while running; one that cannot be
 * read leaves the old policy in place. One pool belongs to one thread. */
#ifndef MAESTRO_POOL_H
#define MAESTRO_POOL_H

#include <maestro/control.h>

struct pool_config {
    const char *section; /* of the configuration that the settings below stand in, for messages; a literal */
    const char *folder;  /* of policy files, NAME.safetensors; "": none */
    const char
        *allowed;       /* comma-separated kinds ("hpa") and whole texts ("remote:http://serve:8080") for annotations */
    const char *policy; /* the configuration's own: allowed as it stands, also a path */
    const char *breaker; /* likewise */
    double period_s;     /* of policies that have none of their own */
    double window_s;     /* of the rates that the features are made from */
};

struct pool;

/* A policy as a target holds it. Plain; the pool's. */
struct pooled {
    const char *text;
    char hash[JOURNAL_HASH]; /* of the file; "": none */
    struct control control;  /* what the policy brings; target zeroed */
    bool from_file;
    double scrape_s, window_s, quantile; /* that it was trained on; from_file only */
    double sync_s;                       /* how often it wants to be asked; 0: the control period */
    unsigned generation;                 /* grows with every reload */
    struct policy *shared;               /* NULL: one a target */
};

MUST_CHECK bool pool_open(const struct pool_config *config, struct pool **out, struct err *e); /* config is copied */
void pool_close(struct pool *p);                                                               /* accepts NULL */

/* A round of targets begins: what could not be opened in the last one is tried again. Within a round it is tried once. */
void pool_begin_round(struct pool *p);

/* ERR_USAGE: not allowed, or no such policy; ERR_IO and ERR_FORMAT: its file. */
MUST_CHECK bool pool_find(struct pool *p, const char *text, const struct pooled **out, struct err *e);
/* A target's own object of a policy that is not shared; the caller closes it. */
MUST_CHECK bool pool_instance(struct pool *p, const struct pooled *entry, struct policy **out, struct err *e);

/* For a target whose policy is refused while an order stands: proposes nothing, so that only orders change the count. */
const struct pooled *pool_held(const struct pool *p);

/* Reads changed files anew. told (may be NULL) hears of each: why.code ERR_NONE where it was taken over. */
void pool_reload(struct pool *p, void (*told)(void *context, const char *text, const struct err *why), void *context);

/* Of a file's bytes, as the journal carries it. */
MUST_CHECK bool pool_file_hash(const char *path, char out[JOURNAL_HASH], struct err *e);

#endif
