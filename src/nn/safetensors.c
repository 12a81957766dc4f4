/* safetensors: reads and writes blocks of named tensors. In: bytes that anyone may have written. Out: a checked table of
 * names, types, shapes and data, or one sentence on what is wrong. Does not open files, knows no networks, and does not
 * look at the numbers: whether they are finite is for the one who knows what they mean. */
#include <maestro/safetensors.h>

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} TYPES[SAFETENSOR_TYPE_COUNT] = {
    [SAFETENSOR_BOOL] = {"BOOL", 1}, [SAFETENSOR_U8] = {"U8", 1},   [SAFETENSOR_I8] = {"I8", 1},
    [SAFETENSOR_I16] = {"I16", 2},   [SAFETENSOR_U16] = {"U16", 2}, [SAFETENSOR_F16] = {"F16", 2},
    [SAFETENSOR_BF16] = {"BF16", 2}, [SAFETENSOR_I32] = {"I32", 4}, [SAFETENSOR_U32] = {"U32", 4},
    [SAFETENSOR_F32] = {"F32", 4},   [SAFETENSOR_I64] = {"I64", 8}, [SAFETENSOR_U64] = {"U64", 8},
    [SAFETENSOR_F64] = {"F64", 8},
};

enum { LENGTH_BYTES = 8 };

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static bool bad(const struct safetensors *s, struct err *e, const char *what, const char *name)
{
    return err_set(e, ERR_FORMAT, "%s: tensor \"%.80s\": %s", s->title, name ? name : "", what);
}

/* A whole number from 0 to 2^53, which a double holds exactly. */
static bool whole(const cJSON *item, size_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > 0x1p53 ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (size_t)item->valuedouble;
    return true;
}

static bool parse_type(const cJSON *item, enum safetensor_type *out)
{
    const char *name = cJSON_GetStringValue(item);
    for (int i = 0; name && i < SAFETENSOR_TYPE_COUNT; i++) {
        if (strcmp(name, TYPES[i].name) == 0) {
            *out = (enum safetensor_type)i;
            return true;
        }
    }
    return false;
}

/* Fills rank, shape and count; false where it is no shape or its product overflows. */
static bool parse_shape(const cJSON *array, struct safetensor *t)
{
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > SAFETENSORS_RANK_LIMIT)
        return false;
    t->rank = 0;
    t->count = 1;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        size_t length;
        if (!whole(item, &length) || __builtin_mul_overflow(t->count, length, &t->count))
            return false;
        t->shape[t->rank++] = length;
    }
    return true;
}

static bool parse_range(const cJSON *array, size_t *begin, size_t *end)
{
    return cJSON_IsArray(array) && cJSON_GetArraySize(array) == 2 && whole(cJSON_GetArrayItem(array, 0), begin) &&
           whole(cJSON_GetArrayItem(array, 1), end) && *begin <= *end;
}

static bool parse_tensor(const struct safetensors *s, const cJSON *item, const unsigned char *data, size_t data_bytes,
                         struct safetensor *t, struct err *e)
{
    size_t begin;
    size_t end;
    size_t bytes;
    t->name = item->string;
    if (!cJSON_IsObject(item) || cJSON_GetArraySize(item) != 3)
        return bad(s, e, "must hold dtype, shape and data_offsets, nothing else", t->name);
    if (!parse_type(cJSON_GetObjectItemCaseSensitive(item, "dtype"), &t->type))
        return bad(s, e, "unknown dtype", t->name);
    if (!parse_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), t))
        return bad(s, e, "shape must be a list of at most 8 whole numbers", t->name);
    if (!parse_range(cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), &begin, &end))
        return bad(s, e, "data_offsets must be two rising whole numbers", t->name);
    if (__builtin_mul_overflow(t->count, TYPES[t->type].bytes, &bytes) || bytes != end - begin)
        return bad(s, e, "data_offsets do not span the shape", t->name);
    if (end > data_bytes)
        return bad(s, e, "reaches past the end of the file (truncated?)", t->name);
    t->data = data + begin;
    return true;
}

static int by_data(const void *a, const void *b)
{
    const struct safetensor *x = a;
    const struct safetensor *y = b;
    uintptr_t p = (uintptr_t)x->data;
    uintptr_t q = (uintptr_t)y->data;
    if (p != q)
        return p < q ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count); // empty ones first
}

