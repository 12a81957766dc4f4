/* evaluate: every policy on every window of every trace, on all cores. In: a plan. Out: one row of metrics per run, in an
 * order that does not depend on threads. Jobs are taken from a counter and write only their own slots; what they need of
 * chance comes from the window's own seed. Judging one run is judge's, summing up is evaluate_verdict's, writing is
 * evaluate_write's. */
#include <maestro/evaluate.h>

#include <maestro/control.h>
#include <maestro/registry.h>
#include <maestro/rng.h>
#include <maestro/sim.h>

#include "jobs.h"
#include "judge.h"
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_PER_WINDOW 8

#define KEY(field) offsetof(struct evaluate_config, field)
const struct config_key evaluate_config_keys[] = {
    {"windows", CONFIG_INT, KEY(windows), "20", 1, 10000, NULL, NULL, "Windows drawn from each trace."},
    {"seeds", CONFIG_INT, KEY(seeds), "1", 1, 1000, NULL, NULL,
     "Seeds of pods and measurement per window, averaged; a trace has one course."},
    {"window_s", CONFIG_DOUBLE, KEY(window_s), "2h", 60, 604800, "s", NULL, "Judged length of a window."},
    {"warm_up_s", CONFIG_DOUBLE, KEY(warm_up_s), "300s", 0, 86400, "s", NULL, "Run before each window, not judged."},
    {"period_s", CONFIG_DOUBLE, KEY(period_s), "15s", 1, 3600, "s", NULL,
     "Judging grid; policies decide at multiples of it."},
    {"peak", CONFIG_DOUBLE, KEY(peak), "0.75", 0.01, 10, "ratio", NULL,
     "A window's own peak load over the capacity of max_replicas pods."},
    {"min_replicas", CONFIG_INT, KEY(min_replicas), "1", 1, REPLICAS_LIMIT, NULL, NULL, "Fewest replicas."},
    {"max_replicas", CONFIG_INT, KEY(max_replicas), "20", 1, REPLICAS_LIMIT, NULL, NULL, "Most replicas."},
    {"latency_soft_ms", CONFIG_DOUBLE, KEY(latency_soft_ms), "0ms", 0, 1e6, "ms", NULL,
     "Soft limit of p95, at most the hard one; 0: the profile's."},
    {"latency_hard_ms", CONFIG_DOUBLE, KEY(latency_hard_ms), "0ms", 0, 1e6, "ms", NULL,
     "Hard limit of p95; 0: the profile's."},
    {"slo_budget", CONFIG_DOUBLE, KEY(slo_budget), "0.01", 0, 1, "ratio", NULL,
     "Share of periods that may be over soft while the SLO holds."},
    {"hard_s", CONFIG_DOUBLE, KEY(hard_s), "60s", 0, 86400, "s", NULL,
     "Longest time over the hard limit while the SLO holds."},
    {"flap_budget", CONFIG_INT, KEY(flap_budget), "0", 0, 60, NULL, NULL,
     "Turns an hour after which a step policy only goes up, as autoscaler.flap_budget when it is served; 0: no limit."},
    {"cluster", CONFIG_CHOICE, KEY(cluster), "fast", 0, 0, NULL, "fast|exact",
     "The fast simulator or the request-level one."},
    {"threads", CONFIG_INT, KEY(threads), "0", 0, 256, NULL, NULL, "Threads; 0: one a core. Results do not change."},
    {"seed", CONFIG_LONG, KEY(seed), "1", 0, 9e15, NULL, NULL, "Seed of windows, pods and measurement."},
};
const int n_evaluate_config_keys = sizeof evaluate_config_keys / sizeof *evaluate_config_keys;

/* What all jobs share. */
struct evaluation {
    struct evaluate_result *r;
    struct sim_model *model;
    struct oracle *oracle; /* NULL: no bounds */
    struct judge_rules rules;
    struct control control; /* of policies that bring none */
};

static bool add_text(struct evaluate_policy *p, const char *text, size_t n, struct err *e)
{
    if (n >= CONFIG_TEXT)
        return err_set(e, ERR_USAGE, "policy '%.60s...': longer than %d characters", text, CONFIG_TEXT - 1);
    if (p->n_files == EVALUATE_FILES)
        return err_set(e, ERR_USAGE, "policy '%s': at most %d files under one name", p->name, EVALUATE_FILES);
    char *slot = p->text[p->n_files];
    snprintf(slot, CONFIG_TEXT, "%.*s", (int)n, text);
    if (!registry_check(slot, e))
        return false;
    p->n_files++;
    return true;
}

