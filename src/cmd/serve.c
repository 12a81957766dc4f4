/* serve: the program maestro-serve. In: a policy file and the section "serve". Out: a server that answers until SIGTERM or
 * SIGINT, looks at the policy file meanwhile (SIGHUP: at once), and says on standard error what came of it. */
#include "program.h"

#include <maestro/log.h>
#include <maestro/serve.h>

#include <math.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static struct serve_config settings;
static struct config_section sections[] = {
    {"serve", "The prediction server.", serve_config_keys, 0, &settings},
};

static struct {
    const char *policy, *port, *cpu_unit;
} given;

static const struct cli_option options[] = {
    {"policy", 'p', CLI_TEXT, "FILE", "Same as --serve.policy, and as the argument", &given.policy},
    {"port", 0, CLI_TEXT, "N", "Same as --serve.port", &given.port},
    {"cpu-unit", 0, CLI_TEXT, "UNIT", "Same as --serve.cpu_unit: percent or cores", &given.cpu_unit},
};

static const struct cli_verb verb = {
    .name = "maestro-serve",
    .summary = "answer POST /predict with a trained policy",
    .words = "[POLICY]",
    .n_words_most = 1,
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

static bool put(struct config *config, const char *key, const char *value, const char *origin, struct err *e)
{
    return !value || config_set(config, key, value, origin, e);
}

static bool settle(const struct cli *cli, struct config *config, struct err *e)
{
    if (!put(config, "serve.policy", given.policy, "--policy", e) ||
        !put(config, "serve.policy", cli->n_words ? cli->words[0] : NULL, "POLICY", e) ||
        !put(config, "serve.port", given.port, "--port", e) ||
        !put(config, "serve.cpu_unit", given.cpu_unit, "--cpu-unit", e))
        return false;
    if (!settings.policy[0] && cli->decision == CLI_RUN)
        return err_set(e, ERR_USAGE, "no policy file: maestro-serve FILE, or serve.policy in a configuration file");
    return true;
}

/* Signals are waited for, not handled: blocked before the first thread starts, and so in all of them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void report_model(struct serve *s)
{
    struct model_status status;
    model_status(serve_model(s), &status);
    if (status.why[0])
        log_error("model_refused", kv("why", status.why), kv("still", status.id));
    else
        log_info("model_loaded", kv("policy", settings.policy), kv("id", status.id));
}

static struct timespec timespec_of(double seconds)
{
    double whole = floor(seconds);
    return (struct timespec){.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
}

/* Until a signal that ends. */
static int watch(struct serve *s, const sigset_t *set)
{
    const struct timespec pause = timespec_of(settings.reload_s);
    for (;;) {
        int number = sigtimedwait(set, NULL, &pause);
        if (number == SIGTERM || number == SIGINT)
            return number;
        bool changed = number != SIGHUP && model_refresh(serve_model(s));
        if (number == SIGHUP)
            model_reload(serve_model(s));
        if (changed || number == SIGHUP)
            report_model(s);
    }
}

/* A second signal ends the waiting. */
static void leave(struct serve *s, const sigset_t *set, int number)
{
    const struct timespec pause = timespec_of(settings.delay_s);
    log_info("stopping", kv("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    serve_not_ready(s);
    if (settings.delay_s > 0)
        (void)sigtimedwait(set, NULL, &pause);
    serve_close(s);
    log_info("stopped");
}

static bool run(struct err *e)
{
    struct serve *s = NULL;
    sigset_t set;
    block_signals(&set);
    if (!serve_open(&settings, &s, e))
        return false;
    report_model(s);
    log_info("listening", kv("address", settings.address), kv("port", serve_port(s)));
    leave(s, &set, watch(s, &set));
    return true;
}

int main(int argc, char **argv)
{
    sections[0].n_keys = n_serve_config_keys;
    const struct program program = {&verb, sections, 1, settle, run};
    return program_main(&program, argc, argv);
}
