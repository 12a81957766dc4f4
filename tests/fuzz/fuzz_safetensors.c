/* Any bytes into the safetensors reader: what is accepted covers its data exactly, and written again reads back to the same
 * tensors. */
#include "fuzz.h"

#include <maestro/safetensors.h>

#include <stdint.h>
#include <string.h>

static const size_t ELEMENT_BYTES[SAFETENSOR_TYPE_COUNT] = {1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8};

static void check_tensor(const struct safetensor *t, const uint8_t *bytes, size_t n)
{
    const uint8_t *data = t->data;
    size_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->shape[i];
    fuzz_must(count == t->count);
    fuzz_must(data >= bytes && data <= bytes + n && t->count * ELEMENT_BYTES[t->type] <= (size_t)(bytes + n - data));
}

static void check_same(const struct safetensors *a, const struct safetensors *b)
{
    fuzz_must(a->n_tensors == b->n_tensors && a->n_metadata == b->n_metadata);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct safetensor *x = &a->tensors[i];
        const struct safetensor *y = safetensors_find(b, x->name);
        fuzz_must(y && y->type == x->type && y->rank == x->rank && y->count == x->count);
        fuzz_must(x->count == 0 || memcmp(x->data, y->data, x->count * ELEMENT_BYTES[x->type]) == 0);
    }
    for (size_t i = 0; i < a->n_metadata; i++) {
        const char *value = safetensors_metadata(b, a->metadata[i].key);
        fuzz_must(value && strcmp(value, a->metadata[i].value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct safetensors first = {0}, second = {0};
    struct err e = {0};
    struct buf out = {0};
    if (!safetensors_parse(&first, "input", bytes, n, &e)) {
        fuzz_must(e.code == ERR_FORMAT && strncmp(e.message, "input:", 6) == 0 && !first.tensors);
        return 0;
    }
    for (size_t i = 0; i < first.n_tensors; i++)
        check_tensor(&first.tensors[i], bytes, n);
    // The writer refuses what the format allows but no program of ours makes: nameless tensors, hundreds of them.
    if (safetensors_write(first.tensors, first.n_tensors, first.metadata, first.n_metadata, &out, &e)) {
        fuzz_must(safetensors_parse(&second, "written", out.bytes, out.len, &e));
        check_same(&first, &second);
    }
    safetensors_finish(&first);
    safetensors_finish(&second);
    buf_finish(&out);
    return 0;
}
