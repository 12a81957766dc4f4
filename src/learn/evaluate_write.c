/* evaluate_write: the files of an evaluation. In: its result. Out: summary.csv, windows.csv, timeline.csv,
 * decision_map.csv and evaluation.json as evaluate.h describes them, each whole or not at all. */
#include <maestro/evaluate.h>

#include <maestro/csv.h>
#include <maestro/file.h>
#include <maestro/json_write.h>
#include <maestro/text.h>

#include <math.h>
#include <stdio.h>

static void put_number(struct buf *out, double value)
{
    char text[CSV_NUMBER];
    buf_text(out, ",");
    if (isfinite(value))
        buf_text(out, csv_number(text, value));
}

static const char *trace_name(const struct evaluate_result *r, int trace)
{
    return trace < 0 ? "ALL" : r->plan.traces[trace].name;
}

static int n_all(const struct evaluate_result *r)
{
    return r->plan.n_policies + EVALUATE_BOUNDS;
}

static bool summary_row(const struct evaluate_result *r, int policy, int trace, int fault, struct buf *out,
                        struct err *e)
{
    struct evaluate_verdict v;
    if (!evaluate_verdict(r, policy, trace, fault, &v, e))
        return false;
    buf_printf(out, "%s,%s,%s,%s,%d,%d,%d", evaluate_policy_name(r, policy), evaluate_policy_kind(r, policy),
               trace_name(r, trace), evaluate_fault_name(fault), evaluate_policy_files(r, policy), v.n_windows,
               v.slo_holds);
    put_number(out, v.cost_score);
    for (int m = 0; m < METRIC_COUNT; m++) {
        put_number(out, v.metric[m].mean);
        put_number(out, v.metric[m].low);
        put_number(out, v.metric[m].high);
    }
    buf_text(out, "\n");
    return true;
}

bool evaluate_csv(const struct evaluate_result *r, struct buf *out, struct err *e)
{
    buf_text(out, "policy,kind,trace,fault,files,windows,slo_holds,cost_score");
    for (int m = 0; m < METRIC_COUNT; m++)
        buf_printf(out, ",%s,%s_low,%s_high", evaluate_metrics[m], evaluate_metrics[m], evaluate_metrics[m]);
    buf_text(out, "\n");
    for (int all = 0; all < 2; all++)
        for (int p = 0; p < n_all(r); p++)
            for (int t = all ? -1 : 0; t < (all ? 0 : r->plan.n_traces); t++)
                for (int f = 0; f < r->n_faults; f++)
                    if (!summary_row(r, p, t, f, out, e))
                        return false;
    return buf_ok(out, e);
}

struct windows_place {
    int policy, file, trace, fault, window;
};

static void windows_row(const struct evaluate_result *r, const struct windows_place *at, struct buf *out)
{
    const struct evaluate_run *run = evaluate_run_at(r, at->policy, at->file, at->trace, at->fault, at->window);
    const struct evaluate_window *w = &r->windows[at->trace * r->n_windows + at->window];
    buf_printf(out, "%s,%d,%s,%s,%d,%s,%llu,%d", evaluate_policy_name(r, at->policy), at->file,
               trace_name(r, at->trace), evaluate_fault_name(at->fault), at->window,
               text_double((char[TEXT_DOUBLE]){0}, w->offset_s), (unsigned long long)w->seed, run->slo_holds);
    for (int m = 0; m < METRIC_COUNT; m++)
        put_number(out, run->metric[m]);
    buf_text(out, "\n");
}

static void windows(const struct evaluate_result *r, struct buf *out)
{
    buf_text(out, "policy,file,trace,fault,window,offset_s,seed,slo_holds");
    for (int m = 0; m < METRIC_COUNT; m++)
        buf_printf(out, ",%s", evaluate_metrics[m]);
    buf_text(out, "\n");
    for (int p = 0; p < n_all(r); p++)
        for (int file = 0; file < evaluate_policy_files(r, p); file++)
            for (int t = 0; t < r->plan.n_traces; t++)
                for (int f = 0; f < r->n_faults; f++)
                    for (int w = 0; w < r->n_windows; w++)
                        windows_row(r, &(struct windows_place){p, file, t, f, w}, out);
}

