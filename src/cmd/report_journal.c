/* report_journal: ready or not ready to be made active. In: the files of a journal, oldest first; out: on standard output a
 * block of checks per target. What is checked, and the twin, are readiness.h's. */
#include "report_journal.h"

#include <maestro/file.h>
#include <maestro/journal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_LIMIT 4096
#define FILES_LIMIT 1000
#define JUDGED_EVERY_S 15.0 // or more often, where a policy decides so

struct work {
    const struct report_journal *request;
    struct readiness_log *logs; /* [n], owned */
    int n;
    struct journal_line line;
};

static struct readiness_log *find_log(struct work *w, const struct target *target, struct err *e)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->logs[i].target.name, target->name) == 0)
            return &w->logs[i];
    if (w->n == TARGETS_LIMIT) {
        (void)err_set(e, ERR_FORMAT, "%s: more than %d targets; name one with --target", w->request->path,
                      TARGETS_LIMIT);
        return NULL;
    }
    struct readiness_log *grown = realloc(w->logs, (size_t)(w->n + 1) * sizeof *grown);
    if (!grown) {
        (void)err_set(e, ERR_IO, "report: out of memory");
        return NULL;
    }
    w->logs = grown;
    memset(&grown[w->n], 0, sizeof *grown);
    grown[w->n].target = *target;
    return &grown[w->n++];
}

static bool take(struct work *w, const struct journal_record *record, struct err *e)
{
    const char *only = w->request->target;
    if (only && strcmp(only, record->target.name) != 0)
        return true;
    struct readiness_log *log = find_log(w, &record->target, e);
    return log && readiness_log_add(log, record, e);
}

static bool read_file(struct work *w, const char *path, struct err *e)
{
    struct journal_reader *reader;
    bool end = false, done = journal_read(path, &reader, e);
    if (!done)
        return false;
    while (done && journal_next(reader, &w->line, &end, e))
        done = w->line.kind != JOURNAL_DECISION || take(w, &w->line.record, e);
    journal_reader_close(reader);
    return done && end;
}

/* PATH.n ... PATH.1, then PATH: oldest first. */
static bool read_files(struct work *w, struct err *e)
{
    char path[1100];
    int last = 0;
    for (int n = 1; n <= FILES_LIMIT; n++) {
        snprintf(path, sizeof path, "%.1024s.%d", w->request->path, n);
        if (!file_exists(path))
            break;
        last = n;
    }
    for (int n = last; n > 0; n--) {
        snprintf(path, sizeof path, "%.1024s.%d", w->request->path, n);
        if (!read_file(w, path, e))
            return false;
    }
    return read_file(w, w->request->path, e);
}

static void print_verdict(const struct readiness_log *log, const struct readiness_verdict *v)
{
    printf("%s: %s\n", log->target.name, v->ready ? "ready to be made active" : "not ready");
    for (int i = 0; i < READINESS_CHECKS; i++)
        printf("  %-4s %-9s %s\n", v->checks[i].passed ? "ok" : "NO", v->checks[i].name, v->checks[i].text);
}

static bool judge(struct work *w, const struct service_profile *profile, bool *ready, struct err *e)
{
    const struct report_journal *q = w->request;
    const struct readiness_plan plan = {
        .config = q->config, .profile = profile, .policy = q->policy, .hpa = q->hpa, .period_s = JUDGED_EVERY_S};
    bool all = true;
    for (int i = 0; i < w->n; i++) {
        struct readiness_twin twin;
        struct readiness_verdict verdict;
        if (!readiness_log_cut_gaps(&w->logs[i], e) || !readiness_twin_run(&plan, &w->logs[i], &twin, e))
            return false;
        readiness_judge(q->config, &w->logs[i], &twin, &verdict);
        print_verdict(&w->logs[i], &verdict);
        all = all && verdict.ready;
    }
    *ready = all;
    return true;
}

bool report_journal(const struct report_journal *request, bool *ready, struct err *e)
{
    struct service_profile profile;
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_IO, "report: out of memory");
    w->request = request;
    bool done = profile_load(request->profile, &profile, e) && read_files(w, e);
    if (done && w->n == 0)
        done = err_set(e, ERR_FORMAT, "%s: no decision%s%s in it", request->path, request->target ? " of " : "",
                       request->target ? request->target : "");
    done = done && judge(w, &profile, ready, e);
    for (int i = 0; i < w->n; i++)
        readiness_log_finish(&w->logs[i]);
    free(w->logs);
    free(w);
    return done;
}
