/* net: forward and backward through one fully connected network, tile by tile. In: rows of features and, for the way
 * back, the gradient of the loss with respect to the raw outputs. Out: raw outputs, and the gradient of every
 * parameter. It knows nothing of what the outputs mean and does not split work among threads. */
#include <maestro/net.h>
#include <string.h>

static size_t padded(int n)
{
    return (size_t)mat_padded(n);
}

static void layout(struct net *net)
{
    size_t offset = 0;
    for (int i = 0; i <= net->shape.n_hidden; i++) {
        struct net_layer *layer = &net->layers[i];
        layer->n_in = mlp_layer_inputs(&net->shape, i);
        layer->n_out = mlp_layer_outputs(&net->shape, i);
        layer->offset = offset;
        const bool head = i == net->shape.n_hidden;
        layer->row = head ? padded(layer->n_in + 1) : padded(layer->n_out);
        offset += layer->row * (size_t)(head ? layer->n_out : layer->n_in + 1);
    }
    net->n_flat = offset;
}

void net_carve(struct net *net, const struct mlp_shape *shape, struct arena *arena)
{
    const struct mat_kernels *kernels = net->kernels;
    *net = (struct net){.shape = *shape, .kernels = kernels, .input_row = (size_t)shape->n_in + 1};
    layout(net);
    net->weights = arena_take(arena, net->n_flat, sizeof(float));
    net->gradient = arena_take(arena, net->n_flat, sizeof(float));
    net->moment1 = arena_take(arena, net->n_flat, sizeof(float));
    net->moment2 = arena_take(arena, net->n_flat, sizeof(float));
    net->input = arena_take(arena, NET_TILE * net->input_row, sizeof(float));
    net->output = arena_take(arena, (size_t)shape->n_out * NET_TILE, sizeof(float));
    net->output_gradient = arena_take(arena, (size_t)shape->n_out * NET_TILE, sizeof(float));
    size_t widest = 0;
    for (int i = 0; i < shape->n_hidden; i++) {
        struct net_layer *layer = &net->layers[i];
        layer->outputs_row = padded(layer->n_out + 1);
        layer->outputs = arena_take(arena, NET_TILE * layer->outputs_row, sizeof(float));
        if (i > 0)
            layer->transposed = arena_take(arena, (size_t)layer->n_out * padded(layer->n_in), sizeof(float));
        widest = padded(layer->n_out) > widest ? padded(layer->n_out) : widest;
    }
    for (int i = 0; i < 2; i++)
        net->hidden_gradient[i] = arena_take(arena, NET_TILE * widest, sizeof(float));
}

void net_set_input(struct net *net, int row, const float *features)
{
    float *x = net->input + (size_t)row * net->input_row;
    for (int i = 0; i < net->shape.n_in; i++)
        x[i] = features[i];
    x[net->shape.n_in] = 1.0f;
}

static void set_column(float *x, size_t row, int rows, int column, float value)
{
    for (int i = 0; i < rows; i++)
        x[(size_t)i * row + (size_t)column] = value;
}

void net_forward(struct net *net, int rows)
{
    const float *x = net->input;
    size_t x_row = net->input_row;
    for (int i = 0; i < net->shape.n_hidden; i++) {
        const struct net_layer *layer = &net->layers[i];
        const float *w = net->weights + layer->offset;
        const struct mat_product p = {
            .a = x,
            .a_row = x_row,
            .a_col = 1,
            .b = w,
            .b_row = layer->row,
            .c = layer->outputs,
            .c_row = layer->outputs_row,
            .m = rows,
            .n = mat_padded(layer->n_out),
            .k = layer->n_in,
            .bias = w + (size_t)layer->n_in * layer->row,
            .finish = net->shape.activation == MLP_TANH ? MAT_TANH : MAT_RELU,
        };
        net->kernels->product(&p);
        set_column(layer->outputs, layer->outputs_row, rows, layer->n_out, 1.0f);
        x = layer->outputs;
        x_row = layer->outputs_row;
    }
    const struct net_layer *head = &net->layers[net->shape.n_hidden];
    const struct mat_head h = {.x = x,
                               .x_row = x_row,
                               .w = net->weights + head->offset,
                               .w_row = head->row,
                               .y = net->output,
                               .y_row = NET_TILE,
                               .rows = rows,
                               .outputs = head->n_out,
                               .k = (int)head->row};
    net->kernels->head(&h);
}

void net_prepare_backward(struct net *net)
{
    for (int i = 1; i < net->shape.n_hidden; i++) {
        const struct net_layer *layer = &net->layers[i];
        net->kernels->transpose(net->weights + layer->offset, layer->row, layer->n_in, layer->n_out, layer->transposed,
                                padded(layer->n_in));
    }
}

