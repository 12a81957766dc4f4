/* board: rings of entries and counters behind one mutex. In: what ticks leave. Out: /metrics and /why. */
#include <maestro/board.h>

#include <maestro/clock.h>
#include <maestro/exposition.h>
#include <maestro/rule.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    bool used;
    char name[TARGET_NAME];
    char conditions[BOARD_CONDITIONS];
    struct explain_entry last[BOARD_LAST]; /* ring */
    long long n;                           /* decisions ever; the next slot is n % BOARD_LAST */
};

enum agreement { AGREES, POLICY_HIGHER, POLICY_LOWER, NOT_COMPARABLE, AGREEMENTS };

struct board {
    pthread_mutex_t lock;
    struct row **rows; /* [n_rows], owned; NULL: never used */
    int n_rows;
    struct board_tick tick;
    char trouble[320];
    long long n_ticks, n_unrefreshed, n_journal_failed, n_reloads[2];
    double seconds_sum, cpu_sum_s;
    long long finals[GUARD_REASONS + OUTCOMES];
    long long restricted[GUARD_STEPS];
    long long outcomes[OUTCOMES];
    long long agreement[AGREEMENTS];
};

bool board_open(struct board **out, struct err *e)
{
    struct board *b = calloc(1, sizeof *b);
    if (!b)
        return err_set(e, ERR_IO, "board: out of memory");
    pthread_mutex_init(&b->lock, NULL);
    b->tick.journal_ok = true;
    *out = b;
    return true;
}

void board_close(struct board *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->n_rows; i++)
        free(b->rows[i]);
    free(b->rows);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static struct row *row_of(struct board *b, int target)
{
    if (target >= b->n_rows) {
        int n = 2 * target + 8;
        struct row **more = realloc(b->rows, (size_t)n * sizeof(struct row *));
        if (!more)
            return NULL;
        memset(more + b->n_rows, 0, (size_t)(n - b->n_rows) * sizeof(struct row *));
        b->rows = more;
        b->n_rows = n;
    }
    if (!b->rows[target])
        b->rows[target] = calloc(1, sizeof **b->rows);
    return b->rows[target];
}

static enum agreement compare(const struct explain_entry *entry)
{
    if (entry->hold || entry->failed || entry->stood_in || entry->rule_replicas == RULE_UNKNOWN)
        return NOT_COMPARABLE;
    if (entry->wanted == entry->rule_replicas)
        return AGREES;
    return entry->wanted > entry->rule_replicas ? POLICY_HIGHER : POLICY_LOWER;
}

static void count(struct board *b, const struct explain_entry *entry)
{
    int final = entry->decided ? final_reason(entry->guard.reason, entry->outcome)
                               : final_reason(GUARD_REASON_STEADY, entry->outcome);
    b->finals[final]++;
    b->outcomes[entry->outcome]++;
    if (!entry->decided)
        return;
    b->agreement[compare(entry)]++;
    for (int i = 0; i < GUARD_STEPS; i++)
        b->restricted[i] += entry->guard.ran[i] && entry->guard.before[i] != entry->guard.after[i];
}

bool board_note(struct board *b, int target, const char *name, const struct explain_entry *entry, struct err *e)
{
    pthread_mutex_lock(&b->lock);
    struct row *row = row_of(b, target);
    count(b, entry);
    if (row) {
        row->used = true;
        snprintf(row->name, sizeof row->name, "%s", name);
        row->last[row->n++ % BOARD_LAST] = *entry;
    }
    pthread_mutex_unlock(&b->lock);
    return row || err_set(e, ERR_IO, "board: out of memory");
}

void board_conditions(struct board *b, int target, const char *conditions)
{
    pthread_mutex_lock(&b->lock);
    if (target < b->n_rows && b->rows[target])
        snprintf(b->rows[target]->conditions, BOARD_CONDITIONS, "%s", conditions);
    pthread_mutex_unlock(&b->lock);
}

void board_trouble(struct board *b, const char *text)
{
    pthread_mutex_lock(&b->lock);
    snprintf(b->trouble, sizeof b->trouble, "%s", text);
    pthread_mutex_unlock(&b->lock);
}

void board_drop(struct board *b, int target)
{
    pthread_mutex_lock(&b->lock);
    if (target < b->n_rows && b->rows[target]) {
        free(b->rows[target]);
        b->rows[target] = NULL;
    }
    pthread_mutex_unlock(&b->lock);
}

void board_tick(struct board *b, const struct board_tick *tick)
{
    pthread_mutex_lock(&b->lock);
    b->tick = *tick;
    b->n_ticks++;
    b->n_unrefreshed += !tick->refreshed;
    b->n_journal_failed += !tick->journal_ok;
    b->seconds_sum += tick->seconds;
    b->cpu_sum_s += tick->cpu_s;
    pthread_mutex_unlock(&b->lock);
}

void board_reload(struct board *b, bool done)
{
    pthread_mutex_lock(&b->lock);
    b->n_reloads[done]++;
    pthread_mutex_unlock(&b->lock);
}

