/* microservice: the learning environment over the simulated cluster. In: an action index. Out: features, mask, reward and
 * cost of one control period. Observation, guard and reward are control's, the service is the simulator's; this file only
 * strings them together and keeps an episode's account. It does not reset itself and draws nothing but the episode's
 * max and whether its first replica count is left as the simulator drew it. */
#include <maestro/microservice.h>

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define KEY(field) offsetof(struct microservice_config, field)
const struct config_key microservice_config_keys[] = {
    {"max_steps", CONFIG_INT, KEY(max_steps), "200", 1, 1000000, NULL, NULL, "Steps of an episode."},
    {"period_s", CONFIG_DOUBLE, KEY(period_s), "15s", 1, 3600, "s", NULL, "Control period, whole seconds."},
    {"actions", CONFIG_INTS, KEY(actions), "[-1, 0, 1]", -REPLICAS_LIMIT, REPLICAS_LIMIT, NULL, NULL,
     "Replica deltas, rising, with 0."},
    {"min_replicas", CONFIG_INT, KEY(min_replicas), "1", 1, REPLICAS_LIMIT, NULL, NULL, "Fewest replicas."},
    {"max_replicas", CONFIG_INT, KEY(max_replicas), "20", 1, REPLICAS_LIMIT, NULL, NULL, "Most replicas."},
    {"max_replicas_low", CONFIG_INT, KEY(max_replicas_low), "0", 0, REPLICAS_LIMIT, NULL, NULL,
     "Each episode's max is drawn between this and max_replicas; 0: always max_replicas."},
    {"latency_soft_ms", CONFIG_OFF_DOUBLE, KEY(latency_soft_ms), "0ms", -1, 1e7, "ms", NULL,
     "Soft latency constraint on p95, at most the hard one; 0: the service profile's; off or -1: unset."},
    {"latency_hard_ms", CONFIG_OFF_DOUBLE, KEY(latency_hard_ms), "0ms", -1, 1e7, "ms", NULL,
     "Hard latency constraint on p95; 0: the service profile's; off or -1: unset."},
    {"masks", CONFIG_BOOL, KEY(masks), "on", 0, 0, NULL, NULL, "Mask moves that are invalid at min and max."},
    {"end_on_hard", CONFIG_BOOL, KEY(end_on_hard), "off", 0, 0, NULL, NULL,
     "A p95 above the hard constraint terminates the episode."},
    {"warm_up_s", CONFIG_DOUBLE, KEY(warm_up_s), "300s", 0, 7200, "s", NULL,
     "Simulated time before an episode's first observation."},
    {"judge", CONFIG_CHOICE, KEY(judge), "measured", 0, 0, NULL, "measured|true",
     "Whether training's reward and cost come from the measured signals or from the true requests."},
};
const int n_microservice_config_keys = sizeof microservice_config_keys / sizeof microservice_config_keys[0];

/* Of the warm-up, before the first look: a rate window of 60 s and one scrape. */
static const double FIRST_LOOK_S = 90;
/* Share of episodes whose warm-up is run at a replica count that fits the load. */
static const double FITTED_STARTS = 0.95;
static const double FITTED_UTILISATION = 0.6;

struct microservice_model {
    struct microservice_parts parts;
    struct control control; /* as configured; the policy file's */
    struct control running; /* the same without flap budget, which is for serving only */
};

struct microservice_state {
    uint64_t seed, stream;
    struct rng rng;
    int episode, step;
    struct control_state control;
    struct reward_state reward;
    struct sample last; /* pods NULL */
    double violations, replicas_sum, true_sum;
    int scale_actions;
};

#define STATE_HEAD ((sizeof(struct microservice_state) + 63) / 64 * 64)

static const struct microservice_model *model_of(const struct env *env)
{
    return env->model;
}

static void bind(const struct env *env, void *state, struct sim *sim)
{
    sim_bind(sim, model_of(env)->parts.model, (struct sim_state *)((unsigned char *)state + STATE_HEAD));
}

static void init(const struct env *env, void *state, uint64_t seed, uint64_t stream)
{
    struct microservice_state *s = state;
    (void)env;
    *s = (struct microservice_state){.seed = seed, .stream = stream};
    rng_init(&s->rng, seed ^ 0x6d61657374726fu, stream);
}

/* A limit as the configuration has it: 0 is the profile's, negative and NaN are unset (0 in struct target). */
static double limit(double configured, double of_profile)
{
    if (configured == 0)
        return of_profile;
    return configured > 0 ? configured : 0;
}