static bool check_cover(const struct safetensors *s, const unsigned char *data, size_t data_bytes, struct err *e)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct safetensor *t = &s->tensors[i];
        if ((const unsigned char *)t->data != at)
            return bad(s, e, "its data leave a hole or overlap another's", t->name);
        at += t->count * TYPES[t->type].bytes;
    }
    if (at != data + data_bytes)
        return err_set(e, ERR_FORMAT, "%s: %zu bytes behind the last tensor", s->title,
                       (size_t)(data + data_bytes - at));
    return true;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

/* cJSON keeps repeated keys; the format forbids them. */
static bool check_unique(const struct safetensors *s, const cJSON *object, struct err *e)
{
    size_t n = (size_t)cJSON_GetArraySize(object);
    const char **keys = calloc(n ? n : 1, sizeof *keys);
    if (!keys)
        return err_set(e, ERR_IO, "%s: out of memory", s->title);
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) keys[i++] = item->string;
    qsort(keys, n, sizeof *keys, by_text);
    bool unique = true;
    for (i = 1; i < n && unique; i++)
        unique = strcmp(keys[i - 1], keys[i]) != 0 || bad(s, e, "the name appears twice", keys[i]);
    free(keys);
    return unique;
}

static bool parse_metadata(struct safetensors *s, const cJSON *object, struct err *e)
{
    if (!cJSON_IsObject(object))
        return err_set(e, ERR_FORMAT, "%s: __metadata__ must be an object of strings", s->title);
    if (!check_unique(s, object, e))
        return false;
    size_t n = (size_t)cJSON_GetArraySize(object);
    s->metadata = calloc(n ? n : 1, sizeof *s->metadata);
    if (!s->metadata)
        return err_set(e, ERR_IO, "%s: out of memory", s->title);
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        if (!cJSON_IsString(item))
            return err_set(e, ERR_FORMAT, "%s: __metadata__ \"%.80s\" must be a string", s->title, item->string);
        s->metadata[s->n_metadata++] = (struct safetensors_text){item->string, item->valuestring};
    }
    return true;
}

static bool parse_header(struct safetensors *s, const unsigned char *data, size_t data_bytes, struct err *e)
{
    const cJSON *root = s->json;
    if (!check_unique(s, root, e))
        return false;
    size_t n = (size_t)cJSON_GetArraySize(root);
    s->tensors = calloc(n ? n : 1, sizeof *s->tensors);
    if (!s->tensors)
        return err_set(e, ERR_IO, "%s: out of memory", s->title);
    const cJSON *item;
    cJSON_ArrayForEach(item, root)
    {
        bool is_metadata = strcmp(item->string, "__metadata__") == 0;
        if (is_metadata ? !parse_metadata(s, item, e)
                        : !parse_tensor(s, item, data, data_bytes, &s->tensors[s->n_tensors++], e))
            return false;
    }
    qsort(s->tensors, s->n_tensors, sizeof *s->tensors, by_data);
    return check_cover(s, data, data_bytes, e);
}

/* Finds the JSON text; it must fill the header but for spaces at its end, and hold no NUL, escaped or not, which would
 * cut a name short. */
static bool parse_json(struct safetensors *s, const char *text, size_t n, struct err *e)
{
    static const char NUL_ESCAPE[] = "\\u0000";
    bool has_nul = memchr(text, '\0', n) != NULL;
    for (size_t i = 0; i + sizeof NUL_ESCAPE - 1 <= n && !has_nul; i++)
        has_nul = memcmp(text + i, NUL_ESCAPE, sizeof NUL_ESCAPE - 1) == 0;
    if (n < 2 || text[0] != '{' || has_nul)
        return err_set(e, ERR_FORMAT, "%s: not a safetensors file: its header is no JSON object", s->title);
    const char *end = NULL;
    s->json = cJSON_ParseWithLengthOpts(text, n, &end, false);
    if (!cJSON_IsObject((const cJSON *)s->json))
        return err_set(e, ERR_FORMAT, "%s: header: not JSON near byte %zu", s->title,
                       end ? (size_t)(end - text) : (size_t)0);
    for (; end < text + n; end++) {
        if (*end != ' ')
            return err_set(e, ERR_FORMAT, "%s: header: text behind the JSON object at byte %zu", s->title,
                           (size_t)(end - text));
    }
    return true;
}

