/* verdict: five sentences about the trained policy against the evaluation's baseline. In: a summary of an evaluation.
 * Out: text. Never rounds in anybody's favour and names what is missing. */
#include <maestro/verdict.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sides {
    const char *subject;
    const char *baseline;
    long subject_row, baseline_row; /* over all traces */
};

static void say(struct verdict *out, int line, const char *topic, const char *text)
{
    snprintf(out->topic[line], sizeof out->topic[line], "%s", topic);
    snprintf(out->text[line], sizeof out->text[line], "%s", text);
}

/* Traces on which the policy keeps the SLO. */
static int traces_held(const struct evaluation *v, const char *policy)
{
    int held = 0;
    for (int i = 0; i < v->n_traces; i++)
        held += evaluation_slo_holds(v, evaluation_row(v, policy, v->traces[i], NULL));
    return held;
}

/* Traces on which the baseline keeps the SLO and the subject does not. */
static int traces_lost(const struct evaluation *v, const struct sides *s)
{
    int lost = 0;
    for (int i = 0; i < v->n_traces; i++) {
        bool baseline = evaluation_slo_holds(v, evaluation_row(v, s->baseline, v->traces[i], NULL));
        bool subject = evaluation_slo_holds(v, evaluation_row(v, s->subject, v->traces[i], NULL));
        lost += baseline && !subject;
    }
    return lost;
}

static void say_slo(const struct evaluation *v, const struct sides *s, struct verdict *out)
{
    char text[VERDICT_TEXT];
    snprintf(
        text, sizeof text,
        "%s holds it on %d of %d traces (p95 over the soft limit in %.2f %% of the time); %s on %d of %d (%.2f %%).",
        s->subject, traces_held(v, s->subject), v->n_traces, evaluation_value(v, s->subject_row, "violation_time"),
        s->baseline, traces_held(v, s->baseline), v->n_traces, evaluation_value(v, s->baseline_row, "violation_time"));
    say(out, 0, "SLO", text);
}

/* The first HPA tuned by the evaluation, -1 if there is none. */
static int tuned_baseline(const struct evaluation *v)
{
    for (int i = 0; i < v->n_policies; i++) {
        if (strcmp(v->kinds[i], "hpa") == 0 && (strstr(v->policies[i], "tuned") || strchr(v->policies[i], '*')))
            return i;
    }
    return -1;
}

static void say_cost(const struct evaluation *v, const struct sides *s, struct verdict *out)
{
    char text[VERDICT_TEXT];
    double own = evaluation_value(v, s->subject_row, "replica_hours");
    double other = evaluation_value(v, s->baseline_row, "replica_hours");
    double percent = 100 * (own / other - 1);
    char third[160] = "";
    int tuned = tuned_baseline(v);
    if (tuned >= 0 && tuned != v->baseline)
        snprintf(third, sizeof third, "; %s needs %.1f", v->policies[tuned],
                 evaluation_value(v, evaluation_row(v, v->policies[tuned], "ALL", NULL), "replica_hours"));
    snprintf(text, sizeof text, "%.1f replica-hours against %.1f of %s (%.1f %% %s)%s.", own, other, s->baseline,
             fabs(percent), percent < 0 ? "fewer" : "more", third);
    say(out, 1, "Cost", text);
}

static bool text_is(const struct json *object, const char *key, const char *wanted)
{
    const char *text;
    return json_as_text(json_find(object, key), &text) && strcmp(text, wanted) == 0;
}

/* Mean and 95 % interval of subject less baseline, window by window. */
struct difference {
    double mean, low, high;
};

static bool is_number(const struct json *object, const char *key, double *out)
{
    return json_as_number(json_find(object, key), out);
}

/* trace: ALL, or HELD for those that the baseline holds. false if the evaluation does not know it. */
static bool paired(const struct evaluation *v, const struct sides *s, const char *trace, const char *metric,
                   struct difference *out)
{
    const struct json *rows = v->detail.root ? json_find(v->detail.root, "paired") : NULL;
    for (const struct json *p = rows ? json_first(rows) : NULL; p; p = json_next(p)) {
        if (text_is(p, "policy", s->subject) && text_is(p, "baseline", s->baseline) && text_is(p, "trace", trace) &&
            text_is(p, "metric", metric))
            return is_number(p, "mean", &out->mean) && is_number(p, "low", &out->low) &&
                   is_number(p, "high", &out->high);
    }
    return false;
}

