/* evaluation: reads the folder that judging policies leaves, and answers questions to its summary. In: summary.csv,
 * timeline.csv, evaluation.json (the last two may be missing). Out: checked tables and an index of what is in them. Judges
 * nothing: that is verdict. */
#include <maestro/evaluation.h>
#include <maestro/file.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t DETAIL_LIMIT = (size_t)16 << 20;

/* Index of text in list, which it joins if it is new and there is room; -1 otherwise. */
static int note(const char *list[EVALUATION_LIMIT], int *n, const char *text)
{
    for (int i = 0; i < *n; i++) {
        if (strcmp(list[i], text) == 0)
            return i;
    }
    if (*n >= EVALUATION_LIMIT)
        return -1;
    list[*n] = text;
    return (*n)++;
}

static bool no_fault(const char *fault)
{
    return fault[0] == '\0' || strcmp(fault, "none") == 0;
}

static void index_rows(struct evaluation *v)
{
    int policy = csv_column(&v->summary, "policy");
    int kind = csv_column(&v->summary, "kind");
    int trace = csv_column(&v->summary, "trace");
    int fault = csv_column(&v->summary, "fault");
    for (size_t row = 0; row < v->summary.n_rows; row++) {
        int before = v->n_policies;
        int i = note(v->policies, &v->n_policies, csv_text(&v->summary, row, policy));
        if (i == before)
            v->kinds[i] = csv_text(&v->summary, row, kind);
        if (strcmp(csv_text(&v->summary, row, trace), "ALL") != 0)
            note(v->traces, &v->n_traces, csv_text(&v->summary, row, trace));
        if (!no_fault(csv_text(&v->summary, row, fault)))
            note(v->faults, &v->n_faults, csv_text(&v->summary, row, fault));
    }
}

static int first_of_kind(const struct evaluation *v, const char *kind)
{
    for (int i = 0; i < v->n_policies; i++) {
        if (strcmp(v->kinds[i], kind) == 0)
            return i;
    }
    return -1;
}

static int index_of(const struct evaluation *v, const char *policy)
{
    for (int i = 0; i < v->n_policies; i++) {
        if (strcmp(v->policies[i], policy) == 0)
            return i;
    }
    return -1;
}

/* Only what the subject was paired with can be told from chance; without pairs it is the first HPA. */
static int find_baseline(const struct evaluation *v)
{
    const struct json *rows = json_find(v->detail.root, "paired");
    const char *policy, *baseline;
    for (const struct json *p = json_first(rows); p; p = json_next(p)) {
        if (json_as_text(json_find(p, "policy"), &policy) && index_of(v, policy) == v->subject &&
            json_as_text(json_find(p, "baseline"), &baseline) && index_of(v, baseline) >= 0)
            return index_of(v, baseline);
    }
    return first_of_kind(v, "hpa");
}

static bool check_columns(const char *path, const struct csv *table, const char *const *names, struct err *e)
{
    for (; *names; names++) {
        if (csv_column(table, *names) < 0)
            return err_set(e, ERR_FORMAT, "%s: column '%s' is missing", path, *names);
    }
    return true;
}

static bool read_summary(const char *folder, struct evaluation *v, struct err *e)
{
    static const char *const needed[] = {"policy", "kind", "trace", "fault", "slo_holds", "replica_hours", NULL};
    char path[1024];
    snprintf(path, sizeof path, "%s/summary.csv", folder);
    return csv_read(path, CSV_MIXED, &v->summary, e) && check_columns(path, &v->summary, needed, e);
}

static bool read_timeline(const char *folder, struct evaluation *v, struct err *e)
{
    static const char *const needed[] = {"t_s", "policy", "trace", "rps", "replicas", "p95_ms", NULL};
    char path[1024];
    snprintf(path, sizeof path, "%s/timeline.csv", folder);
    if (!file_exists(path))
        return true;
    v->has_timeline = csv_read(path, CSV_MIXED, &v->timeline, e) && check_columns(path, &v->timeline, needed, e);
    return v->has_timeline;
}

static bool read_detail(const char *folder, struct evaluation *v, struct err *e)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/evaluation.json", folder);
    if (!file_exists(path))
        return true;
    CLEANUP_BUF struct buf text = {0};
    return file_read(path, DETAIL_LIMIT, &text, e) && json_parse(&v->detail, path, text.bytes, text.len, e);
}

bool evaluation_read(const char *folder, struct evaluation *out, struct err *e)
{
    struct evaluation v = {0};
    if (!read_summary(folder, &v, e) || !read_timeline(folder, &v, e) || !read_detail(folder, &v, e)) {
        evaluation_finish(&v);
        return false;
    }
    index_rows(&v);
    v.subject = first_of_kind(&v, "ppo");
    v.baseline = find_baseline(&v);
    *out = v;
    return true;
}

void evaluation_finish(struct evaluation *v)
{
    if (!v)
        return;
    csv_finish(&v->summary);
    csv_finish(&v->timeline);
    json_finish(&v->detail);
}

static bool same_fault(const char *fault, const char *wanted)
{
    return wanted ? strcmp(fault, wanted) == 0 : no_fault(fault);
}

long evaluation_row(const struct evaluation *v, const char *policy, const char *trace, const char *fault)
{
    const struct csv *t = &v->summary;
    for (size_t row = 0; row < t->n_rows; row++) {
        if (strcmp(csv_text(t, row, csv_column(t, "policy")), policy) == 0 &&
            strcmp(csv_text(t, row, csv_column(t, "trace")), trace) == 0 &&
            same_fault(csv_text(t, row, csv_column(t, "fault")), fault))
            return (long)row;
    }
    return -1;
}

double evaluation_value(const struct evaluation *v, long row, const char *column)
{
    int at = csv_column(&v->summary, column);
    return row < 0 || at < 0 ? (double)NAN : csv_value(&v->summary, (size_t)row, at);
}

bool evaluation_slo_holds(const struct evaluation *v, long row)
{
    if (row < 0)
        return false;
    const char *text = csv_text(&v->summary, (size_t)row, csv_column(&v->summary, "slo_holds"));
    return strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
}

bool evaluation_is_bound(const struct evaluation *v, int policy)
{
    return strcmp(v->kinds[policy], "bound") == 0;
}

bool evaluation_is_live(const struct evaluation *v)
{
    const char *cluster;
    return json_as_text(json_find(json_find(v->detail.root, "protocol"), "cluster"), &cluster) &&
           strcmp(cluster, "live") == 0;
}
