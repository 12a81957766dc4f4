/* yaml: libyaml's events become a tree. In: the bytes of one document; out: nodes that know their lines. What a value means
 * is decided by the reader of the tree (config, profiles). Nodes and texts lie in a chain of blocks freed at once. */
#include <maestro/yaml.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define BLOCK_BYTES 8192

struct yaml_block {
    struct yaml_block *next;
    size_t used, capacity;
    max_align_t bytes[];
};

/* One reading in progress. */
struct yaml_reading {
    yaml_parser_t parser;
    struct yaml *tree;
    const char *name;
    int n_nodes;
    struct err *e;
};

static void *take(struct yaml *y, size_t bytes)
{
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct yaml_block *block = y->blocks;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = calloc(1, sizeof *block + capacity);
        if (!block)
            return NULL;
        *block = (struct yaml_block){.next = y->blocks, .capacity = capacity};
        y->blocks = block;
    }
    unsigned char *at = (unsigned char *)block->bytes + block->used;
    block->used += bytes;
    return at;
}

static int line_of(yaml_mark_t mark)
{
    return mark.line >= INT32_MAX ? INT32_MAX : (int)mark.line + 1;
}

static bool refuse(const struct yaml_reading *r, yaml_mark_t mark, const char *why)
{
    return err_set(r->e, ERR_FORMAT, "%s:%d: %s", r->name, line_of(mark), why);
}

static bool next_event(struct yaml_reading *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "out of memory";
    if (p->error == YAML_READER_ERROR)
        return err_set(r->e, ERR_FORMAT, "%s:%d: not YAML text: %s at byte %zu", r->name, line_of(p->mark), problem,
                       p->problem_offset);
    return err_set(r->e, ERR_FORMAT, "%s:%d: %s", r->name, line_of(p->problem_mark), problem);
}

static struct yaml_node *new_node(struct yaml_reading *r, enum yaml_kind kind, yaml_mark_t mark)
{
    if (r->n_nodes++ >= YAML_NODES_LIMIT) {
        err_set(r->e, ERR_FORMAT, "%s:%d: more than %d values", r->name, line_of(mark), YAML_NODES_LIMIT);
        return NULL;
    }
    struct yaml_node *node = take(r->tree, sizeof *node);
    if (!node)
        err_set(r->e, ERR_IO, "%s: out of memory", r->name);
    else
        *node = (struct yaml_node){.kind = kind, .line = line_of(mark)};
    return node;
}

static const char *copy_text(struct yaml_reading *r, const yaml_event_t *event)
{
    size_t n = event->data.scalar.length;
    if (memchr(event->data.scalar.value, '\0', n)) {
        refuse(r, event->start_mark, "a NUL character inside a text");
        return NULL;
    }
    char *text = take(r->tree, n + 1);
    if (!text) {
        err_set(r->e, ERR_IO, "%s: out of memory", r->name);
        return NULL;
    }
    memcpy(text, event->data.scalar.value, n);
    text[n] = '\0';
    return text;
}

static bool is_plain(const struct yaml_reading *r, const yaml_event_t *event, bool anchored, bool tagged)
{
    if (anchored)
        return refuse(r, event->start_mark, "anchors are not accepted here: write the value out");
    return !tagged || refuse(r, event->start_mark, "tags are not accepted here");
}

