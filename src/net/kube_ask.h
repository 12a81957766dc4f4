/* kube_ask: what the sources of the Kubernetes client share below its public face. */
#ifndef NET_KUBE_ASK_H
#define NET_KUBE_ASK_H

#include <maestro/kube.h>

/* One call; the body of a 2xx stays unread in response. out says what any other answer means. True: KUBE_DONE. */
bool kube_ask(struct kube *k, const struct kube_call *call, struct http_response *response, struct kube_answer *out);

/* Parses the body of a 2xx into out->object; KUBE_BROKEN where it is no JSON. what stands in messages. */
bool kube_read(struct kube_answer *out, const char *what, const struct http_response *response);

/* What an answer that is no 2xx means: outcome, status, server's message, how long to wait. */
void kube_judge(struct kube_answer *out, const char *what, const struct http_response *response);

/* Fails a call whose answer came but makes no sense. Always false. */
bool kube_broken(struct kube_answer *out, const char *what, const char *why);

/* "GET /apis/apps/v1/...": verb and path without its query, for messages. Returns out. */
#define KUBE_WHAT 224
char *kube_what(char out[KUBE_WHAT], const struct kube_call *call);

bool kube_scale_read(const struct json *object, struct kube_scale *out, struct err *e);

/* One page of a list, once walked. */
struct kube_page {
    struct json_document frame; /* the list without its items; json_finish */
    bool stopped;               /* each said so */
};

/* Walks a list's body: each item is parsed by itself, so that a page costs the memory of one object. */
MUST_CHECK bool kube_page_walk(const char *name, const char *text, size_t n, const struct kube_walk *walk,
                               struct kube_page *page, struct err *e);

#endif
