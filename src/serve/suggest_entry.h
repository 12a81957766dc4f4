/* suggest_entry: one watched target, shared by the sampler (suggest.c), its looks (suggest_look.c) and what prints it
 * (suggest_print.c). */
#ifndef SERVE_SUGGEST_ENTRY_H
#define SERVE_SUGGEST_ENTRY_H

#include <maestro/annotations.h>
#include <maestro/control.h>
#include <maestro/httpd.h>
#include <maestro/pool.h>
#include <maestro/suggest.h>

/* What one look came to; copied from the sampler to those who ask. */
struct suggest_shown {
    int status; /* of HTTP; 200: record holds a decision; 0: not looked at yet */
    struct err why;
    double retry_s;
    double decided_s; /* monotonic */
    double period_s;
    struct target_settings settings;
    bool annotated[4]; /* min, max, soft, hard stem from annotations */
    char policy[CONFIG_TEXT], hash[JOURNAL_HASH];
    struct action_set actions;
    char assumed[256]; /* "": nothing */
    char lacks[256];   /* as in the view */
    struct journal_record record;
};

struct suggest_entry {
    bool used;
    char space[64], name[128];
    double asked_s; /* monotonic; of the last question */
    struct suggest_shown shown;
    /* the sampler's own from here on */
    int index; /* in the fleet; -1: not added yet */
    double due_s;
    bool begun;
    char uid[48];              /* of the object that the history is about */
    const struct pooled *from; /* of the policy that it was begun with */
    unsigned generation;
    struct policy *own; /* NULL: the pool's shared one */
    struct control control;
    struct control_state state;
};

/* What a look works with. */
struct suggest_looker {
    const struct suggest_config *config;
    const struct suggest_source *source;
    struct pool *pool;
};
/* The sampler's: moves the entry's history on and fills out; the entry's shown is left alone. */
void suggest_look_at(const struct suggest_looker *l, struct suggest_entry *entry, double now_s,
                     struct suggest_shown *out);

/* The texts that made the signals, as of the last refresh. */
struct suggest_queries {
    struct buf text[SIGNAL_COUNT];
};

/* The answer to a question, or {"error"}. */
void suggest_print(const struct suggest_entry *entry, const struct suggest_queries *queries, double now_s,
                   struct httpd_reply *reply);

#endif
