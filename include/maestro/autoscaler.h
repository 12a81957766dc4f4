/* autoscaler: many targets, one tick at a time: refresh the fleet, plan every target that is due, write what is to be
 * written (ups first, under a limit of writes, never at or after the lease's deadline), commit, journal. It owns no socket
 * and no clock: the fleet reads and writes, the caller tells the time. One autoscaler belongs to one thread; its board may
 * be read by others. */
#ifndef MAESTRO_AUTOSCALER_H
#define MAESTRO_AUTOSCALER_H

#include <maestro/board.h>
#include <maestro/config.h>
#include <maestro/fleet.h>
#include <maestro/journal.h>

/* Section "autoscaler". */
struct autoscaler_config {
    double tick_s;
    int mode;                   /* enum target_mode, of targets without the annotation */
    char policy[CONFIG_TEXT];   /* of targets without the annotation */
    char policies[CONFIG_TEXT]; /* folder */
    char allowed[CONFIG_TEXT];  /* what annotations may ask for */
    char breaker[CONFIG_TEXT];  /* the stand-in */
    int min_replicas, max_replicas;
    double latency_soft_ms, latency_hard_ms;
    double interval_s; /* 0: the policy's own */
    int fallback;      /* enum guard_fallback */
    int fallback_replicas;
    int failures, successes; /* in a row, to open and to close the breaker */
    double ood_limit;
    int flap_budget;
    int rollout_up;
    double start_hold_s; /* 0: the longer of stabilisation window and interval */
    double conflict_cooldown_s;
    double view_limit_s; /* older views of the API are not acted on */
    double writes_per_s;
    int writes_burst;
    char journal[CONFIG_TEXT]; /* "": none */
    double journal_limit_bytes;
    int journal_keep;
    char address[CONFIG_TEXT];
    int port;
};
extern const struct config_key autoscaler_config_keys[];
extern const int n_autoscaler_config_keys;

/* ERR_USAGE names keys that contradict each other. */
MUST_CHECK bool autoscaler_config_check(const struct autoscaler_config *config, struct err *e);

struct autoscaler_clock {
    double (*monotonic_s)(void *context);
    double (*wall_s)(void *context);
    void *context;
};

/* All borrowed until autoscaler_close. */
struct autoscaler_parts {
    const struct autoscaler_config *config;
    struct fleet *fleet;
    struct journal *journal; /* NULL: none */
    struct board *board;
    const char *prefix;                  /* of annotations */
    double scrape_s, window_s, quantile; /* of the live signals; 0: unknown */
    struct autoscaler_clock clock;
};

struct autoscaler;

MUST_CHECK bool autoscaler_open(const struct autoscaler_parts *parts, struct autoscaler **out, struct err *e);
void autoscaler_close(struct autoscaler *a); /* accepts NULL; writes nothing */

/* One tick. What fails is counted and told on the board, by Event and by log; the tick goes on. Returns how many targets
 * were due. */
int autoscaler_tick(struct autoscaler *a);

/* At the next tick policy files are looked at whether or not it is time. */
void autoscaler_reload(struct autoscaler *a);

/* Sizes, for a look at memory. */
int autoscaler_targets(const struct autoscaler *a);

#endif
