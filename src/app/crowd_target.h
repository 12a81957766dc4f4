/* crowd_target: one target of the crowd: its simulated service and the counters of its pods. */
#ifndef APP_CROWD_TARGET_H
#define APP_CROWD_TARGET_H

#include <maestro/crowd.h>

#include <pthread.h>

/* One target as it was asked for. */
struct crowd_wish {
    char ns[CROWD_NAME], name[CROWD_NAME];
    char file[256]; /* of a recorded load; "": load says it all */
    struct load load;
};

/* A pod's counters, kept by slot. Cumulative buckets. */
struct crowd_pod {
    bool shown, ready;
    double start_time_s;
    char labels[3 * CROWD_NAME]; /* namespace="...",pod="..." */
    double cpu_s, memory_bytes;
    double requests, failed, latency_s;
    double buckets[SIM_BUCKETS];
};

struct crowd_target {
    char ns[CROWD_NAME], name[CROWD_NAME];
    struct sim_state *state; /* owned */
    struct crowd_pod *pods;  /* [n_pods], by slot; owned */
    int n_pods, pods_room;
    int spec, ready, starting;
    double requests, failed, buckets[SIM_BUCKETS]; /* of the whole service at the last look */
};

struct crowd {
    struct crowd_config config;
    struct service_profile profile;
    struct trace *traces; /* [n_traces], owned */
    int n_traces;
    struct sim_model *model;
    struct crowd_target *targets; /* [n_targets] */
    int n_targets;
    struct sim sim; /* bound to one target after the other */
    struct sim_look look;
    double shown_s;             /* simulated seconds since the crowd began */
    double goal_s;              /* to which the targets are being brought */
    int turn;                   /* the next of them; those before it are there */
    pthread_mutex_t door, lock; /* crowd_enter */
};

/* In between all of the above is the caller's. Two locks, so that a thread that enters again and again keeps nobody out: who
 * waits for the lock holds the door. */
void crowd_enter(struct crowd *c);
void crowd_leave(struct crowd *c);

MUST_CHECK bool crowd_read_wish(const char *wish, const struct crowd_config *config, struct crowd_wish *out,
                                struct err *e);

/* One simulated second. Between enter and leave. */
void crowd_step(struct crowd *c, struct crowd_target *t);

#endif
