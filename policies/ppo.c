/* ppo: a trained policy as the control loop's policy. In: a policy file. Out: one step of the file's action set, the best
 * allowed one (greedy.h). Does not draw actions and does not learn; has no memory, so one serves any number of targets. */
#include "policies.h"

#include <maestro/greedy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trained {
    struct policy policy; /* first: the seam */
    struct policy_file file;
    struct arena arena;
    struct greedy greedy;
};

static bool trained_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    struct trained *p = (struct trained *)policy;
    struct greedy_answer answer = {0};
    if (!in->features || in->actions->n != p->file.actor.n_out)
        return err_set(e, ERR_FORMAT, "ppo: asked with %d actions, the policy file has %d", in->actions->n,
                       p->file.actor.n_out);
    if (!greedy_decide(&p->greedy, in->features, in->mask, 1, &answer, e))
        return err_wrap(e, "ppo");
    int delta = in->actions->delta[answer.action], present = 0;
    *out = (struct policy_output){.action = answer.action, .value = answer.value, .ood = answer.ood};
    memcpy(out->logits, answer.logits, sizeof out->logits);
    out->hold = !policies_replicas(in->sample, &present);
    out->replicas = out->hold ? 0 : present + delta;
    snprintf(out->reason, sizeof out->reason, "%s %+d%s", action_name(delta), delta,
             out->hold ? ", but spec.replicas is unknown" : "");
    return true;
}

static void trained_close(struct policy *policy)
{
    struct trained *p = (struct trained *)policy;
    if (!p)
        return;
    policyfile_finish(&p->file);
    arena_finish(&p->arena);
    free(p);
}

static const struct policy_ops trained_ops = {"ppo", POLICY_STEP, false, NULL, trained_act, trained_close};

static bool trained_prepare(struct trained *p, struct err *e)
{
    struct arena plan = {0};
    greedy_carve(&p->greedy, &p->file, &plan);
    if (!arena_init(&p->arena, plan.used, e))
        return false;
    greedy_carve(&p->greedy, &p->file, &p->arena);
    return greedy_load(&p->greedy, e);
}

bool trained_open(const char *path, struct control *control, struct policy **out, struct err *e)
{
    struct trained *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "ppo: out of memory");
    p->policy = (struct policy){&trained_ops, 0.0};
    if (!policyfile_load(path, &p->file, e) || !trained_prepare(p, e)) {
        trained_close(&p->policy);
        return false;
    }
    struct target target = control->target;
    *control = p->file.control;
    control->target = target;
    *out = &p->policy;
    return true;
}