struct board_tick board_last_tick(struct board *b)
{
    pthread_mutex_lock(&b->lock);
    struct board_tick tick = b->tick;
    pthread_mutex_unlock(&b->lock);
    return tick;
}

long long board_finals(struct board *b, int final)
{
    pthread_mutex_lock(&b->lock);
    long long n = b->finals[final];
    pthread_mutex_unlock(&b->lock);
    return n;
}

static void labelled(struct buf *out, const char *name, const char *key, const char *value, double number)
{
    CLEANUP_BUF struct buf labels = {0};
    exposition_label(&labels, key, value);
    exposition_value(out, name, labels.bytes, number);
}

static void plain(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    exposition_family(out, name, type, help);
    exposition_value(out, name, NULL, value);
}

static void metrics_counts(const struct board *b, struct buf *out)
{
    static const char *const AGREEMENT_NAMES[AGREEMENTS] = {"same", "policy_higher", "policy_lower", "not_comparable"};
    exposition_family(out, "maestro_autoscaler_decisions_total", "counter",
                      "Ticks of targets by their one final reason.");
    for (int i = 0; i < FINAL_REASONS; i++)
        if (b->finals[i])
            labelled(out, "maestro_autoscaler_decisions_total", "reason", final_reason_name(i), (double)b->finals[i]);
    exposition_family(out, "maestro_autoscaler_restricted_total", "counter",
                      "Decisions whose count a step of the guard changed.");
    for (int i = 0; i < GUARD_STEPS; i++)
        labelled(out, "maestro_autoscaler_restricted_total", "reason", guard_step_name((enum guard_step)i),
                 (double)b->restricted[i]);
    exposition_family(out, "maestro_autoscaler_writes_total", "counter", "What became of ticks of targets.");
    for (int i = 0; i < OUTCOMES; i++)
        labelled(out, "maestro_autoscaler_writes_total", "outcome", outcome_name((enum outcome)i),
                 (double)b->outcomes[i]);
    exposition_family(out, "maestro_autoscaler_against_hpa_total", "counter",
                      "Proposals beside what the HPA rule makes of the same signals.");
    for (int i = 0; i < AGREEMENTS; i++)
        labelled(out, "maestro_autoscaler_against_hpa_total", "proposal", AGREEMENT_NAMES[i], (double)b->agreement[i]);
    exposition_family(out, "maestro_autoscaler_policy_reloads_total", "counter", "Changed policy files read anew.");
    labelled(out, "maestro_autoscaler_policy_reloads_total", "result", "done", (double)b->n_reloads[1]);
    labelled(out, "maestro_autoscaler_policy_reloads_total", "result", "refused", (double)b->n_reloads[0]);
}

static void metrics_process(const struct board *b, struct buf *out)
{
    const struct board_tick *t = &b->tick;
    plain(out, "maestro_autoscaler_leader", "gauge", "1 while this process may write.", t->leader);
    plain(out, "maestro_autoscaler_targets", "gauge", "Targets known.", t->n_targets);
    plain(out, "maestro_autoscaler_targets_due", "gauge", "Targets decided in the last tick.", t->n_due);
    plain(out, "maestro_autoscaler_ticks_total", "counter", "Ticks of the process.", (double)b->n_ticks);
    plain(out, "maestro_autoscaler_refresh_failures_total", "counter", "Ticks in which nothing could be read.",
          (double)b->n_unrefreshed);
    plain(out, "maestro_autoscaler_journal_failures_total", "counter",
          "Ticks in which the journal could not be written.", (double)b->n_journal_failed);
    plain(out, "maestro_autoscaler_journal_ok", "gauge", "0 while the journal cannot be written.", t->journal_ok);
    plain(out, "maestro_autoscaler_tick_seconds_total", "counter", "Time spent in ticks.", b->seconds_sum);
    plain(out, "maestro_autoscaler_tick_cpu_seconds_total", "counter", "CPU time spent in ticks.", b->cpu_sum_s);
    plain(out, "maestro_autoscaler_last_tick_seconds", "gauge", "How long the last tick took.", t->seconds);
    plain(out, "maestro_autoscaler_last_tick_timestamp_seconds", "gauge", "When the last tick ended.", t->wall_s);
}

static const struct explain_entry *newest(const struct row *row)
{
    return row->n > 0 ? &row->last[(row->n - 1) % BOARD_LAST] : NULL;
}

/* Greatest age of a signal among the targets' last decisions; below 0: nobody knows it. */
static double oldest(const struct board *b, int signal)
{
    double age_s = -1;
    for (int i = 0; i < b->n_rows; i++) {
        const struct explain_entry *e = b->rows[i] ? newest(b->rows[i]) : NULL;
        bool counts = e && e->decided && e->signals[signal].validity == VALIDITY_VALID;
        age_s = counts && e->signals[signal].age_s > age_s ? e->signals[signal].age_s : age_s;
    }
    return age_s;
}

