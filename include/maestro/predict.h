/* predict: what POST /predict answers. The body is one observation, or a list of them (then the answer is a list too):
 *
 *     {"cpu_usage": 240, "memory_usage": 1.1e9, "replicas": 3, "latency": 180, "rps": 95}
 *
 * cpu_usage is that of the whole target, in percent of one core (or cores, by setting; cpu_cores instead of it always is),
 * memory_usage bytes, latency the 95th percentile in ms, replicas what spec.replicas says. null: there is no such value
 * (latency without requests). What else may be said: min_replicas, max_replicas, latency_soft_ms, latency_hard_ms, ready,
 * starting, terminating, memory_limit (bytes of one replica; null: none), memory_ratio (instead of memory_usage), error_ratio,
 * cpu_request_percent (of one replica), timestamp (s), mask [A], and for signals that are not simply there
 * validity {"cpu"|"memory"|"replicas"|"latency"|"rps": "valid"|"absent"|"no_data"|"failed"|"stale"} and age_s likewise.
 *
 * What was before comes from history (a list of observations with timestamps, oldest first), or is remembered under the name
 * that target gives; else the observation is a first look. features [D] instead of all that are the network's own inputs.
 *
 * Answer: action (an index), action_name, delta, desired_replicas, probabilities, logits, value, ood (greedy.h), assumed
 * (the fields that were not sent and taken from the policy file or by rule), model. */
#ifndef MAESTRO_PREDICT_H
#define MAESTRO_PREDICT_H

#include <maestro/model.h>
#include <maestro/track.h>

struct predict_config {
    int n_threads;
    int n_targets;             /* remembered at most */
    bool cpu_in_cores;         /* cpu_usage */
    double memory_limit_bytes; /* of a replica, where the caller does not say */
};

struct predictor;

/* slot is borrowed and must have been opened for as many threads. */
MUST_CHECK bool predictor_open(const struct predict_config *config, struct model_slot *slot, struct predictor **out,
                               struct err *e);
void predictor_close(struct predictor *p); /* accepts NULL */

/* Appends the answer to out: 200, or 400, 500 with {"error": ...}. body [n] and a NUL behind it. */
int predictor_answer(struct predictor *p, int thread, const char *body, size_t n, struct buf *out);

#define PREDICT_BUCKETS 10
extern const double predict_bucket_s[PREDICT_BUCKETS]; /* upper bounds; beyond the last: +Inf */

struct predict_counts {
    long n_answered, n_refused, n_failed; /* requests */
    long n_down, n_keep, n_up;            /* decisions */
    long n_outside;                       /* decisions with ood above 1 */
    long buckets[PREDICT_BUCKETS + 1];    /* requests by the time they took, not cumulative */
    double seconds;                       /* they took in all */
    struct track_counts track;
};
void predictor_counts(struct predictor *p, struct predict_counts *out);

#endif