static void draw_target(const struct microservice_model *m, struct microservice_state *s,
                        const struct service_profile *profile)
{
    const struct microservice_config *c = &m->parts.config;
    struct target *t = &s->control.target;
    *t = m->running.target;
    t->latency_soft_ms = limit(c->latency_soft_ms, profile->service.latency_soft_ms);
    t->latency_hard_ms = limit(c->latency_hard_ms, profile->service.latency_hard_ms);
    if (c->max_replicas_low > 0)
        t->max_replicas =
            c->max_replicas_low + (int)rng_bounded(&s->rng, (uint32_t)(c->max_replicas - c->max_replicas_low + 1));
}

/* The replica count that brings CPU to a usual share of the request, for a first look at a service never seen before. */
static int fitted_replicas(const struct target *t, const struct sample *sample)
{
    double request = sample->n_pods > 0 ? sample->pods[0].cpu_request_percent : 0;
    const struct reading *cpu = &sample->signals[SIGNAL_CPU];
    if (cpu->validity != VALIDITY_VALID || request <= 0)
        return t->max_replicas;
    double wanted = ceil(cpu->value / (request * FITTED_UTILISATION));
    return wanted > t->max_replicas ? t->max_replicas : wanted < t->min_replicas ? t->min_replicas : (int)wanted;
}

static int clamp(const struct target *t, int replicas)
{
    if (replicas > t->max_replicas)
        return t->max_replicas;
    return replicas < t->min_replicas ? t->min_replicas : replicas;
}

static bool first_look(const struct microservice_model *m, struct microservice_state *s, struct sim *sim, struct err *e)
{
    const struct target *target = &s->control.target;
    struct sample sample;
    double window_s = m->parts.config.warm_up_s < FIRST_LOOK_S ? floor(m->parts.config.warm_up_s) : FIRST_LOOK_S;
    if ((window_s > 0 && !cluster_advance(&sim->cluster, window_s, e)) ||
        !cluster_sample(&sim->cluster, true, &sample, e))
        return false;
    const struct reading *replicas = &sample.signals[SIGNAL_REPLICAS];
    int present = replicas->validity == VALIDITY_VALID ? (int)replicas->value : target->max_replicas;
    bool fitted = rng_double(&s->rng) < FITTED_STARTS && window_s > 0;
    int wanted = fitted ? fitted_replicas(target, &sample) : clamp(target, present);
    if (wanted != present && !cluster_scale(&sim->cluster, wanted, e))
        return false;
    control_begin(&m->running, &s->control, target, &sample);
    return true;
}

static void keep_sample(struct microservice_state *s, const struct sample *sample)
{
    s->last = *sample;
    s->last.pods = NULL;
    s->last.n_pods = 0;
}

/* Looks once per period for the rest of the warm-up, without acting: means and peaks fill. */
static bool look_on(const struct microservice_model *m, struct microservice_state *s, struct sim *sim, struct err *e)
{
    double period_s = m->running.period_s;
    double left_s = m->parts.config.warm_up_s - FIRST_LOOK_S;
    int n_looks = 1 + (left_s > 0 ? (int)(left_s / period_s) : 0);
    struct sample sample;
    for (int i = 0; i < n_looks; i++)
        if (!cluster_advance(&sim->cluster, period_s, e) ||
            !control_observe(&m->running, &s->control, &sim->cluster, false, &sample, e))
            return false;
    keep_sample(s, &sample);
    return true;
}

static void observe(const struct microservice_model *m, const struct microservice_state *s, float *obs,
                    unsigned char *mask)
{
    observation_features(&m->running.observation, &s->control.observation, obs);
    if (m->running.masks)
        action_mask(&m->running.actions, &s->control.target, (int)s->control.observation.signals[SIGNAL_REPLICAS].value,
                    mask);
    else
        memset(mask, 1, (size_t)m->running.actions.n);
}

static bool reset(const struct env *env, void *state, float *obs, unsigned char *mask, struct err *e)
{
    const struct microservice_model *m = model_of(env);
    struct microservice_state *s = state;
    struct sim sim;
    struct sim_truth unused;
    bind(env, state, &sim);
    /* the episode's number is part of the seed: any episode can be begun without those before it */
    sim_begin(m->parts.model, sim.state, NULL, s->seed + 0x9e3779b97f4a7c15u * (uint64_t)s->episode, s->stream);
    draw_target(m, s, sim_profile(m->parts.model, sim_variant(&sim)));
    s->reward = (struct reward_state){0};
    if (!first_look(m, s, &sim, e) || !look_on(m, s, &sim, e))
        return false;
    /* a first step that sees nothing is judged by this look */
    (void)reward_measured(&m->parts.reward, &s->reward, &s->control.target, &s->last, 0);
    sim_truth_take_brief(&sim, &unused);
    s->episode++;
    s->step = s->scale_actions = 0;
    s->violations = s->replicas_sum = s->true_sum = 0;
    observe(m, s, obs, mask);
    return true;
}

