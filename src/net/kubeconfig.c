/* kubeconfig: kubeconfig files become one server and one set of credentials. In: YAML of one or more files, a context's name;
 * out: owned texts. Where the files are looked for, the service account and the token's rotation are kubeconfig_find's. */
#include <maestro/kubeconfig.h>

#include "kubeconfig_text.h"

#include <maestro/base64.h>
#include <maestro/buf.h>
#include <maestro/file.h>
#include <maestro/yaml.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_LIMIT 16

struct file {
    char *path; /* owned */
    struct yaml tree;
};

struct files {
    struct file files[FILES_LIMIT];
    int n;
};

/* A named thing and the file that it stands in. body NULL: there is none. */
struct entry {
    const char *name;
    const char *path;
    const struct yaml_node *body;
};

static void finish_files(struct files *all)
{
    for (int i = 0; i < all->n; i++) {
        free(all->files[i].path);
        yaml_finish(&all->files[i].tree);
    }
    all->n = 0;
}

static const char *text_of(const struct yaml_node *node, const char *key)
{
    const struct yaml_node *child = yaml_find(node, key);
    return child && child->kind == YAML_SCALAR && !yaml_is_null(child) && *child->text ? child->text : NULL;
}

/* The mapping under key of the list's item called name, in the first file that has it. */
static struct entry find_entry(const struct files *all, const char *list, const char *key, const char *name)
{
    for (int i = 0; i < all->n; i++) {
        const struct yaml_node *items = yaml_find(all->files[i].tree.root, list);
        for (const struct yaml_node *item = items ? items->first : NULL; item; item = item->next) {
            const char *found = text_of(item, "name");
            if (found && strcmp(found, name) == 0)
                return (struct entry){.name = found, .path = all->files[i].path, .body = yaml_find(item, key)};
        }
    }
    return (struct entry){.name = name};
}

static const char *current_context(const struct files *all)
{
    for (int i = 0; i < all->n; i++) {
        const char *name = text_of(all->files[i].tree.root, "current-context");
        if (name)
            return name;
    }
    return NULL;
}

static bool no_context(const struct files *all, const char *name, struct err *e)
{
    CLEANUP_BUF struct buf known = {0};
    for (int i = 0; i < all->n; i++) {
        const struct yaml_node *items = yaml_find(all->files[i].tree.root, "contexts");
        for (const struct yaml_node *item = items ? items->first : NULL; item; item = item->next)
            if (text_of(item, "name") && known.len < 300)
                buf_printf(&known, "%s%.60s", known.len ? ", " : "", text_of(item, "name"));
    }
    const char *list = known.len ? known.bytes : "none";
    if (!name)
        return err_set(e, ERR_USAGE, "%s: current-context is not set: name a context (there are: %s)",
                       all->files[0].path, list);
    return err_set(e, ERR_USAGE, "%s: no context '%.100s' (there are: %s)", all->files[0].path, name, list);
}

/* A copy of the path, made relative to the folder of the file that names it. */
static char *resolved(const char *path, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (*path == '/' || !slash)
        return strdup(path);
    struct buf out = {0};
    buf_append(&out, file, (size_t)(slash + 1 - file));
    buf_text(&out, path);
    if (buf_ok(&out, NULL))
        return out.bytes;
    buf_finish(&out);
    return NULL;
}

static bool refuse(const struct entry *entry, const char *what, const char *key, const char *why, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s: %s of %s '%.100s' %s", entry->path, key, what, entry->name, why);
}

/* PEM from key-data or the path under key; what is "cluster" or "user". */
static bool take_pem(const struct entry *entry, const char *what, const char *key, char **file, char **pem,
                     struct err *e)
{
    CLEANUP_BUF struct buf data_key = {0}, bytes = {0};
    buf_printf(&data_key, "%s-data", key);
    if (!buf_ok(&data_key, e))
        return false;
    const char *data = text_of(entry->body, data_key.bytes);
    const char *path = text_of(entry->body, key);
    if (data) {
        if (!base64_decode(&bytes, data, strlen(data)))
            return refuse(entry, what, data_key.bytes, "is not base64", e);
        if (!buf_ok(&bytes, e))
            return false;
        if (bytes.len == 0 || memchr(bytes.bytes, '\0', bytes.len) || !strstr(bytes.bytes, "-----BEGIN "))
            return refuse(entry, what, data_key.bytes, "holds no PEM text", e);
        return kubeconfig_keep(pem, bytes.bytes, e);
    }
    if (!path)
        return true;
    *file = resolved(path, entry->path);
    if (*file && access(*file, R_OK) == 0)
        return true;
    return err_set(e, ERR_IO, "%s: %s of %s '%.100s': cannot read %.150s", entry->path, key, what, entry->name,
                   *file ? *file : path);
}

