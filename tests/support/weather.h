/* weather: random faults over a toy fleet and what must hold in every tick of it, whatever happens: the property test of the
 * whole control path. Deterministic for a seed; plain checks, as ck_assert a million times over takes minutes. */
#ifndef TESTS_WEATHER_H
#define TESTS_WEATHER_H

#include "toy_fleet.h"
#include "trained.h"

#include <maestro/file.h>
#include <maestro/replay.h>
#include <maestro/rng.h>

#include <math.h>
#include <unistd.h>

#define WEATHER_TARGETS 8

struct weather {
    struct toy_scaler s;
    struct rng rng;
    char folder[128], journal[160], policy[160];
    unsigned n_opened; /* journals */
    struct {
        int replicas, n_writes;
        bool sound;
        int min, max;
    } before[WEATHER_TARGETS];
    long long n_ticks;     /* of targets: decided or not */
    long long n_downs;     /* writes downward */
    long long n_human;     /* of them by order */
    long long n_bad_looks; /* ticks of targets with a signal that was not to be trusted */
    long long n_restarts, n_replayed;
    char problem[512]; /* "": all is well */
};

/* The toy's write, watched. */
static inline bool weather_sound(const struct toy_target *t)
{
    const double values[SIGNAL_COUNT] = {t->cpu, 0.3, t->replicas, t->p95_ms, t->rps};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        bool valid = t->validity[i] == VALIDITY_VALID && values[i] >= 0 && values[i] <= 1e15;
        if (!valid && t->validity[i] != VALIDITY_ABSENT)
            return false;
    }
    return true;
}

static inline void weather_note(struct weather *w, int i)
{
    const struct toy_target *t = &w->s.toy.targets[i];
    w->before[i].replicas = t->replicas;
    w->before[i].n_writes = t->n_writes;
    w->before[i].sound = weather_sound(t) && !w->s.toy.refresh_fails;
}

/* The final reason of a target's newest decision, by what /why says. */
static inline void weather_final(struct weather *w, int i, char *out, size_t n)
{
    CLEANUP_BUF struct buf why = {0};
    char name[32];
    snprintf(name, sizeof name, "web-%d", i);
    out[0] = '\0';
    if (!board_why(w->s.board, "shop", name, true, &why))
        return;
    const char *at = strstr(why.bytes, "\"guard_reason\":\"");
    if (at)
        snprintf(out, n, "%.*s", (int)strcspn(at + 16, "\""), at + 16);
}

static inline void weather_complain(struct weather *w, int i, const char *what)
{
    char reason[64];
    const struct toy_target *t = &w->s.toy.targets[i];
    weather_final(w, i, reason, sizeof reason);
    if (!*w->problem)
        snprintf(w->problem, sizeof w->problem, "web-%d: %s: %d -> %d, %d..%d, %s", i, what, w->before[i].replicas,
                 t->replicas, w->before[i].min, w->before[i].max, reason);
}

/* What one write of a target must keep to. */
static inline void weather_check_write(struct weather *w, int i)
{
    const struct toy_target *t = &w->s.toy.targets[i];
    char reason[64];
    weather_final(w, i, reason, sizeof reason);
    bool human = strncmp(reason, "human_", 6) == 0;
    bool down = t->replicas < w->before[i].replicas;
    w->n_downs += down;
    w->n_human += down && human;
    if (down && !human && !w->before[i].sound)
        weather_complain(w, i, "down on a signal that was not to be trusted");
    if (down && !human && (t->view.rolling_out || t->view.rollout_paused))
        weather_complain(w, i, "down during a rollout");
    if (strcmp(reason, "human_pause") != 0 && (t->replicas < w->before[i].min || t->replicas > w->before[i].max))
        weather_complain(w, i, "outside min and max");
    if (*t->view.conflict)
        weather_complain(w, i, "written beside another scaler");
    if (t->n_writes > w->before[i].n_writes + 1)
        weather_complain(w, i, "written twice in a tick");
}

static inline long long weather_finals(const struct weather *w)
{
    long long n = 0;
    for (int i = 0; i < FINAL_REASONS; i++)
        n += board_finals(w->s.board, i);
    return n;
}

static inline void weather_tick(struct weather *w)
{
    long long finals = weather_finals(w);
    for (int i = 0; i < WEATHER_TARGETS; i++)
        weather_note(w, i);
    int n_due = autoscaler_tick(w->s.autoscaler);
    w->n_ticks += n_due;
    if (weather_finals(w) != finals + n_due && !*w->problem)
        snprintf(w->problem, sizeof w->problem, "%d targets were due, %lld final reasons given", n_due,
                 weather_finals(w) - finals);
    if (w->s.toy.n_late > 0 && !*w->problem)
        snprintf(w->problem, sizeof w->problem, "a write began at or after the deadline");
    for (int i = 0; i < WEATHER_TARGETS; i++) {
        w->n_bad_looks += !w->before[i].sound;
        if (w->s.toy.targets[i].n_writes != w->before[i].n_writes &&
            w->s.toy.targets[i].replicas != w->before[i].replicas)
            weather_check_write(w, i);
    }
}

