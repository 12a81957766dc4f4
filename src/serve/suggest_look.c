/* suggest_look: one look at one watched target: its settings from annotations, its policy from the pool, its history moved on by
 * the fleet's newest sample, and the decision, or the error that stands in its place. In: an entry and the fleet as it is.
 * Out: what may be told. Knows no lock and no clock. */
#include "suggest_entry.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool has_annotation(const struct fleet_view *v, const char *prefix, const char *key, const char *bare)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < v->n_annotations; i++) {
        const char *found = v->annotations[i].key;
        if ((strncmp(found, prefix, n) == 0 && strcmp(found + n, key) == 0) || (bare && strcmp(found, bare) == 0))
            return true;
    }
    return false;
}

static bool read_settings(const struct suggest_looker *l, const struct fleet_view *v, struct suggest_shown *out)
{
    const char *prefix = l->source->prefix;
    struct target_settings defaults = {.mode = MODE_SHADOW,
                                       .min_replicas = l->config->min_replicas,
                                       .max_replicas = l->config->max_replicas,
                                       .latency_soft_ms = l->config->latency_soft_ms,
                                       .latency_hard_ms = l->config->latency_hard_ms};
    out->annotated[0] = has_annotation(v, prefix, "min-replicas", NULL);
    out->annotated[1] = has_annotation(v, prefix, "max-replicas", NULL);
    out->annotated[2] = has_annotation(v, prefix, "latency-soft-ms", "latencySoftConstraint");
    out->annotated[3] = has_annotation(v, prefix, "latency-hard-ms", "latencyHardConstraint");
    return annotations_read(prefix, &defaults, v->annotations, v->n_annotations, &out->settings, &out->why);
}

static struct target target_of(const struct fleet_view *v, const struct target_settings *t)
{
    struct target out = {.min_replicas = t->min_replicas,
                         .max_replicas = t->max_replicas,
                         .latency_soft_ms = t->latency_soft_ms,
                         .latency_hard_ms = t->latency_hard_ms};
    snprintf(out.name, sizeof out.name, "%s/%s", v->space, v->name);
    return out;
}

static struct guard_orders orders_of(const struct target_settings *t, const struct sample *sample)
{
    const struct reading *replicas = &sample->signals[SIGNAL_REPLICAS];
    struct guard_orders orders = {.no_down = t->no_down};
    if (t->has_paused_replicas || (t->paused && replicas->validity == VALIDITY_VALID)) {
        orders.has_pause = true;
        orders.pause_replicas = t->has_paused_replicas ? t->paused_replicas : (int)replicas->value;
    }
    return orders;
}

/* What the policy was trained on and what is measured must be the same thing. */
static void compare(const struct suggest_source *source, const struct pooled *p, char *out, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    if (!p->from_file)
        return;
    if (source->window_s > 0 && fabs(p->window_s - source->window_s) > 1e-9)
        used += (size_t)snprintf(out, n, "the policy was trained with a rate window of %g s, not %g s; ", p->window_s,
                                 source->window_s);
    if (source->quantile > 0 && fabs(p->quantile - source->quantile) > 1e-9 && used < n)
        used += (size_t)snprintf(out + used, n - used, "with quantile %g, not %g; ", p->quantile, source->quantile);
    if (source->scrape_s > 0 && fabs(p->scrape_s - source->scrape_s) > 1e-9 && used < n)
        snprintf(out + used, n - used, "with scrapes every %g s, not %g s; ", p->scrape_s, source->scrape_s);
}

/* History begins anew with another object, another policy, or a policy file read anew whose features may differ. */
static bool begin(const struct suggest_looker *l, struct suggest_entry *entry, const struct pooled *pooled,
                  const struct sample *sample, struct suggest_shown *out)
{
    const struct fleet_view *v = fleet_view(l->source->fleet, entry->index);
    struct target target = target_of(v, &out->settings);
    struct policy *own = NULL;
    if (!pooled->shared && !pool_instance(l->pool, pooled, &own, &out->why))
        return false;
    policy_close(entry->own);
    entry->own = own;
    entry->from = pooled;
    entry->generation = pooled->generation;
    entry->control = pooled->control;
    // Stabilisation, rates and budgets belong to who carries decisions out.
    entry->control.guard = (struct guard_config){.enabled = true, .strict = true};
    snprintf(entry->uid, sizeof entry->uid, "%s", v->uid);
    control_begin(&entry->control, &entry->state, &target, sample);
    if (own)
        policy_reset(own, 1, sample);
    entry->begun = true;
    return true;
}

