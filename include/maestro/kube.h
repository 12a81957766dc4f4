/* kube: the Kubernetes API as far as an autoscaler needs it: who we are (in-cluster account or kubeconfig), reading and
 * listing objects, the scale subresource, dry runs, and what each refusal means. Objects are JSON documents; nothing is
 * cached but the token, which is read again as kubelet rotates it. One struct kube belongs to one thread. */
#ifndef MAESTRO_KUBE_H
#define MAESTRO_KUBE_H

#include <maestro/err.h>
#include <maestro/http.h>
#include <maestro/json.h>
#include <stdbool.h>

/* What an answer means to a caller. */
enum kube_outcome {
    KUBE_DONE,
    KUBE_UNREACHABLE,  /* no answer: connection, time-out, TLS */
    KUBE_UNAUTHORIZED, /* 401, also after reading the token again */
    KUBE_FORBIDDEN,    /* 403: a right is missing */
    KUBE_NOT_FOUND,    /* 404 */
    KUBE_CONFLICT,     /* 409: somebody else wrote first, or it exists */
    KUBE_EXPIRED,      /* 410: list again */
    KUBE_INVALID,      /* 400, 422: refused as it is */
    KUBE_THROTTLED,    /* 429 */
    KUBE_BROKEN,       /* 5xx, or an answer that cannot be read */
};

struct kube_config {
    const char *kubeconfig; /* path; NULL: $KUBECONFIG, else in-cluster if that is where we are, else ~/.kube/config */
    const char *context;    /* NULL: current-context */
    const char *account;    /* folder of the service account; NULL: the usual one */
    const char *user_agent; /* NULL: maestro */
    double timeout_s;       /* of a request [10] */
};

struct kube;

MUST_CHECK bool kube_open(const struct kube_config *config, struct kube **out, struct err *e);
void kube_close(struct kube *k);                  /* accepts NULL */
const char *kube_namespace(const struct kube *k); /* of the account or context; "default" if neither says */
const char *kube_server(const struct kube *k);    /* URL, for messages */

/* An answer. Owned by the caller, zeroed before its first use; every call finishes what it held. kube_answer_finish. */
struct kube_answer {
    enum kube_outcome outcome;
    long status;
    double retry_after_s;
    struct json_document object; /* the answer's body, also a Status; root NULL where it is no JSON */
    struct err why;              /* unless KUBE_DONE: verb, path, status and the server's message */
};
void kube_answer_finish(struct kube_answer *a); /* accepts NULL and zeroed */

enum kube_verb { KUBE_GET, KUBE_CREATE, KUBE_REPLACE, KUBE_MERGE_PATCH, KUBE_DELETE };

struct kube_call {
    enum kube_verb verb;
    const char *path; /* "/apis/apps/v1/namespaces/shop/deployments/web", with its query if any */
    const char *body; /* JSON; NULL: none */
    double timeout_s; /* 0: the client's */
    bool dry_run;     /* dryRun=All: checked, not stored */
};

/* true: KUBE_DONE. Writes carry fieldManager=maestro. 401: token read again and asked once more. GET is repeated as
 * http.h says; writes are not. */
bool kube_do(struct kube *k, const struct kube_call *call, struct kube_answer *out);

/* Every object of a collection, page by page. The object is only each's own during the call; false stops. A 410 in the middle
 * starts anew, so begin (may be NULL) is called before each first page. Items of a list carry no kind and apiVersion. Texts of
 * objects may hold a NUL, which no C string can: it is read as U+FFFD here and in every other answer. What
 * unreadable is told begins with the namespace and name of the item. */
struct kube_walk {
    void *context;
    void (*begin)(void *context);
    bool (*each)(void *context, const struct json *object);
    void (*unreadable)(void *context, const struct err *why); /* json_parse refuses an item; NULL: ends the list */
};
bool kube_list(struct kube *k, const char *path, const char *selector /* label selector or NULL */,
               const struct kube_walk *walk, struct kube_answer *out);

struct kube_scale {
    int spec_replicas; /* a missing field is 0 */
    int status_replicas;
    char resource_version[32];
    char selector[512];
};
bool kube_scale_get(struct kube *k, const char *space, const char *name, struct kube_scale *out,
                    struct kube_answer *answer);
/* resource_version "": no lock. */
bool kube_scale_patch(struct kube *k, const char *space, const char *name, int replicas, const char *resource_version,
                      bool dry_run, struct kube_answer *answer);

/* May this account do that? SelfSubjectAccessReview; group "", "apps", ...; subresource and name may be NULL. */
struct kube_right {
    const char *verb, *group, *resource, *subresource, *space, *name;
};
bool kube_may(struct kube *k, const struct kube_right *right, bool *allowed, struct kube_answer *answer);

const char *kube_outcome_name(enum kube_outcome outcome);

#endif
