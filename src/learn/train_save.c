/* train_save: the plain policy file, for environments that need no more than weights and a normaliser. In: a policy. Out: a
 * safetensors file under PyTorch's names and layout. */
#include <maestro/train.h>

#include <maestro/file.h>
#include <maestro/safetensors.h>

#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 32, LAYERS = MLP_HIDDEN_LIMIT + 1, NETWORK_TENSORS = 2 * LAYERS };

struct listing {
    struct safetensor tensors[2 * NETWORK_TENSORS + 5];
    char names[2 * NETWORK_TENSORS][NAME_BYTES];
    size_t n;
};

static void list_network(struct listing *l, const char *network, const struct mlp_shape *shape, const float *parameters)
{
    for (int layer = 0; layer <= shape->n_hidden; layer++) {
        size_t n_in = (size_t)mlp_layer_inputs(shape, layer);
        size_t n_out = (size_t)mlp_layer_outputs(shape, layer);
        snprintf(l->names[l->n], NAME_BYTES, "%s.%d.weight", network, layer);
        l->tensors[l->n] = (struct safetensor){.name = l->names[l->n],
                                               .type = SAFETENSOR_F32,
                                               .rank = 2,
                                               .shape = {n_out, n_in},
                                               .data = parameters + mlp_weight_offset(shape, layer)};
        l->n++;
        snprintf(l->names[l->n], NAME_BYTES, "%s.%d.bias", network, layer);
        l->tensors[l->n] = (struct safetensor){.name = l->names[l->n],
                                               .type = SAFETENSOR_F32,
                                               .rank = 1,
                                               .shape = {n_out},
                                               .data = parameters + mlp_bias_offset(shape, layer)};
        l->n++;
    }
}

static void list_moments(struct listing *l, const struct normaliser *n)
{
    static const char *const names[] = {"obs_mean", "obs_var", "obs_low", "obs_high"};
    const double *const rows[] = {n->mean, n->var, n->low, n->high};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        l->tensors[l->n++] = (struct safetensor){
            .name = names[i], .type = SAFETENSOR_F64, .rank = 1, .shape = {(size_t)n->dim}, .data = rows[i]};
}

bool train_save(void *arg, const char *path, const struct train_policy *p, struct err *e)
{
    (void)arg;
    CLEANUP_BUF struct buf out = {0};
    struct listing l = {.n = 0};
    char seed[24];
    char steps[24];
    char score[CSV_NUMBER];
    char clip[CSV_NUMBER];
    list_network(&l, "actor", &p->ppo->actor_shape, p->actor);
    list_network(&l, "critic", &p->ppo->critic_shape, p->critic);
    list_moments(&l, p->normaliser);
    snprintf(seed, sizeof seed, "%lld", p->seed);
    snprintf(steps, sizeof steps, "%lld", p->steps);
    bool judged = !isnan(p->evaluation.mean_reward);
    csv_number(score, p->evaluation.mean_reward);
    csv_number(clip, p->normaliser->clip);
    const struct safetensors_text texts[] = {
        {"format", "pt"},
        {"program", "maestro"},
        {"activation", p->ppo->actor_shape.activation == MLP_RELU ? "relu" : "tanh"},
        {"normalize_obs", p->normaliser->on ? "true" : "false"},
        {"clip_obs", clip},
        {"seed", seed},
        {"steps", steps},
        {"eval_mean_reward", judged ? score : "null"},
        {"training", p->training_text},
    };
    return safetensors_write(l.tensors, l.n, texts, sizeof texts / sizeof *texts, &out, e) &&
           file_write_atomic(path, out.bytes, out.len, e);
}
