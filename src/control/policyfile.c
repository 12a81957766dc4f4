/* policyfile: struct policy_file to one safetensors block and back. Weights and normaliser are tensors, everything else is
 * metadata: short texts and two JSON objects ("network", "control"). Loading trusts nothing and names file and field; what
 * the network computes is infer's business. */
#include <maestro/file.h>
#include <maestro/json.h>
#include <maestro/json_write.h>
#include <maestro/policyfile.h>
#include <maestro/safetensors.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS_LIMIT (4 * (MLP_HIDDEN_LIMIT + 1) + 4)
#define TENSOR_NAME 32
#define FILE_LIMIT ((size_t)1 << 28) /* bytes */

static const char FORMAT_KEY[] = "maestro.policy.format";

void policyfile_finish(struct policy_file *file)
{
    if (!file)
        return;
    free(file->actor_parameters);
    free(file->critic_parameters);
    free(file->training);
    free(file->scores);
    file->actor_parameters = file->critic_parameters = NULL;
    file->training = file->scores = NULL;
}

struct tensors {
    struct safetensor list[TENSORS_LIMIT];
    char names[TENSORS_LIMIT][TENSOR_NAME];
    size_t n;
};

static void add_tensor(struct tensors *t, const char *name, const float *data, int rows, int columns)
{
    struct safetensor *tensor = &t->list[t->n];
    snprintf(t->names[t->n], TENSOR_NAME, "%s", name);
    *tensor = (struct safetensor){.name = t->names[t->n], .type = SAFETENSOR_F32, .rank = rows ? 2 : 1, .data = data};
    tensor->shape[0] = (size_t)(rows ? rows : columns);
    tensor->shape[1] = rows ? (size_t)columns : 0;
    t->n++;
}

static void add_network(struct tensors *t, const char *role, const struct mlp_shape *shape, const float *parameters)
{
    char name[TENSOR_NAME];
    for (int layer = 0; layer <= shape->n_hidden; layer++) {
        snprintf(name, sizeof name, "%s.%d.weight", role, layer);
        add_tensor(t, name, parameters + mlp_weight_offset(shape, layer), mlp_layer_outputs(shape, layer),
                   mlp_layer_inputs(shape, layer));
        snprintf(name, sizeof name, "%s.%d.bias", role, layer);
        add_tensor(t, name, parameters + mlp_bias_offset(shape, layer), 0, mlp_layer_outputs(shape, layer));
    }
}

static void put_hidden(struct json_writer *w, const char *role, const struct mlp_shape *shape)
{
    json_put_key(w, role);
    json_begin_array(w);
    for (int i = 0; i < shape->n_hidden; i++)
        json_put_whole(w, shape->hidden[i]);
    json_end_array(w);
}

static bool network_text(const struct policy_file *f, struct buf *out, struct err *e)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w);
    json_put_key(&w, "activation");
    json_put_text(&w, f->actor.activation == MLP_RELU ? "relu" : "tanh");
    put_hidden(&w, "actor", &f->actor);
    put_hidden(&w, "critic", &f->critic);
    json_put_key(&w, "obs_clip");
    json_put_double(&w, (double)f->obs_clip);
    json_end_object(&w);
    return json_write_end(&w, e);
}

/* Every text of the metadata; buffers live as long as the writing. */
struct texts {
    struct buf features, network, control;
    char hash[OBSERVATION_HASH_BYTES], seed[24], steps[24], format[8];
};

static void texts_finish(struct texts *t)
{
    buf_finish(&t->features);
    buf_finish(&t->network);
    buf_finish(&t->control);
}

static bool make_texts(const struct policy_file *f, struct texts *t, struct err *e)
{
    observation_spec_text(&f->control.observation, &t->features);
    observation_hash(&f->control.observation, t->hash);
    snprintf(t->seed, sizeof t->seed, "%" PRIu64, f->seed);
    snprintf(t->steps, sizeof t->steps, "%lld", f->steps);
    snprintf(t->format, sizeof t->format, "%d", POLICYFILE_FORMAT);
    return network_text(f, &t->network, e) && policyfile_control_text(f, &t->control, e) && buf_ok(&t->features, e);
}

static bool all_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* What can be wrong with the numbers of a policy, read or to be written. */
static bool check_numbers(const struct policy_file *f, struct err *e)
{
    size_t d = (size_t)f->control.observation.n;
    if (!all_finite(f->actor_parameters, mlp_parameter_count(&f->actor)))
        return err_set(e, ERR_NUMERIC, "a weight of the actor is not finite");
    if (!all_finite(f->critic_parameters, mlp_parameter_count(&f->critic)))
        return err_set(e, ERR_NUMERIC, "a weight of the critic is not finite");
    if (!all_finite(f->obs_mean, d) || !all_finite(f->obs_var, d) || !all_finite(f->obs_low, d) ||
        !all_finite(f->obs_high, d))
        return err_set(e, ERR_NUMERIC, "a value of obs_mean, obs_var, obs_low or obs_high is not finite");
    for (size_t i = 0; i < d; i++)
        if (f->obs_var[i] < 0)
            return err_set(e, ERR_NUMERIC, "obs_var[%zu] is negative", i);
    if (!(f->obs_clip > 0))
        return err_set(e, ERR_NUMERIC, "obs_clip must be above 0");
    return true;
}

