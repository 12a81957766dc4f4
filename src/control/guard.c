/* guard: from a policy's proposal to the count that is written. A chain of steps, each of which takes the count wanted so
 * far and returns a safer one; the trace keeps them all. Stabilisation and rate follow the rules of the HPA's behaviour
 * (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior). Knows
 * neither clocks nor clusters: time is the sample's. */
#include <maestro/guard.h>

#include <stddef.h>
#include <string.h>

#define KEY(field) offsetof(struct guard_config, field)
const struct config_key guard_config_keys[] = {
    {"enabled", CONFIG_BOOL, KEY(enabled), "on", 0, 0, NULL, NULL,
     "The guard chain; off leaves min/max and the refusal to act on unreadable replicas."},
    {"tolerance", CONFIG_DOUBLE, KEY(tolerance), "0", 0, 1, "ratio", NULL,
     "Absolute proposals within this share of the present count are not carried out; 0: off."},
    {"stabilise_up_s", CONFIG_DOUBLE, KEY(stabilise_up_s), "0s", 0, 3600, "s", NULL,
     "Up only to the lowest proposal of this window, of at most 64 control periods."},
    {"stabilise_down_s", CONFIG_DOUBLE, KEY(stabilise_down_s), "0s", 0, 3600, "s", NULL,
     "Down only to the highest proposal of this window, of at most 64 control periods."},
    {"rate_up", CONFIG_INT, KEY(rate_up), "0", 0, 1000, NULL, NULL,
     "Most replicas added per rate period; 0: the action set is the limit."},
    {"rate_down", CONFIG_INT, KEY(rate_down), "0", 0, 1000, NULL, NULL,
     "Most replicas removed per rate period; 0: the action set is the limit."},
    {"rate_period_s", CONFIG_DOUBLE, KEY(rate_period_s), "0s", 0, 1800, "s", NULL,
     "Period of the rate limits, at most 64 control periods; 0: each decision by itself."},
    {"flap_budget", CONFIG_INT, KEY(flap_budget), "0", 0, 60, NULL, NULL,
     "Direction changes per hour, after which only up is allowed; 0: no limit. For serving."},
    {"fallback", CONFIG_CHOICE, KEY(fallback), "hold", 0, 0, NULL, "hold|currentReplicasIfHigher",
     "What a failed policy or missing load signals lead to."},
    {"fallback_replicas", CONFIG_INT, KEY(fallback_replicas), "1", 0, 1000, NULL, NULL,
     "The count of currentReplicasIfHigher: at least this many."},
    {"ood_limit", CONFIG_DOUBLE, KEY(ood_limit), "0", 0, 1e6, NULL, NULL,
     "Distance outside the training range, in widths of it, from which the HPA rule decides and never down; 0: off. "
     "For "
     "serving."},
    {"start_hold_s", CONFIG_DOUBLE, KEY(start_hold_s), "0s", 0, 3600, "s", NULL,
     "Not down for so long after a start; 0: off. For serving."},
    {"rollout_up", CONFIG_INT, KEY(rollout_up), "0", 0, 1000, NULL, NULL,
     "Most replicas added per decision while a rollout is under way; 0: no limit."},
    {"starting_counts", CONFIG_BOOL, KEY(starting_counts), "off", 0, 0, NULL, NULL,
     "Pods that are starting are taken off every proposal to go up."},
    {"strict", CONFIG_BOOL, KEY(strict), "off", 0, 0, NULL, NULL,
     "Policies with windows of their own are held by partial failure and flap budget too. For serving."},
};
const int n_guard_config_keys = sizeof guard_config_keys / sizeof guard_config_keys[0];

static const double FLAP_WINDOW_S = 3600;

bool guard_check(const struct guard_config *config, double period_s, const char *prefix, struct err *e)
{
    const struct {
        const char *key;
        double span_s;
    } rows[] = {{"stabilise_up_s", config->stabilise_up_s},
                {"stabilise_down_s", config->stabilise_down_s},
                {"rate_period_s", config->rate_period_s}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].span_s > GUARD_HISTORY * period_s)
            return err_set(e, ERR_USAGE, "%s%s: %g s is longer than %d control periods of %g s: at most %g s", prefix,
                           rows[i].key, rows[i].span_s, GUARD_HISTORY, period_s, GUARD_HISTORY * period_s);
    return true;
}

