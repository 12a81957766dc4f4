/* policy: the seam to whoever decides. A policy sees what the control loop sees, the sample and the features made from it,
 * and proposes a replica count or a step. Guards, limits and journal stand behind it (control.h). */
#ifndef MAESTRO_POLICY_H
#define MAESTRO_POLICY_H

#include <maestro/err.h>
#include <maestro/types.h>
#include <stdint.h>

enum policy_kind {
    POLICY_STEP,     /* proposes one delta of the action set */
    POLICY_ABSOLUTE, /* proposes a replica count; has windows of its own, runs behind validity and min/max only */
};

struct policy_input {
    const struct sample *sample;
    const struct target *target;
    const struct action_set *actions;
    const float *features;     /* [D] or NULL where the policy asked for none */
    const unsigned char *mask; /* [A] 1 = allowed; NULL: all */
    double period_s;           /* until the next decision */
};

struct policy_output {
    int action;                  /* index into the action set; POLICY_STEP only */
    int replicas;                /* wanted count; for POLICY_STEP spec.replicas + delta */
    bool hold;                   /* no proposal: keep (missing metrics and the like); reason says why */
    char reason[96];             /* one clause, never empty */
    float logits[ACTIONS_LIMIT]; /* [A], POLICY_STEP by a network; zero otherwise */
    float value;                 /* critic's estimate, if any */
    float ood; /* how far the features lie outside the training range, in units of its width; 0: inside, or no range */
};

struct policy;

struct policy_ops {
    const char *name;
    enum policy_kind kind;
    bool wants_pods; /* sample must carry pod records */
    void (*reset)(struct policy *p, uint64_t seed, const struct sample *first);
    bool (*act)(struct policy *p, const struct policy_input *in, struct policy_output *out, struct err *e);
    void (*close)(struct policy *p);
};

struct policy {
    const struct policy_ops *ops;
    double sync_s; /* how often it wants to be asked; 0: every control period */
};

/* Forgets the past; first is the target as found (a restart must not look like a scale-down). */
static inline void policy_reset(struct policy *p, uint64_t seed, const struct sample *first)
{
    if (p->ops->reset)
        p->ops->reset(p, seed, first);
}

MUST_CHECK static inline bool policy_act(struct policy *p, const struct policy_input *in, struct policy_output *out,
                                         struct err *e)
{
    return p->ops->act(p, in, out, e);
}

static inline void policy_close(struct policy *p)
{
    if (p && p->ops && p->ops->close)
        p->ops->close(p);
}

#endif
