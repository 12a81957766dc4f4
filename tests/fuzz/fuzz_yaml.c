/* Any bytes into the YAML tree: what is accepted keeps the promises of the header; what is refused names a line. */
#include "fuzz.h"

#include <maestro/yaml.h>

#include <string.h>

static int check_node(const struct yaml_node *node, int depth)
{
    int n = 1, children = 0;
    fuzz_must(depth <= YAML_DEPTH_LIMIT && node->line >= 1);
    fuzz_must((node->kind == YAML_SCALAR) == (node->text != NULL));
    for (const struct yaml_node *child = node->first; child; child = child->next, children++) {
        fuzz_must((node->kind == YAML_MAPPING) == (child->key != NULL));
        fuzz_must(!child->key || yaml_find(node, child->key) == child);
        n += check_node(child, depth + 1);
    }
    fuzz_must(children == node->n_children);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct yaml tree;
    struct err e = {0};
    if (yaml_parse(&tree, "input", (const char *)bytes, n, &e)) {
        if (tree.root)
            fuzz_must(check_node(tree.root, 0) <= YAML_NODES_LIMIT);
    } else {
        fuzz_must(e.code == ERR_FORMAT && strncmp(e.message, "input:", 6) == 0 && !tree.root && !tree.blocks);
    }
    yaml_finish(&tree);
    return 0;
}
