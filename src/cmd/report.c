/* report: the verb that writes the page about a run. In: a run folder and perhaps an evaluation folder. Out: one HTML file,
 * and the verdict on standard output. */
#include "cmd.h"

#include <maestro/file.h>
#include <maestro/report.h>

#include <stdio.h>
#include <stdlib.h>

static const size_t LIBRARY_LIMIT = (size_t)8 << 20;

static struct {
    const char *evaluation;
    const char *out;
} given;

static const struct cli_option options[] = {
    {"evaluation", 0, CLI_TEXT, "DIR", "Folder of evaluation files; default RUN/evaluation where there is one",
     &given.evaluation},
    {"out", 'o', CLI_TEXT, "FILE", "The page to write; default RUN/report.html", &given.out},
};

const struct cli_verb cmd_report_verb = {
    .name = "report",
    .summary = "write one HTML page about a run and its evaluation",
    .has_no_config = true,
    .words = "RUN",
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

static bool run_report(const struct cli *cli, struct err *e)
{
    char evaluation[1024];
    char path[1024];
    const char *run = cli->words[0];
    snprintf(evaluation, sizeof evaluation, "%s/evaluation", run);
    snprintf(path, sizeof path, "%s/report.html", run);
    const char *judged = given.evaluation ? given.evaluation : file_exists(evaluation) ? evaluation : NULL;
    return write_page(run, judged, given.out ? given.out : path, e);
}

int cmd_report(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    bool done = cli_parse(&cli, &cmd_report_verb, argc, argv, &e);
    if (done && cli.decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (done && cli.decision == CLI_SHOW_HELP) {
        CLEANUP_BUF struct buf help = {0};
        cli_help("maestro", &cmd_report_verb, NULL, &help);
        fputs(help.bytes ? help.bytes : "", stdout);
        return CLI_EXIT_DONE;
    }
    if (done && run_report(&cli, &e))
        return CLI_EXIT_DONE;
    fprintf(stderr, "maestro report: %s\n", e.message);
    return cli_exit_status(&e);
}
