/* action: action indices to replica counts and back. Pure functions of the set, the limits and the present count; knows
 * nothing of policies or guards. */
#include <maestro/action.h>

static int clamp(const struct target *target, int replicas)
{
    if (replicas > target->max_replicas)
        replicas = target->max_replicas;
    return replicas < target->min_replicas ? target->min_replicas : replicas;
}

static bool check_delta(const struct config_list *deltas, int i, struct err *e)
{
    double v = deltas->v[i];
    if (!(v >= -REPLICAS_LIMIT && v <= REPLICAS_LIMIT) || v != (int)v)
        return err_set(e, ERR_USAGE, "actions: %g is not a whole number of replicas within %d..%d", v, -REPLICAS_LIMIT,
                       REPLICAS_LIMIT);
    if (i > 0 && v <= deltas->v[i - 1])
        return err_set(e, ERR_USAGE, "actions: %g follows %g; the deltas must rise", v, deltas->v[i - 1]);
    return true;
}

bool action_set_init(struct action_set *out, const struct config_list *deltas, struct err *e)
{
    struct action_set set = {.n = deltas->n};
    bool has_zero = false;
    if (deltas->n < 1 || deltas->n > ACTIONS_LIMIT)
        return err_set(e, ERR_USAGE, "actions: %d deltas; 1 to %d are possible", deltas->n, ACTIONS_LIMIT);
    for (int i = 0; i < deltas->n; i++) {
        if (!check_delta(deltas, i, e))
            return false;
        set.delta[i] = (int)deltas->v[i];
        has_zero |= set.delta[i] == 0;
    }
    if (!has_zero)
        return err_set(e, ERR_USAGE, "actions: the set has no 0; keeping must be possible");
    *out = set;
    return true;
}

void action_set_text(const struct action_set *set, struct buf *out)
{
    for (int i = 0; i < set->n; i++)
        buf_printf(out, "%s%d", i ? "," : "", set->delta[i]);
}

int action_no_op(const struct action_set *set)
{
    for (int i = 0; i < set->n; i++)
        if (set->delta[i] == 0)
            return i;
    return 0;
}

int action_replicas(const struct action_set *set, const struct target *target, int replicas, int action)
{
    return clamp(target, replicas + set->delta[action]);
}

void action_mask(const struct action_set *set, const struct target *target, int replicas, unsigned char *mask)
{
    int keep = action_no_op(set);
    mask[keep] = 1;
    int last = replicas;
    for (int i = keep + 1; i < set->n; i++) {
        int count = clamp(target, replicas + set->delta[i]);
        mask[i] = count > last;
        last = count > last ? count : last;
    }
    last = replicas;
    for (int i = keep - 1; i >= 0; i--) {
        int count = clamp(target, replicas + set->delta[i]);
        mask[i] = count < last;
        last = count < last ? count : last;
    }
}

/* Whether a goes before b at equal logits. */
static bool preferred(int a, int b)
{
    int size_a = a < 0 ? -a : a, size_b = b < 0 ? -b : b;
    return size_a != size_b ? size_a < size_b : a > b;
}

int action_argmax(const struct action_set *set, const float *logits, const unsigned char *mask)
{
    int best = action_no_op(set);
    for (int i = 0; i < set->n; i++) {
        if (mask && !mask[i])
            continue;
        if (logits[i] > logits[best] || (logits[i] == logits[best] && preferred(set->delta[i], set->delta[best])))
            best = i;
    }
    return best;
}

const char *action_name(int delta)
{
    return delta < 0 ? "scale_down" : delta > 0 ? "scale_up" : "no_op";
}
