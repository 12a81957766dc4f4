/* decide: the sample of a view made ready, the state begun or carried on, the plan asked for. In: one target's view and
 * slot. Out: a plan. Writes nothing but the journal's opening of the target. */
#include "decide.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds by which wall and monotonic clock may disagree about the time since the last decision. */
static const double CLOCK_SLACK_S = 5;
/* Without a decision for so many intervals the past says nothing any more. */
static const double FORGOTTEN_INTERVALS = 10;
/* Of a round, for reads of pods that fail. */
static const double PODS_PATIENCE_S = 10;

static void nothing(struct decide_plan *plan, enum outcome outcome, const char *note)
{
    plan->decided = false;
    plan->outcome = outcome;
    snprintf(plan->note, sizeof plan->note, "%.*s", (int)sizeof plan->note - 1, note);
}

static bool wants_pods(const struct slot *s)
{
    bool stand_in = s->breaker.open && (!s->stand_in || s->stand_in->ops->wants_pods);
    return stand_in || slot_policy(s)->ops->wants_pods;
}

/* Each read that fails may take as long as a call may: a round does not wait for one target after the other. */
static bool read_pods(struct decide_world *w, int target, struct sample *out, struct err *e)
{
    if (w->pods_lost_s >= PODS_PATIENCE_S)
        return err_set(e, ERR_IO, "not tried: others took %.0f s and could not be read", w->pods_lost_s);
    double began_s = w->clock.monotonic_s(w->clock.context);
    bool done = fleet_read_pods(w->fleet, target, out, e);
    if (!done)
        w->pods_lost_s += w->clock.monotonic_s(w->clock.context) - began_s;
    return done;
}

/* Signals of the view; pods where somebody asks for them. What cannot be trusted is made invalid, never made up. */
static void take_sample(struct decide_world *w, const struct slot *s, const struct fleet_view *view, int target,
                        struct sample *out, struct decide_plan *plan)
{
    struct err why = {0};
    *out = view->sample;
    if (wants_pods(s) && w->refreshed && !read_pods(w, target, out, &why)) {
        *out = view->sample;
        out->pods = NULL;
        out->n_pods = 0;
        snprintf(plan->note, sizeof plan->note, "pods: %.150s", why.message);
    }
    out->rolling_out = out->rolling_out || view->rolling_out || view->rollout_paused;
    if (!w->refreshed)
        out->signals[SIGNAL_REPLICAS].validity = VALIDITY_FAILED;
    else if (view->api_age_s > w->config->view_limit_s)
        out->signals[SIGNAL_REPLICAS].validity = VALIDITY_STALE;
}

/* A clock that was set, or a long silence: what was learnt belongs to another time. */
static bool is_torn(const struct decide_world *w, const struct slot *s, const struct sample *sample)
{
    double monotonic = w->now_s - s->decided_s, wall = w->wall_s - s->decided_wall_s;
    return sample->time_s < s->state->observation.time_s || fabs(wall - monotonic) > CLOCK_SLACK_S ||
           monotonic > FORGOTTEN_INTERVALS * s->control.period_s + CLOCK_SLACK_S;
}

static struct target target_of(const struct slot *s)
{
    struct target t = s->control.target;
    t.min_replicas = s->settings.min_replicas;
    t.max_replicas = s->settings.max_replicas;
    t.latency_soft_ms = s->settings.latency_soft_ms;
    t.latency_hard_ms = s->settings.latency_hard_ms;
    return t;
}

/* A count over the maximum is brought down whatever the signals say: whoever lowered the maximum said so. */
static struct guard_orders orders_of(const struct slot *s, const struct sample *sample)
{
    const struct target_settings *t = &s->settings;
    const struct reading *replicas = &sample->signals[SIGNAL_REPLICAS];
    bool known = replicas->validity == VALIDITY_VALID;
    struct guard_orders o = {.no_down = t->no_down};
    if (t->has_paused_replicas) {
        o.has_pause = true;
        o.pause_replicas = t->paused_replicas;
    } else if (t->paused && known) {
        o.has_pause = true;
        o.pause_replicas = (int)replicas->value;
    }
    if (known && replicas->value > t->max_replicas) {
        o.has_max = true;
        o.max_replicas = t->max_replicas;
    }
    return o;
}

static uint64_t seed_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

static void begin(struct slot *s, const struct target *target, const struct sample *first)
{
    control_begin(&s->control, s->state, target, first);
    if (s->own)
        policy_reset(s->own, seed_of(s->name), first);
    s->begun = true;
    s->journal_file = 0;
}

