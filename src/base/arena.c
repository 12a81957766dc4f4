/* arena: all memory of a training run, an inference engine or a request comes from one of these. Poisoned beyond what was
 * taken when AddressSanitizer watches. */
#include <maestro/arena.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

static size_t round_up(size_t bytes)
{
    return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

bool arena_init(struct arena *a, size_t bytes, struct err *e)
{
    size_t capacity = round_up(bytes ? bytes : 1);
    unsigned char *base = aligned_alloc(ARENA_ALIGN, capacity);
    if (!base)
        return err_set(e, ERR_IO, "out of memory: %zu bytes wanted", capacity);
    memset(base, 0, capacity);
    ASAN_POISON_MEMORY_REGION(base, capacity);
    *a = (struct arena){.base = base, .capacity = capacity};
    return true;
}

void arena_finish(struct arena *a)
{
    if (!a || !a->base)
        return;
    ASAN_UNPOISON_MEMORY_REGION(a->base, a->capacity);
    free(a->base);
    *a = (struct arena){0};
}

void *arena_take(struct arena *a, size_t count, size_t size)
{
    assert(size == 0 || count <= SIZE_MAX / 2 / size);
    size_t bytes = round_up(count * size);
    size_t at = a->used;
    a->used += bytes;
    if (!a->base)
        return NULL;
    assert(a->used <= a->capacity);
    ASAN_UNPOISON_MEMORY_REGION(a->base + at, count * size);
    return a->base + at;
}
