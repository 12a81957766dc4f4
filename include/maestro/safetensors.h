/* safetensors: named tensors in one block of bytes: u64 little-endian N, N bytes of JSON that begin with '{' (padded with
 * spaces), then the data, which the JSON's data_offsets cover entirely, without hole or overlap, to the very end
 * (format 0.3+, https://github.com/huggingface/safetensors). The reader is strict and trusts nothing; the writer's bytes
 * are what the reference writer would make: N a multiple of 8, tensors by falling element size, then by name. */
#ifndef MAESTRO_SAFETENSORS_H
#define MAESTRO_SAFETENSORS_H

#include <maestro/buf.h>
#include <maestro/err.h>
#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_HEADER_LIMIT ((size_t)16 << 20) /* bytes of JSON we agree to read */
#define SAFETENSORS_RANK_LIMIT 8
#define SAFETENSORS_WRITE_LIMIT 256 /* tensors per written file */

enum safetensor_type {
    SAFETENSOR_BOOL,
    SAFETENSOR_U8,
    SAFETENSOR_I8,
    SAFETENSOR_I16,
    SAFETENSOR_U16,
    SAFETENSOR_F16,
    SAFETENSOR_BF16,
    SAFETENSOR_I32,
    SAFETENSOR_U32,
    SAFETENSOR_F32,
    SAFETENSOR_I64,
    SAFETENSOR_U64,
    SAFETENSOR_F64,
    SAFETENSOR_TYPE_COUNT
};

struct safetensor {
    const char *name;
    enum safetensor_type type;
    int rank; /* 0: a scalar */
    size_t shape[SAFETENSORS_RANK_LIMIT];
    const void *data; /* row-major, little-endian; read from a file: perhaps unaligned */
    size_t count;     /* elements; the writer computes its own from shape */
};

struct safetensors_text {
    const char *key;
    const char *value;
};

/* A parsed block. Names, texts and data pointers live until safetensors_finish, data also only as long as the block. */
struct safetensors {
    struct safetensor *tensors; /* [n_tensors], in the order of their data */
    size_t n_tensors;
    struct safetensors_text *metadata; /* [n_metadata], by key */
    size_t n_metadata;
    void *json;        /* owned */
    const char *title; /* for messages, borrowed from the caller: usually the path */
};

/* title names the block in messages and must outlive s. ERR_FORMAT says what is wrong and where. */
MUST_CHECK bool safetensors_parse(struct safetensors *s, const char *title, const void *bytes, size_t n, struct err *e);
void safetensors_finish(struct safetensors *s); /* accepts NULL and zeroed */

const struct safetensor *safetensors_find(const struct safetensors *s, const char *name); /* NULL: none */
const char *safetensors_metadata(const struct safetensors *s, const char *key);           /* NULL: none */

/* Copies a tensor of exactly this type and shape (rank numbers) to out; errors name the tensor and both shapes. */
MUST_CHECK bool safetensors_f32(const struct safetensors *s, const char *name, int rank, const size_t *shape,
                                float *out, struct err *e);
MUST_CHECK bool safetensors_f64(const struct safetensors *s, const char *name, int rank, const size_t *shape,
                                double *out, struct err *e);
MUST_CHECK bool safetensors_i32(const struct safetensors *s, const char *name, int rank, const size_t *shape,
                                int32_t *out, struct err *e);
MUST_CHECK bool safetensors_i64(const struct safetensors *s, const char *name, int rank, const size_t *shape,
                                int64_t *out, struct err *e);
MUST_CHECK bool safetensors_u8(const struct safetensors *s, const char *name, int rank, const size_t *shape,
                               uint8_t *out, struct err *e);

/* Appends a whole block to out. Allocates nothing but out's own growth. ERR_USAGE for too many tensors, an empty or
 * repeated name. Texts must be UTF-8. */
MUST_CHECK bool safetensors_write(const struct safetensor *tensors, size_t n_tensors,
                                  const struct safetensors_text *metadata, size_t n_metadata, struct buf *out,
                                  struct err *e);

#endif
