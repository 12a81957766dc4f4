/* learning: the section that shows whether a run learned. In: monitor.csv (an episode a row) and progress.csv (an update a
 * row) of a run folder. Out: figures and a table. Does not smooth away what happened: the raw episodes stay visible. */
#include <maestro/chart.h>
#include <maestro/csv.h>
#include <maestro/file.h>
#include <maestro/term.h>

#include "sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t ROLLING_EPISODES = 100;

/* Three columns of n numbers in one block; v is the owned block. */
struct curve {
    double *v;
    double *x, *y, *mean; /* [n] each */
    size_t n;
};

static void curve_finish(struct curve *c)
{
    free(c->v);
}

static bool curve_init(struct curve *c, size_t n, struct err *e)
{
    c->v = calloc(n > 0 ? 3 * n : 1, sizeof *c->v);
    if (!c->v)
        return err_set(e, ERR_IO, "no memory for %zu episodes", n);
    c->x = c->v;
    c->y = c->v + n;
    c->mean = c->v + 2 * n;
    c->n = n;
    return true;
}

/* Mean of the last window episodes, from the first on. */
static void rolling_mean(struct curve *c, size_t window)
{
    double sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        sum += c->y[i];
        if (i >= window)
            sum -= c->y[i - window];
        c->mean[i] = sum / (double)(i < window ? i + 1 : window);
    }
}

static bool episodes_read(const struct csv *monitor, const char *path, struct curve *c, struct err *e)
{
    int reward = csv_column(monitor, "r");
    int length = csv_column(monitor, "l");
    if (reward < 0 || length < 0)
        return err_set(e, ERR_FORMAT, "%s: columns r and l are wanted", path);
    if (!curve_init(c, monitor->n_rows, e))
        return false;
    double steps = 0;
    for (size_t i = 0; i < c->n; i++) {
        steps += csv_value(monitor, i, length);
        c->x[i] = steps;
        c->y[i] = csv_value(monitor, i, reward);
    }
    rolling_mean(c, c->n < 4 * ROLLING_EPISODES ? c->n / 4 + 1 : ROLLING_EPISODES);
    return true;
}

static bool reward_figure(struct page *p, const struct curve *c, struct err *e)
{
    struct chart_series series[] = {
        {.name = "episode", .colour = CHART_MUTED, .x = c->x, .y = c->y, .n = c->n, .faint = true},
        {.name = "rolling mean", .colour = 0, .x = c->x, .y = c->mean, .n = c->n},
    };
    char note[160];
    snprintf(note, sizeof note, "%zu episodes; the mean is over the last %zu.", c->n,
             c->n < 4 * ROLLING_EPISODES ? c->n / 4 + 1 : ROLLING_EPISODES);
    struct chart chart = {.kind = CHART_LINE,
                          .title = "Reward per episode",
                          .note = note,
                          .x_title = "environment steps",
                          .y_title = "reward of an episode",
                          .series = series,
                          .n_series = 2};
    return chart_write(p, &chart, e);
}

static bool show_monitor(struct page *p, const char *run, struct err *e)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/monitor.csv", run);
    if (!file_exists(path)) {
        page_paragraph(p, "There is no monitor.csv in %s, so the course of the reward is not shown.", run);
        return true;
    }
    struct csv monitor = {0};
    if (!csv_read(path, CSV_MIXED, &monitor, e))
        return false;
    struct curve curve = {0};
    bool done = episodes_read(&monitor, path, &curve, e);
    if (done && curve.n == 0)
        page_paragraph(p, "No episode has ended yet.");
    else
        done = done && reward_figure(p, &curve, e);
    curve_finish(&curve);
    csv_finish(&monitor);
    return done;
}

/* First column whose name contains one of the words; -1: none. */
static int column_like(const struct csv *table, const char *const *words)
{
    for (; *words; words++) {
        for (int i = 0; i < table->n_columns; i++) {
            if (strstr(table->names[i], *words))
                return i;
        }
    }
    return -1;
}

static void take_column(const struct csv *table, int column, double *out)
{
    for (size_t i = 0; i < table->n_rows; i++)
        out[i] = csv_value(table, i, column);
}

static void take_percent(const struct csv *table, int column, double *out)
{
    for (size_t i = 0; i < table->n_rows; i++)
        out[i] = 100 * csv_value(table, i, column);
}

