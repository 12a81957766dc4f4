/* settings_live: from settings to an environment on a Kubernetes cluster. In: the sections of a live session; out: a session
 * over one Deployment. */
#include "settings_live.h"

#include <maestro/log.h>

#include <stdio.h>

/* What suits a simulation only. Of the profile a live session takes how signals are measured. */
static bool check(const struct settings *s, struct err *e)
{
    static const char *const idle[] = {"task.traces", "task.variants", "service", "pods", "faults", "random"};
    if (!settings_refuse_idle(&s->config, idle, (int)(sizeof idle / sizeof *idle), "a live target is not simulated", e))
        return false;
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

static bool on_period(void *arg, int episode, int step, struct err *e)
{
    (void)episode;
    (void)step;
    return live_site_tend(arg, e);
}

static bool on_wait(void *arg, struct err *e)
{
    return live_site_wait(arg, e);
}

static bool on_found(void *arg, int replicas, struct err *e)
{
    struct live_site *site = arg;
    return live_record_write(&site->record, replicas, e);
}

static void on_pause(void *arg, const char *why)
{
    (void)arg;
    log_warn("pause", kv("why", why));
}

static bool open_site(const struct settings *s, const volatile sig_atomic_t *stop, struct live_site *out, struct err *e)
{
    char log[CONFIG_TEXT + 16];
    snprintf(log, sizeof log, "%s-load.log", s->train.out);
    const struct live_wish wish = {.live = &s->live,
                                   .prometheus = &s->prometheus,
                                   .kubernetes = &s->kubernetes,
                                   .load = &s->load,
                                   .chaos = &s->chaos,
                                   .limits = {.min_replicas = s->env.min_replicas,
                                              .max_replicas = s->env.max_replicas,
                                              .latency_soft_ms = s->env.latency_soft_ms,
                                              .latency_hard_ms = s->env.latency_hard_ms},
                                   .must_run = true,
                                   .user_agent = "maestro-train",
                                   .log = log,
                                   .seed = (uint64_t)s->train.seed,
                                   .stop = stop};
    return live_site_open(&wish, out, e);
}

bool settings_live_open(const struct settings *s, const volatile sig_atomic_t *stop, struct settings_world *out,
                        struct err *e)
{
    int owed = 0;
    if (!check(s, e) || !open_site(s, stop, &out->site, e) || !live_site_owed(&out->site, s->train.out, &owed, e) ||
        (s->train.steps_csv && !steps_open(1, &out->steps, e)))
        return false;
    struct session_parts parts = {.config = s->env,
                                  .session = s->session,
                                  .guard = s->guard,
                                  .reward = s->reward,
                                  .target = out->site.target,
                                  .cluster = out->site.cluster,
                                  .found_replicas = owed,
                                  .stop = stop,
                                  .on_found = on_found,
                                  .on_wait = on_wait,
                                  .on_pause = on_pause,
                                  .on_period = on_period,
                                  .arg = &out->site,
                                  .on_step = out->steps ? steps_note : NULL,
                                  .on_step_arg = out->steps};
    return observation_spec_parse(&parts.observation, s->observation.features, s->env.period_s, s->prometheus.window_s,
                                  e) &&
           session_open(&parts, &out->env, e);
}
