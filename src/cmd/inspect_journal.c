/* inspect_journal: what is in a decision journal, as text: how long, which targets, what shaped the results, the last
 * decisions. In: a path and a filter. Out: lines in a buffer. Judges nothing: that is report's business. */
#include "inspect.h"

#include <maestro/clock.h>
#include <maestro/journal.h>
#include <maestro/term.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COURSES 3
#define TARGETS_SHOWN 40

struct seen {
    char name[TARGET_NAME];
    long long n, n_written;
    int lowest, highest; /* of the results; -1 before any */
    int last;            /* final reason */
    bool intends;        /* a write was begun, and its decision is still to come */
    long long n_untold;  /* such writes whose decision never came */
};

/* What a pass over a journal gathers. */
struct gathered {
    double *v[COURSES]; /* owned: replicas, p95, rps of each decision; NaN where not valid */
    size_t n, capacity;
    size_t finals[GUARD_REASONS + OUTCOMES];
    double first_s, last_s;
    char last[INSPECT_LAST][384]; /* ring, by n */
    struct seen *targets;         /* owned */
    int n_targets;
};

static void gathered_finish(struct gathered *g)
{
    for (int i = 0; i < COURSES; i++)
        free(g->v[i]);
    free(g->targets);
}

static bool grow(struct gathered *g, struct err *e)
{
    if (g->n < g->capacity)
        return true;
    size_t capacity = g->capacity > 0 ? 2 * g->capacity : 1024;
    for (int i = 0; i < COURSES; i++) {
        double *more = realloc(g->v[i], capacity * sizeof *more);
        if (!more)
            return err_set(e, ERR_IO, "no memory for %zu decisions", capacity);
        g->v[i] = more;
    }
    g->capacity = capacity;
    return true;
}

static double valid_value(const struct reading *reading)
{
    return reading->validity == VALIDITY_VALID ? reading->value : (double)NAN;
}

static struct seen *find(struct gathered *g, const char *name)
{
    for (int i = 0; i < g->n_targets; i++)
        if (strcmp(g->targets[i].name, name) == 0)
            return &g->targets[i];
    struct seen *more = realloc(g->targets, (size_t)(g->n_targets + 1) * sizeof *more);
    if (!more)
        return NULL;
    g->targets = more;
    struct seen *t = &more[g->n_targets++];
    *t = (struct seen){.lowest = -1, .highest = -1};
    snprintf(t->name, sizeof t->name, "%s", name);
    return t;
}

static void note_target(struct seen *t, const struct journal_record *r)
{
    int count = r->guard.replicas;
    t->n++;
    t->n_written += r->written;
    t->n_untold -= t->intends;
    t->intends = false;
    t->last = final_reason(r->guard.reason, r->outcome);
    if (count < 0)
        return;
    t->lowest = t->lowest < 0 || count < t->lowest ? count : t->lowest;
    t->highest = count > t->highest ? count : t->highest;
}

static bool note_intent(struct gathered *g, const struct journal_record *r, struct err *e)
{
    struct seen *target = find(g, r->target.name);
    if (!target)
        return err_set(e, ERR_IO, "no memory for %d targets", g->n_targets + 1);
    target->intends = true;
    target->n_untold++;
    return true;
}

/* A virtual clock starts near 0; a real one is told as a date. */
static const char *moment(char out[CLOCK_TEXT], double time_s)
{
    if (time_s < 1e8)
        snprintf(out, CLOCK_TEXT, "t=%.0f s", time_s);
    else
        clock_text(out, time_s);
    return out;
}

static bool gather(struct gathered *g, const struct journal_record *r, struct err *e)
{
    char time[CLOCK_TEXT];
    struct seen *target = find(g, r->target.name);
    if (!target)
        return err_set(e, ERR_IO, "no memory for %d targets", g->n_targets + 1);
    if (!grow(g, e))
        return false;
    note_target(target, r);
    int final = final_reason(r->guard.reason, r->outcome);
    g->v[0][g->n] = r->guard.replicas >= 0 ? r->guard.replicas : (double)NAN;
    g->v[1][g->n] = valid_value(&r->sample.signals[SIGNAL_P95]);
    g->v[2][g->n] = valid_value(&r->sample.signals[SIGNAL_RPS]);
    g->finals[final]++;
    if (g->n == 0)
        g->first_s = r->sample.time_s;
    g->last_s = r->sample.time_s;
    snprintf(g->last[g->n % INSPECT_LAST], sizeof g->last[0], "%s  %.100s  %s  %d -> %d  %s (%s)",
             moment(time, r->sample.time_s), r->target.name, r->policy, r->guard.from, r->guard.replicas,
             final_reason_name(final), r->output.reason);
    g->n++;
    return true;
}

