/* The request-level pod against what queueing theory and arithmetic say about it. */
#include <maestro/pod.h>

#include "suite.h"
#include <maestro/profile.h>
#include <math.h>

struct seen {
    double n, sum_s, worst_s;
    double given_up, lost;
    int over; /* latencies above limit_s */
    double limit_s;
};

static void see(void *context, const struct pod_request *request, double now_s, enum pod_outcome outcome)
{
    struct seen *s = context;
    double latency_s = now_s - request->arrival_s;
    s->n += outcome == POD_SERVED;
    s->given_up += outcome == POD_GIVEN_UP;
    s->lost += outcome == POD_LOST;
    if (outcome != POD_SERVED)
        return;
    s->sum_s += latency_s;
    s->worst_s = fmax(s->worst_s, latency_s);
    s->over += latency_s > s->limit_s;
}

static struct pod_config plain(void)
{
    return (struct pod_config){
        .cpu_s = 0.01, .cpu_cv = 1.0, .concurrency = 400, .backlog = 400, .timeout_s = 1000.0, .cores = 1.0};
}

/* n Poisson arrivals at rate_rps; returns how many were turned away. */
static double feed(struct pod *p, double rate_rps, int n, uint64_t seed, struct seen *seen)
{
    struct rng rng;
    rng_init(&rng, seed, 7);
    const struct pod_sink sink = {see, seen};
    double away = 0.0;
    for (int i = 0; i < n; i++) {
        pod_run(p, p->now_s + rng_exponential(&rng, 1.0 / rate_rps), &sink);
        struct pod_request request = {.arrival_s = p->now_s};
        pod_draw(&p->config, &rng, &request);
        away += pod_offer(p, &request) ? 0.0 : 1.0;
    }
    return away;
}

/* M/G/1 processor sharing: the mean sojourn time is E[S] / (1 - rho) whatever the law of S (Sakata, Noguchi, Oizumi 1971).
 * 200k requests: the standard error is about 1.5 % at rho 0.7 and cv 2; tolerance 6 %. */
START_TEST(processor_sharing_is_insensitive)
{
    static const double cvs[] = {0.0, 0.5, 1.0, 2.0};
    for (int k = 0; k < 4; k++) {
        struct pod_config config = plain();
        config.cpu_cv = cvs[k];
        struct pod p;
        struct seen seen = {0};
        ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
        feed(&p, 70.0, 200000, 11 + (uint64_t)k, &seen);
        pod_close(&p);
        ck_assert_double_eq_tol(seen.sum_s / seen.n, 0.01 / 0.3, 0.06 * 0.01 / 0.3);
    }
}
END_TEST

/* K = 1 is first come first served: Pollaczek and Khinchine, E[W] = lambda E[S^2] / (2 (1 - rho)). */
START_TEST(one_place_is_first_come_first_served)
{
    struct pod_config config = plain();
    config.cpu_cv = 2.0;
    config.concurrency = 1;
    config.backlog = 100000;
    struct pod p;
    struct seen seen = {0};
    ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
    feed(&p, 60.0, 600000, 5, &seen);
    pod_close(&p);
    double expected_s = 0.01 + 60.0 * 0.0001 * 5.0 / (2.0 * 0.4);
    ck_assert_double_eq_tol(seen.sum_s / seen.n, expected_s, 0.06 * expected_s);
}
END_TEST

/* 4 ms requests, 2 a second, a limit of 0.1 core: 10 ms of CPU in each 100 ms let a lone request through at full speed. A
 * processor slowed to 0.1 core would take 40 ms for each. */
START_TEST(quota_is_a_burst_not_a_slow_processor)
{
    struct pod_config config = plain();
    config.cpu_s = 0.004;
    config.cpu_cv = 0.0;
    config.limit_cores = 0.1;
    struct pod p;
    struct seen seen = {.limit_s = 0.005};
    ck_assert(pod_open(&p, &config, 0.0, 0.05, NULL));
    feed(&p, 2.0, 5000, 3, &seen);
    pod_close(&p);
    ck_assert_double_lt((double)seen.over / seen.n, 0.05);
    ck_assert_double_lt(seen.sum_s / seen.n, 0.006);
}
END_TEST

/* Ten requests at once, 10 ms each, 0.1 core: 10 ms in each period; work that nobody can do faster than 1 s. */
START_TEST(quota_throttles_to_the_end_of_the_period)
{
    struct pod_config config = plain();
    config.limit_cores = 0.1;
    struct pod p;
    struct seen seen = {0};
    const struct pod_sink sink = {see, &seen};
    ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
    for (int i = 0; i < 10; i++)
        ck_assert(pod_offer(&p, &(struct pod_request){.cpu_s = 0.01}));
    pod_run(&p, 0.95, &sink);
    ck_assert_double_eq_tol(p.cpu_used_s, 0.1, 1e-9);
    pod_run(&p, 2.0, &sink);
    pod_close(&p);
    ck_assert_double_eq(seen.n, 10.0);
    ck_assert_double_eq_tol(seen.worst_s, 0.91, 1e-6);
}
END_TEST