static void metrics_ages(const struct board *b, struct buf *out)
{
    static const char *const NAMES[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "p95_latency_ms", "rps"};
    exposition_family(out, "maestro_autoscaler_signal_age_seconds", "gauge",
                      "Greatest age of a valid signal; none: no target has it.");
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        double age_s = oldest(b, s);
        if (age_s >= 0)
            labelled(out, "maestro_autoscaler_signal_age_seconds", "signal", NAMES[s], age_s);
    }
}

enum gauge { GAUGE_REPLICAS, GAUGE_WANTED, GAUGE_RESULT, GAUGE_RULE, GAUGE_OOD, GAUGE_CONDITIONS, GAUGES };

static bool gauge_of(const struct row *row, enum gauge gauge, double *out)
{
    const struct explain_entry *e = newest(row);
    const double values[GAUGES] = {e->guard.from,    e->wanted,      e->guard.replicas,
                                   e->rule_replicas, (double)e->ood, *row->conditions ? 1 : 0};
    *out = values[gauge];
    bool proposed = !e->hold && !e->failed;
    if (gauge == GAUGE_CONDITIONS)
        return true;
    return e->decided && *out >= 0 && (gauge != GAUGE_WANTED || proposed);
}

static void metrics_targets(const struct board *b, struct buf *out)
{
    static const struct {
        const char *name, *help;
    } TEXTS[GAUGES] = {
        {"maestro_autoscaler_target_replicas", "spec.replicas at the last decision."},
        {"maestro_autoscaler_target_wanted_replicas", "What the policy wanted."},
        {"maestro_autoscaler_target_result_replicas", "What the guard made of it."},
        {"maestro_autoscaler_target_hpa_rule_replicas", "What the HPA rule makes of the same signals."},
        {"maestro_autoscaler_target_ood", "Distance outside the training range, in widths of it."},
        {"maestro_autoscaler_target_conditions", "1 while a condition stands; /why says which."},
    };
    for (int g = 0; g < GAUGES; g++) {
        exposition_family(out, TEXTS[g].name, "gauge", TEXTS[g].help);
        for (int i = 0; i < b->n_rows; i++) {
            double value;
            if (b->rows[i] && b->rows[i]->n > 0 && gauge_of(b->rows[i], (enum gauge)g, &value))
                labelled(out, TEXTS[g].name, "target", b->rows[i]->name, value);
        }
    }
}

void board_metrics(struct board *b, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    metrics_process(b, out);
    metrics_counts(b, out);
    metrics_ages(b, out);
    metrics_targets(b, out);
    pthread_mutex_unlock(&b->lock);
}

static const struct row *find(const struct board *b, const char *space, const char *name)
{
    char whole[TARGET_NAME];
    snprintf(whole, sizeof whole, "%.63s/%.127s", space, name);
    for (int i = 0; i < b->n_rows; i++)
        if (b->rows[i] && b->rows[i]->used && strcmp(b->rows[i]->name, whole) == 0)
            return b->rows[i];
    return NULL;
}

static void put_conditions(const struct board *b, const struct row *row, struct buf *out)
{
    if (*b->trouble)
        buf_printf(out, "  %s\n", b->trouble);
    buf_text(out, row->conditions);
}

static void why_text(const struct board *b, const struct row *row, struct buf *out)
{
    buf_printf(out, "%s\n", row->name);
    if (*row->conditions || *b->trouble)
        buf_text(out, "conditions\n");
    put_conditions(b, row, out);
    for (long long i = row->n - 1; i >= 0 && i >= row->n - BOARD_LAST; i--)
        explain_text(&row->last[i % BOARD_LAST], out);
}

static void why_json(const struct board *b, const struct row *row, struct buf *out)
{
    struct json_writer w = {.out = out};
    CLEANUP_BUF struct buf conditions = {0};
    put_conditions(b, row, &conditions);
    json_begin_object(&w);
    json_put_key(&w, "target");
    json_put_text(&w, row->name);
    json_put_key(&w, "conditions");
    json_put_text(&w, conditions.bytes ? conditions.bytes : "");
    json_put_key(&w, "decisions");
    json_begin_array(&w);
    for (long long i = row->n - 1; i >= 0 && i >= row->n - BOARD_LAST; i--)
        explain_json(&row->last[i % BOARD_LAST], &w);
    json_end_array(&w);
    json_end_object(&w);
    buf_text(out, "\n");
}

bool board_why(struct board *b, const char *space, const char *name, bool json, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    const struct row *row = find(b, space, name);
    if (row && json)
        why_json(b, row, out);
    else if (row)
        why_text(b, row, out);
    pthread_mutex_unlock(&b->lock);
    return row != NULL;
}

void board_targets(struct board *b, struct buf *out)
{
    struct json_writer w = {.out = out};
    pthread_mutex_lock(&b->lock);
    json_begin_object(&w);
    json_put_key(&w, "targets");
    json_begin_array(&w);
    for (int i = 0; i < b->n_rows; i++)
        if (b->rows[i] && b->rows[i]->used)
            json_put_text(&w, b->rows[i]->name);
    json_end_array(&w);
    json_end_object(&w);
    buf_text(out, "\n");
    pthread_mutex_unlock(&b->lock);
}
