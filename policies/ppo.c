/* ppo: a trained policy as it is served: features, normalised with the file's frozen constants, through the canonical
 * inference to logits, and the best allowed action. In: a policy file. Out: one step of the file's action set. Does not
 * draw actions and does not learn. */
#include "policies.h"

#include <maestro/infer.h>
#include <maestro/policyfile.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct greedy {
    struct policy policy; /* first: the seam */
    struct policy_file file;
    struct arena arena;
    struct infer actor;
    struct infer critic;
};

/* Network input: clip((x - mean) / sqrt(var + 1e-8), +-obs_clip). */
static void normalise(const struct policy_file *file, const float *features, float *x)
{
    for (int i = 0; i < file->actor.n_in; i++) {
        float z = (features[i] - file->obs_mean[i]) / sqrtf(file->obs_var[i] + 1e-8f);
        if (z > file->obs_clip)
            z = file->obs_clip;
        x[i] = z < -file->obs_clip ? -file->obs_clip : z;
    }
}

static bool greedy_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    struct greedy *p = (struct greedy *)policy;
    if (!in->features || in->actions->n != p->file.actor.n_out)
        return err_set(e, ERR_FORMAT, "ppo: asked with %d actions, the policy file has %d", in->actions->n,
                       p->file.actor.n_out);
    float x[OBSERVATION_LIMIT];
    normalise(&p->file, in->features, x);
    *out = (struct policy_output){0};
    infer_forward(&p->actor, x, 1, out->logits);
    infer_forward(&p->critic, x, 1, &out->value);
    for (int a = 0; a < in->actions->n; a++)
        if (!isfinite(out->logits[a]))
            return err_set(e, ERR_NUMERIC, "ppo: logit %d is not finite", a);
    out->action = action_argmax(in->actions, out->logits, in->mask);
    int delta = in->actions->delta[out->action], present = 0;
    out->hold = !policies_replicas(in->sample, &present);
    out->replicas = out->hold ? 0 : present + delta;
    snprintf(out->reason, sizeof out->reason, "%s %+d%s", action_name(delta), delta,
             out->hold ? ", but spec.replicas is unknown" : "");
    return true;
}

static void greedy_close(struct policy *policy)
{
    struct greedy *p = (struct greedy *)policy;
    if (!p)
        return;
    policyfile_finish(&p->file);
    arena_finish(&p->arena);
    free(p);
}

static const struct policy_ops greedy_ops = {"ppo", POLICY_STEP, false, NULL, greedy_act, greedy_close};

static bool greedy_prepare(struct greedy *p, struct err *e)
{
    struct arena plan = {0};
    struct infer net;
    infer_carve(&net, &p->file.actor, &plan);
    infer_carve(&net, &p->file.critic, &plan);
    if (!arena_init(&p->arena, plan.used, e))
        return false;
    infer_carve(&p->actor, &p->file.actor, &p->arena);
    infer_carve(&p->critic, &p->file.critic, &p->arena);
    return infer_load(&p->actor, p->file.actor_parameters, NULL, e) &&
           infer_load(&p->critic, p->file.critic_parameters, NULL, e);
}

bool greedy_open(const char *path, struct control *control, struct policy **out, struct err *e)
{
    struct greedy *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "ppo: out of memory");
    p->policy = (struct policy){&greedy_ops, 0.0};
    if (!policyfile_load(path, &p->file, e) || !greedy_prepare(p, e)) {
        greedy_close(&p->policy);
        return false;
    }
    struct target target = control->target;
    *control = p->file.control;
    control->target = target;
    *out = &p->policy;
    return true;
}
