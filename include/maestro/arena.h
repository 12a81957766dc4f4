/* arena: one block, carved front to back, freed at once. A zeroed struct arena measures: arena_take then only counts, so
 * the function that carves a structure is also its plan:
 *
 *     struct arena plan = {0};
 *     rollout_carve(&rollout, &config, &plan);         // pointers NULL, plan.used = bytes needed
 *     arena_init(&arena, plan.used, e);
 *     rollout_carve(&rollout, &config, &arena);        // the same calls, now real
 */
#ifndef MAESTRO_ARENA_H
#define MAESTRO_ARENA_H

#include <maestro/err.h>
#include <stddef.h>

#define ARENA_ALIGN 64

/* Defined where AddressSanitizer watches and what was not taken is poisoned: gcc defines a macro, clang answers a question. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

struct arena {
    unsigned char *base; /* NULL while measuring */
    size_t capacity;     /* bytes */
    size_t used;         /* bytes, a multiple of ARENA_ALIGN */
};

MUST_CHECK bool arena_init(struct arena *a, size_t bytes, struct err *e);
void arena_finish(struct arena *a); /* accepts NULL and zeroed */

/* count * size zeroed bytes at a 64-byte boundary, owned by the arena until arena_finish. NULL only while measuring.
 * Taking more than was planned is a bug (assert). */
void *arena_take(struct arena *a, size_t count, size_t size);

#endif
