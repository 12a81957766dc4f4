/* config: the layers of configuration. In: sections of rows, YAML, environment, options; out: the caller's structs filled,
 * and where each value came from. What a value means stands in config_value, how a configuration is shown in config_print. */
#include <maestro/config.h>

#include "config_value.h"

#include <maestro/file.h>
#include <maestro/text.h>
#include <maestro/yaml.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_BYTES 160
#define NAME_BYTES 96
#define PLACE_BYTES 416

extern char **environ;

static const struct config_key *find_key(const struct config *c, const char *dotted, int *section, int *slot)
{
    const char *dot = strchr(dotted, '.');
    size_t n = dot ? (size_t)(dot - dotted) : 0;
    *slot = 0;
    *section = -1;
    for (int i = 0; i < c->n_sections && dot; i++) {
        const struct config_section *s = &c->sections[i];
        bool mine = strlen(s->name) == n && strncmp(s->name, dotted, n) == 0;
        *section = mine ? i : *section;
        for (int j = 0; j < s->n_keys; j++, (*slot)++)
            if (mine && strcmp(s->keys[j].name, dot + 1) == 0)
                return &s->keys[j];
    }
    return NULL;
}

static char *origin_slot(const struct config *c, int slot)
{
    return c->origins + (size_t)slot * ORIGIN_BYTES;
}

/* The end of a long origin is the part that tells: the file's name and line. */
static void set_origin(struct config *c, int slot, const char *origin)
{
    static const char cut[] = "...";
    char *out = origin_slot(c, slot);
    size_t n = strlen(origin), begin = n < ORIGIN_BYTES ? 0 : sizeof cut - 1;
    memcpy(out, cut, begin);
    n = n < ORIGIN_BYTES ? n : ORIGIN_BYTES - 1 - begin;
    memcpy(out + begin, origin + strlen(origin) - n, n + 1);
}

/* "--a.b" names its key itself; a file's line or a variable needs it said. */
static void name_place(const char *origin, const char *dotted, char out[PLACE_BYTES])
{
    if (strncmp(origin, "--", 2) == 0)
        snprintf(out, PLACE_BYTES, "%.310s", origin);
    else
        snprintf(out, PLACE_BYTES, "%.310s: %.95s", origin, dotted);
}

static bool unknown_key(const struct config *c, const char *dotted, const char *origin, struct err *e)
{
    char nearest[NAME_BYTES] = "", place[PLACE_BYTES];
    int best = TEXT_FAR, section, slot;
    find_key(c, dotted, &section, &slot);
    for (int i = 0; i < c->n_sections; i++)
        for (int j = 0; j < c->sections[i].n_keys; j++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s.%s", c->sections[i].name, c->sections[i].keys[j].name);
            if (text_suggests(dotted, name, &best))
                memcpy(nearest, name, sizeof nearest);
        }
    name_place(origin, dotted, place);
    const char *what = section < 0 && strchr(dotted, '.') ? "unknown section" : "unknown key";
    return err_set(e, ERR_USAGE, "%s: %s%s%s%s", place, what, *nearest ? "; did you mean " : "", nearest,
                   *nearest ? "?" : "");
}

/* The one way a value gets in. store false: only looked at. */
static bool take_value(struct config *c, const char *dotted, const char *value, const char *origin, bool store,
                       struct err *e)
{
    int section, slot;
    struct config_value v;
    const struct config_key *k = find_key(c, dotted, &section, &slot);
    if (!k)
        return unknown_key(c, dotted, origin, e);
    if (!config_value_parse(k, value, &v, e)) {
        char place[PLACE_BYTES];
        name_place(origin, dotted, place);
        return err_wrap(e, "%s", place);
    }
    if (store) {
        config_value_store(k, &v, c->sections[section].target);
        set_origin(c, slot, origin);
    }
    return true;
}

