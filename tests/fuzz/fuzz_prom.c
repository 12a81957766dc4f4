/* Any bytes as an answer of Prometheus, after one byte for the status. What is answered is whole: terminated texts, no label and
 * no series twice. */
#include "fuzz.h"

#include <maestro/prom.h>

#include <string.h>

static void check_series(const struct prom_series *s)
{
    for (int i = 0; i < s->n_labels; i++) {
        fuzz_must(prom_label_value(s, s->labels[i].name) == s->labels[i].value);
        fuzz_must(strlen(s->labels[i].value) < 1 << 20);
    }
}

static void check_answer(const struct prom_answer *a)
{
    fuzz_must(a->answered == (a->why.code == ERR_NONE));
    fuzz_must(memchr(a->warning, '\0', sizeof a->warning) && (a->degraded || !*a->warning));
    if (!a->answered) {
        fuzz_must(!a->memory && a->n_series == 0 && strncmp(a->why.message, "name: ", 6) == 0);
        return;
    }
    for (int i = 0; i < a->n_series; i++)
        check_series(&a->series[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const long statuses[] = {200, 400, 503, 0};
    struct prom_answer a;
    if (n == 0)
        return 0;
    char *exact = malloc(n);
    fuzz_must(exact);
    memcpy(exact, bytes + 1, n - 1);
    prom_answer_parse("name", statuses[bytes[0] % 4], exact, n - 1, &a);
    check_answer(&a);
    fuzz_must(!a.answered || bytes[0] % 4 == 0);
    prom_answer_finish(&a);
    free(exact);
    return 0;
}
