/* chaosmesh_file: from a YAML file to the object for one target. In: a file as people write them for kubectl, a namespace, the
 * pods' labels, a session; out: JSON with a name of its own, our labels, and a selector that finds these pods only. */
#include <maestro/chaosmesh.h>

#include "chaosmesh_kind.h"
#include "kube_json.h"

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/file.h>
#include <maestro/yaml_json.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define BASE_NAME_BYTES 40 /* Chaos Mesh appends to it, and labels hold 63 */

/* One file on its way to JSON. */
struct making {
    const char *name; /* of the file */
    const struct chaosmesh_target *target;
    const struct chaosmesh_kind *kind;
    struct chaosmesh_experiment *experiment;
    struct json_writer w;
    struct err *e;
};

static const struct chaosmesh_kind KINDS[] = {
    {"PodChaos", "podchaos", "podChaos"},
    {"StressChaos", "stresschaos", "stressChaos"},
    {"NetworkChaos", "networkchaos", "networkChaos"},
    {"HTTPChaos", "httpchaos", "httpChaos"},
    {"IOChaos", "iochaos", "ioChaos"},
    {"DNSChaos", "dnschaos", "dnsChaos"},
    {"Schedule", "schedules", ""},
};

const struct chaosmesh_kind *chaosmesh_kind(int i)
{
    return i >= 0 && i < (int)(sizeof KINDS / sizeof *KINDS) ? &KINDS[i] : NULL;
}

static const struct chaosmesh_kind *kind_called(const char *name)
{
    for (int i = 0; chaosmesh_kind(i); i++)
        if (strcmp(KINDS[i].kind, name) == 0)
            return &KINDS[i];
    return NULL;
}

static const char *text_of(const struct yaml_node *node, const char *key)
{
    const struct yaml_node *child = yaml_find(node, key);
    return child && child->kind == YAML_SCALAR ? child->text : "";
}

static bool refuse(const struct making *m, const struct yaml_node *node, const char *why)
{
    return err_set(m->e, ERR_FORMAT, "%s:%d: %s", m->name, node ? node->line : 1, why);
}

