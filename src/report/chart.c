/* chart: turns series of numbers into a figure: a canvas and, beside it, its data as JSON for the script of the page. In:
 * arrays. Out: HTML. Draws nothing itself. */
#include <maestro/chart.h>
#include <maestro/json_write.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Least and greatest of y[from..to) in the order in which they stand; one index where they are the same point. NaNs only
 * count where there is nothing else. */
static size_t extremes(const double *y, size_t from, size_t to, size_t keep[2])
{
    size_t low = from;
    size_t high = from;
    for (size_t i = from + 1; i < to; i++) {
        if (y[i] < y[low] || isnan(y[low]))
            low = i;
        if (y[i] > y[high] || isnan(y[high]))
            high = i;
    }
    keep[0] = low < high ? low : high;
    keep[1] = low < high ? high : low;
    return low == high ? 1 : 2;
}

size_t chart_thin(const double *y, size_t n, size_t limit, size_t *keep)
{
    size_t kept = 0;
    if (n <= limit) {
        for (; kept < n; kept++)
            keep[kept] = kept;
        return n;
    }
    size_t n_stretches = (limit - 2) / 2;
    keep[kept++] = 0;
    for (size_t i = 0; i < n_stretches; i++) {
        size_t from = 1 + i * (n - 2) / n_stretches;
        size_t to = 1 + (i + 1) * (n - 2) / n_stretches;
        kept += extremes(y, from, to, keep + kept);
    }
    keep[kept++] = n - 1;
    return kept;
}

/* Six significant digits are more than a screen shows, and keep the page small. */
static double rounded(double value)
{
    if (!isfinite(value))
        return (double)NAN;
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    return strtod(text, NULL);
}

static void put_numbers(struct json_writer *w, const char *key, const double *values, const size_t *keep, size_t n)
{
    json_put_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        json_put_double_or_null(w, rounded(values[keep[i]]));
    json_end_array(w);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
    if (value) {
        json_put_key(w, key);
        json_put_bool(w, true);
    }
}

static void put_series(struct json_writer *w, const struct chart_series *series)
{
    size_t keep[CHART_POINTS];
    size_t n = chart_thin(series->y, series->n, CHART_POINTS, keep);
    json_begin_object(w);
    json_put_key(w, "name");
    json_put_text(w, series->name);
    json_put_key(w, "colour");
    json_put_whole(w, series->colour);
    put_bool(w, "second_axis", series->second_axis);
    put_bool(w, "dashed", series->dashed);
    put_bool(w, "stepped", series->stepped);
    put_bool(w, "filled", series->filled);
    put_bool(w, "faint", series->faint);
    put_bool(w, "hidden", series->hidden);
    put_numbers(w, "x", series->x, keep, n);
    put_numbers(w, "y", series->y, keep, n);
    if (series->count)
        put_numbers(w, "n", series->count, keep, n);
    json_end_object(w);
}

static void put_chart(struct json_writer *w, const struct chart *chart)
{
    static const char *const kinds[] = {[CHART_LINE] = "line", [CHART_SCATTER] = "scatter", [CHART_MAP] = "map"};
    json_begin_object(w);
    json_put_key(w, "kind");
    json_put_text(w, kinds[chart->kind]);
    json_put_key(w, "x_title");
    json_put_text(w, chart->x_title);
    json_put_key(w, "y_title");
    json_put_text(w, chart->y_title);
    json_put_key(w, "y2_title");
    json_put_text(w, chart->y2_title);
    put_bool(w, "x_is_time", chart->x_is_time);
    put_bool(w, "y_from_zero", chart->y_from_zero);
    put_bool(w, "y_is_log", chart->y_is_log);
    json_put_key(w, "series");
    json_begin_array(w);
    for (int i = 0; i < chart->n_series; i++)
        put_series(w, &chart->series[i]);
    json_end_array(w);
    json_end_object(w);
}

static void write_figure(struct page *p, const struct chart *chart, const char *json)
{
    int id = ++p->n_charts;
    buf_text(&p->out, "<figure>\n<figcaption>");
    page_text(&p->out, chart->title);
    buf_printf(&p->out, "</figcaption>\n<div class=\"canvas\"><canvas id=\"chart-%d\" role=\"img\" aria-label=\"", id);
    page_text(&p->out, chart->title);
    buf_text(&p->out, "\"></canvas></div>\n");
    if (chart->note) {
        buf_text(&p->out, "<p>");
        page_text(&p->out, chart->note);
        buf_text(&p->out, "</p>\n");
    }
    buf_printf(&p->out, "<script type=\"application/json\" id=\"chart-%d-data\">", id);
    page_json(&p->out, json);
    buf_text(&p->out, "</script>\n</figure>\n");
}

bool chart_write(struct page *p, const struct chart *chart, struct err *e)
{
    CLEANUP_BUF struct buf json = {0};
    struct json_writer w = {.out = &json};
    put_chart(&w, chart);
    if (!json_write_end(&w, e) || !buf_ok(&json, e))
        return err_wrap(e, "chart '%s'", chart->title);
    write_figure(p, chart, json.bytes);
    return true;
}
