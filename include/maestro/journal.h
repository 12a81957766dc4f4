/* journal: one JSON line per decision, everything that made it: raw signals with ages and validities, features, logits,
 * proposal, each guard's before and after, result. Numbers are printed so that they read back to the same bits. Each file
 * opens with a state record (hexadecimal blocks of the plain state structs), so a file replays without its predecessors.
 * Rotated by size: PATH is the file being written, PATH.1 the one before, up to PATH.<keep>. Appended lines may end torn
 * after a kill: the reader skips an unfinished last line. */
#ifndef MAESTRO_JOURNAL_H
#define MAESTRO_JOURNAL_H

#include <maestro/buf.h>
#include <maestro/guard.h>
#include <maestro/observation.h>
#include <maestro/policy.h>
#include <maestro/types.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_LINE_LIMIT 65536  /* bytes of one line */
#define JOURNAL_STATE_LIMIT 16384 /* bytes of the state block */

/* One decision. Pods are not kept: policies that need them keep what they made of them in their proposal. */
struct journal_record {
    struct sample sample; /* pods NULL */
    struct target target;
    struct guard_orders orders;
    char policy[32];
    enum policy_kind kind;
    int n_features, n_actions;
    float features[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct policy_output output;
    bool failed; /* the policy failed */
    struct guard_trace guard;
    bool written; /* cluster_scale was called and took it */
};

struct journal; /* owns a file */

/* Opens path for appending. limit_bytes: rotation (0: never); keep: older files kept. */
MUST_CHECK bool journal_open(const char *path, uint64_t limit_bytes, int keep, struct journal **out, struct err *e);
/* Before each decision: rotates if due, and opens a new file with the state that the next decision starts from. */
MUST_CHECK bool journal_turn(struct journal *j, double time_s, const void *state, size_t n_state, struct err *e);
MUST_CHECK bool journal_write(struct journal *j, const struct journal_record *record, struct err *e);
void journal_close(struct journal *j); /* accepts NULL */

/* Lines as text, for tests, replay and inspection. Encoding appends one line with its newline. */
void journal_encode(const struct journal_record *record, struct buf *out);
void journal_encode_state(double time_s, const void *state, size_t n_state, struct buf *out);

enum journal_kind { JOURNAL_DECISION, JOURNAL_STATE };

struct journal_line {
    enum journal_kind kind;
    struct journal_record record;
    double time_s;
    size_t n_state;
    unsigned char state[JOURNAL_STATE_LIMIT];
};

/* One line without its newline. ERR_FORMAT names the field. */
MUST_CHECK bool journal_decode(const char *line, size_t n, struct journal_line *out, struct err *e);

struct journal_reader; /* owns the text of one file */
MUST_CHECK bool journal_read(const char *path, struct journal_reader **out, struct err *e);
/* false with *end = true at the end (an unfinished last line counts as the end), with e set otherwise */
MUST_CHECK bool journal_next(struct journal_reader *r, struct journal_line *out, bool *end, struct err *e);
void journal_reader_close(struct journal_reader *r); /* accepts NULL */

#endif
