/* chart: one figure of the report, as data for the embedded chart library. Long series are thinned so that peaks and
 * troughs survive; NaN is a gap. */
#ifndef MAESTRO_CHART_H
#define MAESTRO_CHART_H

#include <maestro/page.h>
#include <stdbool.h>
#include <stddef.h>

enum chart_kind {
    CHART_LINE,
    CHART_SCATTER,
    CHART_MAP, /* scatter whose points are the tiles of a grid */
};

/* Indices into the page's palette; policies take theirs in order of appearance. */
enum chart_colour {
    CHART_POLICY_COLOURS = 8, /* 0 to 7 */
    CHART_MUTED = 8,
    CHART_HARD = 9,
    CHART_DOWN_2 = 10, /* scale down by two or more, by one, keep, up by one, by two, by more */
    CHART_DOWN_1,
    CHART_KEEP,
    CHART_UP_1,
    CHART_UP_2,
    CHART_UP_4,
    CHART_SOFT,
    CHART_BOUND,
};

struct chart_series {
    const char *name;
    int colour;
    const double *x;     /* [n] increasing for lines */
    const double *y;     /* [n] */
    const double *count; /* [n] how many a tile stands for; NULL: nobody counted */
    size_t n;
    bool second_axis;
    bool dashed;
    bool stepped;
    bool filled;
    bool faint;  /* thin and pale: raw values behind their mean */
    bool hidden; /* until its name is clicked */
};

struct chart {
    enum chart_kind kind;
    const char *title;
    const char *note; /* one sentence below; may be NULL */
    const char *x_title;
    const char *y_title;
    const char *y2_title; /* NULL: no second axis */
    bool x_is_time;       /* seconds, shown as hours and minutes */
    bool y_from_zero;
    bool y_is_log;
    const struct chart_series *series;
    int n_series;
};

#define CHART_POINTS 800 /* most points a series keeps */

MUST_CHECK bool chart_write(struct page *p, const struct chart *chart, struct err *e);

/* Indices of at most limit points that keep the first, the last, and each stretch's least and greatest; returns how many.
 * keep: [limit], limit >= 4 */
size_t chart_thin(const double *y, size_t n, size_t limit, size_t *keep);

#endif
