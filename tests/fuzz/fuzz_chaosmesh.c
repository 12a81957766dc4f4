/* Any bytes as a chaos file: what is accepted becomes JSON that selects pods of the target's namespace only, under a name and
 * labels of ours; what is refused names the file and leaves nothing. */
#include "fuzz.h"

#include <maestro/chaosmesh.h>

#include <string.h>
#include <strings.h>

static const char *label_of(const struct json *root, const char *key)
{
    const char *value = "";
    json_as_text(json_find(json_find(json_find(root, "metadata"), "labels"), key), &value);
    return value;
}

/* The only namespace of a selector, which stands in a fault's spec or, in a Schedule, in the one of its type. */
static void check_selector(const struct json *spec, bool schedule)
{
    static const char *const keys[] = {"podChaos", "stressChaos", "networkChaos", "httpChaos", "ioChaos", "dnsChaos"};
    const char *type = "";
    json_as_text(json_find(spec, "type"), &type);
    for (int i = 0; i < 6; i++)
        if (schedule && strcasecmp(type, keys[i]) == 0) {
            spec = json_find(spec, keys[i]);
            break;
        }
    const struct json *selector = json_find(spec, "selector");
    const char *space = "";
    const struct json *first = json_first(json_find(selector, "namespaces"));
    fuzz_must(first && !json_next(first) && json_as_text(first, &space) && strcmp(space, "shop") == 0);
    fuzz_must(json_first(json_find(selector, "labelSelectors")) != NULL);
    fuzz_must(!json_find(selector, "pods"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct chaosmesh_target target = {.space = "shop", .selector = "app=web", .session = "s"};
    struct chaosmesh_experiment made = {0};
    struct buf text = {0}, body = {0};
    struct err e = {0};
    buf_append(&text, bytes, n);
    if (chaosmesh_parse("f", &text, &target, &body, &made, &e)) {
        struct json_document d = {0};
        if (json_parse(&d, "made", body.bytes, body.len, &e)) { // else: keys that stand twice for us and for the file
            fuzz_must(strcmp(label_of(d.root, CHAOSMESH_MANAGED_LABEL), "maestro") == 0);
            fuzz_must(strcmp(label_of(d.root, CHAOSMESH_SESSION_LABEL), "s") == 0);
            check_selector(json_find(d.root, "spec"), strcmp(made.plural, "schedules") == 0);
            json_finish(&d);
        }
        fuzz_must(*made.name && *made.plural);
    } else
        fuzz_must(e.code != ERR_NONE && *e.message && !*made.name && !body.len);
    buf_finish(&text);
    buf_finish(&body);
    return 0;
}
