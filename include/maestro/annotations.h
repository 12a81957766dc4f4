/* annotations: what an operator wrote on a Deployment, over the defaults of the configuration. Everything is checked;
 * what makes no sense is refused as a whole, with a sentence that names the annotation, so that a typing mistake never
 * becomes half a change.
 *
 *     PREFIXmode               off | shadow | dry-run | active
 *     PREFIXmin-replicas       at least 1
 *     PREFIXmax-replicas
 *     PREFIXinterval           "30s", "1min": between decisions
 *     PREFIXpolicy             as in registry.h; ppo:NAME is a file of the configured folder
 *     PREFIXpaused             true: the count stays as it is
 *     PREFIXpaused-replicas    the count stays at this one
 *     PREFIXpaused-scale-in    true: never down
 *     PREFIXlatency-soft-ms    also latencySoftConstraint without a prefix
 *     PREFIXlatency-hard-ms    also latencyHardConstraint */
#ifndef MAESTRO_ANNOTATIONS_H
#define MAESTRO_ANNOTATIONS_H

#include <maestro/err.h>
#include <maestro/fleet.h>
#include <stdbool.h>

enum target_mode { MODE_OFF, MODE_SHADOW, MODE_DRY_RUN, MODE_ACTIVE, MODES };

#define ANNOTATIONS_POLICY 128
#define ANNOTATIONS_REPLICAS 100000 /* most that may be asked for */

struct target_settings {
    enum target_mode mode;
    int min_replicas, max_replicas;
    double latency_soft_ms, latency_hard_ms; /* <= 0: unset */
    double interval_s;                       /* 0: the policy's own period */
    bool policy_annotated;                   /* policy stems from an annotation, not from the configuration */
    bool paused;
    bool has_paused_replicas;
    bool no_down;
    int paused_replicas;
    char policy[ANNOTATIONS_POLICY];
};

/* Reads n annotations over defaults. ERR_USAGE: out is untouched and the message opens with the annotation's key. */
MUST_CHECK bool annotations_read(const char *prefix, const struct target_settings *defaults,
                                 const struct fleet_annotation *annotations, int n, struct target_settings *out,
                                 struct err *e);

const char *target_mode_name(enum target_mode mode);

#endif