/* what: "ppo:A,B" is two files, everything else one text. */
static bool add_texts(struct evaluate_policy *p, const char *what, struct err *e)
{
    if (strncmp(what, "ppo:", 4) != 0)
        return add_text(p, what, strlen(what), e);
    for (const char *at = what + 4;; at++) {
        char text[CONFIG_TEXT + 8];
        size_t n = strcspn(at, ",");
        snprintf(text, sizeof text, "ppo:%.*s", (int)n, at);
        if (!add_text(p, text, strlen(text), e))
            return false;
        at += n;
        if (!*at)
            return true;
    }
}

/* A comma or a quote would end a field of the tables. */
static void clean_name(char *name)
{
    for (; *name; name++)
        if (*name == ',' || *name == '"')
            *name = ' ';
}

/* The length of the NAME in "NAME=TEXT"; 0: the text has none of its own. */
static size_t own_name(const char *text)
{
    const char *colon = strchr(text, ':');
    const char *equals = strchr(text, '=');
    return equals && (!colon || equals < colon) ? (size_t)(equals - text) : 0;
}

static bool is_bounds(const char *name)
{
    for (int i = 0; i < EVALUATE_BOUNDS; i++)
        if (strcmp(name, evaluate_bounds[i]) == 0)
            return true;
    return false;
}

static bool read_name(const char *text, char name[EVALUATE_NAME], struct err *e)
{
    size_t n = own_name(text) ? own_name(text) : strlen(text);
    if (n == 0 || text[0] == '=')
        return err_set(e, ERR_USAGE, "policy '%s': has no name", text);
    if (n >= EVALUATE_NAME)
        return err_set(e, ERR_USAGE, "policy '%.60s...': a name has at most %d bytes; give it one: NAME=POLICY", text,
                       EVALUATE_NAME - 1);
    snprintf(name, EVALUATE_NAME, "%.*s", (int)n, text);
    clean_name(name);
    return !is_bounds(name) ||
           err_set(e, ERR_USAGE, "policy '%s': %s is what the tables call a bound; name it otherwise", text, name);
}

int evaluate_find_policy(const struct evaluate_policy *policies, int n, const char *name)
{
    char cleaned[EVALUATE_NAME];
    if (strlen(name) >= sizeof cleaned)
        return -1;
    snprintf(cleaned, sizeof cleaned, "%s", name);
    clean_name(cleaned);
    while (n > 0)
        if (strcmp(policies[--n].name, cleaned) == 0)
            return n;
    return -1;
}

bool evaluate_add_policy(struct evaluate_policy *policies, int *n, int limit, const char *text, struct err *e)
{
    char name[EVALUATE_NAME];
    if (!read_name(text, name, e))
        return false;
    int known = evaluate_find_policy(policies, *n, name);
    int i = known < 0 ? *n : known;
    if (i == limit)
        return err_set(e, ERR_USAGE, "policy '%s': at most %d policies", text, limit);
    struct evaluate_policy p = {0};
    if (i < *n)
        p = policies[i];
    memcpy(p.name, name, sizeof name);
    if (!add_texts(&p, own_name(text) ? text + own_name(text) + 1 : text, e))
        return false;
    policies[i] = p;
    *n = i < *n ? *n : i + 1;
    return true;
}

/* By one of those, or by the tables for what stands for several. */
static bool is_taken(const struct trace *traces, int n, const char *name)
{
    while (n > 0)
        if (strcmp(traces[--n].name, name) == 0)
            return true;
    return strcmp(name, "ALL") == 0 || strcmp(name, "HELD") == 0;
}

/* "tue/load.csv#0..0.5" as "tue/load#0..0.5"; of a long text the end, which tells more. */
static void name_as_asked(const char *text, struct trace *t)
{
    char name[CONFIG_TEXT];
    const char *hash = strrchr(text, '#');
    int n = (int)(hash ? hash - text : (long)strlen(text));
    if (n > 4 && strncmp(text + n - 4, ".csv", 4) == 0)
        n -= 4;
    snprintf(name, sizeof name, "%.*s%s", n, text, hash ? hash : "");
    size_t length = strlen(name), room = sizeof t->name - 1;
    memcpy(t->name, name + (length > room ? length - room : 0), (length > room ? room : length) + 1);
    clean_name(t->name);
}

