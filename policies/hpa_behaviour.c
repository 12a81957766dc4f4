/* hpa_behaviour: stabilisation windows, scaling rules and limits of the Kubernetes HPA, behind its calculator. In: the raw
 * recommendation, the current count and the history. Out: the count to write. The history is the caller's; nothing here
 * looks at metrics. */
#include <maestro/hpa_behaviour.h>

#include <math.h>

struct hpa_behaviour hpa_behaviour_default(void)
{
    return (struct hpa_behaviour){
        .up = {.rule = {{HPA_PODS, 4, 15.0}, {HPA_PERCENT, 100, 15.0}}, .n_rules = 2, .window_s = 0.0},
        .down = {.rule = {{HPA_PERCENT, 100, 15.0}}, .n_rules = 1, .window_s = 300.0},
    };
}

static double longest_window(const struct hpa_behaviour *b)
{
    return fmax(b->up.window_s, b->down.window_s);
}

static double longest_period(const struct hpa_rules *rules)
{
    double longest_s = 0.0;
    for (int i = 0; i < rules->n_rules; i++)
        longest_s = fmax(longest_s, rules->rule[i].period_s);
    return longest_s;
}

/* An earlier wish for the same count says nothing to any window that this one does not say for longer. */
static bool note_again(struct hpa_history *h, double now_s, int replicas)
{
    for (int i = 0; i < h->n_recommendations; i++)
        if (h->recommendation[i].replicas == replicas && h->recommendation[i].time_s <= now_s) {
            h->recommendation[i].time_s = now_s;
            return true;
        }
    return false;
}

void hpa_note(struct hpa_history *h, const struct hpa_behaviour *b, double now_s, int replicas)
{
    if (note_again(h, now_s, replicas))
        return;
    double cutoff_s = now_s - longest_window(b);
    int oldest = 0;
    for (int i = 1; i < h->n_recommendations; i++)
        if (h->recommendation[i].time_s < h->recommendation[oldest].time_s)
            oldest = i;
    bool reuse = h->n_recommendations > 0 && h->recommendation[oldest].time_s < cutoff_s;
    int slot = reuse || h->n_recommendations == HPA_RECOMMENDATIONS_LIMIT ? oldest : h->n_recommendations++;
    h->recommendation[slot] = (struct hpa_recommendation){now_s, replicas};
}

static void note_event(struct hpa_event *events, int *n, double cutoff_s, struct hpa_event event)
{
    int oldest = 0;
    for (int i = 1; i < *n; i++)
        if (events[i].time_s < events[oldest].time_s)
            oldest = i;
    bool reuse = *n > 0 && events[oldest].time_s < cutoff_s;
    int slot = reuse || *n == HPA_EVENTS_LIMIT ? oldest : (*n)++;
    events[slot] = event;
}

void hpa_note_scaled(struct hpa_history *h, const struct hpa_behaviour *b, double now_s, int from, int to)
{
    if (to > from)
        note_event(h->up, &h->n_up, now_s - longest_period(&b->up), (struct hpa_event){now_s, to - from});
    else if (to < from)
        note_event(h->down, &h->n_down, now_s - longest_period(&b->down), (struct hpa_event){now_s, from - to});
}

int hpa_stabilise(const struct hpa_behaviour *b, const struct hpa_history *h, double now_s, int current, int desired)
{
    int up_limit = desired;
    int down_limit = desired;
    for (int i = 0; i < h->n_recommendations; i++) {
        const struct hpa_recommendation *r = &h->recommendation[i];
        if (r->time_s > now_s - b->up.window_s && r->replicas < up_limit)
            up_limit = r->replicas;
        if (r->time_s > now_s - b->down.window_s && r->replicas > down_limit)
            down_limit = r->replicas;
    }
    if (b->unset)
        return down_limit; // without behavior: simply the largest of the window
    return hpa_clamp(current, up_limit, down_limit);
}

static int changed_in_period(const struct hpa_event *events, int n, double now_s, double period_s)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        if (events[i].time_s > now_s - period_s)
            sum += events[i].change;
    return sum;
}

static int one_limit(const struct hpa_rule *rule, int base, int sign)
{
    if (rule->type == HPA_PODS)
        return base + sign * rule->value;
    if (sign > 0)
        return (int)ceil(base * (1.0 + rule->value / 100.0));
    return (int)(base * (1.0 - rule->value / 100.0));
}

/* The farthest count that the rules of one direction allow (sign +1 up, -1 down), never on the wrong side of current. */
static int direction_limit(const struct hpa_rules *rules, const struct hpa_history *h, double now_s, int current,
                           int sign)
{
    if (rules->select == HPA_SELECT_DISABLED || rules->n_rules == 0)
        return current;
    int best = 0;
    for (int i = 0; i < rules->n_rules; i++) {
        double period_s = rules->rule[i].period_s;
        int added = changed_in_period(h->up, h->n_up, now_s, period_s);
        int removed = changed_in_period(h->down, h->n_down, now_s, period_s);
        int limit = sign * one_limit(&rules->rule[i], current - added + removed, sign);
        bool better = rules->select == HPA_SELECT_MAX ? limit > best : limit < best;
        if (i == 0 || better)
            best = limit;
    }
    int reached = sign * best;
    return sign * (reached - current) > 0 ? reached : current;
}

int hpa_rate(const struct hpa_behaviour *b, const struct hpa_history *h, double now_s, int current, int desired)
{
    if (desired > current) {
        int plain = 2 * current > 4 ? 2 * current : 4;
        int limit = b->unset ? plain : direction_limit(&b->up, h, now_s, current, 1);
        return desired < limit ? desired : limit;
    }
    if (desired < current && !b->unset) {
        int limit = direction_limit(&b->down, h, now_s, current, -1);
        return desired > limit ? desired : limit;
    }
    return desired;
}

int hpa_clamp(int replicas, int min_replicas, int max_replicas)
{
    if (replicas < min_replicas)
        return min_replicas;
    return replicas > max_replicas ? max_replicas : replicas;
}
