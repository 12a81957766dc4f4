/* settings_live: from settings to an environment on a Kubernetes cluster. In: the sections live, session, prometheus and
 * kubernetes; out: a session over one Deployment. Refuses a target that somebody else scales. */
#include "settings_live.h"

#include <maestro/clock.h>
#include <maestro/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What suits a simulation only. */
static bool check(const struct settings *s, struct err *e)
{
    if (!s->live.deployment[0])
        return err_set(e, ERR_USAGE, "live.deployment: names the Deployment to train on, and is empty");
    if (s->ppo.n_envs != 1)
        return err_set(e, ERR_USAGE, "ppo.n_envs: a live target is one; %d copies cannot be (preset live has 1)",
                       s->ppo.n_envs);
    if (s->train.eval_episodes != 0)
        return err_set(e, ERR_USAGE,
                       "train.eval_episodes: a target in training plays no evaluation episodes; it must be 0");
    if (s->task.faults)
        return err_set(e, ERR_USAGE, "task.faults: simulated faults cannot strike a live target; use chaos.files");
    return true;
}

static const char *annotation(const struct fleet_view *view, const char *prefix, const char *name)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < view->n_annotations; i++) {
        const char *key = view->annotations[i].key;
        if (strncmp(key, prefix, n) == 0 && strcmp(key + n, name) == 0)
            return view->annotations[i].value;
    }
    return NULL;
}

static bool check_target(const struct settings *s, const struct fleet_view *view, struct err *e)
{
    const char *mode = annotation(view, s->kubernetes.annotation_prefix, "mode");
    if (view->conflict[0])
        return err_set(e, ERR_USAGE, "%s/%s: %s scales it already; training beside another scaler teaches nonsense",
                       view->space, view->name, view->conflict);
    if (mode && strcmp(mode, "active") == 0)
        return err_set(e, ERR_USAGE, "%s/%s: the annotation %smode is active; switch the autoscaler off for it first",
                       view->space, view->name, s->kubernetes.annotation_prefix);
    return true;
}

/* The parent system's constraints stand on the Deployment, in ms. */
static double constraint(const struct fleet_view *view, const char *key, double configured)
{
    const char *text = annotation(view, "", key);
    double value = text ? strtod(text, NULL) : 0.0;
    if (configured > 0.0)
        return configured;
    return configured == 0.0 && value > 0.0 ? value : 0.0;
}

static struct target target_of(const struct settings *s, const struct fleet_view *view)
{
    struct target t = {.min_replicas = s->env.min_replicas,
                       .max_replicas = s->env.max_replicas,
                       .latency_soft_ms = constraint(view, "latencySoftConstraint", s->env.latency_soft_ms),
                       .latency_hard_ms = constraint(view, "latencyHardConstraint", s->env.latency_hard_ms)};
    snprintf(t.name, sizeof t.name, "%s/%s", view->space, view->name);
    return t;
}

static void tell(void *arg, const char *event, const char *what)
{
    (void)arg;
    log_info(event, kv("what", what));
}

static bool on_period(void *arg, int episode, int step, struct err *e)
{
    (void)episode;
    (void)step;
    return disturb_step(arg, clock_monotonic_s(), e);
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static bool open_disturbance(const struct settings *s, const struct fleet_view *view, struct settings_world *out,
                             struct err *e)
{
    const struct kube_config access = {.kubeconfig = or_null(s->kubernetes.kubeconfig),
                                       .context = or_null(s->kubernetes.context),
                                       .account = or_null(s->kubernetes.account),
                                       .user_agent = "maestro-train",
                                       .timeout_s = s->kubernetes.timeout_s};
    char log[CONFIG_TEXT + 16];
    if (!s->load.script[0] && !s->chaos.files[0])
        return true;
    snprintf(log, sizeof log, "%s-load.log", s->train.out);
    if (!kube_open(&access, &out->kube, e))
        return false;
    const struct disturb_config config = {.load = &s->load,
                                          .chaos = &s->chaos,
                                          .kube = out->kube,
                                          .space = view->space,
                                          .name = view->name,
                                          .log = log,
                                          .seed = (uint64_t)s->train.seed,
                                          .tell = tell};
    return disturb_open(&config, &out->disturb, e);
}

static void on_pause(void *arg, const char *why)
{
    (void)arg;
    log_warn("pause", kv("why", why));
}

static bool open_cluster(const struct settings *s, const volatile sig_atomic_t *stop, struct settings_world *out,
                         struct sample *sample, struct err *e)
{
    const struct live_cluster_config config = {
        .live = {.prometheus = &s->prometheus, .kubernetes = &s->kubernetes, .user_agent = "maestro-train"},
        .space = s->live.space[0] ? s->live.space : NULL,
        .name = s->live.deployment,
        .stop = stop};
    return live_cluster_open(&config, &out->cluster, e) && cluster_sample(out->cluster, false, sample, e);
}

/* At the start an outage is an error; later it is a pause. */
static bool refuse_unseen(const struct settings *s, const struct cluster *cluster, struct err *e)
{
    struct live_status status;
    live_status(live_cluster_fleet(cluster), &status);
    return err_set(e, ERR_IO, "live.deployment: %.100s was not seen: %.300s", s->live.deployment,
                   status.api.code != ERR_NONE ? status.api.message : "the API server did not say why");
}

bool settings_live_open(const struct settings *s, const volatile sig_atomic_t *stop, struct settings_world *out,
                        struct err *e)
{
    struct sample sample;
    if (!check(s, e) || !open_cluster(s, stop, out, &sample, e))
        return false;
    const struct fleet_view *view = live_cluster_view(out->cluster);
    if (!view || !view->uid[0])
        return refuse_unseen(s, out->cluster, e);
    if (!check_target(s, view, e) || !open_disturbance(s, view, out, e) ||
        (s->train.steps_csv && !steps_open(1, &out->steps, e)))
        return false;
    struct session_parts parts = {.config = s->env,
                                  .session = s->session,
                                  .guard = s->guard,
                                  .reward = s->reward,
                                  .target = target_of(s, view),
                                  .cluster = out->cluster,
                                  .stop = stop,
                                  .on_pause = on_pause,
                                  .on_period = out->disturb ? on_period : NULL,
                                  .arg = out->disturb,
                                  .on_step = out->steps ? steps_note : NULL,
                                  .on_step_arg = out->steps};
    return observation_spec_parse(&parts.observation, s->observation.features, s->env.period_s, s->prometheus.window_s,
                                  e) &&
           session_open(&parts, &out->env, e);
}
