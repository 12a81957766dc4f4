/* suggest: what maestro-suggest answers. A sampler looks at every target that somebody asked for in the last while, once a
 * control period and by the clock, never by who asks; so history is evenly spaced and asking is free of side effects beyond
 * being remembered. An answer is the last decision, as JSON:
 *
 *     namespace, deployment, time, decision_age_s, period_s, policy {text, kind, hash}
 *     action (0 down, 1 keep, 2 up), action_name, delta, desired_replicas, replicas   after validity and min/max
 *     reason (guard.h), explanation                                                   what shaped it
 *     proposal {actions, probabilities, logits, value, ood, replicas, reason}         what the policy wanted
 *     signals {cpu, memory, replicas, p95_latency_ms, rps, error_ratio}: {value, unit, validity, age_s, query}
 *     lacks, which queries find no series at all, with their settings; "" none
 *     ready, starting, terminating, rolling_out, paused
 *     limits {min_replicas, max_replicas, latency_soft_ms, latency_hard_ms}: {value, source}
 *     assumed, a list of what does not fit together
 *
 * An error is an error status with {"error": ...}: 400 no deployment or no name of one, 404 no such Deployment, 422 an
 * annotation makes no sense or asks for a policy that may not be, 500 the policy failed, 502 the API or Prometheus cannot be asked, 503 not enough is known yet,
 * or too many are asked for. */
#ifndef MAESTRO_SUGGEST_H
#define MAESTRO_SUGGEST_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/fleet.h>
#include <maestro/httpd.h>
#include <maestro/journal.h>

/* Section "suggest". */
struct suggest_config {
    char address[CONFIG_TEXT];
    int port;
    int threads;
    char policy[CONFIG_TEXT];
    char policies[CONFIG_TEXT]; /* folder */
    char allowed[CONFIG_TEXT];  /* what annotations may ask for */
    double period_s;            /* of policies that have none of their own */
    int min_replicas, max_replicas;
    double latency_soft_ms, latency_hard_ms; /* 0: unset */
    int targets;                             /* watched at most */
    double idle_s;                           /* unasked for so long: no longer watched */
    double wait_s;                           /* for the first look at a target */
};
extern const struct config_key suggest_config_keys[];
extern const int n_suggest_config_keys;

/* Where the targets come from; all borrowed. The fleet is the sampler's alone. */
struct suggest_source {
    struct fleet *fleet;
    bool (*add)(struct fleet *f, const char *space, const char *name, int *index, struct err *e);
    void (*drop)(struct fleet *f, int index);
    const char *(*query)(const struct fleet *f, enum signal_id signal);
    void (*trouble)(const struct fleet *f, struct err *api, struct err *prometheus); /* of the last refresh */
    /* For the log, from the sampler: policy_reloaded, policy_kept (about the policy's text), look_failed. NULL: nobody. */
    void (*tell)(const char *event, const char *about, const struct err *why);
    const char *space;                   /* where no namespace is said */
    const char *prefix;                  /* of annotations */
    double scrape_s, window_s, quantile; /* of the signals; 0: unknown */
};

struct suggest;

/* config and source are copied, what they point to is borrowed. ERR_USAGE, ERR_IO, ERR_FORMAT: the policy cannot be had. */
MUST_CHECK bool suggest_open(const struct suggest_config *config, const struct suggest_source *source,
                             struct suggest **out, struct err *e);
void suggest_close(struct suggest *s); /* accepts NULL; ends the sampler */

/* One look of the sampler at monotonic now_s: adds and drops targets, refreshes the fleet if one is due, decides. Returns
 * when the next is due. For tests, and for suggest_start's thread. */
double suggest_tick(struct suggest *s, double now_s);
/* Runs the sampler in a thread of its own. */
MUST_CHECK bool suggest_start(struct suggest *s, struct err *e);

/* Answers into reply, from any thread; may wait wait_s for a target's first look. space NULL: the source's. */
void suggest_answer(struct suggest *s, const char *space, const char *name, struct httpd_reply *reply);
/* Copies the last decision about a target. false: there is none. */
bool suggest_look(struct suggest *s, const char *space, const char *name, struct journal_record *out);

/* Appends Prometheus' text format. */
void suggest_metrics(struct suggest *s, struct buf *out);
/* Policy files are looked at anew at the next tick. */
void suggest_reload(struct suggest *s);

/* GET /suggest, /suggestion, /healthz, /readyz, /metrics; context is the struct suggest. */
extern const struct httpd_route suggest_routes[];
extern const int n_suggest_routes;

#endif
