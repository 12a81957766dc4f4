/* exposition: families and values as Prometheus scrapes them. Text only; who counts is the caller's matter. */
#include <maestro/exposition.h>

#include <maestro/text.h>

#include <math.h>

static void escape(struct buf *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_text(out, "\\n");
        else if (*text == '\\' || *text == *special)
            buf_printf(out, "\\%c", *text);
        else
            buf_append(out, text, 1);
    }
}

void exposition_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    escape(out, help, "\\");
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

void exposition_value(struct buf *out, const char *name, const char *labels, double value)
{
    char text[TEXT_DOUBLE];
    buf_text(out, name);
    if (labels && *labels)
        buf_printf(out, "{%s}", labels);
    if (isnan(value))
        buf_text(out, " NaN\n");
    else if (isinf(value))
        buf_text(out, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        buf_printf(out, " %s\n", text_double(text, value));
}

void exposition_label(struct buf *labels, const char *key, const char *value)
{
    buf_printf(labels, "%s%s=\"", labels->len ? "," : "", key);
    escape(labels, value, "\"");
    buf_text(labels, "\"");
}
