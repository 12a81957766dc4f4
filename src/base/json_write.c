/* json_write: builds JSON text. Misuse (a value without a key, an end without a begin) is a bug and asserts. */
#include <maestro/json_write.h>

#include <maestro/text.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *spaces(const struct json_writer *w)
{
    return w->spaces ? w->spaces : "";
}

/* The comma that belongs in front of the next item. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has_items[w->depth])
        buf_printf(w->out, ",%s", spaces(w));
    w->has_items[w->depth] = true;
}

static void begin(struct json_writer *w, const char *bracket)
{
    separate(w);
    assert(w->depth < JSON_WRITE_DEPTH);
    w->has_items[++w->depth] = false;
    buf_text(w->out, bracket);
}

static void end(struct json_writer *w, const char *bracket)
{
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_text(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, "{");
}

void json_end_object(struct json_writer *w)
{
    end(w, "}");
}

void json_begin_array(struct json_writer *w)
{
    begin(w, "[");
}

void json_end_array(struct json_writer *w)
{
    end(w, "]");
}

static void quote(struct buf *out, const char *text)
{
    char escape[TEXT_ESCAPE];
    size_t n_out;
    buf_text(out, "\"");
    for (size_t at = 0, n = strlen(text); at < n;) {
        at += text_json_char(text + at, n - at, escape, &n_out);
        buf_append(out, escape, n_out);
    }
    buf_text(out, "\"");
}

void json_put_key(struct json_writer *w, const char *key)
{
    assert(w->depth > 0 && !w->after_key);
    separate(w);
    quote(w->out, key);
    buf_printf(w->out, ":%s", spaces(w));
    w->after_key = true;
    if (!w->not_finite)
        snprintf(w->last_key, sizeof w->last_key, "%s", key);
}

void json_put_text(struct json_writer *w, const char *text)
{
    separate(w);
    if (text)
        quote(w->out, text);
    else
        buf_text(w->out, "null");
}

void json_put_double(struct json_writer *w, double value)
{
    w->not_finite = w->not_finite || !isfinite(value);
    json_put_double_or_null(w, value);
}

void json_put_double_or_null(struct json_writer *w, double value)
{
    char digits[TEXT_DOUBLE];
    separate(w);
    buf_text(w->out, isfinite(value) ? text_double(digits, value) : "null");
}

void json_put_whole(struct json_writer *w, long long value)
{
    separate(w);
    buf_printf(w->out, "%lld", value);
}

void json_put_bool(struct json_writer *w, bool value)
{
    separate(w);
    buf_text(w->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    separate(w);
    buf_text(w->out, "null");
}

bool json_write_end(const struct json_writer *w, struct err *e)
{
    assert(w->depth == 0);
    if (w->not_finite)
        return err_set(e, ERR_NUMERIC, "'%s' is not a finite number", w->last_key);
    return buf_ok(w->out, e);
}
