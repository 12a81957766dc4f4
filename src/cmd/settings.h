/* settings: everything a verb can be told, as one struct over one table of sections. Layers, later wins: built-in defaults,
 * the service profile (envs/NAME.yaml, chosen by task.profile), the preset (policies/NAME.yaml), --config files, the
 * environment, the command line. */
#ifndef MAESTRO_SETTINGS_H
#define MAESTRO_SETTINGS_H

#include "live_site.h"

#include <maestro/cli.h>
#include <maestro/config.h>
#include <maestro/lagrange.h>
#include <maestro/microservice.h>
#include <maestro/observation.h>
#include <maestro/ppo.h>
#include <maestro/profile.h>
#include <maestro/session.h>
#include <maestro/sim.h>
#include <maestro/steps.h>
#include <maestro/trace.h>
#include <maestro/train.h>

enum settings_env { SETTINGS_MICROSERVICE, SETTINGS_CARTPOLE };

enum settings_cluster { SETTINGS_SIMULATED, SETTINGS_LIVE };

/* Section "task": what is learnt on. */
struct settings_task {
    int env;                   /* enum settings_env */
    int cluster;               /* enum settings_cluster */
    char profile[CONFIG_TEXT]; /* name or path */
    char traces
        [CONFIG_TEXT]; /* files for training, comma-separated; "FILE#0..0.7" takes a part; empty: generated loads */
    int variants;
    bool faults;
};

#define SETTINGS_OWN_SECTIONS 8
#define SETTINGS_LIVE_SECTIONS 6 /* only where task.cluster is live */
#define SETTINGS_SECTIONS (SETTINGS_OWN_SECTIONS + PROFILE_SECTIONS + SETTINGS_LIVE_SECTIONS)
#define SETTINGS_TRACES 32

struct settings {
    struct settings_task task;
    struct microservice_config env;
    struct observation_config observation;
    struct guard_config guard;
    struct reward_config reward;
    struct lagrange_config slo;
    struct ppo_config ppo;
    struct train_config train;
    struct service_profile profile;
    struct settings_live live;
    struct session_config session;
    struct live_prometheus prometheus;
    struct live_kubernetes kubernetes;
    struct disturb_load load;
    struct disturb_chaos chaos;
    struct config_section sections[SETTINGS_SECTIONS];
    struct config config;
};

/* preset: NULL is "default"; a name or a path. */
MUST_CHECK bool settings_read(struct settings *s, const struct cli *cli, const struct cli_verb *verb,
                              const char *preset, struct err *e);
/* From the text of a run's config.yaml alone; name for messages. */
MUST_CHECK bool settings_parse(struct settings *s, const char *name, const char *text, size_t n, struct err *e);
void settings_finish(struct settings *s);

/* The learning environment that the settings describe, with all it borrows. */
struct settings_world {
    struct trace traces[SETTINGS_TRACES];
    int n_traces;
    struct sim_model *model;
    struct live_site site; /* of a live session; zeroed: simulated */
    struct steps *steps;   /* NULL unless train.steps_csv */
    struct env env;
    bool opened;
};

/* cartpole needs no world beyond env. ERR_USAGE names the key that does not fit. stop: ends a live session's waiting. */
MUST_CHECK bool settings_world_open(const struct settings *s, const volatile sig_atomic_t *stop,
                                    struct settings_world *out, struct err *e);
void settings_world_close(struct settings_world *w);

/* Leaves a live target as it was found: load and faults end, and it gets its old replica count back. Nothing for others. */
MUST_CHECK bool settings_world_settle(struct settings_world *w, struct err *e);

/* Every section there is, also those that only a live session reads: for --help. */
MUST_CHECK bool settings_all(struct settings *s, struct err *e);

/* The control settings of the environment, for the policy file. Not for cartpole. */
const struct control *settings_control(const struct settings *s, const struct env *env);

/* ERR_USAGE where the command line sets a key that counts for nothing: one of the names, "section.key" or a whole "section".
 * Files and the environment, which several programs may share, are let be. why: what makes it idle. */
MUST_CHECK bool settings_refuse_idle(const struct config *c, const char *const *names, int n, const char *why,
                                     struct err *e);

/* Reads "FILE" or "FILE#FROM..TO" (shares of its span, 0..1); looks FILE up as data_path does. */
MUST_CHECK bool settings_trace(const char *text, struct trace *out, struct err *e);

#endif
