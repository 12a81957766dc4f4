/* page: the frame of an HTML page. In: texts. Out: HTML in a buffer that needs no other file and no network. Escapes what it
 * is given; knows nothing of what the page is about. */
#include <maestro/page.h>

#include <page_assets.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void page_finish(struct page *p)
{
    if (p)
        buf_finish(&p->out);
}

void page_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_text(out, "&amp;");
            break;
        case '<':
            buf_text(out, "&lt;");
            break;
        case '>':
            buf_text(out, "&gt;");
            break;
        case '"':
            buf_text(out, "&quot;");
            break;
        case '\'':
            buf_text(out, "&#39;");
            break;
        default:
            buf_append(out, text, 1);
        }
    }
}

/* Outside its strings JSON has none of these three characters, so replacing them everywhere keeps its meaning. */
void page_json(struct buf *out, const char *json)
{
    for (; *json; json++) {
        if (*json == '<' || *json == '>' || *json == '&')
            buf_printf(out, "\\u%04x", (unsigned)*json);
        else
            buf_append(out, json, 1);
    }
}

/* Inside JavaScript strings and regular expressions "<\/" and "<\!" mean what "</" and "<!" do; nothing else in a library
 * can look like the end of a script element or the start of a comment. */
void page_script(struct buf *out, const char *code)
{
    const char *map = strstr(code, "//# sourceMappingURL=");
    const char *end = map ? map : code + strlen(code);
    while (code < end) {
        size_t plain = strcspn(code, "<");
        if (plain > (size_t)(end - code))
            plain = (size_t)(end - code);
        buf_append(out, code, plain);
        code += plain;
        if (code >= end)
            break;
        bool risky = strncmp(code, "</", 2) == 0 || strncmp(code, "<!--", 4) == 0;
        buf_text(out, risky ? "<\\" : "<");
        code++;
    }
}

void page_open(struct page *p, const char *title, const char *subtitle)
{
    buf_text(&p->out,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
    page_text(&p->out, title);
    buf_text(&p->out, "</title>\n<style>\n");
    buf_text(&p->out, (const char *)page_css);
    buf_text(&p->out, "</style>\n</head>\n<body>\n<header>\n<h1>");
    page_text(&p->out, title);
    buf_text(&p->out, "</h1>\n<p class=\"subtitle\">");
    page_text(&p->out, subtitle);
    buf_text(&p->out,
             "</p>\n</header>\n<noscript><p>The charts need JavaScript; every table and text can be read without."
             "</p></noscript>\n<main>\n");
}

void page_section(struct page *p, const char *id, const char *heading)
{
    buf_printf(&p->out, "%s<section id=\"%s\">\n<h2>", p->in_section ? "</section>\n" : "", id);
    p->in_section = true;
    page_text(&p->out, heading);
    buf_text(&p->out, "</h2>\n");
}

void page_heading(struct page *p, const char *heading)
{
    buf_text(&p->out, "<h3>");
    page_text(&p->out, heading);
    buf_text(&p->out, "</h3>\n");
}

void page_paragraph(struct page *p, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_text(&p->out, "<p>");
    page_text(&p->out, text);
    buf_text(&p->out, "</p>\n");
}

void page_preformatted(struct page *p, const char *text)
{
    buf_text(&p->out, "<pre>");
    page_text(&p->out, text);
    buf_text(&p->out, "</pre>\n");
}

void page_details_open(struct page *p, const char *heading)
{
    buf_text(&p->out, "<details>\n<summary>");
    page_text(&p->out, heading);
    buf_text(&p->out, "</summary>\n");
}

void page_details_close(struct page *p)
{
    buf_text(&p->out, "</details>\n");
}

void page_grid_open(struct page *p)
{
    buf_text(&p->out, "<div class=\"grid\">\n");
}

void page_grid_close(struct page *p)
{
    buf_text(&p->out, "</div>\n");
}

void page_table(struct page *p, const char *caption, const struct page_column *columns, int n)
{
    buf_text(&p->out, "<div class=\"scroll\">\n<table>\n<caption>");
    page_text(&p->out, caption);
    buf_text(&p->out, "</caption>\n<thead>\n<tr>");
    for (int i = 0; i < n; i++) {
        buf_text(&p->out, "<th scope=\"col\"");
        if (columns[i].explanation) {
            buf_text(&p->out, " title=\"");
            page_text(&p->out, columns[i].explanation);
            buf_text(&p->out, "\"");
        }
        buf_text(&p->out, ">");
        page_text(&p->out, columns[i].heading);
        buf_text(&p->out, "</th>");
    }
    buf_text(&p->out, "</tr>\n</thead>\n<tbody>\n");
}

void page_row(struct page *p, const char *heading, int colour)
{
    buf_text(&p->out, p->in_row ? "</tr>\n<tr><th scope=\"row\">" : "<tr><th scope=\"row\">");
    p->in_row = true;
    if (colour >= 0)
        buf_printf(&p->out, "<span class=\"mark\" style=\"background: var(--series-%d)\"></span>", colour);
    page_text(&p->out, heading);
    buf_text(&p->out, "</th>");
}

/* A plain yes or no is coloured. */
static const char *cell_class(const char *text)
{
    if (strcmp(text, "yes") == 0)
        return " class=\"good\"";
    return strcmp(text, "no") == 0 ? " class=\"bad\"" : "";
}

void page_cell(struct page *p, const char *text)
{
    buf_printf(&p->out, "<td%s>", cell_class(text));
    page_text(&p->out, text);
    buf_text(&p->out, "</td>");
}

void page_cell_range(struct page *p, const char *text, const char *range)
{
    buf_text(&p->out, "<td>");
    page_text(&p->out, text);
    buf_text(&p->out, "<small>");
    page_text(&p->out, range);
    buf_text(&p->out, "</small></td>");
}

void page_table_end(struct page *p)
{
    buf_text(&p->out, p->in_row ? "</tr>\n</tbody>\n</table>\n</div>\n" : "</tbody>\n</table>\n</div>\n");
    p->in_row = false;
}

void page_close(struct page *p, const char *library)
{
    buf_text(&p->out, p->in_section ? "</section>\n</main>\n" : "</main>\n");
    p->in_section = false;
    if (p->n_charts > 0) {
        buf_text(&p->out, "<script>\n");
        page_script(&p->out, library);
        buf_text(&p->out, "\n</script>\n<script>\n");
        page_script(&p->out, (const char *)page_js);
        buf_text(&p->out, "</script>\n");
    }
    buf_text(&p->out, "</body>\n</html>\n");
}
