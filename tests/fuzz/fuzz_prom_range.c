/* Any bytes as Prometheus' answer about a range, after one byte for the status. The points of each series are in order. */
#include "fuzz_prom.h"

#include <math.h>

static void check_points(const struct prom_series *s)
{
    fuzz_must((s->n_points > 0) == (s->points != NULL));
    for (int i = 0; i < s->n_points; i++) {
        fuzz_must(isfinite(s->points[i].time_s));
        fuzz_must(i == 0 || s->points[i].time_s > s->points[i - 1].time_s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct prom_answer a;
    if (!fuzz_prom_read(prom_range_parse, bytes, n, &a))
        return 0;
    for (int i = 0; i < a.n_series; i++)
        check_points(&a.series[i]);
    prom_answer_finish(&a);
    return 0;
}
