/* readiness: the journal's side of the question whether a shadow policy may act. In: decisions of one target; out: counts,
 * the recorded load, and the checks with their verdict. The twin is run by readiness_twin.c. */
#include <maestro/readiness.h>

#include <maestro/stats.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP_STEPS 4 // up to three decisions may be missing or see no load; more is a gap

#define KEY(name, type, member, fallback, low, high, unit, text)                                                       \
    {                                                                                                                  \
#name, type, offsetof(struct readiness_config, member), fallback, low, high, unit, NULL, text                  \
    }

const struct config_key readiness_config_keys[] = {
    KEY(hours, CONFIG_DOUBLE, hours, "24", 0.01, 10000, NULL,
        "Hours of load that must have been recorded, without gaps."),
    KEY(valid_share, CONFIG_DOUBLE, valid_share, "0.99", 0, 1, "ratio",
        "Share of decisions in which every signal must have been valid or absent."),
    KEY(ood_share, CONFIG_DOUBLE, ood_share, "0.01", 0, 1, "ratio",
        "Largest share of decisions outside the training range."),
    KEY(failed_share, CONFIG_DOUBLE, failed_share, "0.001", 0, 1, "ratio",
        "Largest share of decisions that the policy could not make, or that a stand-in made in its place."),
    KEY(turns_per_hour, CONFIG_DOUBLE, turns_per_hour, "40", 0, 3600, NULL,
        "Most changes of direction an hour among its proposals."),
    KEY(twin_error, CONFIG_DOUBLE, twin_error, "0.25", 0, 10, "ratio",
        "Largest relative error of the twin's CPU per request."),
    KEY(slo_budget, CONFIG_DOUBLE, slo_budget, "0.01", 0, 1, "ratio",
        "Share of the twin's periods that may be over the soft limit."),
    KEY(cost_ratio, CONFIG_DOUBLE, cost_ratio, "1.05", 0.1, 10, "ratio",
        "Largest replica-hours on the twin, over those of the HPA rule."),
    KEY(seed, CONFIG_LONG, seed, "1", 0, 9e15, NULL, "Seed of the twin's arrivals."),
};
const int n_readiness_config_keys = (int)(sizeof readiness_config_keys / sizeof *readiness_config_keys);

static bool known(enum validity validity)
{
    return validity == VALIDITY_VALID || validity == VALIDITY_ABSENT;
}

static bool blind(const struct sample *sample)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (!known(sample->signals[i].validity))
            return true;
    return false;
}

static bool add_point(struct readiness_log *log, double time_s, double rate_rps, struct err *e)
{
    if (log->n == log->capacity) {
        int capacity = log->capacity ? 2 * log->capacity : 1024;
        double *times = realloc(log->time_s, (size_t)capacity * sizeof *times);
        if (times)
            log->time_s = times;
        double *rates = realloc(log->rate_rps, (size_t)capacity * sizeof *rates);
        if (rates)
            log->rate_rps = rates;
        if (!times || !rates)
            return err_set(e, ERR_IO, "readiness: out of memory");
        log->capacity = capacity;
    }
    log->time_s[log->n] = time_s;
    log->rate_rps[log->n++] = rate_rps;
    log->peak_rps = fmax(log->peak_rps, rate_rps);
    return true;
}

/* The policy failed, or has failed so often that a stand-in decided: the proposal is not the policy's. */
static bool unanswered(const struct journal_record *r)
{
    return r->failed || r->stood_in;
}

static void count_turn(struct readiness_log *log, const struct journal_record *r)
{
    int way = unanswered(r) || r->output.hold || r->guard.from < 0
                  ? 0
                  : (r->output.replicas > r->guard.from) - (r->output.replicas < r->guard.from);
    log->n_turns += way != 0 && log->last_way != 0 && way != log->last_way;
    if (way != 0)
        log->last_way = way;
}

bool readiness_log_add(struct readiness_log *log, const struct journal_record *record, struct err *e)
{
    const struct sample *sample = &record->sample;
    const struct reading *rps = &sample->signals[SIGNAL_RPS];
    const struct reading *cpu = &sample->signals[SIGNAL_CPU];
    if (log->n_decisions == 0)
        log->first_s = log->last_s = sample->time_s;
    else if (!(sample->time_s > log->last_s))
        return true;
    if (rps->validity == VALIDITY_VALID && !add_point(log, sample->time_s - log->first_s, rps->value, e))
        return false;
    log->target = record->target;
    log->last_s = sample->time_s;
    log->n_decisions++;
    log->n_blind += blind(sample);
    log->n_failed += unanswered(record);
    log->n_ood += record->guard.ran[GUARD_OOD]; // the reason may be a later step's
    count_turn(log, record);
    if (rps->validity == VALIDITY_VALID && cpu->validity == VALIDITY_VALID) {
        log->cpu_s += cpu->value;
        log->requests += rps->value;
    }
    return true;
}

