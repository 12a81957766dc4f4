/* same_bytes: the same seed gives the same files with 1, 2 and 4 threads and in a second run; another seed gives others.
 * Observations and rewards normalised, budget on, evaluations between: everything that could depend on order takes part. */
#include "cartpole_run.h"
#include "run_compare.h"

static bool train_in(const char *folder, int threads, int seed, struct err *e)
{
    struct cartpole_run run;
    struct train *t = NULL;
    cartpole_run_defaults(&run, folder);
    run.setup.ppo.n_envs = 8;
    run.setup.ppo.n_steps = 256;
    run.setup.slo.slo_budget = 0.01;
    run.setup.config.total_timesteps = 16384;
    run.setup.config.threads = threads;
    run.setup.config.seed = seed;
    run.setup.config.normalize_obs = true;
    run.setup.config.normalize_reward = true;
    run.setup.config.eval_freq = 5000;
    run.setup.config.eval_episodes = 20;
    bool done = train_open(&run.setup, &t, e) && train_run(t, e);
    train_close(t);
    return done;
}

int main(void)
{
    static const struct {
        int threads, seed;
        bool same;
    } runs[] = {{1, 3, true}, {1, 3, true}, {2, 3, true}, {4, 3, true}, {1, 4, false}};
    enum { RUNS = sizeof runs / sizeof *runs };
    char folders[RUNS][512];
    int failures = 0;
    for (int i = 0; i < RUNS; i++) {
        struct err e = {0};
        cartpole_folder(folders[i], "bytes");
        if (!train_in(folders[i], runs[i].threads, runs[i].seed, &e)) {
            fprintf(stderr, "%s\n", e.message);
            return 1;
        }
        int different = i > 0 ? run_differences(folders[0], folders[i]) : 0;
        bool right = runs[i].same ? different == 0 : different == (int)(sizeof RUN_RESULTS / sizeof *RUN_RESULTS);
        printf("%d threads, seed %d: %d files differ from the first run: %s\n", runs[i].threads, runs[i].seed,
               different, right ? "ok" : "WRONG");
        failures += !right;
    }
    for (int i = 0; i < RUNS; i++)
        cartpole_remove(folders[i]);
    return failures ? 1 : 0;
}
