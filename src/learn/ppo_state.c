/* ppo_state: everything that the next update depends on, to bytes and back, in a layout that depends on the network
 * shapes only: a header, then for actor and critic the weights and both moments in mlp.h layout. Files are elsewhere.
 */
#include <string.h>

#include "ppo_learner.h"

struct state_header {
    uint64_t actor_count, critic_count; /* parameters */
    int64_t actor_steps, critic_steps;  /* of Adam */
    int64_t n_updates, n_calls;
    struct rng shuffle;
};

static uint64_t count(const struct mlp_shape *shape)
{
    return (uint64_t)mlp_parameter_count(shape);
}

size_t ppo_state_bytes(const struct ppo *ppo)
{
    return sizeof(struct state_header) +
           3 * sizeof(float) * (size_t)(count(&ppo->actor_shape) + count(&ppo->critic_shape));
}

static float *learner_get(const struct ppo_learner *l, float *out)
{
    const float *vectors[] = {l->net.weights, l->net.moment1, l->net.moment2};
    for (int i = 0; i < 3; i++) {
        net_unpack(&l->net, vectors[i], out);
        out += mlp_parameter_count(&l->net.shape);
    }
    return out;
}

static const float *learner_set(struct ppo_learner *l, const float *in)
{
    float *vectors[] = {l->net.weights, l->net.moment1, l->net.moment2};
    for (int i = 0; i < 3; i++) {
        net_pack(&l->net, in, vectors[i]);
        in += mlp_parameter_count(&l->net.shape);
    }
    return in;
}

/* out: aligned as malloc and arenas align. */
void ppo_state_get(const struct ppo *ppo, void *out)
{
    const struct state_header header = {
        .actor_count = count(&ppo->actor_shape),
        .critic_count = count(&ppo->critic_shape),
        .actor_steps = ppo->actor->steps,
        .critic_steps = ppo->critic->steps,
        .n_updates = ppo->n_updates,
        .n_calls = ppo->n_calls,
        .shuffle = ppo->shuffle,
    };
    memcpy(out, &header, sizeof header);
    float *floats = (float *)((unsigned char *)out + sizeof header);
    (void)learner_get(ppo->critic, learner_get(ppo->actor, floats));
}

bool ppo_state_set(struct ppo *ppo, const void *bytes, size_t n, struct err *e)
{
    struct state_header header;
    if (n != ppo_state_bytes(ppo))
        return err_set(e, ERR_FORMAT, "trainer state: %zu bytes, this configuration needs %zu", n,
                       ppo_state_bytes(ppo));
    memcpy(&header, bytes, sizeof header);
    if (header.actor_count != count(&ppo->actor_shape) || header.critic_count != count(&ppo->critic_shape))
        return err_set(e, ERR_FORMAT, "trainer state: networks of other sizes than this configuration's");
    if (header.actor_steps < 0 || header.critic_steps < 0 || header.n_updates < 0 || header.n_calls < 0)
        return err_set(e, ERR_FORMAT, "trainer state: a counter is negative");
    const float *floats = (const float *)((const unsigned char *)bytes + sizeof header);
    (void)learner_set(ppo->critic, learner_set(ppo->actor, floats));
    ppo->actor->steps = header.actor_steps;
    ppo->critic->steps = header.critic_steps;
    ppo->n_updates = header.n_updates;
    ppo->n_calls = header.n_calls;
    ppo->shuffle = header.shuffle;
    return true;
}
