/* track: what the observation of many targets needs to remember, by name: a bounded number of them, the least recently used
 * forgotten first. Takes one sample per control period: a second one in the same period replaces the first, one that is no
 * newer than the last changes nothing, one that is older by more than four periods starts anew: a clock was set back. Safe
 * for several threads. */
#ifndef MAESTRO_TRACK_H
#define MAESTRO_TRACK_H

#include <maestro/observation.h>

struct track;

struct track_input {
    const char *key; /* [n_key], at most TARGET_NAME - 1 bytes */
    int n_key;
    const struct observation_spec *spec;
    const struct target *target;
    const struct sample *sample;
};

struct track_counts {
    int n_targets;
    long n_forgotten; /* for want of room */
    long n_ignored;   /* samples no newer than the last */
};

/* limit: targets kept at most; all memory is taken here, and touched as targets come. */
MUST_CHECK bool track_open(int limit, struct track **out, struct err *e);
void track_close(struct track *t); /* accepts NULL */

/* The sample into its target's history; features [D] and the last known spec.replicas out. */
void track_take(struct track *t, const struct track_input *in, float *features, double *replicas);
void track_counts(struct track *t, struct track_counts *out);

#endif
