/* crowd: the targets of the exporter: made from settings and wishes, driven by a clock, scaled by name. How they look to
 * Prometheus stands in crowd_expose.c. */
#include "crowd_target.h"

#include <maestro/data.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEASURE_THREADS 2
#define EPISODE_S 86400.0
#define WINDOW_S 20.0 /* the simulator's own, which nobody asks */
#define TURN_S 10.0   /* of one target at a time */

/* The simulator scrapes every second, so that its counters are never older; nothing is lost on the way, for that is what the real
 * Prometheus is there for. */
static bool load_profile(struct crowd *c, struct err *e)
{
    if (!profile_load(c->config.profile, &c->profile, e))
        return false;
    c->profile.measurement.scrape_s = 1;
    c->profile.measurement.window_s = WINDOW_S;
    c->profile.measurement.gap_probability = 0;
    return true;
}

static bool add_trace(struct crowd *c, struct crowd_wish *w, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    struct trace trace = {0};
    if (!data_path(w->file, &path, e) || !trace_read(path.bytes, &trace, e))
        return false;
    struct trace *larger = realloc(c->traces, (size_t)(c->n_traces + 1) * sizeof *larger);
    if (!larger) {
        trace_finish(&trace);
        return err_set(e, ERR_IO, "no memory for %s", w->file);
    }
    c->traces = larger;
    c->traces[c->n_traces] = trace;
    load_trace(&w->load, c->traces, c->n_traces, 0, trace_span_s(&trace), w->load.peak_rps);
    c->n_traces++;
    return true;
}

/* The i-th of the targets that nobody described. */
static struct crowd_wish plain_wish(const struct crowd_config *k, int i)
{
    struct crowd_wish w = {.load = {.shape = k->shape,
                                    .base_rps = k->base_rps,
                                    .peak_rps = k->peak_rps,
                                    .start_s = k->stagger ? k->length_s * i / k->targets : 0,
                                    .length_s = k->length_s}};
    snprintf(w.name, sizeof w.name, k->targets > 1 ? "web-%d" : "web", i + 1);
    snprintf(w.ns, sizeof w.ns, k->namespaces > 1 ? "demo-%d" : "demo", i % k->namespaces + 1);
    return w;
}

static struct crowd_target *find_target(struct crowd *c, const char *ns, const char *name, int *n_found)
{
    struct crowd_target *found = NULL;
    *n_found = 0;
    for (int i = 0; i < c->n_targets; i++) {
        struct crowd_target *t = &c->targets[i];
        if (strcmp(t->name, name) != 0 || (ns && strcmp(t->ns, ns) != 0))
            continue;
        found = t;
        ++*n_found;
    }
    return found;
}

static bool begin_target(struct crowd *c, const struct crowd_wish *w, struct err *e)
{
    struct crowd_target *t = &c->targets[c->n_targets];
    struct sim_scenario scenario = {.load = w->load, .replicas = c->config.replicas};
    scenario.load.burst_cv = scenario.load.noise_cv = 0.1;
    snprintf(t->ns, sizeof t->ns, "%s", w->ns);
    snprintf(t->name, sizeof t->name, "%s", w->name);
    t->state = aligned_alloc(64, sim_state_bytes());
    if (!t->state)
        return err_set(e, ERR_IO, "no memory for %d targets", c->n_targets + 1);
    memset(t->state, 0, sim_state_bytes());
    sim_begin(c->model, t->state, &scenario, (uint64_t)c->config.seed, (uint64_t)c->n_targets);
    c->n_targets++;
    return true;
}

static bool begin_targets(struct crowd *c, const struct crowd_wish *wishes, int n, struct err *e)
{
    c->targets = calloc((size_t)(n + c->config.targets) + 1, sizeof *c->targets);
    if (!c->targets)
        return err_set(e, ERR_IO, "no memory for %d targets", n + c->config.targets);
    for (int i = 0; i < n + c->config.targets; i++) {
        int n_found = 0;
        struct crowd_wish plain = i < n ? wishes[i] : plain_wish(&c->config, i - n);
        if (find_target(c, plain.ns, plain.name, &n_found))
            return err_set(e, ERR_USAGE, "target %s/%s is asked for twice", plain.ns, plain.name);
        if (!begin_target(c, &plain, e))
            return false;
        crowd_step(c, &c->targets[c->n_targets - 1]); // so that there is something to show
    }
    return true;
}

