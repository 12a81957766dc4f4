/* yaml_json: what a plain word of YAML means, and the walk over a tree. In: nodes; out: JSON. */
#include <maestro/yaml_json.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_one_of(const char *text, const char *const words[], int n)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Digits, perhaps with a sign, a point and an exponent: what both YAML and JSON call a number. */
static bool is_number(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole = strspn(at, "0123456789");
    at += whole;
    size_t broken = *at == '.' ? strspn(at + 1, "0123456789") + 1 : 0;
    at += broken;
    if (whole == 0 && broken < 2)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        size_t digits = strspn(at, "0123456789");
        if (digits == 0)
            return false;
        at += digits;
    }
    return *at == '\0';
}

/* Numbers of one kind of YAML and texts, or other numbers, of another. */
static bool is_doubtful(const char *text)
{
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan"};
    const char *at = text + (*text == '-' || *text == '+');
    if (is_one_of(text, words, sizeof words / sizeof *words))
        return true;
    bool prefixed = at[0] == '0' && at[1] && strchr("xXoObB", at[1]) && isxdigit((unsigned char)at[2]);
    bool octal = at[0] == '0' && isdigit((unsigned char)at[1]);
    bool grouped = isdigit((unsigned char)at[0]) && strchr(at, '_') && strspn(at, "0123456789_.") == strlen(at);
    return prefixed || (octal && strspn(at, "0123456789") == strlen(at)) || grouped;
}

static bool write_number(const struct yaml_node *node, const char *name, struct json_writer *w, struct err *e)
{
    double value = strtod(node->text, NULL);
    if (!isfinite(value) || (fabs(value) > 0x1p53 && !strpbrk(node->text, ".eE")))
        return err_set(e, ERR_FORMAT, "%s:%d: the number %.40s is too large", name, node->line, node->text);
    if (!strpbrk(node->text, ".eE"))
        json_put_whole(w, (long long)value);
    else
        json_put_double(w, value);
    return true;
}

static bool write_scalar(const struct yaml_node *node, const char *name, struct json_writer *w, struct err *e)
{
    static const char *const flags[] = {"true", "false"};
    if (yaml_is_null(node))
        json_put_null(w);
    else if (!node->quoted && is_one_of(node->text, flags, 2))
        json_put_bool(w, tolower((unsigned char)*node->text) == 't');
    else if (!node->quoted && is_doubtful(node->text))
        return err_set(e, ERR_FORMAT,
                       "%s:%d: '%.40s' is not a text to every reader: quote it, or write true, false or a "
                       "plain number",
                       name, node->line, node->text);
    else if (!node->quoted && is_number(node->text))
        return write_number(node, name, w, e);
    else
        json_put_text(w, node->text);
    return true;
}

bool yaml_json(const struct yaml_node *node, const char *name, struct json_writer *w, struct err *e)
{
    bool mapping = node->kind == YAML_MAPPING;
    if (node->kind == YAML_SCALAR)
        return write_scalar(node, name, w, e);
    if (w->depth >= JSON_WRITE_DEPTH)
        return err_set(e, ERR_FORMAT, "%s:%d: nested deeper than %d", name, node->line, JSON_WRITE_DEPTH);
    (mapping ? json_begin_object : json_begin_array)(w);
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        if (mapping)
            json_put_key(w, child->key);
        if (!yaml_json(child, name, w, e))
            return false;
    }
    (mapping ? json_end_object : json_end_array)(w);
    return true;
}
