/* cli: every form of an option, every refusal, the order of layers, help that names everything. */
#include <maestro/cli.h>

#include "suite.h"

#include <stdio.h>
#include <string.h>

struct wanted {
    bool force;
    const char *output;
    int n_jobs;
    long long steps;
    struct cli_texts traces;
};

struct fixture {
    struct wanted w;
    struct cli_option options[5];
    struct cli_verb verb;
    struct cli cli;
    struct err e;
};

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->options[0] = (struct cli_option){"force", 'f', CLI_FLAG, NULL, "Overwrite", &f->w.force};
    f->options[1] = (struct cli_option){"output", 'o', CLI_TEXT, "DIR", "Where to", &f->w.output};
    f->options[2] = (struct cli_option){"jobs", 'j', CLI_INT, "N", "How many at once", &f->w.n_jobs};
    f->options[3] = (struct cli_option){"steps", 0, CLI_LONG, "N", "How far", &f->w.steps};
    f->options[4] = (struct cli_option){"trace", 't', CLI_TEXTS, "FILE", "What to judge on", &f->w.traces};
    f->verb = (struct cli_verb){"train", "Learn a policy", "RUN [DIR...]", 1, 2, "run.seed", f->options, 5, false};
}

static bool parse(struct fixture *f, const char *line)
{
    static char copy[8192];
    char *argv[256];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    f->e = (struct err){0};
    return cli_parse(&f->cli, &f->verb, argc, argv, &f->e);
}

START_TEST(every_form_of_an_option)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert_msg(parse(&f, "run1 -f --output out -j4 --steps=1_000 -t a --trace=b -t c --ppo.x=1 --a.b=c=d dir"), "%s",
                  f.e.message);
    ck_assert(f.w.force);
    ck_assert_str_eq(f.w.output, "out");
    ck_assert_int_eq(f.w.n_jobs, 4);
    ck_assert_int_eq(f.w.steps, 1000);
    ck_assert_int_eq(f.w.traces.n, 3);
    ck_assert_str_eq(f.w.traces.v[2], "c");
    ck_assert_int_eq(f.cli.n_sets, 2);
    ck_assert_str_eq(f.cli.sets[1], "a.b=c=d");
    ck_assert_int_eq(f.cli.n_words, 2);
    ck_assert_str_eq(f.cli.words[1], "dir");
    ck_assert_int_eq(f.cli.decision, CLI_RUN);
}
END_TEST

START_TEST(common_options)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert(parse(&f, "r -c a.yaml --config b.yaml --seed 7 --log-format json --check-config"));
    ck_assert_int_eq(f.cli.n_files, 2);
    ck_assert_str_eq(f.cli.files[1], "b.yaml");
    ck_assert_str_eq(f.cli.seed, "7");
    ck_assert(f.cli.has_log_format && f.cli.log_format == LOG_JSON);
    ck_assert_int_eq(f.cli.decision, CLI_CHECK_CONFIG);
    ck_assert(parse(&f, "--print-config"));
    ck_assert_int_eq(f.cli.decision, CLI_PRINT_CONFIG);
    ck_assert(parse(&f, "-h --version")); // help wins, and asks for no RUN
    ck_assert_int_eq(f.cli.decision, CLI_SHOW_HELP);
    ck_assert(parse(&f, "--version"));
    ck_assert_int_eq(f.cli.decision, CLI_SHOW_VERSION);
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    struct fixture f;
    open_fixture(&f);
    ck_assert(parse(&f, "-- --force -"));
    ck_assert(!f.w.force);
    ck_assert_str_eq(f.cli.words[0], "--force");
    ck_assert_str_eq(f.cli.words[1], "-");
}
END_TEST

START_TEST(wrong_lines_say_what_would_be_right)
{
    static const struct {
        const char *line, *message;
    } rows[] = {
        {"r --forse", "--forse: unknown option; did you mean --force?"},
        {"r --confgi=x", "--confgi: unknown option; did you mean --config?"},
        {"r --zzzzzz", "--zzzzzz: unknown option"},
        {"r -x", "-x: unknown option"},
        {"r --force=1", "--force takes no value"},
        {"r --output", "--output wants a value: --output=DIR"},
        {"r -j many", "--jobs: 'many' is not a whole number"},
        {"r -j 1.5", "--jobs: '1.5' is not a whole number"},
        {"r -j 3s", "--jobs: '3s' is not a whole number"},
        {"r -j 3000000000", "--jobs: '3000000000' is not a whole number of this size"},
        {"r --ppo.x", "--ppo.x wants a value: --ppo.x=VALUE"},
        {"r --log-format=xml", "--log-format: 'xml' is neither logfmt nor json"},
        {"", "too few arguments: train RUN [DIR...]"},
        {"a b c", "'c' is one argument too many: train RUN [DIR...]"},
        {"r -t1 -t2 -t3 -t4 -t5 -t6 -t7 -t8 -t9 -t1 -t1 -t1 -t1 -t1 -t1 -t1 -t1", "--trace: given more than 16 times"},
    };
    struct fixture f;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_fixture(&f);
        ck_assert_msg(!parse(&f, rows[i].line), "accepted: %s", rows[i].line);
        ck_assert_str_eq(f.e.message, rows[i].message);
        ck_assert_int_eq(cli_exit_status(&f.e), CLI_EXIT_USAGE);
    }
    f.verb.seed_key = NULL;
    ck_assert(!parse(&f, "r --seed=1"));
    ck_assert_ptr_nonnull(strstr(f.e.message, "--seed: unknown option"));
}
END_TEST

