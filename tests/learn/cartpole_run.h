/* cartpole_run: a training run on CartPole-v1 for the tests here: Stable-Baselines3's default settings, changed by the
 * caller, in a folder of its own under $TMPDIR. */
#ifndef TESTS_CARTPOLE_RUN_H
#define TESTS_CARTPOLE_RUN_H

#include <maestro/cartpole.h>
#include <maestro/train.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct cartpole_run {
    struct env env;
    struct train_setup setup;
};

/* folder becomes setup.config.out. */
static inline void cartpole_run_defaults(struct cartpole_run *r, const char *folder)
{
    *r = (struct cartpole_run){0};
    cartpole_env(&r->env);
    r->setup.env = &r->env;
    ppo_config_defaults(&r->setup.ppo);
    r->setup.ppo.n_envs = 1;
    r->setup.ppo.n_steps = 2048;
    r->setup.ppo.batch_size = 64;
    r->setup.ppo.n_epochs = 10;
    r->setup.ppo.ent_coef = 0.0;
    r->setup.slo.slo_budget = 0.0 / 0.0;
    r->setup.config = (struct train_config){.total_timesteps = 100000,
                                            .threads = 1,
                                            .log_interval = 1,
                                            .checkpoint_interval_s = 1e9,
                                            .clip_obs = 10,
                                            .clip_reward = 10,
                                            .deterministic_times = true};
    snprintf(r->setup.config.out, sizeof r->setup.config.out, "%.500s", folder);
    r->setup.config_text = "test: cartpole\n";
    r->setup.policy_text = "test: cartpole\n";
}

/* A fresh folder name under $TMPDIR or /tmp; nothing is created but its parent. */
static inline void cartpole_folder(char out[512], const char *name)
{
    const char *base = getenv("TMPDIR");
    char parent[256];
    snprintf(parent, sizeof parent, "%s/maestro-%s-XXXXXX", base && *base ? base : "/tmp", name);
    if (!mkdtemp(parent)) {
        perror(parent);
        exit(1);
    }
    snprintf(out, 512, "%s/run", parent);
}

/* Removes the folder's parent with all in it. */
static inline void cartpole_remove(const char *folder)
{
    char command[1024];
    char parent[512];
    snprintf(parent, sizeof parent, "%.500s", folder);
    char *slash = parent;
    for (char *p = parent; *p; p++)
        slash = *p == '/' ? p : slash;
    *slash = '\0';
    snprintf(command, sizeof command, "rm -rf -- '%s'", parent);
    if (system(command) != 0)
        fprintf(stderr, "%s: not removed\n", parent);
}

#endif