/* A request is at most one thread: alone on four cores it takes its own CPU time; eight share the four. */
START_TEST(a_request_uses_one_core_at_most)
{
    struct pod_config config = plain();
    config.cores = 4.0;
    struct pod p;
    struct seen seen = {0};
    const struct pod_sink sink = {see, &seen};
    ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
    ck_assert(pod_offer(&p, &(struct pod_request){.cpu_s = 0.01}));
    pod_run(&p, 1.0, &sink);
    ck_assert_double_eq_tol(seen.worst_s, 0.01, 1e-9);
    for (int i = 0; i < 8; i++)
        ck_assert(pod_offer(&p, &(struct pod_request){.arrival_s = 1.0, .cpu_s = 0.01}));
    pod_run(&p, 2.0, &sink);
    pod_close(&p);
    ck_assert_double_eq_tol(seen.worst_s, 0.02, 1e-9);
}
END_TEST

START_TEST(waiting_for_others_holds_the_place_not_the_processor)
{
    struct pod_config config = plain();
    config.concurrency = 2;
    struct pod p;
    struct seen seen = {0};
    const struct pod_sink sink = {see, &seen};
    ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
    for (int i = 0; i < 3; i++)
        ck_assert(pod_offer(&p, &(struct pod_request){.cpu_s = 0.01, .wait_s = 0.1}));
    pod_run(&p, 10.0, &sink);
    pod_close(&p);
    /* two share the CPU for 20 ms and wait 100 ms; the third then has 10 ms and its wait */
    ck_assert_double_eq_tol(seen.worst_s, 0.23, 1e-9);
    ck_assert_double_eq_tol(p.cpu_used_s, 0.03, 1e-9);
}
END_TEST

START_TEST(full_pod_turns_away_and_late_requests_give_up)
{
    struct pod_config config = plain();
    config.concurrency = 1;
    config.backlog = 2;
    config.timeout_s = 1.5;
    struct pod p;
    struct seen seen = {0};
    const struct pod_sink sink = {see, &seen};
    ck_assert(pod_open(&p, &config, 0.0, 0.0, NULL));
    for (int i = 0; i < 3; i++)
        ck_assert(pod_offer(&p, &(struct pod_request){.cpu_s = 1.0}));
    ck_assert(!pod_offer(&p, &(struct pod_request){.cpu_s = 1.0}));
    pod_run(&p, 1.4, &sink);
    ck_assert_double_eq(seen.n, 1.0);
    pod_run(&p, 1.6, &sink); // the one in place and the one in the queue, both at 1.5 s
    ck_assert_double_eq(seen.given_up, 2.0);
    ck_assert_int_eq(pod_inside(&p), 0);
    pod_close(&p);
}
END_TEST

/* Overloaded, slowed, throttled, with waits: every request is turned away, ends or is inside; CPU is what was done. */
START_TEST(nothing_is_lost_and_nothing_is_made)
{
    struct pod_config config = plain();
    config.concurrency = 8;
    config.backlog = 20;
    config.timeout_s = 0.6;
    config.wait_s = 0.02;
    config.wait_cv = 0.5;
    config.cores = 2.0;
    config.limit_cores = 0.7;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct pod p;
        struct seen seen = {0};
        ck_assert(pod_open(&p, &config, 0.0, 0.03, NULL));
        p.speed = 0.8;
        double away = feed(&p, 75.0, 20000, seed, &seen);
        ck_assert_double_eq(away + seen.n + seen.given_up + pod_inside(&p), 20000.0);
        ck_assert_double_gt(away, 0.0);
        ck_assert_double_gt(seen.given_up, 0.0);
        ck_assert_double_le(p.cpu_used_s, 0.7 * (p.now_s + 0.1));
        const struct pod_sink sink = {see, &seen};
        int inside = pod_inside(&p);
        pod_clear(&p, &sink);
        ck_assert_double_eq(seen.lost, inside);
        pod_close(&p);
    }
}
END_TEST

/* Far from time 0 the clock's rounding is 1e-9 s; nothing may hang or stall there. */
START_TEST(works_after_years)
{
    struct pod_config config = plain();
    config.limit_cores = 0.5;
    config.cpu_s = 0.0001;
    struct pod p;
    struct seen seen = {0};
    ck_assert(pod_open(&p, &config, 1e8, 0.0, NULL));
    feed(&p, 4000.0, 50000, 9, &seen);
    pod_close(&p);
    ck_assert_double_gt(seen.n, 49000.0);
}
END_TEST

SUITE("pod", processor_sharing_is_insensitive, one_place_is_first_come_first_served,
      quota_is_a_burst_not_a_slow_processor, quota_throttles_to_the_end_of_the_period, a_request_uses_one_core_at_most,
      waiting_for_others_holds_the_place_not_the_processor, full_pod_turns_away_and_late_requests_give_up,
      nothing_is_lost_and_nothing_is_made, works_after_years)