/* What the steps share; wanted is the count so far. */
struct chain {
    const struct guard_config *config;
    struct guard_state *state;
    const struct guard_input *in;
    struct guard_trace *out;
    int from;
    int wanted;
    double now_s;
};

static void mark(struct guard_mark *ring, int *n, double time_s, int value)
{
    ring[*n % GUARD_HISTORY] = (struct guard_mark){time_s, value};
    *n = *n + 1 < 2 * GUARD_HISTORY ? *n + 1 : GUARD_HISTORY + (*n + 1) % GUARD_HISTORY;
}

static int n_kept(int n)
{
    return n < GUARD_HISTORY ? n : GUARD_HISTORY;
}

/* The i-th latest entry, 0 the newest. */
static const struct guard_mark *latest(const struct guard_mark *ring, int n, int i)
{
    return &ring[(n - 1 - i) % GUARD_HISTORY];
}

void guard_reset(struct guard_state *state, double time_s, int replicas)
{
    memset(state, 0, sizeof *state);
    mark(state->proposals, &state->n_proposals, time_s, replicas);
    state->start_s = time_s;
}

/* Records a step; a change makes its reason the reason so far. */
static void record(struct chain *c, enum guard_step step, int after, enum guard_reason reason)
{
    c->out->before[step] = c->wanted;
    c->out->after[step] = after;
    c->out->ran[step] = true;
    if (after != c->wanted)
        c->out->reason = reason;
    c->wanted = after;
}

static void skip(struct chain *c, enum guard_step step)
{
    c->out->before[step] = c->out->after[step] = c->wanted;
    c->out->ran[step] = false;
}

static bool trusted(const struct reading *r)
{
    return r->validity == VALIDITY_ABSENT || (r->validity == VALIDITY_VALID && r->value >= 0 && r->value <= 1e15);
}

static bool blind(const struct sample *s)
{
    return !trusted(&s->signals[SIGNAL_CPU]) && !trusted(&s->signals[SIGNAL_P95]) && !trusted(&s->signals[SIGNAL_RPS]);
}

static bool partial(const struct sample *s)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (!trusted(&s->signals[i]))
            return true;
    return false;
}

static int fallback(const struct chain *c)
{
    bool higher = c->config->fallback == GUARD_FALLBACK_IF_HIGHER && c->config->fallback_replicas > c->from;
    return higher ? c->config->fallback_replicas : c->from;
}

static void step_validity(struct chain *c)
{
    const struct guard_proposal *p = &c->in->proposal;
    int after = c->wanted;
    if (p->failed || (!p->own_signals && blind(c->in->sample))) {
        after = fallback(c);
        c->out->reason = p->failed ? GUARD_REASON_POLICY_FAILED : GUARD_REASON_BLIND;
    }
    record(c, GUARD_VALIDITY, after, c->out->reason);
}

/* Behind validity: what was replaced there is no network's proposal any more. */
static bool outside(const struct chain *c)
{
    const struct guard_proposal *p = &c->in->proposal;
    return c->config->ood_limit > 0 && (double)p->ood > c->config->ood_limit && !p->failed && !p->stand_in &&
           !blind(c->in->sample);
}

static void step_ood(struct chain *c)
{
    int rule = c->in->proposal.rule_replicas;
    c->out->reason = GUARD_REASON_OOD;
    record(c, GUARD_OOD, rule > c->from ? rule : c->from, GUARD_REASON_OOD);
}

static void step_partial(struct chain *c)
{
    bool cut = c->wanted < c->from && partial(c->in->sample);
    record(c, GUARD_PARTIAL, cut ? c->from : c->wanted, GUARD_REASON_PARTIAL);
}

static void step_start(struct chain *c)
{
    bool young = c->now_s - c->state->start_s < c->config->start_hold_s;
    record(c, GUARD_START, young && c->wanted < c->from ? c->from : c->wanted, GUARD_REASON_START);
}

