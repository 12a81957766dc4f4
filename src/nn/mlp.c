/* mlp: sizes and offsets of a fully connected network's parameters, and how they start. Runs nothing. */
#include <maestro/mlp.h>
#include <math.h>

bool mlp_shape_check(const struct mlp_shape *shape, struct err *e)
{
    if (shape->n_in < 1 || shape->n_in > MLP_WIDTH_LIMIT)
        return err_set(e, ERR_USAGE, "network: %d inputs, must be 1 to %d", shape->n_in, MLP_WIDTH_LIMIT);
    if (shape->n_hidden < 1 || shape->n_hidden > MLP_HIDDEN_LIMIT)
        return err_set(e, ERR_USAGE, "network: %d hidden layers, must be 1 to %d", shape->n_hidden, MLP_HIDDEN_LIMIT);
    for (int i = 0; i < shape->n_hidden; i++)
        if (shape->hidden[i] < 1 || shape->hidden[i] > MLP_WIDTH_LIMIT)
            return err_set(e, ERR_USAGE, "network: hidden layer %d has %d units, must be 1 to %d", i + 1,
                           shape->hidden[i], MLP_WIDTH_LIMIT);
    if (shape->n_out < 1 || shape->n_out > MLP_OUTPUT_LIMIT)
        return err_set(e, ERR_USAGE, "network: %d outputs, must be 1 to %d", shape->n_out, MLP_OUTPUT_LIMIT);
    return true;
}

int mlp_layer_inputs(const struct mlp_shape *shape, int layer)
{
    return layer == 0 ? shape->n_in : shape->hidden[layer - 1];
}

int mlp_layer_outputs(const struct mlp_shape *shape, int layer)
{
    return layer == shape->n_hidden ? shape->n_out : shape->hidden[layer];
}

static size_t layer_weights(const struct mlp_shape *shape, int layer)
{
    return (size_t)mlp_layer_inputs(shape, layer) * (size_t)mlp_layer_outputs(shape, layer);
}

size_t mlp_weight_offset(const struct mlp_shape *shape, int layer)
{
    size_t offset = 0;
    for (int i = 0; i < layer; i++)
        offset += layer_weights(shape, i) + (size_t)mlp_layer_outputs(shape, i);
    return offset;
}

size_t mlp_bias_offset(const struct mlp_shape *shape, int layer)
{
    return mlp_weight_offset(shape, layer) + layer_weights(shape, layer);
}

size_t mlp_parameter_count(const struct mlp_shape *shape)
{
    return mlp_weight_offset(shape, shape->n_hidden + 1);
}

long long mlp_multiplications(const struct mlp_shape *shape)
{
    long long n = 0;
    for (int i = 0; i <= shape->n_hidden; i++)
        n += (long long)layer_weights(shape, i);
    return n;
}

size_t mlp_initialise_work(const struct mlp_shape *shape)
{
    size_t most = 0;
    for (int i = 0; i <= shape->n_hidden; i++)
        most = layer_weights(shape, i) > most ? layer_weights(shape, i) : most;
    return most;
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* vectors [count][n], count <= n: orthonormal by Gram and Schmidt, twice for accuracy. Dividing by the positive norm
 * makes R's diagonal positive, which is the sign rule of the header. */
static void orthonormalise(double *vectors, int count, int n)
{
    for (int i = 0; i < count; i++) {
        double *v = vectors + (size_t)i * (size_t)n;
        for (int pass = 0; pass < 2; pass++)
            for (int j = 0; j < i; j++) {
                const double *u = vectors + (size_t)j * (size_t)n;
                const double share = dot(u, v, n);
                for (int k = 0; k < n; k++)
                    v[k] -= share * u[k];
            }
        const double norm = sqrt(dot(v, v, n));
        for (int k = 0; k < n; k++)
            v[k] /= norm;
    }
}

/* weight [out][in]: the shorter side holds orthonormal vectors. */
static void initialise_layer(int n_in, int n_out, double gain, struct rng *rng, double *work, float *weight)
{
    const int count = n_in < n_out ? n_in : n_out;
    const int n = n_in < n_out ? n_out : n_in;
    for (size_t i = 0; i < (size_t)count * (size_t)n; i++)
        work[i] = rng_normal(rng);
    orthonormalise(work, count, n);
    for (int out = 0; out < n_out; out++)
        for (int in = 0; in < n_in; in++) {
            size_t from = n_out <= n_in ? (size_t)out * (size_t)n + (size_t)in : (size_t)in * (size_t)n + (size_t)out;
            weight[(size_t)out * (size_t)n_in + (size_t)in] = (float)(gain * work[from]);
        }
}

void mlp_initialise(const struct mlp_shape *shape, double head_gain, struct rng *rng, double *work, float *parameters)
{
    for (int i = 0; i <= shape->n_hidden; i++) {
        const int n_in = mlp_layer_inputs(shape, i), n_out = mlp_layer_outputs(shape, i);
        const double gain = i == shape->n_hidden ? head_gain : sqrt(2.0);
        initialise_layer(n_in, n_out, gain, rng, work, parameters + mlp_weight_offset(shape, i));
        float *bias = parameters + mlp_bias_offset(shape, i);
        for (int out = 0; out < n_out; out++)
            bias[out] = 0.0f;
    }
}
