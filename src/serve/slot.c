/* slot: settings and policy of one target, kept in force. In: a view's annotations, the pool. Out: the control settings
 * that the target's decisions are made with. Decides nothing about replicas. */
#include "slot.h"

#include <maestro/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_policies(struct slot *s)
{
    policy_close(s->own);
    policy_close(s->stand_in);
    s->own = s->stand_in = NULL;
    s->pooled = NULL;
}

void slot_clear(struct slot *s)
{
    close_policies(s);
    free(s->state);
    *s = (struct slot){0};
}

void slot_forget(struct slot *s)
{
    policy_close(s->stand_in);
    s->stand_in = NULL;
    s->breaker = (struct breaker){0};
    s->begun = false;
    s->journal_file = 0;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_annotations(const struct fleet_view *view)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < view->n_annotations; i++)
        hash = hash_text(hash_text(hash, view->annotations[i].key), view->annotations[i].value);
    return hash ? hash : 1;
}

bool slot_read_settings(struct slot *s, const char *prefix, const struct target_settings *defaults,
                        const struct fleet_view *view)
{
    uint64_t hash = hash_annotations(view);
    struct err why = {0};
    if (hash == s->annotations)
        return false;
    s->annotations = hash;
    s->refused[0] = '\0';
    if (annotations_read(prefix, defaults, view->annotations, view->n_annotations, &s->settings, &why))
        s->has_settings = true;
    else
        snprintf(s->refused, sizeof s->refused, "%.*s", (int)sizeof s->refused - 1, why.message);
    return true;
}

struct policy *slot_policy(const struct slot *s)
{
    return s->own ? s->own : s->pooled->shared;
}

static double interval_s_of(const struct target_settings *settings, const struct pooled *pooled,
                            const struct slot_terms *terms)
{
    if (settings->interval_s > 0)
        return settings->interval_s;
    if (!pooled)
        return terms->default_period_s;
    if (pooled->sync_s > 0)
        return pooled->sync_s;
    return pooled->from_file ? pooled->control.period_s : terms->default_period_s;
}

double slot_interval_s(const struct slot *s, const struct slot_terms *terms)
{
    return interval_s_of(&s->settings, s->pooled, terms);
}

static bool differs(double trained, double live)
{
    return live > 0 && trained > 0 && fabs(trained - live) > 1e-6 * trained;
}

static bool refuse(struct slot *s, const struct pooled *p, const char *what, double trained, double live)
{
    char text[ANNOTATIONS_POLICY];
    snprintf(s->policy_refused, sizeof s->policy_refused,
             "policy %s: trained with %s %.6g, here it is %.6g: it may only watch",
             text_shorten(text, sizeof text, p->text), what, trained, live);
    return false;
}

/* Acting on signals that mean something else than in training is refused; watching is not. */
static bool fits(struct slot *s, const struct pooled *p, const struct slot_terms *terms)
{
    double interval_s = interval_s_of(&s->settings, p, terms);
    if (!p->from_file || s->settings.mode == MODE_SHADOW)
        return true;
    if (differs(p->control.period_s, interval_s))
        return refuse(s, p, "a period, s, of", p->control.period_s, interval_s);
    if (differs(p->window_s, terms->window_s))
        return refuse(s, p, "a rate window, s, of", p->window_s, terms->window_s);
    if (differs(p->quantile, terms->quantile))
        return refuse(s, p, "the quantile", p->quantile, terms->quantile);
    if (differs(p->scrape_s, terms->scrape_s))
        return refuse(s, p, "a scrape interval, s, of", p->scrape_s, terms->scrape_s);
    return true;
}

/* What serving lays over the settings that the policy was trained with. */
static void lay_over(struct slot *s, const struct slot_terms *terms)
{
    const struct autoscaler_config *config = terms->config;
    struct guard_config *g = &s->control.guard;
    double interval_s = slot_interval_s(s, terms);
    double hold_s = g->stabilise_down_s > interval_s ? g->stabilise_down_s : interval_s;
    g->enabled = g->strict = true;
    g->fallback = config->fallback;
    g->fallback_replicas = config->fallback_replicas;
    g->ood_limit = config->ood_limit;
    g->flap_budget = config->flap_budget;
    g->rollout_up = config->rollout_up;
    g->start_hold_s = config->start_hold_s > 0 ? config->start_hold_s : hold_s;
    s->control.period_s = interval_s;
}

static void take_over(struct slot *s, const struct slot_terms *terms)
{
    struct control control = s->pooled->control;
    memcpy(control.target.name, s->name, sizeof control.target.name);
    s->control = control;
    s->generation = s->pooled->generation;
    lay_over(s, terms);
    s->journal_file = 0;
}

/* The target's own object, where the policy has a memory. */
static bool own_policy(struct slot *s, struct pool *pool, const struct pooled *pooled, struct err *e)
{
    struct policy *own = NULL;
    if (!pooled->shared && !pool_instance(pool, pooled, &own, e))
        return false;
    close_policies(s);
    s->own = own;
    s->pooled = pooled;
    return true;
}

static bool refused(struct slot *s, const struct err *why)
{
    text_shorten(s->policy_refused, sizeof s->policy_refused, why->message);
    return false;
}

/* The policy that the settings ask for, if it may decide. *out is also set where it may only watch. */
static bool find(struct slot *s, struct pool *pool, const struct slot_terms *terms, const struct pooled **out)
{
    struct err why = {0};
    s->policy_refused[0] = '\0';
    if (!pool_find(pool, s->settings.policy, out, &why))
        return refused(s, &why);
    return fits(s, *out, terms);
}

bool slot_bind(struct slot *s, struct pool *pool, const struct slot_terms *terms, bool ordered)
{
    const struct pooled *pooled = NULL;
    struct err why = {0};
    bool may_decide = find(s, pool, terms, &pooled);
    if (!may_decide && ordered)
        pooled = pool_held(pool);
    if (!pooled)
        return false;
    bool other = pooled != s->pooled;
    if ((other || pooled->generation != s->generation) && !own_policy(s, pool, pooled, &why))
        return refused(s, &why);
    if (other || pooled->generation != s->generation || s->control.period_s != slot_interval_s(s, terms)) {
        take_over(s, terms);
        if (other || s->own)
            slot_forget(s);
    }
    return may_decide || ordered;
}
