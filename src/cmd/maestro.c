/* maestro: the command line's front door. Finds the verb and hands it its arguments. */
#include "cmd.h"
#include "settings.h"

#include <maestro/mat_blas.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char SUMMARY[] = "Learn to scale Kubernetes services, judge what was learnt, look at it.";

struct entry {
    const struct cli_verb *verb;
    int (*run)(int argc, char **argv);
};

static const struct entry entries[] = {
    {&cmd_train_verb, cmd_train},     {&cmd_evaluate_verb, cmd_evaluate},   {&cmd_report_verb, cmd_report},
    {&cmd_inspect_verb, cmd_inspect}, {&cmd_bench_verb, cmd_bench},         {&cmd_doctor_verb, cmd_doctor},
    {&cmd_replay_verb, cmd_replay},   {&cmd_calibrate_verb, cmd_calibrate},
};
enum { ENTRIES = sizeof entries / sizeof *entries };

static int gather_verbs(struct cli_verb verbs[ENTRIES])
{
    for (int i = 0; i < ENTRIES; i++)
        verbs[i] = *entries[i].verb;
    return ENTRIES;
}

static int show_help(FILE *stream)
{
    struct cli_verb verbs[ENTRIES];
    CLEANUP_BUF struct buf help = {0};
    cli_verbs_help("maestro", SUMMARY, verbs, gather_verbs(verbs), &help);
    fputs(help.bytes ? help.bytes : "", stream);
    return CLI_EXIT_DONE;
}

int cmd_show_version(void)
{
    puts("maestro " MAESTRO_VERSION);
    return CLI_EXIT_DONE;
}

/* For the build: the manual's list of settings. */
static int show_manual_keys(void)
{
    static struct settings s;
    struct err e = {0};
    CLEANUP_BUF struct buf text = {0};
    if (!settings_all(&s, &e)) {
        fprintf(stderr, "maestro: %s\n", e.message);
        return CLI_EXIT_FAILED;
    }
    config_manual(&s.config, &text);
    fputs(text.bytes ? text.bytes : "", stdout);
    settings_finish(&s);
    return CLI_EXIT_DONE;
}

static int run_verb(int argc, char **argv)
{
    struct cli_verb verbs[ENTRIES];
    const struct cli_verb *found = NULL;
    struct err e = {0};
    if (!cli_find_verb(verbs, gather_verbs(verbs), argv[1], &found, &e)) {
        fprintf(stderr, "maestro: %s\n", e.message);
        return cli_exit_status(&e);
    }
    return entries[found - verbs].run(argc - 2, argv + 2);
}

static int answer(int argc, char **argv)
{
    if (argc < 2) {
        show_help(stderr);
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return cmd_show_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return show_help(stdout);
    if (strcmp(argv[1], "manual-keys") == 0)
        return show_manual_keys();
    return run_verb(argc, argv);
}

/* What was printed counts only once it is out: a full disk behind standard output is a failure. */
int main(int argc, char **argv)
{
    mat_blas_offer();
    int status = answer(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "maestro: standard output: cannot write: %s\n", strerror(errno));
    return CLI_EXIT_FAILED;
}
