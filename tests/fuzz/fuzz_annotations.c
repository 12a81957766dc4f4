/* Any annotations, one "key=value" a line: what is accepted makes sense as a whole, what is refused is named, and reading
 * twice gives the same. */
#include "fuzz.h"

#include <maestro/annotations.h>

#include <math.h>
#include <string.h>

static const char PREFIX[] = "maestro.dev/";

static int split(char *text, struct fleet_annotation out[FLEET_ANNOTATIONS])
{
    int n = 0;
    for (char *line = text; line && n < FLEET_ANNOTATIONS;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *equals = strchr(line, '=');
        if (equals) {
            *equals = '\0';
            out[n++] = (struct fleet_annotation){line, equals + 1};
        }
        line = next;
    }
    return n;
}

static void check(const struct target_settings *s)
{
    fuzz_must(s->mode >= MODE_OFF && s->mode < MODES);
    fuzz_must(s->min_replicas >= 1 && s->min_replicas <= s->max_replicas && s->max_replicas <= ANNOTATIONS_REPLICAS);
    fuzz_must(!s->has_paused_replicas || (s->paused_replicas >= 0 && s->paused_replicas <= ANNOTATIONS_REPLICAS));
    fuzz_must(s->interval_s <= 0 || (s->interval_s >= 1 && s->interval_s <= 3600));
    fuzz_must(isfinite(s->latency_soft_ms) && isfinite(s->latency_hard_ms));
    fuzz_must(s->latency_soft_ms <= 0 || s->latency_hard_ms <= 0 || s->latency_soft_ms <= s->latency_hard_ms);
    fuzz_must(memchr(s->policy, '\0', sizeof s->policy) && *s->policy && !strpbrk(s->policy, " \n\t"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct target_settings defaults = {
        .mode = MODE_SHADOW, .min_replicas = 1, .max_replicas = 20, .policy = "hpa"};
    struct fleet_annotation annotations[FLEET_ANNOTATIONS];
    struct target_settings first = {.min_replicas = -1}, second = {.min_replicas = -1};
    struct err e = {0};
    char *text = malloc(n + 1);
    fuzz_must(text);
    memcpy(text, bytes, n);
    text[n] = '\0';
    int n_annotations = split(text, annotations);
    bool done = annotations_read(PREFIX, &defaults, annotations, n_annotations, &first, &e);
    fuzz_must(done == annotations_read(PREFIX, &defaults, annotations, n_annotations, &second, NULL));
    if (done) {
        check(&first);
        fuzz_must(first.mode == second.mode && strcmp(first.policy, second.policy) == 0);
    } else {
        fuzz_must(first.min_replicas == -1 && e.code == ERR_USAGE && *e.message);
    }
    free(text);
    return 0;
}
