/* Any bytes into the JSON reader: what is accepted is written again and reads back to the same tree. */
#include "fuzz.h"

#include <maestro/json.h>
#include <maestro/json_write.h>

#include <string.h>

static void copy_value(struct json_writer *w, const struct json *value, int depth)
{
    double number = 0;
    const char *text = NULL;
    bool flag = false, container = json_is_object(value) || json_is_array(value);
    if (container && depth >= JSON_WRITE_DEPTH) {
        json_put_text(w, "deep");
    } else if (container) {
        (json_is_object(value) ? json_begin_object : json_begin_array)(w);
        for (const struct json *child = json_first(value); child; child = json_next(child)) {
            if (json_is_object(value))
                json_put_key(w, json_key(child));
            copy_value(w, child, depth + 1);
        }
        (json_is_object(value) ? json_end_object : json_end_array)(w);
    } else if (json_as_number(value, &number)) {
        json_put_double(w, number);
    } else if (json_as_text(value, &text)) {
        json_put_text(w, text);
    } else if (json_as_flag(value, &flag)) {
        json_put_bool(w, flag);
    } else {
        fuzz_must(json_is_null(value));
        json_put_null(w);
    }
}

static void write_again(const struct json_document *d, struct buf *out)
{
    struct json_writer w = {.out = out};
    copy_value(&w, d->root, 0);
    fuzz_must(json_write_end(&w, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct json_document first, second;
    struct err e = {0};
    struct buf text = {0}, again = {0};
    if (!json_parse(&first, "input", (const char *)bytes, n, &e)) {
        fuzz_must(e.code == ERR_FORMAT && strncmp(e.message, "input:", 6) == 0 && !first.root);
        return 0;
    }
    write_again(&first, &text);
    fuzz_must(json_parse(&second, "written", text.bytes, text.len, &e));
    write_again(&second, &again);
    fuzz_must(again.len == text.len && memcmp(again.bytes, text.bytes, text.len) == 0);
    json_finish(&first);
    json_finish(&second);
    buf_finish(&text);
    buf_finish(&again);
    return 0;
}
