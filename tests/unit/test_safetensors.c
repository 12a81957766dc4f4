/* safetensors: what is written reads back; every way a block can lie is refused with a sentence; every cut and every
 * flipped bit of a good block is either refused or harmless. */
#include <maestro/file.h>
#include <maestro/safetensors.h>

#include <stdio.h>
#include <string.h>

#include "suite.h"

static void put(struct buf *b, const char *json, size_t n_data)
{
    size_t n = strlen(json);
    unsigned char length[8] = {0};
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(n >> (8 * i));
    buf_append(b, length, 8);
    buf_text(b, json);
    for (size_t i = 0; i < n_data; i++)
        buf_append(b, "\x01", 1);
}

static bool parse(const char *json, size_t n_data, struct err *e)
{
    struct safetensors s = {0};
    CLEANUP_BUF struct buf b = {0};
    put(&b, json, n_data);
    bool read = safetensors_parse(&s, "t.safetensors", b.bytes, b.len, e);
    safetensors_finish(&s);
    return read;
}

static void write_example(struct buf *out)
{
    static const float w[6] = {1, 2, 3, 4, 5, 6};
    static const double d[1] = {0.25};
    static const uint8_t u[3] = {7, 8, 9};
    static const int32_t i[2] = {-1, 2};
    const struct safetensor tensors[] = {
        {.name = "u", .type = SAFETENSOR_U8, .rank = 1, .shape = {3}, .data = u},
        {.name = "w", .type = SAFETENSOR_F32, .rank = 2, .shape = {2, 3}, .data = w},
        {.name = "i", .type = SAFETENSOR_I32, .rank = 1, .shape = {2}, .data = i},
        {.name = "d", .type = SAFETENSOR_F64, .rank = 0, .data = d},
        {.name = "none", .type = SAFETENSOR_F32, .rank = 1, .shape = {0}, .data = w},
    };
    const struct safetensors_text texts[] = {{"format", "pt"}, {"note", "line one\n\"two\" \\ \xc3\xa4\x01"}};
    struct err e;
    ck_assert(safetensors_write(tensors, 5, texts, 2, out, &e));
}

START_TEST(written_reads_back)
{
    CLEANUP_BUF struct buf b = {0};
    struct safetensors s = {0};
    struct err e = {0};
    write_example(&b);
    ck_assert_msg(safetensors_parse(&s, "x", b.bytes, b.len, &e), "%s", e.message);
    ck_assert_uint_eq(s.n_tensors, 5);
    ck_assert_str_eq(safetensors_metadata(&s, "note"), "line one\n\"two\" \\ \xc3\xa4\x01");
    ck_assert_ptr_null(safetensors_metadata(&s, "nothing"));
    float w[6];
    double d;
    int32_t i[2];
    uint8_t u[3];
    ck_assert(safetensors_f32(&s, "w", 2, (size_t[]){2, 3}, w, &e));
    ck_assert(w[0] == 1 && w[5] == 6);
    ck_assert(safetensors_f64(&s, "d", 0, NULL, &d, &e));
    ck_assert(d == 0.25);
    ck_assert(safetensors_i32(&s, "i", 1, (size_t[]){2}, i, &e));
    ck_assert_int_eq(i[0], -1);
    ck_assert(safetensors_u8(&s, "u", 1, (size_t[]){3}, u, &e));
    ck_assert_uint_eq(u[2], 9);
    safetensors_finish(&s);
}
END_TEST

/* The reference writer: header length a multiple of 8, tensors by falling element size, then name. */
START_TEST(order_and_padding_of_the_reference)
{
    CLEANUP_BUF struct buf b = {0};
    struct safetensors s = {0};
    struct err e = {0};
    write_example(&b);
    ck_assert_uint_eq((unsigned char)b.bytes[0] % 8, 0);
    ck_assert(safetensors_parse(&s, "x", b.bytes, b.len, &e));
    const char *order[] = {"d", "i", "none", "w", "u"};
    for (int k = 0; k < 5; k++)
        ck_assert_str_eq(s.tensors[k].name, order[k]);
    safetensors_finish(&s);
}
END_TEST

START_TEST(lookups_name_the_tensor_and_both_shapes)
{
    CLEANUP_BUF struct buf b = {0};
    struct safetensors s = {0};
    struct err e = {0};
    float w[6];
    write_example(&b);
    ck_assert(safetensors_parse(&s, "x", b.bytes, b.len, &e));
    ck_assert(!safetensors_f32(&s, "w", 2, (size_t[]){3, 2}, w, &e));
    ck_assert_str_eq(e.message, "x: tensor \"w\": is F32 [2, 3], must be F32 [3, 2]");
    ck_assert(!safetensors_f32(&s, "d", 0, NULL, w, &e));
    ck_assert_str_eq(e.message, "x: tensor \"d\": is F64 [], must be F32 []");
    ck_assert(!safetensors_f32(&s, "absent", 0, NULL, w, &e));
    ck_assert_str_eq(e.message, "x: tensor \"absent\": missing");
    safetensors_finish(&s);
}
END_TEST

