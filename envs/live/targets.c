/* targets: slots and their index. In: names, and what the API showed. Out: views. Knows neither JSON nor queries. */
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void targets_finish(struct targets *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n; i++)
        free(t->slots[i].text);
    free(t->slots);
    free(t->index);
    *t = (struct targets){0};
}

/* FNV-1a over "namespace/name". */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static size_t home(const struct targets *t, const char *space, const char *name)
{
    uint64_t hash = hash_text(hash_text(hash_text(0xcbf29ce484222325u, space), "/"), name);
    return (size_t)(hash ^ (hash >> 29)) & (t->n_index - 1);
}

int targets_find(const struct targets *t, const char *space, const char *name)
{
    if (t->n_index == 0)
        return -1;
    for (size_t at = home(t, space, name); t->index[at]; at = (at + 1) & (t->n_index - 1)) {
        const struct fleet_view *v = &t->slots[t->index[at] - 1].view;
        if (strcmp(v->name, name) == 0 && strcmp(v->space, space) == 0)
            return (int)t->index[at] - 1;
    }
    return -1;
}

static void enter(struct targets *t, int i)
{
    size_t at = home(t, t->slots[i].view.space, t->slots[i].view.name);
    while (t->index[at])
        at = (at + 1) & (t->n_index - 1);
    t->index[at] = (uint32_t)i + 1;
}

/* Anew with every change of the set: targets come and go rarely. */
static bool make_index(struct targets *t, struct err *e)
{
    size_t wanted = 16;
    while (wanted < 2 * (size_t)t->n)
        wanted *= 2;
    if (wanted != t->n_index) {
        uint32_t *index = calloc(wanted, sizeof *index);
        if (!index)
            return err_set(e, ERR_IO, "live: out of memory");
        free(t->index);
        t->index = index;
        t->n_index = wanted;
    } else {
        memset(t->index, 0, wanted * sizeof *t->index);
    }
    for (int i = 0; i < t->n; i++)
        if (t->slots[i].used)
            enter(t, i);
    return true;
}

static bool grow(struct targets *t, struct err *e)
{
    if (t->n < t->capacity)
        return true;
    int capacity = t->capacity ? t->capacity + t->capacity / 2 + 1 : 8;
    struct target_slot *slots = realloc(t->slots, (size_t)capacity * sizeof *slots);
    if (!slots)
        return err_set(e, ERR_IO, "live: out of memory for %d targets", capacity);
    t->slots = slots;
    t->capacity = capacity;
    return true;
}

static int free_slot(const struct targets *t)
{
    for (int i = 0; t->n_used < t->n && i < t->n; i++)
        if (!t->slots[i].used)
            return i;
    return -1;
}

bool targets_take(struct targets *t, const char *space, const char *name, int *index, struct err *e)
{
    struct fleet_view view = {0};
    int i = targets_find(t, space, name);
    if (i >= 0) {
        *index = i;
        return true;
    }
    if (strlen(space) >= sizeof view.space || strlen(name) >= sizeof view.name)
        return err_set(e, ERR_FORMAT, "live: the name %.63s/%.200s is longer than %zu bytes", space, name,
                       sizeof view.name - 1);
    i = free_slot(t);
    if (i < 0) {
        if (!grow(t, e))
            return false;
        i = t->n++;
    }
    memcpy(view.space, space, strlen(space));
    memcpy(view.name, name, strlen(name));
    t->slots[i] = (struct target_slot){.view = view, .used = true};
    t->n_used++;
    t->changed = t->grown = true;
    if (!make_index(t, e)) {
        targets_free(t, i);
        return false;
    }
    *index = i;
    return true;
}

void targets_free(struct targets *t, int index)
{
    struct target_slot *slot = &t->slots[index];
    free(slot->text);
    *slot = (struct target_slot){.view = {.gone = true}};
    t->n_used--;
    t->changed = true;
    bool done = t->n_index == 0 || make_index(t, NULL); // never grows here, so never fails
    (void)done;
}

#define VALUE_LIMIT 512 /* bytes of an annotation that are kept: longer ones make no sense, and shall be seen not to */

/* Appends text, cut to that limit, and its NUL to the block at *at. */
static const char *keep(char **at, const char *text)
{
    size_t n = strnlen(text, VALUE_LIMIT);
    char *kept = memcpy(*at, text, n);
    kept[n] = '\0';
    *at += n + 1;
    return kept;
}

static bool store_text(struct target_slot *slot, const struct discovered *found, struct err *e)
{
    const char *selector = found->selector.bytes ? found->selector.bytes : "";
    size_t bytes = strlen(selector) + 1;
    for (int i = 0; i < found->n_annotations; i++)
        bytes += strlen(found->annotations[i].key) + strlen(found->annotations[i].value) + 2;
    char *text = malloc(bytes), *at = text;
    if (!text)
        return err_set(e, ERR_IO, "live: out of memory");
    free(slot->text);
    slot->text = text;
    slot->selector = keep(&at, selector);
    slot->view.n_annotations = found->n_annotations;
    for (int i = 0; i < found->n_annotations; i++) {
        const char *key = keep(&at, found->annotations[i].key), *value = keep(&at, found->annotations[i].value);
        slot->view.annotations[i] = (struct fleet_annotation){key, value};
    }
    return true;
}

/* Another object under the old name: nothing that was known of the old one holds. */
static void forget(struct target_slot *slot)
{
    memset(slot->sampled_s, 0, sizeof slot->sampled_s);
    slot->settled_s = 0;
}

bool targets_store(struct targets *t, int index, const struct discovered *found, struct err *e)
{
    struct target_slot *slot = &t->slots[index];
    struct fleet_view *v = &slot->view;
    if (strlen(found->uid) >= sizeof v->uid || strlen(found->resource_version) >= sizeof v->resource_version)
        return err_set(e, ERR_FORMAT, "live: %s/%s: uid or resourceVersion is too long", v->space, v->name);
    bool same = slot->text && strcmp(v->resource_version, found->resource_version) == 0;
    if (!same && !store_text(slot, found, e))
        return false;
    if (strcmp(v->uid, found->uid) != 0)
        forget(slot);
    snprintf(v->uid, sizeof v->uid, "%s", found->uid);
    snprintf(v->resource_version, sizeof v->resource_version, "%s", found->resource_version);
    v->gone = false;
    v->rolling_out = found->rolling_out;
    v->rollout_paused = found->rollout_paused;
    v->sample.ready = found->ready;
    v->sample.starting = found->existing > found->ready ? found->existing - found->ready : 0;
    v->sample.terminating = found->terminating;
    slot->memory_limit_bytes = found->memory_limit_bytes;
    slot->spec_replicas = found->spec_replicas;
    slot->shape.cpu_request_percent = found->cpu_request_percent;
    return true;
}
