/* report: the verb that writes the page about a run, or says of a decision journal whether its policy may act. In: a run
 * folder and perhaps an evaluation folder; or a journal. Out: one HTML file, and the verdict on standard output. */
#include "cmd.h"
#include "command_line.h"
#include "report_journal.h"

#include <maestro/file.h>
#include <maestro/report.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const size_t LIBRARY_LIMIT = (size_t)8 << 20;

static struct {
    const char *evaluation;
    const char *out;
    const char *policy, *profile, *hpa, *target;
} given;

static const struct cli_option options[] = {
    {"evaluation", 0, CLI_TEXT, "DIR", "Folder of evaluation files; default RUN/evaluation where there is one",
     &given.evaluation},
    {"out", 'o', CLI_TEXT, "FILE", "The page to write; default RUN/report.html", &given.out},
    {"policy", 'p', CLI_TEXT, "POLICY", "Journal: what is to be made active, such as ppo:FILE", &given.policy},
    {"profile", 0, CLI_TEXT, "NAME", "Journal: the twin's service profile; default web-api", &given.profile},
    {"hpa", 0, CLI_TEXT, "POLICY", "Journal: the rule to compare with; default hpa:target=60,window=300", &given.hpa},
    {"target", 0, CLI_TEXT, "NS/NAME", "Journal: only this target; default every one in it", &given.target},
};

const struct cli_verb cmd_report_verb = {
    .name = "report",
    .summary = "write one HTML page about a run, or say of a journal whether its policy may act",
    .words = "RUN|JOURNAL",
    .n_words_least = 1,
    .n_words_most = 1,
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

/* The chart library as text: where MAESTRO_CHART_JS says, where it was when this was built, or where Debian puts it. */
static bool read_library(struct buf *out, struct err *e)
{
    const char *const places[] = {getenv("MAESTRO_CHART_JS"), CHART_LIBRARY,
                                  "/usr/share/javascript/chart.js/chart.min.js",
                                  "/usr/share/javascript/chart.js/chart.js"};
    if (places[0] && !file_exists(places[0]))
        return err_set(e, ERR_USAGE, "MAESTRO_CHART_JS: %s does not exist", places[0]);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i] && file_exists(places[i]))
            return file_read(places[i], LIBRARY_LIMIT, out, e) && buf_ok(out, e);
    }
    return err_set(e, ERR_IO,
                   "the chart library is missing: install Debian's libjs-chart.js, or name the file in "
                   "MAESTRO_CHART_JS");
}

static void print_verdict(const struct verdict *verdict)
{
    for (int i = 0; i < VERDICT_LINES; i++)
        printf("%-8s %s\n", verdict->topic[i], verdict->text[i]);
}

/* The command as it could be typed again, the defaults spelt out. */
static void spell_command(struct buf *out, const char *run, const char *evaluation, const char *path)
{
    buf_printf(out, "maestro report %s", run);
    if (evaluation)
        buf_printf(out, " --evaluation %s", evaluation);
    buf_printf(out, " -o %s", path);
}

static bool write_page(const char *run, const char *evaluation, const char *path, struct err *e)
{
    CLEANUP_BUF struct buf library = {0};
    CLEANUP_BUF struct buf command = {0};
    __attribute__((cleanup(page_finish))) struct page page = {0};
    struct verdict verdict = {0};
    if (!file_exists(run))
        return err_set(e, ERR_USAGE, "%s: there is no such run folder", run);
    if (!read_library(&library, e))
        return false;
    spell_command(&command, run, evaluation, path);
    if (!buf_ok(&command, e))
        return false;
    struct report_source source = {.run = run,
                                   .evaluation = evaluation,
                                   .library = library.bytes,
                                   .command = command.bytes,
                                   .version = MAESTRO_VERSION};
    if (!report_write(&source, &page, &verdict, e) || !file_write_atomic(path, page.out.bytes, page.out.len, e))
        return false;
    printf("%s\n", path);
    if (evaluation)
        print_verdict(&verdict);
    return true;
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool judge_journal(const char *path, const struct readiness_config *config, bool *ready, struct err *e)
{
    if (!given.policy)
        return err_set(e, ERR_USAGE, "%s is a journal: --policy ppo:FILE says what is to be made active", path);
    const struct report_journal request = {.path = path,
                                           .target = given.target,
                                           .policy = given.policy,
                                           .profile = given.profile ? given.profile : "web-api",
                                           .hpa = given.hpa ? given.hpa : "hpa:target=60,window=300",
                                           .config = config};
    return report_journal(&request, ready, e);
}

static bool report_run(const struct cli *cli, struct err *e)
{
    char evaluation[1024];
    char path[1024];
    const char *run = cli->words[0];
    snprintf(evaluation, sizeof evaluation, "%s/evaluation", run);
    snprintf(path, sizeof path, "%s/report.html", run);
    const char *judged = given.evaluation ? given.evaluation : file_exists(evaluation) ? evaluation : NULL;
    return write_page(run, judged, given.out ? given.out : path, e);
}

static int show(const struct cli *cli, const struct config *config)
{
    CLEANUP_BUF struct buf text = {0};
    if (cli->decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (cli->decision == CLI_SHOW_HELP)
        cli_help("maestro", &cmd_report_verb, config, &text);
    else if (cli->decision == CLI_PRINT_CONFIG)
        config_print(config, true, &text);
    fputs(text.bytes ? text.bytes : "", stdout);
    return CLI_EXIT_DONE;
}

/* The exit status: not ready is 1, as a failure is, so that scripts need no more. */
static int work(const struct cli *cli, const struct readiness_config *ready, struct err *e)
{
    bool good = true;
    if (is_file(cli->words[0]) ? !judge_journal(cli->words[0], ready, &good, e) : !report_run(cli, e)) {
        fprintf(stderr, "maestro report: %s\n", e->message);
        return cli_exit_status(e);
    }
    return good ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
}

int cmd_report(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    struct config config = {0};
    struct readiness_config ready;
    struct config_section section = {"ready", "What a journal must show before its policy may act.",
                                     readiness_config_keys, n_readiness_config_keys, &ready};
    int status;
    if (!command_line_read(&cli, &cmd_report_verb, argc, argv, &e) || !config_init(&config, &section, 1, &e) ||
        !cli_configure(&cli, &cmd_report_verb, &config, &e)) {
        fprintf(stderr, "maestro report: %s\n", e.message);
        status = cli_exit_status(&e);
    } else {
        status = cli.decision == CLI_RUN ? work(&cli, &ready, &e) : show(&cli, &config);
    }
    config_finish(&config);
    return status;
}
