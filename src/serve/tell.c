/* tell: sentences for the log and for Events. In: what a tick found, planned and did. Out: words; the slot's marks that keep
 * them from being said twice. Decides nothing. */
#include "tell.h"

#include "carry.h"

#include <maestro/log.h>
#include <maestro/text.h>

#include <stdio.h>
#include <string.h>

/* Targets named by themselves in one tick; a thousand at a start are a number. */
enum { NAMED_A_TICK = 20 };

static bool is_leader(const struct teller *t)
{
    return t->clock.monotonic_s(t->clock.context) < fleet_deadline_s(t->fleet);
}

void tell(const struct teller *t, int target, const struct slot *s, bool warning, const char *reason,
          const char *message)
{
    if (warning)
        log_warn(reason, kv("target", s->name), kv("message", message));
    else
        log_info(reason, kv("target", s->name), kv("message", message));
    if (is_leader(t))
        fleet_event(t->fleet, target, warning, reason, message);
}

void tell_found(struct teller *t, const struct slot *s)
{
    if (t->n_found++ < NAMED_A_TICK)
        log_info("target_found", kv("target", s->name),
                 kv("mode", s->has_settings ? target_mode_name(s->settings.mode) : "none"));
}

void tell_gone(struct teller *t, const struct slot *s)
{
    if (t->n_gone++ < NAMED_A_TICK)
        log_info("target_gone", kv("target", s->name));
}

void tell_rest(struct teller *t)
{
    if (t->n_found > NAMED_A_TICK)
        log_info("targets_found", kv("more", t->n_found - NAMED_A_TICK));
    if (t->n_gone > NAMED_A_TICK)
        log_info("targets_gone", kv("more", t->n_gone - NAMED_A_TICK));
    t->n_found = t->n_gone = 0;
}

struct tell_before tell_remember(const struct slot *s)
{
    return (struct tell_before){
        .has_settings = s->has_settings, .refused = *s->refused != '\0', .mode = s->settings.mode};
}

void tell_settings(const struct teller *t, int target, const struct slot *s, const struct tell_before *before)
{
    char text[96];
    const char *mode = target_mode_name(s->settings.mode);
    if (*s->refused) {
        tell(t, target, s, true, "InvalidAnnotation", s->refused);
        return;
    }
    if (before->refused) {
        snprintf(text, sizeof text, "the annotations make sense again and are in force; the mode is %s", mode);
        tell(t, target, s, false, "AnnotationsMended", text);
    }
    if (before->has_settings && before->mode != s->settings.mode) {
        snprintf(text, sizeof text, "the mode was %s and is %s", target_mode_name(before->mode), mode);
        tell(t, target, s, false, "ModeChanged", text);
    }
}

void tell_conflict(const struct teller *t, int target, const struct slot *s, const struct fleet_view *view,
                   enum conflict_change change)
{
    char text[256];
    const struct conflict *c = &s->conflict;
    if (change == CONFLICT_SCALER) {
        snprintf(text, sizeof text, "stepping back: %.159s acts on the same target", view->conflict);
        tell(t, target, s, true, "ConflictingScaler", text);
    } else if (change == CONFLICT_FOREIGN) {
        snprintf(text, sizeof text, "stepping back for %g s: somebody else set the replicas to %d",
                 t->config->conflict_cooldown_s, c->found);
        tell(t, target, s, true, "ForeignScale", text);
    } else if (change == CONFLICT_ENDED && !*view->conflict && !conflict_is_foreign(c)) {
        tell(t, target, s, false, "ConflictEnded", "nobody else scales the target: acting again");
    }
}

static void tell_breaker(const struct teller *t, const struct slot *s, const struct decide_plan *plan)
{
    char text[3 * ANNOTATIONS_POLICY], policy[ANNOTATIONS_POLICY], breaker[ANNOTATIONS_POLICY];
    text_shorten(policy, sizeof policy, s->settings.policy);
    text_shorten(breaker, sizeof breaker, t->config->breaker);
    if (plan->breaker == BREAKER_OPENED) {
        snprintf(text, sizeof text, "%s failed %d times in a row: %s decides", policy, t->config->failures, breaker);
        tell(t, plan->target, s, true, "BreakerOpened", text);
    } else if (plan->breaker == BREAKER_CLOSED) {
        snprintf(text, sizeof text, "%s works again and decides", policy);
        tell(t, plan->target, s, false, "BreakerClosed", text);
    }
}