static void show_courses(const struct gathered *g, struct buf *out)
{
    static const char *const names[COURSES] = {"replicas", "p95, ms", "requests/s"};
    for (int i = 0; i < COURSES; i++) {
        buf_printf(out, "%-12s", names[i]);
        term_sparkline(out, g->v[i], g->n, INSPECT_SPARK);
        buf_text(out, "\n");
    }
}

static void show_targets(const struct gathered *g, struct buf *out)
{
    buf_printf(out, "\n%-40s %10s %8s %9s  %s\n", "target", "decisions", "written", "replicas", "last reason");
    for (int i = 0; i < g->n_targets && i < TARGETS_SHOWN; i++) {
        const struct seen *t = &g->targets[i];
        char range[32] = "-";
        if (t->lowest >= 0)
            snprintf(range, sizeof range, "%d..%d", t->lowest, t->highest);
        buf_printf(out, "%-40s %10lld %8lld %9s  %s\n", t->name, t->n, t->n_written, range, final_reason_name(t->last));
    }
    if (g->n_targets > TARGETS_SHOWN)
        buf_printf(out, "and %d more; --target=NAMESPACE/NAME shows one\n", g->n_targets - TARGETS_SHOWN);
}

/* Whoever was killed between a write and its decision. */
static void show_untold(const struct gathered *g, struct buf *out)
{
    for (int i = 0; i < g->n_targets; i++)
        if (g->targets[i].n_untold > 0)
            buf_printf(out, "%s: %lld writes were begun and nothing tells what came of them\n", g->targets[i].name,
                       g->targets[i].n_untold);
}

static void show_gathered(const char *path, const struct gathered *g, struct buf *out)
{
    char text[TERM_NUMBER];
    buf_printf(out, "%s: %zu decisions over %s\n", path, g->n, term_duration(text, g->last_s - g->first_s));
    if (g->n_targets == 1)
        show_courses(g, out);
    show_targets(g, out);
    show_untold(g, out);
    buf_text(out, "\nhow they ended\n");
    for (int i = 0; i < FINAL_REASONS; i++)
        if (g->finals[i] > 0)
            buf_printf(out, "  %-24s %zu\n", final_reason_name(i), g->finals[i]);
    buf_text(out, "\nlast decisions\n");
    for (size_t i = g->n > INSPECT_LAST ? g->n - INSPECT_LAST : 0; i < g->n; i++)
        buf_printf(out, "  %s\n", g->last[i % INSPECT_LAST]);
}

static bool is_wanted(const struct inspect_filter *filter, const struct journal_record *r)
{
    return (!filter->target || strcmp(filter->target, r->target.name) == 0) && r->sample.time_s >= filter->since_s &&
           r->sample.time_s <= filter->until_s;
}

bool inspect_journal(const char *path, const struct inspect_filter *filter, struct buf *out, struct err *e)
{
    __attribute__((cleanup(gathered_finish))) struct gathered g = {0};
    struct journal_reader *reader;
    struct journal_line *line = calloc(1, sizeof *line);
    if (!line)
        return err_set(e, ERR_IO, "no memory for a line of %s", path);
    if (!journal_read(path, &reader, e)) {
        free(line);
        return false;
    }
    bool end = false;
    bool done = true;
    while (done && (done = journal_next(reader, line, &end, e)) && !end) {
        if (line->kind == JOURNAL_DECISION && is_wanted(filter, &line->record))
            done = gather(&g, &line->record, e);
        else if (line->kind == JOURNAL_INTENT && is_wanted(filter, &line->record))
            done = note_intent(&g, &line->record, e);
    }
    journal_reader_close(reader);
    free(line);
    if (end)
        show_gathered(path, &g, out);
    return done || end;
}

/* 2026-03-01T12:00:00Z; every field followed by its own separator. */
static bool read_date(const char *text, double *out)
{
    static const char SEPARATORS[] = "--T::Z";
    long field[6];
    for (int i = 0; i < 6; i++) {
        char *end = NULL;
        field[i] = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
        if (field[i] < 0 || field[i] > 9999 || *end != SEPARATORS[i])
            return false;
        text = end + 1;
    }
    struct tm when = {.tm_year = (int)field[0] - 1900,
                      .tm_mon = (int)field[1] - 1,
                      .tm_mday = (int)field[2],
                      .tm_hour = (int)field[3],
                      .tm_min = (int)field[4],
                      .tm_sec = (int)field[5]};
    *out = (double)timegm(&when);
    return *text == '\0';
}

bool inspect_moment(const char *option, const char *text, double *out, struct err *e)
{
    char *rest = NULL;
    if (read_date(text, out))
        return true;
    double value = strtod(text, &rest);
    if (rest == text || *rest || !isfinite(value))
        return err_set(e, ERR_USAGE, "%s: '%.60s' is neither a moment such as 2026-03-01T12:00:00Z nor seconds", option,
                       text);
    *out = value;
    return true;
}
