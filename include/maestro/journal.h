/* journal: one JSON line per decision, everything that made it: raw signals with ages and validities, features, logits,
 * proposal, each guard's before and after, result, and what became of it; and one short line before each write, so that
 * whoever is killed in between has told of it (an intent). Numbers are printed so that they read back to the same bits. In each file, a target's first decision stands behind a state record of that target (hexadecimal blocks of
 * the plain structs), so a file replays without its predecessors. Rotated by size: PATH is the file being written, PATH.1 the one before, up to PATH.<keep>. Appended lines may end torn
 * after a kill: the reader skips an unfinished last line. */
#ifndef MAESTRO_JOURNAL_H
#define MAESTRO_JOURNAL_H

#include <maestro/buf.h>
#include <maestro/guard.h>
#include <maestro/observation.h>
#include <maestro/outcome.h>
#include <maestro/policy.h>
#include <maestro/types.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_LINE_LIMIT 65536   /* bytes of one line */
#define JOURNAL_STATE_LIMIT 16384  /* bytes of the state block */
#define JOURNAL_CONTROL_LIMIT 4096 /* bytes of the settings block */
#define JOURNAL_POLICY 192         /* bytes of a policy's text, with the NUL */
#define JOURNAL_HASH 17            /* 16 hexadecimal digits and NUL */

/* One decision. Pods are not kept beyond their CPU request: what a policy made of them is its proposal. */
struct journal_record {
    struct sample sample; /* pods NULL */
    struct target target;
    struct guard_orders orders;
    double cpu_request_percent; /* of one pod, as known at the decision; 0: unknown */
    char policy[32];
    enum policy_kind kind;
    int n_features, n_actions;
    float features[OBSERVATION_LIMIT];
    unsigned char mask[ACTIONS_LIMIT];
    struct policy_output output;
    bool failed;       /* the policy failed */
    bool stood_in;     /* the stand-in decided */
    bool own_signals;  /* whoever decided reads pods */
    int rule_replicas; /* what the HPA rule makes of the same sample; RULE_UNKNOWN */
    struct guard_trace guard;
    enum outcome outcome;
    bool written; /* outcome is OUTCOME_WRITTEN */
};

/* What a target's decisions in a file start from. Borrowed. */
struct journal_opening {
    const char *target;
    const char *policy;      /* text for registry_open */
    const char *policy_hash; /* of its file, 16 hexadecimal digits; "": it has none */
    const void *control;     /* settings block */
    size_t n_control;
    const void *state; /* state block */
    size_t n_state;
};

struct journal; /* owns a file */

/* Opens path for appending. limit_bytes: rotation (0: never); keep: older files kept. */
MUST_CHECK bool journal_open(const char *path, uint64_t limit_bytes, int keep, struct journal **out, struct err *e);
/* Before each decision: rotates if due, and writes the target's opening unless the present file holds it. file: the
 * target's own mark, zeroed at first and whenever its past was forgotten or its settings changed. */
MUST_CHECK bool journal_turn(struct journal *j, unsigned *file, double time_s, const struct journal_opening *opening,
                             struct err *e);
/* For rounds in which many targets turn first and write afterwards: rotates now if due, and from then on only here. */
MUST_CHECK bool journal_begin_round(struct journal *j, struct err *e);
/* A line that could not be written whole is cut off again, and every target's state is written anew from there. */
MUST_CHECK bool journal_write(struct journal *j, const struct journal_record *record, struct err *e);
/* Before a write: from, replicas and reason of this decision, whose own line follows with the outcome. */
MUST_CHECK bool journal_intend(struct journal *j, const struct journal_record *record, struct err *e);
void journal_close(struct journal *j); /* accepts NULL */

/* Lines as text, for tests, replay and inspection. Encoding appends one line with its newline. */
void journal_encode(const struct journal_record *record, struct buf *out);
void journal_encode_state(double time_s, const struct journal_opening *opening, struct buf *out);
void journal_encode_intent(const struct journal_record *record, struct buf *out);

enum journal_kind { JOURNAL_DECISION, JOURNAL_STATE, JOURNAL_INTENT };

struct journal_line {
    enum journal_kind kind;
    struct journal_record record; /* of an intent: time, target's name, guard's from, replicas and reason */
    double time_s;
    char target[TARGET_NAME]; /* of a state */
    char policy[JOURNAL_POLICY];
    char policy_hash[JOURNAL_HASH];
    size_t n_control, n_state;
    unsigned char control[JOURNAL_CONTROL_LIMIT];
    unsigned char state[JOURNAL_STATE_LIMIT];
};

/* One line without its newline. ERR_FORMAT names the field. */
MUST_CHECK bool journal_decode(const char *line, size_t n, struct journal_line *out, struct err *e);

struct journal_reader; /* owns the text of one file */
MUST_CHECK bool journal_read(const char *path, struct journal_reader **out, struct err *e);
/* false with *end = true at the end (an unfinished last line counts as the end), with e set otherwise */
MUST_CHECK bool journal_next(struct journal_reader *r, struct journal_line *out, bool *end, struct err *e);
int journal_line_number(const struct journal_reader *r); /* of the line last read, from 1 */
void journal_reader_close(struct journal_reader *r);     /* accepts NULL */

#endif
