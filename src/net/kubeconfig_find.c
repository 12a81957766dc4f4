/* kubeconfig_find: where credentials come from when nobody says: $KUBECONFIG, the service account of a pod, ~/.kube/config;
 * and the account's token, which kubelet replaces about once an hour and we read again each minute, as client-go does. */
#include <maestro/kubeconfig.h>

#include "kubeconfig_text.h"

#include <maestro/buf.h>
#include <maestro/clock.h>
#include <maestro/file.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
#define SMALL_FILE_BYTES ((size_t)64 << 10)
static const double TOKEN_READ_EVERY_S = 60.0;

bool kubeconfig_keep(char **to, const char *text, struct err *e)
{
    char *copy = text ? strdup(text) : NULL;
    if (!text)
        return true;
    if (!copy)
        return err_set(e, ERR_IO, "out of memory");
    free(*to);
    *to = copy;
    return true;
}

bool kubeconfig_keep_printf(char **to, struct err *e, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return kubeconfig_keep(to, text, e);
}

bool kubeconfig_is_token(const char *text)
{
    for (const char *at = text; *at; at++)
        if (!isgraph((unsigned char)*at) || (unsigned char)*at > 126)
            return false;
    return *text != '\0';
}

/* A small text file without white space at its end. */
static bool read_trimmed(const char *path, struct buf *out, struct err *e)
{
    if (!file_read(path, SMALL_FILE_BYTES, out, e))
        return false;
    buf_append(out, "", 0);
    while (out->len && isspace((unsigned char)out->bytes[out->len - 1]))
        out->bytes[--out->len] = '\0';
    return buf_ok(out, e);
}

static void wipe(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

bool kubeconfig_read_token(struct kubeconfig *c, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!read_trimmed(c->token_file, &text, e))
        return false;
    if (text.len == 0 || strlen(text.bytes) != text.len || !kubeconfig_is_token(text.bytes))
        return err_set(e, ERR_FORMAT, "%s: holds no token", c->token_file);
    char *copy = strdup(text.bytes);
    explicit_bzero(text.bytes, text.len);
    if (!copy)
        return err_set(e, ERR_IO, "out of memory");
    wipe(&c->token);
    c->token = copy;
    c->token_read_s = clock_monotonic_s();
    return true;
}

bool kubeconfig_token(struct kubeconfig *c, double monotonic_s, bool anew)
{
    char *before = c->token ? strdup(c->token) : NULL;
    bool due = c->token_file && (anew || !(monotonic_s - c->token_read_s < TOKEN_READ_EVERY_S));
    bool changed = due && kubeconfig_read_token(c, NULL) && !(before && strcmp(before, c->token) == 0);
    if (due)
        c->token_read_s = monotonic_s;
    wipe(&before);
    return changed;
}

/* https://host:port of the environment, an IPv6 address in brackets. */
static bool account_server(struct kubeconfig *out, struct err *e)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return err_set(e, ERR_USAGE, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: not in a pod");
    bool bare_ipv6 = strchr(host, ':') && *host != '[';
    return kubeconfig_keep_printf(&out->server, e, bare_ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
}

static bool account_files(const char *folder, struct kubeconfig *out, struct err *e)
{
    CLEANUP_BUF struct buf ca = {0}, space_path = {0}, space = {0};
    buf_printf(&ca, "%s/ca.crt", folder);
    buf_printf(&space_path, "%s/namespace", folder);
    if (!buf_ok(&ca, e) || !buf_ok(&space_path, e))
        return false;
    bool named = file_exists(space_path.bytes) && read_trimmed(space_path.bytes, &space, NULL) && space.len;
    return kubeconfig_keep_printf(&out->token_file, e, "%s/token", folder) && kubeconfig_read_token(out, e) &&
           kubeconfig_keep(&out->ca_file, file_exists(ca.bytes) ? ca.bytes : NULL, e) &&
           kubeconfig_keep(&out->space, named ? space.bytes : "default", e) &&
           kubeconfig_keep_printf(&out->origin, e, "service account of %s", folder);
}

bool kubeconfig_account(const char *folder, struct kubeconfig *out, struct err *e)
{
    struct kubeconfig made = {0};
    if (!account_server(&made, e) || !account_files(folder ? folder : ACCOUNT_FOLDER, &made, e)) {
        kubeconfig_finish(&made);
        return false;
    }
    *out = made;
    return true;
}

/* A pod has the variables; whether it also has a token is its manifest's choice. */
static bool in_pod(void)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    return host && *host;
}

static bool has_token(const struct kubeconfig_wish *wish)
{
    CLEANUP_BUF struct buf token = {0};
    buf_printf(&token, "%s/token", wish->account ? wish->account : ACCOUNT_FOLDER);
    return buf_ok(&token, NULL) && file_exists(token.bytes);
}

static bool load_home(const struct kubeconfig_wish *wish, struct kubeconfig *out, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    const char *home = getenv("HOME");
    buf_printf(&path, "%s/.kube/config", home ? home : "");
    if (!buf_ok(&path, e))
        return false;
    if (!file_exists(path.bytes) && in_pod())
        return err_set(e, ERR_USAGE,
                       "a pod without a token: %.200s/token does not exist (automountServiceAccountToken: false?), "
                       "KUBECONFIG is not set",
                       wish->account ? wish->account : ACCOUNT_FOLDER);
    if (!file_exists(path.bytes))
        return err_set(e, ERR_USAGE,
                       "no Kubernetes configuration: KUBECONFIG is not set, this is no pod with a service account, and "
                       "%.200s does not exist",
                       path.bytes);
    return kubeconfig_load(path.bytes, wish->context, out, e);
}

bool kubeconfig_find(const struct kubeconfig_wish *wish, struct kubeconfig *out, struct err *e)
{
    const char *listed = getenv("KUBECONFIG");
    if (wish->path)
        return kubeconfig_load(wish->path, wish->context, out, e);
    if (listed && *listed)
        return kubeconfig_load(listed, wish->context, out, e);
    if (!wish->context && in_pod() && (wish->account || has_token(wish)))
        return kubeconfig_account(wish->account, out, e);
    return load_home(wish, out, e);
}

void kubeconfig_finish(struct kubeconfig *c)
{
    if (!c)
        return;
    char **texts[] = {&c->origin,           &c->server,          &c->space,   &c->ca_file,    &c->ca_pem,
                      &c->certificate_file, &c->key_file,        &c->token,   &c->token_file, &c->username,
                      &c->password,         &c->certificate_pem, &c->key_pem, &c->proxy_url,  &c->server_name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        wipe(texts[i]);
    *c = (struct kubeconfig){0};
}
