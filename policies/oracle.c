/* oracle: the clairvoyant bound on reward and on cost. In: the arrivals that came and the simulator's bound on what n pods
 * could do with them. Out: the best mean reward, the cheapest way to keep the SLO budget, the demand curve. Not a policy
 * behind the seam: nobody can follow it. */
#include <maestro/oracle.h>

#include <math.h>
#include <stdlib.h>

#define PODS_STEP 0.02 /* resolution of a pod count; searches end on the cheap side */
#define GRID 16        /* counts looked at between the hard and the soft limit */

struct period {
    const struct oracle_question *q;
    const float *arrivals;
    double requests;
    double floor;   /* fewest pods anyone can pay for */
    double ceiling; /* most that can serve: all spec'd ones and as many terminating */
};

struct choice {
    double pods;
    double reward;
    bool over_soft;
};

static double p95_with(const struct period *p, double pods)
{
    return sim_bound_p95(p->q->model, p->q->variant, p->arrivals, p->q->period_s, pods);
}

static double reward_of(const struct period *p, double pods, double p95_ms)
{
    return reward_true(p->q->reward, p->q->target, pods, p95_ms, p->requests).reward;
}

static struct period period_of(const struct oracle_question *q, int i)
{
    struct period p = {.q = q, .arrivals = q->arrivals + (size_t)i * (size_t)q->period_s};
    for (int s = 0; s < q->period_s; s++)
        p.requests += (double)p.arrivals[s];
    p.floor = q->target->min_replicas;
    p.ceiling = 2.0 * q->target->max_replicas;
    return p;
}

/* Fewest pods whose p95 may be within limit_ms, to PODS_STEP, never too many; more than ceiling: infinite. */
static double fewest_within(const struct period *p, double limit_ms)
{
    double low = p->floor; // too few so far, or the answer itself
    double high = p->ceiling;
    if (p->requests <= 0.0 || p95_with(p, low) <= limit_ms)
        return low;
    if (p95_with(p, high) > limit_ms)
        return (double)INFINITY;
    while (high - low > PODS_STEP) {
        double mid = 0.5 * (low + high);
        if (p95_with(p, mid) <= limit_ms)
            high = mid;
        else
            low = mid;
    }
    return low;
}

static void take_better(struct choice *best, double pods, double reward, bool over_soft)
{
    if (reward > best->reward)
        *best = (struct choice){pods, reward, over_soft};
}

/* Counts between low and high: each interval is paid at its lower end and served by its upper one. */
static void search_between(const struct period *p, double low, double high, struct choice *best)
{
    double width = (high - low) / GRID;
    double soft_ms = p->q->target->latency_soft_ms;
    for (int i = 0; i < GRID && width > 0.0; i++) {
        double pods = low + i * width;
        double p95_ms = p95_with(p, pods + width);
        take_better(best, pods, reward_of(p, pods, p95_ms), p95_ms > soft_ms);
    }
}

static struct choice best_reward(const struct period *p, double soft_pods)
{
    const struct target *t = p->q->target;
    double hard_pods = t->latency_hard_ms > 0.0 ? fewest_within(p, t->latency_hard_ms) : soft_pods;
    double worst_ms = fmax(t->latency_hard_ms, t->latency_soft_ms) * 2.0;
    struct choice best = {p->floor, reward_of(p, p->floor, worst_ms), true};
    if (isfinite(soft_pods))
        take_better(&best, soft_pods, reward_of(p, soft_pods, 0.0), false);
    if (isfinite(hard_pods))
        search_between(p, hard_pods, fmin(soft_pods, p->ceiling), &best);
    return best;
}

/* The plan of the budget objective, from what each period needs. pods_needed is sorted. */
static int descending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x < y) - (x > y);
}

static struct oracle_plan budget_plan(const struct oracle_question *q, double *pods_needed)
{
    int may_give_up = (int)floor(q->budget * q->n_periods + 1e-9);
    int given_up = 0;
    double pods = 0.0;
    double reward = 0.0;
    struct oracle_plan plan = {0};
    qsort(pods_needed, (size_t)q->n_periods, sizeof *pods_needed, descending);
    for (int i = 0; i < q->n_periods; i++) {
        bool gains = pods_needed[i] > q->target->min_replicas;
        bool give_up = !isfinite(pods_needed[i]) || (i < may_give_up && gains);
        double own = give_up ? q->target->min_replicas : pods_needed[i];
        double p95_ms = give_up ? 2.0 * fmax(q->target->latency_hard_ms, q->target->latency_soft_ms) : 0.0;
        given_up += give_up;
        pods += own;
        reward += reward_true(q->reward, q->target, own, p95_ms, 1.0).reward;
    }
    plan.possible = given_up <= may_give_up;
    plan.pods_mean = pods / q->n_periods;
    plan.reward_mean = reward / q->n_periods;
    plan.over_soft = (double)given_up / q->n_periods;
    return plan;
}

static double whole_demand(const struct target *t, double pods)
{
    double whole = isfinite(pods) ? ceil(pods) : t->max_replicas;
    int low = t->min_replicas > 1 ? t->min_replicas : 1;
    return fmax(low, fmin(whole, t->max_replicas));
}

bool oracle_solve(const struct oracle_question *q, struct oracle_answer *out, double *demand, struct err *e)
{
    if (q->n_periods < 1 || !(q->target->latency_soft_ms > 0.0))
        return err_set(e, ERR_USAGE, "oracle: the bound needs at least one period and a soft latency limit");
    double *pods_needed = malloc((size_t)q->n_periods * sizeof *pods_needed);
    if (!pods_needed)
        return err_set(e, ERR_IO, "oracle: out of memory");
    struct oracle_answer a = {.reward.possible = true};
    for (int i = 0; i < q->n_periods; i++) {
        struct period p = period_of(q, i);
        pods_needed[i] = fewest_within(&p, q->target->latency_soft_ms);
        struct choice best = best_reward(&p, pods_needed[i]);
        a.reward.reward_mean += best.reward / q->n_periods;
        a.reward.pods_mean += best.pods / q->n_periods;
        a.reward.over_soft += (double)best.over_soft / q->n_periods;
        if (demand)
            demand[i] = whole_demand(q->target, pods_needed[i]);
    }
    a.budget = budget_plan(q, pods_needed);
    free(pods_needed);
    *out = a;
    return true;
}
