/* Any bytes as an answer of the API server: a refusal, a list, a Scale. The first byte chooses the status; whatever comes, it
 * has a meaning, waits are bounded, a list that is read through is exactly the list that the JSON parser sees, and counts
 * are never negative. */
#include "fuzz.h"

#include "../../src/net/kube_ask.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    judge(bytes + 1, n - 1, STATUSES[bytes[0] % (sizeof STATUSES / sizeof *STATUSES)]);
    walk((const char *)bytes + 1, n - 1);
    scale((const char *)bytes + 1, n - 1);
    return 0;
}
