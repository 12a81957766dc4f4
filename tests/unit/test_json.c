/* json: the grammar and nothing beyond it, places in messages, typed fields; json_write: what it writes reads back. */
#include <maestro/json.h>
#include <maestro/json_write.h>

#include "suite.h"

#include <math.h>
#include <string.h>

static struct json_document parse(const char *text)
{
    struct json_document d;
    struct err e = {0};
    ck_assert_msg(json_parse(&d, "x.json", text, strlen(text), &e), "%s: %s", text, e.message);
    return d;
}

static void refused(const char *text, size_t n, const char *message)
{
    struct json_document d;
    struct err e = {0};
    ck_assert_msg(!json_parse(&d, "x.json", text, n, &e), "accepted: %s", text);
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_msg(strncmp(e.message, message, strlen(message)) == 0, "'%s' and not '%s'", e.message, message);
    ck_assert_ptr_null(d.root);
}

START_TEST(valid_documents_are_accepted)
{
    static const char *const rows[] = {"{}",           "[]",     " 1 ",
                                       "-0",           "1.5e+3", "\"\\u00e9\\ud83d\\ude00\"",
                                       "null",         "true",   "{\"a\":[1,{\"b\":null}],\"c\":\"\"}",
                                       "[[[]]]\n",     "1E5",    "0.5",
                                       "\"\\/\\b\\f\""};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_document d = parse(rows[i]);
        json_finish(&d);
    }
}
END_TEST

START_TEST(everything_else_is_refused_with_its_place)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "x.json:1:1: the JSON ends too early"},
        {"{\"a\": 1,\n \"b\": }", "x.json:2:7: a value is wanted"},
        {"{\"a\" 1}", "x.json:1:6: a colon is wanted"},
        {"{a: 1}", "x.json:1:2: a text in quotes is wanted"},
        {"{\"a\": 1,}", "x.json:1:9: a text in quotes is wanted"},
        {"[1,]", "x.json:1:4: a value is wanted"},
        {"[1 2]", "x.json:1:4: a comma or ] is wanted"},
        {"{\"a\": 1]", "x.json:1:8: a comma or } is wanted"},
        {"[1", "x.json:1:3: the JSON ends too early"},
        {"{} {}", "x.json:1:4: something stands behind the value"},
        {"01", "x.json:1:1: a number must not begin with 0"},
        {"-01", "x.json:1:2: a number must not begin with 0"},
        {"1.", "x.json:1:3: the JSON ends too early"},
        {"[1.]", "x.json:1:4: a digit is wanted"},
        {"[.5]", "x.json:1:2: a value is wanted"},
        {"[+5]", "x.json:1:2: a value is wanted"},
        {"[1e]", "x.json:1:4: a digit is wanted"},
        {"[-]", "x.json:1:3: a digit is wanted"},
        {"[NaN]", "x.json:1:2: a value is wanted"},
        {"[Infinity]", "x.json:1:2: a value is wanted"},
        {"[1e999]", "x.json: the number is too large"},
        {"{\"a\": -1e999}", "x.json: the number of 'a' is too large"},
        {"tru", "x.json:1:1: a value is wanted"},
        {"'a'", "x.json:1:1: a value is wanted"},
        {"\"a\nb\"", "x.json:1:3: a control character"},
        {"\"\\x\"", "x.json:1:3: an unknown escape"},
        {"\"\\u12g4\"", "x.json:1:4: \\u wants four"},
        {"\"\\u0000\"", "x.json:1:4: a NUL character"},
        {"\"\xff\"", "x.json:1:2: bytes that are not UTF-8"},
        {"\"abc", "x.json:1:5: the JSON ends too early"},
        {"\"\\ud800\"", "x.json:1:"},
        {"{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}", "x.json: key 'c' stands twice in one object"},
        {"{\"a\": 1, \"\\u0061\": 2}", "x.json: key 'a' stands twice in one object"},
        {"\xef\xbb\xbf{}", "x.json:1:1: a value is wanted"},
        {"/* c */ 1", "x.json:1:1: a value is wanted"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].text, strlen(rows[i].text), rows[i].message);
    refused("[1]\0", 4, "x.json:1:4: something stands behind");
}
END_TEST

START_TEST(depth_keys_and_size_are_limited)
{
    char deep[2 * JSON_DEPTH_LIMIT + 3];
    struct buf many = {0};
    struct json_document d;
    memset(deep, '[', JSON_DEPTH_LIMIT + 1);
    memset(deep + JSON_DEPTH_LIMIT + 1, ']', JSON_DEPTH_LIMIT + 1);
    refused(deep, 2 * (JSON_DEPTH_LIMIT + 1), "x.json:1:33: nested too deep");
    ck_assert(json_parse(&d, "x", deep + 1, (size_t)2 * JSON_DEPTH_LIMIT, NULL));
    json_finish(&d);
    for (int i = 0; i <= JSON_KEYS_LIMIT; i++)
        buf_printf(&many, "%s\"%d\":1", i ? "," : "{", i);
    buf_text(&many, "}");
    refused(many.bytes, many.len, "x.json: an object with more than 1024 keys");
    buf_finish(&many);
    refused("1", JSON_BYTES_LIMIT + 1, "x.json: larger than 16777216 bytes");
    json_finish(NULL);
}
END_TEST

