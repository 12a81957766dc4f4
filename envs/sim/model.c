/* model: what all episodes share: the service variants with their tables, measured on several threads, and the answers that
 * need no episode. In: struct sim_config. Out: struct sim_model, immutable. */
#include "state.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS_LIMIT 16

struct build {
    struct sim_model *model;
    atomic_int next;
    atomic_int failed; /* variant + 1 of a failure; 0: none */
    struct err err;    /* of the first failure; written by its thread only */
};

/* The profile as it is gets the better table, in about 0.1 s: policies are judged on it. Of the randomised ones there are
 * many. */
static const int OWN_EFFORT = 4;

static bool build_variant(struct build *b, int variant, struct err *e)
{
    struct sim_model *m = b->model;
    struct service_profile profile = *m->config.profile;
    if (variant > 0) {
        struct rng rng;
        rng_init(&rng, m->config.seed, (uint64_t)variant);
        profile_randomise(m->config.profile, &rng, &profile);
    }
    uint64_t seed = m->config.seed * 1000003u + (uint64_t)variant;
    return service_build(&profile, m->config.latency_soft_ms, seed, variant > 0 ? 1 : OWN_EFFORT, &m->services[variant],
                         e);
}

static void *build_some(void *arg)
{
    struct build *b = arg;
    for (;;) {
        int variant = atomic_fetch_add(&b->next, 1);
        if (variant >= b->model->n_services || atomic_load(&b->failed))
            return NULL;
        struct err e = {0};
        int none = 0;
        if (!build_variant(b, variant, &e) && atomic_compare_exchange_strong(&b->failed, &none, variant + 1))
            b->err = e;
    }
}

static bool build_all(struct sim_model *m, int n_threads, struct err *e)
{
    struct build build = {.model = m};
    pthread_t threads[THREADS_LIMIT];
    int started = 0;
    n_threads = n_threads < THREADS_LIMIT ? n_threads : THREADS_LIMIT;
    for (int i = 1; i < n_threads && i < m->n_services; i++)
        started += pthread_create(&threads[started], NULL, build_some, &build) == 0;
    build_some(&build);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (!atomic_load(&build.failed))
        return true;
    return err_set(e, build.err.code, "%s", build.err.message);
}

static bool check_config(const struct sim_config *c, struct err *e)
{
    if (c->n_variants < 1 || c->n_variants > 1024)
        return err_set(e, ERR_USAGE, "sim: variants must be 1 to 1024, not %d", c->n_variants);
    if (c->max_replicas < 1 || c->max_replicas > REPLICAS_LIMIT)
        return err_set(e, ERR_USAGE, "sim: max replicas must be 1 to %d, not %d", REPLICAS_LIMIT, c->max_replicas);
    return profile_check(c->profile, e);
}

bool sim_model_open(const struct sim_config *config, struct sim_model **out, struct err *e)
{
    if (!check_config(config, e))
        return false;
    struct sim_model *m = calloc(1, sizeof *m);
    struct service_profile *profile = malloc(sizeof *profile);
    struct service *services = calloc((size_t)config->n_variants, sizeof *services);
    if (!m || !profile || !services) {
        free(m);
        free(profile);
        free(services);
        return err_set(e, ERR_IO, "sim: out of memory for %d service variants", config->n_variants);
    }
    *profile = *config->profile;
    *m = (struct sim_model){.config = *config, .n_services = config->n_variants, .services = services};
    m->config.profile = profile;
    m->own_profile = profile;
    if (!build_all(m, config->n_threads, e)) {
        sim_model_close(m);
        return false;
    }
    *out = m;
    return true;
}

void sim_model_close(struct sim_model *m)
{
    if (!m)
        return;
    free(m->services);
    free(m->own_profile);
    free(m);
}

int sim_variants(const struct sim_model *m)
{
    return m->n_services;
}

const struct service_profile *sim_profile(const struct sim_model *m, int variant)
{
    return &m->services[variant].profile;
}

double sim_capacity_rps(const struct sim_model *m, int variant)
{
    return m->services[variant].capacity_rps;
}

int sim_required_replicas(const struct sim_model *m, int variant, double rate_rps)
{
    double n = ceil(rate_rps / m->services[variant].capacity_rps - 1e-9);
    return n < 1 ? 1 : n < 1e6 ? (int)n : 1000000;
}
