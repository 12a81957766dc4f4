/* YAML to JSON: the type of every plain word, quotes, nesting, and what is refused because readers differ about it. */
#include <maestro/yaml_json.h>

#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct err e;

/* The JSON of a document, in out. */
static bool convert(const char *text, struct buf *out)
{
    struct yaml tree;
    struct json_writer w = {.out = out};
    e = (struct err){0};
    buf_clear(out);
    ck_assert_msg(yaml_parse(&tree, "doc", text, strlen(text), &e), "%s", e.message);
    bool done = yaml_json(tree.root, "doc", &w, &e) && json_write_end(&w, &e);
    yaml_finish(&tree);
    return done;
}

START_TEST(words_have_types)
{
    static const char *const rows[][2] = {
        {"3", "3"},
        {"-3", "-3"},
        {"+3", "3"},
        {"0", "0"},
        {"0.5", "0.5"},
        {".5", "0.5"},
        {"1e3", "1000"},
        {"1.5E-1", "0.15"},
        {"true", "true"},
        {"False", "false"},
        {"null", "null"},
        {"~", "null"},
        {"'3'", "\"3\""},
        {"\"true\"", "\"true\""},
        {"''", "\"\""},
        {"10m", "\"10m\""},
        {"1.2.3", "\"1.2.3\""},
        {"a b", "\"a b\""},
        {"2026-01-01", "\"2026-01-01\""},
        {"50%", "\"50%\""},
        {"1:30", "\"1:30\""},
        {"-", "[null]"},
        {"-x", "\"-x\""},
        {"0s", "\"0s\""},
        {"e3", "\"e3\""},
        {".", "\".\""},
        {"|\n  a\n  b\n", "\"a\\nb\\n\""},
        {"9007199254740992", "9007199254740992"},
        {"_1", "\"_1\""},
        {"0x", "\"0x\""},
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(convert(rows[i][0], &out), "%s: %s", rows[i][0], e.message);
        ck_assert_msg(strcmp(out.bytes, rows[i][1]) == 0, "%s became %s", rows[i][0], out.bytes);
    }
    buf_finish(&out);
}
END_TEST

START_TEST(doubtful_words_are_refused)
{
    static const char *const rows[] = {"yes", "No",  "ON",    "off",  "y",     "010",  "-017",  "0x1F",
                                       "0o7", "0b1", "1_000", ".inf", "-.Inf", ".NaN", "1e999", "9007199254740993000"};
    struct buf out = {0};
    char text[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "a: 1\nb: %s\n", rows[i]);
        ck_assert_msg(!convert(text, &out), "accepted: %s", rows[i]);
        ck_assert_msg(strncmp(e.message, "doc:2: ", 7) == 0, "%s", e.message);
        snprintf(text, sizeof text, "'%s'", rows[i]);
        ck_assert(convert(text, &out));
    }
    buf_finish(&out);
}
END_TEST

START_TEST(trees_are_walked)
{
    struct buf out = {0};
    ck_assert_msg(convert("# head\na:\n- x: 1\n  y: []\n- {}\n1: {b: 'c\"'}\nempty:\n", &out), "%s", e.message);
    ck_assert_str_eq(out.bytes, "{\"a\":[{\"x\":1,\"y\":[]},{}],\"1\":{\"b\":\"c\\\"\"},\"empty\":null}");
    ck_assert(!convert("[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", &out));
    ck_assert_ptr_nonnull(strstr(e.message, "nested deeper than 16"));
    buf_finish(&out);
}
END_TEST

SUITE("yaml_json", words_have_types, doubtful_words_are_refused, trees_are_walked)
