/* cli: argv into decisions. In: tables and argv; out: struct cli, the targets of the options, text for help. Does not know the
 * verbs, and leaves the values of configuration keys to config. */
#include <maestro/cli.h>

#include "config_unit.h"

#include <maestro/text.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 64

/* The common options; their places in struct cli are found by name in take_common. */
static const struct cli_option COMMON[] = {
    {"help", 'h', CLI_FLAG, NULL, "Show this help", NULL},
    {"version", 0, CLI_FLAG, NULL, "Show the version", NULL},
    {"log-format", 0, CLI_TEXT, "FORMAT", "Write log lines as logfmt or json", NULL},
    {"config", 'c', CLI_TEXTS, "FILE", "Read configuration from a YAML file; later files win", NULL},
    {"print-config", 0, CLI_FLAG, NULL, "Print the effective configuration with the origin of every value, and end",
     NULL},
    {"check-config", 0, CLI_FLAG, NULL, "Check the configuration and end", NULL},
    {"seed", 0, CLI_TEXT, "N", "Seed of everything random", NULL},
};
#define N_COMMON ((int)(sizeof COMMON / sizeof *COMMON))
#define N_PLAIN 3 /* those that a verb without configuration has too */

/* The reading of one command line. */
struct cursor {
    int argc;
    char *const *argv;
    int at; /* next argument */
    const struct cli_verb *verb;
    struct err *e;
};

static int n_common(const struct cli_verb *verb)
{
    if (verb->has_no_config)
        return N_PLAIN;
    return verb->seed_key ? N_COMMON : N_COMMON - 1; // --seed stands last
}

bool cli_find_verb(const struct cli_verb *verbs, int n_verbs, const char *name, const struct cli_verb **out,
                   struct err *e)
{
    const char *nearest = NULL;
    int best = TEXT_FAR;
    for (int i = 0; i < n_verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            *out = &verbs[i];
            return true;
        }
        if (text_suggests(name, verbs[i].name, &best))
            nearest = verbs[i].name;
    }
    return err_set(e, ERR_USAGE, "'%.60s' is not a verb%s%s%s", name, nearest ? "; did you mean " : "",
                   nearest ? nearest : "", nearest ? "?" : "");
}

static const struct cli_option *option_at(const struct cli_verb *verb, int i)
{
    return i < verb->n_options ? &verb->options[i] : &COMMON[i - verb->n_options];
}

static const struct cli_option *find_option(const struct cli_verb *verb, const char *name, char letter)
{
    for (int i = 0; i < verb->n_options + n_common(verb); i++) {
        const struct cli_option *o = option_at(verb, i);
        if (name ? strcmp(o->name, name) == 0 : o->letter == letter)
            return o;
    }
    return NULL;
}

static bool unknown_option(const struct cursor *c, const char *name)
{
    const char *nearest = NULL;
    int best = TEXT_FAR;
    for (int i = 0; i < c->verb->n_options + n_common(c->verb); i++)
        if (text_suggests(name, option_at(c->verb, i)->name, &best))
            nearest = option_at(c->verb, i)->name;
    return err_set(c->e, ERR_USAGE, "--%.60s: unknown option%s%s%s", name, nearest ? "; did you mean --" : "",
                   nearest ? nearest : "", nearest ? "?" : "");
}

static bool take_int(const struct cli_option *o, const char *value, long long *out, struct err *e)
{
    struct unit_number n;
    bool whole = unit_read(value, &n) && n.is_whole && !*n.suffix;
    if (!whole || (o->kind == CLI_INT && (n.whole < INT_MIN || n.whole > INT_MAX)))
        return err_set(e, ERR_USAGE, "--%s: '%.60s' is not a whole number%s", o->name, value,
                       whole ? " of this size" : "");
    *out = n.whole;
    return true;
}

static bool add_text(struct cli_texts *texts, const struct cli_option *o, const char *value, struct err *e)
{
    if (texts->n >= CLI_FILES)
        return err_set(e, ERR_USAGE, "--%s: given more than %d times", o->name, CLI_FILES);
    texts->v[texts->n++] = value;
    return true;
}

static bool take_own(const struct cli_option *o, const char *value, struct err *e)
{
    long long whole = 0;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->target = true;
        return true;
    case CLI_TEXT:
        *(const char **)o->target = value;
        return true;
    case CLI_INT:
        if (!take_int(o, value, &whole, e))
            return false;
        *(int *)o->target = (int)whole;
        return true;
    case CLI_LONG:
        return take_int(o, value, o->target, e);
    case CLI_TEXTS:
        return add_text(o->target, o, value, e);
    }
    return false;
}