static void number_name(const struct trace *before, int n, struct trace *t)
{
    char name[sizeof t->name];
    memcpy(name, t->name, sizeof name);
    for (int k = 2; is_taken(before, n, t->name); k++)
        snprintf(t->name, sizeof t->name, "%.*s~%d", (int)sizeof name - 16, name, k);
}

void evaluate_name_traces(struct trace *traces, const char *const *texts, int n)
{
    for (int i = 0; i < n; i++)
        clean_name(traces[i].name);
    for (int i = 0; i < n; i++) {
        char name[sizeof traces->name];
        memcpy(name, traces[i].name, sizeof name);
        bool shared = is_taken(traces + i + 1, n - i - 1, name);
        for (int k = i; k < n && shared; k++)
            if (strcmp(traces[k].name, name) == 0)
                name_as_asked(texts[k], &traces[k]);
    }
    for (int i = 0; i < n; i++)
        number_name(traces, i, &traces[i]);
}

/* FNV-1a: a trace's windows depend on its name, not on which others are judged with it. */
static uint64_t name_stream(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static void draw_windows(struct evaluate_result *r, int trace, double peak_rps)
{
    const struct evaluate_config *c = r->plan.config;
    const struct trace *t = &r->plan.traces[trace];
    double span_s = trace_span_s(t);
    double room_s = span_s >= c->window_s ? span_s - c->window_s : 2.0 * span_s; // mirrored: the whole there and back
    struct rng rng;
    rng_init(&rng, (uint64_t)c->seed, name_stream(t->name));
    for (int w = 0; w < c->windows; w++) {
        double offset_s = floor(rng_uniform(&rng, 0.0, room_s));
        for (int s = 0; s < c->seeds; s++) {
            struct evaluate_window *window = &r->windows[trace * r->n_windows + w * c->seeds + s];
            uint64_t high = rng_u32(&rng);
            window->offset_s = offset_s;
            window->peak_rps = peak_rps;
            window->seed = high << 32 | rng_u32(&rng);
        }
    }
}

static struct sim_scenario scenario_of(const struct evaluation *v, int trace, int window, int fault)
{
    const struct evaluate_config *c = v->r->plan.config;
    const struct evaluate_window *w = &v->r->windows[trace * v->r->n_windows + window];
    struct sim_scenario s = {0};
    load_trace(&s.load, v->r->plan.traces, trace, w->offset_s, c->window_s, w->peak_rps);
    s.load.start_s -= c->warm_up_s;
    double rate_rps = load_at(&s.load, v->r->plan.traces, 0.0);
    int needed = sim_required_replicas(v->model, 0, rate_rps);
    s.replicas = needed < c->min_replicas ? c->min_replicas : needed > c->max_replicas ? c->max_replicas : needed;
    if (fault == 0)
        return s;
    struct rng rng;
    rng_init(&rng, w->seed, (uint64_t)fault);
    for (; s.n_faults < FAULTS_PER_WINDOW; s.n_faults++) {
        double share = (s.n_faults + rng_double(&rng)) / FAULTS_PER_WINDOW;
        s.faults[s.n_faults] = (struct sim_fault){.kind = fault - 1, .start_s = c->warm_up_s + share * c->window_s};
    }
    return s;
}

/* Job: the bounds and the demand curve of one window. */
static bool solve_window(void *arg, int job, struct err *e)
{
    struct evaluation *v = arg;
    struct evaluate_result *r = v->r;
    const struct evaluate_config *c = r->plan.config;
    struct evaluate_window *w = &r->windows[job];
    struct sim_scenario scenario = scenario_of(v, job / r->n_windows, job % r->n_windows, 0);
    int n_warm_s = (int)lround(c->warm_up_s);
    int n_s = n_warm_s + r->n_periods * (int)lround(c->period_s);
    size_t bytes = (sim_state_bytes() + 63) / 64 * 64;
    float *arrivals = calloc((size_t)n_s, sizeof *arrivals);
    struct sim_state *state = aligned_alloc(64, bytes);
    bool done = arrivals && state;
    if (!done)
        (void)err_set(e, ERR_IO, "evaluate: out of memory");
    if (done) {
        memset(state, 0, bytes);
        sim_begin(v->model, state, &scenario, w->seed, 0);
        done = sim_arrivals(v->model, state, n_s, arrivals, e) &&
               oracle_solve(v->oracle, arrivals + n_warm_s, r->n_periods, &w->bound, w->demand, e);
    }
    free(arrivals);
    free(state);
    return done;
}

/* A run's place in its grid. */
struct place {
    int entrant, trace, fault, window;
};

static struct place place_of(const struct evaluate_result *r, int job)
{
    struct place p;
    p.window = job % r->n_windows;
    p.fault = job / r->n_windows % r->n_faults;
    p.trace = job / r->n_windows / r->n_faults % r->plan.n_traces;
    p.entrant = job / r->n_windows / r->n_faults / r->plan.n_traces;
    return p;
}

static const struct evaluate_policy *policy_of(const struct evaluate_result *r, int entrant, int *file)
{
    const struct evaluate_policy *p = r->plan.policies;
    while (entrant >= p->n_files)
        entrant -= p++->n_files;
    *file = entrant;
    return p;
}

/* NULL: there is none. */
static const struct evaluate_policy *first_trained(const struct evaluate_plan *plan)
{
    for (int p = 0; p < plan->n_policies; p++)
        if (strncmp(plan->policies[p].text[0], "ppo:", 4) == 0)
            return &plan->policies[p];
    return NULL;
}

/* Job: one policy on one window. */
static bool run_one(void *arg, int job, struct err *e)
{
    struct evaluation *v = arg;
    struct evaluate_result *r = v->r;
    struct place at = place_of(r, job);
    struct sim_scenario scenario = scenario_of(v, at.trace, at.window, at.fault);
    int file;
    const struct evaluate_policy *policy = policy_of(r, at.entrant, &file);
    struct trial trial = {.policy = policy->text[policy->by_trace ? at.trace : file],
                          .model = v->model,
                          .scenario = &scenario,
                          .control = &v->control,
                          .rules = &v->rules,
                          .window = &r->windows[at.trace * r->n_windows + at.window],
                          .warm_up_s = r->plan.config->warm_up_s,
                          .n_periods = r->n_periods,
                          .exact = r->plan.config->cluster == 1,
                          .flap_budget = r->plan.config->flap_budget,
                          .tiles = at.fault == 0 && policy == first_trained(&r->plan) ? r->tiles : NULL};
    bool shown = r->timeline && file == 0 && at.fault == 0 && at.window == 0;
    int row_policy = (int)(policy - r->plan.policies);
    size_t row = (size_t)(row_policy * r->plan.n_traces + at.trace) * (size_t)r->n_periods;
    return trial_run(&trial, &r->runs[job], shown ? r->timeline + row : NULL, e) ||
           err_wrap(e, "%s on %s", trial.policy, r->plan.traces[at.trace].name);
}

static void put_bound(const struct evaluate_window *w, const struct oracle_plan *plan, double hours,
                      struct evaluate_run *out)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        out->metric[m] = (double)NAN;
    out->metric[METRIC_REWARD_TRUE] = plan->reward_mean;
    out->metric[METRIC_VIOLATION_TIME] = 100.0 * plan->over_soft;
    out->metric[METRIC_REPLICA_HOURS] = plan->pods_mean * hours;
    out->metric[METRIC_MEAN_REPLICAS] = plan->pods_mean;
    out->metric[METRIC_REGRET_REWARD] = w->bound.reward.reward_mean - plan->reward_mean;
    out->metric[METRIC_REGRET_COST] = 100.0 * (plan->pods_mean / w->bound.budget.pods_mean - 1.0);
    out->slo_holds = plan == &w->bound.budget && plan->possible;
}

