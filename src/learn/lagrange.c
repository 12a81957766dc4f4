/* lagrange: prices the breaking of the SLO. In: the mean cost of a rollout. Out: the multiplier, and rewards with the price
 * taken off. Knows nothing of latency: a cost of 1 is a step over the soft limit because the environment says so. */
#include <maestro/lagrange.h>

#include <math.h>

#define ROW(name, type, fallback, low, high, unit, text)                                                               \
    {                                                                                                                  \
#name, type, offsetof(struct lagrange_config, name), fallback, low, high, unit, NULL, text                     \
    }

const struct config_key lagrange_config_keys[] = {
    ROW(slo_budget, CONFIG_OFF_DOUBLE, "0.01", 0, 1, "ratio",
        "Largest share of periods over the soft latency limit that training accepts; off: the bare reward."),
    ROW(reserve, CONFIG_DOUBLE, "0", 0, 0.95, "ratio",
        "Share of the budget that training keeps back, because loads that it has not seen are harder."),
    ROW(learning_rate, CONFIG_DOUBLE, "0.5", 0, 1e6, NULL,
        "Step of the multiplier per rollout and unit of cost share."),
    ROW(proportional, CONFIG_DOUBLE, "0", 0, 1e6, NULL, "Damping of the multiplier; 0: plain dual ascent."),
    ROW(initial, CONFIG_DOUBLE, "0", 0, 1e6, NULL, "Multiplier before the first rollout."),
    ROW(max_multiplier, CONFIG_DOUBLE, "100", 0, 1e6, NULL, "The multiplier never grows above this."),
};
const int lagrange_config_keys_count = (int)(sizeof lagrange_config_keys / sizeof *lagrange_config_keys);

bool lagrange_on(const struct lagrange_config *config)
{
    return !isnan(config->slo_budget);
}

double lagrange_aim(const struct lagrange_config *config)
{
    return config->slo_budget * (1.0 - config->reserve);
}

static double clamp(double value, double high)
{
    return value < 0.0 ? 0.0 : value > high ? high : value;
}

void lagrange_init(struct lagrange *l, const struct lagrange_config *config)
{
    double first = lagrange_on(config) ? clamp(config->initial, config->max_multiplier) : 0.0;
    *l = (struct lagrange){.integral = first, .lambda = first};
}

void lagrange_shape(const struct lagrange *l, const struct lagrange_config *config, float *rewards, const float *costs,
                    size_t n)
{
    if (!lagrange_on(config))
        return;
    for (size_t i = 0; i < n; i++)
        rewards[i] = (float)((double)rewards[i] - l->lambda * (double)costs[i]);
}

void lagrange_update(struct lagrange *l, const struct lagrange_config *config, double mean_cost)
{
    l->mean_cost = mean_cost;
    if (!lagrange_on(config))
        return;
    double excess = mean_cost - lagrange_aim(config);
    l->integral = clamp(l->integral + config->learning_rate * excess, config->max_multiplier);
    l->lambda = clamp(l->integral + config->proportional * excess, config->max_multiplier);
}
