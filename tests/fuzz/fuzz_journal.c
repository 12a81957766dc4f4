/* Any bytes as one journal line: what is accepted encodes to a line that reads back to itself. */
#include "fuzz.h"

#include <maestro/journal.h>

#include <string.h>

static void encode(const struct journal_line *line, struct buf *out)
{
    const struct journal_opening opening = {.target = line->target,
                                            .policy = line->policy,
                                            .policy_hash = line->policy_hash,
                                            .control = line->control,
                                            .n_control = line->n_control,
                                            .state = line->state,
                                            .n_state = line->n_state};
    if (line->kind == JOURNAL_STATE)
        journal_encode_state(line->time_s, &opening, out);
    else if (line->kind == JOURNAL_INTENT)
        journal_encode_intent(&line->record, out);
    else
        journal_encode(&line->record, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct journal_line first, second;
    struct buf text = {0}, again = {0};
    struct err e = {0};
    if (!journal_decode((const char *)bytes, n, &first, &e)) {
        fuzz_must(e.code == ERR_FORMAT && e.message[0]);
        return 0;
    }
    encode(&first, &text);
    fuzz_must(journal_decode(text.bytes, text.len - 1, &second, &e));
    encode(&second, &again);
    fuzz_must(again.len == text.len && memcmp(again.bytes, text.bytes, text.len) == 0);
    buf_finish(&text);
    buf_finish(&again);
    return 0;
}
