/* explain: one decision in words. What was seen, what the policy wanted, which guard cut what, and what happened: as a few
 * lines for people and as JSON for programs. */
#ifndef MAESTRO_EXPLAIN_H
#define MAESTRO_EXPLAIN_H

#include <maestro/annotations.h>
#include <maestro/journal.h>
#include <maestro/json_write.h>

/* What is kept of a tick of one target. */
struct explain_entry {
    double time_s; /* wall */
    enum target_mode mode;
    bool decided; /* false: only time, mode, outcome and note are filled */
    enum outcome outcome;
    char note[160]; /* what the write, the settings or the policy had to say; "" */
    char policy[32];
    char why[96]; /* the policy's own clause */
    struct reading signals[SIGNAL_COUNT];
    int ready, starting;
    bool rolling_out, hold, failed, stood_in;
    int min_replicas, max_replicas;
    int wanted;        /* by whoever decided */
    int rule_replicas; /* the HPA rule's count; RULE_UNKNOWN */
    float ood;
    struct guard_trace guard;
};

void explain_decision(struct explain_entry *out, const struct journal_record *record, enum target_mode mode,
                      const char *note);
void explain_nothing(struct explain_entry *out, double time_s, enum target_mode mode, enum outcome outcome,
                     const char *note);

const char *explain_final(const struct explain_entry *entry); /* the final reason's name */
void explain_text(const struct explain_entry *entry, struct buf *out);
void explain_json(const struct explain_entry *entry, struct json_writer *w);

#endif
