/* Random faults over the whole control path: bad signals, an API that fails in every way, conflicts, rollouts, changed
 * annotations, clocks set to and fro, a lost lease, restarts. In every tick: nothing but a human's order scales down on a
 * signal that is not to be trusted or during a rollout; nothing leaves min..max; no write begins after the lease's deadline;
 * exactly one final reason; and the journal decides the same once more, bit for bit. MAESTRO_WEATHER_TICKS: how many ticks
 * of targets [24000]; MAESTRO_WEATHER_SEED: the first of four seeds [1]. */
#include "suite.h"
#include "weather.h"

#include <maestro/log.h>

static long long from_environment(const char *name, long long fallback)
{
    const char *text = getenv(name);
    return text ? atoll(text) : fallback;
}

static void run(long long seed)
{
    static struct weather w;
    log_setup(LOG_ERROR, LOG_LOGFMT, NULL);
    weather_open(&w, (uint64_t)seed);
    weather_run(&w, from_environment("MAESTRO_WEATHER_TICKS", 24000) / 4);
    weather_close(&w);
    printf("seed %lld: %lld ticks, %lld looks at a bad signal, %lld scale-downs (%lld by order), %lld restarts, "
           "%lld decisions replayed\n",
           seed, w.n_ticks, w.n_bad_looks, w.n_downs, w.n_human, w.n_restarts, w.n_replayed);
    ck_assert_msg(!*w.problem, "seed %lld, tick %lld: %s", seed, w.n_ticks, w.problem);
    // none of it may hold for want of occasions
    ck_assert_int_gt(w.n_downs - w.n_human, w.n_ticks / 500);
    ck_assert_int_gt(w.n_human, 5);
    ck_assert_int_gt(w.n_bad_looks, w.n_ticks / 10);
    ck_assert_int_gt(w.n_replayed, w.n_ticks / 2);
    ck_assert_int_gt(w.n_restarts, 0);
}

START_TEST(first_seed)
{
    run(from_environment("MAESTRO_WEATHER_SEED", 1));
}
END_TEST

START_TEST(second_seed)
{
    run(from_environment("MAESTRO_WEATHER_SEED", 1) + 1);
}
END_TEST

START_TEST(third_seed)
{
    run(from_environment("MAESTRO_WEATHER_SEED", 1) + 2);
}
END_TEST

START_TEST(fourth_seed)
{
    run(from_environment("MAESTRO_WEATHER_SEED", 1) + 3);
}
END_TEST

SUITE("autoscaler_weather", first_seed, second_seed, third_seed, fourth_seed)