static void put_bounds(struct evaluate_result *r)
{
    int n_trials = (r->n_entrants - EVALUATE_BOUNDS) * r->plan.n_traces * r->n_faults * r->n_windows;
    double hours = r->n_periods * r->plan.config->period_s / 3600.0;
    for (int i = 0; i < EVALUATE_BOUNDS * r->plan.n_traces * r->n_faults * r->n_windows; i++) {
        struct place at = place_of(r, i);
        const struct evaluate_window *w = &r->windows[at.trace * r->n_windows + at.window];
        put_bound(w, at.entrant == 0 ? &w->bound.reward : &w->bound.budget, hours, &r->runs[n_trials + i]);
    }
}

static bool check_plan(const struct evaluate_plan *plan, struct err *e)
{
    const struct evaluate_config *c = plan->config;
    double periods = c->window_s / c->period_s;
    double warm = c->warm_up_s / c->period_s;
    if (plan->n_policies < 1 || plan->n_traces < 1)
        return err_set(e, ERR_USAGE, "evaluate: needs at least one policy and one trace");
    for (int p = 0; p < plan->n_policies; p++)
        if (plan->policies[p].by_trace && plan->n_traces > EVALUATE_FILES)
            return err_set(e, ERR_USAGE, "evaluate: a policy tuned by trace takes at most %d traces", EVALUATE_FILES);
    if (c->min_replicas > c->max_replicas)
        return err_set(e, ERR_USAGE, "evaluate.min_replicas: %d is more than max_replicas, %d", c->min_replicas,
                       c->max_replicas);
    if (floor(c->period_s) < c->period_s)
        return err_set(e, ERR_USAGE, "evaluate.period_s: %g is not a whole number of seconds", c->period_s);
    if (!plan->no_bounds && c->period_s < ORACLE_PERIOD_LEAST)
        return err_set(e, ERR_USAGE, "evaluate.period_s: the bounds need periods of at least %d s, it is %g s",
                       ORACLE_PERIOD_LEAST, c->period_s);
    if (floor(periods) < periods || periods < 1.0)
        return err_set(e, ERR_USAGE, "evaluate.window_s: %g is not a multiple of period_s, %g", c->window_s,
                       c->period_s);
    if (floor(warm) < warm)
        return err_set(e, ERR_USAGE, "evaluate.warm_up_s: %g is not a multiple of period_s, %g", c->warm_up_s,
                       c->period_s);
    return true;
}