static bool parse_block(struct safetensors *s, const unsigned char *bytes, size_t n, struct err *e)
{
    if (n < LENGTH_BYTES)
        return err_set(e, ERR_FORMAT, "%s: not a safetensors file: only %zu bytes", s->title, n);
    uint64_t length = read_u64(bytes);
    if (length > SAFETENSORS_HEADER_LIMIT)
        return err_set(e, ERR_FORMAT, "%s: not a safetensors file: header of %" PRIu64 " bytes, at most %zu allowed",
                       s->title, length, SAFETENSORS_HEADER_LIMIT);
    if (length > n - LENGTH_BYTES)
        return err_set(e, ERR_FORMAT, "%s: truncated: header of %" PRIu64 " bytes in a file of %zu", s->title, length,
                       n);
    size_t header = (size_t)length;
    return parse_json(s, (const char *)bytes + LENGTH_BYTES, header, e) &&
           parse_header(s, bytes + LENGTH_BYTES + header, n - LENGTH_BYTES - header, e);
}

bool safetensors_parse(struct safetensors *s, const char *title, const void *bytes, size_t n, struct err *e)
{
    struct safetensors parsed = {.title = title};
    if (!parse_block(&parsed, bytes, n, e)) {
        safetensors_finish(&parsed);
        return false;
    }
    *s = parsed;
    return true;
}

void safetensors_finish(struct safetensors *s)
{
    if (!s)
        return;
    free(s->tensors);
    free(s->metadata);
    cJSON_Delete(s->json);
    *s = (struct safetensors){0};
}

const struct safetensor *safetensors_find(const struct safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    }
    return NULL;
}

const char *safetensors_metadata(const struct safetensors *s, const char *key)
{
    for (size_t i = 0; i < s->n_metadata; i++) {
        if (strcmp(s->metadata[i].key, key) == 0)
            return s->metadata[i].value;
    }
    return NULL;
}

static void describe(enum safetensor_type type, int rank, const size_t *shape, char out[128])
{
    int used = snprintf(out, 128, "%s [", TYPES[type].name);
    for (int i = 0; i < rank && used > 0 && used < 100; i++)
        used += snprintf(out + used, (size_t)(128 - used), "%s%zu", i ? ", " : "", shape[i]);
    if (used > 0 && used < 127)
        snprintf(out + used, (size_t)(128 - used), "]");
}

static bool read_as(const struct safetensors *s, const char *name, const struct safetensor *wanted, void *out,
                    struct err *e)
{
    const struct safetensor *t = safetensors_find(s, name);
    if (!t)
        return bad(s, e, "missing", name);
    bool same = t->type == wanted->type && t->rank == wanted->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == wanted->shape[i];
    if (!same) {
        char found[128];
        char asked[128];
        describe(t->type, t->rank, t->shape, found);
        describe(wanted->type, wanted->rank, wanted->shape, asked);
        return err_set(e, ERR_FORMAT, "%s: tensor \"%.80s\": is %s, must be %s", s->title, name, found, asked);
    }
    if (t->count)
        memcpy(out, t->data, t->count * TYPES[t->type].bytes);
    return true;
}

static struct safetensor wanted_tensor(enum safetensor_type type, int rank, const size_t *shape)
{
    struct safetensor t = {.type = type, .rank = rank};
    for (int i = 0; i < rank && i < SAFETENSORS_RANK_LIMIT; i++)
        t.shape[i] = shape[i];
    return t;
}

bool safetensors_f32(const struct safetensors *s, const char *name, int rank, const size_t *shape, float *out,
                     struct err *e)
{
    struct safetensor wanted = wanted_tensor(SAFETENSOR_F32, rank, shape);
    return read_as(s, name, &wanted, out, e);
}

bool safetensors_f64(const struct safetensors *s, const char *name, int rank, const size_t *shape, double *out,
                     struct err *e)
{
    struct safetensor wanted = wanted_tensor(SAFETENSOR_F64, rank, shape);
    return read_as(s, name, &wanted, out, e);
}

bool safetensors_i32(const struct safetensors *s, const char *name, int rank, const size_t *shape, int32_t *out,
                     struct err *e)
{
    struct safetensor wanted = wanted_tensor(SAFETENSOR_I32, rank, shape);
    return read_as(s, name, &wanted, out, e);
}