/* Two versions share the load while pods are replaced, and surge pods use CPU for starting: neither is to be read as
 * load. */
static void step_rollout(struct chain *c)
{
    int highest = c->from + c->config->rollout_up;
    if (c->wanted < c->from)
        record(c, GUARD_ROLLOUT, c->from, GUARD_REASON_ROLLOUT_DOWN);
    else if (c->config->rollout_up > 0 && c->wanted > highest)
        record(c, GUARD_ROLLOUT, highest, GUARD_REASON_ROLLOUT_UP);
    else
        record(c, GUARD_ROLLOUT, c->wanted, c->out->reason);
}

static void step_starting(struct chain *c)
{
    int missing = c->wanted - c->from - c->in->sample->starting;
    bool cut = c->wanted > c->from && c->in->sample->starting > 0;
    record(c, GUARD_STARTING, cut ? c->from + (missing > 0 ? missing : 0) : c->wanted, GUARD_REASON_STARTING);
}

static void step_tolerance(struct chain *c)
{
    int distance = c->wanted > c->from ? c->wanted - c->from : c->from - c->wanted;
    bool near = distance <= c->config->tolerance * c->from;
    record(c, GUARD_TOLERANCE, near ? c->from : c->wanted, GUARD_REASON_TOLERANCE);
}

/* Lowest (sign 1) or highest (sign -1) proposal within the window, the present one included. */
static int extreme(const struct chain *c, double window_s, int sign)
{
    int found = c->wanted;
    for (int i = 0; i < n_kept(c->state->n_proposals); i++) {
        const struct guard_mark *m = latest(c->state->proposals, c->state->n_proposals, i);
        if (c->now_s - m->time_s >= window_s)
            break;
        if (sign * m->value < sign * found)
            found = m->value;
    }
    return found;
}

static void step_stabilisation(struct chain *c)
{
    int after = c->wanted;
    enum guard_reason reason = c->out->reason;
    if (c->wanted > c->from) {
        int low = extreme(c, c->config->stabilise_up_s, 1);
        after = low > c->from ? low : c->from;
        reason = GUARD_REASON_STABILISED_UP;
    } else if (c->wanted < c->from) {
        int high = extreme(c, c->config->stabilise_down_s, -1);
        after = high < c->from ? high : c->from;
        reason = GUARD_REASON_STABILISED_DOWN;
    }
    mark(c->state->proposals, &c->state->n_proposals, c->now_s, c->wanted);
    record(c, GUARD_STABILISATION, after, reason);
}

/* Replicas already added (sign 1) or removed (sign -1) in the rate period. */
static int spent(const struct chain *c, int sign)
{
    int sum = 0;
    for (int i = 0; i < n_kept(c->state->n_changes); i++) {
        const struct guard_mark *m = latest(c->state->changes, c->state->n_changes, i);
        if (c->now_s - m->time_s >= c->config->rate_period_s)
            break;
        if (sign * m->value > 0)
            sum += sign * m->value;
    }
    return sum;
}

static void step_rate(struct chain *c)
{
    int after = c->wanted;
    if (c->config->rate_up > 0 && c->wanted > c->from) {
        int left = c->config->rate_up - spent(c, 1);
        int highest = c->from + (left > 0 ? left : 0);
        after = c->wanted < highest ? c->wanted : highest;
    } else if (c->config->rate_down > 0 && c->wanted < c->from) {
        int left = c->config->rate_down - spent(c, -1);
        int lowest = c->from - (left > 0 ? left : 0);
        after = c->wanted > lowest ? c->wanted : lowest;
    }
    record(c, GUARD_RATE, after, c->wanted > c->from ? GUARD_REASON_RATE_UP : GUARD_REASON_RATE_DOWN);
}

static int direction_changes(const struct chain *c)
{
    int n = 0;
    for (int i = 0; i + 1 < n_kept(c->state->n_changes); i++) {
        const struct guard_mark *m = latest(c->state->changes, c->state->n_changes, i);
        const struct guard_mark *older = latest(c->state->changes, c->state->n_changes, i + 1);
        if (c->now_s - m->time_s >= FLAP_WINDOW_S)
            break;
        n += (m->value > 0) != (older->value > 0);
    }
    return n;
}