static bool open_oracle(struct evaluation *v, struct err *e)
{
    struct oracle_config oracle = {.model = v->model,
                                   .period_s = (int)lround(v->r->plan.config->period_s),
                                   .target = v->rules.target,
                                   .reward = v->r->plan.reward,
                                   .budget = v->r->plan.config->slo_budget};
    return oracle_open(&oracle, &v->oracle, e);
}

/* The limits in force: either may be the profile's. */
static bool check_limits(const struct evaluate_result *r, struct err *e)
{
    const struct evaluate_config *c = r->plan.config;
    if (r->soft_ms <= r->hard_ms)
        return true;
    return err_set(e, ERR_USAGE, "evaluate.latency_soft_ms: %g ms%s is above latency_hard_ms, %g ms%s", r->soft_ms,
                   c->latency_soft_ms > 0.0 ? "" : " (the profile's)", r->hard_ms,
                   c->latency_hard_ms > 0.0 ? "" : " (the profile's)");
}

static bool prepare(struct evaluation *v, const struct evaluate_plan *plan, struct err *e)
{
    const struct evaluate_config *c = plan->config;
    const struct service_profile *profile = plan->profile;
    struct evaluate_result *r = v->r;
    r->soft_ms = c->latency_soft_ms > 0.0 ? c->latency_soft_ms : profile->service.latency_soft_ms;
    r->hard_ms = c->latency_hard_ms > 0.0 ? c->latency_hard_ms : profile->service.latency_hard_ms;
    v->rules = (struct judge_rules){
        .reward = plan->reward, .period_s = c->period_s, .slo_budget = c->slo_budget, .hard_s = c->hard_s};
    v->rules.target = (struct target){.min_replicas = c->min_replicas,
                                      .max_replicas = c->max_replicas,
                                      .latency_soft_ms = r->soft_ms,
                                      .latency_hard_ms = r->hard_ms};
    snprintf(v->rules.target.name, sizeof v->rules.target.name, "%s", profile->name);
    v->control = (struct control){.actions = {3, {-1, 0, 1}},
                                  .guard = {.enabled = true},
                                  .target = v->rules.target,
                                  .period_s = c->period_s,
                                  .masks = true};
    struct sim_config sim = {.profile = profile,
                             .traces = plan->traces,
                             .n_traces = plan->n_traces,
                             .n_variants = 1,
                             .n_threads = c->threads,
                             .max_replicas = c->max_replicas,
                             .latency_soft_ms = r->soft_ms,
                             .episode_s = c->warm_up_s + c->window_s,
                             .seed = (uint64_t)c->seed};
    return check_limits(r, e) &&
           observation_spec_parse(&v->control.observation, "raw5", c->period_s, profile->measurement.window_s, e) &&
           sim_model_open(&sim, &v->model, e) && (plan->no_bounds || open_oracle(v, e));
}