static bool take_log_format(struct cli *c, const char *value, struct err *e)
{
    if (strcmp(value, "logfmt") != 0 && strcmp(value, "json") != 0)
        return err_set(e, ERR_USAGE, "--log-format: '%.60s' is neither logfmt nor json", value);
    c->has_log_format = true;
    c->log_format = strcmp(value, "json") == 0 ? LOG_JSON : LOG_LOGFMT;
    return true;
}

static bool take_common(struct cli *c, const struct cli_option *o, const char *value, struct err *e)
{
    static const enum cli_decision flags[] = {CLI_SHOW_HELP, CLI_SHOW_VERSION, CLI_RUN,
                                              CLI_RUN,       CLI_PRINT_CONFIG, CLI_CHECK_CONFIG};
    if (strcmp(o->name, "log-format") == 0)
        return take_log_format(c, value, e);
    if (strcmp(o->name, "seed") == 0) {
        c->seed = value;
        return true;
    }
    if (strcmp(o->name, "config") == 0) {
        if (c->n_files >= CLI_FILES)
            return err_set(e, ERR_USAGE, "--config: given more than %d times", CLI_FILES);
        c->files[c->n_files++] = value;
        return true;
    }
    if (c->decision != CLI_SHOW_HELP)
        c->decision = flags[o - COMMON];
    return true;
}

/* The value of an option: behind its equals sign, else the next argument. */
static bool option_value(struct cursor *c, const struct cli_option *o, const char *joined, const char **value)
{
    *value = joined;
    if (o->kind == CLI_FLAG)
        return !joined || err_set(c->e, ERR_USAGE, "--%s takes no value", o->name);
    if (joined)
        return true;
    if (c->at >= c->argc)
        return err_set(c->e, ERR_USAGE, "--%s wants a value: --%s=%s", o->name, o->name, o->argument);
    *value = c->argv[c->at++];
    return true;
}

static bool take_option(struct cli *cli, struct cursor *c, const struct cli_option *o, const char *joined)
{
    const char *value;
    if (!option_value(c, o, joined, &value))
        return false;
    bool common = o >= COMMON && o < COMMON + N_COMMON;
    return common ? take_common(cli, o, value, c->e) : take_own(o, value, c->e);
}

static bool take_set(struct cli *cli, const struct cursor *c, const char *text)
{
    if (c->verb->has_no_config)
        return err_set(c->e, ERR_USAGE, "--%.80s: unknown option; %s has no configuration", text, c->verb->name);
    if (!strchr(text, '='))
        return err_set(c->e, ERR_USAGE, "--%.80s wants a value: --%.80s=VALUE", text, text);
    if (cli->n_sets >= CLI_SETS)
        return err_set(c->e, ERR_USAGE, "more than %d --section.key=value: put them in a file", CLI_SETS);
    cli->sets[cli->n_sets++] = text;
    return true;
}

static bool take_long(struct cli *cli, struct cursor *c, const char *text)
{
    size_t n = strcspn(text, "=");
    char name[NAME_BYTES];
    if (memchr(text, '.', n))
        return take_set(cli, c, text);
    snprintf(name, sizeof name, "%.*s", n < NAME_BYTES ? (int)n : NAME_BYTES - 1, text);
    const struct cli_option *o = find_option(c->verb, name, 0);
    return o ? take_option(cli, c, o, text[n] == '=' ? text + n + 1 : NULL) : unknown_option(c, name);
}

static bool take_short(struct cli *cli, struct cursor *c, const char *text)
{
    const struct cli_option *o = find_option(c->verb, NULL, *text);
    if (!o)
        return err_set(c->e, ERR_USAGE, "-%.20s: unknown option", text);
    return take_option(cli, c, o, text[1] ? text + 1 : NULL);
}

static bool take_word(struct cli *cli, const struct cursor *c, const char *word)
{
    if (cli->n_words >= c->verb->n_words_most || cli->n_words >= CLI_WORDS)
        return err_set(c->e, ERR_USAGE, "'%.100s' is one argument too many: %s%s%s", word, c->verb->name,
                       *c->verb->words ? " " : "", *c->verb->words ? c->verb->words : " takes none");
    cli->words[cli->n_words++] = word;
    return true;
}

static bool take_argument(struct cli *cli, struct cursor *c, bool *options_over)
{
    const char *argument = c->argv[c->at++];
    if (*options_over || argument[0] != '-' || argument[1] == '\0')
        return take_word(cli, c, argument);
    if (strcmp(argument, "--") == 0) {
        *options_over = true;
        return true;
    }
    return argument[1] == '-' ? take_long(cli, c, argument + 2) : take_short(cli, c, argument + 1);
}

