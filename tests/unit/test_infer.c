/* Canonical inference: the same bits for every kernel and every number of rows, and the function that mlp.h describes.
 */
#include <maestro/dist.h>
#include <maestro/infer.h>
#include <maestro/mat.h>
#include <maestro/mat_blas.h>
#include <math.h>
#include <string.h>

#include "suite.h"

#define ROWS 67

static const struct mlp_shape shapes[] = {
    {.n_in = 12, .n_hidden = 2, .hidden = {64, 64}, .n_out = 7, .activation = MLP_TANH},
    {.n_in = 5, .n_hidden = 1, .hidden = {1}, .n_out = 1, .activation = MLP_TANH},
    {.n_in = 41, .n_hidden = 3, .hidden = {17, 130, 31}, .n_out = 19, .activation = MLP_RELU},
    {.n_in = 3, .n_hidden = 6, .hidden = {8, 16, 24, 32, 9, 15}, .n_out = 3, .activation = MLP_TANH},
};

struct fixture {
    float parameters[32768];
    float x[ROWS * 64], y[ROWS * 64], z[ROWS * 64];
};

static struct fixture f;

static void prepare(const struct mlp_shape *shape)
{
    static double work[32768];
    struct rng rng;
    rng_init(&rng, 3, 4);
    ck_assert_uint_le(mlp_parameter_count(shape), 32768);
    mlp_initialise(shape, 1.0, &rng, work, f.parameters);
    for (int i = 0; i <= shape->n_hidden; i++)
        for (int o = 0; o < mlp_layer_outputs(shape, i); o++)
            f.parameters[mlp_bias_offset(shape, i) + (size_t)o] = (float)rng_uniform(&rng, -0.5, 0.5);
    for (int i = 0; i < ROWS * 64; i++)
        f.x[i] = (float)rng_normal(&rng);
}

static void open_net(struct infer *net, struct arena *arena, const struct mlp_shape *shape, const char *kernel)
{
    struct err e = {0};
    struct arena plan = {0};
    infer_carve(net, shape, &plan);
    ck_assert(arena_init(arena, plan.used, &e));
    infer_carve(net, shape, arena);
    ck_assert_msg(infer_load(net, f.parameters, kernel, &e), "%s", e.message);
}

/* The formula in double. */
static double reference(const struct mlp_shape *shape, const float *x, int output)
{
    double in[256], out[256];
    for (int i = 0; i < shape->n_in; i++)
        in[i] = (double)x[i];
    for (int l = 0; l <= shape->n_hidden; l++) {
        const int n_in = mlp_layer_inputs(shape, l), n_out = mlp_layer_outputs(shape, l);
        for (int o = 0; o < n_out; o++) {
            double sum = (double)f.parameters[mlp_bias_offset(shape, l) + (size_t)o];
            for (int i = 0; i < n_in; i++)
                sum += in[i] * (double)f.parameters[mlp_weight_offset(shape, l) + (size_t)(o * n_in + i)];
            const double active = shape->activation == MLP_TANH ? tanh(sum) : fmax(sum, 0.0);
            out[o] = l == shape->n_hidden ? sum : active;
        }
        memcpy(in, out, sizeof in);
    }
    return in[output];
}

START_TEST(bits_depend_on_nothing_but_the_numbers)
{
    const struct mlp_shape *shape = &shapes[_i];
    prepare(shape);
    const size_t bytes = (size_t)ROWS * (size_t)shape->n_out * sizeof(float);
    for (int k = 0; mat_kernels_at(k); k++) {
        struct infer net;
        struct arena arena;
        open_net(&net, &arena, shape, mat_kernels_at(k)->name);
        if (k == 0)
            infer_forward(&net, f.x, ROWS, f.y);
        for (int batch = 1; batch <= ROWS; batch += batch < 14 ? 1 : 17) {
            memset(f.z, 0, sizeof f.z);
            for (int row = 0; row < ROWS; row += batch)
                infer_forward(&net, f.x + row * shape->n_in, ROWS - row < batch ? ROWS - row : batch,
                              f.z + row * shape->n_out);
            ck_assert_msg(memcmp(f.y, f.z, bytes) == 0, "%s, batch %d", mat_kernels_at(k)->name, batch);
        }
        arena_finish(&arena);
    }
}
END_TEST

/* Errors of tanh (1e-6 a unit) and of float sums pass through a few layers of gain about 1. */
START_TEST(outputs_are_what_the_formula_says)
{
    const struct mlp_shape *shape = &shapes[_i];
    struct infer net;
    struct arena arena;
    prepare(shape);
    open_net(&net, &arena, shape, NULL);
    infer_forward(&net, f.x, ROWS, f.y);
    for (int row = 0; row < ROWS; row++)
        for (int o = 0; o < shape->n_out; o++)
            ck_assert_double_eq_tol((double)f.y[row * shape->n_out + o], reference(shape, f.x + row * shape->n_in, o),
                                    2e-5);
    arena_finish(&arena);
}
END_TEST

START_TEST(initial_weights_are_orthogonal)
{
    const struct mlp_shape *shape = &shapes[2];
    prepare(shape);
    for (int l = 0; l <= shape->n_hidden; l++) {
        const int n_in = mlp_layer_inputs(shape, l), n_out = mlp_layer_outputs(shape, l);
        const float *w = f.parameters + mlp_weight_offset(shape, l);
        const double gain = l == shape->n_hidden ? 1.0 : 2.0; /* squared */
        const bool rows = n_out <= n_in;
        for (int i = 0; i < (rows ? n_out : n_in); i++)
            for (int j = 0; j <= i; j++) {
                double dot = 0.0;
                for (int k = 0; k < (rows ? n_in : n_out); k++)
                    dot += rows ? (double)w[i * n_in + k] * (double)w[j * n_in + k]
                                : (double)w[k * n_in + i] * (double)w[k * n_in + j];
                ck_assert_double_eq_tol(dot, i == j ? gain : 0.0, 1e-5);
            }
    }
}
END_TEST

int main(void)
{
    mat_blas_offer();
    TCase *group = tcase_create("infer");
    tcase_add_loop_test(group, bits_depend_on_nothing_but_the_numbers, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(group, outputs_are_what_the_formula_says, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(group, initial_weights_are_orthogonal);
    return suite_run("infer", group);
}