static void timeline_row(const struct evaluate_result *r, int policy, int trace, int i, struct buf *out)
{
    const struct evaluate_period *row = &r->timeline[(policy * r->plan.n_traces + trace) * r->n_periods + i];
    buf_text(out, csv_number((char[CSV_NUMBER]){0}, row->t_s));
    buf_printf(out, ",%s,%s,none,0", evaluate_policy_name(r, policy), trace_name(r, trace));
    const double cells[] = {row->rps,
                            row->replicas,
                            row->ready,
                            row->starting,
                            row->terminating,
                            row->p95_ms,
                            r->soft_ms,
                            r->hard_ms,
                            row->over_soft,
                            row->reward_true,
                            r->windows[trace * r->n_windows].demand[i]};
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++)
        put_number(out, cells[c]);
    buf_text(out, "\n");
}

static void timeline(const struct evaluate_result *r, struct buf *out)
{
    buf_text(out, "t_s,policy,trace,fault,window,rps,replicas,ready,starting,terminating,p95_ms,soft_ms,hard_ms,"
                  "over_soft,reward_true,bound_replicas\n");
    for (int t = 0; t < r->plan.n_traces; t++)
        for (int p = 0; p < r->plan.n_policies; p++)
            for (int i = 0; i < r->n_periods; i++)
                timeline_row(r, p, t, i, out);
}

static void decision_map(const struct evaluate_result *r, struct buf *out)
{
    buf_text(out, "load_per_capacity,p95_over_soft,action_delta,count\n");
    for (int i = 0; i < EVALUATE_MAP_LATENCIES * EVALUATE_MAP_LOADS; i++) {
        long n = atomic_load(&r->tiles[i].n_decisions);
        int column = i % EVALUATE_MAP_LOADS;
        int row = i / EVALUATE_MAP_LOADS;
        double load = (column + 0.5) * EVALUATE_MAP_LOAD_STEP;
        double latency = (row + 0.5) * EVALUATE_MAP_LATENCY_STEP;
        buf_printf(out, "%.6g,%.6g", load, latency);
        put_number(out, n > 0 ? (double)atomic_load(&r->tiles[i].delta) / (double)n : (double)NAN);
        buf_printf(out, ",%ld\n", n);
    }
}

static void put_pair(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_double_or_null(w, value);
}

static void put_name(struct json_writer *w, const char *key, const char *text)
{
    json_put_key(w, key);
    json_put_text(w, text);
}

static void json_protocol(const struct evaluate_result *r, struct json_writer *w)
{
    const struct evaluate_config *c = r->plan.config;
    json_put_key(w, "protocol");
    json_begin_object(w);
    put_name(w, "profile", r->plan.profile->name);
    put_name(w, "cluster", r->plan.live ? "live" : c->cluster == 1 ? "exact" : "fast");
    put_pair(w, "windows", c->windows);
    put_pair(w, "seeds", c->seeds);
    put_pair(w, "window_s", c->window_s);
    put_pair(w, "warm_up_s", c->warm_up_s);
    put_pair(w, "period_s", c->period_s);
    put_pair(w, "peak", c->peak);
    put_pair(w, "min_replicas", c->min_replicas);
    put_pair(w, "max_replicas", c->max_replicas);
    put_pair(w, "capacity_rps", r->capacity_rps);
    put_pair(w, "latency_soft_ms", r->soft_ms);
    put_pair(w, "latency_hard_ms", r->hard_ms);
    put_pair(w, "slo_budget", c->slo_budget);
    put_pair(w, "hard_s", c->hard_s);
    put_pair(w, "flap_budget", c->flap_budget);
    put_pair(w, "seed", (double)c->seed);
    json_put_key(w, "traces");
    json_begin_array(w);
    for (int t = 0; t < r->plan.n_traces; t++)
        json_put_text(w, r->plan.traces[t].name);
    json_end_array(w);
    json_end_object(w);
}