/* Gradient of the outputs of the layer below: dy [rows][n_out by strides] times b [n_out][padded n_in]. */
static void input_gradient(const struct net *net, int layer_index, const struct mat_product *dy, const float *b,
                           size_t b_row, float *out)
{
    const struct net_layer *below = &net->layers[layer_index - 1];
    struct mat_product p = *dy;
    p.b = b;
    p.b_row = b_row;
    p.c = out;
    p.n = mat_padded(below->n_out);
    p.c_row = padded(below->n_out);
    p.finish = net->shape.activation == MLP_TANH ? MAT_TANH_GRADIENT : MAT_RELU_GRADIENT;
    p.outputs = below->outputs;
    p.outputs_row = below->outputs_row;
    net->kernels->product(&p);
}

static void backward_head(struct net *net, int rows, bool accumulate, float *below_gradient)
{
    const int last = net->shape.n_hidden;
    const struct net_layer *head = &net->layers[last];
    const struct net_layer *below = &net->layers[last - 1];
    const struct mat_product dw = {
        .a = net->output_gradient,
        .a_row = NET_TILE,
        .a_col = 1,
        .b = below->outputs,
        .b_row = below->outputs_row,
        .c = net->gradient + head->offset,
        .c_row = head->row,
        .m = head->n_out,
        .n = (int)head->row,
        .k = rows,
        .accumulate = accumulate,
    };
    net->kernels->product(&dw);
    const struct mat_product dy = {
        .a = net->output_gradient, .a_row = 1, .a_col = NET_TILE, .m = rows, .k = head->n_out};
    input_gradient(net, last, &dy, net->weights + head->offset, head->row, below_gradient);
    if (head->n_in % MAT_PAD != 0) /* the head's bias column must not flow down */
        set_column(below_gradient, padded(head->n_in), rows, head->n_in, 0.0f);
}

void net_backward(struct net *net, int rows, bool accumulate)
{
    float *dy = net->hidden_gradient[0], *dx = net->hidden_gradient[1];
    backward_head(net, rows, accumulate, dy);
    for (int i = net->shape.n_hidden - 1; i >= 0; i--) {
        const struct net_layer *layer = &net->layers[i];
        const struct mat_product dw = {
            .a = i > 0 ? net->layers[i - 1].outputs : net->input,
            .a_row = 1,
            .a_col = i > 0 ? net->layers[i - 1].outputs_row : net->input_row,
            .b = dy,
            .b_row = padded(layer->n_out),
            .c = net->gradient + layer->offset,
            .c_row = layer->row,
            .m = layer->n_in + 1,
            .n = mat_padded(layer->n_out),
            .k = rows,
            .accumulate = accumulate,
        };
        net->kernels->product(&dw);
        if (i == 0)
            break;
        const struct mat_product down = {
            .a = dy, .a_row = padded(layer->n_out), .a_col = 1, .m = rows, .k = layer->n_out};
        input_gradient(net, i, &down, layer->transposed, padded(layer->n_in), dx);
        float *swap = dy;
        dy = dx;
        dx = swap;
    }
}

double net_gradient_squares(const struct net *net)
{
    return net->kernels->sum_squares(net->gradient, net->n_flat);
}

void net_step(struct net *net, const struct adam_step *step)
{
    net->kernels->adam(step, net->weights, net->gradient, net->moment1, net->moment2, net->n_flat);
}

/* Index in the flat vector of weight (out, in) of a layer; in = n_in is the bias. */
static size_t flat_index(const struct net *net, int layer_index, int out, int in)
{
    const struct net_layer *layer = &net->layers[layer_index];
    const bool head = layer_index == net->shape.n_hidden;
    return layer->offset + (head ? (size_t)out * layer->row + (size_t)in : (size_t)in * layer->row + (size_t)out);
}

void net_pack(const struct net *net, const float *parameters, float *flat)
{
    memset(flat, 0, net->n_flat * sizeof *flat);
    for (int i = 0; i <= net->shape.n_hidden; i++) {
        const struct net_layer *layer = &net->layers[i];
        for (int out = 0; out < layer->n_out; out++) {
            for (int in = 0; in < layer->n_in; in++)
                flat[flat_index(net, i, out, in)] = *parameters++;
        }
        for (int out = 0; out < layer->n_out; out++)
            flat[flat_index(net, i, out, layer->n_in)] = *parameters++;
    }
}

void net_unpack(const struct net *net, const float *flat, float *parameters)
{
    for (int i = 0; i <= net->shape.n_hidden; i++) {
        const struct net_layer *layer = &net->layers[i];
        for (int out = 0; out < layer->n_out; out++) {
            for (int in = 0; in < layer->n_in; in++)
                *parameters++ = flat[flat_index(net, i, out, in)];
        }
        for (int out = 0; out < layer->n_out; out++)
            *parameters++ = flat[flat_index(net, i, out, layer->n_in)];
    }
}
