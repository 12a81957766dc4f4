/* oracle: the clairvoyant bound on reward and on cost. In: the arrivals that came and the simulator's bound on what n pods
 * could do with them. Out: the best mean reward, the cheapest way to keep the SLO budget, the demand curve. Not a policy
 * behind the seam: nobody can follow it. */
#include <maestro/oracle.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define PODS_STEP 0.02 /* resolution of a pod count; searches end on the cheap side */
#define GRID 16        /* counts looked at between the hard and the soft limit */
#define SUM_STEP 1.005 /* of the kept answers */
#define SUM_LEAST 1e-3 /* requests in a period; fewer are none */
#define SUMS 5120      /* up to 1e8 requests in a period */
#define PERIOD_LIMIT 3600

/* Largest second over the mean one, rounded up to one of these. */
static const double bursts[] = {1.0, 1.01, 1.03, 1.06, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 3.0, 5.0, 10.0, 1e9};
#define BURSTS ((int)(sizeof bursts / sizeof *bursts))

struct choice {
    double pods;
    double reward;
    bool over_soft;
};

/* What a period can be at best. */
struct solution {
    bool known;
    double needed; /* fewest pods within soft; infinite: none */
    struct choice best;
};

struct oracle {
    struct oracle_config config;
    pthread_mutex_t lock;       /* of solutions */
    struct solution *solutions; /* [BURSTS][SUMS] */
};

struct period {
    const struct oracle_config *q;
    const float *arrivals; /* [period_s] */
    double requests;
    double floor;   /* fewest pods anyone can pay for */
    double ceiling; /* most that can serve: all spec'd ones and as many terminating */
};

static double p95_with(const struct period *p, double pods)
{
    return sim_bound_p95(p->q->model, p->q->variant, p->arrivals, p->q->period_s, pods);
}

static double reward_of(const struct period *p, double pods, double p95_ms)
{
    return reward_true(p->q->reward, &p->q->target, pods, p95_ms, p->requests).reward;
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
    double soft_ms = p->q->target.latency_soft_ms;
    for (int i = 0; i < GRID && width > 0.0; i++) {
        double pods = low + i * width;
        double p95_ms = p95_with(p, pods + width);
        take_better(best, pods, reward_of(p, pods, p95_ms), p95_ms > soft_ms);
    }
}

static struct choice best_reward(const struct period *p, double soft_pods)
{
    const struct target *t = &p->q->target;
    double hard_pods = t->latency_hard_ms > 0.0 ? fewest_within(p, t->latency_hard_ms) : soft_pods;
    double worst_ms = fmax(t->latency_hard_ms, t->latency_soft_ms) * 2.0;
    struct choice best = {p->floor, reward_of(p, p->floor, worst_ms), true};
    if (isfinite(soft_pods))
        take_better(&best, soft_pods, reward_of(p, soft_pods, 0.0), false);
    if (isfinite(hard_pods))
        search_between(p, hard_pods, fmin(soft_pods, p->ceiling), &best);
    return best;
}

/* Seconds that sum up to requests, none above burst times the mean, as late as can be: what comes near the end counts
 * as in time (sim_bound_p95), so no other seconds of that sum and largest one need fewer pods. */
static void lay_out(const struct oracle_config *q, double requests, double burst, float *arrivals)
{
    double mean = requests / q->period_s;
    double left = requests;
    for (int i = q->period_s - 1; i >= 0; i--) {
        double most = fmin(burst * mean, left);
        arrivals[i] = (float)most;
        left -= most;
    }
}

static struct solution solve(const struct oracle_config *q, double requests, double burst)
{
    float arrivals[PERIOD_LIMIT];
    struct period p = {.q = q,
                       .arrivals = arrivals,
                       .requests = requests,
                       .floor = q->target.min_replicas,
                       .ceiling = 2.0 * q->target.max_replicas};
    lay_out(q, requests, burst, arrivals);
    struct solution s = {.known = true, .needed = fewest_within(&p, q->target.latency_soft_ms)};
    s.best = best_reward(&p, s.needed);
    return s;
}

