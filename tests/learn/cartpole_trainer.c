/* cartpole_trainer: writes a short run on CartPole-v1 into the folder named, for readers that are not written in C. */
#include "cartpole_run.h"

int main(int argc, char **argv)
{
    struct cartpole_run run;
    struct train *t = NULL;
    struct err e = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    cartpole_run_defaults(&run, argv[1]);
    run.setup.config.total_timesteps = 8192;
    run.setup.config.eval_episodes = 5;
    bool done = train_open(&run.setup, &t, &e) && train_run(t, &e);
    train_close(t);
    if (!done)
        fprintf(stderr, "%s\n", e.message);
    return done ? 0 : 1;
}
