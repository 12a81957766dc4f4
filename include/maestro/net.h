/* net: one network as the trainer holds it: padded parameters in [in][out] order, their gradient and Adam moments as
 * flat blocks, and the activations of one tile of rows. Forward and backward are a handful of products of mat.h.
 *
 * Block of a hidden layer: [in + 1][padded out], the last row is the bias. Block of the head: [out][padded (in + 1)],
 * the bias in column in. Activations carry a 1 behind their last unit, so that bias gradients fall out of the products.
 */
#ifndef MAESTRO_NET_H
#define MAESTRO_NET_H

#include <maestro/arena.h>
#include <maestro/mat.h>
#include <maestro/mlp.h>

#define NET_TILE                                                                                                       \
    64 /* rows that are forward and backward in one go; keeps a layer's operands in the first-level cache */

struct net_layer {
    int n_in, n_out;
    size_t offset;  /* of the block in the flat vectors */
    size_t row;     /* floats from one row of the block to the next */
    float *outputs; /* [NET_TILE][outputs_row], hidden layers only */
    size_t outputs_row;
    float *transposed; /* [n_out][padded n_in], hidden layers but the first */
};

struct net {
    struct mlp_shape shape;
    const struct mat_kernels *kernels; /* set before use */
    struct net_layer layers[MLP_HIDDEN_LIMIT + 1];
    size_t n_flat; /* floats of each of the four vectors, padding included */
    float *weights, *gradient, *moment1, *moment2;
    float *input;              /* [NET_TILE][input_row]: features, then a 1 */
    size_t input_row;          /* n_in + 1 */
    float *output;             /* [n_out][NET_TILE], raw */
    float *output_gradient;    /* [n_out][NET_TILE] */
    float *hidden_gradient[2]; /* [NET_TILE][padded widest] */
};

/* Takes all memory from the arena, or counts it (arena.h). */
void net_carve(struct net *net, const struct mlp_shape *shape, struct arena *arena);

/* Row i of the input from n_in floats. */
void net_set_input(struct net *net, int row, const float *features);

/* input -> output for the first rows (<= NET_TILE) rows; activations stay for net_backward. */
void net_forward(struct net *net, int rows);

/* net_prepare_backward once per set of weights, then net_backward after each net_forward: output_gradient -> gradient,
 * replaced, or added to if accumulate. */
void net_prepare_backward(struct net *net);
void net_backward(struct net *net, int rows, bool accumulate);

double net_gradient_squares(const struct net *net);
void net_step(struct net *net, const struct adam_step *step);

/* Any of the four vectors from and to mlp.h layout. */
void net_pack(const struct net *net, const float *parameters, float *flat);
void net_unpack(const struct net *net, const float *flat, float *parameters);

#endif
