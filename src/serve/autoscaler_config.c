/* autoscaler_config: the table of section "autoscaler" and what its keys mean together. */
#include <maestro/autoscaler.h>

#include <stddef.h>

#define KEY(name, type, field, fallback, low, high, unit, choices, text)                                               \
    {                                                                                                                  \
        name, type, offsetof(struct autoscaler_config, field), fallback, low, high, unit, choices, text                \
    }

const struct config_key autoscaler_config_keys[] = {
    KEY("tick_s", CONFIG_DOUBLE, tick_s, "5s", 0.1, 300, "s", NULL, "Time between looks at the fleet."),
    KEY("mode", CONFIG_CHOICE, mode, "shadow", 0, 0, NULL, "off|shadow|dry-run|active",
        "Of targets without a mode annotation."),
    KEY("policy", CONFIG_STRING, policy, "hpa", 0, 0, NULL, NULL,
        "Of targets without a policy annotation; ppo:FILE or a name of autoscaler.policies."),
    KEY("policies", CONFIG_STRING, policies, "", 0, 0, NULL, NULL, "Folder of policy files, NAME.safetensors."),
    KEY("allowed", CONFIG_TEXTS, allowed, "hpa,fixed,ppo", 0, 0, NULL, NULL,
        "Policies that annotations may ask for: kinds, or whole texts (remote:URL only as a whole)."),
    KEY("breaker", CONFIG_STRING, breaker, "hpa", 0, 0, NULL, NULL,
        "Decides in place of a policy that fails again and again."),
    KEY("min_replicas", CONFIG_INT, min_replicas, "1", 1, 100000, NULL, NULL, "Least, without an annotation."),
    KEY("max_replicas", CONFIG_INT, max_replicas, "20", 1, 100000, NULL, NULL, "Most, without an annotation."),
    KEY("latency_soft_ms", CONFIG_DOUBLE, latency_soft_ms, "0ms", 0, 1e7, "ms", NULL,
        "Soft latency limit, without an annotation; 0: none."),
    KEY("latency_hard_ms", CONFIG_DOUBLE, latency_hard_ms, "0ms", 0, 1e7, "ms", NULL,
        "Hard latency limit, without an annotation; 0: none."),
    KEY("interval_s", CONFIG_DOUBLE, interval_s, "0s", 0, 3600, "s", NULL,
        "Between decisions, without an annotation; 0: what the policy was made for."),
    KEY("fallback", CONFIG_CHOICE, fallback, "hold", 0, 0, NULL, "hold|currentReplicasIfHigher",
        "What a failed policy or missing load signals lead to."),
    KEY("fallback_replicas", CONFIG_INT, fallback_replicas, "1", 0, 100000, NULL, NULL,
        "The count of currentReplicasIfHigher: at least this many."),
    KEY("failures", CONFIG_INT, failures, "3", 0, 1000, NULL, NULL,
        "Failures of a policy in a row until the breaker's policy decides; 0: never."),
    KEY("successes", CONFIG_INT, successes, "3", 1, 1000, NULL, NULL,
        "Successes in a row until the policy is trusted again."),
    KEY("ood_limit", CONFIG_DOUBLE, ood_limit, "1", 0, 1e6, NULL, NULL,
        "Distance outside the training range, in widths of it, from which the HPA rule decides and never down; 0: "
        "off."),
    KEY("flap_budget", CONFIG_INT, flap_budget, "12", 0, 60, NULL, NULL,
        "Direction changes per hour, after which only up is allowed; 0: no limit."),
    KEY("rollout_up", CONFIG_INT, rollout_up, "1", 0, 1000, NULL, NULL,
        "Most replicas added per decision while a rollout is under way; 0: no limit."),
    KEY("start_hold_s", CONFIG_DOUBLE, start_hold_s, "0s", 0, 3600, "s", NULL,
        "Not down for so long after a start; 0: the longer of stabilisation window and interval."),
    KEY("conflict_cooldown_s", CONFIG_DOUBLE, conflict_cooldown_s, "5min", 0, 86400, "s", NULL,
        "Stepped back for so long after somebody else's write of the count."),
    KEY("view_limit_s", CONFIG_DOUBLE, view_limit_s, "60s", 1, 3600, "s", NULL,
        "A view of the API that is older is not acted on."),
    KEY("writes_per_s", CONFIG_DOUBLE, writes_per_s, "10", 0.01, 10000, NULL, NULL, "Writes to the API, at most."),
    KEY("writes_burst", CONFIG_INT, writes_burst, "50", 1, 100000, NULL, NULL, "Writes at once, at most."),
    KEY("journal", CONFIG_STRING, journal, "", 0, 0, NULL, NULL, "File of decisions; empty: none."),
    KEY("journal_limit_bytes", CONFIG_DOUBLE, journal_limit_bytes, "64MiB", 0, 1e15, "bytes", NULL,
        "Size from which the file is rotated; 0: never."),
    KEY("journal_keep", CONFIG_INT, journal_keep, "8", 0, 1000, NULL, NULL, "Older files that are kept."),
    KEY("address", CONFIG_STRING, address, "0.0.0.0", 0, 0, NULL, NULL, "Listens here for health, metrics and why."),
    KEY("port", CONFIG_INT, port, "8082", 0, 65535, NULL, NULL, "0: any free one."),
};
const int n_autoscaler_config_keys = (int)(sizeof autoscaler_config_keys / sizeof *autoscaler_config_keys);

bool autoscaler_config_check(const struct autoscaler_config *c, struct err *e)
{
    if (c->min_replicas > c->max_replicas)
        return err_set(e, ERR_USAGE, "autoscaler.min_replicas: %d is above autoscaler.max_replicas, which is %d",
                       c->min_replicas, c->max_replicas);
    if (c->latency_soft_ms > 0 && c->latency_hard_ms > 0 && c->latency_soft_ms > c->latency_hard_ms)
        return err_set(e, ERR_USAGE,
                       "autoscaler.latency_soft_ms: %g ms is above autoscaler.latency_hard_ms, which is %g ms",
                       c->latency_soft_ms, c->latency_hard_ms);
    if (c->interval_s > 0 && c->interval_s < c->tick_s)
        return err_set(e, ERR_USAGE, "autoscaler.interval_s: %g s is shorter than autoscaler.tick_s, which is %g s",
                       c->interval_s, c->tick_s);
    return true;
}