static bool set_defaults(struct config *c, struct err *e)
{
    for (int i = 0; i < c->n_sections; i++)
        for (int j = 0; j < c->sections[i].n_keys; j++) {
            const struct config_key *k = &c->sections[i].keys[j];
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s.%s", c->sections[i].name, k->name);
            if (!take_value(c, name, k->fallback ? k->fallback : "", "default", true, e))
                return false;
        }
    return true;
}

bool config_init(struct config *c, struct config_section *sections, int n_sections, struct err *e)
{
    size_t n_keys = 0;
    for (int i = 0; i < n_sections; i++)
        n_keys += (size_t)sections[i].n_keys;
    *c = (struct config){.sections = sections, .n_sections = n_sections};
    c->origins = calloc(n_keys + 1, ORIGIN_BYTES);
    if (!c->origins)
        return err_set(e, ERR_IO, "out of memory for %zu configuration keys", n_keys);
    if (set_defaults(c, e))
        return true;
    config_finish(c);
    return false;
}

void config_finish(struct config *c)
{
    if (!c)
        return;
    free(c->origins);
    *c = (struct config){0};
}

bool config_set(struct config *c, const char *dotted, const char *value, const char *origin, struct err *e)
{
    return take_value(c, dotted, value, origin, true, e);
}

/* ["a", b] -> "[a, b]": lists come as text from every layer. */
static bool join_items(const struct yaml_node *node, bool texts, struct buf *out, struct err *e)
{
    buf_text(out, "[");
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        if (item->kind != YAML_SCALAR || yaml_is_null(item))
            return err_set(e, ERR_USAGE, "the items of the list must be single values");
        if (texts && strchr(item->text, ','))
            return err_set(e, ERR_USAGE, "'%.60s': an item must not hold a comma", item->text);
        buf_printf(out, "%s%s", item == node->first ? "" : ", ", item->text);
    }
    buf_text(out, "]");
    return buf_ok(out, e);
}

static bool node_text(const struct config_key *k, const struct yaml_node *node, struct buf *out, struct err *e)
{
    if (node->kind == YAML_MAPPING)
        return err_set(e, ERR_USAGE, "a value is wanted, not further keys");
    if (node->kind == YAML_SEQUENCE && !config_is_list(k))
        return err_set(e, ERR_USAGE, "one value is wanted, not a list");
    if (node->kind == YAML_SEQUENCE)
        return join_items(node, k->type == CONFIG_TEXTS, out, e);
    if (yaml_is_null(node))
        return err_set(e, ERR_USAGE, "has no value%s", k->type == CONFIG_STRING ? "; an empty text is \"\"" : "");
    buf_text(out, node->text);
    return buf_ok(out, e);
}

static bool take_node(struct config *c, const char *section, const struct yaml_node *node, const char *name, bool store,
                      struct err *e)
{
    char dotted[NAME_BYTES * 2], origin[ORIGIN_BYTES * 2], place[PLACE_BYTES];
    int i, slot;
    snprintf(dotted, sizeof dotted, "%.90s.%.90s", section, node->key);
    snprintf(origin, sizeof origin, "%.300s:%d", name, node->line);
    const struct config_key *k = find_key(c, dotted, &i, &slot);
    if (!k)
        return unknown_key(c, dotted, origin, e);
    CLEANUP_BUF struct buf text = {0};
    if (!node_text(k, node, &text, e)) {
        name_place(origin, dotted, place);
        return err_wrap(e, "%s", place);
    }
    return take_value(c, dotted, text.bytes, origin, store, e);
}

