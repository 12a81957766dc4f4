/* fuzz_prom: what both readers of Prometheus' answers must keep, whatever the bytes: a status of 200 where they answer, nothing
 * held where they do not, whole texts, no label twice. */
#ifndef TESTS_FUZZ_PROM_H
#define TESTS_FUZZ_PROM_H

#include "fuzz.h"

#include <maestro/prom.h>

#include <string.h>

static inline void fuzz_prom_series(const struct prom_series *s)
{
    for (int i = 0; i < s->n_labels; i++) {
        fuzz_must(prom_label_value(s, s->labels[i].name) == s->labels[i].value);
        fuzz_must(strlen(s->labels[i].value) < 1 << 20);
    }
}

static inline void fuzz_prom_answer(const struct prom_answer *a, long status)
{
    fuzz_must(a->answered == (a->why.code == ERR_NONE));
    fuzz_must(memchr(a->warning, '\0', sizeof a->warning) && (a->degraded || !*a->warning));
    fuzz_must(!a->answered || status == 200);
    fuzz_must(a->answered || (!a->memory && a->n_series == 0 && strncmp(a->why.message, "name: ", 6) == 0));
    for (int i = 0; i < a->n_series; i++)
        fuzz_prom_series(&a->series[i]);
}

/* The first byte chooses the status, the rest is the answer, in memory of exactly its size; out is the caller's to finish.
 * false: no byte at all. */
static inline bool fuzz_prom_read(void (*parse)(const char *, long, const char *, size_t, struct prom_answer *),
                                  const uint8_t *bytes, size_t n, struct prom_answer *out)
{
    static const long statuses[] = {200, 400, 503, 0};
    if (n == 0)
        return false;
    char *exact = malloc(n);
    fuzz_must(exact);
    memcpy(exact, bytes + 1, n - 1);
    parse("name", statuses[bytes[0] % 4], exact, n - 1, out);
    free(exact);
    fuzz_prom_answer(out, statuses[bytes[0] % 4]);
    return true;
}

#endif
