/* Tests of the faults: each does what it says, ends, and is the same for the same stream; none makes a signal a fake zero. */
#include <math.h>
#include <string.h>

#include "../../envs/sim/state.h"
#include "simulate.h"
#include "suite.h"

/* Four pods at half of capacity; the fault starts at 100 s. */
static void begin(struct simulated *s, int kind, double duration_s, double strength)
{
    simulated_profile(s, "web-api");
    s->profile.pods.start_cv = 0;
    simulated_open(s, 1);
    struct sim_scenario c = {.replicas = 4, .n_faults = 1};
    c.load = (struct load){.shape = LOAD_CONSTANT, .base_rps = 2 * sim_capacity_rps(s->model, 0)};
    c.faults[0] = (struct sim_fault){.kind = kind, .start_s = 100, .duration_s = duration_s, .strength = strength};
    sim_begin(s->model, s->state, &c, 1, 0);
    simulated_advance(s, 100);
    (void)simulated_truth(s);
}

START_TEST(pod_kill_loses_a_pod_and_gets_a_new_one)
{
    struct simulated s;
    begin(&s, FAULT_POD_KILL, 1, 2);
    struct sample sample = simulated_sample(&s, false);
    ck_assert_int_eq(sample.ready, 2);
    ck_assert_int_eq(sample.terminating, 2);
    ck_assert_int_eq(sample.starting, 2);
    ck_assert_double_eq(sample.signals[SIGNAL_REPLICAS].value, 4);
    simulated_advance(&s, 60);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 4);
    struct sim_truth t = simulated_truth(&s);
    ck_assert(t.failed > 1 && t.failed < 0.2 * t.requests);
    simulated_close(&s);
}
END_TEST

START_TEST(pod_failure_lasts_and_ends)
{
    struct simulated s;
    begin(&s, FAULT_POD_FAILURE, 60, 1);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 3);
    simulated_advance(&s, 59);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 3);
    simulated_advance(&s, 1 + s.profile.pods.start_s + 1);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 4);
    simulated_close(&s);
}
END_TEST

START_TEST(cpu_stress_slows_one_pod_and_burns_cpu)
{
    struct simulated s, calm;
    begin(&calm, FAULT_METRIC_GAP, 1, 1);
    begin(&s, FAULT_CPU_STRESS, 120, 0.6);
    simulated_advance(&s, 120);
    simulated_advance(&calm, 120);
    struct sim_truth t = simulated_truth(&s), usual = simulated_truth(&calm);
    ck_assert(t.p99_ms > 1.5 * usual.p99_ms);
    ck_assert_double_eq_tol(t.cpu_core_s - usual.cpu_core_s, 0.6 * 120, 0.05 * 0.6 * 120 + 2);
    simulated_advance(&s, 60);
    (void)simulated_truth(&s);
    simulated_advance(&s, 60);
    simulated_advance(&calm, 120);
    ck_assert_double_eq_tol(simulated_truth(&s).p99_ms, simulated_truth(&calm).p99_ms, 2); // over
    simulated_close(&s);
    simulated_close(&calm);
}
END_TEST

START_TEST(memory_stress_shows_or_kills)
{
    struct simulated s;
    begin(&s, FAULT_MEMORY_STRESS, 60, 0.5);
    double before = simulated_sample(&s, false).signals[SIGNAL_MEMORY].value;
    simulated_advance(&s, 30);
    ck_assert_double_eq_tol(simulated_sample(&s, false).signals[SIGNAL_MEMORY].value - before, 0.5 / 4, 0.01);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 4);
    simulated_close(&s);
    begin(&s, FAULT_MEMORY_STRESS, 60, 1.0);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 3); // OOM kill
    simulated_advance(&s, 120);
    ck_assert_int_eq(simulated_sample(&s, false).ready, 4);
    simulated_close(&s);
}
END_TEST

/* p50 with a fault less p50 without, ms. */
static double added_p50(int kind, double strength)
{
    struct simulated s;
    begin(&s, kind, 60, strength);
    simulated_advance(&s, 60);
    double during = simulated_truth(&s).p50_ms;
    simulated_advance(&s, 60);
    double after = simulated_truth(&s).p50_ms;
    simulated_close(&s);
    return during - after;
}

START_TEST(network_delay_adds_to_every_answer)
{
    ck_assert_double_eq_tol(added_p50(FAULT_NETWORK_DELAY, 80), 80, 5); // bins are about 13 % wide
    ck_assert_double_eq_tol(added_p50(FAULT_NETWORK_DELAY, 300), 300, 15);
}
END_TEST

START_TEST(network_loss_delays_a_share)
{
    struct simulated s;
    begin(&s, FAULT_NETWORK_LOSS, 60, 0.2);
    simulated_advance(&s, 60);
    struct sim_truth t = simulated_truth(&s);
    ck_assert_double_eq_tol(t.over_soft / t.requests, 0.2, 0.02); // 200 ms more is over the 150 ms limit
    ck_assert(t.p50_ms < 60 && t.p95_ms > 200);
    simulated_close(&s);
}
END_TEST

START_TEST(http_abort_fails_a_share_at_the_time_out)
{
    struct simulated s;
    begin(&s, FAULT_HTTP_ABORT, 60, 0.1);
    simulated_advance(&s, 60);
    struct sim_truth t = simulated_truth(&s);
    ck_assert_double_eq_tol(t.failed / t.requests, 0.1, 0.001);
    ck_assert_double_ge(t.p95_ms, 0.9 * s.profile.service.model.timeout_ms); // failing fast does not pay
    struct reading errors = simulated_sample(&s, false).error_ratio;
    ck_assert_int_eq(errors.validity, VALIDITY_VALID);
    ck_assert_double_eq_tol(errors.value, 0.1, 0.05);
    simulated_close(&s);
}
END_TEST

