/* config_print: a configuration as people and programs read it: YAML that reads back, help, manual, first difference. All
 * from the rows of config; pure functions into a buffer. */
#include <maestro/config.h>

#include "config_value.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES 96
#define HELP_COLUMNS 100

static void dotted_name(const struct config_section *s, const struct config_key *k, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s.%s", s->name, k->name);
}

static void print_key(const struct config *c, const struct config_section *s, const struct config_key *k,
                      bool with_origin, struct buf *out)
{
    struct config_value v;
    char name[NAME_BYTES];
    config_value_load(k, s->target, &v);
    buf_printf(out, "  %s: ", k->name);
    config_value_text(k, &v, true, out);
    if (with_origin) {
        dotted_name(s, k, name);
        buf_printf(out, " # %s%s", k->unit ? k->unit : "", k->unit ? ", " : "");
        for (const char *p = config_origin(c, name); *p; p++) // a file's name may hold anything
            buf_printf(out, "%c", (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f ? '?' : *p);
    }
    buf_text(out, "\n");
}

void config_print(const struct config *c, bool with_origins, struct buf *out)
{
    for (int i = 0; i < c->n_sections; i++) {
        const struct config_section *s = &c->sections[i];
        buf_printf(out, "%s:\n", s->name);
        for (int j = 0; j < s->n_keys; j++)
            print_key(c, s, &s->keys[j], with_origins, out);
    }
}

/* "(default 30 s; 1 to 3600 s)" */
static void accepts_text(const struct config_key *k, struct buf *out)
{
    struct config_value v = {0};
    CLEANUP_BUF struct buf value = {0}, range = {0};
    const char *fallback = k->fallback ? k->fallback : "";
    if (config_value_parse(k, fallback, &v, NULL))
        config_value_text(k, &v, k->type == CONFIG_STRING, &value);
    config_range_text(k, &range);
    bool bare = value.len && strcmp(value.bytes, "off") == 0;
    buf_printf(out, "default %s%s%s", value.len ? value.bytes : "\"\"", k->unit && !bare ? " " : "",
               k->unit && !bare ? k->unit : "");
    if (range.len)
        buf_printf(out, "; %s", range.bytes);
    if (k->type == CONFIG_OFF_DOUBLE)
        buf_text(out, range.len ? ", or off" : "; a number or off");
}

/* Words of text, wrapped, every line indented. */
static void wrapped_text(const char *text, int indent, struct buf *out)
{
    int column = 0;
    for (const char *p = text; *p; p += strspn(p, " ")) {
        int n = (int)strcspn(p, " ");
        if (column > 0 && column + 1 + n > HELP_COLUMNS) {
            buf_text(out, "\n");
            column = 0;
        }
        buf_printf(out, "%*s%.*s", column ? 1 : indent, "", n, p);
        column += n + (column ? 1 : indent);
        p += n;
    }
    buf_text(out, "\n");
}

static void help_key(const struct config_section *s, const struct config_key *k, struct buf *out)
{
    CLEANUP_BUF struct buf text = {0};
    buf_printf(out, "  --%s.%s=VALUE\n", s->name, k->name);
    buf_printf(&text, "%s (", k->description);
    accepts_text(k, &text);
    buf_text(&text, ")");
    if (buf_ok(&text, NULL))
        wrapped_text(text.bytes, 6, out);
}

void config_help(const struct config *c, struct buf *out)
{
    for (int i = 0; i < c->n_sections; i++) {
        const struct config_section *s = &c->sections[i];
        buf_printf(out, "%s%s: %s\n", i ? "\n" : "", s->name, s->description);
        for (int j = 0; j < s->n_keys; j++)
            help_key(s, &s->keys[j], out);
    }
}

/* A sentence ends at p, which holds its space: mdoc wants the next one on a line of its own. */
static bool ends_sentence(const char *text, const char *p)
{
    return *p == ' ' && p > text && p[-1] == '.' && p[1] >= 'A' && p[1] <= 'Z';
}

/* Text inside mdoc: a backslash is spelled out, and a line must not open with a control character. */
static void roff_text(const char *text, struct buf *out)
{
    for (const char *p = text; *p; p++) {
        bool opens = p == text && (*p == '.' || *p == '\'');
        if (opens)
            buf_text(out, "\\&");
        if (*p == '\\')
            buf_text(out, "\\e");
        else if (*p == '-')
            buf_text(out, "\\-");
        else
            buf_append(out, *p == '\n' ? " " : ends_sentence(text, p) ? "\n" : p, 1);
    }
}

void config_manual(const struct config *c, struct buf *out)
{
    for (int i = 0; i < c->n_sections; i++) {
        const struct config_section *s = &c->sections[i];
        buf_printf(out, ".Ss %s\n", s->name);
        roff_text(s->description, out);
        buf_text(out, "\n.Bl -tag -width Ds\n");
        for (int j = 0; j < s->n_keys; j++) {
            CLEANUP_BUF struct buf accepts = {0};
            accepts_text(&s->keys[j], &accepts);
            buf_printf(out, ".It Cm %s.%s\n", s->name, s->keys[j].name);
            roff_text(s->keys[j].description, out);
            buf_text(out, "\n(");
            roff_text(accepts.len ? accepts.bytes : "", out);
            buf_text(out, ")\n");
        }
        buf_text(out, ".El\n");
    }
}

static bool is_named(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && strncmp(p, name, n) == 0)
            return true;
    return false;
}

static bool is_same(const struct config_key *k, const void *a, const void *b)
{
    CLEANUP_BUF struct buf text_a = {0}, text_b = {0};
    struct config_value v;
    config_value_load(k, a, &v);
    config_value_text(k, &v, true, &text_a);
    config_value_load(k, b, &v);
    config_value_text(k, &v, true, &text_b);
    return text_a.len == text_b.len && (text_a.len == 0 || memcmp(text_a.bytes, text_b.bytes, text_a.len) == 0);
}

void config_difference(const struct config *a, const struct config *b, const char *except, struct buf *out)
{
    for (int i = 0; i < a->n_sections; i++)
        for (int j = 0; j < a->sections[i].n_keys; j++) {
            const struct config_key *k = &a->sections[i].keys[j];
            char name[NAME_BYTES];
            dotted_name(&a->sections[i], k, name);
            if (is_named(except, name) || is_same(k, a->sections[i].target, b->sections[i].target))
                continue;
            buf_text(out, name);
            return;
        }
}