static bool write_block(const struct policy_file *f, const struct texts *t, struct buf *out, struct err *e)
{
    const struct safetensors_text metadata[] = {
        {FORMAT_KEY, t->format},
        {"control", t->control.bytes},
        {"feature_hash", t->hash},
        {"features", t->features.bytes},
        {"network", t->network.bytes},
        {"scores", f->scores ? f->scores : ""},
        {"seed", t->seed},
        {"steps", t->steps},
        {"training", f->training ? f->training : ""},
        {"version", f->version},
    };
    struct tensors *tensors = calloc(1, sizeof *tensors);
    if (!tensors)
        return err_set(e, ERR_IO, "out of memory");
    add_network(tensors, "actor", &f->actor, f->actor_parameters);
    add_network(tensors, "critic", &f->critic, f->critic_parameters);
    int d = f->control.observation.n;
    add_tensor(tensors, "obs_mean", f->obs_mean, 0, d);
    add_tensor(tensors, "obs_var", f->obs_var, 0, d);
    add_tensor(tensors, "obs_low", f->obs_low, 0, d);
    add_tensor(tensors, "obs_high", f->obs_high, 0, d);
    bool done = safetensors_write(tensors->list, tensors->n, metadata, sizeof metadata / sizeof metadata[0], out, e);
    free(tensors);
    return done;
}

bool policyfile_save(const struct policy_file *file, const char *path, struct err *e)
{
    CLEANUP_BUF struct buf block = {0};
    struct texts texts = {0};
    bool made = check_numbers(file, e) && make_texts(file, &texts, e) && write_block(file, &texts, &block, e) &&
                buf_ok(&block, e);
    texts_finish(&texts);
    if (!made)
        return err_wrap(e, "%s", path);
    return file_write_atomic(path, block.bytes, block.len, e);
}

static const char *metadata_or_fail(const struct safetensors *s, const char *key, struct err *e)
{
    const char *text = safetensors_metadata(s, key);
    if (!text)
        err_set(e, ERR_FORMAT, "metadata '%s' is missing", key);
    return text;
}

static bool read_format(const struct safetensors *s, struct err *e)
{
    const char *text = safetensors_metadata(s, FORMAT_KEY);
    if (!text)
        return err_set(e, ERR_FORMAT, "a safetensors file, but no Maestro policy (metadata '%s' is missing)",
                       FORMAT_KEY);
    char own[8];
    snprintf(own, sizeof own, "%d", POLICYFILE_FORMAT);
    if (strcmp(text, own) != 0)
        return err_set(e, ERR_FORMAT, "policy format %.16s; this program reads format %s", text, own);
    return true;
}

/* features and feature_hash, the period being known from control. */
static bool read_features(const struct safetensors *s, struct policy_file *out, struct err *e)
{
    const struct control *c = &out->control;
    double period_s = c->observation.period_s, window_s = c->observation.window_s;
    char hash[OBSERVATION_HASH_BYTES];
    const char *list = metadata_or_fail(s, "features", e);
    const char *recorded = list ? metadata_or_fail(s, "feature_hash", e) : NULL;
    if (!recorded)
        return false;
    if (!observation_spec_parse(&out->control.observation, list, period_s, window_s, e)) {
        if (e)
            e->code = ERR_FORMAT; // it is the file's fault, not the user's
        return err_wrap(e, "metadata 'features'");
    }
    observation_hash(&out->control.observation, hash);
    if (strcmp(hash, recorded) != 0)
        return err_set(e, ERR_FORMAT, "metadata 'feature_hash' is %.20s; this program computes %s for these features",
                       recorded, hash);
    return true;
}

static bool read_hidden(const struct json *network, const char *role, struct mlp_shape *shape, struct err *e)
{
    double widths[MLP_HIDDEN_LIMIT];
    if (!json_numbers(network, role, widths, MLP_HIDDEN_LIMIT, &shape->n_hidden, e))
        return false;
    for (int i = 0; i < shape->n_hidden; i++) {
        if (!(widths[i] >= 1 && widths[i] <= MLP_WIDTH_LIMIT) || widths[i] != floor(widths[i]))
            return err_set(e, ERR_FORMAT, "'%s': %g is not a layer width within 1..%d", role, widths[i],
                           MLP_WIDTH_LIMIT);
        shape->hidden[i] = (int)widths[i];
    }
    return mlp_shape_check(shape, e);
}

