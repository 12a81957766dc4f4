/* bench_verb: the verb bench: options in, table or JSON on standard output. */
#include "bench.h"
#include "bench_live.h"
#include "cmd.h"
#include "command_line.h"

#include <stdio.h>
#include <string.h>

static struct {
    const char *kernel;
    const char *only;
    int rounds;
    bool json;
} given;

static const struct cli_option options[] = {
    {"kernel", 'k', CLI_TEXT, "NAME", "Matrix kernel: auto, avx512, avx2, portable, scalar or blas", &given.kernel},
    {"only", 0, CLI_TEXT, "TEXT", "Only the ceilings and the figures whose name holds this", &given.only},
    {"rounds", 'r', CLI_INT, "N", "Interleaved repeats of everything, default 5; of live: ticks, default 24",
     &given.rounds},
    {"json", 0, CLI_FLAG, NULL, "JSON instead of a table", &given.json},
};

const struct cli_verb cmd_bench_verb = {
    .name = "bench",
    .summary = "measure trainer, simulator, inference and (live) a tick of the autoscaler, in one run",
    .has_no_config = true,
    .words = "[live]",
    .n_words_most = 1,
    .options = options,
    .n_options = (int)(sizeof options / sizeof *options),
};

int cmd_bench(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    CLEANUP_BUF struct buf out = {0};
    if (!command_line_read(&cli, &cmd_bench_verb, argc, argv, &e)) {
        fprintf(stderr, "maestro bench: %s\n", e.message);
        return cli_exit_status(&e);
    }
    if (cli.decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (cli.decision == CLI_SHOW_HELP) {
        cli_help("maestro", &cmd_bench_verb, NULL, &out);
        fputs(out.bytes ? out.bytes : "", stdout);
        return CLI_EXIT_DONE;
    }
    const struct bench_options bench = {
        .kernel = given.kernel, .only = given.only, .rounds = given.rounds, .json = given.json};
    bool live = cli.n_words > 0 && strcmp(cli.words[0], "live") == 0;
    bool known = live || cli.n_words == 0 || err_set(&e, ERR_USAGE, "'%s' is not \"live\"", cli.words[0]);
    if (!known || !(live ? bench_live_run(given.rounds, given.json, &out, &e) : bench_run(&bench, &out, &e))) {
        fprintf(stderr, "maestro bench: %s\n", e.message);
        return cli_exit_status(&e);
    }
    fputs(out.bytes, stdout);
    return CLI_EXIT_DONE;
}
