/* autoscaler: the tick. In: a fleet, a clock, settings. Out: writes, journal lines, Events, the board. The stages stand in
 * files of their own: slot (settings and policy), decide (plans), carry (writes), board (what is told). */
#include <maestro/autoscaler.h>

#include "carry.h"
#include "tell.h"

#include <maestro/log.h>
#include <maestro/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double LOOK_AT_FILES_S = 10;

struct autoscaler {
    struct autoscaler_parts parts;
    struct target_settings defaults;
    struct slot_terms terms;
    struct pool *pool;
    struct slot *slots; /* [n_slots], owned; numbered as in the fleet */
    int n_slots;
    struct decide_plan *plans; /* [n_plans], owned; of one round */
    struct decide_plan **order;
    int n_plans;
    struct carry carry;
    struct teller teller;
    bool journal_failing, refresh_failing;
    bool reload_wanted;
    double files_due_s;
};

static void default_settings(const struct autoscaler_config *c, struct target_settings *out)
{
    *out = (struct target_settings){.mode = (enum target_mode)c->mode,
                                    .min_replicas = c->min_replicas,
                                    .max_replicas = c->max_replicas,
                                    .latency_soft_ms = c->latency_soft_ms,
                                    .latency_hard_ms = c->latency_hard_ms,
                                    .interval_s = c->interval_s};
    snprintf(out->policy, sizeof out->policy, "%.*s", (int)sizeof out->policy - 1, c->policy);
}

static bool open_pool(struct autoscaler *a, struct err *e)
{
    const struct autoscaler_config *c = a->parts.config;
    const struct pooled *unused;
    const struct pool_config config = {.section = "autoscaler",
                                       .folder = c->policies,
                                       .allowed = c->allowed,
                                       .policy = c->policy,
                                       .breaker = c->breaker,
                                       .period_s = a->terms.default_period_s,
                                       .window_s = a->parts.window_s};
    if (strlen(c->policy) >= ANNOTATIONS_POLICY)
        return err_set(e, ERR_USAGE, "autoscaler.policy: longer than %d bytes", ANNOTATIONS_POLICY - 1);
    return pool_open(&config, &a->pool, e) &&
           (pool_find(a->pool, c->policy, &unused, e) || err_wrap(e, "autoscaler.policy")) &&
           (pool_find(a->pool, c->breaker, &unused, e) || err_wrap(e, "autoscaler.breaker"));
}

bool autoscaler_open(const struct autoscaler_parts *parts, struct autoscaler **out, struct err *e)
{
    if (!autoscaler_config_check(parts->config, e))
        return false;
    struct autoscaler *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, ERR_IO, "autoscaler: out of memory");
    a->parts = *parts;
    a->terms = (struct slot_terms){.scrape_s = parts->scrape_s,
                                   .window_s = parts->window_s,
                                   .quantile = parts->quantile,
                                   .default_period_s = parts->config->interval_s > 0 ? parts->config->interval_s : 15,
                                   .config = parts->config};
    a->teller = (struct teller){.config = parts->config, .fleet = parts->fleet, .clock = parts->clock};
    default_settings(parts->config, &a->defaults);
    if (!open_pool(a, e)) {
        autoscaler_close(a);
        return false;
    }
    *out = a;
    return true;
}

void autoscaler_close(struct autoscaler *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->n_slots; i++)
        slot_clear(&a->slots[i]);
    free(a->slots);
    free(a->plans);
    free(a->order);
    pool_close(a->pool);
    free(a);
}

int autoscaler_targets(const struct autoscaler *a)
{
    int n = 0;
    for (int i = 0; i < a->n_slots; i++)
        n += a->slots[i].used;
    return n;
}

void autoscaler_reload(struct autoscaler *a)
{
    a->reload_wanted = true;
}

static double monotonic(const struct autoscaler *a)
{
    return a->parts.clock.monotonic_s(a->parts.clock.context);
}

static bool is_leader(const struct autoscaler *a, double now_s)
{
    return now_s < fleet_deadline_s(a->parts.fleet);
}

