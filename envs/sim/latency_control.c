/* latency_control: the distribution of the workload of M/G/1 and the weights that follow from it. In: a sample of jobs, a
 * load, counts by stratum. Out: weights. It runs no queue and knows nothing of pods. */
#include "latency_control.h"

#include <math.h>
#include <string.h>

#define RANGE 9.0 /* means of the workload of a busy server that the grid covers: exp(-9) lies beyond */
#define LEAST_SEEN 24

/* P(residual of the job in service <= k steps) = E min(S, x) / E S, from the sample. */
static void residual_within(const float *job_s, int n, double step_s, double *within /* [CONTROL_GRID + 1] */)
{
    double count[CONTROL_GRID + 1] = {0}, sum[CONTROL_GRID + 1] = {0};
    double mean_s = 0.0, per_s = 1.0 / step_s;
    for (int i = 0; i < n; i++) {
        double s = (double)job_s[i], at = s * per_s;
        int cell = at < CONTROL_GRID ? (int)at : CONTROL_GRID;
        count[cell] += 1.0;
        sum[cell] += s;
        mean_s += s;
    }
    double longer = n, below_s = 0.0;
    for (int k = 0; k <= CONTROL_GRID; k++) {
        within[k] = fmin(1.0, (below_s + longer * k * step_s) / mean_s);
        longer -= count[k];
        below_s += sum[k];
    }
}

/* W = (1 - rho) + rho F_e * W (Pollaczek and Khinchine), step by step on the grid; F_e's mass in the middle of its cells, W
 * linear between the grid's points. */
static void solve_workload(const double *residual, double load, double *within /* [CONTROL_GRID] */)
{
    double half[CONTROL_GRID], between[CONTROL_GRID];
    for (int k = 0; k < CONTROL_GRID; k++)
        half[k] = 0.5 * load * (residual[k + 1] - residual[k]);
    within[0] = 1.0 - load;
    for (int k = 1; k < CONTROL_GRID; k++) {
        double sum = 0.0;
        for (int j = 1; j < k; j++)
            sum += half[j] * between[k - j];
        within[k] = fmin(1.0, (1.0 - load + sum + half[0] * within[k - 1]) / (1.0 - half[0]));
        between[k] = within[k] + within[k - 1];
    }
}

/* Upper ends of the strata of a busy server, as a share of what lies above: even at first, then finer and finer. */
static double stratum_end(int stratum)
{
    const double even = 20.0, last = CONTROL_STRATA - 1;
    if (stratum <= even)
        return 0.9 * stratum / even;
    return 1.0 - 0.1 * pow(0.65, stratum - even) * (stratum < last ? 1.0 : 0.0);
}

static void lay_strata(double load, struct latency_control *c)
{
    int stratum = 1;
    double before = c->within[0];
    memset(c->share, 0, sizeof c->share);
    c->share[0] = 1.0 - load;
    for (int k = 0; k < CONTROL_GRID; k++) {
        double end = k + 1 < CONTROL_GRID ? c->within[k + 1] : 1.0;
        double middle = (0.5 * (before + end) - (1.0 - load)) / load;
        while (stratum < CONTROL_STRATA - 1 && middle > stratum_end(stratum))
            stratum++;
        c->stratum[k] = (unsigned char)stratum;
        c->share[stratum] += end - before;
        before = end;
    }
}

void latency_control_solve(const float *job_s, int n, double load, struct latency_control *out)
{
    double sum = 0.0, squares = 0.0, residual[CONTROL_GRID + 1];
    for (int i = 0; i < n; i++) {
        sum += (double)job_s[i];
        squares += (double)job_s[i] * (double)job_s[i];
    }
    out->step_s = RANGE * squares / (2.0 * sum * (1.0 - load)) / CONTROL_GRID;
    residual_within(job_s, n, out->step_s, residual);
    solve_workload(residual, load, out->within);
    lay_strata(load, out);
}

int latency_control_stratum(const struct latency_control *c, double workload_s)
{
    if (workload_s <= 0.0)
        return 0;
    double at = workload_s / c->step_s;
    return c->stratum[at < CONTROL_GRID - 1 ? (int)at : CONTROL_GRID - 1];
}

void latency_control_weigh(const struct latency_control *c, const int *seen, double *weight)
{
    double n = 0.0;
    for (int i = 0; i < CONTROL_STRATA; i++)
        n += seen[i];
    int first = 0, last = 0;
    for (; first < CONTROL_STRATA; first = last) {
        double share = 0.0, count = 0.0, rest = 0.0;
        for (last = first; last < CONTROL_STRATA && count < LEAST_SEEN; last++) {
            share += c->share[last];
            count += seen[last];
        }
        for (int i = last; i < CONTROL_STRATA; i++)
            rest += seen[i];
        for (; last < CONTROL_STRATA && rest < LEAST_SEEN; last++) {
            share += c->share[last];
            count += seen[last];
        }
        for (int i = first; i < last; i++)
            weight[i] = count > 0.0 ? share * n / count : 1.0;
    }
}
