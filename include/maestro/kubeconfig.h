/* kubeconfig: which API server, and who we are there: the service account of a pod, or kubeconfig files as minikube, kind and
 * kubeadm write them. Relative paths are relative to the file that names them, -data wins over a path, tokenFile wins over
 * token and is read again. exec and auth-provider are refused: Maestro starts no foreign program for a password. */
#ifndef MAESTRO_KUBECONFIG_H
#define MAESTRO_KUBECONFIG_H

#include <maestro/err.h>
#include <stdbool.h>
#include <stddef.h>

/* Texts are owned, NULL where not given. Zero-initialised before the first use; kubeconfig_finish. */
struct kubeconfig {
    char *origin; /* for messages: "user 'x' of /path", "service account of /path" */
    char *server; /* "https://host:port/prefix", no slash at the end */
    char *space;  /* namespace; "default" if nothing says */
    char *ca_file, *ca_pem;
    char *certificate_file, *certificate_pem;
    char *key_file, *key_pem;
    char *token, *token_file;
    char *username, *password;
    char *server_name; /* expected in the server's certificate */
    char *proxy_url;
    bool insecure;       /* the server's certificate is not checked */
    double token_read_s; /* monotonic, of the last reading of token_file */
};

struct kubeconfig_wish {
    const char *path;    /* of one kubeconfig file; NULL: look for it */
    const char *context; /* NULL: current-context */
    const char *account; /* folder of the service account; NULL: the usual one */
};

/* path if given; else the files of $KUBECONFIG; else the service account, in a pod; else ~/.kube/config. ERR_USAGE says
 * where was looked, which contexts there are, or what to do about a credential that is refused. */
MUST_CHECK bool kubeconfig_find(const struct kubeconfig_wish *wish, struct kubeconfig *out, struct err *e);

/* Files between colons, of which the first that names a thing wins; those that do not exist are passed over. */
MUST_CHECK bool kubeconfig_load(const char *paths, const char *context, struct kubeconfig *out, struct err *e);

/* One document from memory; name stands for its path. */
MUST_CHECK bool kubeconfig_parse(const char *name, const char *text, size_t n, const char *context,
                                 struct kubeconfig *out, struct err *e);

/* KUBERNETES_SERVICE_HOST and _PORT, and token, ca.crt and namespace of the folder. */
MUST_CHECK bool kubeconfig_account(const char *folder, struct kubeconfig *out, struct err *e);

/* Reads token_file again if a minute has passed since the last reading, or at once if anew. What cannot be read leaves the
 * old token. True: the token is another one now. */
bool kubeconfig_token(struct kubeconfig *c, double monotonic_s, bool anew);

void kubeconfig_finish(struct kubeconfig *c); /* accepts NULL and zeroed; secrets are wiped */

#endif
