/* disturb: what a live session puts its target under: load and faults. Load is a k6 script run beside us, or a Job in the
 * cluster; faults are Chaos Mesh objects from YAML files, at random or by the clock. A step waits for answers of the
 * API server, never for a fault to go. It leaves nothing behind at the end, and removes what a killed session left at the
 * start. */
#ifndef MAESTRO_DISTURB_H
#define MAESTRO_DISTURB_H

#include <maestro/config.h>
#include <maestro/kube.h>
#include <stdint.h>

/* Section "load". */
struct disturb_load {
    char script[CONFIG_TEXT];      /* .js: run by command beside us; .yaml: a Job; "": none */
    char command[CONFIG_TEXT];     /* "k6" */
    char environment[CONFIG_TEXT]; /* NAME=value, comma-separated: for the command */
    bool repeat;                   /* once it has ended, start it again */
};
extern const struct config_key disturb_load_keys[];
extern const int n_disturb_load_keys;

/* Section "chaos". */
struct disturb_chaos {
    char files[CONFIG_TEXT]; /* comma-separated */
    double probability;      /* per step of starting one of them, drawn; none while one is at work */
    double every_s;          /* the next of them every so often instead; 0: off */
    double duration_s;       /* at work longer than this: deleted */
};
extern const struct config_key disturb_chaos_keys[];
extern const int n_disturb_chaos_keys;

struct disturb_config {
    const struct disturb_load *load;
    const struct disturb_chaos *chaos;
    struct kube *kube;        /* borrowed; may be NULL where neither Job nor chaos is configured */
    const char *space, *name; /* the target */
    const char *log;          /* file for what the load program prints, its folder is made; NULL: thrown away */
    uint64_t seed;
    void (*tell)(void *arg, const char *event, const char *what); /* "load_started", ...; NULL: nobody */
    void (*pause)(void *arg, double seconds); /* between two attempts to delete the load's Job; NULL: sleeps */
    void *arg;
};

struct disturb;

/* Sweeps leftovers, checks every chaos file by a dry run, starts the load. ERR_USAGE, ERR_FORMAT name key or file. Without
 * chaos files leftovers that cannot be swept are told (chaos_not_swept); with them they are an error. */
MUST_CHECK bool disturb_open(const struct disturb_config *config, struct disturb **out, struct err *e);

/* Once a step, at monotonic now_s. What goes wrong is told, not failed, and tried again at the next: a session does not end
 * for want of a fault, nor of a load that was running once. */
MUST_CHECK bool disturb_step(struct disturb *d, double now_s, struct err *e);

/* The same while no step is being made: the load goes on and a fault that is over ends, but none begins. */
MUST_CHECK bool disturb_wait(struct disturb *d, double now_s, struct err *e);

/* Name of the fault at work; "": none. */
const char *disturb_at_work(const struct disturb *d);

/* Ends load and faults, asks again where that is not heard, and waits until the fault is gone: two minutes at most. Accepts
 * NULL. false: something may be left; e names it. */
MUST_CHECK bool disturb_close(struct disturb *d, struct err *e);

#endif
