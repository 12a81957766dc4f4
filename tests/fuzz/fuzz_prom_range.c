/* Any bytes as Prometheus' answer about a range, after one byte for the status. What is answered is whole: points of each series
 * in order, every pointer inside the answer. */
#include "fuzz.h"

#include <maestro/prom.h>

#include <math.h>
#include <string.h>

static void check_series(const struct prom_series *s)
{
    fuzz_must((s->n_points > 0) == (s->points != NULL));
    for (int i = 0; i < s->n_points; i++) {
        fuzz_must(isfinite(s->points[i].time_s));
        fuzz_must(i == 0 || s->points[i].time_s > s->points[i - 1].time_s);
    }
    for (int i = 0; i < s->n_labels; i++)
        fuzz_must(prom_label_value(s, s->labels[i].name) == s->labels[i].value);
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
    prom_range_parse("name", statuses[bytes[0] % 4], exact, n - 1, &a);
    fuzz_must(a.answered == (a.why.code == ERR_NONE));
    fuzz_must(!a.answered || bytes[0] % 4 == 0);
    fuzz_must(a.answered || (!a.memory && a.n_series == 0));
    for (int i = 0; i < a.n_series; i++)
        check_series(&a.series[i]);
    prom_answer_finish(&a);
    free(exact);
    return 0;
}
