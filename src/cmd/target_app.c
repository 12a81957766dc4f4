/* target_app: maestro-target-app, the demo service as a program: started, told to stop by a signal, drained. */
#include "program.h"

#include <maestro/webapp.h>

#include <signal.h>
#include <stddef.h>

static struct webapp_config app;

static const struct cli_verb verb = {
    .name = "maestro-target-app",
    .summary =
        "A small HTTP service to try autoscaling on: its requests cost CPU time, waiting and memory as configured.",
    .words = "",
    .seed_key = "app.seed",
};

static bool run(struct err *e)
{
    struct webapp *a = NULL;
    sigset_t ends;
    int signal = 0;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); // before the first thread: they inherit it
    if (!webapp_open(&app, &a, e))
        return false;
    log_info("listening", kv("address", (const char *)app.address), kv("port", webapp_port(a)));
    sigwait(&ends, &signal);
    log_info("draining", kv("signal", signal), kv("linger_s", app.linger_s), kv("grace_s", app.grace_s));
    webapp_close(a);
    log_info("stopped");
    return true;
}

int main(int argc, char **argv)
{
    struct config_section sections[] = {webapp_section(&app)};
    const struct program program = {.verb = &verb, .sections = sections, .n_sections = 1, .run = run};
    return program_main(&program, argc, argv);
}