static void step_flap(struct chain *c)
{
    bool cut = c->wanted < c->from && direction_changes(c) >= c->config->flap_budget;
    record(c, GUARD_FLAP, cut ? c->from : c->wanted, GUARD_REASON_FLAP);
}

static void step_limits(struct chain *c)
{
    const struct target *t = c->in->target;
    if (c->wanted > t->max_replicas)
        record(c, GUARD_LIMITS, t->max_replicas, GUARD_REASON_MAX);
    else
        record(c, GUARD_LIMITS, c->wanted < t->min_replicas ? t->min_replicas : c->wanted, GUARD_REASON_MIN);
}

/* A lowered max; where the limits have already brought the count down to it, it is still the human's doing. */
static void order_max(struct chain *c)
{
    const struct guard_orders *orders = c->in->orders;
    int limit = c->in->target->max_replicas;
    int present = c->from < limit ? c->from : limit;
    int kept = orders->no_down && c->wanted < present ? present : c->wanted;
    if (!orders->has_max || orders->max_replicas >= (c->from > kept ? c->from : kept)) {
        record(c, GUARD_HUMAN, kept, GUARD_REASON_HUMAN_NO_DOWN);
        return;
    }
    bool lowered = kept >= orders->max_replicas;
    record(c, GUARD_HUMAN, lowered ? orders->max_replicas : kept, GUARD_REASON_HUMAN_MAX);
    if (lowered)
        c->out->reason = GUARD_REASON_HUMAN_MAX;
}

/* Restore outranks pause, pause outranks a lowered max. A standing order is the reason even where it changes nothing. */
static void step_human(struct chain *c)
{
    const struct guard_orders *orders = c->in->orders;
    if (orders->has_restore)
        record(c, GUARD_HUMAN, orders->restore_replicas, c->out->reason = GUARD_REASON_HUMAN_RESTORE);
    else if (orders->has_pause)
        record(c, GUARD_HUMAN, orders->pause_replicas, c->out->reason = GUARD_REASON_HUMAN_PAUSE);
    else
        order_max(c);
}

static void run_or_skip(struct chain *c, enum guard_step step, bool wanted, void (*run)(struct chain *))
{
    if (wanted)
        run(c);
    else
        skip(c, step);
}

/* An absolute policy has windows of its own: it runs behind validity, tolerance if one is set, and the limits. */
static void run_chain(struct chain *c)
{
    const struct guard_config *g = c->config;
    bool stepwise = c->in->proposal.kind == POLICY_STEP;
    run_or_skip(c, GUARD_VALIDITY, g->enabled || c->in->proposal.failed, step_validity);
    run_or_skip(c, GUARD_OOD, g->enabled && outside(c), step_ood);
    run_or_skip(c, GUARD_PARTIAL, g->enabled && (stepwise || g->strict), step_partial);
    run_or_skip(c, GUARD_START, g->enabled && g->start_hold_s > 0, step_start);
    run_or_skip(c, GUARD_ROLLOUT, g->enabled && c->in->sample->rolling_out, step_rollout);
    run_or_skip(c, GUARD_STARTING, g->enabled && g->starting_counts, step_starting);
    run_or_skip(c, GUARD_TOLERANCE, g->enabled && !stepwise && g->tolerance > 0, step_tolerance);
    run_or_skip(c, GUARD_STABILISATION, g->enabled && stepwise, step_stabilisation);
    run_or_skip(c, GUARD_RATE, g->enabled && stepwise, step_rate);
    run_or_skip(c, GUARD_FLAP, g->enabled && (stepwise || g->strict) && g->flap_budget > 0, step_flap);
    step_limits(c);
}

/* spec.replicas cannot be read: only an order that names a count is carried out. */
static void run_unknown(struct chain *c)
{
    const struct guard_orders *orders = c->in->orders;
    for (int i = 0; i < GUARD_HUMAN; i++)
        skip(c, (enum guard_step)i);
    c->out->reason = GUARD_REASON_REPLICAS_UNKNOWN;
    if (orders && (orders->has_restore || orders->has_pause))
        step_human(c);
    else
        skip(c, GUARD_HUMAN);
}

