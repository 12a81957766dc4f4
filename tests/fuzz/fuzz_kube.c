/* Any bytes as an answer of the API server: a refusal, a list, a Scale, a Lease. The first byte chooses the status; whatever comes, it
 * has a meaning, waits are bounded, a list that is read through is exactly the list that the JSON parser sees, and counts
 * are never negative, and what is written over a Lease is an object that reads back. */
#include "fuzz.h"

#include "../../src/net/kube_ask.h"
#include "../../src/net/lease_record.h"

#include <string.h>

static const long STATUSES[] = {200, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 301};

static void judge(const uint8_t *bytes, size_t n, long status)
{
    struct http_response response = {.status = status};
    struct kube_answer answer = {0};
    buf_append(&response.body, bytes, n);
    kube_judge(&answer, "GET /x", &response);
    fuzz_must(answer.status == status && (answer.outcome == KUBE_DONE) == (status < 300));
    fuzz_must(answer.retry_after_s >= 0.0 && answer.retry_after_s <= 3600.0);
    fuzz_must(strncmp(answer.why.message, "GET /x: ", 8) == 0);
    kube_answer_finish(&answer);
    http_response_finish(&response);
}

static bool count(void *context, const struct json *object)
{
    fuzz_must(object != NULL);
    ++*(int *)context;
    return true;
}

static void walk(const char *text, size_t n)
{
    int items = 0, wanted = 0;
    struct kube_walk each = {.context = &items, .each = count};
    struct kube_page page = {0};
    struct json_document whole = {0};
    struct err e = {0};
    bool walked = kube_page_walk("list", text, n, &each, &page, &e);
    bool parsed = json_parse(&whole, "list", text, n, NULL);
    fuzz_must(walked || e.code == ERR_FORMAT);
    fuzz_must(walked || !page.frame.root);
    if (walked && parsed) {
        const struct json *list = json_find(whole.root, "items");
        for (const struct json *item = json_first(list); item; item = json_next(item))
            wanted++;
        fuzz_must(items == wanted);
    }
    json_finish(&whole);
    json_finish(&page.frame);
}

static void scale(const char *text, size_t n)
{
    struct json_document d = {0};
    struct kube_scale out = {0};
    struct err e = {0};
    if (!json_parse(&d, "scale", text, n, NULL))
        return;
    if (kube_scale_read(d.root, &out, &e))
        fuzz_must(out.spec_replicas >= 0 && out.status_replicas >= 0);
    else
        fuzz_must(e.code == ERR_FORMAT);
    json_finish(&d);
}

/* A Lease taken over: the body of the write is JSON that holds our claim and the version that was read. */
static void take_over(const struct lease_record *seen)
{
    struct lease_claim claim = {
        .metadata = seen->metadata.bytes, .holder = "us", .duration_s = 15, .transitions = seen->transitions + 1};
    struct buf body = {0};
    struct json_document d = {0};
    struct lease_record back = {0};
    struct err e = {0};
    fuzz_must(lease_record_write(&body, &claim, 1.7e9, &e));
    fuzz_must(json_parse(&d, "body", body.bytes, body.len, &e) && lease_record_read(&back, d.root, &e));
    fuzz_must(strcmp(back.holder, "us") == 0 && back.transitions >= seen->transitions);
    fuzz_must(back.metadata.len == seen->metadata.len &&
              memcmp(back.metadata.bytes, seen->metadata.bytes, seen->metadata.len) == 0);
    lease_record_finish(&back);
    json_finish(&d);
    buf_finish(&body);
}

static void lease(const char *text, size_t n)
{
    struct json_document d = {0};
    struct lease_record seen = {0};
    struct err e = {0};
    if (!json_parse(&d, "lease", text, n, NULL))
        return;
    if (lease_record_read(&seen, d.root, &e)) {
        fuzz_must(seen.duration_s >= 0.0 && seen.transitions >= 0 && seen.metadata.len);
        fuzz_must(lease_record_is_same(&seen, &seen));
        take_over(&seen);
    } else
        fuzz_must(e.code == ERR_FORMAT && !seen.metadata.bytes && !seen.spec.bytes);
    lease_record_finish(&seen);
    json_finish(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    judge(bytes + 1, n - 1, STATUSES[bytes[0] % (sizeof STATUSES / sizeof *STATUSES)]);
    walk((const char *)bytes + 1, n - 1);
    scale((const char *)bytes + 1, n - 1);
    lease((const char *)bytes + 1, n - 1);
    return 0;
}
