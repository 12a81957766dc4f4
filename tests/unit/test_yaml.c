/* yaml: the tree and its lines; everything refused, with the line it stands in. */
#include <maestro/yaml.h>

#include "suite.h"

#include <string.h>

START_TEST(a_document_becomes_a_tree_with_lines)
{
    static const char text[] = "# comment\nppo:\n  rate: 3e-4\n  name: \"a b\"\n  sizes:\n    - 64\n    - 32\nempty:\n";
    struct yaml y;
    struct err e = {0};
    ck_assert_msg(yaml_parse(&y, "a.yaml", text, strlen(text), &e), "%s", e.message);
    const struct yaml_node *ppo = yaml_find(y.root, "ppo"), *sizes = yaml_find(ppo, "sizes");
    ck_assert_int_eq(y.root->kind, YAML_MAPPING);
    ck_assert_int_eq(y.root->n_children, 2);
    ck_assert_int_eq(ppo->key_line, 2);
    ck_assert_str_eq(yaml_find(ppo, "rate")->text, "3e-4");
    ck_assert_int_eq(yaml_find(ppo, "rate")->line, 3);
    ck_assert(!yaml_find(ppo, "rate")->quoted && yaml_find(ppo, "name")->quoted);
    ck_assert_str_eq(yaml_find(ppo, "name")->text, "a b");
    ck_assert_int_eq(sizes->kind, YAML_SEQUENCE);
    ck_assert_int_eq(sizes->n_children, 2);
    ck_assert_str_eq(sizes->first->next->text, "32");
    ck_assert_int_eq(sizes->first->next->line, 7);
    ck_assert_ptr_null(sizes->first->next->next);
    ck_assert(yaml_is_null(yaml_find(y.root, "empty")) && !yaml_is_null(ppo));
    ck_assert_ptr_null(yaml_find(sizes, "x"));
    yaml_finish(&y);
    ck_assert_ptr_null(y.root);
}
END_TEST

START_TEST(nothing_is_an_empty_document)
{
    struct yaml y;
    ck_assert(yaml_parse(&y, "x", "", 0, NULL));
    ck_assert_ptr_null(y.root);
    yaml_finish(&y);
    ck_assert(yaml_parse(&y, "x", "# only this\n", 12, NULL));
    ck_assert_ptr_null(y.root);
    yaml_finish(&y);
    yaml_finish(NULL);
}
END_TEST

START_TEST(nulls_are_told_from_texts)
{
    static const char text[] = "a: ~\nb: null\nc:\nd: \"\"\ne: 'null'\nf: none\n";
    static const bool expected[] = {true, true, true, false, false, false};
    struct yaml y;
    int i = 0;
    ck_assert(yaml_parse(&y, "x", text, strlen(text), NULL));
    for (const struct yaml_node *n = y.root->first; n; n = n->next)
        ck_assert_msg(yaml_is_null(n) == expected[i++], "%s", n->key);
    ck_assert_int_eq(i, 6);
    yaml_finish(&y);
}
END_TEST

static void refused(const char *text, size_t n, const char *message)
{
    struct yaml y;
    struct err e = {0};
    ck_assert_msg(!yaml_parse(&y, "a.yaml", text, n, &e), "accepted: %s", text);
    ck_assert_int_eq(e.code, ERR_FORMAT);
    ck_assert_msg(strncmp(e.message, message, strlen(message)) == 0, "'%s' and not '%s'", e.message, message);
    ck_assert(!y.root && !y.blocks);
}

START_TEST(what_hides_its_meaning_is_refused_with_its_line)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "a.yaml:3: key 'a' stands already in line 1"},
        {"a: &x 1\n", "a.yaml:1: anchors are not accepted"},
        {"a: 1\nb: *x\n", "a.yaml:2: "},
        {"a: 1\nb:\n- &y {c: 1}\n", "a.yaml:3: anchors are not accepted"},
        {"a: !!str 1\n", "a.yaml:1: tags are not accepted"},
        {"a: ! [1]\n", "a.yaml:1: tags are not accepted"},
        {"---\na: 1\n---\nb: 1\n", "a.yaml:3: a second document"},
        {"%YAML 1.1\n---\na: 1\n", "a.yaml:1: YAML directives"},
        {"? [a]\n: 1\n", "a.yaml:1: a key must be a word"},
        {"a: 1\n\"\": 2\n", "a.yaml:2: a key must be a word"},
        {"a: \"\\0\"\n", "a.yaml:1: a NUL character"},
        {"a: [1\nb: 2\n", "a.yaml:2: "},
        {"a:\n\tb: 1\n", "a.yaml:2: "},
        {"a: \x01\n", "a.yaml:1: not YAML text"},
        {"a: \xff\n", "a.yaml:1: not YAML text"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].text, strlen(rows[i].text), rows[i].message);
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[2 * YAML_DEPTH_LIMIT + 3];
    struct yaml y;
    memset(text, '[', YAML_DEPTH_LIMIT + 1);
    memset(text + YAML_DEPTH_LIMIT + 1, ']', YAML_DEPTH_LIMIT + 1);
    refused(text, 2 * (YAML_DEPTH_LIMIT + 1), "a.yaml:1: nested deeper than 32");
    ck_assert(yaml_parse(&y, "x", text + 1, 2 * YAML_DEPTH_LIMIT, NULL));
    yaml_finish(&y);
}
END_TEST

START_TEST(size_and_count_are_limited)
{
    size_t n = YAML_BYTES_LIMIT + 1;
    char *text = malloc(n);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', n);
    refused(text, n, "a.yaml: larger than 1048576 bytes");
    for (size_t i = 0; i < 4 * YAML_NODES_LIMIT; i += 2)
        memcpy(text + i, i == 0 ? "[0" : ",0", 2);
    refused(text, 4 * YAML_NODES_LIMIT, "a.yaml:1: more than 16384 values");
    free(text);
}
END_TEST

SUITE("yaml", a_document_becomes_a_tree_with_lines, nothing_is_an_empty_document, nulls_are_told_from_texts,
      what_hides_its_meaning_is_refused_with_its_line, depth_is_limited, size_and_count_are_limited)
