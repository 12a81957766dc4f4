/* cartpole_curve: the trainer learns as fast as Stable-Baselines3 with the same settings. Five seeds, 100,000 steps each.
 * The mean over seeds of the mean return of the last 100 training episodes must lie in the band measured for
 * Stable-Baselines3 2.4 (min to max of three seeds), widened by 15 % because a mean of five falls outside the extremes of
 * three about as often as inside when the spread is 2 %, and the networks start from other draws. Each seed's greedy policy
 * must reach 475 over 100 episodes (the environment's own threshold for solved). */
#include "cartpole_run.h"

#include <maestro/csv.h>

#include <math.h>

enum { SEEDS = 5, MARKS = 4, WINDOW = 100 };

static const struct {
    double steps, low, high;
} BANDS[MARKS] = {{30000, 223, 229}, {50000, 385, 392}, {80000, 494, 500}, {100000, 500, 500}};
static const double WIDENED = 0.15;
static const double SOLVED = 475;

static int fail(const struct err *e)
{
    fprintf(stderr, "%s\n", e->message);
    return 1;
}

/* Mean return of the last 100 episodes that ended within so many steps, from monitor.csv of a single environment. */
static double mean_return_at(const struct csv *monitor, double steps)
{
    int r = csv_column(monitor, "r");
    int l = csv_column(monitor, "l");
    size_t n = 0;
    double taken = 0;
    while (n < monitor->n_rows && taken + csv_value(monitor, n, l) <= steps)
        taken += csv_value(monitor, n++, l);
    size_t first = n > WINDOW ? n - WINDOW : 0;
    double sum = 0;
    for (size_t i = first; i < n; i++)
        sum += csv_value(monitor, i, r);
    return sum / (double)(n - first);
}

static bool run_seed(int seed, double at[MARKS], double *greedy, struct err *e)
{
    struct cartpole_run run;
    struct train *t = NULL;
    struct csv monitor = {0};
    char folder[512];
    char path[600];
    cartpole_folder(folder, "curve");
    cartpole_run_defaults(&run, folder);
    run.setup.config.seed = seed;
    run.setup.config.eval_episodes = 100;
    bool done = train_open(&run.setup, &t, e) && train_run(t, e);
    snprintf(path, sizeof path, "%s/monitor.csv", folder);
    done = done && csv_read(path, CSV_NUMERIC, &monitor, e);
    for (int k = 0; done && k < MARKS; k++)
        at[k] = mean_return_at(&monitor, BANDS[k].steps);
    if (done)
        *greedy = train_best(t)->mean_reward;
    csv_finish(&monitor);
    train_close(t);
    cartpole_remove(folder);
    return done;
}

int main(void)
{
    double mean[MARKS] = {0};
    int failures = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        struct err e = {0};
        double at[MARKS];
        double greedy = 0;
        if (!run_seed(seed, at, &greedy, &e))
            return fail(&e);
        printf("seed %d:", seed);
        for (int k = 0; k < MARKS; k++) {
            printf("  %.0fk %.1f", BANDS[k].steps / 1000, at[k]);
            mean[k] += at[k] / SEEDS;
        }
        printf("  greedy %.1f%s\n", greedy, greedy >= SOLVED ? "" : "  NOT SOLVED");
        failures += !(greedy >= SOLVED);
    }
    for (int k = 0; k < MARKS; k++) {
        double low = BANDS[k].low * (1 - WIDENED);
        double high = BANDS[k].high * (1 + WIDENED);
        bool inside = mean[k] >= low && mean[k] <= high;
        printf("%.0fk steps: mean %.1f, band %.1f to %.1f: %s\n", BANDS[k].steps / 1000, mean[k], low, fmin(high, 500),
               inside ? "ok" : "OUTSIDE");
        failures += !inside;
    }
    return failures ? 1 : 0;
}