static void propose(const struct microservice_model *m, const struct microservice_state *s, int action,
                    struct journal_record *r)
{
    int present = (int)s->control.observation.signals[SIGNAL_REPLICAS].value;
    r->sample = s->last;
    r->target = s->control.target;
    r->orders = s->control.orders;
    r->kind = POLICY_STEP;
    r->failed = false;
    r->output.action = action;
    r->output.hold = false;
    r->output.replicas = action_replicas(&m->running.actions, &r->target, present, action);
}

/* What only a reader of steps.csv asks for. */
static void describe(const struct microservice_model *m, const struct microservice_state *s, struct journal_record *r)
{
    memset(r, 0, sizeof *r);
    memcpy(r->policy, "training", sizeof "training");
    r->n_features = m->running.observation.n;
    r->n_actions = m->running.actions.n;
    observe(m, s, r->features, r->mask);
}

static struct reward_terms true_terms(const struct microservice_model *m, const struct microservice_state *s,
                                      struct sim *sim)
{
    struct sim_truth truth;
    sim_truth_take_brief(sim, &truth);
    double span_s = truth.seconds > 0 ? truth.seconds : 1;
    return reward_true(&m->parts.reward, &s->control.target, (truth.spec_replica_s + truth.terminating_s) / span_s,
                       truth.p95_ms, truth.requests);
}

/* What is learnt from: changes cost the same whoever judges. */
static double paid(const struct microservice_model *m, const struct microservice_state *s,
                   const struct reward_terms terms[2], int delta)
{
    if (m->parts.config.judge != JUDGE_TRUE)
        return terms[0].reward;
    return terms[1].reward - reward_penalty(&m->parts.reward, &s->control.target, delta);
}

static void account(struct microservice_state *s, const struct journal_record *r, const struct reward_terms *judged,
                    const struct reward_terms *truth)
{
    s->step++;
    s->violations += judged->cost;
    s->replicas_sum += s->control.observation.signals[SIGNAL_REPLICAS].value;
    s->true_sum += truth->reward;
    s->scale_actions += r->written;
}

/* The record's features are what the action was chosen from; steps.csv wants them beside the outcome. */
static void report(const struct microservice_model *m, const struct microservice_state *s,
                   const struct journal_record *r, const struct reward_terms terms[2])
{
    int delta = m->running.actions.delta[r->output.action];
    struct microservice_step row = {s->stream, s->episode, s->step, delta, r, &terms[0], &terms[1]};
    m->parts.on_step(m->parts.on_step_arg, &row);
}

static bool step(const struct env *env, void *state, int action, float *obs, unsigned char *mask,
                 struct env_result *out, struct err *e)
{
    const struct microservice_model *m = model_of(env);
    struct microservice_state *s = state;
    struct journal_record r;
    struct sample sample;
    struct sim sim;
    if (action < 0 || action >= m->running.actions.n)
        return err_set(e, ERR_USAGE, "microservice: action %d is not within 0..%d", action, m->running.actions.n - 1);
    bind(env, state, &sim);
    if (m->parts.on_step)
        describe(m, s, &r);
    propose(m, s, action, &r);
    if (!control_apply(&m->running, &s->control, &sim.cluster, &r, e) ||
        !cluster_advance(&sim.cluster, m->running.period_s, e) ||
        !control_observe(&m->running, &s->control, &sim.cluster, false, &sample, e))
        return false;
    keep_sample(s, &sample);
    int delta = r.written ? r.guard.replicas - r.guard.from : 0;
    struct reward_terms terms[2];
    terms[0] = reward_measured(&m->parts.reward, &s->reward, &s->control.target, &sample, delta);
    terms[1] = true_terms(m, s, &sim);
    const struct reward_terms *judged = &terms[m->parts.config.judge == JUDGE_TRUE];
    account(s, &r, judged, &terms[1]);
    observe(m, s, obs, mask);
    bool ended = m->parts.config.end_on_hard && judged->hard;
    *out = (struct env_result){.reward = (float)paid(m, s, terms, delta),
                               .cost = (float)judged->cost,
                               .terminated = ended,
                               .truncated = !ended && s->step >= env->spec.max_steps};
    if (m->parts.on_step)
        report(m, s, &r, terms);
    return true;
}

