/* Any JSON as a Deployment, a scaler, a pod or its metrics, and any bytes as Prometheus' answer to each query: nothing that is
 * not a finite number from 0 on becomes a valid signal, and no count is negative. */
#include "fuzz.h"

#include "../../envs/live/discover.h"
#include "../../envs/live/podlist.h"
#include "../../envs/live/readings.h"

#include <math.h>
#include <string.h>

static void store(const struct discovered *found)
{
    struct targets t = {0};
    int i = -1;
    if (targets_take(&t, found->space, found->name, &i, NULL) && targets_store(&t, i, found, NULL)) {
        fuzz_must(targets_find(&t, found->space, found->name) == i);
        fuzz_must(t.slots[i].view.sample.starting >= 0 && t.slots[i].view.n_annotations == found->n_annotations);
    }
    targets_finish(&t);
}

static void read_objects(const struct json *object)
{
    struct discovered found;
    struct podlist pods;
    struct err e = {0};
    const char *space, *target, *own;
    if (discover_read(object, "maestro.dev/", &found, &e)) {
        fuzz_must(found.spec_replicas >= 0 && found.existing >= 0 && found.ready >= 0);
        fuzz_must(isfinite(found.memory_limit_bytes) && found.memory_limit_bytes >= 0);
        fuzz_must(isfinite(found.cpu_request_percent) && found.cpu_request_percent >= 0);
        store(&found);
    } else {
        fuzz_must(e.code == ERR_FORMAT);
    }
    buf_finish(&found.selector);
    if (discover_scaler(object, &space, &target, &own))
        fuzz_must(space && target && own);
    if (!podlist_open(&pods, NULL))
        return;
    pods.deployment = "web";
    podlist_take(&pods, object);
    podlist_take_metrics(&pods, object);
    for (int i = 0; i < pods.n; i++)
        fuzz_must(!pods.pods[i].record.has_cpu || pods.pods[i].record.cpu_percent >= 0);
    podlist_finish(&pods);
}

static void read_answers(const uint8_t *bytes, size_t n)
{
    struct targets t = {0};
    struct readings r = {0};
    struct discovered found = {.uid = "u", .resource_version = "1", .spec_replicas = 3, .memory_limit_bytes = 1e8};
    int web;
    if (!targets_take(&t, "shop", "web", &web, NULL) || !targets_store(&t, web, &found, NULL) ||
        !readings_begin(&r, t.n, 60, NULL))
        return;
    t.slots[web].api_time_s = 1;
    for (int id = 0; id < QUERIES; id++) {
        struct prom_answer answer = {0};
        prom_answer_parse("input", 200, (const char *)bytes, n, &answer);
        readings_gather(&r, &t, (enum query_id)id, &answer);
        prom_answer_finish(&answer);
    }
    readings_fill(&r, &t.slots[web], web, 1e9, 1);
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        const struct reading *reading = &t.slots[web].view.sample.signals[s];
        fuzz_must(isfinite(reading->value) && isfinite(reading->age_s) && reading->age_s >= 0);
        fuzz_must(reading->validity != VALIDITY_VALID || reading->value >= 0);
    }
    targets_finish(&t);
    readings_finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct json_document d;
    read_answers(bytes, n);
    if (!json_parse(&d, "input", (const char *)bytes, n, NULL))
        return 0;
    read_objects(d.root);
    json_finish(&d);
    return 0;
}