/* The stand-in is opened when the breaker opens, and starts from the target as it finds it. */
static struct policy *stand_in(const struct decide_world *w, struct slot *s, const struct sample *sample)
{
    const struct pooled *pooled;
    struct err why = {0};
    if (!s->breaker.open)
        return NULL;
    if (!s->stand_in && pool_find(w->pool, w->config->breaker, &pooled, &why) &&
        pool_instance(w->pool, pooled, &s->stand_in, &why))
        policy_reset(s->stand_in, seed_of(s->name), sample);
    return s->stand_in;
}

static bool is_seen(const struct sample *sample)
{
    static const enum signal_id LOAD[] = {SIGNAL_CPU, SIGNAL_P95, SIGNAL_RPS};
    for (int i = 0; i < 3; i++) {
        enum validity v = sample->signals[LOAD[i]].validity;
        if (v == VALIDITY_VALID || v == VALIDITY_ABSENT)
            return true;
    }
    return false;
}

/* Words of a human that name a count. They are carried out also where the policy is refused. */
static bool is_ordered(const struct slot *s, const struct fleet_view *view)
{
    struct guard_orders o = orders_of(s, &view->sample);
    return o.has_pause || o.has_max;
}

static void note_breaker(const struct decide_world *w, struct slot *s, const struct control_deciders *who,
                         const struct sample *sample, struct decide_plan *plan)
{
    if (s->pooled == pool_held(w->pool))
        return; // no policy was asked
    bool worked = who->worked && (who->policy->ops->wants_pods || is_seen(sample));
    plan->breaker = breaker_note(&s->breaker, worked, w->config->failures, w->config->successes);
    if (plan->breaker == BREAKER_CLOSED) {
        policy_close(s->stand_in);
        s->stand_in = NULL;
    }
}

static void open_journal(const struct decide_world *w, struct slot *s, double time_s, struct decide_plan *plan)
{
    struct err why = {0};
    struct journal_opening opening = control_opening(&s->control, s->state, s->pooled->text, s->pooled->hash);
    s->journalled = w->journal && journal_turn(w->journal, &s->journal_file, time_s, &opening, &why);
    plan->journal_failed = w->journal && !s->journalled;
    if (plan->journal_failed)
        snprintf(plan->note, sizeof plan->note, "journal: %.149s", why.message);
}

static void plan_target(struct decide_world *w, struct slot *s, const struct fleet_view *view, struct decide_plan *plan)
{
    struct sample sample;
    struct err why = {0};
    take_sample(w, s, view, plan->target, &sample, plan);
    struct target target = target_of(s);
    plan->torn = s->begun && is_torn(w, s, &sample);
    if (!s->begun || plan->torn)
        begin(s, &target, &sample);
    s->state->target = target;
    s->state->orders = orders_of(s, &sample);
    s->decided_s = w->now_s;
    s->decided_wall_s = w->wall_s;
    open_journal(w, s, sample.time_s, plan);
    struct control_deciders who = {.policy = slot_policy(s), .stand_in = stand_in(w, s, &sample)};
    plan->decided = control_plan(&s->control, s->state, &sample, &who, &plan->record, &why);
    if (!plan->decided) {
        nothing(plan, OUTCOME_UNREAD, why.message);
        return;
    }
    note_breaker(w, s, &who, &sample, plan);
}

void decide_target(struct decide_world *w, struct slot *s, const struct fleet_view *view, struct decide_plan *plan)
{
    int target = plan->target;
    *plan = (struct decide_plan){.target = target};
    if (view->gone)
        nothing(plan, OUTCOME_GONE, "");
    else if (!s->has_settings)
        nothing(plan, OUTCOME_SETTINGS, s->refused);
    else if (s->settings.mode == MODE_OFF)
        nothing(plan, OUTCOME_OFF, "");
    else if (!slot_bind(s, w->pool, &w->terms, is_ordered(s, view)))
        nothing(plan, OUTCOME_POLICY, s->policy_refused);
    else if (!s->state && !(s->state = calloc(1, sizeof *s->state)))
        nothing(plan, OUTCOME_UNREAD, "out of memory");
    else
        plan_target(w, s, view, plan);
    if (!plan->decided && (plan->outcome == OUTCOME_GONE || plan->outcome == OUTCOME_OFF))
        slot_forget(s);
}
