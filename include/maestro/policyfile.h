/* policyfile: a trained policy with everything that serving it needs, as one safetensors file: weights in PyTorch's layout
 * (actor.0.weight [out][in], actor.0.bias, ..., critic.*), obs_mean and obs_var of the frozen normaliser, obs_low and
 * obs_high seen in training, and metadata. Loading refuses foreign files, unknown features or another feature hash, wrong
 * shapes and values that are not finite, and names file and field. */
#ifndef MAESTRO_POLICYFILE_H
#define MAESTRO_POLICYFILE_H

#include <maestro/buf.h>
#include <maestro/control.h>
#include <maestro/err.h>
#include <maestro/mlp.h>
#include <stdint.h>

#define POLICYFILE_FORMAT 1       /* grows when an old reader would misread a file */
#define POLICYFILE_UNCLIPPED 1e6f /* obs_clip of a network that learnt from raw features: beyond any of them */

struct policy_file {
    struct mlp_shape actor;
    struct mlp_shape critic;
    float *actor_parameters;  /* owned; [mlp_parameter_count(&actor)] */
    float *critic_parameters; /* owned; [mlp_parameter_count(&critic)] */

    float obs_mean[OBSERVATION_LIMIT]; /* [D] input of the network: clip((x - mean) / sqrt(var + 1e-8), +-obs_clip) */
    float obs_var[OBSERVATION_LIMIT];  /* [D] */
    float obs_clip;
    float obs_low[OBSERVATION_LIMIT];  /* [D] range of the features seen in training */
    float obs_high[OBSERVATION_LIMIT]; /* [D] */

    struct control control; /* features, actions, guard, target, period, masks: as trained */
    double scrape_s;        /* scrape interval of the measurement it was trained on */
    double window_s;        /* rate window */
    double quantile;        /* of the latency signal, 0.95 */

    uint64_t seed;
    long long steps;  /* environment steps of training */
    char version[32]; /* of the program that wrote it */
    char *training;   /* owned; effective configuration as YAML; may be NULL */
    char *scores;     /* owned; evaluation as a JSON object, null where there was none; may be NULL */
};

MUST_CHECK bool policyfile_save(const struct policy_file *file, const char *path, struct err *e); /* atomic */
MUST_CHECK bool policyfile_load(const char *path, struct policy_file *out, struct err *e);
/* The same from bytes in memory; name for messages. */
MUST_CHECK bool policyfile_parse(const char *name, const void *bytes, size_t n, struct policy_file *out, struct err *e);
void policyfile_finish(struct policy_file *file); /* accepts NULL and zeroed */

/* How the policy was asked and guarded when it was trained, as one JSON object and back. Reading fills control (features
 * aside: of those only period and window), scrape_s, window_s and quantile. */
MUST_CHECK bool policyfile_control_text(const struct policy_file *file, struct buf *out, struct err *e);
MUST_CHECK bool policyfile_control_parse(const char *text, struct policy_file *out, struct err *e);
struct json;
MUST_CHECK bool policyfile_control_read(const struct json *object, struct policy_file *out, struct err *e);

#endif