static void told_reload(void *context, const char *text, const struct err *why)
{
    struct autoscaler *a = context;
    board_reload(a->parts.board, why->code == ERR_NONE);
    if (why->code == ERR_NONE)
        log_info("policy_reloaded", kv("policy", text));
    else
        log_warn("policy_kept", kv("policy", text), kv("message", why->message));
    for (int i = 0; i < a->n_slots; i++) {
        struct slot *s = &a->slots[i];
        if (!s->used || !s->pooled || strcmp(s->pooled->text, text) != 0)
            continue;
        text_shorten(s->policy_kept, sizeof s->policy_kept, why->message);
        if (why->code != ERR_NONE)
            tell(&a->teller, i, s, true, "PolicyKept", s->policy_kept);
    }
}

static void look_at_files(struct autoscaler *a, double now_s)
{
    if (!a->reload_wanted && now_s < a->files_due_s)
        return;
    a->reload_wanted = false;
    a->files_due_s = now_s + LOOK_AT_FILES_S;
    pool_reload(a->pool, told_reload, a);
}

static bool grow(struct autoscaler *a, int n)
{
    if (n <= a->n_slots)
        return true;
    int wanted = n + n / 2 + 8;
    struct slot *slots = realloc(a->slots, (size_t)wanted * sizeof *slots);
    if (!slots)
        return false;
    memset(slots + a->n_slots, 0, (size_t)(wanted - a->n_slots) * sizeof *slots);
    a->slots = slots;
    a->n_slots = wanted;
    return true;
}

static void drop(struct autoscaler *a, int i)
{
    if (!a->slots[i].used)
        return;
    tell_gone(&a->teller, &a->slots[i]);
    slot_clear(&a->slots[i]);
    board_drop(a->parts.board, i);
}

/* The slot follows the view: another target under the same number, or the same name made anew, starts from nothing. */
static void follow(struct autoscaler *a, int i, const struct fleet_view *view)
{
    char name[TARGET_NAME];
    snprintf(name, sizeof name, "%.63s/%.127s", view->space, view->name);
    struct slot *s = &a->slots[i];
    if (!*view->name) {
        drop(a, i);
        return;
    }
    if (s->used && (strcmp(s->name, name) != 0 || strcmp(s->uid, view->uid) != 0))
        drop(a, i);
    if (s->used)
        return;
    s->used = true;
    memcpy(s->name, name, sizeof s->name);
    memcpy(s->uid, view->uid, sizeof s->uid);
}

static void follow_all(struct autoscaler *a)
{
    int n = fleet_count(a->parts.fleet);
    if (!grow(a, n)) {
        log_error("out_of_memory", kv("targets", n));
        return;
    }
    for (int i = 0; i < n; i++)
        follow(a, i, fleet_view(a->parts.fleet, i));
    for (int i = n; i < a->n_slots; i++)
        drop(a, i);
}

/* 0..1, the same at every start. */
static double phase_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    hash ^= hash >> 15;
    hash *= 0x85ebca6bu;
    return (double)(hash >> 8) / 16777216.0;
}

/* The first moment after now that lies at the target's own phase: targets spread over the interval. */
static void plan_next(const struct autoscaler *a, struct slot *s, double now_s)
{
    double interval_s = slot_interval_s(s, &a->terms);
    double offset_s = phase_of(s->name) * interval_s;
    s->due_s = (floor((now_s - offset_s) / interval_s) + 1) * interval_s + offset_s;
}

/* New settings are obeyed in the tick that sees them. */
static bool is_due(struct autoscaler *a, int i, const struct fleet_view *view, double now_s)
{
    struct slot *s = &a->slots[i];
    struct tell_before before = tell_remember(s);
    bool first = s->due_s <= 0;
    if (slot_read_settings(s, a->parts.prefix, &a->defaults, view)) {
        if (first)
            tell_found(&a->teller, s);
        tell_settings(&a->teller, i, s, &before);
        if (!first)
            return true;
    }
    if (s->due_s <= 0)
        plan_next(a, s, now_s);
    return now_s >= s->due_s;
}

static bool make_room(struct autoscaler *a, int n)
{
    if (n <= a->n_plans)
        return true;
    int wanted = n + n / 2 + 8;
    struct decide_plan *plans = realloc(a->plans, (size_t)wanted * sizeof *plans);
    if (plans)
        a->plans = plans;
    struct decide_plan **order = realloc(a->order, (size_t)wanted * sizeof(struct decide_plan *));
    if (order)
        a->order = order;
    if (!plans || !order)
        return false;
    a->n_plans = wanted;
    return true;
}

