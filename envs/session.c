/* session: the learning environment over a cluster in real time. In: an action index. Out: features, mask, reward and cost
 * of one period, or a truncation where the cluster could not be seen. Observation, guard and reward are control's; time and
 * replicas are the cluster's. Knows neither Prometheus nor Kubernetes. */
#include <maestro/session.h>

#include <maestro/rng.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(field) offsetof(struct session_config, field)
const struct config_key session_config_keys[] = {
    {"start", CONFIG_CHOICE, KEY(start), "keep", 0, 0, NULL, "keep|initial|random",
     "Replicas at the beginning of an episode: as found, initial_replicas, or any from min to max."},
    {"initial_replicas", CONFIG_INT, KEY(initial_replicas), "1", 1, REPLICAS_LIMIT, NULL, NULL,
     "Replicas at the beginning where start is initial."},
    {"ready_timeout_s", CONFIG_DOUBLE, KEY(ready_timeout_s), "300s", 1, 86400, "s", NULL,
     "Longest wait for pods to be ready before an episode; then it begins with those that are."},
    {"poll_s", CONFIG_DOUBLE, KEY(poll_s), "5s", 0.1, 600, "s", NULL, "Time between two looks while waiting."},
};
const int n_session_config_keys = (int)(sizeof session_config_keys / sizeof *session_config_keys);

/* What lives in this process only. */
struct session_model {
    struct session_parts parts;
    struct control control; /* as configured; the policy file's */
    struct control running; /* the same without flap budget, which is for serving only */
    bool begun;             /* a reset was made in this process */
    int found_replicas;     /* owed by a session before, or seen before anything was changed; 0: unknown */
    bool told_found;        /* to on_found */
};

/* What a checkpoint holds. */
struct session_state {
    uint64_t seed, stream;
    struct rng rng;
    int episode, step;
    int reserved; /* a checkpoint has room for it; what the target is owed is never taken from one */
    struct control_state control;
    struct reward_state reward;
    struct sample last; /* the last one that was whole; pods NULL */
    struct reward_terms last_terms;
    double violations, replicas_sum;
    int scale_actions;
};

/* The runtime part is not shared: a session has one copy. */
static struct session_model *model_of(const struct env *env)
{
    return (struct session_model *)(uintptr_t)env->model;
}

static void init(const struct env *env, void *state, uint64_t seed, uint64_t stream)
{
    struct session_state *s = state;
    (void)env;
    *s = (struct session_state){.seed = seed, .stream = stream};
    rng_init(&s->rng, seed ^ 0x73657373696f6e, stream);
}

/* The first signal that is not known, or NULL. */
static const char *unknown_signal(const struct sample *sample)
{
    static const char *const names[SIGNAL_COUNT] = {"cpu", "memory", "replicas", "p95 latency", "rps"};
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (sample->signals[i].validity != VALIDITY_VALID && sample->signals[i].validity != VALIDITY_ABSENT)
            return names[i];
    return NULL;
}

static void pause_because(const struct session_model *m, const char *why)
{
    if (m->parts.on_pause)
        m->parts.on_pause(m->parts.arg, why);
}

static bool stopped(const struct session_model *m)
{
    return m->parts.stop && *m->parts.stop;
}

static void keep_sample(struct session_state *s, const struct sample *sample)
{
    s->last = *sample;
    s->last.pods = NULL;
    s->last.n_pods = 0;
}

static void observe(const struct session_model *m, const struct session_state *s, float *obs, unsigned char *mask)
{
    observation_features(&m->running.observation, &s->control.observation, obs);
    if (m->running.masks)
        action_mask(&m->running.actions, &s->control.target, (int)s->control.observation.signals[SIGNAL_REPLICAS].value,
                    mask);
    else
        memset(mask, 1, (size_t)m->running.actions.n);
}

/* Until the next look. */
static bool wait_a_while(struct session_model *m, struct err *e)
{
    if (stopped(m))
        return err_set(e, ERR_INTERRUPTED, "session: stopped while waiting");
    return (!m->parts.on_wait || m->parts.on_wait(m->parts.arg, e)) &&
           cluster_advance(m->parts.cluster, m->parts.session.poll_s, e);
}

/* Looks until every signal is known and, for a while, until all pods are ready. waited_s: how long that took. */
static bool wait_for_sight(struct session_model *m, struct sample *out, double *waited_s, struct err *e)
{
    struct cluster *cluster = m->parts.cluster;
    double began_s = cluster_now(cluster);
    bool said = false;
    for (;;) {
        struct err why = {0};
        bool seen = cluster_sample(cluster, true, out, &why);
        const char *unknown = seen ? unknown_signal(out) : NULL;
        *waited_s = cluster_now(cluster) - began_s;
        bool ready = seen && !unknown && out->ready >= (int)out->signals[SIGNAL_REPLICAS].value;
        if (ready || (seen && !unknown && *waited_s >= m->parts.session.ready_timeout_s))
            return true;
        if (!said && (!seen || unknown)) {
            if (seen)
                (void)err_set(&why, ERR_IO, "%s is not known", unknown);
            pause_because(m, why.message);
            said = true;
        }
        if (!wait_a_while(m, e))
            return false;
    }
}

