/* doctor: the verb that says whether a first run on a cluster can work, and what to do where it cannot. In: the sections
 * "prometheus" and "kubernetes", a Deployment, a policy file. Out: one line a finding on standard output; exit status 1 if
 * something is wrong. Changes nothing. */
#include "cmd.h"
#include "command_line.h"

#include <maestro/doctor.h>

#include <stdio.h>
#include <string.h>

static struct {
    const char *target, *policy;
} given;

static const struct cli_option options[] = {
    {"target", 't', CLI_TEXT, "[NS/]NAME", "The Deployment to look at; without it only API and rights", &given.target},
    {"policy", 'p', CLI_TEXT, "FILE", "Policy file that is to run", &given.policy},
};

const struct cli_verb cmd_doctor_verb = {
    .name = "doctor",
    .summary = "check everything that a first run on a cluster needs",
    .words = "",
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

static struct live_prometheus prometheus;
static struct live_kubernetes kubernetes;

static void print(const struct doctor_report *r)
{
    static const char *const marks[] = {[DOCTOR_GOOD] = "ok", [DOCTOR_WARNING] = "warn", [DOCTOR_BAD] = "BAD"};
    for (int i = 0; i < r->n; i++) {
        const struct doctor_finding *f = &r->findings[i];
        printf("%-4s  %-34s %s\n", marks[f->state], f->subject, f->text);
        if (f->advice[0])
            printf("      %-34s -> %s\n", "", f->advice);
    }
    printf("%d checks, %d bad, %d warnings\n", r->n, r->n_bad, r->n_warnings);
}

static bool examine(bool *good, struct err *e)
{
    static struct doctor_report report;
    char space[256] = "";
    const char *slash = given.target ? strchr(given.target, '/') : NULL;
    if (slash && (size_t)(slash - given.target) >= sizeof space)
        return err_set(e, ERR_USAGE, "--target %.64s...: the namespace is too long", given.target);
    if (slash)
        memcpy(space, given.target, (size_t)(slash - given.target));
    const struct doctor_config config = {.prometheus = &prometheus,
                                         .kubernetes = &kubernetes,
                                         .space = space,
                                         .name = slash          ? slash + 1
                                                 : given.target ? given.target
                                                                : "",
                                         .policy = given.policy ? given.policy : ""};
    if (!doctor_examine(&config, &report, e))
        return false;
    print(&report);
    *good = report.n_bad == 0;
    return true;
}

static int show(const struct cli *cli, const struct config *config)
{
    CLEANUP_BUF struct buf text = {0};
    if (cli->decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (cli->decision == CLI_SHOW_HELP)
        cli_help("maestro", &cmd_doctor_verb, config, &text);
    else if (cli->decision == CLI_PRINT_CONFIG)
        config_print(config, true, &text);
    fputs(text.bytes ? text.bytes : "", stdout);
    return CLI_EXIT_DONE;
}

int cmd_doctor(int argc, char **argv)
{
    struct config_section sections[] = {
        {"prometheus", "Where signals come from.", live_prometheus_keys, n_live_prometheus_keys, &prometheus},
        {"kubernetes", "Where the cluster is.", live_kubernetes_keys, n_live_kubernetes_keys, &kubernetes},
    };
    struct cli cli;
    struct err e = {0};
    struct config config = {0};
    bool good = false;
    bool done = command_line_read(&cli, &cmd_doctor_verb, argc, argv, &e) &&
                config_init(&config, sections, (int)(sizeof sections / sizeof *sections), &e) &&
                cli_configure(&cli, &cmd_doctor_verb, &config, &e);
    int status = CLI_EXIT_DONE;
    if (done && cli.decision != CLI_RUN)
        status = show(&cli, &config);
    else if (done && examine(&good, &e))
        status = good ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
    else {
        fprintf(stderr, "maestro doctor: %s\n", e.message);
        status = cli_exit_status(&e);
    }
    config_finish(&config);
    return status;
}