void tell_plan(const struct teller *t, const struct slot *s, const struct decide_plan *plan, const char *policy_before)
{
    if (*s->policy_refused && strcmp(s->policy_refused, policy_before) != 0)
        tell(t, plan->target, s, true, "PolicyRefused", s->policy_refused);
    if (plan->torn)
        tell(t, plan->target, s, true, "HistoryForgotten",
             "the clock was set, or nothing was decided for long: what was remembered of the load is begun anew");
    tell_breaker(t, s, plan);
}

/* "cpu failed, rps stale"; "" where every signal is known. */
static void name_missing(const struct sample *sample, char *out, size_t n)
{
    static const char *const SIGNALS[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "p95", "rps"};
    static const char *const WORDS[] = {
        [VALIDITY_NO_DATA] = "no data", [VALIDITY_FAILED] = "failed", [VALIDITY_STALE] = "stale"};
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        enum validity v = sample->signals[i].validity;
        if (v != VALIDITY_VALID && v != VALIDITY_ABSENT && at < n)
            at += (size_t)snprintf(out + at, n - at, "%s%s %s", at ? ", " : "", SIGNALS[i], WORDS[v]);
    }
}

void tell_signals(const struct teller *t, struct slot *s, const struct fleet_view *view, const struct decide_plan *plan)
{
    char missing[128], text[512];
    if (!plan->decided)
        return;
    name_missing(&plan->record.sample, missing, sizeof missing);
    bool dark = *missing != '\0';
    if (dark && !s->in_the_dark) {
        snprintf(text, sizeof text, "%s: not scaled down until all signals are known again%s%s", missing,
                 *view->lacks ? "; " : "", view->lacks);
        tell(t, plan->target, s, true, "SignalsLost", text);
    } else if (!dark && s->in_the_dark) {
        tell(t, plan->target, s, false, "SignalsBack", "every signal is known again");
    }
    s->in_the_dark = dark;
}

void tell_order(const struct teller *t, struct slot *s, const struct fleet_view *view, struct decide_plan *plan)
{
    char text[sizeof s->order_waits] = "";
    int replicas = plan->record.guard.replicas;
    bool ordered = plan->decided && carry_is_order(plan->record.guard.reason);
    if (ordered && plan->outcome == OUTCOME_SCALER)
        snprintf(text, sizeof text, "the order to %d replicas waits until %.120s is gone: two writers would fight",
                 replicas, view->conflict);
    else if (ordered && plan->outcome == OUTCOME_FOREIGN)
        snprintf(text, sizeof text,
                 "the order to %d replicas waits: somebody else set the replicas to %d less than %g s ago", replicas,
                 s->conflict.found, t->config->conflict_cooldown_s);
    if (*text && strcmp(text, s->order_waits) != 0)
        tell(t, plan->target, s, true, "OrderWaits", text);
    memcpy(s->order_waits, text, sizeof s->order_waits);
    if (*text)
        snprintf(plan->note, sizeof plan->note, "%.*s", (int)sizeof plan->note - 1, text);
}

void tell_write(const struct teller *t, const struct slot *s, const struct decide_plan *plan)
{
    const struct guard_trace *g = &plan->record.guard;
    char text[320];
    switch ((int)plan->outcome) {
    case OUTCOME_WRITTEN:
        snprintf(text, sizeof text, "New size: %d; reason: %s (%.95s)", g->replicas, guard_reason_name(g->reason),
                 plan->record.output.reason);
        tell(t, plan->target, s, false, "SuccessfulRescale", text);
        return;
    case OUTCOME_CONFLICT:
    case OUTCOME_FORBIDDEN:
    case OUTCOME_REFUSED:
    case OUTCOME_FAILED:
        snprintf(text, sizeof text, "New size: %d; error: %s; %.159s", g->replicas, outcome_words(plan->outcome),
                 plan->note);
        tell(t, plan->target, s, true, "FailedRescale", text);
        return;
    default:
        return;
    }
}
