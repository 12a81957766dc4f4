/* kube_list: every object of a collection, page by page. In: a path and a label selector; out: each object once per
 * beginning. The server forgets a list's snapshot after some minutes (410): then all begins anew, a few times. */
#include <maestro/kube.h>

#include "kube_ask.h"

#include <maestro/buf.h>

#include <stdio.h>
#include <string.h>

#define PAGE_OBJECTS 250
#define PAGES_LIMIT 4096
#define BEGINNINGS_LIMIT 3

struct paging {
    const char *path, *selector;
    struct buf next; /* continue token of the page to come; empty: the first */
};

static void put_path(struct buf *out, const struct paging *p)
{
    buf_printf(out, "%s%slimit=%d", p->path, strchr(p->path, '?') ? "&" : "?", PAGE_OBJECTS);
    if (p->selector && *p->selector) {
        buf_text(out, "&labelSelector=");
        http_escape(out, p->selector);
    }
    if (p->next.len) {
        buf_text(out, "&continue=");
        http_escape(out, p->next.bytes);
    }
}

/* Where the list goes on, as its metadata says; p->next is empty afterwards where it does not. */
static bool find_next(struct paging *p, const struct json *frame, struct err *e)
{
    CLEANUP_BUF struct buf before = p->next;
    const char *token = "";
    p->next = (struct buf){0};
    json_as_text(json_find(json_find(frame, "metadata"), "continue"), &token);
    buf_text(&p->next, token);
    if (*token && before.len && strcmp(token, before.bytes) == 0)
        return err_set(e, ERR_FORMAT, "the list does not go on: the same page again");
    return buf_ok(&p->next, e);
}

/* false: out says why. more: another page follows. */
static bool read_page(struct kube *k, struct paging *p, const struct kube_walk *walk, struct kube_answer *out,
                      bool *more)
{
    CLEANUP_BUF struct buf path = {0};
    struct http_response response = {0};
    struct kube_page page = {0};
    struct err e = {0};
    char what[KUBE_WHAT];
    put_path(&path, p);
    if (!buf_ok(&path, &e))
        return kube_broken(out, "list", e.message);
    struct kube_call call = {.verb = KUBE_GET, .path = path.bytes};
    bool done = kube_ask(k, &call, &response, out);
    if (done) {
        const struct buf *body = &response.body;
        done = kube_page_walk("the answer", body->len ? body->bytes : "", body->len, walk, &page, &e) &&
               find_next(p, page.frame.root, &e);
        if (!done)
            kube_broken(out, kube_what(what, &call), e.message);
    }
    *more = done && !page.stopped && p->next.len > 0;
    json_finish(&page.frame);
    http_response_finish(&response);
    return done;
}

static bool read_all(struct kube *k, struct paging *p, const struct kube_walk *walk, struct kube_answer *out)
{
    bool more = true;
    buf_clear(&p->next);
    if (walk->begin)
        walk->begin(walk->context);
    for (int page = 0; more && page < PAGES_LIMIT; page++)
        if (!read_page(k, p, walk, out, &more))
            return false;
    return !more || kube_broken(out, p->path, "the list does not end");
}

bool kube_list(struct kube *k, const char *path, const char *selector, const struct kube_walk *walk,
               struct kube_answer *out)
{
    struct paging p = {.path = path, .selector = selector};
    bool done = false;
    for (int i = 0; i < BEGINNINGS_LIMIT && !done; i++) {
        done = read_all(k, &p, walk, out);
        if (!done && out->outcome != KUBE_EXPIRED)
            break;
    }
    buf_finish(&p.next);
    return done;
}
