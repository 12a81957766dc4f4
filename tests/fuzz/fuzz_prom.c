/* Any bytes as an answer of Prometheus, after one byte for the status. */
#include "fuzz_prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct prom_answer a;
    if (fuzz_prom_read(prom_answer_parse, bytes, n, &a))
        prom_answer_finish(&a);
    return 0;
}
