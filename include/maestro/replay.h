/* replay: every decision of a journal once more, from the recorded samples and states, and a comparison bit for bit. What a
 * policy made of pods, of another program's answer or of chance is taken as recorded; features, networks whose file is at
 * hand, guards, limits and results are computed anew. */
#ifndef MAESTRO_REPLAY_H
#define MAESTRO_REPLAY_H

#include <maestro/err.h>
#include <maestro/journal.h>

struct replay_report {
    long long n_decisions;
    long long n_proposals; /* of them: proposals computed anew too */
    long long n_states;
    long long n_untold; /* writes begun whose decision, and so what came of them, does not follow: a kill in between */
    int n_targets;
    char missing[256]; /* the first policy that was not at hand, and why; "": none */
};

struct replay;

/* policies: folder of policy files, taken for what decided by their bytes, whatever their names; NULL: none. ERR_USAGE: there is no such folder. */
MUST_CHECK bool replay_open(const char *policies, struct replay **out, struct err *e);
void replay_close(struct replay *r); /* accepts NULL */

/* One file; several in the order in which they were written. ERR_NUMERIC: a decision comes out differently, and the message
 * names file, line, target and field. ERR_FORMAT: what cannot be replayed. The report counts on. */
MUST_CHECK bool replay_file(struct replay *r, const char *path, struct replay_report *report, struct err *e);

#endif
