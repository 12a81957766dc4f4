/* decisions: the section that maps what a policy does over load and latency. In: decision_map.csv
 * (load_per_capacity,p95_over_soft,action_delta,count; without count every tile counts as one decision). Out: one figure of
 * coloured tiles, cut to where there were decisions. */
#include <maestro/chart.h>
#include <maestro/csv.h>
#include <maestro/file.h>

#include "sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CLASSES 6

static const char *const CLASS_NAMES[CLASSES] = {"removes 0.5 or more", "removes 0.1 to 0.5", "keeps",
                                                 "adds 0.1 to 0.5",     "adds 0.5 to 2",      "adds 2 or more"};

/* Of the mean number of replicas added by a decision. */
static int class_of(double delta)
{
    static const double limits[CLASSES - 1] = {-0.5, -0.1, 0.1, 0.5, 2};
    if (delta <= limits[0])
        return 0;
    if (delta < limits[1])
        return 1;
    int i = 2;
    while (i < CLASSES - 1 && (i == 2 ? delta > limits[i] : delta >= limits[i]))
        i++;
    return i;
}

/* Points of one class: [n] each, in the block of their map. */
struct tiles {
    double *x, *y, *count;
    size_t n;
};

enum { LOAD, LATENCY, DELTA, COUNT, COLUMNS };

static double count_of(const struct csv *map, size_t row, const int columns[COLUMNS])
{
    return columns[COUNT] < 0 ? 1 : csv_value(map, row, columns[COUNT]);
}

static void sort_tiles(const struct csv *map, const int columns[COLUMNS], struct tiles tiles[CLASSES])
{
    for (size_t row = 0; row < map->n_rows; row++) {
        if (!(count_of(map, row, columns) > 0))
            continue;
        struct tiles *t = &tiles[class_of(csv_value(map, row, columns[DELTA]))];
        t->x[t->n] = csv_value(map, row, columns[LOAD]);
        t->y[t->n] = csv_value(map, row, columns[LATENCY]);
        t->count[t->n++] = count_of(map, row, columns);
    }
}

/* From the first to the last column of tiles. */
static void take_ends(const struct tiles tiles[CLASSES], double ends[2])
{
    ends[0] = (double)INFINITY;
    ends[1] = -(double)INFINITY;
    for (int i = 0; i < CLASSES; i++) {
        for (size_t k = 0; k < tiles[i].n; k++) {
            ends[0] = fmin(ends[0], tiles[i].x[k]);
            ends[1] = fmax(ends[1], tiles[i].x[k]);
        }
    }
}

static bool tiles_figure(struct page *p, bool counted, const struct tiles tiles[CLASSES], struct err *e)
{
    static const double soft[2] = {1, 1};
    struct chart_series series[CLASSES + 1];
    double ends[2];
    int n_series = 0;
    for (int i = 0; i < CLASSES; i++) {
        if (tiles[i].n > 0)
            series[n_series++] = (struct chart_series){.name = CLASS_NAMES[i],
                                                       .colour = CHART_DOWN_2 + i,
                                                       .x = tiles[i].x,
                                                       .y = tiles[i].y,
                                                       .count = counted ? tiles[i].count : NULL,
                                                       .n = tiles[i].n};
    }
    take_ends(tiles, ends);
    if (n_series > 0)
        series[n_series++] = (struct chart_series){
            .name = "soft limit", .colour = CHART_SOFT, .x = ends, .y = soft, .n = 2, .dashed = true};
    struct chart chart = {.kind = CHART_MAP,
                          .title = "Replicas added by a decision, in the mean",
                          .x_title = "load over what the ready pods can carry",
                          .y_title = "p95 over soft limit",
                          .series = series,
                          .n_series = n_series};
    return chart_write(p, &chart, e);
}

static bool map_figure(struct page *p, const struct csv *map, const int columns[COLUMNS], struct err *e)
{
    size_t n = map->n_rows;
    double total = 0;
    double *block = calloc(n > 0 ? 3 * CLASSES * n : 1, sizeof *block);
    if (!block)
        return err_set(e, ERR_IO, "no memory for %zu tiles", n);
    struct tiles tiles[CLASSES] = {0};
    for (int i = 0; i < CLASSES; i++)
        tiles[i] = (struct tiles){.x = block + (size_t)(3 * i) * n,
                                  .y = block + (size_t)(3 * i + 1) * n,
                                  .count = block + (size_t)(3 * i + 2) * n};
    for (size_t row = 0; row < n; row++)
        total += count_of(map, row, columns);
    sort_tiles(map, columns, tiles);
    page_paragraph(p,
                   "Where the policy was in its %.0f decisions of the judged windows, and what it did there. To the "
                   "right the ready pods carry more, upward requests wait longer; 1 is what they can carry within the "
                   "soft limit, and the limit itself. A "
                   "tile is the mean over its decisions, which also depend on what the tile does not show: the trend "
                   "and the bursts of the load, and pods that are still starting. Small tiles stand for few decisions; "
                   "where there "
                   "is no tile the policy never was.",
                   total);
    bool done = tiles_figure(p, columns[COUNT] >= 0, tiles, e);
    free(block);
    return done;
}

static bool show_map(struct page *p, const char *path, struct err *e)
{
    static const char *const names[COLUMNS] = {"load_per_capacity", "p95_over_soft", "action_delta", "count"};
    struct csv map = {0};
    if (!csv_read(path, CSV_NUMERIC, &map, e))
        return false;
    int columns[COLUMNS];
    bool done = true;
    for (int i = 0; done && i < COLUMNS; i++) {
        columns[i] = csv_column(&map, names[i]);
        if (columns[i] < 0 && i != COUNT)
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
