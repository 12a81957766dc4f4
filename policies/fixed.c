/* fixed: the same replica count for ever. The floor every other policy has to beat: static minimum and static peak. */
#include "policies.h"

#include <stdio.h>
#include <stdlib.h>

struct fixed {
    struct policy policy; /* first: the seam */
    int replicas;
};

static bool fixed_act(struct policy *policy, const struct policy_input *in, struct policy_output *out, struct err *e)
{
    (void)in;
    (void)e;
    const struct fixed *p = (const struct fixed *)policy;
    *out = (struct policy_output){.replicas = p->replicas};
    snprintf(out->reason, sizeof out->reason, "always %d", p->replicas);
    return true;
}

static void fixed_close(struct policy *policy)
{
    free(policy);
}

static const struct policy_ops fixed_ops = {"fixed", POLICY_ABSOLUTE, false, NULL, fixed_act, fixed_close};

bool fixed_open(int replicas, struct policy **out, struct err *e)
{
    struct fixed *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_IO, "fixed: out of memory");
    p->policy = (struct policy){&fixed_ops, 0.0};
    p->replicas = replicas;
    *out = &p->policy;
    return true;
}