static void run_known(struct chain *c)
{
    const struct guard_proposal *p = &c->in->proposal;
    bool silent = p->hold || p->failed;
    c->wanted = silent ? c->from : p->replicas;
    c->out->reason = p->hold                ? GUARD_REASON_POLICY_HELD
                     : c->wanted == c->from ? GUARD_REASON_STEADY
                     : p->stand_in          ? GUARD_REASON_STAND_IN
                                            : GUARD_REASON_POLICY;
    run_chain(c);
    run_or_skip(c, GUARD_HUMAN, c->in->orders != NULL, step_human);
}

void guard_run(const struct guard_config *config, struct guard_state *state, const struct guard_input *in,
               struct guard_trace *out)
{
    const struct reading *replicas = &in->sample->signals[SIGNAL_REPLICAS];
    bool known = replicas->validity == VALIDITY_VALID && replicas->value >= 0 && replicas->value <= 1e6;
    struct chain c = {.config = config,
                      .state = state,
                      .in = in,
                      .out = out,
                      .from = known ? (int)replicas->value : -1,
                      .wanted = -1,
                      .now_s = in->sample->time_s};
    if (known)
        run_known(&c);
    else
        run_unknown(&c);
    out->from = c.from;
    out->replicas = c.wanted;
}

void guard_executed(struct guard_state *state, double time_s, const struct guard_trace *trace)
{
    if (trace->from >= 0 && trace->replicas != trace->from)
        mark(state->changes, &state->n_changes, time_s, trace->replicas - trace->from);
}

static const char *const STEP_NAMES[GUARD_STEPS] = {"validity", "ood",      "partial",   "start",
                                                    "rollout",  "starting", "tolerance", "stabilisation",
                                                    "rate",     "flap",     "limits",    "human"};

static const char *const REASON_NAMES[GUARD_REASONS] = {
    [GUARD_REASON_STEADY] = "steady",
    [GUARD_REASON_POLICY] = "policy",
    [GUARD_REASON_POLICY_HELD] = "policy_held",
    [GUARD_REASON_POLICY_FAILED] = "policy_failed",
    [GUARD_REASON_REPLICAS_UNKNOWN] = "replicas_unknown",
    [GUARD_REASON_BLIND] = "blind",
    [GUARD_REASON_OOD] = "ood",
    [GUARD_REASON_PARTIAL] = "partial_failure",
    [GUARD_REASON_START] = "just_started",
    [GUARD_REASON_ROLLOUT_DOWN] = "rollout_down",
    [GUARD_REASON_ROLLOUT_UP] = "rollout_up",
    [GUARD_REASON_STARTING] = "starting_pods",
    [GUARD_REASON_TOLERANCE] = "tolerance",
    [GUARD_REASON_STABILISED_UP] = "stabilised_up",
    [GUARD_REASON_STABILISED_DOWN] = "stabilised_down",
    [GUARD_REASON_RATE_UP] = "rate_up",
    [GUARD_REASON_RATE_DOWN] = "rate_down",
    [GUARD_REASON_FLAP] = "flap_budget",
    [GUARD_REASON_MIN] = "min_replicas",
    [GUARD_REASON_MAX] = "max_replicas",
    [GUARD_REASON_HUMAN_MAX] = "human_max",
    [GUARD_REASON_HUMAN_PAUSE] = "human_pause",
    [GUARD_REASON_HUMAN_RESTORE] = "human_restore",
    [GUARD_REASON_HUMAN_NO_DOWN] = "human_scale_in_paused",
    [GUARD_REASON_STAND_IN] = "breaker",
};

const char *guard_step_name(enum guard_step step)
{
    return STEP_NAMES[step];
}

const char *guard_reason_name(enum guard_reason reason)
{
    return REASON_NAMES[reason];
}

bool guard_reason_parse(const char *name, enum guard_reason *out)
{
    for (int i = 0; i < GUARD_REASONS; i++)
        if (strcmp(REASON_NAMES[i], name) == 0) {
            *out = (enum guard_reason)i;
            return true;
        }
    return false;
}