static bool known_section(const struct config *c, const struct yaml_node *node, const char *name, struct err *e)
{
    const char *nearest = NULL;
    int best = TEXT_FAR;
    for (int i = 0; i < c->n_sections; i++) {
        if (strcmp(c->sections[i].name, node->key) == 0)
            return true;
        if (text_suggests(node->key, c->sections[i].name, &best))
            nearest = c->sections[i].name;
    }
    return err_set(e, ERR_USAGE, "%s:%d: %.90s: unknown section%s%s%s", name, node->key_line, node->key,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static bool take_tree(struct config *c, const struct yaml_node *root, const char *name, bool store, struct err *e)
{
    if (!root || yaml_is_null(root))
        return true;
    if (root->kind != YAML_MAPPING)
        return err_set(e, ERR_USAGE, "%s:%d: sections with keys are wanted (section: then key: value)", name,
                       root->line);
    for (const struct yaml_node *section = root->first; section; section = section->next) {
        if (!known_section(c, section, name, e))
            return false;
        if (yaml_is_null(section))
            continue;
        if (section->kind != YAML_MAPPING)
            return err_set(e, ERR_USAGE, "%s:%d: %s: keys are wanted below a section", name, section->line,
                           section->key);
        for (const struct yaml_node *node = section->first; node; node = node->next)
            if (!take_node(c, section->key, node, name, store, e))
                return false;
    }
    return true;
}

/* The whole text is looked at before the first value is stored: all of it counts or nothing. */
bool config_text(struct config *c, const char *name, const char *text, size_t n, struct err *e)
{
    struct yaml tree;
    if (!yaml_parse(&tree, name, text, n, e)) {
        if (e && e->code == ERR_FORMAT)
            e->code = ERR_USAGE;
        return false;
    }
    bool done = take_tree(c, tree.root, name, false, e) && take_tree(c, tree.root, name, true, e);
    yaml_finish(&tree);
    return done;
}

bool config_file(struct config *c, const char *path, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    return file_read(path, YAML_BYTES_LIMIT, &text, e) && config_text(c, path, text.bytes, text.len, e);
}

/* "ppo" and "n_steps" -> "PPO_N_STEPS_"; the caller cuts the end. */
static void upper_name(const char *name, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s", name);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* The section whose MAESTRO_SECTION_ begins the variable, the longest name winning; *rest is what follows. */
static const struct config_section *section_of_variable(const struct config *c, const char *variable, const char **rest)
{
    const struct config_section *found = NULL;
    size_t longest = 0;
    for (int i = 0; i < c->n_sections; i++) {
        char upper[NAME_BYTES];
        upper_name(c->sections[i].name, upper);
        size_t n = strlen(upper);
        if (n > longest && strncmp(variable, upper, n) == 0 && variable[n] == '_') {
            found = &c->sections[i];
            *rest = variable + n + 1;
            longest = n;
        }
    }
    return found;
}

static bool take_variable(struct config *c, const char *name, const char *value, struct err *e)
{
    const char *rest = NULL;
    const struct config_section *s = section_of_variable(c, name + strlen("MAESTRO_"), &rest);
    if (!s)
        return true; // MAESTRO_DATA and the like: not ours
    char dotted[2 * NAME_BYTES], upper[NAME_BYTES];
    for (int j = 0; j < s->n_keys; j++) {
        upper_name(s->keys[j].name, upper);
        if (strcmp(upper, rest) == 0) {
            snprintf(dotted, sizeof dotted, "%s.%s", s->name, s->keys[j].name);
            return take_value(c, dotted, value, name, true, e);
        }
    }
    snprintf(dotted, sizeof dotted, "%s.%.90s", s->name, rest);
    for (char *p = dotted; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return unknown_key(c, dotted, name, e);
}

bool config_environment(struct config *c, struct err *e)
{
    for (char **variable = environ; variable && *variable; variable++) {
        const char *equals = strchr(*variable, '=');
        char name[2 * NAME_BYTES];
        if (!equals || strncmp(*variable, "MAESTRO_", strlen("MAESTRO_")) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *variable), *variable);
        if (!take_variable(c, name, equals + 1, e))
            return false;
    }
    return true;
}

bool config_get(const struct config *c, const char *dotted, struct buf *out)
{
    int section, slot;
    struct config_value v;
    const struct config_key *k = find_key(c, dotted, &section, &slot);
    if (!k)
        return false;
    config_value_load(k, c->sections[section].target, &v);
    config_value_text(k, &v, false, out);
    return true;
}

const char *config_origin(const struct config *c, const char *dotted)
{
    int section, slot;
    return find_key(c, dotted, &section, &slot) ? origin_slot(c, slot) : NULL;
}
