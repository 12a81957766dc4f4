/* infer: forward passes whose bits do not depend on processor, kernel or number of rows. Every output is bias + w_0 x_0
 * + w_1 x_1 + ... in this order, each product rounded before it is added; only independent outputs run side by side. */
#include <maestro/infer.h>
#include <maestro/mat.h>
#include <string.h>

static size_t layer_row(const struct mlp_shape *shape, int layer)
{
    return (size_t)mat_padded(mlp_layer_outputs(shape, layer));
}

static size_t layer_floats(const struct mlp_shape *shape, int layer)
{
    return ((size_t)mlp_layer_inputs(shape, layer) + 1) * layer_row(shape, layer);
}

void infer_carve(struct infer *net, const struct mlp_shape *shape, struct arena *arena)
{
    *net = (struct infer){.shape = *shape};
    size_t total = 0, widest = 0;
    for (int i = 0; i <= shape->n_hidden; i++) {
        total += layer_floats(shape, i);
        widest = layer_row(shape, i) > widest ? layer_row(shape, i) : widest;
    }
    net->packed = arena_take(arena, total, sizeof(float));
    for (int i = 0; i < 2; i++)
        net->rows[i] = arena_take(arena, INFER_TILE * widest, sizeof(float));
}

/* Layer [in + 1][padded out], bias last; from weight [out][in], bias [out]. */
static void pack_layer(const struct mlp_shape *shape, int layer, const float *parameters, float *packed)
{
    const int n_in = mlp_layer_inputs(shape, layer), n_out = mlp_layer_outputs(shape, layer);
    const size_t row = layer_row(shape, layer);
    const float *weight = parameters + mlp_weight_offset(shape, layer);
    const float *bias = parameters + mlp_bias_offset(shape, layer);
    memset(packed, 0, layer_floats(shape, layer) * sizeof *packed);
    for (int out = 0; out < n_out; out++) {
        for (int in = 0; in < n_in; in++)
            packed[(size_t)in * row + (size_t)out] = weight[(size_t)out * (size_t)n_in + (size_t)in];
        packed[(size_t)n_in * row + (size_t)out] = bias[out];
    }
}

bool infer_load(struct infer *net, const float *parameters, const char *kernel, struct err *e)
{
    const struct mat_kernels *kernels = mat_kernels_find(kernel, e);
    if (!kernels)
        return false;
    net->kernels = kernels;
    float *packed = net->packed;
    for (int i = 0; i <= net->shape.n_hidden; i++) {
        pack_layer(&net->shape, i, parameters, packed);
        packed += layer_floats(&net->shape, i);
    }
    return true;
}

static void activate(const struct infer *net, float *x, size_t n)
{
    if (net->shape.activation == MLP_TANH)
        net->kernels->tanh_exact(x, n);
    else
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] <= 0.0f ? 0.0f : x[i];
}

/* Returns where the raw outputs of the tile lie, [rows][layer_row of the head]. */
static const float *forward_tile(const struct infer *net, const float *x, int rows)
{
    const struct mlp_shape *shape = &net->shape;
    const float *packed = net->packed;
    size_t x_row = (size_t)shape->n_in;
    for (int i = 0; i <= shape->n_hidden; i++) {
        const size_t row = layer_row(shape, i);
        const int n_in = mlp_layer_inputs(shape, i);
        float *y = net->rows[i % 2];
        const struct mat_product p = {.a = x,
                                      .a_row = x_row,
                                      .a_col = 1,
                                      .b = packed,
                                      .b_row = row,
                                      .c = y,
                                      .c_row = row,
                                      .m = rows,
                                      .n = (int)row,
                                      .k = n_in,
                                      .bias = packed + (size_t)n_in * row,
                                      .finish = MAT_PLAIN};
        net->kernels->product_exact(&p);
        if (i < shape->n_hidden)
            activate(net, y, (size_t)rows * row);
        x = y;
        x_row = row;
        packed += layer_floats(shape, i);
    }
    return x;
}

void infer_forward(const struct infer *net, const float *x, int n_rows, float *y)
{
    const size_t n_in = (size_t)net->shape.n_in, n_out = (size_t)net->shape.n_out;
    const size_t row = layer_row(&net->shape, net->shape.n_hidden);
    for (int done = 0; done < n_rows; done += INFER_TILE) {
        const int rows = n_rows - done < INFER_TILE ? n_rows - done : INFER_TILE;
        const float *outputs = forward_tile(net, x + (size_t)done * n_in, rows);
        for (int i = 0; i < rows; i++)
            memcpy(y + (size_t)(done + i) * n_out, outputs + (size_t)i * row, n_out * sizeof *y);
    }
}
