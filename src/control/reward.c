/* reward: the reward's terms and the SLO cost of one period from plain numbers. Does not know whether they were measured or
 * true, nor who asks. */
#include <maestro/reward.h>

#include <stddef.h>

const struct config_key reward_config_keys[] = {
    {"weight_replicas", CONFIG_DOUBLE, offsetof(struct reward_config, weight_replicas), "0.3", 0, 100, NULL, NULL,
     "Weight of r1, the share of replicas not used."},
    {"weight_latency", CONFIG_DOUBLE, offsetof(struct reward_config, weight_latency), "0.7", 0, 100, NULL, NULL,
     "Weight of r2, the latency term."},
    {"change_penalty", CONFIG_DOUBLE, offsetof(struct reward_config, change_penalty), "0", 0, 100, NULL, NULL,
     "Penalty for every replica added or removed, as a share of max."},
};
const int n_reward_config_keys = sizeof reward_config_keys / sizeof reward_config_keys[0];

bool reward_constrained(const struct target *target)
{
    return target->latency_soft_ms > 0 || target->latency_hard_ms > 0;
}

static double soft_limit(const struct target *t)
{
    return t->latency_soft_ms > 0 ? t->latency_soft_ms : t->latency_hard_ms;
}

static double hard_limit(const struct target *t)
{
    return t->latency_hard_ms > 0 ? t->latency_hard_ms : t->latency_soft_ms;
}

static double latency_term(const struct target *t, double p95_ms)
{
    double soft = soft_limit(t), hard = hard_limit(t);
    if (!reward_constrained(t))
        return 0;
    if (p95_ms <= soft)
        return 1;
    return p95_ms <= hard ? (hard - p95_ms) / (hard - soft) : -1;
}

static struct reward_terms terms_of(const struct reward_config *config, const struct target *t, double replicas,
                                    double p95_ms)
{
    double max = t->max_replicas > 0 ? t->max_replicas : 1;
    bool constrained = reward_constrained(t);
    struct reward_terms terms = {
        .r1 = (max - replicas) / max,
        .r2 = latency_term(t, p95_ms),
        .cost = constrained && p95_ms > soft_limit(t),
        .hard = constrained && p95_ms > hard_limit(t),
    };
    terms.reward = config->weight_replicas * terms.r1 + config->weight_latency * terms.r2;
    return terms;
}

double reward_penalty(const struct reward_config *config, const struct target *target, int delta)
{
    int size = delta < 0 ? -delta : delta;
    return config->change_penalty * size / (target->max_replicas > 0 ? target->max_replicas : 1);
}

struct reward_terms reward_measured(const struct reward_config *config, struct reward_state *state,
                                    const struct target *target, const struct sample *sample, int delta)
{
    const struct reading *p95 = &sample->signals[SIGNAL_P95], *replicas = &sample->signals[SIGNAL_REPLICAS];
    if (p95->validity == VALIDITY_VALID && p95->value >= 0)
        state->p95_ms = p95->value;
    else if (p95->validity == VALIDITY_ABSENT)
        state->p95_ms = 0;
    if (replicas->validity == VALIDITY_VALID && replicas->value >= 0)
        state->replicas = replicas->value;
    struct reward_terms terms = terms_of(config, target, state->replicas, state->p95_ms);
    terms.reward -= reward_penalty(config, target, delta);
    return terms;
}

struct reward_terms reward_true(const struct reward_config *config, const struct target *target, double cost_replicas,
                                double p95_ms, double n_requests)
{
    return terms_of(config, target, cost_replicas, n_requests > 0 ? p95_ms : 0);
}
