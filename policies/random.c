/* random: any allowed action with equal chances, from a stream of its own. Shows what a policy without knowledge earns. */
#include "policies.h"

#include <maestro/rng.h>

#include <stdio.h>
#include <stdlib.h>

#define RANDOM_STREAM 0x72616e64u

struct random_policy {
    struct policy policy; /* first: the seam */
    struct rng rng;
};

static void random_reset(struct policy *policy, uint64_t seed, const struct sample *first)
{
    (void)first;
    rng_init(&((struct random_policy *)policy)->rng, seed, RANDOM_STREAM);
}

static bool random_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)e;
    struct random_policy *p = (struct random_policy *)policy;
    int allowed[ACTIONS_LIMIT] = {0};
    int n = 0;
    for (int a = 0; a < in->actions->n; a++)
        if (!in->mask || in->mask[a])
            allowed[n++] = a;
    int action = allowed[rng_bounded(&p->rng, (uint32_t)n)];
    int delta = in->actions->delta[action], present = 0;
    *out = (struct policy_output){.action = action, .hold = !policies_replicas(in->sample, &present)};
    out->replicas = out->hold ? 0 : present + delta;
    snprintf(out->reason, sizeof out->reason, "drew %+d%s", delta, out->hold ? ", but spec.replicas is unknown" : "");
    return true;
}

static void random_close(struct policy *policy)
{
    free(policy);
}

static const struct policy_ops random_ops = {"random", POLICY_STEP, false, random_reset, random_act, random_close};

bool random_open(struct policy **out, struct err *e)
{
    struct random_policy *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "random: out of memory");
    p->policy = (struct policy){&random_ops, 0.0};
    rng_init(&p->rng, 0, RANDOM_STREAM);
    *out = &p->policy;
    return true;
}