/* The limits that are in force: annotations are taken as a whole, so nothing refused may stand beside new limits. */
static inline void weather_limits(struct weather *w, int i, int min, int max)
{
    char text[16];
    toy_annotate(&w->s.toy, i, "interval", NULL);
    snprintf(text, sizeof text, "%d", min);
    toy_annotate(&w->s.toy, i, "min-replicas", text);
    snprintf(text, sizeof text, "%d", max);
    toy_annotate(&w->s.toy, i, "max-replicas", text);
    w->before[i].min = min;
    w->before[i].max = max;
}

static inline void weather_annotate(struct weather *w, int i)
{
    static const char *const POLICIES[] = {"ppo:web", "random", "hpa", "hpa:target=50,window=0", "fixed:2", "fixed:9"};
    static const char *const MODE_TEXTS[] = {"active", "active", "active", "active", "shadow", "dry-run", "off"};
    static const char *const FLAGS[] = {"true", "false"};
    struct toy_fleet *f = &w->s.toy;
    char text[16];
    int min = 1 + (int)rng_bounded(&w->rng, 4);
    switch (rng_bounded(&w->rng, 8)) {
    case 0:
        toy_annotate(f, i, "mode", MODE_TEXTS[rng_bounded(&w->rng, 7)]);
        return;
    case 1:
        weather_limits(w, i, min, min + (int)rng_bounded(&w->rng, 12));
        return;
    case 2:
        toy_annotate(f, i, "policy", POLICIES[rng_bounded(&w->rng, 6)]);
        return;
    case 3:
        toy_annotate(f, i, "paused", rng_bounded(&w->rng, 2) ? FLAGS[rng_bounded(&w->rng, 2)] : NULL);
        return;
    case 4:
        snprintf(text, sizeof text, "%d", (int)rng_bounded(&w->rng, 12));
        toy_annotate(f, i, "paused-replicas", rng_bounded(&w->rng, 6) == 0 ? text : NULL);
        return;
    case 5:
        toy_annotate(f, i, "paused-scale-in", rng_bounded(&w->rng, 3) == 0 ? "true" : NULL);
        return;
    case 6: // nonsense: what was good stays
        toy_annotate(f, i, "interval", rng_bounded(&w->rng, 3) == 0 ? "soon" : NULL);
        return;
    default:
        toy_annotate(f, i, "latencySoftConstraint", rng_bounded(&w->rng, 2) ? "200" : "-1");
    }
}

static inline void weather_signals(struct weather *w, struct toy_target *t)
{
    static const double ODD[] = {(double)NAN, (double)INFINITY, -5, 1e300};
    t->cpu = rng_uniform(&w->rng, 0, 60.0 * (1 + t->replicas));
    t->rps = rng_uniform(&w->rng, 0, 400);
    t->p95_ms = rng_uniform(&w->rng, 5, 600);
    for (int k = 0; k < SIGNAL_COUNT; k++)
        t->validity[k] = VALIDITY_VALID;
    if (rng_bounded(&w->rng, 3) == 0)
        for (int k = 0; k < 2; k++)
            t->validity[rng_bounded(&w->rng, SIGNAL_COUNT)] = (enum validity)rng_bounded(&w->rng, 5);
    if (rng_bounded(&w->rng, 30) == 0)
        t->p95_ms = ODD[rng_bounded(&w->rng, 4)];
    if (rng_bounded(&w->rng, 30) == 0)
        t->cpu = ODD[rng_bounded(&w->rng, 4)];
    t->view.sample.starting = (int)rng_bounded(&w->rng, 3);
    t->pods_fail = rng_bounded(&w->rng, 10) == 0;
}

static inline void weather_target(struct weather *w, int i)
{
    struct toy_target *t = &w->s.toy.targets[i];
    weather_signals(w, t);
    t->view.rolling_out = rng_bounded(&w->rng, 25) == 0;
    t->view.rollout_paused = rng_bounded(&w->rng, 40) == 0;
    if (rng_bounded(&w->rng, 40) == 0)
        snprintf(t->view.conflict, sizeof t->view.conflict, rng_bounded(&w->rng, 4) ? "" : "ScaledObject shop/web");
    if (rng_bounded(&w->rng, t->view.gone ? 20 : 300) == 0)
        t->view.gone = !t->view.gone;
    if (rng_bounded(&w->rng, 400) == 0)
        t->replicas = (int)rng_bounded(&w->rng, 15); // somebody else
    if (rng_bounded(&w->rng, 500) == 0)
        snprintf(t->view.uid, sizeof t->view.uid, "uid-%u", (unsigned)rng_u32(&w->rng));
    if (rng_bounded(&w->rng, 25) == 0)
        weather_annotate(w, i);
}

