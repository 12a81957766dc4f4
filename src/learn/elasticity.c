/* elasticity: SPEC's elasticity metrics. In: supply and demand, one value a period. Out: six numbers. Knows nothing of
 * where the curves come from. */
#include <maestro/elasticity.h>

#include <math.h>

static int sign(double x)
{
    return (x > 0.0) - (x < 0.0);
}

struct elasticity elasticity_of(const double *supply, const double *demand, int n, double period_s)
{
    struct elasticity out = {(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    if (n < 1)
        return out;
    double under = 0.0, over = 0.0;
    int n_under = 0, n_over = 0, n_unlike = 0, supply_changes = 0, demand_changes = 0;
    for (int i = 0; i < n; i++) {
        double gap = supply[i] - demand[i];
        under += fmax(-gap, 0.0) / demand[i];
        over += fmax(gap, 0.0) / demand[i];
        n_under += gap < 0.0;
        n_over += gap > 0.0;
        int supply_way = i == 0 ? 0 : sign(supply[i] - supply[i - 1]);
        int demand_way = i == 0 ? 0 : sign(demand[i] - demand[i - 1]);
        n_unlike += supply_way != demand_way;
        supply_changes += supply_way != 0;
        demand_changes += demand_way != 0;
    }
    out.theta_u = 100.0 * under / n;
    out.theta_o = 100.0 * over / n;
    out.tau_u = 100.0 * n_under / n;
    out.tau_o = 100.0 * n_over / n;
    out.instability = 100.0 * n_unlike / n;
    out.jitter = (supply_changes - demand_changes) / (n * period_s / 60.0);
    return out;
}