static bool take_server(const struct entry *cluster, struct kubeconfig *out, struct err *e)
{
    const char *server = text_of(cluster->body, "server");
    if (!server)
        return refuse(cluster, "cluster", "server", "is missing", e);
    if (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0)
        return refuse(cluster, "cluster", "server", "is no URL: it must begin with https:// or http://", e);
    if (strchr("/:", strchr(server, '/')[2]))
        return refuse(cluster, "cluster", "server", "is no URL of a server: it names no host", e);
    if (strpbrk(server, " \t\r\n?#"))
        return refuse(cluster, "cluster", "server", "is no URL of a server: blanks, ? and # cannot be in it", e);
    if (!kubeconfig_keep(&out->server, server, e))
        return false;
    for (size_t n = strlen(out->server); n && out->server[n - 1] == '/';)
        out->server[--n] = '\0';
    return true;
}

static bool take_cluster(const struct entry *cluster, struct kubeconfig *out, struct err *e)
{
    const char *insecure = text_of(cluster->body, "insecure-skip-tls-verify");
    if (!take_server(cluster, out, e) ||
        !take_pem(cluster, "cluster", "certificate-authority", &out->ca_file, &out->ca_pem, e))
        return false;
    out->insecure = insecure && strcmp(insecure, "true") == 0;
    if (out->insecure && (out->ca_file || out->ca_pem))
        return refuse(cluster, "cluster", "insecure-skip-tls-verify", "contradicts its certificate-authority", e);
    return kubeconfig_keep(&out->server_name, text_of(cluster->body, "tls-server-name"), e) &&
           kubeconfig_keep(&out->proxy_url, text_of(cluster->body, "proxy-url"), e);
}

static bool refuse_programs(const struct entry *user, struct err *e)
{
    const struct yaml_node *exec = yaml_find(user->body, "exec");
    const char *advice = "make a token instead (kubectl create token NAME) and give it as token or tokenFile";
    if (exec && !yaml_is_null(exec))
        return err_set(e, ERR_USAGE,
                       "%s: user '%.60s' signs in by the program '%.60s' (exec), and Maestro starts no programs for "
                       "credentials: %s",
                       user->path, user->name, text_of(exec, "command") ? text_of(exec, "command") : "?", advice);
    const struct yaml_node *provider = yaml_find(user->body, "auth-provider");
    if (provider && !yaml_is_null(provider))
        return err_set(e, ERR_USAGE,
                       "%s: user '%.60s' signs in by the auth-provider '%.60s', which Maestro does not have: %s",
                       user->path, user->name, text_of(provider, "name") ? text_of(provider, "name") : "?", advice);
    return true;
}

/* Acting as the user beneath would write with other rights than were meant. */
static bool refuse_impersonation(const struct entry *user, struct err *e)
{
    static const char *const keys[] = {"as", "as-uid", "as-groups", "as-user-extra"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct yaml_node *value = yaml_find(user->body, keys[i]);
        if (value && !yaml_is_null(value))
            return refuse(user, "user", keys[i],
                          "asks for impersonation, which Maestro does not do: give the credentials of that account", e);
    }
    return true;
}

static bool take_token(const struct entry *user, struct kubeconfig *out, struct err *e)
{
    const char *path = text_of(user->body, "tokenFile"), *token = text_of(user->body, "token");
    if (path) {
        out->token_file = resolved(path, user->path);
        if (!out->token_file)
            return err_set(e, ERR_IO, "out of memory");
        return kubeconfig_read_token(out, e) || err_wrap(e, "%s: tokenFile of user '%.100s'", user->path, user->name);
    }
    if (token && !kubeconfig_is_token(token))
        return refuse(user, "user", "token", "holds blanks or control characters", e);
    return kubeconfig_keep(&out->token, token, e);
}

