/* fuzz_trace: the reader of recorded loads. Whatever it accepts has rising finite times and answers finite, non-negative loads
 * at any time; whatever it refuses leaves its output alone. */
#include <maestro/trace.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace t = {0};
    struct err e = {0};
    if (!trace_parse("fuzz.csv", (const char *)data, size, &t, &e)) {
        fuzz_must(t.n == 0 && !t.time_s && e.message[0]);
        return 0;
    }
    fuzz_must(t.n >= 2 && isfinite(t.max) && isfinite(trace_span_s(&t)));
    for (int i = 1; i < t.n; i++)
        fuzz_must(t.time_s[i] > t.time_s[i - 1] && t.value[i] >= 0);
    double span = trace_span_s(&t);
    int hint = 0;
    for (int i = -8; i <= 24; i++) {
        double at = trace_at_hint(&t, span * i / 8.0, &hint);
        fuzz_must(at >= 0 && at <= t.max * (1 + 1e-9));
    }
    trace_finish(&t);
    return 0;
}
