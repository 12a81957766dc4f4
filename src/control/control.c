/* control: the one control loop. Puts observation, policy, guard, cluster and journal in their order; holds no rule of its
 * own. No clock, no allocation, no sockets: time is the sample's, memory the caller's. */
#include <maestro/control.h>

#include <maestro/rule.h>

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct control) <= JOURNAL_CONTROL_LIMIT, "control does not fit a state record");
_Static_assert(sizeof(struct control_state) <= JOURNAL_STATE_LIMIT, "control_state does not fit a state record");

void control_begin(const struct control *c, struct control_state *s, const struct target *target,
                   const struct sample *first)
{
    struct target in_force = target ? *target : c->target; // target may point into s
    memset(s, 0, sizeof *s);
    s->target = in_force;
    observation_reset(&c->observation, &s->observation, &s->target, first);
    const struct observation_signal *replicas = &s->observation.signals[SIGNAL_REPLICAS];
    guard_reset(&s->guard, first->time_s, replicas->known ? (int)replicas->value : s->target.max_replicas);
}

bool control_observe(const struct control *c, struct control_state *s, struct cluster *cluster, bool with_pods,
                     struct sample *out, struct err *e)
{
    if (!cluster_sample(cluster, with_pods, out, e))
        return false;
    observation_update(&c->observation, &s->observation, &s->target, out);
    return true;
}

/* The count that every delta starts from: the present one, or the last one known. */
static int base_replicas(const struct control_state *s)
{
    return (int)s->observation.signals[SIGNAL_REPLICAS].value;
}

static void fill_input(const struct control *c, const struct control_state *s, struct journal_record *r)
{
    r->target = s->target;
    r->orders = s->orders;
    r->cpu_request_percent = s->observation.cpu_request_percent;
    r->n_features = c->observation.n;
    r->n_actions = c->actions.n;
    observation_features(&c->observation, &s->observation, r->features);
    if (c->masks)
        action_mask(&c->actions, &s->target, base_replicas(s), r->mask);
    else
        memset(r->mask, 1, (size_t)c->actions.n);
}

/* What one decider wants; a failure becomes a record, not an error. */
static void ask(const struct control *c, struct policy *policy, const struct sample *sample, struct journal_record *r)
{
    struct policy_input in = {.sample = sample,
                              .target = &r->target,
                              .actions = &c->actions,
                              .features = r->features,
                              .mask = r->mask,
                              .period_s = c->period_s};
    struct err why = {0};
    memset(&r->output, 0, sizeof r->output);
    snprintf(r->policy, sizeof r->policy, "%s", policy->ops->name);
    r->kind = policy->ops->kind;
    r->own_signals = policy->ops->wants_pods;
    r->failed = !policy_act(policy, &in, &r->output, &why);
    if (r->failed) {
        memset(&r->output, 0, sizeof r->output); // half an answer is none
        snprintf(r->output.reason, sizeof r->output.reason, CONTROL_FAILED "%.80s", why.message);
    }
}

static void ask_all(const struct control *c, const struct control_state *s, const struct sample *sample,
                    struct control_deciders *who, struct journal_record *r)
{
    ask(c, who->policy, sample, r);
    who->worked = !r->failed;
    r->stood_in = who->stand_in != NULL;
    if (who->stand_in)
        ask(c, who->stand_in, sample, r);
    r->rule_replicas = rule_replicas(sample, s->observation.cpu_request_percent);
}

static void guard(const struct control *c, struct control_state *s, struct journal_record *r)
{
    struct guard_input in = {.target = &r->target, .sample = &r->sample, .orders = &r->orders};
    in.proposal = (struct guard_proposal){
        .replicas = r->output.replicas,
        .kind = r->kind,
        .rule_replicas = r->rule_replicas,
        .ood = r->output.ood,
        .hold = r->output.hold,
        .failed = r->failed,
        .stand_in = r->stood_in,
        .own_signals = r->own_signals,
    };
    guard_run(&c->guard, &s->guard, &in, &r->guard);
}

void control_commit(struct control_state *s, enum outcome outcome, struct journal_record *r)
{
    r->outcome = outcome;
    r->written = outcome == OUTCOME_WRITTEN;
    if (r->written)
        guard_executed(&s->guard, r->sample.time_s, &r->guard);
}

/* Carries out what the guard let through. journal: NULL: none. */
static bool carry_out(struct control_state *s, struct cluster *cluster, struct journal *journal,
                      struct journal_record *r, struct err *e)
{
    bool change = r->guard.replicas != r->guard.from;
    if (change && journal && !journal_intend(journal, r, e))
        return false;
    if (change && !cluster_scale(cluster, r->guard.replicas, e)) {
        control_commit(s, OUTCOME_FAILED, r);
        return false;
    }
    control_commit(s, change ? OUTCOME_WRITTEN : OUTCOME_KEPT, r);
    return true;
}

bool control_apply(const struct control *c, struct control_state *s, struct cluster *cluster, struct journal_record *r,
                   struct err *e)
{
    r->stood_in = r->own_signals = false;
    r->rule_replicas = RULE_UNKNOWN;
    r->output.ood = 0;
    guard(c, s, r);
    return carry_out(s, cluster, NULL, r, e);
}

static void keep_sample(struct journal_record *r, const struct sample *sample)
{
    r->sample = *sample;
    r->sample.pods = NULL;
    r->sample.n_pods = 0;
}

bool control_plan(const struct control *c, struct control_state *s, const struct sample *sample,
                  struct control_deciders *who, struct journal_record *record, struct err *e)
{
    if (!(sample->time_s >= s->observation.time_s))
        return err_set(e, ERR_FORMAT, "control: the sample at %g s is older than the last one", sample->time_s);
    observation_update(&c->observation, &s->observation, &s->target, sample);
    fill_input(c, s, record);
    keep_sample(record, sample);
    ask_all(c, s, sample, who, record);
    guard(c, s, record);
    record->outcome = OUTCOME_KEPT;
    record->written = false;
    return true;
}

struct journal_opening control_opening(const struct control *c, const struct control_state *s, const char *policy,
                                       const char *policy_hash)
{
    return (struct journal_opening){.target = s->target.name,
                                    .policy = policy,
                                    .policy_hash = policy_hash,
                                    .control = c,
                                    .n_control = sizeof *c,
                                    .state = s,
                                    .n_state = sizeof *s};
}

bool control_tick(struct control_loop *loop, struct journal_record *record, struct err *e)
{
    struct control_state *s = loop->state;
    struct control_deciders who = {.policy = loop->policy};
    struct sample sample;
    if (loop->journal) {
        struct journal_opening opening = control_opening(loop->control, s, loop->policy->ops->name, "");
        if (!journal_turn(loop->journal, &loop->journal_file, cluster_now(loop->cluster), &opening, e))
            return false;
    }
    if (!cluster_sample(loop->cluster, loop->policy->ops->wants_pods, &sample, e) ||
        !control_plan(loop->control, s, &sample, &who, record, e) ||
        !carry_out(s, loop->cluster, loop->journal, record, e))
        return false;
    return !loop->journal || journal_write(loop->journal, record, e);
}