/* The kept answer for these seconds, worked out now if it is the first time. */
static struct solution look_up(struct oracle *o, const float *arrivals)
{
    double sum = 0.0, most = 0.0;
    for (int i = 0; i < o->config.period_s; i++) {
        sum += (double)arrivals[i];
        most = fmax(most, (double)arrivals[i]);
    }
    int row = sum > SUM_LEAST ? (int)floor(log(sum / SUM_LEAST) / log(SUM_STEP)) : -1;
    row = row < SUMS ? row : SUMS - 1;
    double rounded = row >= 0 ? SUM_LEAST * pow(SUM_STEP, row) : 0.0;
    int burst = 0;
    while (rounded > 0.0 && burst < BURSTS - 1 && bursts[burst] * rounded < most * o->config.period_s)
        burst++;
    struct solution *kept = &o->solutions[(size_t)burst * (SUMS + 1) + (size_t)(row + 1)];
    pthread_mutex_lock(&o->lock);
    struct solution s = *kept;
    pthread_mutex_unlock(&o->lock);
    if (s.known)
        return s;
    s = solve(&o->config, rounded, bursts[burst]);
    pthread_mutex_lock(&o->lock);
    *kept = s; // another thread may have been first: with the same answer
    pthread_mutex_unlock(&o->lock);
    return s;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The plan of the budget objective from what each period needs, which is sorted. */
static struct oracle_plan budget_plan(const struct oracle_config *q, double *needed, int n)
{
    const struct target *t = &q->target;
    int may_give_up = (int)floor(q->budget * n + 1e-9);
    int given_up = 0;
    struct oracle_plan plan = {0};
    qsort(needed, (size_t)n, sizeof *needed, descending);
    for (int i = 0; i < n; i++) {
        bool gains = needed[i] > t->min_replicas;
        bool give_up = !isfinite(needed[i]) || (i < may_give_up && gains);
        double pods = give_up ? t->min_replicas : needed[i];
        double p95_ms = give_up ? 2.0 * fmax(t->latency_hard_ms, t->latency_soft_ms) : 0.0;
        given_up += give_up;
        plan.pods_mean += pods / n;
        plan.reward_mean += reward_true(q->reward, t, pods, p95_ms, 1.0).reward / n;
    }
    plan.possible = given_up <= may_give_up;
    plan.over_soft = (double)given_up / n;
    return plan;
}

/* Not what the relaxed bound needs: what evenly loaded warm pods need, at least 1. */
static double demand_of(const struct oracle_config *q, const float *arrivals)
{
    const struct target *t = &q->target;
    double sum = 0.0;
    for (int i = 0; i < q->period_s; i++)
        sum += (double)arrivals[i];
    int pods = sim_required_replicas(q->model, q->variant, sum / q->period_s);
    int low = t->min_replicas > 1 ? t->min_replicas : 1;
    return pods < low ? low : pods > t->max_replicas ? t->max_replicas : pods;
}

bool oracle_open(const struct oracle_config *config, struct oracle **out, struct err *e)
{
    if (!(config->target.latency_soft_ms > 0.0) || config->period_s < ORACLE_PERIOD_LEAST ||
        config->period_s > PERIOD_LIMIT)
        return err_set(e, ERR_USAGE, "oracle: the bound needs a soft latency limit and periods of %d to %d s",
                       ORACLE_PERIOD_LEAST, PERIOD_LIMIT);
    struct oracle *o = calloc(1, sizeof *o);
    struct solution *solutions = calloc((size_t)BURSTS * (SUMS + 1), sizeof *solutions);
    if (!o || !solutions) {
        free(o);
        free(solutions);
        return err_set(e, ERR_IO, "oracle: out of memory");
    }
    o->config = *config;
    o->solutions = solutions;
    pthread_mutex_init(&o->lock, NULL);
    *out = o;
    return true;
}

void oracle_close(struct oracle *o)
{
    if (!o)
        return;
    pthread_mutex_destroy(&o->lock);
    free(o->solutions);
    free(o);
}

bool oracle_solve(struct oracle *o, const float *arrivals, int n_periods, struct oracle_answer *out, double *demand,
                  struct err *e)
{
    double *needed = n_periods > 0 ? malloc((size_t)n_periods * sizeof *needed) : NULL;
    if (!needed)
        return err_set(e, n_periods > 0 ? ERR_IO : ERR_USAGE, "oracle: %s",
                       n_periods > 0 ? "out of memory" : "the bound needs at least one period");
    struct oracle_answer a = {.reward.possible = true};
    for (int i = 0; i < n_periods; i++) {
        const float *own = arrivals + (size_t)i * (size_t)o->config.period_s;
        struct solution s = look_up(o, own);
        needed[i] = s.needed;
        a.reward.reward_mean += s.best.reward / n_periods;
        a.reward.pods_mean += s.best.pods / n_periods;
        a.reward.over_soft += (double)s.best.over_soft / n_periods;
        if (demand)
            demand[i] = demand_of(&o->config, own);
    }
    a.budget = budget_plan(&o->config, needed, n_periods);
    free(needed);
    *out = a;
    return true;
}
