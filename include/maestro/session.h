/* session: the learning environment over a cluster that runs in real time. The same episodes as `microservice`: same
 * features, masks, guard and reward. A step lasts exactly one period of the cluster's clock; only reset waits, until pods are
 * ready and every signal is known. Where a signal is not known, or the cluster cannot be asked or scaled, the session pauses:
 * the episode is truncated with the last observation that was known (so that the learner bootstraps), and the next reset
 * waits for better times. One copy only; a checkpoint taken in another process goes on with a new episode. */
#ifndef MAESTRO_SESSION_H
#define MAESTRO_SESSION_H

#include <maestro/microservice.h>
#include <signal.h>

enum session_start { SESSION_KEEP, SESSION_INITIAL, SESSION_RANDOM };

/* Section "session". */
struct session_config {
    int start;              /* enum session_start: replicas at the beginning of an episode */
    int initial_replicas;   /* for initial */
    double ready_timeout_s; /* reset waits so long for pods; then goes on with those that are ready */
    double poll_s;          /* between looks while waiting */
};
extern const struct config_key session_config_keys[];
extern const int n_session_config_keys;

/* Copied; what is pointed to is borrowed for the environment's life. */
struct session_parts {
    struct microservice_config config; /* judge must be measured */
    struct session_config session;
    struct observation_spec observation;
    struct guard_config guard;
    struct reward_config reward;
    struct target target; /* limits as in force; config's latency limits win where they are set */
    struct cluster *cluster;
    int found_replicas; /* what the target was found with by a session that could not give it back; 0: none */
    const volatile sig_atomic_t *stop; /* not 0: waiting ends with ERR_INTERRUPTED; NULL: never */
    /* Before the target is first changed: what session_found tells from then on. False: it stays as it is. NULL: none. */
    bool (*on_found)(void *arg, int replicas, struct err *e);
    /* Before each period, once the action is carried out: load, chaos. NULL: none. */
    bool (*on_period)(void *arg, int episode, int step, struct err *e);
    bool (*on_wait)(void *arg, struct err *e);    /* before each look while reset waits; NULL: none */
    void (*on_pause)(void *arg, const char *why); /* at its beginning; NULL: none */
    void *arg;                                    /* of the four */
    void (*on_step)(void *arg, const struct microservice_step *row);
    void *on_step_arg;
};

MUST_CHECK bool session_open(const struct session_parts *parts, struct env *out, struct err *e);

const struct control *session_control(const struct env *env);

/* The count that the target is to get back at the end, however that came: the parts' found_replicas, also before anything was
 * seen; else what was there at the first look. 0: nothing was read. Never what a checkpoint says: the process that took it may
 * have given the count back since. */
int session_found(const struct env *env);

#endif
