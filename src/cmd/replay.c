/* replay: the verb that decides everything in a journal once more. In: journal files, oldest first, and perhaps a folder of
 * policy files. Out: how many decisions came out the same; the first that did not, by file, line, target and field. */
#include "cmd.h"
#include "command_line.h"

#include <maestro/replay.h>

#include <stdio.h>

static const char *policies;

static const struct cli_option option_rows[] = {
    {"policies", 'p', CLI_TEXT, "FOLDER", "policy files, by whatever name, so that networks are asked again too",
     &policies},
};

const struct cli_verb cmd_replay_verb = {
    .name = "replay",
    .summary = "decide everything in a journal once more and compare bit for bit",
    .has_no_config = true,
    .words = "JOURNAL...",
    .n_words_least = 1,
    .n_words_most = CLI_WORDS,
    .options = option_rows,
    .n_options = sizeof option_rows / sizeof *option_rows,
};

static bool replay_all(const struct cli *cli, struct err *e)
{
    struct replay *r = NULL;
    struct replay_report report = {0};
    bool done = replay_open(policies, &r, e);
    for (int i = 0; done && i < cli->n_words; i++)
        done = replay_file(r, cli->words[i], &report, e);
    replay_close(r);
    if (!done)
        return false;
    printf("%lld decisions of %d targets come out the same, bit for bit; of %lld the proposal too\n",
           report.n_decisions, report.n_targets, report.n_proposals);
    if (report.n_untold > 0)
        printf("%lld writes were begun and nothing tells what came of them: the process was killed in between\n",
               report.n_untold);
    if (*report.missing)
        printf("other proposals were taken as recorded: %s\n", report.missing);
    return true;
}

int cmd_replay(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    bool done = command_line_read(&cli, &cmd_replay_verb, argc, argv, &e);
    if (done && cli.decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (done && cli.decision == CLI_SHOW_HELP) {
        CLEANUP_BUF struct buf help = {0};
        cli_help("maestro", &cmd_replay_verb, NULL, &help);
        fputs(help.bytes ? help.bytes : "", stdout);
        return CLI_EXIT_DONE;
    }
    if (done && replay_all(&cli, &e))
        return CLI_EXIT_DONE;
    fprintf(stderr, "maestro replay: %s\n", e.message);
    return cli_exit_status(&e);
}
