/* carry: order, limits and meaning of writes. In: plans. Out: outcomes. A write is told to the journal before it is made. The
 * lease's deadline is looked at right before each write, with the clock read anew. */
#include "carry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without an answer to so many writes in a row the API server is not asked again in this round. */
enum { GIVE_UP_AFTER = 3 };
static const double PATIENCE_S = 1, PATIENCE_LIMIT_S = 60;

static int rank(const struct decide_plan *p)
{
    if (!p->decided)
        return 3;
    int change = p->record.guard.replicas - p->record.guard.from;
    return change > 0 ? 0 : change < 0 ? 1 : 2;
}

static int by_urgency(const void *a, const void *b)
{
    const struct decide_plan *x = *(const struct decide_plan *const *)a, *y = *(const struct decide_plan *const *)b;
    int rank_x = rank(x), rank_y = rank(y);
    if (rank_x != rank_y)
        return rank_x - rank_y;
    if (rank_x > 1)
        return x->target - y->target;
    int change_x = abs(x->record.guard.replicas - x->record.guard.from);
    int change_y = abs(y->record.guard.replicas - y->record.guard.from);
    return change_x != change_y ? change_y - change_x : x->target - y->target;
}

void carry_sort(struct decide_plan **plans, int n)
{
    qsort(plans, (size_t)n, sizeof(struct decide_plan *), by_urgency);
}

static bool take_token(struct carry *c, const struct autoscaler_config *config, double now_s)
{
    double burst = config->writes_burst;
    double gained = c->filled && now_s > c->filled_s ? (now_s - c->filled_s) * config->writes_per_s : 0;
    c->tokens = c->filled ? c->tokens + gained : burst;
    c->tokens = c->tokens > burst ? burst : c->tokens;
    c->filled_s = now_s;
    c->filled = true;
    if (c->tokens < 1)
        return false;
    c->tokens -= 1;
    return true;
}

/* Patience grows with every refusal in a row, and is never less than what was asked for. */
static void note_throttled(struct carry *c, double now_s, double asked_s)
{
    double patience_s = PATIENCE_S;
    for (int i = 0; i < c->n_throttled && patience_s < PATIENCE_LIMIT_S; i++)
        patience_s *= 2;
    c->n_throttled++;
    c->quiet_until_s = now_s + fmax(fmin(patience_s, PATIENCE_LIMIT_S), asked_s);
}

static enum outcome meaning(enum fleet_outcome outcome, bool dry_run)
{
    switch (outcome) {
    case FLEET_DONE:
        return dry_run ? OUTCOME_DRY_RUN : OUTCOME_WRITTEN;
    case FLEET_CONFLICT:
        return OUTCOME_CONFLICT;
    case FLEET_GONE:
        return OUTCOME_GONE;
    case FLEET_FORBIDDEN:
        return OUTCOME_FORBIDDEN;
    case FLEET_REFUSED:
        return OUTCOME_REFUSED;
    case FLEET_THROTTLED:
        return OUTCOME_THROTTLED;
    case FLEET_FAILED:
        break;
    }
    return OUTCOME_FAILED;
}

bool carry_is_order(enum guard_reason reason)
{
    return reason == GUARD_REASON_HUMAN_MAX || reason == GUARD_REASON_HUMAN_PAUSE ||
           reason == GUARD_REASON_HUMAN_RESTORE;
}

/* Ups go on without a journal, downs wait for it. */
static bool may_go_untold(const struct guard_trace *g)
{
    return g->replicas >= g->from || carry_is_order(g->reason);
}

/* Before the write: whoever is killed in the middle of it has told. false: nothing may be written. */
static bool tell_journal(const struct carry_world *w, struct decide_plan *plan)
{
    struct err why = {0};
    if (!w->journal || journal_intend(w->journal, &plan->record, &why) || may_go_untold(&plan->record.guard))
        return true;
    snprintf(plan->note, sizeof plan->note, "%.*s", (int)sizeof plan->note - 1, why.message);
    return false;
}

static enum outcome write_one(struct carry *c, struct carry_world *w, const struct slot *s, struct decide_plan *plan)
{
    struct err why = {0};
    bool dry_run = s->settings.mode == MODE_DRY_RUN;
    double now_s = w->clock.monotonic_s(w->clock.context);
    if (now_s < c->quiet_until_s)
        return OUTCOME_THROTTLED;
    if (w->n_failed >= GIVE_UP_AFTER) {
        snprintf(plan->note, sizeof plan->note, "not tried: the API server answered none of the last %d writes",
                 w->n_failed);
        return OUTCOME_FAILED;
    }
    if (!take_token(c, w->config, now_s))
        return OUTCOME_QUEUE;
    if (!dry_run && !tell_journal(w, plan))
        return OUTCOME_JOURNAL;
    double deadline_s = fleet_deadline_s(w->fleet);
    if (!(w->clock.monotonic_s(w->clock.context) < deadline_s))
        return deadline_s > 0 ? OUTCOME_DEADLINE : OUTCOME_STANDBY;
    enum fleet_outcome got = fleet_write(w->fleet, plan->target, plan->record.guard.replicas, dry_run, &why);
    if (got != FLEET_DONE)
        snprintf(plan->note, sizeof plan->note, "%.*s", (int)sizeof plan->note - 1, why.message);
    if (got == FLEET_THROTTLED)
        note_throttled(c, w->clock.monotonic_s(w->clock.context), fleet_patience_s(w->fleet));
    else
        c->n_throttled = 0;
    w->n_failed = got == FLEET_FAILED ? w->n_failed + 1 : 0;
    return meaning(got, dry_run);
}

enum outcome carry_out(struct carry *c, struct carry_world *w, const struct slot *s, const struct fleet_view *view,
                       struct decide_plan *plan)
{
    const struct guard_trace *g = &plan->record.guard;
    const struct guard_orders *orders = &plan->record.orders;
    if (g->replicas == g->from)
        return OUTCOME_KEPT;
    if (s->settings.mode == MODE_SHADOW)
        return OUTCOME_SHADOW;
    if (!w->refreshed)
        return OUTCOME_UNREAD;
    if (g->from == 0 && !orders->has_pause)
        return OUTCOME_AT_ZERO;
    if (*view->conflict)
        return OUTCOME_SCALER;
    if (conflict_is_foreign(&s->conflict) && g->reason != GUARD_REASON_HUMAN_PAUSE)
        return OUTCOME_FOREIGN;
    if (!(fleet_deadline_s(w->fleet) > 0))
        return OUTCOME_STANDBY;
    if (w->journal_failing && !may_go_untold(g))
        return OUTCOME_JOURNAL;
    return write_one(c, w, s, plan);
}