static void json_policies(const struct evaluate_result *r, struct json_writer *w)
{
    json_put_key(w, "policies");
    json_begin_array(w);
    for (int p = 0; p < n_all(r); p++) {
        json_begin_object(w);
        put_name(w, "name", evaluate_policy_name(r, p));
        put_name(w, "kind", evaluate_policy_kind(r, p));
        json_put_key(w, "files");
        json_begin_array(w);
        int n_texts = p >= r->plan.n_policies        ? 0
                      : r->plan.policies[p].by_trace ? r->plan.n_traces
                                                     : r->plan.policies[p].n_files;
        for (int f = 0; f < n_texts; f++)
            json_put_text(w, r->plan.policies[p].text[f]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static bool json_summary_row(const struct evaluate_result *r, int policy, int trace, int fault, struct json_writer *w,
                             struct err *e)
{
    struct evaluate_verdict v;
    if (!evaluate_verdict(r, policy, trace, fault, &v, e))
        return false;
    json_begin_object(w);
    put_name(w, "policy", evaluate_policy_name(r, policy));
    put_name(w, "kind", evaluate_policy_kind(r, policy));
    put_name(w, "trace", trace_name(r, trace));
    put_name(w, "fault", evaluate_fault_name(fault));
    put_pair(w, "files", evaluate_policy_files(r, policy));
    put_pair(w, "windows", v.n_windows);
    json_put_key(w, "slo_holds");
    json_put_bool(w, v.slo_holds);
    put_pair(w, "cost_score", v.cost_score);
    for (int m = 0; m < METRIC_COUNT; m++) {
        json_put_key(w, evaluate_metrics[m]);
        json_begin_array(w);
        json_put_double_or_null(w, v.metric[m].mean);
        json_put_double_or_null(w, v.metric[m].low);
        json_put_double_or_null(w, v.metric[m].high);
        json_end_array(w);
    }
    json_end_object(w);
    return true;
}

static bool json_summary(const struct evaluate_result *r, struct json_writer *w, struct err *e)
{
    json_put_key(w, "summary");
    json_begin_array(w);
    for (int p = 0; p < n_all(r); p++)
        for (int t = -1; t < r->plan.n_traces; t++)
            for (int f = 0; f < r->n_faults; f++)
                if (!json_summary_row(r, p, t, f, w, e))
                    return false;
    json_end_array(w);
    return true;
}

static bool json_paired_row(const struct evaluate_result *r, const struct evaluate_pair *pair, struct json_writer *w,
                            struct err *e)
{
    struct stats_interval i;
    if (!evaluate_paired(r, pair, &i, e))
        return false;
    json_begin_object(w);
    put_name(w, "policy", evaluate_policy_name(r, pair->policy));
    put_name(w, "baseline", evaluate_policy_name(r, pair->baseline));
    put_name(w, "trace", pair->where_held ? "HELD" : trace_name(r, pair->trace));
    put_name(w, "metric", evaluate_metrics[pair->metric]);
    put_pair(w, "mean", i.mean);
    put_pair(w, "low", i.low);
    put_pair(w, "high", i.high);
    put_pair(w, "n", i.n);
    json_end_object(w);
    return true;
}

static bool json_pairs(const struct evaluate_result *r, struct evaluate_pair pair, struct json_writer *w, struct err *e)
{
    static const enum evaluate_metric kept[] = {METRIC_REWARD_TRUE, METRIC_REPLICA_HOURS, METRIC_VIOLATION_TIME,
                                                METRIC_VIOLATION_REQUESTS};
    for (size_t m = 0; m < sizeof kept / sizeof *kept; m++) {
        pair.metric = kept[m];
        if (!json_paired_row(r, &pair, w, e))
            return false;
    }
    return true;
}

static bool json_paired(const struct evaluate_result *r, int baseline, struct json_writer *w, struct err *e)
{
    json_put_key(w, "paired");
    json_begin_array(w);
    for (int p = 0; baseline >= 0 && p < r->plan.n_policies; p++) {
        for (int t = -1; p != baseline && t < r->plan.n_traces; t++)
            if (!json_pairs(r, (struct evaluate_pair){.policy = p, .baseline = baseline, .trace = t}, w, e))
                return false;
        struct evaluate_pair held = {.policy = p, .baseline = baseline, .trace = -1, .where_held = true};
        if (p != baseline && !json_pairs(r, held, w, e))
            return false;
    }
    json_end_array(w);
    return true;
}

static bool json_held(const struct evaluate_result *r, int baseline, struct json_writer *w, struct err *e)
{
    json_put_key(w, "held");
    json_begin_array(w);
    for (int p = 0; baseline >= 0 && p < r->plan.n_policies; p++) {
        struct evaluate_held held;
        if (p == baseline)
            continue;
        if (!evaluate_held(r, p, baseline, &held, e))
            return false;
        json_begin_object(w);
        put_name(w, "policy", evaluate_policy_name(r, p));
        put_name(w, "baseline", evaluate_policy_name(r, baseline));
        put_pair(w, "traces", held.n_traces);
        put_pair(w, "held", held.n_held);
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

static void json_tuned(const struct evaluate_tuned_note *notes, int n_notes, struct json_writer *w)
{
    json_put_key(w, "tuned");
    json_begin_array(w);
    for (int i = 0; i < n_notes; i++) {
        const struct evaluate_tuned *t = &notes[i].tuned;
        json_begin_object(w);
        put_name(w, "trace", notes[i].trace);
        put_name(w, "objective", notes[i].objective);
        put_pair(w, "target_percent", t->target_percent);
        put_pair(w, "window_s", t->window_s);
        json_put_key(w, "slo_holds");
        json_put_bool(w, t->slo_holds);
        put_pair(w, "reward_true", t->reward_true);
        put_pair(w, "violation_time", t->violation_time);
        put_pair(w, "replica_hours", t->replica_hours);
        json_end_object(w);
    }
    json_end_array(w);
}

#define PATH_BYTES 4096

static bool path_in(const char *folder, const char *name, char path[PATH_BYTES], struct err *e)
{
    return snprintf(path, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES ||
           err_set(e, ERR_USAGE, "evaluate: the folder name '%.60s...' is too long", folder);
}

static bool remove_file(const char *folder, const char *name, struct err *e)
{
    char path[PATH_BYTES];
    return path_in(folder, name, path, e) && file_remove(path, e);
}

static bool write_text(const char *folder, const char *name, struct buf *text, struct err *e)
{
    char path[PATH_BYTES];
    bool done = path_in(folder, name, path, e) && buf_ok(text, e) && file_write_atomic(path, text->bytes, text->len, e);
    buf_clear(text);
    return done;
}

bool evaluate_json(const struct evaluate_result *r, int baseline, const struct evaluate_tuned_note *notes, int n_notes,
                   struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    if (r->plan.command)
        put_name(&w, "command", r->plan.command);
    json_protocol(r, &w);
    json_policies(r, &w);
    if (!json_summary(r, &w, e) || !json_paired(r, baseline, &w, e) || !json_held(r, baseline, &w, e))
        return false;
    json_tuned(notes, n_notes, &w);
    json_end_object(&w);
    buf_text(out, "\n");
    return json_write_end(&w, e) && buf_ok(out, e);
}

/* One of the files that are kept only where the plan asks: else an earlier evaluation's would pass for this one's. */
static bool write_kept(const struct evaluate_result *r, bool kept, const char *name,
                       void (*put)(const struct evaluate_result *r, struct buf *out), const char *folder, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!kept)
        return remove_file(folder, name, e);
    put(r, &text);
    return write_text(folder, name, &text, e);
}

bool evaluate_write(const struct evaluate_result *r, int baseline, const struct evaluate_tuned_note *notes, int n_notes,
                    const char *folder, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    return file_make_folder(folder, e) && evaluate_csv(r, &text, e) && write_text(folder, "summary.csv", &text, e) &&
           write_kept(r, true, "windows.csv", windows, folder, e) &&
           write_kept(r, r->timeline != NULL, "timeline.csv", timeline, folder, e) &&
           write_kept(r, r->tiles != NULL, "decision_map.csv", decision_map, folder, e) &&
           evaluate_json(r, baseline, notes, n_notes, &text, e) && write_text(folder, "evaluation.json", &text, e);
}