/* The run's SLO budget in percent, from its config.yaml; NaN: none, or off. */
static double budget_percent(const char *run)
{
    static const char key[] = "\n  slo_budget: ";
    CLEANUP_BUF struct buf text = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/config.yaml", run);
    if (!file_exists(path) || !file_read(path, (size_t)1 << 20, &text, NULL) || !text.bytes)
        return (double)NAN;
    const char *at = strstr(text.bytes, key);
    char *end = NULL;
    double value = at ? strtod(at + strlen(key), &end) : (double)NAN;
    if (!at || end == at + strlen(key) || value < 0)
        return (double)NAN;
    return *end == '%' ? value : 100 * value;
}

/* Cost, price and budget over the updates of a run. */
static bool price_figure(struct page *p, const struct curve *c, bool priced, double budget, struct err *e)
{
    double ends[2] = {c->x[0], c->x[c->n - 1]};
    double level[2] = {budget, budget};
    struct chart_series series[3] = {
        {.name = "time over the soft limit", .colour = 0, .x = c->x, .y = c->y, .n = c->n},
    };
    int n = 1;
    if (isfinite(budget)) {
        series[n] = (struct chart_series){
            .name = "SLO budget", .colour = CHART_SOFT, .x = ends, .y = level, .n = 2, .dashed = true};
        n++;
    }
    if (priced) {
        series[n] = (struct chart_series){
            .name = "price (multiplier)", .colour = 3, .x = c->x, .y = c->mean, .n = c->n, .second_axis = true};
        n++;
    }
    struct chart chart = {.kind = CHART_LINE,
                          .title = "Time over the soft limit, and its price",
                          .note =
                              "While learning the policy still tries things out; the evaluation does not. The price "
                              "is the Lagrange multiplier: it rises while the budget is exceeded.",
                          .x_title = "environment steps",
                          .y_title = "time over soft limit, %",
                          .y2_title = priced ? "multiplier" : NULL,
                          .y_from_zero = true,
                          .series = series,
                          .n_series = n};
    return chart_write(p, &chart, e);
}

static bool cost_figure(struct page *p, const char *run, const struct csv *progress, int steps, struct err *e)
{
    static const char *const cost_words[] = {"cost_mean", "cost", "violation", NULL};
    static const char *const price_words[] = {"lagrange_multiplier", "multiplier", "lagrange", NULL};
    int cost = column_like(progress, cost_words);
    int price = column_like(progress, price_words);
    if (cost < 0)
        return true;
    struct curve c = {0};
    if (!curve_init(&c, progress->n_rows, e))
        return false;
    take_column(progress, steps, c.x);
    take_percent(progress, cost, c.y);
    if (price >= 0)
        take_column(progress, price, c.mean);
    bool done = price_figure(p, &c, price >= 0, budget_percent(run), e);
    curve_finish(&c);
    return done;
}

static void progress_table(struct page *p, const struct csv *progress)
{
    static const struct page_column columns[] = {{"column", NULL}, {"first update", NULL}, {"last update", NULL}};
    page_details_open(p, "First and last row of progress.csv");
    page_table(p, "Training figures", columns, 3);
    for (int i = 0; i < progress->n_columns; i++) {
        char text[TERM_NUMBER];
        page_row(p, progress->names[i], -1);
        page_cell(p, term_number(text, csv_value(progress, 0, i)));
        page_cell(p, term_number(text, csv_value(progress, progress->n_rows - 1, i)));
    }
    page_table_end(p);
    page_details_close(p);
}

/* The figure of the SLO budget; the table follows outside the grid. */
static bool read_progress(const char *run, struct csv *progress, int *steps, struct err *e)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/progress.csv", run);
    *steps = -1;
    if (!file_exists(path))
        return true;
    if (!csv_read(path, CSV_MIXED, progress, e))
        return false;
    *steps = csv_column(progress, "time/total_timesteps");
    if (*steps < 0)
        return err_set(e, ERR_FORMAT, "%s: column 'time/total_timesteps' is missing", path);
    return true;
}

bool learning_section(struct page *p, const char *run, struct err *e)
{
    struct csv progress = {0};
    int steps = -1;
    page_section(p, "learning", "Learning");
    bool done = read_progress(run, &progress, &steps, e);
    bool has_rows = done && steps >= 0 && progress.n_rows > 0;
    page_grid_open(p);
    done = done && show_monitor(p, run, e) && (!has_rows || cost_figure(p, run, &progress, steps, e));
    page_grid_close(p);
    if (has_rows)
        progress_table(p, &progress);
    csv_finish(&progress);
    return done;
}