/* Who else acts is looked for in every tick, due or not: a foreign write may be undone within one interval. */
static void look_for_others(struct autoscaler *a, int i, const struct fleet_view *view, double now_s)
{
    struct slot *s = &a->slots[i];
    const struct reading *replicas = &view->sample.signals[SIGNAL_REPLICAS];
    bool usable =
        replicas->validity == VALIDITY_VALID && view->api_age_s <= 0; // an older count is from before our write
    bool active = s->has_settings && s->settings.mode == MODE_ACTIVE;
    if (view->gone)
        return;
    enum conflict_change change =
        conflict_look(&s->conflict, usable ? (int)replicas->value : -1, active && *view->conflict,
                      s->was_acting && is_leader(a, now_s), now_s, a->parts.config->conflict_cooldown_s);
    s->was_acting = active && is_leader(a, now_s);
    tell_conflict(&a->teller, i, s, view, change);
}

/* Plans of all due targets; how many there are. */
static int plan_all(struct autoscaler *a, struct decide_world *w)
{
    int n = 0, count = fleet_count(a->parts.fleet);
    if (!make_room(a, count)) {
        log_error("out_of_memory", kv("targets", count));
        return 0;
    }
    for (int i = 0; i < count && i < a->n_slots; i++) {
        const struct fleet_view *view = fleet_view(a->parts.fleet, i);
        struct slot *s = &a->slots[i];
        if (!s->used)
            continue;
        if (w->refreshed)
            look_for_others(a, i, view, w->now_s);
        if (!is_due(a, i, view, w->now_s))
            continue;
        char policy_before[sizeof s->policy_refused];
        memcpy(policy_before, s->policy_refused, sizeof policy_before);
        struct decide_plan *plan = &a->plans[n];
        plan->target = i;
        decide_target(w, s, view, plan);
        tell_plan(&a->teller, s, plan, policy_before);
        tell_signals(&a->teller, s, view, plan);
        plan_next(a, s, w->now_s);
        a->order[n++] = plan;
    }
    return n;
}

static void write_journal(struct autoscaler *a, const struct decide_plan *plan)
{
    struct err why = {0};
    const struct slot *s = &a->slots[plan->target];
    if (!a->parts.journal)
        return;
    if (s->journalled && journal_write(a->parts.journal, &plan->record, &why))
        return;
    if (!a->journal_failing)
        log_error("journal_failed", kv("message", why.message));
    a->journal_failing = true;
}

static void conditions_of(const struct slot *s, const struct fleet_view *view, char *out, size_t n)
{
    size_t at = 0;
    const struct {
        bool stands;
        const char *word, *text;
    } rows[] = {
        {*s->refused, "settings refused, the last good ones stay: ", s->refused},
        {*s->policy_refused, "policy refused: ", s->policy_refused},
        {*s->policy_kept, "its changed policy file is refused, the old one stays: ", s->policy_kept},
        {*view->conflict, "another scaler: ", view->conflict},
        {*view->lacks, "no data: ", view->lacks},
        {*s->order_waits, "", s->order_waits},
        {conflict_is_foreign(&s->conflict), "somebody else changed the replicas", ""},
        {s->breaker.open, "the breaker's policy decides", ""},
    };
    out[0] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].stands && at < n)
            at += (size_t)snprintf(out + at, n - at, "  %s%s\n", rows[i].word, rows[i].text);
}