START_TEST(liars_are_refused)
{
    static const struct {
        const char *json;
        size_t n_data;
        const char *says;
    } rows[] = {
        {"[]", 0, "no JSON object"},
        {"", 0, "no JSON object"},
        {"{\"a\":", 0, "not JSON"},
        {"{} x", 0, "behind the JSON"},
        {"{}", 1, "1 bytes behind the last tensor"},
        {"{\"a\":1}", 0, "must hold dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "must hold dtype"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "shape must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "two rising"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "do not span"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole or overlap"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "shape must be"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4503599627370496,1024],\"data_offsets\":[0,0]}}", 0, "do not span"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, "twice"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, "hole or overlap"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "must be a string"},
        {"{\"__metadata__\":3}", 0, "must be an object"},
        {"{\"__metadata__\":{\"k\":\"a\",\"k\":\"b\"}}", 0, "twice"},
        {"{\"__metadata__\":{\"k\\u0000\":\"a\"}}", 0, "no JSON object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        ck_assert_msg(!parse(rows[i].json, rows[i].n_data, &e), "row %zu was accepted: %s", i, rows[i].json);
        ck_assert_msg(strstr(e.message, rows[i].says) != NULL, "row %zu says \"%s\"", i, e.message);
        ck_assert_int_eq(e.code, ERR_FORMAT);
    }
}
END_TEST

START_TEST(legal_oddities_are_read)
{
    struct err e = {0};
    ck_assert(parse("{}", 0, &e));
    ck_assert(parse("{}      ", 0, &e));
    ck_assert(parse("{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, &e));
    ck_assert(parse("{\"z\":{\"dtype\":\"F32\",\"shape\":[0,4294967296],\"data_offsets\":[0,0]}}", 0, &e));
    ck_assert(parse("{\"h\":{\"shape\":[3],\"data_offsets\":[0,6],\"dtype\":\"BF16\"}}", 6, &e));
}
END_TEST

START_TEST(huge_header_is_refused_unread)
{
    unsigned char bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    struct safetensors s = {0};
    struct err e = {0};
    ck_assert(!safetensors_parse(&s, "x", bytes, sizeof bytes, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "at most"));
}
END_TEST

/* Every proper prefix is refused; outputs stay untouched. */
START_TEST(truncation_is_always_seen)
{
    CLEANUP_BUF struct buf b = {0};
    write_example(&b);
    for (size_t n = 0; n < b.len; n++) {
        struct safetensors s = {0};
        char *copy = malloc(n ? n : 1); // its own block, so that AddressSanitizer sees any look past the end
        memcpy(copy, b.bytes, n);
        ck_assert_msg(!safetensors_parse(&s, "x", copy, n, NULL), "%zu of %zu bytes were accepted", n, b.len);
        ck_assert_ptr_null(s.tensors);
        free(copy);
    }
}
END_TEST

START_TEST(flipped_bits_never_crash)
{
    CLEANUP_BUF struct buf b = {0};
    write_example(&b);
    int refused = 0;
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        struct safetensors s = {0};
        b.bytes[bit / 8] = (char)(b.bytes[bit / 8] ^ (1 << (bit % 8)));
        if (safetensors_parse(&s, "x", b.bytes, b.len, NULL))
            safetensors_finish(&s);
        else
            refused++;
        b.bytes[bit / 8] = (char)(b.bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    ck_assert_int_gt(refused, 500);
}
END_TEST

START_TEST(writer_refuses_bad_names)
{
    static const uint8_t x[2] = {0, 1};
    const struct safetensor twice[] = {{.name = "a", .type = SAFETENSOR_U8, .rank = 0, .data = x},
                                       {.name = "a", .type = SAFETENSOR_U8, .rank = 0, .data = x}};
    const struct safetensor nameless[] = {{.name = "", .type = SAFETENSOR_U8, .rank = 0, .data = x}};
    CLEANUP_BUF struct buf b = {0};
    struct err e = {0};
    ck_assert(!safetensors_write(twice, 2, NULL, 0, &b, &e));
    ck_assert_str_eq(e.message, "tensor \"a\" given twice");
    ck_assert(!safetensors_write(nameless, 1, NULL, 0, &b, &e));
}
END_TEST

SUITE("safetensors", written_reads_back, order_and_padding_of_the_reference, lookups_name_the_tensor_and_both_shapes,
      liars_are_refused, legal_oddities_are_read, huge_header_is_refused_unread, truncation_is_always_seen,
      flipped_bits_never_crash, writer_refuses_bad_names)
