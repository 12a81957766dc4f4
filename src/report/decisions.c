/* decisions: the section that maps what a policy does over load and latency. In: decision_map.csv
 * (load_per_capacity,p95_over_soft,action_delta), a full grid. Out: one figure of coloured tiles. */
#include <maestro/chart.h>
#include <maestro/csv.h>
#include <maestro/file.h>

#include "sections.h"

#include <stdio.h>
#include <stdlib.h>

#define CLASSES 6

static const char *const CLASS_NAMES[CLASSES] = {"2 or more fewer", "1 fewer",  "keep",
                                                 "1 more",          "2-3 more", "4 or more more"};

static int class_of(double delta)
{
    if (delta < 0)
        return delta <= -2 ? 0 : 1;
    if (delta < 1)
        return 2;
    return delta < 2 ? 3 : delta < 4 ? 4 : 5;
}

/* Points of one class: [n] each, in the block of their map. */
struct tiles {
    double *x, *y;
    size_t n;
};

/* Different values of a column; a grid has few. */
static int count_distinct(const struct csv *map, int column)
{
    double seen[256];
    int n = 0;
    for (size_t row = 0; row < map->n_rows; row++) {
        double value = csv_value(map, row, column);
        int i = 0;
        while (i < n && (value < seen[i] || value > seen[i]))
            i++;
        if (i == n && n < 256)
            seen[n++] = value;
    }
    return n;
}

static bool map_figure(struct page *p, const struct csv *map, const int columns[3], struct err *e)
{
    size_t n = map->n_rows;
    double *block = calloc(n > 0 ? 2 * CLASSES * n : 1, sizeof *block);
    if (!block)
        return err_set(e, ERR_IO, "no memory for %zu tiles", n);
    struct tiles tiles[CLASSES] = {0};
    struct chart_series series[CLASSES];
    for (int i = 0; i < CLASSES; i++)
        tiles[i] = (struct tiles){.x = block + (size_t)(2 * i) * n, .y = block + (size_t)(2 * i + 1) * n};
    for (size_t row = 0; row < n; row++) {
        struct tiles *t = &tiles[class_of(csv_value(map, row, columns[2]))];
        t->x[t->n] = csv_value(map, row, columns[0]);
        t->y[t->n++] = csv_value(map, row, columns[1]);
    }
    int n_series = 0;
    for (int i = 0; i < CLASSES; i++) {
        if (tiles[i].n > 0)
            series[n_series++] = (struct chart_series){
                .name = CLASS_NAMES[i], .colour = CHART_DOWN_2 + i, .x = tiles[i].x, .y = tiles[i].y, .n = tiles[i].n};
    }
    struct chart chart = {.kind = CHART_MAP,
                          .title = "What the policy does, replicas added or removed",
                          .note =
                              "Signals at rest at each point; a load of 1 is what the ready pods can carry within the "
                              "soft limit.",
                          .x_title = "load over capacity",
                          .y_title = "p95 over soft limit",
                          .grid = {count_distinct(map, columns[0]), count_distinct(map, columns[1])},
                          .series = series,
                          .n_series = n_series};
    bool done = chart_write(p, &chart, e);
    free(block);
    return done;
}

static bool show_map(struct page *p, const char *path, struct err *e)
{
    static const char *const names[3] = {"load_per_capacity", "p95_over_soft", "action_delta"};
    struct csv map = {0};
    if (!csv_read(path, CSV_NUMERIC, &map, e))
        return false;
    int columns[3];
    bool done = true;
    for (int i = 0; done && i < 3; i++) {
        columns[i] = csv_column(&map, names[i]);
        if (columns[i] < 0)
            done = err_set(e, ERR_FORMAT, "%s: column '%s' is missing", path, names[i]);
    }
    done = done && map_figure(p, &map, columns, e);
    csv_finish(&map);
    return done;
}

bool decisions_section(struct page *p, const char *run, const char *evaluation, struct err *e)
{
    const char *folders[2] = {evaluation, run};
    page_section(p, "decisions", "Decisions");
    for (int i = 0; i < 2; i++) {
        char path[1024];
        if (!folders[i])
            continue;
        snprintf(path, sizeof path, "%s/decision_map.csv", folders[i]);
        if (file_exists(path))
            return show_map(p, path, e);
    }
    page_paragraph(p, "There is no decision_map.csv, so the map of the policy's decisions is not shown.");
    return true;
}