bool cli_parse(struct cli *c, const struct cli_verb *verb, int argc, char *const *argv, struct err *e)
{
    struct cursor cursor = {.argc = argc, .argv = argv, .verb = verb, .e = e};
    bool options_over = false;
    *c = (struct cli){.decision = CLI_RUN};
    while (cursor.at < argc)
        if (!take_argument(c, &cursor, &options_over))
            return false;
    bool wants_words = c->decision == CLI_RUN && c->n_words < verb->n_words_least;
    return !wants_words || err_set(e, ERR_USAGE, "too few arguments: %s %s", verb->name, verb->words);
}

static bool configure_set(struct config *config, const char *set, struct err *e)
{
    char dotted[2 * NAME_BYTES], origin[2 * NAME_BYTES + 2];
    size_t n = strcspn(set, "=");
    if (n >= sizeof dotted)
        return err_set(e, ERR_USAGE, "--%.60s...: unknown key", set);
    snprintf(dotted, sizeof dotted, "%.*s", (int)n, set);
    snprintf(origin, sizeof origin, "--%s", dotted);
    return config_set(config, dotted, set + n + 1, origin, e);
}

bool cli_configure(const struct cli *c, const struct cli_verb *verb, struct config *config, struct err *e)
{
    for (int i = 0; i < c->n_files; i++)
        if (!config_file(config, c->files[i], e))
            return false;
    if (!config_environment(config, e))
        return false;
    for (int i = 0; i < c->n_sets; i++)
        if (!configure_set(config, c->sets[i], e))
            return false;
    return !c->seed || config_set(config, verb->seed_key, c->seed, "--seed", e);
}

int cli_exit_status(const struct err *e)
{
    if (e->code == ERR_NONE)
        return CLI_EXIT_DONE;
    return e->code == ERR_USAGE ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
}

void cli_verbs_help(const char *program, const char *summary, const struct cli_verb *verbs, int n_verbs,
                    struct buf *out)
{
    buf_printf(out, "%s: %s\n\nusage: %s VERB [OPTION...] [ARGUMENT...]\n\n", program, summary, program);
    for (int i = 0; i < n_verbs; i++)
        buf_printf(out, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
    buf_printf(out, "\n%s VERB --help shows the options and configuration keys of a verb; %s --version the version.\n",
               program, program);
}

/* Every word behind a space; a line that would grow too long goes on below the first. column: where the line stands. */
static void put_words(const char *text, size_t *column, struct buf *out)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        if (*column + 1 + n > 100) {
            buf_printf(out, "\n%30s", "");
            *column = 30;
        }
        buf_printf(out, " %.*s", (int)n, text);
        *column += 1 + n;
        text += n + strspn(text + n, " ");
    }
}

static void option_help(const struct cli_option *o, struct buf *out)
{
    char left[NAME_BYTES * 2];
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->argument ? "=" : "", o->argument ? o->argument : "");
    buf_printf(out, "  %-28s", left);
    size_t column = 2 + (strlen(left) > 28 ? strlen(left) : 28);
    put_words(o->help, &column, out);
    put_words(o->kind == CLI_TEXTS ? "(repeatable)" : "", &column, out);
    buf_text(out, "\n");
}

void cli_help(const char *program, const struct cli_verb *verb, const struct config *config, struct buf *out)
{
    const char *gap = *program ? " " : "";
    buf_printf(out, "%s%s%s: %s\n\nusage: %s%s%s [OPTION...]%s%s%s\n\noptions:\n", program, gap, verb->name,
               verb->summary, program, gap, verb->name, verb->has_no_config ? "" : " [--SECTION.KEY=VALUE...]",
               *verb->words ? " " : "", verb->words);
    for (int i = 0; i < verb->n_options + n_common(verb); i++)
        option_help(option_at(verb, i), out);
    if (!config || config->n_sections == 0)
        return;
    buf_text(out, "\nconfiguration (in a --config file as section: {key: value}, in the environment as "
                  "MAESTRO_SECTION_KEY,\nhere as an option; the later of these wins):\n\n");
    config_help(config, out);
}

void cli_manual(const struct cli_verb *verb, struct buf *out)
{
    buf_text(out, ".Bl -tag -width Ds\n");
    for (int i = 0; i < verb->n_options + n_common(verb); i++) {
        const struct cli_option *o = option_at(verb, i);
        buf_text(out, ".It ");
        if (o->letter)
            buf_printf(out, "Fl %c , ", o->letter);
        buf_printf(out, "Fl Fl %s%s%s\n%s.\n", o->name, o->argument ? " Ns = Ns Ar " : "",
                   o->argument ? o->argument : "", o->help);
    }
    buf_text(out, ".El\n");
}