/* The end of one target's tick: one outcome, one line, one entry. */
static void settle(struct autoscaler *a, struct decide_plan *plan, const struct fleet_view *view, double wall_s)
{
    struct slot *s = &a->slots[plan->target];
    struct explain_entry entry;
    struct err why = {0};
    char conditions[BOARD_CONDITIONS];
    if (plan->decided) {
        control_commit(s->state, plan->outcome, &plan->record);
        write_journal(a, plan);
        explain_decision(&entry, &plan->record, s->settings.mode, plan->note);
    } else {
        explain_nothing(&entry, wall_s, s->settings.mode, plan->outcome, plan->note);
    }
    if (plan->outcome == OUTCOME_WRITTEN)
        conflict_wrote(&s->conflict, plan->record.guard.replicas);
    else if (plan->outcome == OUTCOME_FAILED)
        conflict_unsure(&s->conflict);
    conditions_of(s, view, conditions, sizeof conditions);
    if (!board_note(a->parts.board, plan->target, s->name, &entry, &why))
        log_error("out_of_memory", kv("message", why.message));
    board_conditions(a->parts.board, plan->target, conditions);
}

static void carry_all(struct autoscaler *a, const struct decide_world *w, int n)
{
    struct carry_world world = {.config = a->parts.config,
                                .fleet = a->parts.fleet,
                                .clock = a->parts.clock,
                                .journal = w->journal,
                                .refreshed = w->refreshed};
    carry_sort(a->order, n);
    for (int i = 0; i < n; i++) {
        struct decide_plan *plan = a->order[i];
        const struct fleet_view *view = fleet_view(a->parts.fleet, plan->target);
        world.journal_failing = a->journal_failing;
        if (plan->decided)
            plan->outcome = carry_out(&a->carry, &world, &a->slots[plan->target], view, plan);
        tell_order(&a->teller, &a->slots[plan->target], view, plan);
        settle(a, plan, view, w->wall_s);
        tell_write(&a->teller, &a->slots[plan->target], plan);
    }
}

static bool begin_round(struct journal *journal)
{
    struct err why = {0};
    bool done = journal_begin_round(journal, &why);
    if (!done)
        log_error("journal_failed", kv("message", why.message));
    return done;
}

/* A round without a decision tells nothing new. */
static void note_journal(struct autoscaler *a, int n, bool failed)
{
    bool decided = false;
    const char *note = "";
    for (int i = 0; i < n; i++) {
        decided = decided || a->plans[i].decided;
        failed = failed || a->plans[i].journal_failed;
        note = a->plans[i].journal_failed ? a->plans[i].note : note;
    }
    if (failed && !a->journal_failing)
        log_error("journal_failed", kv("message", "scale-downs wait until it can be written"), kv("because", note));
    if (failed || decided)
        a->journal_failing = failed;
}

/* An outage is told when it begins and when it ends; the counters tell of the rest. */
static void tell_refresh(struct autoscaler *a, bool worked, const char *message)
{
    if (!worked && !a->refresh_failing)
        log_warn("refresh_failed", kv("message", message));
    if (worked && a->refresh_failing)
        log_info("refresh_works_again");
    a->refresh_failing = !worked;
}

static double cpu_time_s(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int autoscaler_tick(struct autoscaler *a)
{
    struct err why = {0};
    double started_s = monotonic(a), cpu_before_s = cpu_time_s();
    look_at_files(a, started_s);
    pool_begin_round(a->pool);
    struct decide_world w = {.config = a->parts.config,
                             .fleet = a->parts.fleet,
                             .journal = a->parts.journal,
                             .pool = a->pool,
                             .terms = a->terms,
                             .clock = a->parts.clock};
    w.refreshed = fleet_refresh(a->parts.fleet, started_s, &why);
    tell_refresh(a, w.refreshed, why.message);
    w.now_s = monotonic(a);
    w.wall_s = a->parts.clock.wall_s(a->parts.clock.context);
    follow_all(a);
    bool round_failed = w.journal && !begin_round(w.journal);
    int n = plan_all(a, &w);
    note_journal(a, n, round_failed);
    carry_all(a, &w, n);
    tell_rest(&a->teller);
    double ended_s = monotonic(a);
    board_tick(a->parts.board, &(struct board_tick){.seconds = ended_s - started_s,
                                                    .cpu_s = cpu_time_s() - cpu_before_s,
                                                    .wall_s = a->parts.clock.wall_s(a->parts.clock.context),
                                                    .period_s = a->parts.config->tick_s,
                                                    .refreshed = w.refreshed,
                                                    .leader = is_leader(a, ended_s),
                                                    .journal_ok = !a->journal_failing,
                                                    .n_targets = autoscaler_targets(a),
                                                    .n_due = n});
    return n;
}