static int starting_count(const struct session_model *m, struct session_state *s, int present)
{
    const struct target *t = &m->parts.target;
    int wanted = present;
    if (m->parts.session.start == SESSION_INITIAL)
        wanted = m->parts.session.initial_replicas;
    else if (m->parts.session.start == SESSION_RANDOM)
        wanted = t->min_replicas + (int)rng_bounded(&s->rng, (uint32_t)(t->max_replicas - t->min_replicas + 1));
    if (wanted > t->max_replicas)
        return t->max_replicas;
    return wanted < t->min_replicas ? t->min_replicas : wanted;
}

/* What the target is to get back is known, and told, before anything is changed. */
static bool know_found(struct session_model *m, int present, struct err *e)
{
    const struct session_parts *p = &m->parts;
    int found = m->found_replicas > 0 ? m->found_replicas : present;
    if (!m->told_found && p->on_found && !p->on_found(p->arg, found, e))
        return false;
    m->told_found = true;
    m->found_replicas = found;
    return true;
}

/* Brings the target to where an episode begins. afresh: its history is of no use any more. A refusal is looked at again. */
static bool bring(struct session_model *m, struct session_state *s, struct sample *sample, bool *afresh, struct err *e)
{
    double waited_s;
    if (!wait_for_sight(m, sample, &waited_s, e))
        return false;
    int present = (int)sample->signals[SIGNAL_REPLICAS].value;
    if (!know_found(m, present, e))
        return false;
    int wanted = starting_count(m, s, present);
    *afresh = !m->begun || waited_s > m->running.period_s;
    struct err why = {0};
    while (wanted != present && !cluster_scale(m->parts.cluster, wanted, &why)) {
        pause_because(m, why.message);
        if (!wait_a_while(m, e))
            return false;
    }
    if (wanted == present)
        return true;
    *afresh = true;
    return wait_a_while(m, e) && wait_for_sight(m, sample, &waited_s, e);
}

static bool reset(const struct env *env, void *state, float *obs, unsigned char *mask, struct err *e)
{
    struct session_model *m = model_of(env);
    struct session_state *s = state;
    struct sample sample;
    bool afresh = true;
    if (!bring(m, s, &sample, &afresh, e) || !cluster_advance(m->parts.cluster, 0, e)) // whole steps from here
        return false;
    if (afresh) {
        control_begin(&m->running, &s->control, &m->parts.target, &sample);
        s->reward = (struct reward_state){0};
    }
    keep_sample(s, &sample);
    s->last_terms = reward_measured(&m->parts.reward, &s->reward, &s->control.target, &s->last, 0);
    m->begun = true;
    s->episode++;
    s->step = s->scale_actions = 0;
    s->violations = s->replicas_sum = 0;
    observe(m, s, obs, mask);
    return true;
}

static void propose(const struct session_model *m, const struct session_state *s, int action, struct journal_record *r)
{
    int present = (int)s->control.observation.signals[SIGNAL_REPLICAS].value;
    memset(r, 0, sizeof *r);
    memcpy(r->policy, "training", sizeof "training");
    r->sample = s->last;
    r->target = s->control.target;
    r->orders = s->control.orders;
    r->kind = POLICY_STEP;
    r->output.action = action;
    r->output.replicas = action_replicas(&m->running.actions, &r->target, present, action);
    r->n_features = m->running.observation.n;
    r->n_actions = m->running.actions.n;
    observe(m, s, r->features, r->mask);
}

static void account(struct session_state *s, const struct journal_record *r)
{
    s->step++;
    s->violations += s->last_terms.cost;
    s->replicas_sum += s->control.observation.signals[SIGNAL_REPLICAS].value;
    s->scale_actions += r->written;
}

static void report(const struct session_model *m, const struct session_state *s, const struct journal_record *r)
{
    const struct reward_terms unknown = {.reward = (double)NAN, .r1 = (double)NAN, .r2 = (double)NAN};
    int delta = m->running.actions.delta[r->output.action];
    struct microservice_step row = {s->stream, s->episode, s->step, delta, r, &s->last_terms, &unknown};
    if (m->parts.on_step)
        m->parts.on_step(m->parts.on_step_arg, &row);
}