static void say_reward(const struct evaluation *v, const struct sides *s, struct verdict *out)
{
    char text[VERDICT_TEXT];
    char less[160] = "";
    struct difference d;
    if (paired(v, s, "ALL", "reward_true", &d))
        snprintf(less, sizeof less, "; paired difference %+.4f (95 %%: %+.4f to %+.4f), %s", d.mean, d.low, d.high,
                 d.low > 0    ? "a gain"
                 : d.high < 0 ? "a loss"
                              : "no proven difference");
    snprintf(text, sizeof text, "%.4f against %.4f of %s%s.", evaluation_value(v, s->subject_row, "reward_true"),
             evaluation_value(v, s->baseline_row, "reward_true"), s->baseline, less);
    say(out, 2, "Reward", text);
}

static void say_bound(const struct evaluation *v, const struct sides *s, struct verdict *out)
{
    char text[VERDICT_TEXT];
    double bound = evaluation_value(v, evaluation_row(v, "bound-slo", "ALL", NULL), "replica_hours");
    if (!(bound > 0)) {
        say(out, 3, "Bound", "not computed in this evaluation.");
        return;
    }
    snprintf(
        text, sizeof text,
        "nothing that keeps the budget could need fewer than %.1f replica-hours; %s needs %.1f %% more, %s %.1f %%.",
        bound, s->subject, 100 * (evaluation_value(v, s->subject_row, "replica_hours") / bound - 1), s->baseline,
        100 * (evaluation_value(v, s->baseline_row, "replica_hours") / bound - 1));
    say(out, 3, "Bound", text);
}

/* Where costs may be compared: what breaks the SLO costs less for the wrong reason. A baseline that holds none is compared
 * on all, if the subject holds all. */
static const char *fair_traces(const struct evaluation *v, const struct sides *s)
{
    int held = traces_held(v, s->baseline);
    bool all = held == v->n_traces || (held == 0 && traces_held(v, s->subject) == v->n_traces);
    return all ? "ALL" : "HELD";
}

/* The subject holds the SLO wherever the baseline does, so that the cost decides. */
static void conclude_by_cost(const struct evaluation *v, const struct sides *s, bool gains, struct verdict *out)
{
    char text[VERDICT_TEXT];
    struct difference d;
    const char *traces = fair_traces(v, s);
    const char *there = strcmp(traces, "HELD") == 0 ? " there" : "";
    bool known = paired(v, s, traces, "replica_hours", &d);
    out->better = known && d.high < 0;
    if (out->better)
        snprintf(text, sizeof text, "%s is better: it holds the SLO wherever %s does, with fewer replica-hours%s%s.",
                 s->subject, s->baseline, there, gains ? " and more reward" : "");
    else
        snprintf(text, sizeof text, "%s is not proven better: it holds the SLO wherever %s does, but %s%s%s.",
                 s->subject, s->baseline,
                 known ? "not with fewer replica-hours beyond chance"
                       : "their paired difference in replica-hours is not known",
                 there, gains ? ", though with more reward" : "");
    say(out, 4, "Verdict", text);
}

static void conclude(const struct evaluation *v, const struct sides *s, struct verdict *out)
{
    char text[VERDICT_TEXT];
    struct difference d;
    int lost = traces_lost(v, s);
    bool gains = paired(v, s, "ALL", "reward_true", &d) && d.low > 0;
    if (lost == 0 && traces_held(v, s->subject) > 0) { // saving where the SLO is broken everywhere is no gain
        conclude_by_cost(v, s, gains, out);
        return;
    }
    const char *though = gains ? ", though its reward is higher" : "";
    if (lost > 0)
        snprintf(text, sizeof text, "%s is not better: it misses the SLO on %d of %d traces where %s holds it%s.",
                 s->subject, lost, traces_held(v, s->baseline), s->baseline, though);
    else
        snprintf(text, sizeof text, "%s is not better: neither it nor %s holds the SLO on any trace%s.", s->subject,
                 s->baseline, though);
    say(out, 4, "Verdict", text);
}

void verdict_make(const struct evaluation *v, struct verdict *out)
{
    static const char *const topics[VERDICT_LINES] = {"SLO", "Cost", "Reward", "Bound", "Verdict"};
    *out = (struct verdict){0};
    if (v->subject < 0 || v->baseline < 0) {
        for (int i = 0; i < VERDICT_LINES; i++)
            say(out, i, topics[i],
                i < VERDICT_LINES - 1 ? "nothing to compare." : "none: a trained policy and an HPA are needed.");
        return;
    }
    struct sides s = {.subject = v->policies[v->subject], .baseline = v->policies[v->baseline]};
    s.subject_row = evaluation_row(v, s.subject, "ALL", NULL);
    s.baseline_row = evaluation_row(v, s.baseline, "ALL", NULL);
    say_slo(v, &s, out);
    say_cost(v, &s, out);
    say_reward(v, &s, out);
    say_bound(v, &s, out);
    conclude(v, &s, out);
}
