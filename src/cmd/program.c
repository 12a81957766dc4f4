/* program: the main function that maestro's servers share. In: a command line and the tables of one program. Out: what was
 * asked for printed, or the program run. Knows no setting and no server. */
#include "program.h"
#include "command_line.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

extern char **environ;

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Whether a variable behind its prefix ("PORT=tcp://10.0.0.1:80") is one that Kubernetes sets for a Service. */
static bool is_service_link(const char *rest)
{
    if (starts_with(rest, "SERVICE_HOST=") || starts_with(rest, "SERVICE_PORT"))
        return true;
    if (!starts_with(rest, "PORT"))
        return false;
    return rest[4] == '_' || starts_with(rest + 4, "=tcp://") || starts_with(rest + 4, "=udp://");
}

/* A Service called like a program of ours puts MAESTRO_SERVE_PORT=tcp://... into every pod beside it. That is no setting. */
static void drop_service_links(const struct program *p)
{
    for (int i = 0; environ && i < p->n_sections; i++) {
        char prefix[64], name[128];
        snprintf(prefix, sizeof prefix, "MAESTRO_%s_", p->sections[i].name);
        for (char *c = prefix; *c; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        for (char **at = environ; *at;) {
            size_t n = strcspn(*at, "=");
            if (!starts_with(*at, prefix) || !is_service_link(*at + strlen(prefix)) || n >= sizeof name) {
                at++;
                continue;
            }
            snprintf(name, sizeof name, "%.*s", (int)n, *at);
            unsetenv(name); // moves the next one here
        }
    }
}

/* A descriptor a connection: as many as the administrator allows. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void print(const struct buf *text)
{
    fputs(text->bytes ? text->bytes : "", stdout);
}

static bool answer_with(const struct program *p, const struct cli *cli, struct config *config, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (cli->decision == CLI_SHOW_HELP) {
        cli_help("", p->verb, config, &text);
        print(&text);
        return true;
    }
    drop_service_links(p);
    if (!cli_configure(cli, p->verb, config, e) || (p->settle && !p->settle(cli, config, e)))
        return false;
    if (cli->decision == CLI_PRINT_CONFIG) {
        config_print(config, true, &text);
        print(&text);
    }
    if (cli->decision != CLI_RUN)
        return true;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    return p->run(e);
}

static bool answer(const struct program *p, int argc, char **argv, struct err *e)
{
    struct cli cli;
    struct config config = {0};
    if (!command_line_read(&cli, p->verb, argc - 1, argv + 1, e))
        return false;
    if (cli.decision == CLI_SHOW_VERSION) {
        printf("%s " MAESTRO_VERSION "\n", p->verb->name);
        return true;
    }
    bool done = config_init(&config, p->sections, p->n_sections, e) && answer_with(p, &cli, &config, e);
    config_finish(&config);
    return done;
}

/* For the build: the manual's list of settings. */
static bool print_manual_keys(const struct program *p, struct err *e)
{
    struct config config = {0};
    CLEANUP_BUF struct buf text = {0};
    if (!config_init(&config, p->sections, p->n_sections, e))
        return false;
    config_manual(&config, &text);
    config_finish(&config);
    print(&text);
    return true;
}

int program_main(const struct program *program, int argc, char **argv)
{
    struct err e = {0};
    bool manual = argc == 2 && strcmp(argv[1], "manual-keys") == 0;
    bool done = manual ? print_manual_keys(program, &e) : answer(program, argc, argv, &e);
    if (!done)
        fprintf(stderr, "%s: %s\n", program->verb->name, e.message);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return done ? CLI_EXIT_DONE : cli_exit_status(&e);
    fprintf(stderr, "%s: standard output: cannot write: %s\n", program->verb->name, strerror(errno));
    return CLI_EXIT_FAILED;
}
