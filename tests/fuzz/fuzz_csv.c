/* Any bytes into the table reader: what is accepted has names and as many cells as they say; a number is finite text or
 * nan, inf; strict tables hold no text. */
#include "fuzz.h"

#include <maestro/csv.h>

#include <math.h>
#include <string.h>

static void check_table(const struct csv *t, enum csv_strictness strictness)
{
    fuzz_must(t->n_columns >= 1 && t->n_columns <= CSV_COLUMNS);
    for (int c = 0; c < t->n_columns; c++)
        fuzz_must(t->names[c][0] && csv_column(t, t->names[c]) == c);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            const char *text = csv_text(t, r, c);
            bool is_text = isnan(csv_value(t, r, c)) && text[0] && strcmp(text, "nan") != 0;
            fuzz_must(!is_text || strictness == CSV_MIXED);
        }
    }
}

static void read_table(const char *bytes, size_t n, enum csv_strictness strictness)
{
    struct csv t = {0};
    struct err e = {0};
    if (!csv_parse("input", bytes, n, strictness, &t, &e)) {
        fuzz_must(e.code == ERR_FORMAT && strncmp(e.message, "input:", 6) == 0 && !t.bytes);
        return;
    }
    check_table(&t, strictness);
    csv_finish(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    read_table((const char *)bytes, n, CSV_NUMERIC);
    read_table((const char *)bytes, n, CSV_MIXED);
    return 0;
}
