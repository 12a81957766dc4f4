/* cli: the command line as tables: verbs, their options, and the options that every verb has. Reads argv into a plain struct
 * and says what is to be done; prints nothing, exits nowhere. Strings point into argv.
 *
 * --section.key=value goes to the configuration unseen; "--" ends the options; "--name=value", "--name value", "-n value" and
 * "-nvalue" are the same. The common options: -h --help, --version, --config FILE (repeatable), --print-config,
 * --check-config, --seed N (where the verb has a seed key), --log-format logfmt|json. */
#ifndef MAESTRO_CLI_H
#define MAESTRO_CLI_H

#include <maestro/buf.h>
#include <maestro/config.h>
#include <maestro/err.h>
#include <maestro/log.h>
#include <stdbool.h>

#define CLI_FILES 16
#define CLI_SETS 128
#define CLI_WORDS 64

/* Exit statuses of every program. */
enum cli_exit { CLI_EXIT_DONE = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2 };

enum cli_kind {
    CLI_FLAG,  /* bool */
    CLI_TEXT,  /* const char * */
    CLI_INT,   /* int */
    CLI_LONG,  /* long long */
    CLI_TEXTS, /* struct cli_texts: repeatable */
};

struct cli_texts {
    int n;
    const char *v[CLI_FILES];
};

struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum cli_kind kind;
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;     /* one sentence without the full stop */
    void *target;         /* the caller's; untouched where the option is not given */
};

struct cli_verb {
    const char *name;
    const char *summary; /* one line */
    const char *words;   /* "RUN [DIR...]": the arguments that are no options; "" if none */
    int n_words_least, n_words_most;
    const char *seed_key; /* what --seed sets, "run.seed"; NULL: no --seed */
    const struct cli_option *options;
    int n_options;
    bool has_no_config; /* --config, --print-config, --check-config and --section.key are unknown to it */
};

enum cli_decision { CLI_RUN, CLI_SHOW_HELP, CLI_SHOW_VERSION, CLI_PRINT_CONFIG, CLI_CHECK_CONFIG };

/* What the command line said. Plain. */
struct cli {
    enum cli_decision decision;
    int n_words;
    const char *words[CLI_WORDS];
    int n_files;
    const char *files[CLI_FILES]; /* --config, in order */
    int n_sets;
    const char *sets[CLI_SETS]; /* "section.key=value", in order */
    const char *seed;           /* NULL: not given */
    bool has_log_format;
    enum log_format log_format;
};

/* The verb of this name; ERR_USAGE suggests the nearest. */
MUST_CHECK bool cli_find_verb(const struct cli_verb *verbs, int n_verbs, const char *name, const struct cli_verb **out,
                              struct err *e);

/* argv without program and verb. The option targets are set as they are met. --help and --version win over everything that is
 * missing. ERR_USAGE names the option and says what would be right. */
MUST_CHECK bool cli_parse(struct cli *c, const struct cli_verb *verb, int argc, char *const *argv, struct err *e);

/* Puts files, environment, --section.key=value and --seed, in this order, over what config holds (defaults, presets). */
MUST_CHECK bool cli_configure(const struct cli *c, const struct cli_verb *verb, struct config *config, struct err *e);

/* The status a program ends with after err. */
int cli_exit_status(const struct err *e);

void cli_verbs_help(const char *program, const char *summary, const struct cli_verb *verbs, int n_verbs,
                    struct buf *out);
void cli_help(const char *program, const struct cli_verb *verb, const struct config *config,
              struct buf *out); /* config may be NULL; program "": the verb is a program of its own */
void cli_manual(const struct cli_verb *verb, struct buf *out); /* mdoc(7) list of the verb's and the common options */

#endif