static bool allocate(struct evaluate_result *r, struct err *e)
{
    size_t n_traces = (size_t)r->plan.n_traces;
    size_t n_windows = n_traces * (size_t)r->n_windows;
    size_t n_rows = (size_t)r->plan.n_policies * n_traces * (size_t)r->n_periods;
    r->windows = calloc(n_windows, sizeof *r->windows);
    r->runs = calloc((size_t)r->n_entrants * n_windows * (size_t)r->n_faults, sizeof *r->runs);
    r->timeline = r->plan.timeline ? calloc(n_rows, sizeof *r->timeline) : NULL;
    bool mapped = r->plan.decisions && first_trained(&r->plan);
    r->tiles = mapped ? calloc((size_t)EVALUATE_MAP_LATENCIES * EVALUATE_MAP_LOADS, sizeof *r->tiles) : NULL;
    bool done = r->windows && r->runs && (r->timeline || !r->plan.timeline) && (r->tiles || !mapped);
    for (size_t i = 0; done && i < n_windows; i++)
        done = (r->windows[i].demand = calloc((size_t)r->n_periods, sizeof(double))) != NULL;
    return done || err_set(e, ERR_IO, "evaluate: out of memory");
}

static bool run_all(struct evaluation *v, struct err *e)
{
    struct evaluate_result *r = v->r;
    const struct evaluate_plan *plan = &r->plan;
    r->capacity_rps = sim_capacity_rps(v->model, 0);
    double peak_rps = plan->config->peak * plan->config->max_replicas * r->capacity_rps;
    for (int t = 0; t < plan->n_traces; t++)
        draw_windows(r, t, peak_rps);
    struct jobs bounds = {
        .n = plan->n_traces * r->n_windows, .n_threads = plan->config->threads, .run = solve_window, .arg = v};
    struct jobs trials = {.n = (r->n_entrants - EVALUATE_BOUNDS) * plan->n_traces * r->n_faults * r->n_windows,
                          .n_threads = plan->config->threads,
                          .run = run_one,
                          .arg = v,
                          .progress = plan->progress,
                          .progress_arg = plan->progress_arg};
    if ((!plan->no_bounds && !jobs_run(&bounds, e)) || !jobs_run(&trials, e))
        return false;
    put_bounds(r);
    return true;
}

bool evaluate_all(const struct evaluate_plan *plan, struct evaluate_result *out, struct err *e)
{
    if (!check_plan(plan, e))
        return false;
    struct evaluate_result r = {.plan = *plan, .n_entrants = EVALUATE_BOUNDS};
    struct evaluation v = {.r = &r};
    for (int p = 0; p < plan->n_policies; p++)
        r.n_entrants += plan->policies[p].n_files;
    r.n_faults = plan->faults ? 1 + FAULT_KINDS : 1;
    r.n_windows = plan->config->windows * plan->config->seeds;
    r.n_periods = (int)lround(plan->config->window_s / plan->config->period_s);
    bool done = prepare(&v, plan, e) && allocate(&r, e) && run_all(&v, e);
    oracle_close(v.oracle);
    sim_model_close(v.model);
    if (done)
        *out = r;
    else
        evaluate_finish(&r);
    return done;
}

void evaluate_finish(struct evaluate_result *r)
{
    if (!r)
        return;
    for (int i = 0; r->windows && i < r->plan.n_traces * r->n_windows; i++)
        free(r->windows[i].demand);
    free(r->windows);
    free(r->runs);
    free(r->timeline);
    free(r->tiles);
    r->windows = NULL;
    r->runs = NULL;
    r->timeline = NULL;
    r->tiles = NULL;
}