static bool usual_step_s(const struct readiness_log *log, double *out, struct err *e)
{
    int n = log->n - 1;
    double *steps_s = malloc((size_t)n * sizeof *steps_s);
    if (!steps_s)
        return err_set(e, ERR_IO, "readiness: out of memory");
    for (int i = 0; i < n; i++)
        steps_s[i] = log->time_s[i + 1] - log->time_s[i];
    *out = stats_quantile(steps_s, n, 0.5);
    free(steps_s);
    return true;
}

bool readiness_log_cut_gaps(struct readiness_log *log, struct err *e)
{
    double step_s = 0.0, cut_s = 0.0;
    if (log->n < 2)
        return true;
    if (!usual_step_s(log, &step_s, e))
        return false;
    for (int i = 1; i < log->n; i++) {
        double since_s = log->time_s[i] - cut_s - log->time_s[i - 1];
        cut_s += fmax(0.0, since_s - GAP_STEPS * step_s);
        log->time_s[i] -= cut_s;
    }
    return true;
}

double readiness_log_span_s(const struct readiness_log *log)
{
    return log->n > 1 ? log->time_s[log->n - 1] - log->time_s[0] : 0.0;
}

void readiness_log_finish(struct readiness_log *log)
{
    if (!log)
        return;
    free(log->time_s);
    free(log->rate_rps);
    memset(log, 0, sizeof *log);
}

/* A check is filled by name, outcome and sentence. */
static void say(struct readiness_verdict *v, const char *name, bool passed, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void say(struct readiness_verdict *v, const char *name, bool passed, const char *format, ...)
{
    struct readiness_check *check = v->checks;
    va_list args;
    while (check->name)
        check++;
    check->name = name;
    check->passed = passed;
    v->ready = v->ready && passed;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

static void judge_log(const struct readiness_config *c, const struct readiness_log *log, struct readiness_verdict *v)
{
    double hours = readiness_log_span_s(log) / 3600.0;
    double all = log->n_decisions > 0 ? (double)log->n_decisions : 1.0;
    double valid = log->n_decisions > 0 ? 1.0 - (double)log->n_blind / all : 0.0;
    double ood = (double)log->n_ood / all, failed = (double)log->n_failed / all;
    double turns = hours > 0.0 ? (double)log->n_turns / hours : 0.0;
    say(v, "recorded", hours >= c->hours, "%.2f hours of load, %lld decisions; at least %g hours are asked for", hours,
        log->n_decisions, c->hours);
    say(v, "signals", valid >= c->valid_share,
        "every signal known in %.2f %% of decisions; at least %.2f %% are asked for", 100.0 * valid,
        100.0 * c->valid_share);
    say(v, "familiar", ood <= c->ood_share,
        "outside the training range in %.2f %% of decisions; at most %.2f %% are allowed", 100.0 * ood,
        100.0 * c->ood_share);
    say(v, "failures", failed <= c->failed_share,
        "the policy failed in %.3f %% of decisions; at most %.3f %% are allowed", 100.0 * failed,
        100.0 * c->failed_share);
    say(v, "steady", turns <= c->turns_per_hour, "%.1f changes of direction an hour proposed; at most %g are allowed",
        turns, c->turns_per_hour);
}

static void judge_missing(const char *why, struct readiness_verdict *v)
{
    say(v, "twin", false, "%s", why);
    say(v, "slo", false, "not known without the twin");
    say(v, "cost", false, "not known without the twin");
}

static void judge_twin(const struct readiness_config *c, const struct readiness_twin *twin, struct readiness_verdict *v)
{
    double error = fabs(twin->cpu_ms / twin->recorded_cpu_ms - 1.0);
    if (isfinite(twin->recorded_cpu_ms))
        say(v, "twin", error <= c->twin_error,
            "CPU per request %.2f ms recorded, %.2f ms on the twin; within %.0f %% is asked for", twin->recorded_cpu_ms,
            twin->cpu_ms, 100.0 * c->twin_error);
    else
        say(v, "twin", false, "no CPU per request was recorded, so the twin cannot be trusted");
    const struct readiness_run *own = &twin->policy, *hpa = &twin->hpa;
    say(v, "slo", own->slo_holds,
        "on the twin over the soft limit %.2f %% of the time, over the hard one %.0f s at most on end; HPA rule "
        "%.2f %%, %.0f s",
        own->over_soft_percent, own->longest_hard_s, hpa->over_soft_percent, hpa->longest_hard_s);
    double ratio = own->replica_hours / hpa->replica_hours;
    bool fair = !hpa->slo_holds || ratio <= c->cost_ratio; // what breaks the SLO has no cost to compare with
    say(v, "cost", fair, "%.2f replica-hours on the twin, HPA rule %.2f%s; at most %.2f times is asked for",
        own->replica_hours, hpa->replica_hours, hpa->slo_holds ? "" : " (which breaks the SLO)", c->cost_ratio);
}

void readiness_judge(const struct readiness_config *config, const struct readiness_log *log,
                     const struct readiness_twin *twin, struct readiness_verdict *out)
{
    memset(out, 0, sizeof *out);
    out->ready = true;
    judge_log(config, log, out);
    if (*twin->missing)
        judge_missing(twin->missing, out);
    else
        judge_twin(config, twin, out);
}