static bool fails(struct suggest_shown *out, int status)
{
    out->status = status;
    return false;
}

/* False: status says whose fault it is, the annotation's, the policy's or the API's. */
static bool decide(const struct suggest_looker *l, struct suggest_entry *entry, struct suggest_shown *out)
{
    const struct fleet_view *v = fleet_view(l->source->fleet, entry->index);
    const struct pooled *pooled;
    struct sample sample = v->sample;
    const char *text = out->settings.policy_annotated ? out->settings.policy : l->config->policy;
    if (!pool_find(l->pool, text, &pooled, &out->why))
        return fails(out, out->settings.policy_annotated && out->why.code == ERR_USAGE ? 422 : 500);
    bool same = entry->begun && entry->from == pooled && entry->generation == pooled->generation &&
                strcmp(entry->uid, v->uid) == 0;
    if (!same && !begin(l, entry, pooled, &sample, out))
        return fails(out, 500);
    entry->state.target = target_of(v, &out->settings);
    entry->state.orders = orders_of(&out->settings, &sample);
    struct control_deciders who = {.policy = entry->own ? entry->own : pooled->shared};
    if (who.policy->ops->wants_pods && !fleet_read_pods(l->source->fleet, entry->index, &sample, &out->why))
        return fails(out, 502);
    snprintf(out->policy, sizeof out->policy, "%s", text);
    memcpy(out->lacks, v->lacks, sizeof out->lacks);
    memcpy(out->hash, pooled->hash, sizeof out->hash);
    out->period_s = entry->control.period_s;
    out->actions = entry->control.actions;
    compare(l->source, pooled, out->assumed, sizeof out->assumed);
    return control_plan(&entry->control, &entry->state, &sample, &who, &out->record, &out->why) || fails(out, 500);
}

static bool all_failed(const struct sample *sample)
{
    return sample->signals[SIGNAL_CPU].validity == VALIDITY_FAILED &&
           sample->signals[SIGNAL_RPS].validity == VALIDITY_FAILED &&
           sample->signals[SIGNAL_P95].validity == VALIDITY_FAILED;
}

/* Whether the decision may be told, or which error stands in its place. */
static void judge(const struct suggest_looker *l, struct suggest_shown *out)
{
    struct err api = {0}, prometheus = {0};
    const struct sample *sample = &out->record.sample;
    l->source->trouble(l->source->fleet, &api, &prometheus);
    if (sample->signals[SIGNAL_REPLICAS].validity != VALIDITY_VALID) {
        out->status = 502;
        err_set(&out->why, ERR_IO, "the Kubernetes API does not tell the replicas: %.300s",
                api.message[0] ? api.message : "no answer");
    } else if (all_failed(sample)) {
        out->status = 502;
        err_set(&out->why, ERR_IO, "Prometheus does not answer: %.300s",
                prometheus.message[0] ? prometheus.message : "no answer");
    } else if (out->record.guard.reason == GUARD_REASON_BLIND) {
        out->status = 503;
        const char *cause = prometheus.message[0] ? prometheus.message : out->lacks;
        err_set(&out->why, ERR_IO, "not enough data: no signal of load can be used%s%.300s", *cause ? "; " : "", cause);
    } else if (out->record.failed) {
        out->status = 500;
        err_set(&out->why, ERR_IO, "%s", out->record.output.reason);
    }
}

void suggest_look_at(const struct suggest_looker *l, struct suggest_entry *entry, double now_s,
                     struct suggest_shown *out)
{
    const struct fleet_view *v = fleet_view(l->source->fleet, entry->index);
    struct err api = {0}, prometheus = {0};
    memset(out, 0, sizeof *out);
    out->status = 200;
    out->decided_s = now_s;
    out->period_s = out->retry_s = l->config->period_s;
    if (v->gone) {
        out->status = 404;
        err_set(&out->why, ERR_IO, "there is no Deployment %s/%s", entry->space, entry->name);
        entry->begun = false;
    } else if (!v->uid[0]) {
        l->source->trouble(l->source->fleet, &api, &prometheus);
        out->status = 502;
        err_set(&out->why, ERR_IO, "the Kubernetes API does not tell of %s/%s: %.300s", entry->space, entry->name,
                api.message[0] ? api.message : "no answer");
    } else if (!read_settings(l, v, out)) {
        out->status = 422;
    } else if (decide(l, entry, out)) {
        judge(l, out);
    }
    out->retry_s = out->period_s;
}