static bool open_model(struct crowd *c, struct err *e)
{
    struct sim_config config = {.profile = &c->profile,
                                .traces = c->traces,
                                .n_traces = c->n_traces,
                                .n_variants = 1,
                                .n_threads = MEASURE_THREADS,
                                .max_replicas = REPLICAS_LIMIT,
                                .episode_s = EPISODE_S,
                                .seed = (uint64_t)c->config.seed};
    return sim_model_open(&config, &c->model, e);
}

static bool fill(struct crowd *c, const char *const *wishes, int n, struct err *e)
{
    struct crowd_wish *read = calloc((size_t)n + 1, sizeof *read);
    bool done = read || err_set(e, ERR_IO, "no memory for %d targets", n);
    for (int i = 0; i < n && done; i++)
        done = crowd_read_wish(wishes[i], &c->config, &read[i], e) && (!*read[i].file || add_trace(c, &read[i], e));
    done = done && load_profile(c, e) && open_model(c, e) && begin_targets(c, read, n, e);
    free(read);
    return done;
}

bool crowd_open(const struct crowd_config *config, const char *const *wishes, int n, struct crowd **out, struct err *e)
{
    if (n + config->targets < 1)
        return err_set(e, ERR_USAGE, "no target at all: exporter.targets is 0 and there is no --target");
    struct crowd *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_IO, "no memory for the simulated cluster");
    c->config = *config;
    pthread_mutex_init(&c->door, NULL);
    pthread_mutex_init(&c->lock, NULL);
    if (!fill(c, wishes, n, e)) {
        crowd_close(c);
        return false;
    }
    *out = c;
    return true;
}

void crowd_close(struct crowd *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n_targets; i++) {
        free(c->targets[i].state);
        free(c->targets[i].pods);
    }
    free(c->targets);
    sim_model_close(c->model);
    for (int i = 0; i < c->n_traces; i++)
        trace_finish(&c->traces[i]);
    free(c->traces);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->door);
    free(c);
}

/* Brings the next target a turn closer; the last one ends the turn. How many seconds it simulated; 0: all are there. */
static int take_turn(struct crowd *c, double until_s)
{
    if (c->turn == 0)
        c->goal_s = fmin(until_s, c->shown_s + TURN_S);
    int n = c->goal_s > c->shown_s ? (int)(c->goal_s - c->shown_s) : 0;
    if (n == 0)
        return 0;
    for (int i = 0; i < n; i++)
        crowd_step(c, &c->targets[c->turn]);
    c->turn = (c->turn + 1) % c->n_targets;
    if (c->turn == 0)
        c->shown_s = c->goal_s;
    return n;
}

double crowd_advance(struct crowd *c, double now_s)
{
    double until_s = floor(now_s * c->config.speed), behind_s;
    int n, left = CROWD_WORK;
    do {
        crowd_enter(c);
        n = take_turn(c, until_s);
        behind_s = (until_s - c->shown_s) / c->config.speed;
        crowd_leave(c);
        left -= n;
    } while (n > 0 && left > 0);
    return fmax(behind_s, 0);
}

bool crowd_scale(struct crowd *c, const char *ns, const char *deployment, int replicas, struct err *e)
{
    int n_found = 0;
    if (replicas < 0 || replicas > REPLICAS_LIMIT)
        return err_set(e, ERR_USAGE, "replicas must be 0 to %d", REPLICAS_LIMIT);
    struct crowd_target *t = find_target(c, ns, deployment, &n_found);
    if (n_found != 1)
        return err_set(e, ERR_USAGE,
                       n_found ? "several deployments are called %s%s%s: name the namespace"
                               : "there is no deployment %s%s%s",
                       ns ? ns : "", ns ? "/" : "", deployment);
    crowd_enter(c);
    sim_bind(&c->sim, c->model, t->state);
    bool done = cluster_scale(&c->sim.cluster, replicas, e);
    t->spec = done ? replicas : t->spec;
    crowd_leave(c);
    return done;
}
