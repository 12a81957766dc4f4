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

static bool cost_figure(struct page *p, const struct csv *progress, int steps, struct err *e)
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
    take_column(progress, cost, c.y);
    if (price >= 0)
        take_column(progress, price, c.mean);
    struct chart_series series[] = {
        {.name = progress->names[cost], .colour = 1, .x = c.x, .y = c.y, .n = c.n},
        {.name = price < 0 ? "" : progress->names[price],
         .colour = 3,
         .x = c.x,
         .y = c.mean,
         .n = c.n,
         .second_axis = true,
         .dashed = true},
    };
    struct chart chart = {.kind = CHART_LINE,
                          .title = "Cost of the SLO budget and its price",
                          .note =
                              "Cost: share of steps over the soft limit. Price: the Lagrange multiplier that holds it "
                              "to the budget.",
                          .x_title = "environment steps",
                          .y_title = "cost",
                          .y2_title = price < 0 ? NULL : "multiplier",
                          .y_from_zero = true,
                          .series = series,
                          .n_series = price < 0 ? 1 : 2};
    bool done = chart_write(p, &chart, e);
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
    done = done && show_monitor(p, run, e) && (!has_rows || cost_figure(p, &progress, steps, e));
    page_grid_close(p);
    if (has_rows)
        progress_table(p, &progress);
    csv_finish(&progress);
    return done;
}
