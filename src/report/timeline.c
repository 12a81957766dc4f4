/* timeline: the section that shows what each policy did, second by second. In: timeline.csv of an evaluation. Out: for every
 * trace a figure of load and replicas and one of latency with its limits. */
#include <maestro/chart.h>

#include "sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { TIME, RPS, REPLICAS, P95, SOFT, HARD, BOUND, COLUMNS };

static const char *const COLUMN_NAMES[COLUMNS] = {"t_s",     "rps",     "replicas",      "p95_ms",
                                                  "soft_ms", "hard_ms", "bound_replicas"};

/* One policy on one trace: COLUMNS arrays of n numbers, NaN where the file says nothing. */
struct course {
    double *v; /* owned; [COLUMNS][n_limit] */
    double *column[COLUMNS];
    size_t n;
    int policy;
};

static bool row_is(const struct csv *t, size_t row, int column, const char *wanted)
{
    return strcmp(csv_text(t, row, column), wanted) == 0;
}

static bool faultless(const struct csv *t, size_t row, int column)
{
    return column < 0 || csv_text(t, row, column)[0] == '\0' || row_is(t, row, column, "none");
}

static void take_row(struct course *c, const struct csv *t, size_t row)
{
    for (int i = 0; i < COLUMNS; i++) {
        int at = csv_column(t, COLUMN_NAMES[i]);
        c->column[i][c->n] = at < 0 ? (double)NAN : csv_value(t, row, at);
    }
    c->n++;
}

static bool take_course(struct course *c, const struct evaluation *v, const char *trace, struct err *e)
{
    const struct csv *t = &v->timeline;
    int policy = csv_column(t, "policy");
    int trace_column = csv_column(t, "trace");
    int fault = csv_column(t, "fault");
    c->v = calloc(COLUMNS * t->n_rows + 1, sizeof *c->v);
    if (!c->v)
        return err_set(e, ERR_IO, "no memory for %zu rows of timeline.csv", t->n_rows);
    for (int i = 0; i < COLUMNS; i++)
        c->column[i] = c->v + (size_t)i * t->n_rows;
    for (size_t row = 0; row < t->n_rows; row++) {
        if (row_is(t, row, policy, v->policies[c->policy]) && row_is(t, row, trace_column, trace) &&
            faultless(t, row, fault))
            take_row(c, t, row);
    }
    return true;
}

static struct chart_series course_series(const struct evaluation *v, const struct course *c, enum column column)
{
    bool bound = evaluation_is_bound(v, c->policy);
    return (struct chart_series){.name = v->policies[c->policy],
                                 .colour = section_colour(v, c->policy),
                                 .x = c->column[TIME],
                                 .y = c->column[column],
                                 .n = c->n,
                                 .dashed = bound,
                                 .hidden = section_hides(v, c->policy),
                                 .stepped = column == REPLICAS};
}

static bool any_number(const struct course *c, enum column column)
{
    for (size_t i = 0; i < c->n; i++) {
        if (isfinite(c->column[column][i]))
            return true;
    }
    return false;
}

static struct chart_series shared_series(const struct course *c, enum column column, const char *name, int colour)
{
    return (struct chart_series){
        .name = name, .colour = colour, .x = c->column[TIME], .y = c->column[column], .n = c->n};
}

static bool replicas_figure(struct page *p, const struct evaluation *v, const struct course *courses, int n,
                            struct err *e)
{
    struct chart_series series[EVALUATION_LIMIT + 2];
    int n_series = 0;
    for (int i = 0; i < n; i++)
        series[n_series++] = course_series(v, &courses[i], REPLICAS);
    if (any_number(&courses[0], BOUND)) {
        series[n_series] = shared_series(&courses[0], BOUND, "fewest that could do", CHART_MUTED);
        series[n_series].dashed = series[n_series].stepped = true;
        n_series++;
    }
    series[n_series] = shared_series(&courses[0], RPS, "load", CHART_MUTED);
    series[n_series].second_axis = series[n_series].filled = series[n_series].faint = true;
    n_series++;
    struct chart chart = {.kind = CHART_LINE,
                          .title = "Load and replicas",
                          .x_title = "time, h:min",
                          .y_title = "replicas",
                          .y2_title = "requests/s",
                          .x_is_time = true,
                          .y_from_zero = true,
                          .series = series,
                          .n_series = n_series};
    return chart_write(p, &chart, e);
}

static bool latency_figure(struct page *p, const struct evaluation *v, const struct course *courses, int n,
                           struct err *e)
{
    struct chart_series series[EVALUATION_LIMIT + 2];
    int n_series = 0;
    for (int i = 0; i < n; i++) {
        if (any_number(&courses[i], P95))
            series[n_series++] = course_series(v, &courses[i], P95);
    }
    if (any_number(&courses[0], SOFT)) {
        series[n_series] = shared_series(&courses[0], SOFT, "soft limit", CHART_SOFT);
        series[n_series++].dashed = true;
    }
    if (any_number(&courses[0], HARD)) {
        series[n_series] = shared_series(&courses[0], HARD, "hard limit", CHART_HARD);
        series[n_series++].dashed = true;
    }
    struct chart chart = {.kind = CHART_LINE,
                          .title = "95th percentile of latency",
                          .note = "Logarithmic: a time-out is far above the limits.",
                          .x_title = "time, h:min",
                          .y_title = "p95, ms",
                          .x_is_time = true,
                          .y_is_log = true,
                          .series = series,
                          .n_series = n_series};
    return chart_write(p, &chart, e);
}

static bool show_trace(struct page *p, const struct evaluation *v, const char *trace, struct err *e)
{
    struct course courses[EVALUATION_LIMIT] = {0};
    int n = 0;
    bool done = true;
    for (int i = 0; done && i < v->n_policies; i++) {
        courses[n].policy = i;
        done = take_course(&courses[n], v, trace, e);
        if (courses[n].n > 0) {
            n++;
        } else {
            free(courses[n].v);
            courses[n] = (struct course){0};
        }
    }
    if (done && n > 0) {
        page_heading(p, trace);
        done = replicas_figure(p, v, courses, n, e) && latency_figure(p, v, courses, n, e);
    }
    for (int i = 0; i < n; i++)
        free(courses[i].v);
    return done;
}

bool timeline_section(struct page *p, const struct evaluation *v, struct err *e)
{
    page_section(p, "timelines", "Timelines");
    if (!v->has_timeline) {
        page_paragraph(p, "The evaluation has no timeline.csv, so the course of each policy is not shown.");
        return true;
    }
    page_paragraph(p, "%s Click a name to show or hide its line.",
                   evaluation_is_live(v) ? "The first judged window of each policy, each at its own time."
                                         : "The first judged window of each trace, the same load for every policy.");
    for (int i = 0; i < v->n_traces; i++) {
        if (!show_trace(p, v, v->traces[i], e))
            return false;
    }
    return true;
}