START_TEST(verb_without_configuration_knows_none_of_its_options)
{
    static const char *const lines[] = {"run1 --config=a",     "run1 -c a",     "run1 --print-config",
                                        "run1 --check-config", "run1 --seed=1", "run1 --ppo.x=1"};
    struct fixture f;
    open_fixture(&f);
    f.verb.has_no_config = true;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert(!parse(&f, lines[i]));
        ck_assert_int_eq(f.e.code, ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(f.e.message, "unknown option"));
    }
    ck_assert(parse(&f, "run1 -f --log-format=json"));
}
END_TEST

START_TEST(verbs_are_found_or_suggested)
{
    static const struct cli_verb verbs[] = {{.name = "train"}, {.name = "evaluate"}, {.name = "report"}};
    const struct cli_verb *found = NULL;
    struct err e = {0};
    ck_assert(cli_find_verb(verbs, 3, "report", &found, &e));
    ck_assert_ptr_eq(found, &verbs[2]);
    ck_assert(!cli_find_verb(verbs, 3, "evalaute", &found, &e));
    ck_assert_str_eq(e.message, "'evalaute' is not a verb; did you mean evaluate?");
    ck_assert(!cli_find_verb(verbs, 3, "zzz", &found, &e));
    ck_assert_str_eq(e.message, "'zzz' is not a verb");
}
END_TEST

struct run {
    long long seed;
    int n;
};
static const struct config_key RUN_KEYS[] = {
    {"seed", CONFIG_LONG, offsetof(struct run, seed), "1", 0, 1e15, NULL, NULL, "Seed."},
    {"n", CONFIG_INT, offsetof(struct run, n), "1", 0, 100, NULL, NULL, "Count."},
};

START_TEST(options_win_over_variables_over_files)
{
    struct fixture f;
    struct run run;
    struct config_section section = {"run", "The run.", RUN_KEYS, 2, &run};
    struct config c;
    char path[] = "/tmp/maestro-test-cli-XXXXXX", line[128];
    FILE *file = fdopen(mkstemp(path), "w");
    open_fixture(&f);
    ck_assert_ptr_nonnull(file);
    fputs("run: {n: 2, seed: 2}\n", file);
    fclose(file);
    ck_assert(config_init(&c, &section, 1, &f.e));
    snprintf(line, sizeof line, "r --run.n=4 --seed=9 -c %s", path);
    ck_assert(parse(&f, line));
    ck_assert_int_eq(setenv("MAESTRO_RUN_N", "3", 1), 0);
    ck_assert_msg(cli_configure(&f.cli, &f.verb, &c, &f.e), "%s", f.e.message);
    ck_assert_int_eq(run.n, 4);
    ck_assert_int_eq(run.seed, 9);
    ck_assert_str_eq(config_origin(&c, "run.seed"), "--seed");
    ck_assert(parse(&f, "r --run.n=4000"));
    ck_assert(!cli_configure(&f.cli, &f.verb, &c, &f.e));
    ck_assert_str_eq(f.e.message, "--run.n: '4000' is out of range: 0 to 100 is wanted");
    ck_assert(parse(&f, "r --seed=x"));
    ck_assert(!cli_configure(&f.cli, &f.verb, &c, &f.e));
    ck_assert_str_eq(f.e.message, "--seed: 'x' is not a whole number");
    config_finish(&c);
    remove(path);
}
END_TEST

START_TEST(exit_statuses)
{
    struct err e = {0};
    ck_assert_int_eq(cli_exit_status(&e), 0);
    err_set(&e, ERR_IO, "x");
    ck_assert_int_eq(cli_exit_status(&e), 1);
    err_set(&e, ERR_USAGE, "x");
    ck_assert_int_eq(cli_exit_status(&e), 2);
}
END_TEST

START_TEST(help_and_manual_name_every_option)
{
    struct fixture f;
    struct run run;
    struct config_section section = {"run", "The run.", RUN_KEYS, 2, &run};
    struct config c;
    struct buf help = {0}, manual = {0}, verbs = {0};
    open_fixture(&f);
    ck_assert(config_init(&c, &section, 1, &f.e));
    cli_help("maestro", &f.verb, &c, &help);
    cli_manual(&f.verb, &manual);
    cli_verbs_help("maestro", "scales", &f.verb, 1, &verbs);
    static const char *const in_help[] = {"usage: maestro train [OPTION...] [--SECTION.KEY=VALUE...] RUN [DIR...]\n",
                                          "  -f, --force ",
                                          "  -o, --output=DIR ",
                                          "      --steps=N ",
                                          "  -t, --trace=FILE ",
                                          "  -h, --help ",
                                          "      --seed=N ",
                                          "--run.seed=VALUE",
                                          "(repeatable)"};
    for (size_t i = 0; i < sizeof in_help / sizeof *in_help; i++)
        ck_assert_msg(strstr(help.bytes, in_help[i]) != NULL, "%s is not in\n%s", in_help[i], help.bytes);
    ck_assert_ptr_nonnull(strstr(manual.bytes, ".It Fl o , Fl Fl output Ns = Ns Ar DIR\nWhere to.\n"));
    ck_assert_ptr_nonnull(strstr(manual.bytes, ".It Fl Fl print-config\n"));
    ck_assert_ptr_nonnull(strstr(verbs.bytes, "  train        Learn a policy\n"));
    buf_finish(&help);
    buf_finish(&manual);
    buf_finish(&verbs);
    config_finish(&c);
}
END_TEST

SUITE("cli", every_form_of_an_option, common_options, two_dashes_end_the_options, wrong_lines_say_what_would_be_right,
      verb_without_configuration_knows_none_of_its_options, verbs_are_found_or_suggested,
      options_win_over_variables_over_files, exit_statuses, help_and_manual_name_every_option)