bool safetensors_i64(const struct safetensors *s, const char *name, int rank, const size_t *shape, int64_t *out,
                     struct err *e)
{
    struct safetensor wanted = wanted_tensor(SAFETENSOR_I64, rank, shape);
    return read_as(s, name, &wanted, out, e);
}

bool safetensors_u8(const struct safetensors *s, const char *name, int rank, const size_t *shape, uint8_t *out,
                    struct err *e)
{
    struct safetensor wanted = wanted_tensor(SAFETENSOR_U8, rank, shape);
    return read_as(s, name, &wanted, out, e);
}

static size_t tensor_bytes(const struct safetensor *t)
{
    size_t bytes = TYPES[t->type].bytes;
    for (int i = 0; i < t->rank; i++)
        bytes *= t->shape[i];
    return bytes;
}

static void write_text(struct buf *out, const char *text)
{
    buf_text(out, "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_printf(out, "\\%c", *p);
        else if (*p == '\n')
            buf_text(out, "\\n");
        else if ((unsigned char)*p < 0x20)
            buf_printf(out, "\\u%04x", (unsigned)*p);
        else
            buf_append(out, p, 1);
    }
    buf_text(out, "\"");
}

static void write_metadata(const struct safetensors_text *metadata, size_t n, struct buf *out)
{
    buf_text(out, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        buf_text(out, i ? "," : "");
        write_text(out, metadata[i].key);
        buf_text(out, ":");
        write_text(out, metadata[i].value);
    }
    buf_text(out, "}");
}

static void write_entry(const struct safetensor *t, size_t begin, struct buf *out)
{
    write_text(out, t->name);
    buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", TYPES[t->type].name);
    for (int i = 0; i < t->rank; i++)
        buf_printf(out, "%s%zu", i ? "," : "", t->shape[i]);
    buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", begin, begin + tensor_bytes(t));
}

static bool comes_before(const struct safetensor *a, const struct safetensor *b)
{
    if (TYPES[a->type].bytes != TYPES[b->type].bytes)
        return TYPES[a->type].bytes > TYPES[b->type].bytes;
    return strcmp(a->name, b->name) < 0;
}

/* Insertion sort of at most SAFETENSORS_WRITE_LIMIT pointers. */
static bool sort_tensors(const struct safetensor *tensors, size_t n, const struct safetensor **order, struct err *e)
{
    if (n > SAFETENSORS_WRITE_LIMIT)
        return err_set(e, ERR_USAGE, "%zu tensors, at most %d fit a file", n, SAFETENSORS_WRITE_LIMIT);
    for (size_t i = 0; i < n; i++) {
        const struct safetensor *t = &tensors[i];
        if (!t->name || !t->name[0] || strcmp(t->name, "__metadata__") == 0)
            return err_set(e, ERR_USAGE, "tensor %zu needs a name of its own", i);
        size_t at = i;
        for (; at > 0 && comes_before(t, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = t;
    }
    for (size_t i = 1; i < n; i++) {
        if (strcmp(order[i - 1]->name, order[i]->name) == 0)
            return err_set(e, ERR_USAGE, "tensor \"%s\" given twice", order[i]->name);
    }
    return true;
}

bool safetensors_write(const struct safetensor *tensors, size_t n_tensors, const struct safetensors_text *metadata,
                       size_t n_metadata, struct buf *out, struct err *e)
{
    const struct safetensor *order[SAFETENSORS_WRITE_LIMIT];
    if (!sort_tensors(tensors, n_tensors, order, e))
        return false;
    size_t start = out->len;
    buf_append(out, "\0\0\0\0\0\0\0\0{", LENGTH_BYTES + 1);
    if (n_metadata)
        write_metadata(metadata, n_metadata, out);
    size_t begin = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        buf_text(out, i || n_metadata ? "," : "");
        write_entry(order[i], begin, out);
        begin += tensor_bytes(order[i]);
    }
    buf_text(out, "}");
    while ((out->len - start) % LENGTH_BYTES != 0 && !out->failed)
        buf_text(out, " ");
    uint64_t header = out->len - start - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES && !out->failed; i++)
        out->bytes[start + (size_t)i] = (char)(header >> (8 * i));
    for (size_t i = 0; i < n_tensors; i++)
        buf_append(out, order[i]->data, tensor_bytes(order[i]));
    return buf_ok(out, e);
}
