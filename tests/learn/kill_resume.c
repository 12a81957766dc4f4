/* kill_resume: a run killed with SIGKILL at random moments and resumed ends with the same bytes as one left alone. Twenty
 * runs are killed, some twice; moments are spread over the whole time that the undisturbed run takes. */
#include "cartpole_run.h"
#include "run_compare.h"

#include <maestro/clock.h>
#include <maestro/rng.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 20 };

static void settings(struct cartpole_run *run, const char *folder, bool resume)
{
    cartpole_run_defaults(run, folder);
    run->setup.ppo.n_envs = 8;
    run->setup.ppo.n_steps = 128;
    run->setup.slo.slo_budget = 0.01;
    run->setup.config.total_timesteps = 24576;
    run->setup.config.threads = 2;
    run->setup.config.normalize_obs = true;
    run->setup.config.normalize_reward = true;
    run->setup.config.eval_freq = 3000;
    run->setup.config.eval_episodes = 20;
    run->setup.config.checkpoint_interval_s = 0;
    run->setup.resume = resume;
}

/* Never returns: the child's whole life. Status 3: there was no checkpoint yet. */
static void live(const char *folder, bool resume)
{
    struct cartpole_run run;
    struct train *t = NULL;
    struct err e = {0};
    settings(&run, folder, resume);
    bool opened = train_open(&run.setup, &t, &e);
    if (!opened && strstr(e.message, "before its first checkpoint"))
        _exit(3);
    bool done = opened && train_run(t, &e);
    if (!done)
        fprintf(stderr, "%s\n", e.message);
    train_close(t);
    _exit(done ? 0 : 1);
}

/* Starts a child and kills it after so long; negative: lets it live. Returns its status as wait reports it. */
static int spawn(const char *folder, bool resume, double kill_after_s)
{
    pid_t child = fork();
    if (child == 0)
        live(folder, resume);
    if (kill_after_s >= 0) {
        struct timespec pause = {.tv_sec = (time_t)kill_after_s,
                                 .tv_nsec = (long)((kill_after_s - (double)(time_t)kill_after_s) * 1e9)};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static bool exited_with(int status, int code)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* One run, killed and resumed; counts the kills that found it alive. Returns the number of files that differ, -1 on
 * failure. */
static int disturb(const char *left_alone, const char *folder, struct rng *rng, double whole_s, int *kills)
{
    bool resume = false;
    for (int attempt = 0; attempt < 2; attempt++) {
        int status = spawn(folder, resume, rng_uniform(rng, 0.0, whole_s));
        *kills += WIFSIGNALED(status);
        char checkpoint[600];
        snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
        if (!WIFSIGNALED(status) || !file_exists(checkpoint) || rng_bounded(rng, 2) == 0)
            break;
        resume = true;
    }
    int status = spawn(folder, file_exists(folder), -1);
    if (exited_with(status, 3)) { // killed before there was anything to go on with: a new start is right
        char command[700];
        snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
        status = system(command) == 0 ? spawn(folder, false, -1) : -1;
    }
    return exited_with(status, 0) ? run_differences(left_alone, folder) : -1;
}

int main(void)
{
    char left_alone[512];
    struct rng rng;
    int kills = 0;
    int failures = 0;
    rng_init(&rng, 6, 6);
    cartpole_folder(left_alone, "alone");
    double started_s = clock_monotonic_s();
    if (!exited_with(spawn(left_alone, false, -1), 0))
        return 1;
    double whole_s = clock_monotonic_s() - started_s;
    for (int run = 0; kills < KILLS && run < 5 * KILLS; run++) {
        char folder[512];
        cartpole_folder(folder, "kill");
        int different = disturb(left_alone, folder, &rng, whole_s, &kills);
        if (different != 0)
            fprintf(stderr, "run %d: %d files differ, kept in %s\n", run, different, folder);
        else
            cartpole_remove(folder);
        failures += different != 0;
    }
    cartpole_remove(left_alone);
    printf("%d kills over runs of %.2f s, %d resumed runs differ\n", kills, whole_s, failures);
    return failures || kills < KILLS ? 1 : 0;
}