static inline void weather_world(struct weather *w)
{
    static const double JUMPS_S[] = {-7200, -30, 40, 3600, 90000};
    struct toy_fleet *f = &w->s.toy;
    if (rng_bounded(&w->rng, 20) == 0)
        f->next_write = (enum fleet_outcome)rng_bounded(&w->rng, FLEET_FAILED + 1);
    else if (rng_bounded(&w->rng, 4) == 0)
        f->next_write = FLEET_DONE;
    f->write_lands = rng_bounded(&w->rng, 2);
    f->refresh_fails = rng_bounded(&w->rng, 20) == 0;
    f->write_takes_s = rng_bounded(&w->rng, 10) == 0 ? 2 : 0;
    if (rng_bounded(&w->rng, 250) == 0)
        f->wall_s += JUMPS_S[rng_bounded(&w->rng, 5)];
    bool leads = rng_bounded(&w->rng, 12) != 0;
    f->deadline_s = leads ? f->monotonic_s + rng_uniform(&w->rng, 0, 12) : 0;
}

static inline void weather_open_journal(struct weather *w)
{
    struct err e = {0};
    snprintf(w->journal, sizeof w->journal, "%s/journal-%u.jsonl", w->folder, w->n_opened++);
    if (!journal_open(w->journal, 0, 0, &w->s.journal, &e))
        snprintf(w->problem, sizeof w->problem, "%s", e.message);
}

/* Everything so far decided once more; the journal starts anew. */
static inline void weather_replay(struct weather *w)
{
    struct replay *r = NULL;
    struct replay_report report = {0};
    struct err e = {0};
    journal_close(w->s.journal);
    w->s.journal = NULL;
    bool done = !file_exists(w->journal) || (replay_open(w->folder, &r, &e) && replay_file(r, w->journal, &report, &e));
    if (!done && !*w->problem)
        snprintf(w->problem, sizeof w->problem, "%s", e.message);
    replay_close(r);
    w->n_replayed += report.n_decisions;
    (void)remove(w->journal);
}

static inline void weather_restart(struct weather *w, bool with_journal)
{
    autoscaler_close(w->s.autoscaler);
    w->s.autoscaler = NULL;
    if (with_journal)
        weather_replay(w);
    else
        journal_close(w->s.journal);
    w->s.journal = NULL;
    if (with_journal) {
        weather_open_journal(w);
    } else {
        struct err e = {0};
        if (!journal_open(w->journal, 0, 0, &w->s.journal, &e))
            snprintf(w->problem, sizeof w->problem, "%s", e.message);
    }
    toy_scaler_start(&w->s);
    w->n_restarts++;
}

static inline void weather_open(struct weather *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed, 9);
    snprintf(w->folder, sizeof w->folder, "/tmp/maestro-weather-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->folder));
    snprintf(w->policy, sizeof w->policy, "%s/web.safetensors", w->folder);
    trained_write(w->policy, "default", seed);
    toy_scaler_open(&w->s, WEATHER_TARGETS, "ppo:web");
    snprintf(w->s.config.policies, sizeof w->s.config.policies, "%s", w->folder);
    snprintf(w->s.config.allowed, sizeof w->s.config.allowed, "hpa,fixed,ppo,random");
    w->s.config.interval_s = 0;
    w->s.config.conflict_cooldown_s = 60;
    w->s.config.fallback = (int)(seed % 2);
    w->s.config.fallback_replicas = 6;
    w->s.config.flap_budget = seed % 3 == 0 ? 12 : 0;
    weather_open_journal(w);
    for (int i = 0; i < WEATHER_TARGETS; i++)
        weather_limits(w, i, 1, 12);
    toy_scaler_start(&w->s);
}

/* n_ticks ticks of targets, or the first problem. */
static inline void weather_run(struct weather *w, long long n_ticks)
{
    for (long long round = 1; w->n_ticks < n_ticks && !*w->problem; round++) {
        toy_pass(&w->s.toy, 5);
        weather_world(w);
        for (int i = 0; i < WEATHER_TARGETS; i++)
            weather_target(w, i);
        weather_tick(w);
        if (round % 2500 == 0 || rng_bounded(&w->rng, 700) == 0)
            weather_restart(w, round % 2500 == 0);
    }
}

static inline void weather_close(struct weather *w)
{
    weather_replay(w);
    toy_scaler_close(&w->s);
    (void)remove(w->policy);
    (void)rmdir(w->folder);
}

#endif