static bool parse_network(const struct json *network, struct policy_file *out, struct err *e)
{
    const char *activation;
    double clip;
    if (!json_text(network, "activation", &activation, e) || !json_number(network, "obs_clip", &clip, e))
        return false;
    if (strcmp(activation, "tanh") != 0 && strcmp(activation, "relu") != 0)
        return err_set(e, ERR_FORMAT, "'activation' is neither tanh nor relu");
    enum mlp_activation kind = activation[0] == 'r' ? MLP_RELU : MLP_TANH;
    out->obs_clip = clip > 0 && clip <= 1e6 ? (float)clip : 0; // 0 is refused by check_numbers
    out->actor =
        (struct mlp_shape){.n_in = out->control.observation.n, .n_out = out->control.actions.n, .activation = kind};
    out->critic = (struct mlp_shape){.n_in = out->control.observation.n, .n_out = 1, .activation = kind};
    return read_hidden(network, "actor", &out->actor, e) && read_hidden(network, "critic", &out->critic, e);
}

static bool read_network(const struct safetensors *s, struct policy_file *out, struct err *e)
{
    struct json_document d = {0};
    const char *text = metadata_or_fail(s, "network", e);
    if (!text || !json_parse(&d, "metadata 'network'", text, strlen(text), e))
        return false;
    bool done = parse_network(d.root, out, e) || err_wrap(e, "metadata 'network'");
    json_finish(&d);
    return done;
}

static bool read_parameters(const struct safetensors *s, const char *role, const struct mlp_shape *shape, float **out,
                            struct err *e)
{
    char name[TENSOR_NAME];
    *out = calloc(mlp_parameter_count(shape), sizeof **out);
    if (!*out)
        return err_set(e, ERR_IO, "out of memory");
    for (int layer = 0; layer <= shape->n_hidden; layer++) {
        size_t size[2] = {(size_t)mlp_layer_outputs(shape, layer), (size_t)mlp_layer_inputs(shape, layer)};
        snprintf(name, sizeof name, "%s.%d.weight", role, layer);
        if (!safetensors_f32(s, name, 2, size, *out + mlp_weight_offset(shape, layer), e))
            return false;
        snprintf(name, sizeof name, "%s.%d.bias", role, layer);
        if (!safetensors_f32(s, name, 1, size, *out + mlp_bias_offset(shape, layer), e))
            return false;
    }
    return true;
}

static bool read_tensors(const struct safetensors *s, struct policy_file *out, struct err *e)
{
    size_t d = (size_t)out->control.observation.n;
    return read_parameters(s, "actor", &out->actor, &out->actor_parameters, e) &&
           read_parameters(s, "critic", &out->critic, &out->critic_parameters, e) &&
           safetensors_f32(s, "obs_mean", 1, &d, out->obs_mean, e) &&
           safetensors_f32(s, "obs_var", 1, &d, out->obs_var, e) &&
           safetensors_f32(s, "obs_low", 1, &d, out->obs_low, e) &&
           safetensors_f32(s, "obs_high", 1, &d, out->obs_high, e);
}

static bool read_number(const struct safetensors *s, const char *key, unsigned long long *out, struct err *e)
{
    const char *text = metadata_or_fail(s, key, e);
    char *end = NULL;
    if (!text)
        return false;
    *out = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-')
        return err_set(e, ERR_FORMAT, "metadata '%s' is no whole number", key);
    return true;
}

static bool copy_text(const struct safetensors *s, const char *key, char **out, struct err *e)
{
    const char *text = metadata_or_fail(s, key, e);
    if (!text)
        return false;
    *out = strdup(text);
    return *out || err_set(e, ERR_IO, "out of memory");
}

static bool read_story(const struct safetensors *s, struct policy_file *out, struct err *e)
{
    unsigned long long seed, steps;
    const char *version = metadata_or_fail(s, "version", e);
    if (!version || !read_number(s, "seed", &seed, e) || !read_number(s, "steps", &steps, e))
        return false;
    out->seed = seed;
    out->steps = steps <= INT64_MAX ? (long long)steps : INT64_MAX;
    snprintf(out->version, sizeof out->version, "%.31s", version);
    return copy_text(s, "training", &out->training, e) && copy_text(s, "scores", &out->scores, e);
}

static bool read_control(const struct safetensors *s, struct policy_file *out, struct err *e)
{
    const char *text = metadata_or_fail(s, "control", e);
    return text && policyfile_control_parse(text, out, e);
}

bool policyfile_parse(const char *name, const void *bytes, size_t n, struct policy_file *out, struct err *e)
{
    struct safetensors s = {0};
    struct policy_file file = {0};
    if (!safetensors_parse(&s, name, bytes, n, e))
        return false;
    bool done = read_format(&s, e) && read_control(&s, &file, e) && read_features(&s, &file, e) &&
                read_network(&s, &file, e) && read_tensors(&s, &file, e) && check_numbers(&file, e) &&
                read_story(&s, &file, e);
    safetensors_finish(&s);
    if (!done) {
        policyfile_finish(&file);
        return err_wrap(e, "%s", name);
    }
    *out = file;
    return true;
}

bool policyfile_load(const char *path, struct policy_file *out, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    return file_read_still(path, FILE_LIMIT, &bytes, e) && policyfile_parse(path, bytes.bytes, bytes.len, out, e);
}
