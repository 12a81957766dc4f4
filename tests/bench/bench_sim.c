/* bench_sim: speed of the simulated cluster on one core. Prints, for 10, 20 and 50 pods, control periods of 30 s per second
 * (advance, sample, truth) and the share of each part. Usage: bench_sim [profile] [seconds per case]. */
#include <maestro/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double measure(const struct sim_model *model, struct sim_state *state, int pods, double budget_s, bool look)
{
    struct sim_scenario scenario = {.replicas = pods};
    double peak = 0.75 * pods * sim_capacity_rps(model, 0);
    scenario.load = (struct load){
        .shape = LOAD_DIURNAL, .base_rps = 0.3 * peak, .peak_rps = peak, .length_s = 3600, .noise_cv = 0.1};
    struct sim sim;
    struct sample sample;
    struct sim_truth truth;
    double start = now_s(), sum = 0.0;
    long steps = 0;
    for (int episode = 0; now_s() - start < budget_s; episode++) {
        sim_begin(model, state, &scenario, 1, (uint64_t)episode);
        sim_bind(&sim, model, state);
        for (int step = 0; step < 200; step++, steps++) {
            if (!cluster_scale(&sim.cluster, pods + (step % 8 == 0), NULL) || !cluster_advance(&sim.cluster, 30, NULL))
                abort();
            if (look) {
                if (!cluster_sample(&sim.cluster, false, &sample, NULL))
                    abort();
                sim_truth_take(&sim, &truth);
                sum += truth.p95_ms;
            }
        }
    }
    if (sum < 0)
        abort();
    return (double)steps / (now_s() - start);
}

int main(int argc, char **argv)
{
    struct service_profile profile;
    struct err e = {0};
    double budget_s = argc > 2 ? strtod(argv[2], NULL) : 1.0;
    if (!profile_load(argc > 1 ? argv[1] : "web-api", &profile, &e)) {
        fprintf(stderr, "bench_sim: %s\n", e.message);
        return 1;
    }
    struct sim_config config = {.profile = &profile, .n_variants = 1, .max_replicas = 60, .episode_s = 6000, .seed = 1};
    struct sim_model *model;
    if (!sim_model_open(&config, &model, &e)) {
        fprintf(stderr, "bench_sim: %s\n", e.message);
        return 1;
    }
    struct sim_state *state = aligned_alloc(64, sim_state_bytes());
    printf("state %zu bytes, capacity %.1f rps per pod\n", sim_state_bytes(), sim_capacity_rps(model, 0));
    printf("%6s %22s %22s\n", "pods", "30 s periods per s", "of these without looking");
    const int cases[] = {10, 20, 50};
    for (int i = 0; i < 3 && state; i++)
        printf("%6d %22.0f %22.0f\n", cases[i], measure(model, state, cases[i], budget_s, true),
               measure(model, state, cases[i], budget_s, false));
    free(state);
    sim_model_close(model);
    return 0;
}