static bool take_user(const struct entry *user, struct kubeconfig *out, struct err *e)
{
    if (!refuse_programs(user, e) || !refuse_impersonation(user, e) || !take_token(user, out, e) ||
        !take_pem(user, "user", "client-certificate", &out->certificate_file, &out->certificate_pem, e) ||
        !take_pem(user, "user", "client-key", &out->key_file, &out->key_pem, e))
        return false;
    bool certificate = out->certificate_file || out->certificate_pem, key = out->key_file || out->key_pem;
    if (certificate != key)
        return refuse(user, "user", certificate ? "client-key" : "client-certificate",
                      "is missing: certificate and key go together", e);
    return kubeconfig_keep(&out->username, text_of(user->body, "username"), e) &&
           kubeconfig_keep(&out->password, text_of(user->body, "password"), e);
}

static bool take_named(const struct files *all, const struct entry *context, struct kubeconfig *out, struct err *e)
{
    const char *cluster_name = text_of(context->body, "cluster"), *user_name = text_of(context->body, "user");
    const char *space = text_of(context->body, "namespace");
    if (!cluster_name)
        return refuse(context, "context", "cluster", "is missing", e);
    struct entry cluster = find_entry(all, "clusters", "cluster", cluster_name);
    if (!cluster.body)
        return err_set(e, ERR_USAGE, "%s: context '%.100s' names the cluster '%.100s', which is not there",
                       context->path, context->name, cluster_name);
    if (!take_cluster(&cluster, out, e) || !kubeconfig_keep(&out->space, space ? space : "default", e))
        return false;
    if (!user_name)
        return kubeconfig_keep_printf(&out->origin, e, "context '%.100s' of %s, which names no user", context->name,
                                      context->path);
    struct entry user = find_entry(all, "users", "user", user_name);
    if (!user.path)
        return err_set(e, ERR_USAGE, "%s: context '%.100s' names the user '%.100s', which is not there", context->path,
                       context->name, user_name);
    return take_user(&user, out, e) &&
           kubeconfig_keep_printf(&out->origin, e, "user '%.100s' of %s", user_name, user.path);
}

static bool take_context(const struct files *all, const char *name, struct kubeconfig *out, struct err *e)
{
    const char *wanted = name ? name : current_context(all);
    struct entry context = wanted ? find_entry(all, "contexts", "context", wanted) : (struct entry){0};
    struct kubeconfig made = {0};
    if (!context.body)
        return no_context(all, wanted, e);
    if (!take_named(all, &context, &made, e)) {
        kubeconfig_finish(&made);
        return false;
    }
    *out = made;
    return true;
}

static bool add_text(struct files *all, const char *path, const char *text, size_t n, struct err *e)
{
    struct file *file = &all->files[all->n];
    if (!yaml_parse(&file->tree, path, text, n, e))
        return false;
    file->path = strdup(path);
    all->n++; // finish_files frees it from here on
    return file->path ? true : err_set(e, ERR_IO, "out of memory");
}

static bool add_file(struct files *all, const char *path, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (all->n == FILES_LIMIT)
        return err_set(e, ERR_USAGE, "%s: more than %d kubeconfig files", path, FILES_LIMIT);
    return file_read(path, YAML_BYTES_LIMIT, &text, e) && add_text(all, path, text.len ? text.bytes : "", text.len, e);
}

static bool add_list(struct files *all, const char *paths, struct err *e)
{
    for (const char *at = paths; *at;) {
        size_t n = strcspn(at, ":");
        CLEANUP_BUF struct buf path = {0};
        buf_append(&path, at, n);
        at += n + (at[n] == ':');
        if (!buf_ok(&path, e) || (n && file_exists(path.bytes) && !add_file(all, path.bytes, e)))
            return false;
    }
    return all->n ? true : err_set(e, ERR_USAGE, "%.300s: no such kubeconfig file", paths);
}

bool kubeconfig_load(const char *paths, const char *context, struct kubeconfig *out, struct err *e)
{
    struct files all = {0};
    bool done = add_list(&all, paths, e) && take_context(&all, context, out, e);
    finish_files(&all);
    return done;
}

bool kubeconfig_parse(const char *name, const char *text, size_t n, const char *context, struct kubeconfig *out,
                      struct err *e)
{
    struct files all = {0};
    bool done = add_text(&all, name, text, n, e) && take_context(&all, context, out, e);
    finish_files(&all);
    return done;
}
