/* bench: interleaved repeats of a list of figures, their best and median, and their share of the ceiling that was
 * measured in the same rounds. In: figures. Out: a table or JSON. What is measured is in bench_*.c. */
#include "bench.h"

#include <maestro/clock.h>
#include <maestro/json_write.h>
#include <maestro/mat.h>
#include <maestro/mat_blas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_LIMIT 101

/* rates[f][round] */
struct rates {
    double of[BENCH_LIMIT][ROUNDS_LIMIT];
};

static bool one_rate(const struct bench_figure *f, double least_s, double *rate, struct err *e)
{
    const double start = clock_monotonic_s();
    double total = 0.0, elapsed = 0.0;
    do {
        double units = 0.0;
        if (!f->run(f->data, &units, e))
            return err_wrap(e, "bench: %s", f->name);
        total += units;
        elapsed = clock_monotonic_s() - start;
    } while (elapsed < least_s);
    *rate = total / elapsed;
    return true;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Best and median of one figure; sorts its rates. */
static struct bench_result summarise(const struct bench_figure *f, double *rates, int rounds)
{
    struct bench_result r = {.unit = f->unit, .flop_per_unit = f->flop_per_unit, .cores = f->cores};
    snprintf(r.name, sizeof r.name, "%s", f->name);
    qsort(rates, (size_t)rounds, sizeof *rates, by_size);
    r.best = rates[rounds - 1];
    r.median = rounds % 2 ? rates[rounds / 2] : 0.5 * (rates[rounds / 2 - 1] + rates[rounds / 2]);
    return r;
}

/* Share of the ceiling of as many cores; results[0] and [1] are the ceilings. */
static double share(const struct bench_result *results, const struct bench_result *r, double rate, bool best)
{
    const struct bench_result *ceiling = &results[r->cores - 1];
    return rate * r->flop_per_unit * 1e-9 / (best ? ceiling->best : ceiling->median);
}

static void write_table(const struct bench_result *results, int n, const char *kernel, struct buf *out)
{
    bool below = false;
    const char *blas = mat_blas_core(&below);
    buf_printf(out, "kernel %s, OpenBLAS core %s%s\n", kernel, blas,
               below ? " (below what this machine can run: set OPENBLAS_CORETYPE=SkylakeX)" : "");
    buf_printf(out, "%-38s %-8s %12s %12s %8s %8s\n", "figure", "unit", "median", "best", "share", "of best");
    for (int i = 0; i < n; i++) {
        const struct bench_result *r = &results[i];
        const int digits = r->best < 1000.0 ? 1 : 0;
        buf_printf(out, "%-38s %-8s %12.*f %12.*f", r->name, r->unit, digits, r->median, digits, r->best);
        if (r->flop_per_unit > 0.0)
            buf_printf(out, " %7.1f%% %7.1f%%", 100.0 * share(results, r, r->median, false),
                       100.0 * share(results, r, r->best, true));
        buf_text(out, "\n");
    }
}

static bool write_json(const struct bench_result *results, int n, const char *kernel, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out, .spaces = " "};
    bool below = false;
    json_begin_object(&w);
    json_put_key(&w, "kernel");
    json_put_text(&w, kernel);
    json_put_key(&w, "openblas_core");
    json_put_text(&w, mat_blas_core(&below));
    json_put_key(&w, "openblas_core_below_machine");
    json_put_bool(&w, below);
    json_put_key(&w, "figures");
    json_begin_array(&w);
    for (int i = 0; i < n; i++) {
        const struct bench_result *r = &results[i];
        json_begin_object(&w);
        json_put_key(&w, "name");
        json_put_text(&w, r->name);
        json_put_key(&w, "unit");
        json_put_text(&w, r->unit);
        json_put_key(&w, "median");
        json_put_double(&w, r->median);
        json_put_key(&w, "best");
        json_put_double(&w, r->best);
        json_put_key(&w, "ceiling_share_median");
        json_put_double(&w, share(results, r, r->median, false));
        json_put_key(&w, "ceiling_share_best");
        json_put_double(&w, share(results, r, r->best, true));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    buf_text(out, "\n");
    return json_write_end(&w, e);
}

static bool wanted(const struct bench_figure *figures, int i, const struct bench_options *options)
{
    return i < 2 || !options->only || strstr(figures[i].name, options->only) != NULL;
}

/* Drops unwanted figures, keeps the ceilings in front. */
static int select_figures(struct bench_figure *figures, int n, const struct bench_options *options)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (wanted(figures, i, options)) {
            const struct bench_figure keep = figures[i];
            figures[i] = figures[kept];
            figures[kept++] = keep;
        }
    }
    return kept;
}

bool bench_measure(struct bench_figure *figures, int n_figures, const struct bench_options *options, struct buf *out,
                   struct err *e)
{
    const int n = select_figures(figures, n_figures, options);
    const int rounds = options->rounds < 1 ? 5 : options->rounds > ROUNDS_LIMIT ? ROUNDS_LIMIT : options->rounds;
    const double least_s = options->seconds > 0.0 ? options->seconds : 0.15;
    const struct mat_kernels *kernels = mat_kernels_find(options->kernel, e);
    if (!kernels)
        return err_wrap(e, "bench");
    struct rates *rates = calloc(1, sizeof *rates);
    if (!rates)
        return err_set(e, ERR_IO, "bench: out of memory");
    bool done = true;
    for (int round = 0; done && round < rounds; round++)
        for (int i = 0; done && i < n; i++)
            done = one_rate(&figures[i], least_s, &rates->of[i][round], e);
    struct bench_result results[BENCH_LIMIT];
    for (int i = 0; done && i < n; i++)
        results[i] = summarise(&figures[i], rates->of[i], rounds);
    free(rates);
    if (!done)
        return false;
    if (options->json)
        return write_json(results, n, kernels->name, out, e);
    write_table(results, n, kernels->name, out);
    return true;
}

bool bench_run(const struct bench_options *options, struct buf *out, struct err *e)
{
    struct bench_figure figures[BENCH_LIMIT] = {0};
    int n = 0;
    const bool done = bench_ceilings(figures, &n, e) && bench_learning(figures, &n, options->kernel, e) &&
                      bench_simulation(figures, &n, e) && bench_measure(figures, n, options, out, e);
    for (int i = 0; i < n; i++)
        if (figures[i].finish)
            figures[i].finish(figures[i].data);
    return done;
}
