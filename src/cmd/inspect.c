/* inspect: the verb that shows a run, a policy file, a journal or a table in the terminal. In: a path; its kind is told from
 * what it is, not from its name. Out: a summary, courses as sparklines, the last episodes. */
#include "inspect.h"
#include "cmd.h"
#include "command_line.h"

#include <maestro/file.h>
#include <maestro/term.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct {
    const char *target, *since, *until;
} options;

static const struct cli_option option_rows[] = {
    {"target", 't', CLI_TEXT, "NAMESPACE/NAME", "of a journal: only this target's decisions", &options.target},
    {"since", 0, CLI_TEXT, "TIME", "of a journal: only from this moment on, 2026-03-01T12:00:00Z", &options.since},
    {"until", 0, CLI_TEXT, "TIME", "of a journal: only up to this moment", &options.until},
};

const struct cli_verb cmd_inspect_verb = {
    .name = "inspect",
    .options = option_rows,
    .n_options = sizeof option_rows / sizeof *option_rows,
    .summary = "show a run folder, policy file, journal or CSV in the terminal",
    .has_no_config = true,
    .words = "PATH",
    .n_words_least = 1,
    .n_words_most = 1,
};

#define COLUMNS_SHOWN 48

/* Least, mean and greatest of a column's finite values; false if there is none. */
static bool column_range(const struct csv *table, int column, double out[3])
{
    size_t n = 0;
    out[0] = (double)INFINITY;
    out[1] = 0;
    out[2] = -(double)INFINITY;
    for (size_t row = 0; row < table->n_rows; row++) {
        double value = csv_value(table, row, column);
        if (!isfinite(value))
            continue;
        out[0] = fmin(out[0], value);
        out[2] = fmax(out[2], value);
        out[1] += value;
        n++;
    }
    if (n > 0)
        out[1] /= (double)n;
    return n > 0;
}

#define COURSE_BINS 240 /* values a sparkline is drawn from */

/* A column averaged into few bins, so that a table of any length fits on the stack; NaN where a bin has no number. */
static size_t column_course(const struct csv *table, int column, double bins[COURSE_BINS])
{
    size_t n = table->n_rows < COURSE_BINS ? table->n_rows : COURSE_BINS;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        size_t count = 0;
        for (size_t row = i * table->n_rows / n; row < (i + 1) * table->n_rows / n; row++) {
            double value = csv_value(table, row, column);
            sum += isfinite(value) ? value : 0;
            count += isfinite(value) ? 1 : 0;
        }
        bins[i] = count > 0 ? sum / (double)count : (double)NAN;
    }
    return n;
}

static int longest_name(const struct csv *table)
{
    size_t longest = 6;
    for (int i = 0; i < table->n_columns; i++) {
        size_t n = strlen(table->names[i]);
        longest = n > longest ? n : longest;
    }
    return (int)longest;
}

static void show_column(const struct csv *table, int column, int name_width, struct buf *out)
{
    double bins[COURSE_BINS];
    double range[3];
    char text[3][TERM_NUMBER];
    if (!column_range(table, column, range))
        return;
    size_t n = column_course(table, column, bins);
    for (int i = 0; i < 3; i++)
        snprintf(text[i], sizeof text[i], "%.4g", range[i]);
    buf_printf(out, "%-*s  %10s %10s %10s  ", name_width, table->names[column], text[0], text[1], text[2]);
    int room = INSPECT_WIDTH - name_width - 37;
    term_sparkline(out, bins, n, room > INSPECT_SPARK ? INSPECT_SPARK : room < 20 ? 20 : room);
    buf_text(out, "\n");
}

static void last_rows(const struct csv *table, struct buf *out)
{
    size_t from = table->n_rows > INSPECT_LAST ? table->n_rows - INSPECT_LAST : 0;
    if (table->n_columns > 12 || table->n_rows == 0)
        return;
    int width = longest_name(table) + 2;
    width = width < 15 ? 15 : width;
    buf_printf(out, "\nlast %zu rows\n", table->n_rows - from);
    for (int i = 0; i < table->n_columns; i++)
        buf_printf(out, "%-*s", i + 1 < table->n_columns ? width : 0, table->names[i]);
    buf_text(out, "\n");
    for (size_t row = from; row < table->n_rows; row++) {
        for (int i = 0; i < table->n_columns; i++)
            buf_printf(out, "%-*s", i + 1 < table->n_columns ? width : 0, csv_text(table, row, i));
        buf_text(out, "\n");
    }
}

void inspect_table(const char *title, const struct csv *table, struct buf *out)
{
    int width = longest_name(table);
    buf_printf(out, "%s: %zu rows, %d columns%s\n", title, table->n_rows, table->n_columns,
               table->torn ? "; the last line is unfinished and left out" : "");
    if (table->n_rows == 0)
        return;
    buf_printf(out, "%-*s  %10s %10s %10s  course\n", width, "column", "least", "mean", "greatest");
    for (int i = 0; i < table->n_columns && i < COLUMNS_SHOWN; i++)
        show_column(table, i, width, out);
    last_rows(table, out);
}

/* A file of the run, if it is there. */
static bool show_csv(const char *path, struct buf *out, struct err *e)
{
    struct csv table = {0};
    if (!csv_read(path, CSV_MIXED, &table, e))
        return false;
    inspect_table(path, &table, out);
    csv_finish(&table);
    return true;
}

