/* remote.h: what the two halves of the remote policy share: asking (remote.c) and reading the answers (remote_read.c). */
#ifndef REMOTE_H
#define REMOTE_H

#include <maestro/control.h>
#include <maestro/json.h>

enum remote_kind {
    REMOTE_FEATURES, /* POST /predict of a maestro-serve: the network's inputs go there, computed here */
    REMOTE_SIGNALS,  /* POST /predict of another server: five signals go there, an action index comes back */
    REMOTE_SUGGEST,  /* GET /suggest: the other side looks for itself, a count comes back */
};

/* What GET /v1/model says of the loop that the policy wants; out->target stays. */
MUST_CHECK bool remote_read_model(const struct json *root, struct control *out, char hash[OBSERVATION_HASH_BYTES],
                                  struct err *e);

/* Answers of /predict into action, logits, value and ood; hash: of the features that were sent, NULL: none were. */
MUST_CHECK bool remote_read_decision(const struct json *root, const struct action_set *set, const char *hash,
                                     struct policy_output *out, struct err *e);

/* Answers of /suggest into a wanted count. present: the count now, or -1. A smaller count that was made without a usable
 * signal is turned into holding. */
MUST_CHECK bool remote_read_suggestion(const struct json *root, int present, struct policy_output *out, struct err *e);

#endif