START_TEST(prometheus_down_fails_then_recovers)
{
    struct simulated s;
    begin(&s, FAULT_PROMETHEUS_DOWN, 120, 1);
    const int prometheus[] = {SIGNAL_CPU, SIGNAL_MEMORY, SIGNAL_P95, SIGNAL_RPS};
    for (int look = 0; look < 8; look++) {
        struct sample sample = simulated_sample(&s, true);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(sample.signals[prometheus[i]].validity, VALIDITY_FAILED);
            ck_assert(sample.signals[prometheus[i]].age_s >= 15 * look);
        }
        ck_assert_int_eq(sample.signals[SIGNAL_REPLICAS].validity, VALIDITY_VALID);
        simulated_advance(&s, 15);
    }
    struct sample sample = simulated_sample(&s, true);
    ck_assert_int_eq(sample.signals[SIGNAL_RPS].validity, VALIDITY_NO_DATA); // up again, one sample at most
    ck_assert(sample.pods[0].has_cpu);                                       // metrics-server was not down
    simulated_advance(&s, 45);
    ck_assert_int_eq(simulated_sample(&s, false).signals[SIGNAL_RPS].validity, VALIDITY_VALID);
    simulated_close(&s);
}
END_TEST

START_TEST(a_metric_gap_is_old_then_no_data_or_stale)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    s.profile.measurement.stale_after_s = 40;
    simulated_open(&s, 1);
    struct sim_scenario c = {.replicas = 4, .n_faults = 1};
    c.load = (struct load){.shape = LOAD_CONSTANT, .base_rps = 2 * sim_capacity_rps(s.model, 0)};
    c.faults[0] = (struct sim_fault){.kind = FAULT_METRIC_GAP, .start_s = 0, .duration_s = 400, .strength = 1};
    sim_begin(s.model, s.state, &c, 1, 0);
    int seen[5] = {0};
    for (int second = 0; second < 400; second++) {
        struct sample sample = simulated_sample(&s, false);
        struct reading rps = sample.signals[SIGNAL_RPS], memory = sample.signals[SIGNAL_MEMORY];
        ck_assert(rps.age_s >= second);
        seen[rps.validity]++;
        if (rps.age_s > 60)
            ck_assert_int_eq(rps.validity, VALIDITY_NO_DATA);
        if (rps.age_s > 300)
            ck_assert_int_eq(memory.validity, VALIDITY_NO_DATA);
        else if (rps.age_s > 40)
            ck_assert_int_eq(memory.validity, VALIDITY_STALE);
        simulated_advance(&s, 1);
    }
    ck_assert(seen[VALIDITY_VALID] > 0 && seen[VALIDITY_NO_DATA] > 0);
    simulated_close(&s);
}
END_TEST

START_TEST(a_slow_api_delays_scaling_and_ages_the_count)
{
    struct simulated s;
    begin(&s, FAULT_API_SLOW, 200, 30);
    simulated_scale(&s, 8);
    simulated_advance(&s, 29);
    struct sample sample = simulated_sample(&s, false);
    ck_assert_int_eq(sample.starting, 0);
    ck_assert_double_eq(sample.signals[SIGNAL_REPLICAS].age_s, 29);
    simulated_advance(&s, 1);
    ck_assert_int_eq(simulated_sample(&s, false).starting, 4);
    simulated_advance(&s, 60);
    ck_assert_int_eq(simulated_sample(&s, false).signals[SIGNAL_REPLICAS].validity, VALIDITY_STALE);
    simulated_advance(&s, 120);
    ck_assert_int_eq(simulated_sample(&s, false).signals[SIGNAL_REPLICAS].validity, VALIDITY_VALID);
    simulated_close(&s);
}
END_TEST

START_TEST(random_faults_come_at_their_rate_and_repeat)
{
    struct simulated s;
    simulated_profile(&s, "web-api");
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        s.profile.faults.kinds[kind].probability = 0;
    s.profile.faults.kinds[FAULT_NETWORK_DELAY] =
        (struct fault_rate){.probability = 0.1, .duration_s = 5, .strength = 50};
    simulated_open(&s, 1);
    int starts[2] = {0};
    for (int twice = 0; twice < 2; twice++) {
        struct sim_scenario c = {.replicas = 2, .random_faults = true};
        sim_begin(s.model, s.state, &c, 77, 3);
        bool before = false;
        for (int second = 0; second < 60000; second++) {
            simulated_advance(&s, 1);
            bool now = s.state->network_delay_ms > 0;
            starts[twice] += now && !before;
            before = now;
        }
    }
    ck_assert_int_eq(starts[0], starts[1]);
    /* 0.1 a minute for 1000 minutes: 100, less those that meet one in progress; 5 standard deviations. */
    ck_assert(starts[0] > 50 && starts[0] < 150);
    simulated_close(&s);
}
END_TEST

SUITE("fault", pod_kill_loses_a_pod_and_gets_a_new_one, pod_failure_lasts_and_ends,
      cpu_stress_slows_one_pod_and_burns_cpu, memory_stress_shows_or_kills, network_delay_adds_to_every_answer,
      network_loss_delays_a_share, http_abort_fails_a_share_at_the_time_out, prometheus_down_fails_then_recovers,
      a_metric_gap_is_old_then_no_data_or_stale, a_slow_api_delays_scaling_and_ages_the_count,
      random_faults_come_at_their_rate_and_repeat)
