/* term: draws runs in text. In: numbers and strings. Out: UTF-8 in a buffer. Neither writes to a terminal nor asks it for
 * its width: the caller knows both. */
#include <maestro/term.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

int term_columns(const char *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

char *term_number(char out[TERM_NUMBER], double value)
{
    if (isfinite(value) && value == floor(value) && fabs(value) < 1e15)
        snprintf(out, TERM_NUMBER, "%.0f", value);
    else
        snprintf(out, TERM_NUMBER, "%.3g", value);
    return out;
}

char *term_duration(char out[TERM_NUMBER], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e9)) {
        snprintf(out, TERM_NUMBER, "-");
        return out;
    }
    long whole = lround(seconds);
    if (whole < 60)
        snprintf(out, TERM_NUMBER, "%ld s", whole);
    else if (whole < 3600)
        snprintf(out, TERM_NUMBER, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(out, TERM_NUMBER, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
    return out;
}

/* Mean of the numbers among values[from..to), NaN if there is none. */
static double bin_mean(const double *values, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (isfinite(values[i])) {
            sum += values[i];
            n++;
        }
    }
    return n > 0 ? sum / (double)n : (double)NAN;
}

#define BARS_LIMIT 512

void term_sparkline(struct buf *out, const double *values, size_t n, int width)
{
    static const char *const blocks[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    size_t n_bins = width < 1 ? 0 : (size_t)(width < BARS_LIMIT ? width : BARS_LIMIT);
    if (n_bins > n)
        n_bins = n;
    double bins[BARS_LIMIT];
    double low = (double)INFINITY;
    double high = -(double)INFINITY;
    for (size_t i = 0; i < n_bins; i++) {
        bins[i] = bin_mean(values, i * n / n_bins, (i + 1) * n / n_bins);
        low = fmin(low, bins[i]);
        high = fmax(high, bins[i]);
    }
    for (size_t i = 0; i < n_bins; i++) {
        double share = high > low ? (bins[i] - low) / (high - low) : 0.5;
        int level = (int)(share * 7.999);
        buf_text(out, isfinite(bins[i]) ? blocks[level] : " ");
    }
}

static void repeat(struct buf *out, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_text(out, text);
}

static void table_line(struct buf *out, const char *key, const char *value, const int widths[2])
{
    buf_printf(out, "| %s", key);
    repeat(out, " ", widths[0] - term_columns(key));
    buf_printf(out, " | %s", value);
    repeat(out, " ", widths[1] - term_columns(value));
    buf_text(out, " |\n");
}

/* Bytes of the section in front of the key's slash, with the slash; 0 without one. */
static size_t section_bytes(const char *key)
{
    const char *slash = strchr(key, '/');
    return slash ? (size_t)(slash - key) + 1 : 0;
}

/* The key as the table shows it: indented below its section. */
static void shown_key(char out[128], const char *key)
{
    size_t section = section_bytes(key);
    snprintf(out, 128, "%s%s", section ? "   " : "", key + section);
}

static void table_widths(const struct term_row *rows, size_t n, int widths[2])
{
    widths[0] = widths[1] = 0;
    for (size_t i = 0; i < n; i++) {
        char key[128];
        shown_key(key, rows[i].key);
        int columns = term_columns(key);
        int section = (int)section_bytes(rows[i].key);
        int value = term_columns(rows[i].value);
        widths[0] = columns > widths[0] ? columns : widths[0];
        widths[0] = section > widths[0] ? section : widths[0];
        widths[1] = value > widths[1] ? value : widths[1];
    }
}

void term_table(struct buf *out, const struct term_row *rows, size_t n)
{
    int widths[2];
    table_widths(rows, n, widths);
    int rule = widths[0] + widths[1] + 7;
    repeat(out, "-", rule);
    buf_text(out, "\n");
    const char *before = "";
    for (size_t i = 0; i < n; i++) {
        char key[128];
        size_t section = section_bytes(rows[i].key);
        if (section > 0 && (section_bytes(before) != section || strncmp(before, rows[i].key, section) != 0)) {
            snprintf(key, sizeof key, "%.*s", (int)section, rows[i].key);
            table_line(out, key, "", widths);
        }
        shown_key(key, rows[i].key);
        table_line(out, key, rows[i].value, widths);
        before = rows[i].key;
    }
    repeat(out, "-", rule);
    buf_text(out, "\n");
}

/* n eighths of a column, drawn over width columns. */
static void draw_bar(struct buf *out, double share, int width)
{
    static const char *const eighths[8] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int n = (int)(share * width * 8);
    repeat(out, "█", n / 8);
    buf_text(out, eighths[n % 8]);
    repeat(out, " ", width - n / 8 - (n % 8 > 0));
}

/* Appends a part to a line of at most width columns, if it fits. */
static void add_part(char *line, size_t n_bytes, const char *part, int width)
{
    size_t used = strlen(line);
    if (term_columns(line) + term_columns(part) <= width && used + strlen(part) < n_bytes)
        memcpy(line + used, part, strlen(part) + 1);
}

void term_bar(struct buf *out, const struct term_progress *progress, int width)
{
    double share = progress->total > 0 ? (double)progress->done / (double)progress->total : 0;
    share = fmin(fmax(share, 0), 1);
    char line[256];
    char part[96];
    char text[TERM_NUMBER];
    snprintf(line, sizeof line, "%3.0f %%", floor(share * 100));
    if (progress->steps_per_s > 0) {
        double left_s = (double)(progress->total - progress->done) / progress->steps_per_s;
        snprintf(part, sizeof part, "  %s to go", term_duration(text, fmax(left_s, 0)));
        add_part(line, sizeof line, part, width);
        snprintf(part, sizeof part, "  %.0f steps/s", progress->steps_per_s);
        add_part(line, sizeof line, part, width);
    }
    if (isfinite(progress->reward_mean)) {
        snprintf(part, sizeof part, "  reward %.4g", progress->reward_mean);
        add_part(line, sizeof line, part, width);
    }
    int bar = width - term_columns(line) - 3;
    if (bar >= 5) {
        buf_text(out, "▕");
        draw_bar(out, share, bar < 40 ? bar : 40);
        buf_text(out, "▏ ");
    }
    buf_text(out, line);
}