bool chaosmesh_is_label(const char *value)
{
    size_t n = strlen(value);
    if (n == 0 || n > 63 || !isalnum((unsigned char)value[0]) || !isalnum((unsigned char)value[n - 1]))
        return false;
    for (const char *at = value; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
            return false;
    return true;
}

/* "name-1a2b3c4d" of what the file calls it: small letters, digits and hyphens. */
static void make_name(struct making *m, const char *base)
{
    static unsigned counter;
    char *out = m->experiment->name;
    size_t n = 0;
    for (; n < BASE_NAME_BYTES && base[n]; n++)
        out[n] = isalnum((unsigned char)base[n]) ? (char)tolower((unsigned char)base[n]) : '-';
    while (n && out[n - 1] == '-')
        n--;
    n = n && out[0] != '-' ? n : (size_t)snprintf(out, BASE_NAME_BYTES, "maestro");
    unsigned long long moment =
        (unsigned long long)(clock_wall_s() * 1e6) + __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
    snprintf(out + n, sizeof m->experiment->name - n, "-%010llx", moment & 0xffffffffffu);
}

static bool is_own_label(const char *key)
{
    return strcmp(key, CHAOSMESH_MANAGED_LABEL) == 0 || strcmp(key, CHAOSMESH_SESSION_LABEL) == 0;
}

/* key: node, for every child of node but those that skip names. */
static bool put_children(struct making *m, const struct yaml_node *node, bool (*skip)(const char *key))
{
    for (const struct yaml_node *child = node ? node->first : NULL; child; child = child->next) {
        if (skip(child->key))
            continue;
        json_put_key(&m->w, child->key);
        if (!yaml_json(child, m->name, &m->w, m->e))
            return false;
    }
    return true;
}

static bool put_labels(struct making *m, const struct yaml_node *labels)
{
    if (labels && labels->kind != YAML_MAPPING)
        return refuse(m, labels, "labels is no mapping");
    json_begin_object(&m->w);
    kube_json_field(&m->w, CHAOSMESH_MANAGED_LABEL, "maestro");
    kube_json_field(&m->w, CHAOSMESH_SESSION_LABEL, m->target->session);
    if (!put_children(m, labels, is_own_label))
        return false;
    json_end_object(&m->w);
    return true;
}

static bool put_metadata(struct making *m, const struct yaml_node *metadata)
{
    const struct yaml_node *annotations = yaml_find(metadata, "annotations");
    make_name(m, text_of(metadata, "name"));
    snprintf(m->experiment->space, sizeof m->experiment->space, "%s", m->target->space);
    json_begin_object(&m->w);
    kube_json_field(&m->w, "name", m->experiment->name);
    kube_json_field(&m->w, "namespace", m->target->space);
    json_put_key(&m->w, "labels");
    if (!put_labels(m, yaml_find(metadata, "labels")))
        return false;
    if (annotations) {
        json_put_key(&m->w, "annotations");
        if (!yaml_json(annotations, m->name, &m->w, m->e))
            return false;
    }
    json_end_object(&m->w);
    return true;
}

/* "app=web,tier==front" as {"app":"web","tier":"front"}. */
static bool put_pod_labels(struct making *m)
{
    const char *at = m->target->selector;
    json_begin_object(&m->w);
    do {
        size_t n = strcspn(at, ","), key = strcspn(at, "=");
        char part[2][320] = {"", ""};
        size_t value = key + 1 + (key < n && at[key + 1] == '=');
        bool plain = key > 0 && key < n && !memchr(at, '!', n) && !memchr(at, ' ', n) && n < sizeof part[0];
        if (!plain)
            return err_set(m->e, ERR_USAGE, "selector '%.200s': Chaos Mesh is handed key=value pairs only",
                           m->target->selector);
        memcpy(part[0], at, key);
        memcpy(part[1], at + value, n - value);
        json_put_key(&m->w, part[0]);
        json_put_text(&m->w, part[1]);
        at += n + (at[n] == ',');
    } while (*at);
    json_end_object(&m->w);
    return true;
}

static bool is_filled_in(const char *key)
{
    return strcmp(key, "namespaces") == 0 || strcmp(key, "labelSelectors") == 0;
}

/* The pods: this namespace whatever the file says, and the target's labels if given. */
static bool put_selector(struct making *m, const struct yaml_node *selector)
{
    const struct yaml_node *labels = yaml_find(selector, "labelSelectors");
    if (selector && selector->kind != YAML_MAPPING)
        return refuse(m, selector, "selector is no mapping");
    if (yaml_find(selector, "pods"))
        return refuse(m, selector, "selector.pods would pass by the target: name labels instead");
    if (!m->target->selector && (!labels || labels->n_children == 0))
        return refuse(m, selector, "selector has no labelSelectors: it would hit every pod of the namespace");
    json_begin_object(&m->w);
    json_put_key(&m->w, "namespaces");
    json_begin_array(&m->w);
    json_put_text(&m->w, m->target->space);
    json_end_array(&m->w);
    json_put_key(&m->w, "labelSelectors");
    if (m->target->selector ? !put_pod_labels(m) : !yaml_json(labels, m->name, &m->w, m->e))
        return false;
    if (!put_children(m, selector, is_filled_in))
        return false;
    json_end_object(&m->w);
    return true;
}

static bool is_selector(const char *key)
{
    return strcmp(key, "selector") == 0;
}

/* A spec that selects pods. */
static bool put_fault(struct making *m, const struct yaml_node *spec)
{
    json_begin_object(&m->w);
    if (!put_children(m, spec, is_selector))
        return false;
    json_put_key(&m->w, "selector");
    if (!put_selector(m, yaml_find(spec, "selector")))
        return false;
    json_end_object(&m->w);
    return true;
}

/* A Schedule's spec holds that of its kind under the kind's key. */
static bool put_schedule(struct making *m, const struct yaml_node *spec)
{
    const struct chaosmesh_kind *inner = kind_called(text_of(spec, "type"));
    if (!inner || !*inner->key)
        return refuse(m, spec, "spec.type names no supported kind of fault");
    const struct yaml_node *fault = yaml_find(spec, inner->key);
    if (!fault || fault->kind != YAML_MAPPING)
        return err_set(m->e, ERR_FORMAT, "%s:%d: spec.%s is missing", m->name, spec->line, inner->key);
    json_begin_object(&m->w);
    for (const struct yaml_node *child = spec->first; child; child = child->next) {
        json_put_key(&m->w, child->key);
        if (child == fault ? !put_fault(m, fault) : !yaml_json(child, m->name, &m->w, m->e))
            return false;
    }
    json_end_object(&m->w);
    return true;
}

static bool put_object(struct making *m, const struct yaml_node *root)
{
    const struct yaml_node *spec = yaml_find(root, "spec"), *metadata = yaml_find(root, "metadata");
    if (!root || strcmp(text_of(root, "apiVersion"), "chaos-mesh.org/v1alpha1") != 0)
        return refuse(m, root, "apiVersion is not chaos-mesh.org/v1alpha1");
    m->kind = kind_called(text_of(root, "kind"));
    if (!m->kind)
        return err_set(m->e, ERR_FORMAT, "%s:%d: kind '%.60s' is not supported", m->name, root->line,
                       text_of(root, "kind"));
    if (!spec || spec->kind != YAML_MAPPING)
        return refuse(m, root, "spec is missing");
    snprintf(m->experiment->plural, sizeof m->experiment->plural, "%s", m->kind->plural);
    json_begin_object(&m->w);
    kube_json_field(&m->w, "apiVersion", "chaos-mesh.org/v1alpha1");
    kube_json_field(&m->w, "kind", m->kind->kind);
    json_put_key(&m->w, "metadata");
    if (!put_metadata(m, metadata))
        return false;
    json_put_key(&m->w, "spec");
    if (*m->kind->key ? !put_fault(m, spec) : !put_schedule(m, spec))
        return false;
    json_end_object(&m->w);
    return json_write_end(&m->w, m->e);
}

bool chaosmesh_parse(const char *name, const struct buf *text, const struct chaosmesh_target *target, struct buf *body,
                     struct chaosmesh_experiment *experiment, struct err *e)
{
    CLEANUP_BUF struct buf out = {0};
    struct chaosmesh_experiment made = {0};
    struct yaml tree;
    if (!chaosmesh_is_label(target->session))
        return err_set(e, ERR_USAGE, "session '%.100s' cannot be a label", target->session);
    if (strlen(target->space) >= sizeof made.space || !*target->space)
        return err_set(e, ERR_USAGE, "namespace '%.100s' cannot be one", target->space);
    if (!yaml_parse(&tree, name, text->len ? text->bytes : "", text->len, e))
        return false;
    struct making m = {.name = name, .target = target, .experiment = &made, .w = {.out = &out}, .e = e};
    bool done = put_object(&m, tree.root);
    yaml_finish(&tree);
    if (!done)
        return false;
    buf_append(body, out.bytes, out.len);
    *experiment = made;
    return buf_ok(body, e);
}

bool chaosmesh_read(const char *file, const struct chaosmesh_target *target, struct buf *body,
                    struct chaosmesh_experiment *experiment, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    return file_read(file, YAML_BYTES_LIMIT, &text, e) && chaosmesh_parse(file, &text, target, body, experiment, e);
}
