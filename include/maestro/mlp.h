/* mlp: the shape of a fully connected network and its parameters as the world outside sees them. Layout of a parameter
 * vector (PyTorch's): for each layer in order, hidden layers first and the head last, weight [out][in] row-major, then
 * bias [out]. Hidden layers are followed by the activation, the head by nothing. How the trainer keeps them is net.h.
 */
#ifndef MAESTRO_MLP_H
#define MAESTRO_MLP_H

#include <maestro/err.h>
#include <maestro/rng.h>
#include <stddef.h>

#define MLP_HIDDEN_LIMIT 6    /* hidden layers */
#define MLP_WIDTH_LIMIT 4096  /* units of a layer, and inputs */
#define MLP_OUTPUT_LIMIT 1024 /* outputs of the head */

enum mlp_activation { MLP_TANH, MLP_RELU };

struct mlp_shape {
    int n_in;
    int n_hidden; /* 1..MLP_HIDDEN_LIMIT */
    int hidden[MLP_HIDDEN_LIMIT];
    int n_out;
    enum mlp_activation activation;
};

MUST_CHECK bool mlp_shape_check(const struct mlp_shape *shape, struct err *e);

/* Layers count from 0; layer n_hidden is the head. */
int mlp_layer_inputs(const struct mlp_shape *shape, int layer);
int mlp_layer_outputs(const struct mlp_shape *shape, int layer);
size_t mlp_weight_offset(const struct mlp_shape *shape, int layer);
size_t mlp_bias_offset(const struct mlp_shape *shape, int layer);
size_t mlp_parameter_count(const struct mlp_shape *shape);
long long mlp_multiplications(const struct mlp_shape *shape); /* of one forward pass of one row, biases aside */

/* Orthogonal initialisation (Saxe, McClelland, Ganguli 2014; gains as Stable-Baselines3): a Gaussian matrix, QR,
 * columns of Q times the sign of R's diagonal, times sqrt(2) for hidden layers and head_gain for the head; biases 0.
 * work holds mlp_initialise_work(shape) doubles. */
size_t mlp_initialise_work(const struct mlp_shape *shape);
void mlp_initialise(const struct mlp_shape *shape, double head_gain, struct rng *rng, double *work, float *parameters);

#endif
