/* control: the one control loop. Puts observation, policy, guard, cluster and journal in their order; holds no rule of its
 * own. No clock, no allocation, no sockets: time is the sample's, memory the caller's. */
#include <maestro/control.h>

#include <stdio.h>
#include <string.h>

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
    r->n_features = c->observation.n;
    r->n_actions = c->actions.n;
    observation_features(&c->observation, &s->observation, r->features);
    if (c->masks)
        action_mask(&c->actions, &s->target, base_replicas(s), r->mask);
    else
        memset(r->mask, 1, (size_t)c->actions.n);
}

/* What the policy wants; a failure becomes a record, not an error. */
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
    r->failed = !policy_act(policy, &in, &r->output, &why);
    if (r->failed)
        snprintf(r->output.reason, sizeof r->output.reason, "policy failed: %.80s", why.message);
}

static void guard(const struct control *c, struct control_state *s, struct journal_record *r)
{
    struct guard_input in = {.target = &r->target, .sample = &r->sample, .orders = &r->orders};
    in.proposal = (struct guard_proposal){
        .replicas = r->output.replicas, .kind = r->kind, .hold = r->output.hold, .failed = r->failed};
    guard_run(&c->guard, &s->guard, &in, &r->guard);
}

bool control_apply(const struct control *c, struct control_state *s, struct cluster *cluster, struct journal_record *r,
                   struct err *e)
{
    guard(c, s, r);
    r->written = false;
    if (r->guard.replicas == r->guard.from)
        return true;
    if (!cluster_scale(cluster, r->guard.replicas, e))
        return false;
    guard_executed(&s->guard, r->sample.time_s, &r->guard);
    r->written = true;
    return true;
}

static void keep_sample(struct journal_record *r, const struct sample *sample)
{
    r->sample = *sample;
    r->sample.pods = NULL;
    r->sample.n_pods = 0;
}

bool control_tick(const struct control_loop *loop, struct journal_record *record, struct err *e)
{
    const struct control *c = loop->control;
    struct control_state *s = loop->state;
    struct sample sample;
    if (loop->journal && !journal_turn(loop->journal, cluster_now(loop->cluster), s, sizeof *s, e))
        return false;
    if (!control_observe(c, s, loop->cluster, loop->policy->ops->wants_pods, &sample, e))
        return false;
    fill_input(c, s, record);
    keep_sample(record, &sample);
    ask(c, loop->policy, &sample, record);
    if (!control_apply(c, s, loop->cluster, record, e))
        return false;
    return !loop->journal || journal_write(loop->journal, record, e);
}

bool control_decide(const struct control *c, struct control_state *s, const struct sample *sample,
                    struct policy *policy, struct journal_record *record, struct err *e)
{
    if (!(sample->time_s >= s->observation.time_s))
        return err_set(e, ERR_FORMAT, "control: the sample at %g s is older than the last one", sample->time_s);
    observation_update(&c->observation, &s->observation, &s->target, sample);
    fill_input(c, s, record);
    keep_sample(record, sample);
    ask(c, policy, sample, record);
    guard(c, s, record);
    guard_executed(&s->guard, sample->time_s, &record->guard); // a record is only written of what was carried out
    record->written = false;
    return true;
}
