/* What the autoscaler's own work costs: N targets of a made-up fleet, each under the same trained policy, decided once every
 * 15 s for some minutes, with and without a journal. Prints CPU time per round of all targets, per tick of 5 s, and memory.
 *
 *     bench_autoscaler [TARGETS [MINUTES]] */
#include "toy_fleet.h"
#include "trained.h"

#include <maestro/log.h>
#include <maestro/rng.h>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void stir(struct toy_fleet *f, struct rng *rng)
{
    for (int i = 0; i < f->n_targets; i++) {
        f->targets[i].cpu = rng_uniform(rng, 20, 400);
        f->targets[i].rps = rng_uniform(rng, 10, 300);
        f->targets[i].p95_ms = rng_uniform(rng, 20, 400);
    }
}

static int n_targets = 1000, minutes = 5;

static void measure(const char *folder, bool with_journal)
{
    static struct toy_scaler s;
    struct rng rng;
    char path[160];
    double spent_s = 0, worst_s = 0;
    long long n_decisions = 0;
    rng_init(&rng, 1, 1);
    toy_scaler_open(&s, n_targets, "ppo:web");
    snprintf(s.config.policies, sizeof s.config.policies, "%s", folder);
    snprintf(path, sizeof path, "%s/journal.jsonl", folder);
    s.config.interval_s = 0;
    s.config.writes_per_s = s.config.writes_burst = 10000;
    long before_kib = resident_kib();
    ck_assert(!with_journal || journal_open(path, 128u << 20, 1, &s.journal, NULL));
    toy_scaler_start(&s);
    for (int tick = 0; tick < 12 * minutes; tick++) {
        stir(&s.toy, &rng);
        toy_pass(&s.toy, 5);
        double start_s = cpu_s();
        n_decisions += autoscaler_tick(s.autoscaler);
        double took_s = cpu_s() - start_s;
        spent_s += tick >= 3 ? took_s : 0;
        worst_s = tick >= 3 && took_s > worst_s ? took_s : worst_s;
    }
    double n_ticks = 12 * minutes - 3;
    printf("%5d targets, journal %s: %.2f ms CPU a tick of 5 s (worst %.2f ms), %.1f us a decision, %ld KiB more\n",
           n_targets, with_journal ? "on " : "off", 1e3 * spent_s / n_ticks, 1e3 * worst_s,
           1e6 * spent_s / (double)n_decisions, resident_kib() - before_kib);
    toy_scaler_close(&s);
    (void)remove(path);
    snprintf(path, sizeof path, "%s/journal.jsonl.1", folder);
    (void)remove(path);
}

START_TEST(costs)
{
    char folder[] = "/tmp/maestro-bench-XXXXXX", path[160];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/web.safetensors", folder);
    trained_write(path, "default", 5);
    measure(folder, false);
    measure(folder, true);
    (void)remove(path);
    (void)rmdir(folder);
}
END_TEST

int main(int argc, char **argv)
{
    n_targets = argc > 1 ? (int)strtol(argv[1], NULL, 10) : n_targets;
    minutes = argc > 2 ? (int)strtol(argv[2], NULL, 10) : minutes;
    if (n_targets < 1 || minutes < 1)
        return EXIT_FAILURE;
    log_setup(LOG_ERROR, LOG_LOGFMT, NULL);
    Suite *suite = suite_create("bench_autoscaler");
    TCase *group = tcase_create("costs");
    tcase_add_test(group, costs);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
