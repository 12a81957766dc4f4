/* fake_cluster: a client of the Kubernetes API that talks to a fake_http server: a kubeconfig in a temporary folder, opened. */
#ifndef TESTS_FAKE_CLUSTER_H
#define TESTS_FAKE_CLUSTER_H

#include "fake_http.h"
#include "folder.h"

#include <maestro/file.h>
#include <maestro/kube.h>

struct fake_cluster {
    char folder[FOLDER_BYTES];
    char path[FOLDER_BYTES + 16];       /* of the kubeconfig */
    char token_path[FOLDER_BYTES + 16]; /* named by it, holds "first" */
    struct fake_http *server;
    struct kube *kube;
};

static inline void fake_cluster_write(const char *path, const char *text)
{
    struct err e = {0};
    ck_assert_msg(file_write_atomic(path, text, strlen(text), &e), "%s", e.message);
}

static inline void fake_cluster_open(struct fake_cluster *c, const struct fake_http_config *config)
{
    char text[1024];
    struct err e = {0};
    folder_make(c->folder);
    snprintf(c->path, sizeof c->path, "%s/config", c->folder);
    snprintf(c->token_path, sizeof c->token_path, "%s/token", c->folder);
    c->server = fake_http_open(config);
    snprintf(text, sizeof text,
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "clusters: [{name: k, cluster: {server: '%s'}}]\n"
             "users: [{name: u, user: {tokenFile: token}}]\n"
             "contexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}]\n",
             fake_http_url(c->server));
    fake_cluster_write(c->path, text);
    fake_cluster_write(c->token_path, "first\n");
    struct kube_config wish = {.kubeconfig = c->path, .timeout_s = 5};
    ck_assert_msg(kube_open(&wish, &c->kube, &e), "%s", e.message);
}

static inline void fake_cluster_close(struct fake_cluster *c)
{
    kube_close(c->kube);
    fake_http_close(c->server);
    folder_remove(c->folder);
}

#endif