START_TEST(fields_come_typed)
{
    struct json_document d =
        parse("{\"n\":2.5,\"i\":-7,\"t\":\"x\\n\",\"b\":true,\"o\":{\"k\":1},\"a\":[1,2,3],\"z\":null}");
    double n, v[3];
    long long i;
    const char *t;
    bool b = false;
    int count = 0;
    const struct json *o, *a;
    struct err e = {0};
    ck_assert(json_number(d.root, "n", &n, &e) && json_whole(d.root, "i", -10, 10, &i, &e));
    ck_assert(json_text(d.root, "t", &t, &e) && json_flag(d.root, "b", &b, &e));
    ck_assert(json_object(d.root, "o", &o, &e) && json_array(d.root, "a", &a, &e));
    ck_assert(json_numbers(d.root, "a", v, 3, &count, &e));
    ck_assert_double_eq(n, 2.5);
    ck_assert_int_eq(i, -7);
    ck_assert_str_eq(t, "x\n");
    ck_assert(b && json_is_null(json_find(d.root, "z")));
    ck_assert_int_eq(count, 3);
    ck_assert_double_eq(v[2], 3);
    ck_assert_str_eq(json_key(json_first(o)), "k");
    ck_assert_ptr_null(json_find(d.root, "N"));
    ck_assert_ptr_null(json_next(json_first(o)));
    json_finish(&d);
}
END_TEST

START_TEST(wrong_fields_are_named)
{
    struct json_document d = parse("{\"n\":\"x\",\"i\":1.5,\"big\":1e300,\"a\":[1,\"x\"],\"l\":[1,2]}");
    double n, v[2];
    long long i;
    const char *t;
    bool b;
    int count;
    const struct json *o;
    struct err e = {0};
    ck_assert(!json_number(d.root, "n", &n, &e));
    ck_assert_str_eq(e.message, "field 'n' is not a number");
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert(!json_number(d.root, "q", &n, &e));
    ck_assert_str_eq(e.message, "field 'q' is missing; it must be a number");
    ck_assert(!json_whole(d.root, "i", 0, 9, &i, &e));
    ck_assert_str_eq(e.message, "field 'i' is not a whole number");
    ck_assert(!json_whole(d.root, "big", 0, 9, &i, &e));
    ck_assert(!json_text(d.root, "i", &t, &e) && !json_flag(d.root, "i", &b, &e));
    ck_assert(!json_object(d.root, "a", &o, &e) && !json_array(d.root, "i", &o, &e));
    ck_assert(!json_numbers(d.root, "a", v, 2, &count, &e));
    ck_assert_str_eq(e.message, "field 'a': item 2 is not a number");
    ck_assert(!json_numbers(d.root, "l", v, 1, &count, &e));
    ck_assert_str_eq(e.message, "field 'l' has more than 1 numbers");
    ck_assert(!json_number(NULL, "n", &n, &e));
    json_finish(&d);
}
END_TEST

START_TEST(whole_numbers_keep_their_range)
{
    struct json_document d = parse("{\"a\":10}");
    long long i = 5;
    struct err e = {0};
    ck_assert(!json_whole(d.root, "a", 0, 9, &i, &e));
    ck_assert_str_eq(e.message, "field 'a' is 10, out of range: 0 to 9 is wanted");
    ck_assert_int_eq(i, 5);
    json_finish(&d);
}
END_TEST

static void write_sample(struct json_writer *w)
{
    json_begin_object(w);
    json_put_key(w, "te\"xt");
    json_put_text(w, "a\n\"\\\x01\xc3\xa9\xff");
    json_put_key(w, "list");
    json_begin_array(w);
    json_put_double(w, 0.1);
    json_put_whole(w, -3);
    json_put_bool(w, true);
    json_put_null(w);
    json_begin_object(w);
    json_end_object(w);
    json_put_double_or_null(w, (double)NAN);
    json_end_array(w);
    json_put_key(w, "last");
    json_put_text(w, NULL);
    json_end_object(w);
}

START_TEST(written_json_is_exact)
{
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    struct err e = {0};
    write_sample(&w);
    ck_assert(json_write_end(&w, &e));
    ck_assert_str_eq(out.bytes,
                     "{\"te\\\"xt\":\"a\\n\\\"\\\\\\u0001\xc3\xa9\\ufffd\",\"list\":[0.1,-3,true,null,{},null],"
                     "\"last\":null}");
    struct json_document d = parse(out.bytes);
    json_finish(&d);
    buf_clear(&out);
    w = (struct json_writer){.out = &out, .spaces = " "};
    json_begin_array(&w);
    json_put_whole(&w, 1);
    json_put_whole(&w, 2);
    json_end_array(&w);
    ck_assert(json_write_end(&w, &e));
    ck_assert_str_eq(out.bytes, "[1, 2]");
    buf_finish(&out);
}
END_TEST

START_TEST(numbers_that_are_none_are_refused_by_name)
{
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    struct err e = {0};
    json_begin_object(&w);
    json_put_key(&w, "fine");
    json_put_double(&w, 1);
    json_put_key(&w, "loss");
    json_put_double(&w, (double)NAN);
    json_put_key(&w, "later");
    json_put_double(&w, 1);
    json_end_object(&w);
    ck_assert(!json_write_end(&w, &e));
    ck_assert_int_eq(e.code, ERR_NUMERIC);
    ck_assert_str_eq(e.message, "'loss' is not a finite number");
    buf_finish(&out);
}
END_TEST

SUITE("json", valid_documents_are_accepted, everything_else_is_refused_with_its_place, depth_keys_and_size_are_limited,
      fields_come_typed, wrong_fields_are_named, whole_numbers_keep_their_range, written_json_is_exact,
      numbers_that_are_none_are_refused_by_name)