static bool show_policy(const char *path, struct buf *out, struct err *e)
{
    return inspect_safetensors(path, true, out, e);
}

/* The newest row of progress.csv as Stable-Baselines3 would print it: what belongs together stands together. */
static bool show_progress(const char *path, struct buf *out, struct err *e)
{
    static const char *const sections[] = {"eval/", "rollout/", "time/", "train/"};
    struct csv table = {0};
    if (!csv_read(path, CSV_MIXED, &table, e))
        return false;
    struct term_row rows[CSV_COLUMNS];
    static char numbers[CSV_COLUMNS][TERM_NUMBER];
    size_t n = 0;
    for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
        for (int i = 0; table.n_rows > 0 && i < table.n_columns; i++) {
            double value = csv_value(&table, table.n_rows - 1, i);
            if (isfinite(value) && strncmp(table.names[i], sections[k], strlen(sections[k])) == 0 && n < CSV_COLUMNS)
                rows[n++] = (struct term_row){table.names[i], term_number(numbers[i], value)};
        }
    }
    if (n > 0)
        term_table(out, rows, n);
    csv_finish(&table);
    return true;
}

/* The first of the names that is there; NULL: none. */
static const char *first_there(const char *folder, const char *const names[2], char *path, size_t size)
{
    for (int i = 0; i < 2 && names[i]; i++) {
        snprintf(path, size, "%s/%s", folder, names[i]);
        if (file_exists(path))
            return path;
    }
    return NULL;
}

/* Without evaluations, as on a live target, no policy is known to be the best: then the last one is shown. */
static bool show_run(const char *folder, struct buf *out, struct err *e)
{
    static const struct {
        const char *names[2];
        bool (*show)(const char *, struct buf *, struct err *);
    } parts[] = {{{"progress.csv", NULL}, show_progress},
                 {{"monitor.csv", NULL}, show_csv},
                 {{"best.safetensors", "final.safetensors"}, show_policy}};
    int n_shown = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[1024];
        if (!first_there(folder, parts[i].names, path, sizeof path))
            continue;
        if (n_shown++ > 0)
            buf_text(out, "\n");
        if (!parts[i].show(path, out, e))
            return false;
    }
    if (n_shown == 0)
        return err_set(e, ERR_USAGE, "%s: no run folder: neither progress.csv nor monitor.csv nor a policy is there",
                       folder);
    return true;
}

/* Only a journal has targets and moments. */
static bool filters_nothing(const char *path, struct err *e)
{
    const char *given = options.target ? "--target" : options.since ? "--since" : options.until ? "--until" : NULL;
    return !given || err_set(e, ERR_USAGE, "%s: picks decisions of a journal, and %s is none", given, path);
}

static bool show_journal(const char *path, struct buf *out, struct err *e)
{
    struct inspect_filter filter = {options.target, -(double)INFINITY, (double)INFINITY};
    return (!options.since || inspect_moment("--since", options.since, &filter.since_s, e)) &&
           (!options.until || inspect_moment("--until", options.until, &filter.until_s, e)) &&
           inspect_journal(path, &filter, out, e);
}

static bool show_file(const char *path, struct buf *out, struct err *e)
{
    char first[16] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(e, ERR_IO, "%s: cannot be read", path);
    size_t n = fread(first, 1, sizeof first, file);
    fclose(file);
    if (n == 0)
        return err_set(e, ERR_FORMAT, "%s: is empty", path);
    if (first[0] == '{')
        return show_journal(path, out, e);
    if (!filters_nothing(path, e))
        return false;
    // A safetensors file opens with the length of its JSON, which begins with a brace.
    if (n > 8 && first[8] == '{' && memchr(first, '\0', 8))
        return inspect_safetensors(path, false, out, e);
    if (memchr(first, '\0', n))
        return err_set(e, ERR_FORMAT, "%s: is neither a policy file nor a journal nor a CSV", path);
    return show_csv(path, out, e);
}

static bool run_inspect(const char *path, struct err *e)
{
    CLEANUP_BUF struct buf out = {0};
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set(e, ERR_USAGE, "%s: there is no such file or folder", path);
    bool folder = S_ISDIR(st.st_mode);
    if (!(folder ? filters_nothing(path, e) && show_run(path, &out, e) : show_file(path, &out, e)) || !buf_ok(&out, e))
        return false;
    fwrite(out.bytes, 1, out.len, stdout);
    return true;
}

int cmd_inspect(int argc, char **argv)
{
    struct cli cli;
    struct err e = {0};
    bool done = command_line_read(&cli, &cmd_inspect_verb, argc, argv, &e);
    if (done && cli.decision == CLI_SHOW_VERSION)
        return cmd_show_version();
    if (done && cli.decision == CLI_SHOW_HELP) {
        CLEANUP_BUF struct buf help = {0};
        cli_help("maestro", &cmd_inspect_verb, NULL, &help);
        fputs(help.bytes ? help.bytes : "", stdout);
        return CLI_EXIT_DONE;
    }
    if (done && run_inspect(cli.words[0], &e))
        return CLI_EXIT_DONE;
    fprintf(stderr, "maestro inspect: %s\n", e.message);
    return cli_exit_status(&e);
}
