/* inspect_file: what is in a policy file, as text. In: a path. Out: lines in a buffer. A file that is not what it claims to
 * be is an error that names it. */
#include "inspect.h"

#include <maestro/file.h>
#include <maestro/json.h>
#include <maestro/safetensors.h>
#include <maestro/term.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t WEIGHTS_LIMIT = (size_t)256 << 20;

static void show_shape(const struct safetensor *t, struct buf *out)
{
    buf_printf(out, "  %-28s [", t->name);
    for (int i = 0; i < t->rank; i++)
        buf_printf(out, "%s%zu", i ? ", " : "", t->shape[i]);
    buf_printf(out, "]  %zu numbers\n", t->count);
}

/* A JSON value for people: pairs and lists without quotes, numbers with few digits. */
static void put_json(const struct json *value, struct buf *out)
{
    double number;
    bool flag;
    const char *text;
    char shown[TERM_NUMBER];
    bool object = json_is_object(value);
    if (json_as_text(value, &text))
        buf_text(out, text);
    else if (json_as_number(value, &number))
        buf_text(out, term_number(shown, number));
    else if (json_as_flag(value, &flag))
        buf_text(out, flag ? "yes" : "no");
    else if (!object && !json_is_array(value))
        buf_text(out, "-");
    for (const struct json *item = json_first(value); item; item = json_next(item)) {
        bool nested = json_is_object(item) || json_is_array(item);
        if (object)
            buf_printf(out, "%s ", json_key(item));
        buf_text(out, nested ? "[" : "");
        put_json(item, out);
        buf_text(out, nested ? "]" : "");
        buf_text(out, json_next(item) ? ", " : "");
    }
}

/* Breaks behind commas so that lines keep within the width; used: columns that stand before. */
static void put_wrapped(const char *text, int used, struct buf *out)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        n += text[n] == ',';
        while (text[n] == ' ')
            n++;
        if (used + (int)n > INSPECT_WIDTH && used > 4) {
            buf_text(out, "\n    ");
            used = 4;
        }
        buf_append(out, text, n);
        used += (int)n;
        text += n;
    }
    buf_text(out, "\n");
}

/* A text of several lines is indented below its key. */
static void show_metadata(const struct safetensors_text *text, struct buf *out)
{
    CLEANUP_BUF struct buf shown = {0};
    __attribute__((cleanup(json_finish))) struct json_document document = {0};
    buf_printf(out, "  %s:%s", text->key, strchr(text->value, '\n') ? "\n" : " ");
    if (text->value[0] == '{' && json_parse(&document, text->key, text->value, strlen(text->value), NULL))
        put_json(document.root, &shown);
    else
        buf_text(&shown, text->value);
    if (!strchr(text->value, '\n')) {
        put_wrapped(shown.bytes ? shown.bytes : "", 4 + (int)strlen(text->key), out);
        return;
    }
    for (const char *at = text->value; *at;) {
        size_t n = strcspn(at, "\n");
        buf_printf(out, "    %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

bool inspect_safetensors(const char *path, bool brief, struct buf *out, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    __attribute__((cleanup(safetensors_finish))) struct safetensors file = {0};
    if (!file_read(path, WEIGHTS_LIMIT, &bytes, e) || !buf_ok(&bytes, e) ||
        !safetensors_parse(&file, path, bytes.bytes, bytes.len, e))
        return false;
    size_t n_numbers = 0;
    for (size_t i = 0; i < file.n_tensors; i++)
        n_numbers += file.tensors[i].count;
    buf_printf(out, "%s: %zu tensors, %zu numbers\n", path, file.n_tensors, n_numbers);
    for (size_t i = 0; !brief && i < file.n_tensors; i++)
        show_shape(&file.tensors[i], out);
    for (size_t i = 0; i < file.n_metadata; i++)
        if (!brief || strcmp(file.metadata[i].key, "training") != 0)
            show_metadata(&file.metadata[i], out);
    return true;
}