static void episode(const struct env *env, const void *state, struct env_episode *out)
{
    const struct microservice_state *s = state;
    double n = s->step > 0 ? s->step : 1;
    (void)env;
    *out = (struct env_episode){.slo_violation = s->violations / n,
                                .replicas_mean = s->replicas_sum / n,
                                .scale_actions = s->scale_actions,
                                .reward_true = s->true_sum / n};
}

static void close_env(struct env *env)
{
    free((void *)(uintptr_t)env->model);
    env->model = NULL;
}

static const struct env_ops OPS = {init, reset, step, episode, close_env};

bool microservice_config_check(const struct microservice_config *c, struct err *e)
{
    if (c->period_s != floor(c->period_s))
        return err_set(e, ERR_USAGE, "env.period_s: %g s is not a whole number of seconds", c->period_s);
    if (c->warm_up_s != floor(c->warm_up_s))
        return err_set(e, ERR_USAGE, "env.warm_up_s: %g s is not a whole number of seconds", c->warm_up_s);
    if (c->min_replicas > c->max_replicas)
        return err_set(e, ERR_USAGE, "env.min_replicas: %d is more than max_replicas %d", c->min_replicas,
                       c->max_replicas);
    if (c->max_replicas_low > 0 && (c->max_replicas_low < c->min_replicas || c->max_replicas_low > c->max_replicas))
        return err_set(e, ERR_USAGE, "env.max_replicas_low: %d is not within min_replicas %d..max_replicas %d",
                       c->max_replicas_low, c->min_replicas, c->max_replicas);
    if (c->latency_soft_ms > 0 && c->latency_hard_ms > 0 && c->latency_soft_ms > c->latency_hard_ms)
        return err_set(e, ERR_USAGE, "env.latency_soft_ms: %g ms is above latency_hard_ms %g ms", c->latency_soft_ms,
                       c->latency_hard_ms);
    return true;
}

static struct target target_of(const struct microservice_parts *parts)
{
    const struct service_profile *profile = sim_profile(parts->model, 0);
    struct target t = {.min_replicas = parts->config.min_replicas,
                       .max_replicas = parts->config.max_replicas,
                       .latency_soft_ms = limit(parts->config.latency_soft_ms, profile->service.latency_soft_ms),
                       .latency_hard_ms = limit(parts->config.latency_hard_ms, profile->service.latency_hard_ms)};
    memcpy(t.name, profile->name, sizeof profile->name); // the rest of it stays zero
    return t;
}

/* The limits in force: either may be the profile's. */
static bool check_limits(const struct microservice_config *c, const struct target *t, struct err *e)
{
    if (!(t->latency_hard_ms > 0 && t->latency_soft_ms > t->latency_hard_ms))
        return true;
    return err_set(e, ERR_USAGE, "env.latency_soft_ms: %g ms%s is above latency_hard_ms %g ms%s", t->latency_soft_ms,
                   c->latency_soft_ms == 0 ? " (the profile's)" : "", t->latency_hard_ms,
                   c->latency_hard_ms == 0 ? " (the profile's)" : "");
}

bool microservice_open(const struct microservice_parts *parts, struct env *out, struct err *e)
{
    struct control control = {.observation = parts->observation,
                              .guard = parts->guard,
                              .target = target_of(parts),
                              .period_s = parts->config.period_s,
                              .masks = parts->config.masks};
    if (!microservice_config_check(&parts->config, e) || !check_limits(&parts->config, &control.target, e) ||
        !guard_check(&parts->guard, control.period_s, "guard.", e) ||
        !action_set_init(&control.actions, &parts->config.actions, e))
        return false;
    if (parts->observation.period_s != control.period_s)
        return err_set(e, ERR_USAGE, "env.period_s: %g s, but the features are made for %g s", control.period_s,
                       parts->observation.period_s);
    struct microservice_model *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_IO, "microservice: out of memory");
    m->parts = *parts;
    m->control = m->running = control;
    m->running.guard.flap_budget = 0;
    *out = (struct env){.ops = &OPS,
                        .model = m,
                        .spec = {.id = "microservice",
                                 .obs_dim = parts->observation.n,
                                 .n_actions = control.actions.n,
                                 .max_steps = parts->config.max_steps,
                                 .state_bytes = STATE_HEAD + sim_state_bytes()}};
    return true;
}

const struct control *microservice_control(const struct env *env)
{
    return &model_of(env)->control;
}