/* Carries the action out and lets the period pass. why: set where the cluster could not be acted on or seen. */
static bool live_through(struct session_model *m, struct session_state *s, struct journal_record *r, struct err *why,
                         struct err *e)
{
    struct cluster *cluster = m->parts.cluster;
    struct sample sample;
    bool acted = control_apply(&m->running, &s->control, cluster, r, why);
    if (m->parts.on_period && !m->parts.on_period(m->parts.arg, s->episode, s->step + 1, e))
        return false;
    if (!cluster_advance(cluster, m->running.period_s, e))
        return false;
    if (!acted || !cluster_sample(cluster, false, &sample, why))
        return true;
    const char *unknown = unknown_signal(&sample);
    if (unknown) {
        (void)err_set(why, ERR_IO, "%s is not known", unknown);
        return true;
    }
    observation_update(&m->running.observation, &s->control.observation, &s->control.target, &sample);
    keep_sample(s, &sample);
    int delta = r->written ? r->guard.replicas - r->guard.from : 0;
    s->last_terms = reward_measured(&m->parts.reward, &s->reward, &s->control.target, &sample, delta);
    return true;
}

static bool step(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                 struct env_result *out, struct err *e)
{
    struct session_model *m = model_of(env);
    struct session_state *s = state;
    struct journal_record r;
    struct err why = {0};
    if (action < 0 || action >= m->running.actions.n)
        return err_set(e, ERR_USAGE, "session: action %d is not within 0..%d", action, m->running.actions.n - 1);
    propose(m, s, action, &r);
    if (!m->begun) // from a checkpoint: what was seen then is too old to act on
        (void)err_set(&why, ERR_IO, "the session was interrupted");
    else if (!live_through(m, s, &r, &why, e))
        return false;
    bool paused = why.code != ERR_NONE;
    if (paused)
        pause_because(m, why.message);
    account(s, &r);
    observe(m, s, obs, mask);
    bool ended = !paused && m->parts.config.end_on_hard && s->last_terms.hard;
    *out = (struct env_result){.reward = (float)s->last_terms.reward,
                               .cost = (float)s->last_terms.cost,
                               .terminated = ended,
                               .truncated = !ended && (paused || s->step >= env->spec.max_steps)};
    report(m, s, &r);
    return true;
}

static void episode(const struct env *env, const void *state, struct env_episode *out)
{
    const struct session_state *s = state;
    double n = s->step > 0 ? s->step : 1;
    (void)env;
    *out = (struct env_episode){.slo_violation = s->violations / n,
                                .replicas_mean = s->replicas_sum / n,
                                .scale_actions = s->scale_actions,
                                .reward_true = (double)NAN};
}

static void close_env(struct env *env)
{
    free((void *)(uintptr_t)env->model);
    env->model = NULL;
}

static const struct env_ops OPS = {init, reset, step, episode, close_env};

static bool check(const struct session_parts *p, struct err *e)
{
    const struct target *t = &p->target;
    if (!microservice_config_check(&p->config, e) || !guard_check(&p->guard, p->config.period_s, "guard.", e))
        return false;
    if (p->config.judge != JUDGE_MEASURED)
        return err_set(e, ERR_USAGE, "env.judge: a live cluster tells only what is measured");
    if (p->observation.period_s != p->config.period_s)
        return err_set(e, ERR_USAGE, "env.period_s: %g s, but the features are made for %g s", p->config.period_s,
                       p->observation.period_s);
    if (t->min_replicas < 1 || t->min_replicas > t->max_replicas)
        return err_set(e, ERR_USAGE, "%s: min replicas %d and max %d do not fit", t->name, t->min_replicas,
                       t->max_replicas);
    if (t->latency_soft_ms > 0 && t->latency_hard_ms > 0 && t->latency_soft_ms > t->latency_hard_ms)
        return err_set(e, ERR_USAGE, "%s: its soft latency limit, %g ms, is above the hard one, %g ms", t->name,
                       t->latency_soft_ms, t->latency_hard_ms);
    return true;
}

bool session_open(const struct session_parts *parts, struct env *out, struct err *e)
{
    struct control control = {.observation = parts->observation,
                              .guard = parts->guard,
                              .target = parts->target,
                              .period_s = parts->config.period_s,
                              .masks = parts->config.masks};
    if (!check(parts, e) || !action_set_init(&control.actions, &parts->config.actions, e))
        return false;
    struct session_model *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_IO, "session: out of memory");
    m->parts = *parts;
    m->found_replicas = parts->found_replicas;
    m->control = m->running = control;
    m->running.guard.flap_budget = 0;
    *out = (struct env){.ops = &OPS,
                        .model = m,
                        .spec = {.id = "microservice",
                                 .obs_dim = parts->observation.n,
                                 .n_actions = control.actions.n,
                                 .max_steps = parts->config.max_steps,
                                 .state_bytes = sizeof(struct session_state)}};
    return true;
}

const struct control *session_control(const struct env *env)
{
    return &model_of(env)->control;
}

int session_found(const struct env *env)
{
    return model_of(env)->found_replicas;
}
