/* yaml: the YAML that we accept, as a tree with line numbers. Mappings, sequences and scalars; nothing that makes a
 * document mean something other than what it shows: duplicate keys, anchors, aliases, tags, directives and a second
 * document are refused, and so are keys that are not plain text. Every message opens with "name:line: ". */
#ifndef MAESTRO_YAML_H
#define MAESTRO_YAML_H

#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

#define YAML_BYTES_LIMIT ((size_t)1 << 20)
#define YAML_NODES_LIMIT 16384
#define YAML_DEPTH_LIMIT 32

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;             /* a scalar in quotes or a block scalar: text, whatever it looks like */
    int line;                /* from 1 */
    int n_children;          /* 0 for a scalar */
    const char *key;         /* of a mapping's child; NULL elsewhere */
    int key_line;            /* of a mapping's child */
    const char *text;        /* of a scalar: UTF-8, no NUL inside; NULL elsewhere */
    struct yaml_node *first; /* child; NULL if none */
    struct yaml_node *next;  /* sibling, in the order of the file */
};

struct yaml_block;

/* Nodes and text are owned by the tree until yaml_finish. */
struct yaml {
    struct yaml_node *root;    /* NULL: an empty document */
    struct yaml_block *blocks; /* owned */
};

/* name stands in messages only. ERR_FORMAT on anything refused; *y is then zeroed. */
MUST_CHECK bool yaml_parse(struct yaml *y, const char *name, const char *text, size_t n, struct err *e);
void yaml_finish(struct yaml *y); /* accepts NULL and zeroed */

/* The child of a mapping under key, or NULL (also where node is NULL or no mapping). */
const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

/* An unquoted empty scalar, "~" or "null": nothing was given. */
bool yaml_is_null(const struct yaml_node *node);

#endif
