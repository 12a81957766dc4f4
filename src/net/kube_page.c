/* kube_page: one page of a list, item by item. In: the JSON text of a list; out: each item parsed by itself, then the list
 * without its items. A tree of a whole page of Deployments takes tens of MiB; this takes the largest object's. The cuts
 * between items are found by counting brackets; whether each piece is JSON is json_parse's to say. */
#include "kube_ask.h"

#include <maestro/buf.h>

#include <string.h>

struct span {
    const char *at, *end;
};

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* Behind the closing quote; NULL: there is none. */
static const char *skip_text(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : NULL;
}

/* Behind the bracket that closes the one at at; NULL: there is none. */
static const char *skip_container(const char *at, const char *end)
{
    int depth = 0;
    while (at && at < end) {
        if (*at == '"') {
            at = skip_text(at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0)
            return at;
    }
    return NULL;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"')
        return skip_text(at, end);
    if (at < end && (*at == '{' || *at == '['))
        return skip_container(at, end);
    while (at < end && !strchr(",]} \t\r\n", *at))
        at++;
    return at;
}

/* The value under a key (in its quotes) of the object in text, if it begins and ends with these brackets or quotes, which stay;
 * at NULL: there is none, or it is not understood, which the parser will find out. */
static struct span find_member(struct span text, const char *key, const char *ends)
{
    size_t n = strlen(key);
    const char *end = text.end, *at = text.at ? skip_space(text.at, end) : NULL;
    while (at && at < end && (*at == '{' || *at == ',')) {
        const char *name = skip_space(at + 1, end);
        at = name < end && *name == '"' ? skip_text(name, end) : NULL;
        if (!at)
            break;
        bool found = (size_t)(at - name) == n && memcmp(name, key, n) == 0;
        at = skip_space(at, end);
        if (at == end || *at != ':')
            break;
        const char *value = skip_space(at + 1, end);
        at = skip_value(value, end);
        if (found && at && value < end && *value == ends[0] && at[-1] == ends[1])
            return (struct span){value, at};
        at = at ? skip_space(at, end) : NULL;
    }
    return (struct span){NULL, NULL};
}

static struct span find_items(struct span list)
{
    return find_member(list, "\"items\"", "[]");
}

/* What an item is called, without its quotes; "?" where it does not say. */
static struct span find_text(struct span object, const char *key)
{
    static const char unnamed[] = "?";
    struct span text = find_member(object, key, "\"\"");
    return text.at ? (struct span){text.at + 1, text.end - 1} : (struct span){unnamed, unnamed + 1};
}

static bool read_frame(const char *name, struct span all, struct span items, struct json_document *frame, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!items.at)
        return json_parse(frame, name, all.at, (size_t)(all.end - all.at), e);
    buf_append(&text, all.at, (size_t)(items.at - all.at));
    buf_text(&text, "[]");
    buf_append(&text, items.end, (size_t)(all.end - items.end));
    return buf_ok(&text, e) && json_parse(frame, name, text.bytes, text.len, e);
}

/* One item; false: the walk ends, with e set unless *stopped. */
static bool walk_item(const char *name, struct span text, const struct kube_walk *walk, bool *stopped, struct err *e)
{
    struct json_document item = {0};
    struct err why = {0};
    if (json_parse(&item, name, text.at, (size_t)(text.end - text.at), &why)) {
        *stopped = !walk->each(walk->context, item.root);
        json_finish(&item);
        return !*stopped;
    }
    struct span metadata = find_member(text, "\"metadata\"", "{}");
    struct span space = find_text(metadata, "\"namespace\""), own = find_text(metadata, "\"name\"");
    err_wrap(&why, "%.*s/%.*s", (int)(space.end - space.at), space.at, (int)(own.end - own.at), own.at);
    if (walk->unreadable)
        walk->unreadable(walk->context, &why);
    else if (e)
        *e = why;
    return walk->unreadable != NULL;
}

static bool walk_items(const char *name, struct span items, const struct kube_walk *walk, bool *stopped, struct err *e)
{
    const char *last = items.end - 1; // the closing bracket
    const char *at = skip_space(items.at + 1, last);
    while (at < last) {
        const char *end = skip_value(at, last);
        if (!end)
            return err_set(e, ERR_FORMAT, "%s: an item does not end", name);
        if (!walk_item(name, (struct span){at, end}, walk, stopped, e))
            return *stopped;
        at = skip_space(end, last);
        if (at < last && *at != ',')
            return err_set(e, ERR_FORMAT, "%s: a comma is wanted between items", name);
        at = at < last ? skip_space(at + 1, last) : at;
        if (at == last && *(end = skip_space(end, last)) == ',')
            return err_set(e, ERR_FORMAT, "%s: an item is missing behind the last comma", name);
    }
    return true;
}

bool kube_page_walk(const char *name, const char *text, size_t n, const struct kube_walk *walk, struct kube_page *page,
                    struct err *e)
{
    struct span all = {text, text + n}, items = find_items(all);
    struct kube_page made = {0};
    if (!read_frame(name, all, items, &made.frame, e))
        return false;
    const struct json *found = json_find(made.frame.root, "items");
    bool list = json_is_null(found) || (json_is_array(found) && !json_first(found)); // emptied by us, or empty
    if (list && (!items.at || walk_items(name, items, walk, &made.stopped, e))) {
        *page = made;
        return true;
    }
    json_finish(&made.frame);
    return list ? false : err_set(e, ERR_FORMAT, "%s: no list: field 'items' is missing", name);
}