static struct yaml_node *read_scalar(struct yaml_reading *r, const yaml_event_t *event)
{
    if (!is_plain(r, event, event->data.scalar.anchor, event->data.scalar.tag))
        return NULL;
    struct yaml_node *node = new_node(r, YAML_SCALAR, event->start_mark);
    if (!node || !(node->text = copy_text(r, event)))
        return NULL;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static struct yaml_node *read_node(struct yaml_reading *r, const yaml_event_t *event, int depth);

static void link_child(struct yaml_node *parent, struct yaml_node **last, struct yaml_node *child)
{
    if (*last)
        (*last)->next = child;
    else
        parent->first = child;
    *last = child;
    parent->n_children++;
}

/* Reads the event's node and hands it over in *child; *child NULL at the end of the collection. */
static bool read_item(struct yaml_reading *r, yaml_event_type_t end, int depth, struct yaml_node **child)
{
    yaml_event_t event;
    *child = NULL;
    if (!next_event(r, &event))
        return false;
    bool at_end = event.type == end;
    if (!at_end)
        *child = read_node(r, &event, depth);
    yaml_event_delete(&event);
    return at_end || *child;
}

static bool read_sequence(struct yaml_reading *r, struct yaml_node *parent, int depth)
{
    for (struct yaml_node *last = NULL, *child = NULL;;) {
        if (!read_item(r, YAML_SEQUENCE_END_EVENT, depth, &child))
            return false;
        if (!child)
            return true;
        link_child(parent, &last, child);
    }
}

static bool check_key(const struct yaml_reading *r, const struct yaml_node *parent, const struct yaml_node *key)
{
    if (key->kind != YAML_SCALAR || !*key->text)
        return err_set(r->e, ERR_FORMAT, "%s:%d: a key must be a word", r->name, key->line);
    const struct yaml_node *twin = yaml_find(parent, key->text);
    if (twin)
        return err_set(r->e, ERR_FORMAT, "%s:%d: key '%.100s' stands already in line %d", r->name, key->line, key->text,
                       twin->key_line);
    return true;
}

static bool read_mapping(struct yaml_reading *r, struct yaml_node *parent, int depth)
{
    for (struct yaml_node *last = NULL, *key = NULL, *child = NULL;;) {
        if (!read_item(r, YAML_MAPPING_END_EVENT, depth, &key))
            return false;
        if (!key)
            return true;
        if (!check_key(r, parent, key) || !read_item(r, YAML_NO_EVENT, depth, &child))
            return false;
        child->key = key->text;
        child->key_line = key->line;
        link_child(parent, &last, child);
    }
}

static struct yaml_node *read_collection(struct yaml_reading *r, const yaml_event_t *event, int depth)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    bool anchored = mapping ? event->data.mapping_start.anchor != NULL : event->data.sequence_start.anchor != NULL;
    bool tagged = mapping ? event->data.mapping_start.tag != NULL : event->data.sequence_start.tag != NULL;
    if (!is_plain(r, event, anchored, tagged))
        return NULL;
    if (depth >= YAML_DEPTH_LIMIT) {
        err_set(r->e, ERR_FORMAT, "%s:%d: nested deeper than %d", r->name, line_of(event->start_mark),
                YAML_DEPTH_LIMIT);
        return NULL;
    }
    struct yaml_node *node = new_node(r, mapping ? YAML_MAPPING : YAML_SEQUENCE, event->start_mark);
    if (!node)
        return NULL;
    bool done = mapping ? read_mapping(r, node, depth + 1) : read_sequence(r, node, depth + 1);
    return done ? node : NULL;
}

static struct yaml_node *read_node(struct yaml_reading *r, const yaml_event_t *event, int depth)
{
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(r, event);
    if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
        return read_collection(r, event, depth);
    refuse(r, event->start_mark,
           event->type == YAML_ALIAS_EVENT ? "aliases are not accepted here: write the value out"
                                           : "a value is missing");
    return NULL;
}

static bool start_document(struct yaml_reading *r, const yaml_event_t *event, bool seen_document)
{
    if (seen_document)
        return refuse(r, event->start_mark, "a second document: one file holds one");
    bool directives = event->data.document_start.version_directive ||
                      event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end;
    return !directives || refuse(r, event->start_mark, "YAML directives are not accepted here");
}

static bool read_stream(struct yaml_reading *r)
{
    bool seen_document = false;
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!next_event(r, &event))
            return false;
        bool fine = true;
        if (event.type == YAML_STREAM_END_EVENT)
            done = true;
        else if (event.type == YAML_DOCUMENT_START_EVENT) {
            fine = start_document(r, &event, seen_document);
            seen_document = true;
        } else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT)
            fine = (r->tree->root = read_node(r, &event, 0)) != NULL;
        yaml_event_delete(&event);
        if (!fine)
            return false;
    }
    return true;
}

bool yaml_parse(struct yaml *y, const char *name, const char *text, size_t n, struct err *e)
{
    *y = (struct yaml){0};
    if (n > YAML_BYTES_LIMIT)
        return err_set(e, ERR_FORMAT, "%s: larger than %zu bytes", name, YAML_BYTES_LIMIT);
    struct yaml_reading r = {.tree = y, .name = name, .e = e};
    if (!yaml_parser_initialize(&r.parser))
        return err_set(e, ERR_IO, "%s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    bool done = read_stream(&r);
    yaml_parser_delete(&r.parser);
    if (!done)
        yaml_finish(y);
    return done;
}

void yaml_finish(struct yaml *y)
{
    if (!y)
        return;
    for (struct yaml_block *block = y->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *y = (struct yaml){0};
}

const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key)
{
    if (!node || node->kind != YAML_MAPPING)
        return NULL;
    for (const struct yaml_node *child = node->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    if (!node || node->kind != YAML_SCALAR || node->quoted)
        return false;
    const char *t = node->text;
    return !*t || strcmp(t, "~") == 0 || strcmp(t, "null") == 0;
}
